/*
 * tls_client: what TLS connections to the services of one route (tls://) share: who is believed, and what
 * certificate of ours they are shown when they ask for one.
 *
 * The context is a struct tls: made whole, never changed, counted. Settings are those of a listener: TLS 1.2
 * and 1.3, its ciphers, no renegotiation. No protocol is offered (ALPN), and no session is resumed: a
 * handshake comes once for each of ours, which lasts, and nothing need be kept or kept apart for it.
 */
#ifndef NET_TLS_CLIENT_H
#define NET_TLS_CLIENT_H

#include "net/tls.h"

/* Where OpenSSL finds the system's authorities, which count where a route names none: a file and a directory;
 * neither need exist. */
const char *tls_client_system_file(void);
const char *tls_client_system_dir(void);

/* Reads a route's files: tls_new() for the other side. */
int tls_client_new(struct tls **out, const struct route_conf *route, pem_note_fn note, void *arg);

/*
 * A connection of ours, in its first state, without BIOs, to a service that is `host`: it is asked for by
 * that name (SNI) unless it is an address, and where the route verifies its certificate must be for it. NULL
 * when memory is short, or for a name of more than TLS_CLIENT_NAME_MAX bytes. The caller frees.
 */
enum { TLS_CLIENT_NAME_MAX = 255 };
SSL *tls_client_connect(struct tls *tls, const char *host);

/* Of what is found of a certificate (X509_V_...): is it that nobody is known who vouches for it? */
bool tls_client_lacks_authority(long verdict);

/* Of a handshake that failed: what to look at, to be written behind the reason; "" where there is nothing to
 * say. host: as it was given to tls_client_connect(). Returns `out`. */
enum { TLS_CLIENT_ADVICE = TLS_CLIENT_NAME_MAX + 64 };
const char *tls_client_advise(const SSL *ssl, const char *host, char out[static TLS_CLIENT_ADVICE]);

#endif
