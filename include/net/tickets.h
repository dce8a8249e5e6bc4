/*
 * tickets: the keys that session tickets (RFC 5077, RFC 8446 4.6.1) are sealed with. In memory only: made at
 * start, replaced every 12 hours; two old ones still open the tickets that they sealed. Safe on every thread.
 */
#ifndef NET_TICKETS_H
#define NET_TICKETS_H

#include <openssl/ssl.h>
#include <stdint.h>

enum { TICKETS_KEYS = 3, TICKETS_ROTATE_MS = 12 * 3600 * 1000 };

struct tickets;

struct tickets *tickets_new(void); /* NULL when memory or randomness are short */
void tickets_free(struct tickets *tickets);

/* Seals and opens the tickets of a context; `tickets` must outlive it. Returns 0 or -ENOMEM. */
int tickets_attach(struct tickets *tickets, SSL_CTX *ctx);

/* Replaces the oldest key, as happens by itself when the newest is TICKETS_ROTATE_MS old. Returns 0 or
 * -errno: then all stay as they are. */
int tickets_rotate(struct tickets *tickets);

#endif
