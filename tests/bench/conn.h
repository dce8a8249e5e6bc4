/*
 * conn: one connection of the load generator: bytes out, bytes in, plain or within TLS.
 *
 * It must cost little, for it shares the processors with what it measures. With TLS a BIO of its own stands
 * between OpenSSL and the socket: records that are written gather in a queue, which leaves in one send; a
 * readiness is one recv of up to 128 KiB, and all that it brought is decrypted at once. What a certificate
 * says is not looked at.
 *
 * The end of a stream within TLS is close_notify. A connection that only ends was cut: CONN_CUT.
 */
#ifndef TESTS_BENCH_CONN_H
#define TESTS_BENCH_CONN_H

#include "sock.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdint.h>

enum { CONN_INPUT = 131072 }; /* of one recv within TLS */

enum conn_end { CONN_LIVE, CONN_ENDED, CONN_CUT };

/* Bytes that wait; they leave at the front. */
struct conn_queue {
	uint8_t *data;
	size_t len, off, cap;
};

/* What all connections within TLS share. */
struct conn_tls {
	SSL_CTX *ctx;
	BIO_METHOD *method;
	bool resume;
	SSL_SESSION *ticket; /* the newest */
	uint64_t n_resumed;
};

struct conn {
	int fd;
	enum conn_end end;	  /* of what the peer sends */
	struct conn_queue output; /* as the caller wrote it */
	SSL *ssl;		  /* NULL: plain */
	struct conn_queue sealed; /* records */
	bool may_recv, fin;	  /* once for each readiness; the peer has shut the socket */
	int error;		  /* errno of the recv that failed */
};

/* Makes room for `len` more bytes and says where they go; NULL: out of memory. */
static inline uint8_t *conn_queue_reserve(struct conn_queue *queue, size_t len)
{
	if (queue->len == 0)
		queue->off = 0;
	size_t need = queue->off + queue->len + len;
	if (need > queue->cap) {
		size_t cap = need < 1024 ? 1024 : need * 2;
		uint8_t *data = realloc(queue->data, cap);
		if (data == NULL)
			return NULL;
		queue->data = data, queue->cap = cap;
	}
	return queue->data + queue->off + queue->len;
}

/* OpenSSL writes: into the queue of records, which takes everything. */
static inline int conn_bio_write(BIO *bio, const char *data, int len)
{
	struct conn *conn = BIO_get_data(bio);
	uint8_t *at = conn_queue_reserve(&conn->sealed, (size_t)len);
	if (at == NULL)
		return -1;
	memcpy(at, data, (size_t)len);
	conn->sealed.len += (size_t)len;
	return len;
}

/* OpenSSL reads: one recv for each readiness, so that none finds nothing. */
static inline int conn_bio_read(BIO *bio, char *data, int len)
{
	struct conn *conn = BIO_get_data(bio);
	ssize_t n = -1;
	BIO_clear_retry_flags(bio);
	if (conn->may_recv) {
		conn->may_recv = false;
		n = recv(conn->fd, data, (size_t)len, 0);
		conn->fin = n == 0;
		conn->error = n < 0 && errno != EAGAIN && errno != EINTR ? errno : 0;
	}
	if (n < 0 && conn->error == 0)
		BIO_set_retry_read(bio);
	return (int)n;
}

/* What OpenSSL asks of a BIO: there is nothing to flush, and no other request is known. */
static inline long conn_bio_ctrl(BIO *bio, int request, long number, void *pointer)
{
	(void)bio, (void)number, (void)pointer;
	return request == BIO_CTRL_FLUSH;
}

/* Keeps the newest ticket for the connections to come. */
static inline int conn_tls_on_ticket(SSL *ssl, SSL_SESSION *ticket)
{
	struct conn_tls *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	SSL_SESSION_free(tls->ticket);
	tls->ticket = ticket;
	return 1;
}

/* Makes what all share; `version` is the only one that is spoken. Returns 0, or -1 with a reason of
 * OpenSSL's. */
