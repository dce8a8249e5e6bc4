/*
 * pem: certificates and keys from PEM files into an OpenSSL context.
 */
#ifndef NET_PEM_H
#define NET_PEM_H

#include "base/log.h"

#include <openssl/ssl.h>

/*
 * What there is to say about a file: a warning about one that is taken all the same (a key that everybody can
 * read, a certificate that has expired or is not valid yet), or the error because of which there will be no
 * context. `file` is "" when it is about none. `words` go on after the file's name.
 */
typedef void (*pem_note_fn)(void *arg, enum log_level level, const char *file, const char *words);

struct pem_notes {
	pem_note_fn fn;
	void *arg;
};

void pem_say(const struct pem_notes *notes, enum log_level level, const char *file, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* What OpenSSL gave as the first cause since ERR_clear_error(), in its words. */
const char *pem_cause(void);

/*
 * Each reads one file (a regular one, of at most PEM_FILE_MAX bytes) and returns 0, or -errno after one error
 * note: -EINVAL for what OpenSSL does not take. They block as a disk does.
 */
enum { PEM_FILE_MAX = 1 << 20 };

/* The first certificate is the context's, the others are sent behind it in their order. */
int pem_take_certificate(SSL_CTX *ctx, const char *file, const struct pem_notes *notes);

/* The key of the context's certificate, which came from `certificate`. It must be without a passphrase:
 * nobody is asked for one. Warns when others than owner and group can get at it. */
int pem_take_key(SSL_CTX *ctx, const char *file, const char *certificate, const struct pem_notes *notes);

/* The authorities that peers' certificates are verified with, and whose names clients are told. Warns of each
 * that has expired or is not valid yet. */
int pem_take_authorities(SSL_CTX *ctx, const char *file, const struct pem_notes *notes);

/* Warns when the context's certificate, which came from `file`, has expired or is not valid yet. */
void pem_check_dates(SSL_CTX *ctx, const char *file, const struct pem_notes *notes);

#endif
