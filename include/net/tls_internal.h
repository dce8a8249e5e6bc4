/*
 * tls_internal: what a listener's contexts (net/tls.c) and those for services (net/tls_client.c) share.
 */
#ifndef NET_TLS_INTERNAL_H
#define NET_TLS_INTERNAL_H

#include "net/tls.h"

#include <stdatomic.h>

/* A context, with a certificate and its key but for a service that is shown none. */
struct tls_pair {
	SSL_CTX *ctx;
	char *file; /* of the certificate; NULL: there is none */
};

struct tls {
	atomic_uint refs;
	size_t n;
	/* Of a listener the first one is for who asks for no name, or for one that none has; for services
	 * there is one. */
	struct tls_pair pairs[];
};

/* Room for n contexts, with one reference. NULL when memory is short. */
struct tls *tls_alloc(size_t n);

/* Notes that there is no context for a reason that is not in a file. Returns the error. */
int tls_fail(const struct pem_notes *notes, int error, const char *reason);

/* Sets what is the same on both sides of a connection: versions from `version` (TLS1_2_VERSION) on, groups,
 * modes for the pump. Returns 0, or -EINVAL after a note. */
int tls_set_basics(SSL_CTX *ctx, int version, const struct pem_notes *notes);

#endif
