/*
 * inherited: the sockets that systemd passes at the start (sd_listen_fds(3)), until a listener takes them.
 */
#ifndef RUN_INHERITED_H
#define RUN_INHERITED_H

#include "base/log.h"

struct inherited_socket {
	char *name; /* FileDescriptorName= of the .socket unit; several may share one */
	int fd;	    /* close-on-exec; -1 once it was taken */
};

struct inherited {
	struct inherited_socket *sockets;
	size_t n;
};

/*
 * Reads LISTEN_FDS and what belongs to it, once, and removes it from the environment; before there are
 * threads or children. Without it there are none. Returns 0 or -errno; inherited_done() is due in both cases.
 */
int inherited_read(struct inherited *inherited);

/* The next one of this name, from *at on, which begins with 0. It is the caller's from now on. -1: no more.
 */
int inherited_take(struct inherited *inherited, const char *name, size_t *at);

/* Their names, each once, with spaces between. The caller frees; NULL when memory is short. */
char *inherited_names(const struct inherited *inherited);

/* Says which were not taken, and closes them. */
void inherited_drop(struct inherited *inherited, struct log *log);

void inherited_done(struct inherited *inherited);

#endif
