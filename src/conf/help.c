/*
 * help: the version and the licence of the program, as printed. tests/check-options.sh compares the licence
 * with the file LICENSE.
 */
#include "conf/help.h"

#ifndef WSLUICE_VERSION
#define WSLUICE_VERSION "unknown"
#endif

/* clang-format off */
static const char help_license_text[] =
	"BSD 2-Clause License\n"
	"\n"
	"Copyright (c) 2026, the wsluice authors\n"
	"\n"
	"Redistribution and use in source and binary forms, with or without\n"
	"modification, are permitted provided that the following conditions are met:\n"
	"\n"
	"1. Redistributions of source code must retain the above copyright notice, this\n"
	"   list of conditions and the following disclaimer.\n"
	"\n"
	"2. Redistributions in binary form must reproduce the above copyright notice,\n"
	"   this list of conditions and the following disclaimer in the documentation\n"
	"   and/or other materials provided with the distribution.\n"
	"\n"
	"THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS \"AS IS\"\n"
	"AND ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE\n"
	"IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE\n"
	"DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE\n"
	"FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL\n"
	"DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR\n"
	"SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER\n"
	"CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY,\n"
	"OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE\n"
	"OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.\n";
/* clang-format on */

/* Prints name and version. */
void help_version(FILE *out)
{
	fputs("wsluice " WSLUICE_VERSION "\n", out);
}

/* Prints the licence. */
void help_license(FILE *out)
{
	fputs(help_license_text, out);
}
