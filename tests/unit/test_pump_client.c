/*
 * Tests of TLS that we begin, to a service: every byte and every end; what a service may say and do before,
 * while and after we shake hands. What is the same for both roles is in test_pump.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tlspair.h"

#include "net/tls_client.h"

static struct cert server_cert, strange_cert;
static struct tls *our_tls;

/* What a route has that believes this certificate. */
static struct tls *make_tls(struct cert *ca)
{
	struct route_conf route = { .is_service = true, .tls_verify = true, .tls_ca = ca->file };
	struct tls *tls;
	assert_int_equal(tls_client_new(&tls, &route, NULL, NULL), 0);
	return tls;
}

static int setup(void **state)
{
	struct cert_wish wish = { .names = "DNS:localhost" };
	if (certs_setup(state) != 0)
		return -1;
	server_cert = certs_make("server", wish);
	strange_cert = certs_make("strange", wish);
	our_tls = make_tls(&server_cert);
	return 0;
}

static int teardown(void **state)
{
	tls_unref(our_tls);
	certs_free(&server_cert);
	certs_free(&strange_cert);
	return certs_teardown(state);
}

/* What a service has that shows a certificate. */
static SSL_CTX *service_ctx(const struct cert *cert)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	must(ctx != NULL && SSL_CTX_use_certificate(ctx, cert->x509) == 1 &&
		SSL_CTX_use_PrivateKey(ctx, cert->key) == 1);
	return ctx;
}

/* Both ends, nothing said yet. */
static struct pair *pair_new(int version)
{
	return pair_open(our_tls, "localhost", service_ctx(&server_cert), version);
}

/* Turns both ends until ours has ended; checks the words. */
static void pair_must_fail(struct pair *pair, int error, const char *words)
{
	for (int i = 0; i < 20 && pair->n_eof == 0; i++) {
		SSL_do_handshake(pair->peer);
		rig_turns(&pair->rig, 2);
	}
	ERR_clear_error();
	assert_int_equal(pair->n_eof, 1);
	assert_int_equal(pair->eof_error, error);
	assert_string_equal(stream_tls_failure(&pair->stream), words);
}

/* We speak first, without being asked, and nobody else has to do anything for it. */
static void test_hello(void **state)
{
	struct pair *pair = pair_new(TLS1_3_VERSION);
	uint8_t byte[3];
	(void)state;

	assert_int_equal(read(pair->far, byte, 3), -1);
	rig_turns(&pair->rig, 2);
	assert_int_equal(read(pair->far, byte, 3), 3);
	assert_int_equal(byte[0], 22); /* RFC 8446 5.1 */
	rig_turns(&pair->rig, 3);
	assert_false(pump_has_pending(pair->stream.pump)); /* nothing to do until it answers */
	assert_int_equal(pair->n_open + pair->n_eof + pair->n_broken, 0);
	pair_free(pair);
}

/* Closed before it has said anything: the hello is not made any more. */
static void test_close_at_once(void **state)
{
	struct pair *pair = pair_new(TLS1_3_VERSION);
	uint8_t byte;
	(void)state;

	stream_close(&pair->stream);
	rig_turns(&pair->rig, 3);
	assert_int_equal(read(pair->far, &byte, 1), 0);
	pair_free(pair);
}

/* Every length, both ways, in both versions, and with little budget. */
static void test_echo(void **state)
{
	static const size_t budgets[] = { LOOP_SCRATCH, 1000 };
	(void)state;

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++)
		for (size_t b = 0; b < 2; b++) {
			struct pair *pair = pair_new(version);
			pair_shake(pair);
			pair_echo(pair, budgets[b]);
			pair_free(pair);
		}
}

/* A service that speaks first: its words come in the segment that ends our handshake, or as soon as it knows
 * of ours, and are told after the handshake is. */
