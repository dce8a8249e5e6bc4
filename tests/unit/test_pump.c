/*
 * Tests of TLS in a stream: every byte and every end, whatever the budget; what breaks TLS, and what a peer
 * may make us hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>

#include <signal.h>

#include "tlspair.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

static struct cert server_cert;
static struct tls *server_tls;
static struct tickets *server_tickets;

/* What a listener with that one certificate has. */
static struct tls *pair_make_tls(void)
{
	char name[] = "main";
	char *file[2] = { server_cert.file, NULL }, *key[2] = { server_cert.key_file, NULL };
	struct tls *tls = NULL;
	struct listen_conf listen = {
		.name = name,
		.tls_min_version = 12,
		.tls_certificate = { .items = file, .n = 1 },
		.tls_key = { .items = key, .n = 1 },
	};
	assert_int_equal(tls_new(&tls, &listen, server_tickets, NULL, NULL), 0);
	return tls;
}

static int pair_setup(void **state)
{
	if (certs_setup(state) != 0)
		return -1;
	server_cert = certs_make("server", (struct cert_wish){ .names = "DNS:localhost" });
	server_tickets = tickets_new();
	server_tls = pair_make_tls();
	return server_tickets == NULL ? -1 : 0;
}

static int pair_teardown(void **state)
{
	tls_unref(server_tls);
	tickets_free(server_tickets);
	certs_free(&server_cert);
	return certs_teardown(state);
}

/* Both ends, nothing said yet. */
static struct pair *pair_new(int version)
{
	return pair_open(server_tls, NULL, certs_client(NULL), version);
}

/* Every length, both ways, in both versions; and with little budget, where a record is more than one read
 * takes and the socket has nothing more to say. */
static void test_echo(void **state)
{
	static const size_t budgets[] = { LOOP_SCRATCH, 4096, 1000 };
	(void)state;

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++)
		for (size_t b = 0; b < 3; b++) {
			struct pair *pair = pair_new(version);
			pair_shake(pair);
			pair_echo(pair, budgets[b]);
			pair_free(pair);
		}
}

/* The client's last word of the handshake and its first bytes in one segment; how many bytes the stream has
 * passed on after a turn with them. */
static size_t pair_early_bird(struct pair *pair, int version)
{
	size_t n = 0;

	for (int i = 0; SSL_do_handshake(pair->peer) != 1; i++) {
		assert_true(i < 10);
		rig_turn(&pair->rig);
	}
	assert_true(SSL_write_ex(pair->peer, "data", 4, &n));
	assert_int_equal(pair->n_open, version == TLS1_2_VERSION);
	rig_turn(&pair->rig);
	assert_int_equal(pair->n_open, 1);
	ERR_clear_error();
	return pair->n_got;
}

/* Both are one turn's work. */
static void test_early_bird(void **state)
{
	(void)state;

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct pair *pair = pair_new(version);
		assert_int_equal(pair_early_bird(pair, version), 4);
		pair_free(pair);
	}
}

static void pause_stream(struct stream *stream)
{
	stream_allow(stream, 0);
}

/* Its owner does not want them yet: they are not read before it does. */
static void test_early_bird_waits(void **state)
{
	(void)state;

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct pair *pair = pair_new(version);
		pair->opened = pause_stream;
		assert_int_equal(pair_early_bird(pair, version), 0);
		rig_turns(&pair->rig, 5);
		assert_int_equal(pair->n_got + pair->n_eof, 0);
		stream_allow(&pair->stream, LOOP_SCRATCH);
		rig_turn(&pair->rig);
		assert_int_equal(pair->n_got, 4);
		pair_free(pair);
	}
}

/* Its owner wants nothing of the connection: it hears no more of it. */
static void test_early_bird_in_vain(void **state)
{
	static void (*const ends[])(struct stream * stream) = { stream_close, stream_reset };
	(void)state;

	for (int i = 0; i < 2; i++) {
		struct pair *pair = pair_new(TLS1_3_VERSION);
		pair->opened = ends[i];
		assert_int_equal(pair_early_bird(pair, TLS1_3_VERSION), 0);
		rig_turns(&pair->rig, 5);
		assert_false(stream_is_open(&pair->stream));
		assert_int_equal(pair->n_got + pair->n_eof + pair->n_sent + pair->n_broken, 0);
		pair_free(pair);
	}
}

