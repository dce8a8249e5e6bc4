/*
 * tls: what all TLS connections of one listener share: certificates and keys, settings, who may come. What
 * those to services share is one too: net/tls_client.h.
 *
 * A context is made whole and never changes; when files change a new one is made beside it. Connections hold
 * the one that they began with. Settings: TLS 1.2 and 1.3, forward secrecy,
 * authenticated encryption, ALPN http/1.1 only, no renegotiation, no compression, no early data, no session
 * cache; tickets (net/tickets.h) unless clients show certificates.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "conf/config.h"
#include "net/pem.h"
#include "net/tickets.h"

#include <openssl/ssl.h>

struct tls;

/*
 * Reads the files of a listener that has TLS. Returns 0 with a context of one reference, or -errno (-EINVAL
 * for what OpenSSL does not take: no PEM, a key that belongs to another certificate, an unknown cipher) after
 * at least one error note; every mistake is noted, not just the first. `tickets` must outlive it. Several
 * threads may do this at once.
 */
int tls_new(struct tls **out, const struct listen_conf *listen, struct tickets *tickets, pem_note_fn note,
	void *arg);

/* Warns of certificates that have expired or are not valid yet. tls_new() has done so for that day. */
void tls_check_dates(const struct tls *tls, pem_note_fn note, void *arg);

/* Takes and drops a reference; any thread. NULL is allowed. */
struct tls *tls_ref(struct tls *tls);
void tls_unref(struct tls *tls);

/* A server's connection of this listener, in its first state, without BIOs; NULL when memory is short. The
 * caller frees it, and holds a reference to `tls` until then. */
SSL *tls_accept(struct tls *tls);

#endif
