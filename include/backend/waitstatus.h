/*
 * waitstatus: how a program ended, as words and as a close code. Pure.
 */
#ifndef BACKEND_WAITSTATUS_H
#define BACKEND_WAITSTATUS_H

#include <stdint.h>

/* A status of waitpid() in words: "exit 3", "signal TERM". */
void waitstatus_text(int status, char out[static 64]);

/* The same as a close code: 1000 for exit 0, else 4000 + N for exit N and 4000 + 128 + S for death by signal
 * S. */
uint16_t waitstatus_code(int status);

#endif
