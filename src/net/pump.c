/*
 * pump: TLS of one connection, between a socket and the thread's outbox.
 *
 * Owns the SSL object and what is known about how it ended. OpenSSL reads the socket, with read-ahead, and
 * writes into the outbox, which never says "later", both through the outbox's BIO. Decides nothing and logs
 * nothing. Runs on its loop's thread.
 */
#include "net/pump.h"

#include "net/tls_client.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* After so much in one call there is probably more with the kernel. */
enum { PUMP_BULK = SSL3_RT_MAX_PLAIN_LENGTH };

/* Holds the longest words that we make of OpenSSL's, those for an authority's certificate. */
enum { PUMP_REASON = 128 };

struct pump {
	SSL *ssl;
	struct outbox_wire wire;
	struct tls *tls;    /* OpenSSL looks into it during the handshake */
	bool begun;	    /* pump_read() was called: before that our own hello may be due */
	bool established;   /* the handshake is over */
	bool starved;	    /* the socket had no more when it was asked last */
	bool over;	    /* the peer's side has ended: `end` is what pump_read() returns from now on */
	bool failed;	    /* ... and ours too */
	bool finished;	    /* close_notify was made */
	bool renegotiation; /* the peer asked for one */
	bool met_http;
	bool authority;		  /* a certificate was not good, and it is not the peer's own */
	long end;		  /* 0 or -errno */
	char reason[PUMP_REASON]; /* words of ours or OpenSSL's; never the peer's */
};

/* Takes notice of our own alert against a renegotiation: OpenSSL sends it and would go on. */
static void pump_on_info(const SSL *ssl, int where, int value)
{
	struct pump *pump = SSL_get_app_data(ssl);

	if ((where & SSL_CB_WRITE_ALERT) == SSL_CB_WRITE_ALERT && (value & 0xff) == SSL_AD_NO_RENEGOTIATION)
		pump->renegotiation = true;
}

/* Takes notice of whose certificate is not good: how far it is from the peer's own. */
static int pump_on_verify(int good, X509_STORE_CTX *store)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct pump *pump = SSL_get_app_data(ssl);

	if (!good)
		pump->authority = X509_STORE_CTX_get_error_depth(store) > 0;
	return good;
}

/* Gives the connection its BIO, which it owns from here on. */
static bool pump_attach(struct pump *pump)
{
	BIO *bio = outbox_bio(&pump->wire);

	if (bio != NULL)
		SSL_set_bio(pump->ssl, bio, bio);
	return bio != NULL;
}

/* Begins to wait for a handshake, or to make one. */
struct pump *pump_new(struct tls *tls, const char *host, int fd, struct outbox *outbox)
{
	struct pump *pump = calloc(1, sizeof(*pump));
	if (pump == NULL)
		return NULL;
	pump->wire = (struct outbox_wire){ .outbox = outbox, .fd = fd };
	pump->tls = tls_ref(tls);
	pump->ssl = host == NULL ? tls_accept(tls) : tls_client_connect(tls, host);
	if (pump->ssl == NULL || !pump_attach(pump)) {
		pump_free(pump);
		return NULL;
	}
	SSL_set_app_data(pump->ssl, pump);
	SSL_set_info_callback(pump->ssl, pump_on_info);
	SSL_set_verify(pump->ssl, SSL_get_verify_mode(pump->ssl), pump_on_verify);
	return pump;
}

/* Frees it; says nothing to the peer. */
void pump_free(struct pump *pump)
{
	if (pump == NULL)
		return;
	SSL_free(pump->ssl);
	tls_unref(pump->tls);
	free(pump);
}

/* Remembers how it ended; a failure ends both directions. */
__attribute__((format(printf, 3, 4))) static void pump_end(
	struct pump *pump, long end, const char *format, ...)
{
	va_list args;

	pump->over = true;
	pump->failed = end < 0;
	pump->end = end;
	va_start(args, format);
	vsnprintf(pump->reason, sizeof(pump->reason), format, args);
	va_end(args);
}

/* Whom we talk to. */
static const char *pump_peer(const struct pump *pump)
{
	return SSL_is_server(pump->ssl) ? "client" : "service";
}

/* An alert in words. OpenSSL 3.0 has none for those that came with TLS 1.3. */
static const char *pump_alert(int alert)
{
	return alert == SSL_AD_CERTIFICATE_REQUIRED ? "certificate required"
	       : alert == SSL_AD_MISSING_EXTENSION  ? "missing extension"
						    : SSL_alert_desc_string_long(alert);
}

/* Is it something else than TLS that a service speaks? */
static bool pump_met_other(const struct pump *pump, int reason)
{
	return !SSL_is_server(pump->ssl) && !pump->established &&
	       (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST);
}

/* Did the peer show a certificate that is not believed? OpenSSL says so last: before that may be why it could
 * not read an authority's. */
static bool pump_met_stranger(void)
{
	unsigned long error = ERR_peek_last_error();
	return ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED;
}

/* Whose certificate it is and why it is not believed; where there was no authority for it, and one of the
 * system's could not be read, why not. */
static void pump_explain_stranger(struct pump *pump)
{
	long verdict = SSL_get_verify_result(pump->ssl);
	bool unread = tls_client_lacks_authority(verdict) && ERR_peek_error() != ERR_peek_last_error();

	pump_end(pump, -EPROTO,
		pump->authority ? "the certificate of the %s's authority: %s%s%s"
				: "the %s's certificate: %s%s%s",
		pump_peer(pump), X509_verify_cert_error_string(verdict), unread ? ": " : "",
		unread ? pem_cause() : "");
}

/* What went wrong first, in words: a peer's alert, a certificate of its own and an end that nothing told of
 * are told apart from the rest. */
