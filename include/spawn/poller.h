/*
 * poller: the spawner's event loop, an epoll set and nothing more; libevent stays in the gateway.
 */
#ifndef SPAWN_POLLER_H
#define SPAWN_POLLER_H

#include <stdint.h>

struct poller {
	int epoll;
};

/* A descriptor in the set and whom to tell; lives inside its owner. */
struct watch {
	int fd;
	uint32_t events;
	void (*on_ready)(void *owner, uint32_t events);
	void *owner;
};

/* Returns 0 or -errno. */
int poller_init(struct poller *poller);

/* Puts a descriptor into the set. Level-triggered. Returns 0 or -errno. */
int poller_add(struct poller *poller, struct watch *watch, int fd, uint32_t events);

/* Changes what is waited for. */
void poller_set(struct poller *poller, struct watch *watch, uint32_t events);

/* Takes the descriptor out of the set; to be called before it is closed. */
void poller_remove(struct poller *poller, struct watch *watch);

/* Waits for one descriptor, at most so many milliseconds (-1: for ever), and tells its owner, who may free
 * anything. */
void poller_turn(struct poller *poller, int timeout_ms);

#endif