static inline int conn_tls_init(struct conn_tls *tls, int version, bool resume)
{
	tls->resume = resume;
	tls->ctx = SSL_CTX_new(TLS_client_method());
	tls->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "load");
	if (tls->ctx == NULL || tls->method == NULL)
		return -1;
	if (BIO_meth_set_write(tls->method, conn_bio_write) != 1 ||
		BIO_meth_set_read(tls->method, conn_bio_read) != 1 ||
		BIO_meth_set_ctrl(tls->method, conn_bio_ctrl) != 1 ||
		SSL_CTX_set_min_proto_version(tls->ctx, version) != 1 ||
		SSL_CTX_set_max_proto_version(tls->ctx, version) != 1)
		return -1;
	SSL_CTX_set_verify(tls->ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_read_ahead(tls->ctx, 1);
	SSL_CTX_set_default_read_buffer_len(tls->ctx, CONN_INPUT);
	SSL_CTX_set_app_data(tls->ctx, tls);
	SSL_CTX_set_session_cache_mode(
		tls->ctx, resume ? SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL : SSL_SESS_CACHE_OFF);
	SSL_CTX_sess_set_new_cb(tls->ctx, resume ? conn_tls_on_ticket : NULL);
	return 0;
}

/* Frees what all shared. */
static inline void conn_tls_done(struct conn_tls *tls)
{
	SSL_SESSION_free(tls->ticket);
	SSL_CTX_free(tls->ctx);
	BIO_meth_free(tls->method);
}

/* Begins to connect; `tls` is NULL for a plain connection. The queues of the last connection are used again.
 * Returns 0 or -errno. */
static inline int conn_open(struct conn *conn, const struct sock_addr *addr, struct conn_tls *tls)
{
	struct conn_queue output = conn->output, sealed = conn->sealed;
	output.len = sealed.len = 0;
	*conn = (struct conn){ .fd = sock_connect(addr), .output = output, .sealed = sealed };
	if (conn->fd < 0 || tls == NULL)
		return conn->fd < 0 ? conn->fd : 0;
	BIO *bio = BIO_new(tls->method);
	conn->ssl = bio != NULL ? SSL_new(tls->ctx) : NULL;
	if (conn->ssl == NULL) {
		BIO_free(bio);
		close(conn->fd);
		return -ENOMEM;
	}
	BIO_set_data(bio, conn);
	BIO_set_init(bio, 1);
	SSL_set_bio(conn->ssl, bio, bio);
	SSL_set_connect_state(conn->ssl);
	if (tls->ticket != NULL)
		SSL_set_session(conn->ssl, tls->ticket);
	return 0;
}

/* Closes it; the queues stay for the next. */
static inline void conn_close(struct conn *conn)
{
	SSL_free(conn->ssl);
	conn->ssl = NULL;
	close(conn->fd);
}

/* Frees the queues. */
static inline void conn_release(struct conn *conn)
{
	free(conn->output.data);
	free(conn->sealed.data);
	conn->output = conn->sealed = (struct conn_queue){ NULL, 0, 0, 0 };
}

/* Bytes that wait to be sent. */
static inline size_t conn_unsent(const struct conn *conn)
{
	return conn->output.len + conn->sealed.len;
}

/* Why a call of OpenSSL's has failed, as -errno: that of the socket, else -EPROTO. */
static inline int conn_tls_error(const struct conn *conn)
{
	return conn->error != 0 ? -conn->error : conn->fin ? -ECONNRESET : -EPROTO;
}

/* An error of this file's functions in words. */
static inline const char *conn_reason(int rc)
{
	const char *reason = rc == -EPROTO ? ERR_reason_error_string(ERR_peek_error()) : NULL;
	return reason != NULL ? reason : strerror(-rc);
}

