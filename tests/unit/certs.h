/*
 * certs: certificates and keys made for a test, in a directory of its own, and both ends of TLS connections
 * over memory.
 */
#ifndef TESTS_UNIT_CERTS_H
#define TESTS_UNIT_CERTS_H

#include "base/must.h"
#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A certificate with its key, and the files that they were written to. */
struct cert {
	X509 *x509;
	EVP_PKEY *key;
	char file[160], key_file[160];
};

enum { CERT_DAY = 24 * 3600 };

/* What is asked of a certificate. */
struct cert_wish {
	const char *names;	   /* "DNS:a.example,DNS:*.b.example" or NULL */
	const struct cert *issuer; /* NULL: signs itself */
	long from, until;	   /* seconds from now; both 0: yesterday to tomorrow */
	bool ca, rsa;
};

static char certs_dir[64];

/* Makes the directory. */
static inline int certs_setup(void **state)
{
	(void)state;
	strcpy(certs_dir, "/tmp/wsluice-certs-XXXXXX");
	return mkdtemp(certs_dir) == NULL ? -1 : 0;
}

/* Removes it; there are only files in it. */
static inline int certs_teardown(void **state)
{
	char command[96];
	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", certs_dir);
	return system(command);
}

/* Adds an extension. */
static inline void certs_extend(X509 *x509, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, x509, x509, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	must(extension != NULL && X509_add_ext(x509, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

/* Writes text into a file of the directory. */
static inline void certs_write(const char *file, const char *text, mode_t mode)
{
	FILE *out = fopen(file, "w");
	must(out != NULL && fputs(text, out) >= 0 && fclose(out) == 0 && chmod(file, mode) == 0);
}

/* Writes a key, encrypted when there is a passphrase. */
static inline void certs_write_key(EVP_PKEY *key, const char *file, const char *passphrase)
{
	FILE *out = fopen(file, "w");
	int len = passphrase == NULL ? 0 : (int)strlen(passphrase);
	must(out != NULL);
	must(PEM_write_PrivateKey(out, key, len > 0 ? EVP_aes_128_cbc() : NULL,
		     (const unsigned char *)passphrase, len, NULL, NULL) == 1);
	must(fclose(out) == 0 && chmod(file, 0600) == 0);
}

/* Makes a certificate whose common name is `name`, as NAME.crt and NAME.key. */
static inline struct cert certs_make(const char *name, struct cert_wish wish)
{
	static long serial;
	struct cert cert = { .x509 = X509_new(), .key = wish.rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256") };
	const struct cert *issuer = wish.issuer != NULL ? wish.issuer : &cert;
	bool dated = wish.from != 0 || wish.until != 0;

	must(cert.x509 != NULL && cert.key != NULL);
	X509_set_version(cert.x509, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert.x509), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(cert.x509), dated ? wish.from : -CERT_DAY);
	X509_gmtime_adj(X509_getm_notAfter(cert.x509), dated ? wish.until : CERT_DAY);
	X509_NAME_add_entry_by_txt(
		X509_get_subject_name(cert.x509), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(cert.x509, X509_get_subject_name(issuer->x509));
	X509_set_pubkey(cert.x509, cert.key);
	certs_extend(cert.x509, NID_basic_constraints, wish.ca ? "critical,CA:TRUE" : "CA:FALSE");
	if (wish.names != NULL)
		certs_extend(cert.x509, NID_subject_alt_name, wish.names);
	must(X509_sign(cert.x509, issuer->key, EVP_sha256()) > 0);

	snprintf(cert.file, sizeof(cert.file), "%s/%s.crt", certs_dir, name);
	snprintf(cert.key_file, sizeof(cert.key_file), "%s/%s.key", certs_dir, name);
	FILE *out = fopen(cert.file, "w");
	must(out != NULL && PEM_write_X509(out, cert.x509) == 1 && fclose(out) == 0);
	certs_write_key(cert.key, cert.key_file, NULL);
	return cert;
}

/* Frees what is in memory; the files stay. */
static inline void certs_free(struct cert *cert)
{
	X509_free(cert->x509);
	EVP_PKEY_free(cert->key);
}

/* A client that verifies nothing, shows `cert` if there is one, and knows all versions and weak ciphers. */
static inline SSL_CTX *certs_client(const struct cert *cert)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	must(ctx != NULL);
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, 0);
	if (cert != NULL)
		must(SSL_CTX_use_certificate(ctx, cert->x509) == 1 &&
			SSL_CTX_use_PrivateKey(ctx, cert->key) == 1);
	return ctx;
}

/* Both ends of a connection. */
struct duo {
	SSL *client, *server;
};

/* Joins a client's first state with a server's. */
static inline struct duo duo_open(SSL_CTX *client, struct tls *tls)
{
	struct duo duo = { SSL_new(client), tls_accept(tls) };
	BIO *a, *b;
	must(duo.client != NULL && duo.server != NULL && BIO_new_bio_pair(&a, 65536, &b, 65536) == 1);
	SSL_set_connect_state(duo.client);
	SSL_set_bio(duo.client, a, a);
	SSL_set_bio(duo.server, b, b);
	return duo;
}

/* Lets one end go on. Returns 0, or the reason that it ended for (SSL_R_...). */
static inline int duo_step(SSL *ssl, bool *done)
{
	ERR_clear_error();
	int result = SSL_do_handshake(ssl);
	int error = SSL_get_error(ssl, result);
	*done = result == 1;
	if (*done || error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return 0;
	int reason = ERR_GET_REASON(ERR_peek_error());
	ERR_clear_error();
	return reason != 0 ? reason : -1;
}

/* The whole handshake. Returns 0, or why the first end that failed did; the other one hears of it. */
static inline int duo_shake(struct duo *duo)
{
	bool client = false, server = false;
	for (int i = 0; i < 20 && !(client && server); i++) {
		int reason = duo_step(duo->client, &client);
		if (reason == 0)
			reason = duo_step(duo->server, &server);
		if (reason != 0)
			return reason;
	}
	return client && server ? 0 : -1;
}

/* The client reads until there is nothing: tickets of TLS 1.3 come in there, and alerts. Returns SSL_R_... */
static inline int duo_listen(struct duo *duo)
{
	char byte;
	ERR_clear_error();
	SSL_read(duo->client, &byte, 1);
	int reason = ERR_GET_REASON(ERR_peek_error());
	ERR_clear_error();
	return reason;
}

/* Frees both, as after an orderly end: a session that ended otherwise is not resumed. */
static inline void duo_close(struct duo *duo)
{
	SSL_shutdown(duo->client);
	SSL_free(duo->client);
	SSL_free(duo->server);
	ERR_clear_error();
}

#endif