/* What somebody else has left in OpenSSL's queue of errors is none of this connection's: not of a read that
 * finds nothing more, of a write, nor of the end. */
static void test_old_errors(void **state)
{
	uint8_t data[16384], back[4];
	(void)state;

	fill(data, sizeof(data));
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct pair *pair = pair_new(version);
		pair_shake(pair);
		ERR_raise(ERR_LIB_SSL, SSL_R_HTTP_REQUEST);
		pair_say(pair, data, sizeof(data)); /* as much has it read on until there is no more */
		rig_turns(&pair->rig, 3);
		assert_int_equal(pair->n_got, sizeof(data));
		assert_int_equal(pair->n_eof, 0);
		ERR_raise(ERR_LIB_SSL, SSL_R_HTTP_REQUEST);
		stream_send(&pair->stream, "back", 4);
		stream_flush(&pair->stream);
		assert_int_equal(ERR_peek_error(), 0); /* a write that failed would be taken for its fault */
		pair_hear(pair, back, sizeof(back));
		assert_memory_equal(back, "back", 4);
		ERR_raise(ERR_LIB_SSL, SSL_R_HTTP_REQUEST);
		stream_finish(&pair->stream);
		assert_int_equal(pair_verdict(pair), SSL_ERROR_ZERO_RETURN);
		assert_int_equal(pair->n_eof + pair->n_broken, 0);
		pair_free(pair);
	}
}

/* The listener's certificate is replaced while a client is in the middle of its handshake. */
static void test_replaced(void **state)
{
	struct tls *kept = server_tls;
	(void)state;

	server_tls = pair_make_tls();
	struct pair *pair = pair_new(TLS1_3_VERSION);
	SSL_set_tlsext_host_name(pair->peer, "localhost");
	tls_unref(server_tls);
	server_tls = kept;
	pair_shake(pair);
	pair_free(pair);
}

/* The client's last bytes and its close_notify in one segment: the bytes first, all of them, then an orderly
 * end (K1); our own bytes still go (K2), and our close_notify is behind them. */
static void test_tail(void **state)
{
	uint8_t *data = malloc(ROOM), *back = malloc(ROOM);
	(void)state;

	fill(data, ROOM);
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++)
		for (size_t i = 0; i < LENGTHS; i++) {
			struct pair *pair = pair_new(version);
			pair_shake(pair);
			stream_send(&pair->stream, data, 200000);
			stream_flush(&pair->stream);
			pair_say(pair, data, lengths[i]);
			SSL_shutdown(pair->peer);
			rig_until(&pair->rig, pair->n_eof > 0);
			assert_int_equal(pair->eof_error, 0);
			assert_int_equal(pair->n_got, lengths[i]);
			assert_memory_equal(pair->got, data, lengths[i]);
			stream_finish(&pair->stream);
			pair_hear(pair, back, 200000);
			assert_memory_equal(back, data, 200000);
			assert_int_equal(pair_verdict(pair), SSL_ERROR_ZERO_RETURN);
			assert_true(stream_is_over(&pair->stream));
			assert_int_equal(pair->n_eof, 1);
			pair_free(pair);
		}
	free(data);
	free(back);
}

/* An end without close_notify: what is on its way to the client still gets there. */
static void test_eof_without_notify(void **state)
{
	struct pair *pair = pair_new(TLS1_3_VERSION);
	uint8_t back[5];
	(void)state;

	pair_shake(pair);
	pair_say(pair, (const uint8_t *)"abc", 3);
	shutdown(pair->far, SHUT_WR);
	rig_until(&pair->rig, pair->n_eof > 0);
	assert_int_equal(pair->eof_error, 0);
	assert_int_equal(pair->n_got, 3);
	stream_send(&pair->stream, "after", 5);
	stream_flush(&pair->stream);
	pair_hear(pair, back, 5);
	assert_memory_equal(back, "after", 5);
	pair_free(pair);
}

/* stream_close() says that it is the end, stream_reset() does not. */
static void test_close_and_reset(void **state)
{
	(void)state;
	for (int reset = 0; reset <= 1; reset++) {
		struct pair *pair = pair_new(TLS1_3_VERSION);
		pair_shake(pair);
		if (reset)
			stream_reset(&pair->stream);
		else
			stream_close(&pair->stream);
		int verdict = pair_verdict(pair);
		assert_true(reset ? verdict != SSL_ERROR_ZERO_RETURN : verdict == SSL_ERROR_ZERO_RETURN);
		pair_free(pair);
	}
}