static void test_speaks_first(void **state)
{
	size_t n;
	(void)state;

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct pair *pair = pair_new(version);
		for (int i = 0; i < 10 && SSL_do_handshake(pair->peer) != 1; i++)
			if (pair->n_open == 0)
				rig_turns(&pair->rig, 1);
		assert_true(SSL_write_ex(pair->peer, "RFB 003.008\n", 12, &n));
		rig_until(&pair->rig, pair->n_got == 12);
		assert_int_equal(pair->n_open, 1);
		assert_memory_equal(pair->got, "RFB 003.008\n", 12);
		rig_turns(&pair->rig, 3);
		assert_false(pump_has_pending(pair->stream.pump));
		pair_free(pair);
	}
}

/* Its last bytes and its close_notify in one segment: the bytes first, all of them, then an orderly end (K1);
 * what we send still goes, and our close_notify is behind it (K2). */
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
			shutdown(pair->far, SHUT_WR);
			rig_until(&pair->rig, pair->n_eof > 0);
			assert_int_equal(pair->eof_error, 0);
			assert_string_equal(stream_tls_failure(&pair->stream), "");
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

/* An end without close_notify comes after all bytes, and is none in good order: anybody on the way could have
 * made it. */
static void test_cut_off(void **state)
{
	uint8_t *data = malloc(ROOM);
	(void)state;

	fill(data, ROOM);
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++)
		for (size_t i = 0; i < LENGTHS; i++) {
			struct pair *pair = pair_new(version);
			pair_shake(pair);
			pair_say(pair, data, lengths[i]);
			shutdown(pair->far, SHUT_WR);
			rig_until(&pair->rig, pair->n_eof > 0);
			assert_int_equal(pair->eof_error, EPROTO);
			assert_string_equal(stream_tls_failure(&pair->stream), "ended without close_notify");
			assert_int_equal(pair->n_got, lengths[i]);
			assert_memory_equal(pair->got, data, lengths[i]);
			pair_free(pair);
		}
	free(data);
}

/* A record of which the end is missing is not told at all. */
static void test_cut_in_a_record(void **state)
{
	struct pair *pair = pair_new(TLS1_3_VERSION);
	uint8_t record[] = { 23, 3, 3, 0, 100, 1, 2, 3 };
	(void)state;

	pair_shake(pair);
	pair_say(pair, (const uint8_t *)"whole", 5);
	assert_int_equal(write(pair->far, record, sizeof(record)), sizeof(record));
	shutdown(pair->far, SHUT_WR);
	rig_until(&pair->rig, pair->n_eof > 0);
	assert_int_equal(pair->eof_error, EPROTO);
	assert_int_equal(pair->n_got, 5);
	pair_free(pair);
}

/* We close: close_notify; we reset: none, so that the service does not take what it has for the whole. */
static void test_close_and_reset(void **state)
{
	(void)state;
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++)
		for (int reset = 0; reset < 2; reset++) {
			struct pair *pair = pair_new(version);
			pair_shake(pair);
			if (reset)
				stream_reset(&pair->stream);
			else
				stream_close(&pair->stream);
			assert_int_equal(pair_verdict(pair), reset ? SSL_ERROR_SSL : SSL_ERROR_ZERO_RETURN);
			pair_free(pair);
		}
}

/* With reading stopped nothing is told, and all of it afterwards, though it is decrypted or read already and
 * the socket has no more (K4). */
static void test_pause(void **state)
{
	uint8_t data[16384];
	(void)state;

	fill(data, sizeof(data));
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++)
		for (size_t budget = 100; budget <= 16400; budget += 16300 / 5) {
			struct pair *pair = pair_new(version);
			pair_shake(pair);
			stream_allow(&pair->stream, budget);
			pair_say(pair, data, sizeof(data));
			stream_allow(&pair->stream, 0);
			size_t before = pair->n_got;
			assert_true(before > 0);
			rig_turns(&pair->rig, 10);
			assert_int_equal(pair->n_got, before);
			SSL_shutdown(pair->peer);
			stream_allow(&pair->stream, budget);
			rig_until(&pair->rig, pair->n_eof > 0);
			assert_int_equal(pair->n_got, sizeof(data));
			assert_memory_equal(pair->got, data, sizeof(data));
			assert_int_equal(pair->eof_error, 0);
			pair_free(pair);
		}
}

