/*
 * tls: makes the OpenSSL contexts of a listener, and picks the one whose certificate has the name that a
 * visitor asks for.
 *
 * Owns the contexts; those for services are made by net/tls_client.c. Not the connections (net/pump.c), not
 * the watching of files (run/certificates.c), and it logs nothing: what there is to say goes to the caller's
 * note. On any thread.
 */
#include "net/ciphers.h"
#include "net/tls_internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

/* Each connection leaves one ticket (of TLS 1.3), and one that is resumed uses one up. To make another costs
 * 6 % of a handshake. */
enum { TLS_CHAIN_MAX = 32 * 1024, TLS_TICKETS = 1 };

#if OPENSSL_VERSION_NUMBER >= 0x30500000L
static const char tls_groups[] = "X25519MLKEM768:X25519:P-256:P-384";
#else
static const char tls_groups[] = "X25519:P-256:P-384";
#endif

/* A listener's files while they are read. */
struct tls_reading {
	const struct listen_conf *listen;
	struct tickets *tickets;
	struct pem_notes notes;
};

/* Says that it is not about a file. */
int tls_fail(const struct pem_notes *notes, int error, const char *reason)
{
	pem_say(notes, LOG_ERROR, "", "TLS can't be set up: %s", reason);
	return error;
}

/* Takes memory for all. */
struct tls *tls_alloc(size_t n)
{
	struct tls *tls = calloc(1, sizeof(*tls) + n * sizeof(tls->pairs[0]));

	if (tls == NULL)
		return NULL;
	atomic_init(&tls->refs, 1);
	tls->n = n;
	return tls;
}

/* Sets what has nothing to do with who is who. */
int tls_set_basics(SSL_CTX *ctx, int version, const struct pem_notes *notes)
{
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_max_cert_list(ctx, TLS_CHAIN_MAX);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	bool good = SSL_CTX_set_min_proto_version(ctx, version) == 1 &&
		    SSL_CTX_set_max_proto_version(ctx, 0) == 1 &&
		    SSL_CTX_set1_groups_list(ctx, tls_groups) == 1;
	return good ? 0 : tls_fail(notes, -EINVAL, pem_cause());
}

/* Lets clients show certificates. No tickets then: a resumed session would skip the look at them. */
static int tls_set_clients(const struct tls_reading *reading, SSL_CTX *ctx)
{
	int must_show =
		reading->listen->tls_client == TLS_CLIENT_REQUIRE ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;

	if (reading->listen->tls_client_ca == NULL) {
		SSL_CTX_set_num_tickets(ctx, TLS_TICKETS);
		int error = tickets_attach(reading->tickets, ctx);
		return error == 0 ? 0 : tls_fail(&reading->notes, error, strerror(-error));
	}
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | must_show, NULL);
	return pem_take_authorities(ctx, reading->listen->tls_client_ca, &reading->notes);
}