/* Nothing is read while reading is stopped, and then what TLS holds already is. */
static void test_pause(void **state)
{
	struct pair *pair = pair_new(TLS1_3_VERSION);
	uint8_t data[16384];
	(void)state;

	fill(data, sizeof(data));
	pair_shake(pair);
	stream_allow(&pair->stream, 100);
	pair_say(pair, data, sizeof(data));
	stream_allow(&pair->stream, 0);
	size_t before = pair->n_got;
	assert_true(before > 0 && before < sizeof(data));
	rig_turns(&pair->rig, 10);
	assert_int_equal(pair->n_got, before);
	stream_allow(&pair->stream, LOOP_SCRATCH);
	rig_until(&pair->rig, pair->n_got == sizeof(data));
	assert_memory_equal(pair->got, data, sizeof(data));
	pair_free(pair);
}

/* What is no TLS: told by an alert, with the reason in words. */
static void test_garbage(void **state)
{
	struct pair *pair = pair_new(TLS1_3_VERSION);
	uint8_t answer[16];
	(void)state;

	assert_int_equal(write(pair->far, "\x16\x03\x01\x00\x05hello more", 15), 15);
	rig_until(&pair->rig, pair->n_eof > 0);
	assert_int_equal(pair->eof_error, EPROTO);
	assert_string_not_equal(stream_tls_failure(&pair->stream), "");
	assert_false(stream_met_http(&pair->stream));
	stream_send(&pair->stream, "plain", 5);
	stream_flush(&pair->stream);
	ssize_t n = read(pair->far, answer, sizeof(answer));
	assert_int_equal(n, 7);		 /* one alert and nothing else */
	assert_int_equal(answer[0], 21); /* RFC 8446 6 */
	assert_int_equal(answer[5], 2);	 /* fatal */
	assert_int_equal(read(pair->far, answer, sizeof(answer)), 0);
	pair_free(pair);
}

/* HTTP on a TLS port can be answered as HTTP. */
static void test_http(void **state)
{
	struct pair *pair = pair_new(TLS1_3_VERSION);
	char answer[16] = "";
	(void)state;

	assert_int_equal(write(pair->far, "GET / HTTP/1.1\r\n\r\n", 18), 18);
	rig_until(&pair->rig, pair->n_eof > 0);
	assert_int_equal(pair->eof_error, EPROTO);
	assert_true(stream_met_http(&pair->stream));
	stream_send(&pair->stream, "HTTP/1.1 400", 12);
	stream_finish(&pair->stream);
	assert_int_equal(read(pair->far, answer, sizeof(answer)), 12);
	assert_memory_equal(answer, "HTTP/1.1 400", 12);
	assert_int_equal(read(pair->far, answer, sizeof(answer)), 0);
	assert_int_equal(pair->n_got, 0);
	pair_free(pair);
}

/* A ClientHello of so many bytes in all, never complete: one more than fit is too many. */
static void test_long_handshake(void **state)
{
	(void)state;
	for (int over = -1; over <= 1; over++) {
		struct pair *pair = pair_new(TLS1_2_VERSION);
		size_t total = PUMP_HANDSHAKE_MAX + over, done = 0;
		uint8_t record[5 + 1024] = { 22, 3, 1, 4, 0, 1, 1, 0xff, 0 }; /* of 130,816 bytes */

		while (done < total) {
			size_t len = total - done < sizeof(record) ? total - done : sizeof(record);
			assert_int_equal(write(pair->far, record, len), len);
			done += len;
			memset(record + 5, 0, 4); /* only the first one begins a message */
			rig_turns(&pair->rig, 2);
		}
		rig_turns(&pair->rig, 3);
		assert_int_equal(pair->n_eof, over > 0);
		if (over > 0)
			assert_string_equal(stream_tls_failure(&pair->stream), "handshake too long");
		pair_free(pair);
	}
}

/* TLS 1.2 lets a client ask for another handshake; we end the connection (G2). */
static void test_renegotiation(void **state)
{
	struct pair *pair = pair_new(TLS1_2_VERSION);
	(void)state;

	pair_shake(pair);
	SSL_renegotiate(pair->peer);
	SSL_do_handshake(pair->peer);
	rig_until(&pair->rig, pair->n_eof > 0);
	assert_int_equal(pair->eof_error, EPROTO);
	assert_string_equal(stream_tls_failure(&pair->stream), "renegotiation");
	pair_free(pair);
}

