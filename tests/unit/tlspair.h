/*
 * tlspair: a stream that speaks TLS, and OpenSSL itself at the other end of its socket. A test gives the
 * roles.
 */
#ifndef TESTS_UNIT_TLSPAIR_H
#define TESTS_UNIT_TLSPAIR_H

#include "certs.h"
#include "net/pump.h"
#include "net/stream.h"
#include "rig.h"

#include <malloc.h>

enum { ROOM = 4 << 20 };

/* Blocks of OpenSSL's as large as those that it reads records into; for who calls blocks_count() first of
 * all. */
static int blocks_large;

static inline void *blocks_malloc(size_t size, const char *file, int line)
{
	void *block = malloc(size);
	(void)file;
	(void)line;
	blocks_large += block != NULL && malloc_usable_size(block) >= 16384;
	return block;
}

static inline void blocks_free(void *block, const char *file, int line)
{
	(void)file;
	(void)line;
	blocks_large -= block != NULL && malloc_usable_size(block) >= 16384;
	free(block);
}

static inline void *blocks_realloc(void *block, size_t size, const char *file, int line)
{
	size_t old = block == NULL ? 0 : malloc_usable_size(block);
	void *fresh = blocks_malloc(size, file, line);
	if (fresh != NULL && block != NULL)
		memcpy(fresh, block, old < size ? old : size);
	if (fresh != NULL)
		blocks_free(block, file, line);
	return fresh;
}

static inline void blocks_count(void)
{
	must(CRYPTO_set_mem_functions(blocks_malloc, blocks_realloc, blocks_free) == 1);
}

/* Both ends. */
struct pair {
	struct rig rig;
	struct stream stream;
	SSL_CTX *ctx;
	SSL *peer;
	int far;
	uint8_t *got; /* by the stream */
	size_t n_got, n_open, n_sent, n_eof, n_broken;
	int eof_error;
	bool echo;
	void (*opened)(struct stream *stream); /* what a test does then; NULL: nothing */
};

static inline void pair_on_open(void *arg)
{
	struct pair *pair = arg;
	assert_int_equal(pair->n_got + pair->n_eof, 0);
	assert_false(stream_in_handshake(&pair->stream));
	memset(pair->rig.loop.scratch, 0xee, LOOP_SCRATCH); /* it is whose turn it is */
	pair->n_open++;
	if (pair->opened != NULL)
		pair->opened(&pair->stream);
}

static inline void pair_on_data(void *arg, uint8_t *data, size_t len)
{
	struct pair *pair = arg;
	assert_true(pair->n_got + len <= ROOM);
	assert_true(len <= pair->stream.read_max);
	memcpy(pair->got + pair->n_got, data, len);
	pair->n_got += len;
	if (pair->echo) {
		stream_send(&pair->stream, data, len);
		stream_flush(&pair->stream);
	}
}

static inline void pair_on_sent(void *arg)
{
	((struct pair *)arg)->n_sent++;
}

static inline void pair_on_eof(void *arg, int error)
{
	struct pair *pair = arg;
	pair->n_eof++;
	pair->eof_error = error;
}

static inline void pair_on_broken(void *arg, int error)
{
	(void)error;
	((struct pair *)arg)->n_broken++;
}

static const struct stream_hooks pair_hooks = { .on_open = pair_on_open,
	.on_data = pair_on_data,
	.on_sent = pair_on_sent,
	.on_eof = pair_on_eof,
	.on_broken = pair_on_broken };

/* Both ends, nothing said yet. host: as of stream_open_tls(). The pair owns `ctx`, the other end's. */
static inline struct pair *pair_open(struct tls *tls, const char *host, SSL_CTX *ctx, int version)
{
	int fds[2], small = 16384;
	struct pair *pair = calloc(1, sizeof(*pair));
	assert_non_null(pair);
	pair->got = malloc(ROOM);
	rig_init(&pair->rig);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	pair->far = fds[1];
	assert_int_equal(
		stream_open_tls(&pair->stream, &pair->rig.loop, fds[0], tls, host, &pair_hooks, pair), 0);
	pair->ctx = ctx;
	SSL_CTX_set_max_proto_version(ctx, version);
	SSL_CTX_set_min_proto_version(ctx, version);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	pair->peer = SSL_new(ctx);
	SSL_set_fd(pair->peer, fds[1]);
	if (host == NULL)
		SSL_set_connect_state(pair->peer);
	else
		SSL_set_accept_state(pair->peer);
	return pair;
}