/* Whom we do not believe; it is told by an alert. */
static void test_not_believed(void **state)
{
	(void)state;
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct pair *pair = pair_open(our_tls, "localhost", service_ctx(&strange_cert), version);
		pair_must_fail(pair, EPROTO, "the service's certificate: self-signed certificate");
		assert_int_equal(pair->n_open, 0);
		assert_int_equal(pair_verdict(pair), SSL_ERROR_SSL);
		pair_free(pair);
		pair = pair_open(our_tls, "elsewhere", service_ctx(&server_cert), version);
		pair_must_fail(pair, EPROTO, "the service's certificate: hostname mismatch");
		assert_int_equal(pair->n_open, 0);
		pair_free(pair);
	}
}

/* Nor an authority that nobody named: the longest words that there are for it, whole. */
static void test_authority_not_believed(void **state)
{
	struct cert root = certs_make("root", (struct cert_wish){ .ca = true }),
		    leaf = certs_make(
			    "leaf", (struct cert_wish){ .names = "DNS:localhost", .issuer = &root });
	(void)state;

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		SSL_CTX *ctx = service_ctx(&leaf);
		assert_int_equal(SSL_CTX_add1_chain_cert(ctx, root.x509), 1);
		struct pair *pair = pair_open(our_tls, "localhost", ctx, version);
		pair_must_fail(pair, EPROTO,
			"the certificate of the service's authority: "
			"self-signed certificate in certificate chain");
		pair_free(pair);
	}
	certs_free(&leaf);
	certs_free(&root);
}

/* Believes those of the system, and fails. */
static void system_must_fail(const char *host, const struct cert *cert, const char *words)
{
	struct route_conf route = { .is_service = true, .tls_verify = true };

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct tls *tls;
		assert_int_equal(tls_client_new(&tls, &route, NULL, NULL), 0);
		struct pair *pair = pair_open(tls, host, service_ctx(cert), version);
		pair_must_fail(pair, EPROTO, words);
		pair_free(pair);
		tls_unref(tls);
	}
}

/* Nor an authority of the system whose file can't be read or holds none: why is said where it mattered. */
static void test_authority_not_read(void **state)
{
	struct cert root = certs_make("system", (struct cert_wish){ .ca = true }),
		    leaf = certs_make(
			    "issued", (struct cert_wish){ .names = "DNS:localhost", .issuer = &root });
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)state;

	snprintf(name.sun_path, sizeof(name.sun_path), "%s/%08lx.0", certs_dir,
		X509_subject_name_hash(root.x509));
	setenv("SSL_CERT_DIR", certs_dir, 1);
	setenv("SSL_CERT_FILE", "/nowhere/cert.pem", 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0); /* root can't open it either */
	close(fd);
	system_must_fail("localhost", &leaf,
		"the service's certificate: unable to get local issuer certificate: "
		"No such device or address");
	setenv("SSL_CERT_FILE", root.file, 1);
	system_must_fail("elsewhere", &leaf, "the service's certificate: hostname mismatch");
	setenv("SSL_CERT_FILE", "/nowhere/cert.pem", 1);
	assert_int_equal(unlink(name.sun_path), 0);
	certs_write(name.sun_path, "garbage", 0600);
	system_must_fail("localhost", &leaf,
		"the service's certificate: unable to get local issuer certificate: no start line");
	unlink(name.sun_path);
	unsetenv("SSL_CERT_DIR");
	unsetenv("SSL_CERT_FILE");
	certs_free(&leaf);
	certs_free(&root);
}

