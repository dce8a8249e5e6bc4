/*
 * ciphers: which ciphers a context has, best first.
 */
#ifndef NET_CIPHERS_H
#define NET_CIPHERS_H

#include "conf/config.h"
#include "net/pem.h"

/* Sets our own. Returns whether OpenSSL has them. */
bool ciphers_set_own(SSL_CTX *ctx);

/* Sets a listener's: those of the configuration, in its order, else our own. Returns 0, or -EINVAL after an
 * error note: none of them is known. */
int ciphers_set(SSL_CTX *ctx, const struct listen_conf *listen, const struct pem_notes *notes);

/* Notes a warning for each name in the configuration's lists that OpenSSL passes over, since it knows no such
 * cipher. */
void ciphers_warn(const struct listen_conf *listen, const struct pem_notes *notes);

#endif
