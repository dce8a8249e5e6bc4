/*
 * help: the version and the licence of the program, as printed, and the beginning of its help.
 * tests/check-options.sh compares the licence with the file LICENSE.
 */
#include "conf/help.h"

#include <sys/utsname.h>

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

const char help_usage_own[] =
	"wsluice connects WebSocket clients to programs and TCP services.\n"
	"\n"
	"  wsluice [OPTIONS] [--] COMMAND [ARG...]    a program, started for each client\n"
	"  wsluice [OPTIONS] --dir=DIR                the program that the path names\n"
	"  wsluice [OPTIONS] --connect=URI            a TCP or unix socket service\n"
	"  wsluice --config=FILE                      whatever the file says\n"
	"\n"
	"Try: wsluice --port=8080 vmstat 1, and open http://localhost:8080/\n"
	"or, for a terminal there: wsluice --set terminal=yes bash\n"
	"\n";

const char help_usage_websocketd[] =
	"websocketd connects WebSocket clients to programs. This is wsluice, which is what scripts for\n"
	"websocketd expect when it is started under that name; see wsluice(8), WEBSOCKETD.\n"
	"\n"
	"  websocketd [OPTIONS] [--] COMMAND [ARG...]    a program, started for each client\n"
	"  websocketd [OPTIONS] --dir=DIR                the program that the path names\n"
	"\n";

const char help_usage_websockify[] =
	"websockify connects WebSocket clients to TCP services. This is wsluice, which is what scripts for\n"
	"websockify expect when it is started under that name; see wsluice(8), WEBSOCKIFY.\n"
	"\n"
	"  websockify [OPTIONS] [SOURCE_ADDR:]SOURCE_PORT TARGET_ADDR:TARGET_PORT\n"
	"  websockify [OPTIONS] [SOURCE_ADDR:]SOURCE_PORT --unix-target=PATH\n"
	"  websockify [OPTIONS] [SOURCE_ADDR:]SOURCE_PORT --token-plugin=TokenFile --token-source=FILE\n"
	"  websockify [OPTIONS] --unix-listen=PATH TARGET_ADDR:TARGET_PORT\n"
	"\n";

/* Prints name and version; websocketd has behind them what it was built with, for what, and a word on the
 * build. */
void help_version(bool websocketd, FILE *out)
{
	struct utsname machine;

	if (!websocketd)
		fputs("wsluice " WSLUICE_VERSION "\n", out);
	else
		fprintf(out, "websocketd " WSLUICE_VERSION " (wsluice linux-%s) --\n",
			uname(&machine) == 0 ? machine.machine : "unknown");
}

/* Prints the licence. */
void help_license(FILE *out)
{
	fputs(help_license_text, out);
}