/* A client that asks for new keys again and again and reads nothing makes us hold little. */
static void test_key_updates(void **state)
{
	struct pair *pair = pair_new(TLS1_3_VERSION);
	static uint8_t block[100000];
	(void)state;

	pair_shake(pair);
	stream_send(&pair->stream, block, sizeof(block)); /* so that there is a queue */
	stream_flush(&pair->stream);
	size_t before = stream_queued(&pair->stream);
	assert_true(before > 0);
	for (int i = 0; i < 20000 && pair->n_eof + pair->n_broken == 0; i++) {
		SSL_key_update(pair->peer, SSL_KEY_UPDATE_REQUESTED);
		if (SSL_do_handshake(pair->peer) != 1)
			ERR_clear_error();
		rig_turn(&pair->rig);
		assert_true(stream_queued(&pair->stream) < before + 2 * 65536 + 4096);
	}
	pair_free(pair);
}

/* A record that is not data, and data right behind it, in one segment: the data does not wait for more. */
static void test_data_behind_key_update(void **state)
{
	struct pair *pair = pair_new(TLS1_3_VERSION);
	size_t n = 0;
	(void)state;

	pair_shake(pair);
	for (int i = 0; i < 100; i++) {
		SSL_key_update(pair->peer, SSL_KEY_UPDATE_NOT_REQUESTED);
		assert_int_equal(SSL_do_handshake(pair->peer), 1);
	}
	assert_true(SSL_write_ex(pair->peer, "data", 4, &n));
	rig_turns(&pair->rig, 10);
	assert_int_equal(pair->n_got, 4);
	pair_free(pair);
}

/* The client's first secret for data, as its key log tells it. */
static uint8_t client_secret[32];

static void pair_on_secret(const SSL *ssl, const char *line)
{
	const char *hex = strrchr(line, ' ') + 1;
	long len;
	(void)ssl;

	if (strncmp(line, "CLIENT_TRAFFIC_SECRET_0 ", 24) != 0)
		return;
	uint8_t *bytes = OPENSSL_hexstr2buf(hex, &len);
	assert_int_equal(len, sizeof(client_secret));
	memcpy(client_secret, bytes, sizeof(client_secret));
	OPENSSL_free(bytes);
}

/* HKDF-Expand-Label without context (RFC 8446 7.1), of SHA-256. */
static void expand(uint8_t *out, size_t len, const char *label)
{
	uint8_t info[64];
	int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	size_t n = (size_t)snprintf((char *)info, sizeof(info), "%c%c%ctls13 %s%c", 0, (int)len,
		(int)strlen(label) + 6, label, 0);
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	char digest[] = "SHA256";
	OSSL_PARAM params[] = { OSSL_PARAM_construct_int("mode", &mode),
		OSSL_PARAM_construct_utf8_string("digest", digest, 0),
		OSSL_PARAM_construct_octet_string("key", client_secret, sizeof(client_secret)),
		OSSL_PARAM_construct_octet_string("info", info, n), OSSL_PARAM_construct_end() };
	assert_int_equal(EVP_KDF_derive(ctx, out, len, params), 1);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
}

/* Sends one record of handshake bytes, the first one of the client after its own handshake. */
static void pair_say_handshake(struct pair *pair, const uint8_t *data, size_t len)
{
	uint8_t key[16], iv[12], plain[64], record[128] = { 0x17, 3, 3, 0, (uint8_t)(len + 1 + 16) };
	int n;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	expand(key, sizeof(key), "key");
	expand(iv, sizeof(iv), "iv");
	memcpy(plain, data, len);
	plain[len] = 22;
	assert_int_equal(EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, key, iv), 1);
	assert_int_equal(EVP_EncryptUpdate(ctx, NULL, &n, record, 5), 1);
	assert_int_equal(EVP_EncryptUpdate(ctx, record + 5, &n, plain, (int)len + 1), 1);
	assert_int_equal(EVP_EncryptFinal_ex(ctx, record + 5 + n, &n), 1);
	assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, record + 5 + len + 1), 1);
	EVP_CIPHER_CTX_free(ctx);
	assert_int_equal(write(pair->far, record, 5 + len + 1 + 16), 5 + len + 1 + 16);
}

/* Half of a message of the handshake, after it, and no more: OpenSSL would send nothing from then on, so that
 * the connection ends and says why, instead of losing what we send. */
