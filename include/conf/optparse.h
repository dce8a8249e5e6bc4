/*
 * optparse: takes the words of a command line as Python's module of this name does, for programs that were
 * written with it.
 */
#ifndef CONF_OPTPARSE_H
#define CONF_OPTPARSE_H

#include "conf/argv.h"

/*
 * argv_scan(), by other rules: options may stand behind words that are none; of a long one the beginning will
 * do where no other of the name's own begins so; flags take no value; short ones (argv_option.letter) may
 * share a dash.
 */
int optparse_scan(struct argv_state *state, int argc, char **argv, FILE *out, FILE *err);

#endif