/* A service that insists on a certificate: of TLS 1.2 the handshake fails; of TLS 1.3 it is over for us
 * before the service has seen that there is none. */
static void test_insists(void **state)
{
	(void)state;
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct pair *pair = pair_new(version);
		SSL_set_verify(pair->peer, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
		pair_must_fail(pair, EPROTO,
			version == TLS1_2_VERSION ? "the service's alert: handshake failure"
						  : "the service's alert: certificate required");
		assert_int_equal(pair->n_open, version == TLS1_3_VERSION);
		pair_free(pair);
	}
}

/* What is no TLS. Of HTTP's words nothing is made here: what we send never goes out without TLS. */
static void test_garbage(void **state)
{
	static const char *const words[] = { "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 400 Bad Request\r\n",
		"GET / HTTP/1.1\r\n\r\n", "CONNECT x:1 HTTP/1.1\r\n\r\n", "220 ready\r\n",
		"\x15\x03\x01\x00\x02\x02\x46", "\x16\x03\x03\x00\x04\x63\x00\x00\x00" };
	uint8_t bytes[4096];
	(void)state;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct pair *pair = pair_new(TLS1_3_VERSION);
		size_t len = i < 5 ? strlen(words[i]) : i == 5 ? 7 : 9;
		rig_turns(&pair->rig, 2);
		assert_true(read(pair->far, bytes, sizeof(bytes)) > 5);
		assert_int_equal(write(pair->far, words[i], len), len);
		rig_until(&pair->rig, pair->n_eof > 0);
		assert_int_equal(pair->eof_error, EPROTO);
		assert_string_not_equal(stream_tls_failure(&pair->stream), "");
		assert_false(stream_met_http(&pair->stream));
		assert_int_equal(pair->n_open, 0);
		stream_send(&pair->stream, "secret", 6);
		stream_flush(&pair->stream);
		rig_turns(&pair->rig, 3);
		ssize_t n = read(pair->far, bytes, sizeof(bytes));
		assert_true(n == 0 || (n == 7 && bytes[0] == 21)); /* an alert, at most */
		pair_free(pair);
	}
}

/* The end or a reset in the middle, at each byte of the service's first flight. */
static void test_cut_in_handshake(void **state)
{
	static uint8_t flight[8192];
	size_t len = 0;
	(void)state;

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		for (size_t cut = 0; cut == 0 || cut < len; cut = cut * 5 / 4 + 1) {
			struct pair *pair = pair_new(version);
			BIO *out = BIO_new(BIO_s_mem());
			rig_turns(&pair->rig, 2);
			SSL_set0_wbio(pair->peer, out);
			SSL_do_handshake(pair->peer);
			len = (size_t)BIO_read(out, flight, sizeof(flight));
			assert_true(len > 100 && cut < len);
			for (size_t at = 0; at < cut; at++) { /* a byte at a time */
				assert_int_equal(write(pair->far, flight + at, 1), 1);
				if (at % 16 == 0)
					rig_turn(&pair->rig);
			}
			rig_turns(&pair->rig, 3);
			assert_int_equal(pair->n_eof + pair->n_open, 0);
			shutdown(pair->far, SHUT_WR);
			rig_until(&pair->rig, pair->n_eof > 0);
			assert_int_equal(pair->eof_error, EPROTO);
			assert_string_equal(stream_tls_failure(&pair->stream), "ended during the handshake");
			assert_int_equal(pair->n_open, 0);
			pair_free(pair);
		}
	}
}

