/*
 * help: texts that are printed and nothing else (--help, --version, --license). `websocketd`: as a program
 * that was started under that name prints them.
 */
#ifndef CONF_HELP_H
#define CONF_HELP_H

#include <stdbool.h>
#include <stdio.h>

void help_usage(bool websocketd, FILE *out); /* what --help begins with */
void help_version(bool websocketd, FILE *out);
void help_license(FILE *out);

#endif
