/*
 * pump: TLS of one connection: ciphertext from a socket in, plaintext out; plaintext in, records out.
 *
 * It reads its socket itself, so that what it does not ask for stays with the kernel. It writes no socket:
 * records go to the thread's outbox, from where the stream takes them, so there is nothing half written that
 * OpenSSL would have to remember. Holds no buffer while nothing is on its way. Only a stream uses it.
 */
#ifndef NET_PUMP_H
#define NET_PUMP_H

#include "net/outbox.h"
#include "net/tls.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a peer's handshake before it is turned away; a chain of certificates fits. */
enum { PUMP_HANDSHAKE_MAX = 65536 };

struct pump;

/* A connection on a non-blocking socket, which stays the caller's: a server's (host NULL), or ours to the
 * service `host` (net/tls_client.h). NULL when memory is short. */
struct pump *pump_new(struct tls *tls, const char *host, int fd, struct outbox *outbox);
void pump_free(struct pump *pump); /* NULL is allowed */

/*
 * Reads and decrypts at most `size` bytes; the handshake happens in here too, in calls that return -EAGAIN.
 * Look at the outbox after it, whatever it returns. Returns how many bytes, 0 when the peer ended its side,
 * -EAGAIN, or another -errno: the connection is at its end in both directions (-EPROTO: TLS was broken,
 * pump_reason() says how; a service that ends without close_notify breaks it, a client does not). An end is
 * returned again by every later call.
 */
long pump_read(struct pump *pump, void *out, size_t size);

/* Would pump_read() do more without a look at the socket? Our own hello counts. */
bool pump_has_pending(const struct pump *pump);

/* Encrypts into the outbox. After the handshake only. Returns 0 or -errno. */
int pump_write(struct pump *pump, const void *data, size_t len);

/* Puts a close_notify into the outbox, once; nothing before the handshake is over or after it failed. */
void pump_finish(struct pump *pump);

bool pump_is_established(const struct pump *pump); /* the handshake is over */
bool pump_met_http(const struct pump *pump);	   /* the peer speaks HTTP without TLS */
const char *pump_reason(const struct pump *pump);  /* why it failed, a few words; "" when it did not */
SSL *pump_ssl(const struct pump *pump);		   /* to look at: version, cipher, certificate */

#endif