/* A service whose handshake has no end is left. */
static void test_long_handshake(void **state)
{
	(void)state;
	for (int over = -1; over <= 1; over++) {
		struct pair *pair = pair_new(TLS1_2_VERSION);
		size_t total = PUMP_HANDSHAKE_MAX + over, done = 0;
		uint8_t record[5 + 1024] = { 22, 3, 3, 4, 0, 2, 1, 0xff, 0 }; /* of 130,816 bytes */

		rig_turns(&pair->rig, 2);
		while (done < total && pair->n_eof == 0) {
			size_t len = total - done < sizeof(record) ? total - done : sizeof(record);
			assert_int_equal(write(pair->far, record, len), len);
			done += len;
			memset(record + 5, 0, 4); /* only the first one begins a message */
			rig_turns(&pair->rig, 2);
		}
		rig_turns(&pair->rig, 3);
		assert_int_equal(pair->n_open, 0);
		assert_true(pair->n_eof > 0 || over <= 0);
		if (pair->n_eof > 0)
			assert_int_equal(pair->eof_error, EPROTO);
		pair_free(pair);
	}
}

/* TLS 1.2 lets a service ask for another handshake; that ends it. */
static void test_renegotiation(void **state)
{
	struct pair *pair = pair_new(TLS1_2_VERSION);
	(void)state;

	pair_shake(pair);
	SSL_renegotiate(pair->peer);
	pair_must_fail(pair, EPROTO, "renegotiation");
	pair_free(pair);
}

/* TLS 1.3 lets it ask for a certificate later; we have not said that we can. */
static void test_asks_later(void **state)
{
	struct pair *pair = pair_new(TLS1_3_VERSION);
	(void)state;

	pair_shake(pair);
	SSL_set_verify(pair->peer, SSL_VERIFY_PEER, NULL);
	assert_int_equal(SSL_verify_client_post_handshake(pair->peer), 0);
	ERR_clear_error();
	pair_say(pair, (const uint8_t *)"x", 1);
	rig_until(&pair->rig, pair->n_got == 1);
	pair_free(pair);
}

/* Tickets and new keys while nothing else is said, and data behind them: no end, nothing lost. */
static void test_tickets_and_keys(void **state)
{
	struct pair *pair = pair_new(TLS1_3_VERSION);
	uint8_t back[4];
	(void)state;

	pair_shake(pair);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(SSL_new_session_ticket(pair->peer), 1);
		SSL_do_handshake(pair->peer);
		assert_int_equal(SSL_key_update(pair->peer, SSL_KEY_UPDATE_REQUESTED), 1);
		SSL_do_handshake(pair->peer);
		rig_turns(&pair->rig, 2);
	}
	pair_say(pair, (const uint8_t *)"data", 4);
	rig_until(&pair->rig, pair->n_got == 4);
	stream_send(&pair->stream, "back", 4);
	stream_flush(&pair->stream);
	pair_hear(pair, back, 4);
	assert_memory_equal(back, "back", 4);
	assert_int_equal(pair->n_eof + pair->n_broken, 0);
	pair_free(pair);
}

/* The context is replaced, and is gone, while the handshake is on its way. */
static void test_replaced(void **state)
{
	struct tls *kept = our_tls;
	(void)state;

	our_tls = make_tls(&server_cert);
	struct pair *pair = pair_new(TLS1_3_VERSION);
	tls_unref(our_tls);
	our_tls = kept;
	pair_shake(pair);
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
		cmocka_unit_test(test_hello),
		cmocka_unit_test(test_close_at_once),
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_speaks_first),
		cmocka_unit_test(test_tail),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_cut_in_a_record),
		cmocka_unit_test(test_close_and_reset),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_not_believed),
		cmocka_unit_test(test_authority_not_believed),
		cmocka_unit_test(test_authority_not_read),
		cmocka_unit_test(test_insists),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_cut_in_handshake),
		cmocka_unit_test(test_long_handshake),
		cmocka_unit_test(test_renegotiation),
		cmocka_unit_test(test_asks_later),
		cmocka_unit_test(test_tickets_and_keys),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_idle),
	};
	signal(SIGPIPE, SIG_IGN);
	blocks_count();
	return cmocka_run_group_tests(tests, setup, teardown);
}