static void pump_explain(struct pump *pump)
{
	unsigned long error = ERR_peek_error();
	int reason = ERR_GET_REASON(error);
	const char *words = ERR_reason_error_string(error);

	if (pump_met_stranger())
		pump_explain_stranger(pump);
	else if (reason > SSL_AD_REASON_OFFSET)
		pump_end(pump, -EPROTO, "the %s's alert: %s", pump_peer(pump),
			pump_alert(reason - SSL_AD_REASON_OFFSET));
	else if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		pump_end(pump, -EPROTO, "%s",
			pump->established ? "ended without close_notify" : "ended during the handshake");
	else if (pump_met_other(pump, reason))
		pump_end(pump, -EPROTO, "%s: it does not seem to speak TLS", words);
	else
		pump_end(pump, -EPROTO, "%s", words != NULL ? words : "protocol error");
}

/* What an unsuccessful call of OpenSSL means. When the socket was not asked in vain, what came was no data
 * but a ticket or new keys; for these it takes a buffer to write into, too, and would keep it. */
static void pump_judge(struct pump *pump, int error, int saved)
{
	int reason = ERR_GET_REASON(ERR_peek_error());

	switch (error) {
	case SSL_ERROR_WANT_READ:
		pump->starved = true;
		if (saved != EAGAIN)
			SSL_free_buffers(pump->ssl);
		return;
	case SSL_ERROR_ZERO_RETURN:
		pump_end(pump, 0, "%s", "");
		return;
	case SSL_ERROR_SYSCALL:
		if (pump_met_stranger()) /* it was no call for the socket that failed */
			pump_explain_stranger(pump);
		else
			pump_end(pump, saved != 0 ? -saved : -ECONNRESET, "%s", "");
		return;
	case SSL_ERROR_WANT_WRITE: /* the outbox had no memory */
		pump_end(pump, -ENOMEM, "%s", "");
		return;
	default:
		pump->met_http = SSL_is_server(pump->ssl) &&
				 (reason == SSL_R_HTTP_REQUEST || reason == SSL_R_HTTPS_PROXY_REQUEST);
		pump_explain(pump);
	}
}

/*
 * What OpenSSL lets pass and we do not: a renegotiation, a handshake without end, and a key update in parts:
 * until the rest came OpenSSL would write nothing.
 */
static void pump_restrict(struct pump *pump)
{
	bool shaking = !SSL_is_init_finished(pump->ssl);

	if (pump->over)
		return;
	if (pump->renegotiation)
		pump_end(pump, -EPROTO, "renegotiation");
	else if (shaking && pump->established)
		pump_end(pump, -EPROTO, "a message of the handshake in parts");
	else if (shaking && BIO_number_read(SSL_get_rbio(pump->ssl)) > PUMP_HANDSHAKE_MAX)
		pump_end(pump, -EPROTO, "handshake too long");
	pump->established |= !shaking;
}

/* Forgets what OpenSSL complained of before, which it would take for what is wrong now. To look is much
 * cheaper than to clear. */
static void pump_forget(void)
{
	if (ERR_peek_error() != 0)
		ERR_clear_error();
}

/* Takes one step: of the handshake, or a record, of which there are `n` bytes. */
static void pump_step(struct pump *pump, uint8_t *out, size_t size, size_t *n)
{
	pump_forget();
	errno = 0;
	int result = pump->established ? SSL_read_ex(pump->ssl, out, size, n) : SSL_do_handshake(pump->ssl);
	if (result != 1) {
		int saved = errno;
		pump_judge(pump, SSL_get_error(pump->ssl, result), saved);
	}
	pump_restrict(pump);
}

/* Reads records until the room is used up or the socket is; after the handshake the owner has the word. */
long pump_read(struct pump *pump, void *out, size_t size)
{
	bool established = pump->established;
	size_t got = 0;

	pump->begun = true;
	pump->starved = false;
	pump->wire.drained = false;
	while (got < size && !pump->over && !pump->starved && pump->established == established) {
		size_t n = 0;
		pump_step(pump, (uint8_t *)out + got, size - got, &n);
		got += n;
		if (!SSL_has_pending(pump->ssl) && got < PUMP_BULK && n > 0)
			break;
	}
	if (got > 0)
		return (long)got;
	return pump->over ? pump->end : -EAGAIN;
}

/* An end that was not told yet counts too. */
bool pump_has_pending(const struct pump *pump)
{
	bool hello_due = !pump->begun && !SSL_is_server(pump->ssl);
	return hello_due || pump->over || (!pump->starved && SSL_has_pending(pump->ssl));
}

/* Makes records. */
int pump_write(struct pump *pump, const void *data, size_t len)
{
	const uint8_t *at = data;

	if (pump->failed || pump->finished || !pump->established)
		return -EPROTO;
	while (len > 0) {
		size_t n = 0;
		pump_forget();
		if (!SSL_write_ex(pump->ssl, at, len, &n))
			return SSL_get_error(pump->ssl, 0) == SSL_ERROR_WANT_WRITE ? -ENOMEM : -EPROTO;
		at += n;
		len -= n;
	}
	return 0;
}

/* Says that our side is at its end. */
void pump_finish(struct pump *pump)
{
	if (pump->failed || pump->finished || !pump->established)
		return;
	pump->finished = true;
	SSL_shutdown(pump->ssl);
}

/* Is the handshake over? */
bool pump_is_established(const struct pump *pump)
{
	return pump->established;
}

/* Did HTTP come where TLS was to begin? */
bool pump_met_http(const struct pump *pump)
{
	return pump->met_http;
}

/* Why it failed. */
const char *pump_reason(const struct pump *pump)
{
	return pump->reason;
}

/* For those who look. */
SSL *pump_ssl(const struct pump *pump)
{
	return pump->ssl;
}