static void test_half_a_key_update(void **state)
{
	static const uint8_t half[] = { 24, 0, 0, 1 };
	struct pair *pair = pair_new(TLS1_3_VERSION);
	(void)state;

	SSL_CTX_set_keylog_callback(pair->ctx, pair_on_secret);
	assert_int_equal(SSL_set_ciphersuites(pair->peer, "TLS_AES_128_GCM_SHA256"), 1);
	pair_shake(pair);
	pair_say_handshake(pair, half, sizeof(half));
	rig_until(&pair->rig, pair->n_eof > 0);
	assert_int_equal(pair->eof_error, EPROTO);
	assert_string_equal(stream_tls_failure(&pair->stream), "a message of the handshake in parts");
	pair_free(pair);
}

/* Headers and payloads that were read one behind the other: each pair becomes one record, and nothing of them
 * is hurt by it. */
static void test_headers(void **state)
{
	static const size_t payload = 4000, record = 5 + 4 + 4000 + 1 + 16; /* RFC 8446 5.2 */
	struct pair *pair = pair_new(TLS1_3_VERSION);
	uint8_t *scratch = pair->rig.loop.scratch, data[3 * 4000], back[3 * 4004];
	(void)state;

	fill(data, sizeof(data));
	pair_shake(pair);
	uint64_t before = stream_written(&pair->stream);
	memcpy(scratch, data, sizeof(data));
	for (size_t i = 0; i < 3; i++) {
		stream_send(&pair->stream, "head", 4);
		stream_send(&pair->stream, scratch + i * payload, payload);
	}
	stream_flush(&pair->stream);
	pair_hear(pair, back, sizeof(back));
	for (size_t i = 0; i < 3; i++) {
		assert_memory_equal(back + i * (4 + payload), "head", 4);
		assert_memory_equal(back + i * (4 + payload) + 4, data + i * payload, payload);
	}
	assert_int_equal(stream_written(&pair->stream) - before, 3 * record);
	pair_free(pair);
}

/* A file goes through the encryption; with an end before what was asked for it fails. */
static void test_file(void **state)
{
	struct pair *pair = pair_new(TLS1_3_VERSION);
	uint8_t data[20000], back[20000];
	int file = memfd_create("file", MFD_CLOEXEC);
	(void)state;

	fill(data, sizeof(data));
	assert_int_equal(write(file, data, sizeof(data)), sizeof(data));
	pair_shake(pair);
	stream_send(&pair->stream, data, 100);
	assert_int_equal(stream_send_file(&pair->stream, file, 100, 15000), 15000);
	pair_hear(pair, back, 15100);
	assert_memory_equal(back, data, 15100);
	assert_int_equal(stream_send_file(&pair->stream, file, 20000, 1), -1);
	close(file);
	pair_free(pair);
}

/* While nothing is on its way no buffer for records is held: not after the handshake, and the tickets that
 * may follow it, nor after data. */
static void test_idle(void **state)
{
	uint8_t data[20000] = { 0 };
	(void)state;

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct pair *pair = pair_new(version);
		pair_shake(pair);
		for (int i = 0; i < 2; i++) {
			char byte;
			rig_turns(&pair->rig, 5);
			assert_int_equal(SSL_read(pair->peer, &byte, 1), -1);
			assert_int_equal(SSL_free_buffers(pair->peer), 1);
			assert_int_equal(blocks_large, 0);
			pair_say(pair, data, sizeof(data));
			rig_until(&pair->rig, pair->n_got == (i + 1) * sizeof(data));
		}
		ERR_clear_error();
		pair_free(pair);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_early_bird),
		cmocka_unit_test(test_early_bird_waits),
		cmocka_unit_test(test_early_bird_in_vain),
		cmocka_unit_test(test_old_errors),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_tail),
		cmocka_unit_test(test_eof_without_notify),
		cmocka_unit_test(test_close_and_reset),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_http),
		cmocka_unit_test(test_long_handshake),
		cmocka_unit_test(test_renegotiation),
		cmocka_unit_test(test_key_updates),
		cmocka_unit_test(test_data_behind_key_update),
		cmocka_unit_test(test_half_a_key_update),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_idle),
	};
	signal(SIGPIPE, SIG_IGN);
	blocks_count();
	return cmocka_run_group_tests(tests, pair_setup, pair_teardown);
}
