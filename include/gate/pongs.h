/*
 * pongs: which pings of a client are answered (RFC 6455 5.5.3): each of them and in order, but of a client
 * that pings and does not read only as many as it may make us queue; of more only the last one. Pure: bytes
 * in, verdict out.
 */
#ifndef GATE_PONGS_H
#define GATE_PONGS_H

#include "ws/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PONGS_MAX = 32 }; /* queued behind data */

/* Zeroed to begin. */
struct pongs {
	unsigned n_queued;
	uint64_t until; /* when so many bytes have left, those that were queued have too */
	bool due;	/* `data` is to be answered once there is room */
	uint8_t len;
	uint8_t data[FRAME_CONTROL_MAX];
};

/* A ping came, of at most FRAME_CONTROL_MAX bytes; `left` bytes have left so far, `idle`: none wait. Returns
 * whether to answer it now; if not, it is kept in place of the one that was kept before. */
bool pongs_on_ping(struct pongs *pongs, uint64_t left, bool idle, const uint8_t *data, size_t len);

/* A pong was sent, and what is sent has left when `until` bytes have. */
void pongs_on_pong(struct pongs *pongs, uint64_t until);

/* Is the one that was kept to be answered now? Once. */
bool pongs_take(struct pongs *pongs, uint64_t left, bool idle);

#endif