/* Makes records of the output. Returns 0 or -errno. */
static inline int conn_seal(struct conn *conn)
{
	struct conn_queue *output = &conn->output;
	if (output->len == 0)
		return 0;
	ERR_clear_error();
	if (SSL_write(conn->ssl, output->data + output->off, (int)output->len) != (int)output->len)
		return -EPROTO;
	output->len = 0;
	return 0;
}

/* Sends what the socket takes. Returns 0 or -errno. */
static inline int conn_flush(struct conn *conn)
{
	struct conn_queue *queue = &conn->output;
	if (conn->ssl != NULL) {
		int rc = SSL_is_init_finished(conn->ssl) ? conn_seal(conn) : 0;
		if (rc < 0)
			return rc;
		queue = &conn->sealed;
	}
	while (queue->len > 0) {
		ssize_t n = send(conn->fd, queue->data + queue->off, queue->len, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		queue->off += (size_t)n, queue->len -= (size_t)n;
	}
	return 0;
}

/* Goes on with the handshake, of which the first call is the beginning: 1 when it is complete, 0 or -errno.
 */
static inline int conn_shake(struct conn *conn, struct conn_tls *tls)
{
	ERR_clear_error();
	conn->may_recv = true;
	int rc = SSL_do_handshake(conn->ssl);
	if (rc != 1 && SSL_get_error(conn->ssl, rc) != SSL_ERROR_WANT_READ)
		return conn_tls_error(conn);
	int flushed = conn_flush(conn);
	if (rc == 1)
		tls->n_resumed += SSL_session_reused(conn->ssl) == 1;
	return flushed < 0 ? flushed : rc == 1;
}

/* Are there bytes within OpenSSL that no readiness will tell of? */
static inline bool conn_holds_input(const struct conn *conn)
{
	return conn->ssl != NULL && SSL_has_pending(conn->ssl) == 1;
}

/* Decrypts what one recv brings: like conn_recv(). */
static inline ssize_t conn_recv_tls(struct conn *conn, uint8_t *data, size_t len)
{
	size_t got = 0, n;
	ERR_clear_error();
	conn->may_recv = true;
	while (got < len && SSL_read_ex(conn->ssl, data + got, len - got, &n) == 1)
		got += n;
	if (got == len)
		return (ssize_t)got;
	int why = SSL_get_error(conn->ssl, 0);
	if (why == SSL_ERROR_ZERO_RETURN)
		conn->end = CONN_ENDED;
	else if (why != SSL_ERROR_WANT_READ && conn->fin)
		conn->end = CONN_CUT;
	else if (why != SSL_ERROR_WANT_READ)
		return conn_tls_error(conn);
	return got > 0 ? (ssize_t)got : conn->end != CONN_LIVE ? 0 : -EAGAIN;
}

/* Reads once; `len` is 2 * CONN_INPUT or more, so that nothing which came stays within. The number of bytes,
 * after which conn->end may say that they were the last; 0 at the end, or -errno. */
static inline ssize_t conn_recv(struct conn *conn, uint8_t *data, size_t len)
{
	if (conn->ssl != NULL)
		return conn_recv_tls(conn, data, len);
	ssize_t n = recv(conn->fd, data, len, 0);
	if (n == 0)
		conn->end = CONN_ENDED;
	return n < 0 ? (errno == EINTR ? -EAGAIN : -errno) : n;
}

/* Ends what we send, which may still hold bytes: close_notify, or the socket's end. Returns 0 or -errno. */
static inline int conn_finish(struct conn *conn)
{
	if (conn->ssl == NULL)
		return shutdown(conn->fd, SHUT_WR) == 0 ? 0 : -errno;
	if ((SSL_get_shutdown(conn->ssl) & SSL_SENT_SHUTDOWN) != 0)
		return 0;
	int rc = conn_seal(conn);
	ERR_clear_error();
	if (rc == 0 && SSL_shutdown(conn->ssl) < 0)
		rc = -EPROTO;
	return rc == 0 ? conn_flush(conn) : rc;
}

#endif