static inline void pair_free(struct pair *pair)
{
	stream_close(&pair->stream);
	SSL_free(pair->peer);
	SSL_CTX_free(pair->ctx);
	close(pair->far);
	rig_done(&pair->rig);
	free(pair->got);
	free(pair);
}

/* The handshake; of TLS 1.3 the tickets too. */
static inline void pair_shake(struct pair *pair)
{
	char byte;
	assert_true(stream_in_handshake(&pair->stream));
	assert_int_equal(pair->n_open, 0);
	for (int i = 0; i < 10 && SSL_do_handshake(pair->peer) != 1; i++)
		rig_turns(&pair->rig, 2);
	assert_true(SSL_is_init_finished(pair->peer));
	rig_turns(&pair->rig, 3);
	assert_int_equal(SSL_read(pair->peer, &byte, 1), -1);
	assert_int_equal(pair->n_open, 1);
	assert_false(stream_in_handshake(&pair->stream));
	ERR_clear_error();
}

/* Sends all of it, with the stream reading as it goes. */
static inline void pair_say(struct pair *pair, const uint8_t *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		size_t n = 0;
		if (SSL_write_ex(pair->peer, data + done, len - done, &n))
			done += n;
		else
			assert_int_equal(SSL_get_error(pair->peer, 0), SSL_ERROR_WANT_WRITE);
		rig_turn(&pair->rig);
	}
}

/* What the other end has been sent, until there are `len` bytes. */
static inline void pair_hear(struct pair *pair, uint8_t *data, size_t len)
{
	for (size_t done = 0, idle = 0; done < len; idle++) {
		size_t n = 0;
		assert_true(idle < 100000);
		if (SSL_read_ex(pair->peer, data + done, len - done, &n))
			done += n;
		rig_turn(&pair->rig);
	}
	ERR_clear_error();
}

/* How the other end's next read ends, after a turn or two. */
static inline int pair_verdict(struct pair *pair)
{
	char byte;
	int error = SSL_ERROR_WANT_READ;
	for (int i = 0; i < 20 && error == SSL_ERROR_WANT_READ; i++) {
		rig_turns(&pair->rig, 2);
		ERR_clear_error();
		error = SSL_get_error(pair->peer, SSL_read(pair->peer, &byte, 1));
	}
	ERR_clear_error();
	return error;
}

static inline void fill(uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(i * 31 + i / 251);
}

static const size_t lengths[] = { 1, 4095, 4096, 4097, 16383, 16384, 16385, 65535, 65536, 65537, 1 << 20 };
enum { LENGTHS = sizeof(lengths) / sizeof(lengths[0]) };

/* Every length comes back, of a pair that has shaken hands and reads so much at once. */
static inline void pair_echo(struct pair *pair, size_t budget)
{
	uint8_t *data = malloc(ROOM), *back = malloc(ROOM);

	fill(data, ROOM);
	pair->echo = true;
	stream_allow(&pair->stream, budget);
	for (size_t i = 0; i < LENGTHS - (budget < LOOP_SCRATCH); i++) {
		pair->n_got = 0;
		pair_say(pair, data, lengths[i] < 20000 ? lengths[i] : 16384);
		if (lengths[i] >= 20000)
			pair_say(pair, data + 16384, lengths[i] - 16384);
		pair_hear(pair, back, lengths[i]);
		assert_int_equal(pair->n_got, lengths[i]);
		assert_memory_equal(data, back, lengths[i]);
	}
	assert_int_equal(pair->n_eof + pair->n_broken, 0);
	assert_int_equal(stream_queued(&pair->stream), 0);
	free(data);
	free(back);
}

#endif