/* Accepts HTTP/1.1 alone; a client that offers others only is told that there is none for it. */
static int tls_on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
	unsigned in_len, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *chosen;
	(void)ssl;
	(void)arg;

	if (SSL_select_next_proto(&chosen, out_len, ours, sizeof(ours) - 1, in, in_len) !=
		OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* A session is resumed where it began only: same listener, same demands on clients. */
static int tls_set_session_context(const struct listen_conf *listen, SSL_CTX *ctx)
{
	const char *ca = listen->tls_client_ca;
	const char *who = listen->tls_client == TLS_CLIENT_REQUIRE ? "require" : "accept";
	const char *parts[] = { listen->name, ca == NULL ? "" : ca, ca == NULL ? "" : who };
	uint8_t id[SHA256_DIGEST_LENGTH];
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bool good = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;

	for (size_t i = 0; good && i < 3; i++)
		good = EVP_DigestUpdate(md, parts[i], strlen(parts[i]) + 1) == 1;
	good = good && EVP_DigestFinal_ex(md, id, NULL) == 1;
	EVP_MD_CTX_free(md);
	return good && SSL_CTX_set_session_id_context(ctx, id, sizeof(id)) == 1 ? 0 : -ENOMEM;
}

/* Sets what is the same for every certificate of a listener. */
static int tls_set(const struct tls_reading *reading, SSL_CTX *ctx)
{
	int version = reading->listen->tls_min_version >= 13 ? TLS1_3_VERSION : TLS1_2_VERSION;

	ERR_clear_error();
	int error = tls_set_basics(ctx, version, &reading->notes);
	if (error != 0)
		return error;
	/* A visitor that ends its TCP without a close_notify still reads what is on its way; whether it was
	 * cut off is seen by its WebSocket close frame. */
	SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_alpn_select_cb(ctx, tls_on_alpn, NULL);
	if (SSL_CTX_set_max_early_data(ctx, 0) != 1 || tls_set_session_context(reading->listen, ctx) != 0)
		return tls_fail(&reading->notes, -EINVAL, pem_cause());
	error = ciphers_set(ctx, reading->listen, &reading->notes);
	return error != 0 ? error : tls_set_clients(reading, ctx);
}

/* Takes the files of one pair. */
static int tls_take_pair(const struct tls_reading *reading, const struct tls_pair *pair, const char *key)
{
	int error = pem_take_certificate(pair->ctx, pair->file, &reading->notes);
	return error != 0 ? error : pem_take_key(pair->ctx, key, pair->file, &reading->notes);
}

/* Makes a context for each pair. What is wrong with all of them is said once, with files each has its own. */
static int tls_make(const struct tls_reading *reading, struct tls *tls)
{
	const struct listen_conf *listen = reading->listen;
	int error = 0;

	for (size_t i = 0; i < tls->n; i++) {
		tls->pairs[i].ctx = SSL_CTX_new(TLS_server_method());
		tls->pairs[i].file = strdup(listen->tls_certificate.items[i]);
		if (tls->pairs[i].ctx == NULL || tls->pairs[i].file == NULL)
			return tls_fail(&reading->notes, -ENOMEM, strerror(ENOMEM));
	}
	for (size_t i = 0; i < tls->n && error == 0; i++)
		error = tls_set(reading, tls->pairs[i].ctx);
	if (error == 0)
		ciphers_warn(listen, &reading->notes);
	for (size_t i = 0; i < tls->n; i++) {
		int failed = tls_take_pair(reading, &tls->pairs[i], listen->tls_key.items[i]);
		error = error != 0 ? error : failed;
	}
	return error;
}

/* Picks the certificate for the name that the client asks for, the first one when none has it. */
static int tls_on_name(SSL *ssl, int *alert, void *arg)
{
	const struct tls *tls = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	(void)alert;

	for (size_t i = 0; name != NULL && i < tls->n; i++) {
		X509 *x509 = SSL_CTX_get0_certificate(tls->pairs[i].ctx);
		if (X509_check_host(x509, name, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) != 1)
			continue;
		return SSL_set_SSL_CTX(ssl, tls->pairs[i].ctx) != NULL ? SSL_TLSEXT_ERR_OK
								       : SSL_TLSEXT_ERR_ALERT_FATAL;
	}
	return SSL_TLSEXT_ERR_NOACK;
}

/* Looks at all. */
void tls_check_dates(const struct tls *tls, pem_note_fn note, void *arg)
{
	for (size_t i = 0; i < tls->n; i++)
		if (tls->pairs[i].file != NULL)
			pem_check_dates(
				tls->pairs[i].ctx, tls->pairs[i].file, &(struct pem_notes){ note, arg });
}

/* Reads all pairs, so that every mistake is said at once. */
int tls_new(struct tls **out, const struct listen_conf *listen, struct tickets *tickets, pem_note_fn note,
	void *arg)
{
	const struct tls_reading reading = { listen, tickets, { note, arg } };
	struct tls *tls = tls_alloc(listen->tls_certificate.n);

	*out = NULL;
	if (tls == NULL)
		return tls_fail(&reading.notes, -ENOMEM, strerror(ENOMEM));
	ERR_clear_error();
	int error = tls_make(&reading, tls);
	ERR_clear_error();
	if (error != 0) {
		tls_unref(tls);
		return error;
	}
	tls_check_dates(tls, note, arg);
	SSL_CTX_set_tlsext_servername_callback(tls->pairs[0].ctx, tls_on_name);
	SSL_CTX_set_tlsext_servername_arg(tls->pairs[0].ctx, tls);
	*out = tls;
	return 0;
}

/* Counts one more. */
struct tls *tls_ref(struct tls *tls)
{
	if (tls != NULL)
		atomic_fetch_add_explicit(&tls->refs, 1, memory_order_relaxed);
	return tls;
}

/* Counts one less and frees at none. */
void tls_unref(struct tls *tls)
{
	if (tls == NULL || atomic_fetch_sub_explicit(&tls->refs, 1, memory_order_acq_rel) > 1)
		return;
	for (size_t i = 0; i < tls->n; i++) {
		SSL_CTX_free(tls->pairs[i].ctx);
		free(tls->pairs[i].file);
	}
	free(tls);
}

/* Begins with the first certificate; the client's hello decides. */
SSL *tls_accept(struct tls *tls)
{
	ERR_clear_error();
	SSL *ssl = SSL_new(tls->pairs[0].ctx);
	if (ssl != NULL)
		SSL_set_accept_state(ssl);
	return ssl;
}
