/*
 * clientcert: who a TLS client is, by the certificate that was verified.
 */
#ifndef NET_CLIENTCERT_H
#define NET_CLIENTCERT_H

#include <openssl/ssl.h>

/*
 * The subject of the client's certificate ("CN=alice,O=Example"; RFC 4514), and its common name. ASCII
 * without control characters: what else there is in a name is escaped. NULL without a certificate (or a name
 * in it), or when memory is short. The caller frees.
 */
char *clientcert_subject(const SSL *ssl);
char *clientcert_common_name(const SSL *ssl);

/* The common name as it is, in UTF-8. NULL also when it has control characters. The caller frees. */
char *clientcert_common_name_utf8(const SSL *ssl);

#endif
