/*
 * help: texts that are printed and nothing else (--help, --version, --license).
 */
#ifndef CONF_HELP_H
#define CONF_HELP_H

#include <stdio.h>

void help_version(FILE *out);
void help_license(FILE *out);

#endif
