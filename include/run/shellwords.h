/*
 * shellwords: words of commands that only a shell would understand.
 */
#ifndef RUN_SHELLWORDS_H
#define RUN_SHELLWORDS_H

#include "base/log.h"
#include "conf/config.h"

/*
 * Warns of a pipe or a redirection among the words of `exec` in a file (`exec = sort | uniq`, `2>/dev/null`),
 * one for each route: its program gets it as an argument. It is no mistake by itself, a program may want that
 * word (`expr 2 > 1`). The words of a command line have been through a shell.
 */
void shellwords_warn(struct log *log, const struct config *config);

#endif
