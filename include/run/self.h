/*
 * self: this process as the system sees it: its standard descriptors, its limits, its signals, its CPUs.
 */
#ifndef RUN_SELF_H
#define RUN_SELF_H

#include <stddef.h>
#include <sys/resource.h>

/* Opens 0, 1 and 2 where they are not, so that no socket becomes somebody's stderr. */
void self_fill_standard(void);

/* As many descriptors as we may have; *before is how many it was, which programs get back. */
void self_raise_files(struct rlimit *before);

/*
 * Signals come as bytes on a descriptor (signalfd(2)) from now on, TERM, INT, HUP, USR1 and USR2; every
 * thread made after it leaves them to it, and a write to nobody is an errno. Returns the descriptor,
 * non-blocking and close-on-exec, or -errno.
 */
int self_block_signals(void);

/* From now on that descriptor is readable for TERM and INT only. */
void self_hear_stop_only(int fd);

/* How many CPUs this process may use, at least 1. */
unsigned self_count_cpus(void);

/* How many descriptors are open; 0 when nobody can tell. */
size_t self_count_descriptors(void);

#endif
