/*
 * Tests of a tls:// service as an endpoint: it is ready when the handshake is over and not before; whatever
 * else comes of that costs the service its turn. What the handshakes themselves can meet is in
 * test_pump_client.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>

#include "backend/rotation.h"
#include "backend/tcp_internal.h"
#include "certs.h"
#include "ear.h"
#include "names.h"
#include "net/tls_client.h"
#include "rig.h"
#include "untimed.h"

enum { CONNECT_TIMEOUT = 5000, SEND_TIMEOUT = 60000 };

static const struct name known_names[] = { { .host = NULL } };
static struct cert server_cert;
static SSL_CTX *server_ctx;
static struct tls *our_tls;

/* Two services, the endpoint that leads to one of them, and what the bridge would hear. */
struct meeting {
	struct rig rig;
	struct resolver *resolver;
	struct upstream places[2];
	struct route_conf route;
	struct endpoint *tcp;
	int listeners[2], fd; /* the service's ends; fd is -1 while there is none */
	SSL *service;
	struct ear ear;
};

static int setup(void **state)
{
	if (certs_setup(state) != 0)
		return -1;
	server_cert = certs_make("server", (struct cert_wish){ .names = "IP:127.0.0.1" });
	struct route_conf route = { .is_service = true, .tls_verify = true, .tls_ca = server_cert.file };
	server_ctx = SSL_CTX_new(TLS_server_method());
	must(SSL_CTX_use_certificate(server_ctx, server_cert.x509) == 1 &&
		SSL_CTX_use_PrivateKey(server_ctx, server_cert.key) == 1);
	return tls_client_new(&our_tls, &route, NULL, NULL);
}

static int teardown(void **state)
{
	tls_unref(our_tls);
	SSL_CTX_free(server_ctx);
	certs_free(&server_cert);
	return certs_teardown(state);
}

/* A listening socket, and the upstream that leads to it. */
static int meeting_listen(struct upstream *place)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	*place = (struct upstream){ .uri = (char *)(uintptr_t) "tls://service",
		.name = { .kind = ADDR_TCP, .host = "127.0.0.1", .port = ntohs(addr.sin_port) },
		.tls = true };
	return fd;
}

/* With so many services; the connection has begun. `name`: tls_name or NULL. */
static struct meeting *meeting_new(size_t n, char *name)
{
	struct meeting *meeting = calloc(1, sizeof(*meeting));
	assert_non_null(meeting);
	names_use(known_names);
	rig_init(&meeting->rig);
	meeting->resolver = resolver_new();
	for (size_t i = 0; i < 2; i++)
		meeting->listeners[i] = meeting_listen(&meeting->places[i]);
	meeting->fd = -1;
	meeting->route = (struct route_conf){ .is_service = true,
		.connect = { .items = meeting->places, .n = n },
		.send_timeout_ms = SEND_TIMEOUT,
		.connect_timeout_ms = CONNECT_TIMEOUT,
		.tls_name = name };
	struct tcp_params params = { .route = &meeting->route,
		.upstreams = &meeting->route.connect,
		.resolver = meeting->resolver,
		.rules.framing = FRAMING_STREAM,
		.tls = our_tls };
	meeting->tcp = tcp_new(&meeting->rig.loop, &params, &ear_hooks, &meeting->ear);
	assert_non_null(meeting->tcp);
	assert_int_equal(meeting->tcp->ops->start(meeting->tcp), 0);
	return meeting;
}

static void meeting_hang_up(struct meeting *meeting)
{
	SSL_free(meeting->service);
	if (meeting->fd >= 0)
		close(meeting->fd);
	meeting->service = NULL;
	meeting->fd = -1;
}

static void meeting_free(struct meeting *meeting)
{
	meeting->tcp->ops->destroy(meeting->tcp);
	meeting_hang_up(meeting);
	close(meeting->listeners[0]);
	close(meeting->listeners[1]);
	names_open();
	resolver_free(meeting->resolver);
	rig_done(&meeting->rig);
	free(meeting);
	ERR_clear_error();
}

/* The i-th service has a connection, and a hello on it. */
static void meeting_accept(struct meeting *meeting, size_t i)
{
	char byte;
	int on = 1;
	rig_until(&meeting->rig, (meeting->fd = accept4(meeting->listeners[i], NULL, NULL,
					  SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0);
	rig_until(&meeting->rig, recv(meeting->fd, &byte, 1, MSG_PEEK) == 1);
	setsockopt(meeting->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* all is sent before a reset */
	meeting->service = SSL_new(server_ctx);
	SSL_set_fd(meeting->service, meeting->fd);
	SSL_set_accept_state(meeting->service);
	assert_string_equal(meeting->ear.heard, "");
}

static void meeting_shake(struct meeting *meeting)
{
	for (int i = 0; i < 100 && SSL_do_handshake(meeting->service) != 1; i++)
		rig_wait(&meeting->rig);
	assert_true(SSL_is_init_finished(meeting->service));
	rig_until(&meeting->rig, meeting->ear.heard[0] != '\0');
	assert_string_equal(meeting->ear.heard, "R");
	meeting->ear.heard[0] = '\0';
	ERR_clear_error();
}

static void meeting_say(struct meeting *meeting, const char *words)
{
	char copy[64];
	struct piece piece = { .data = (uint8_t *)copy, .len = strlen(words), .first = true, .last = true };
	memcpy(copy, words, strlen(words));
	assert_int_equal(meeting->tcp->ops->send(meeting->tcp, &piece), 0);
	meeting->tcp->ops->flush(meeting->tcp);
}

/* Ready after the handshake, then as any service: bytes both ways, and the end that close_notify is. */
static void test_ready(void **state)
{
	struct meeting *meeting = meeting_new(1, NULL);
	char bytes[16] = "";
	(void)state;

	meeting_accept(meeting, 0);
	rig_turns(&meeting->rig, 5);
	heard(&meeting->ear, "");
	meeting_shake(meeting);
	rig_skip(2 * CONNECT_TIMEOUT); /* that is no longer its time */
	rig_turns(&meeting->rig, 3);
	meeting_say(meeting, "there");
	rig_until(&meeting->rig, SSL_read(meeting->service, bytes, sizeof(bytes)) > 0);
	assert_string_equal(bytes, "there");
	assert_int_equal(SSL_write(meeting->service, "back", 4), 4);
	SSL_shutdown(meeting->service);
	rig_until(&meeting->rig, meeting->ear.heard[1] != '\0');
	heard(&meeting->ear, "PE");
	assert_string_equal(meeting->ear.data, "back");
	assert_int_equal(meeting->ear.end.code, 1000);
	meeting_free(meeting);
}

/* A service that says nothing has connect_timeout, not a millisecond more; then the next one has as much. */
static void test_late(void **state)
{
	(void)state;
	for (size_t n = 1; n <= 2; n++) {
		struct meeting *meeting = meeting_new(n, NULL);
		char byte[4096];

		meeting_accept(meeting, 0);
		rig_skip(CONNECT_TIMEOUT - 1000);
		rig_turns(&meeting->rig, 3);
		assert_int_equal(recv(meeting->fd, byte, 1, MSG_PEEK), 1);
		rig_skip(1000);
		rig_turns(&meeting->rig, 3);
		assert_true(read(meeting->fd, byte, sizeof(byte)) > 1);
		assert_int_equal(read(meeting->fd, byte, 1), 0);
		if (n == 1) {
			heard(&meeting->ear, "F");
			assert_int_equal(meeting->ear.error, ETIMEDOUT);
			assert_non_null(strstr(meeting->ear.reason, "TLS with 127.0.0.1:"));
		} else {
			meeting_hang_up(meeting);
			meeting_accept(meeting, 1);
			rig_skip(CONNECT_TIMEOUT - 1000);
			rig_turns(&meeting->rig, 3);
			meeting_shake(meeting);
		}
		meeting_free(meeting);
	}
}

/* One after the other fails in its own way; all of it is told. */
static void test_all_fail(void **state)
{
	struct meeting *meeting = meeting_new(2, NULL);
	char bytes[4096];
	(void)state;

	meeting_accept(meeting, 0);
	assert_int_equal(write(meeting->fd, "no TLS\r\n", 8), 8);
	rig_turns(&meeting->rig, 3);
	meeting_hang_up(meeting);
	meeting_accept(meeting, 1);
	assert_true(read(meeting->fd, bytes, sizeof(bytes)) > 0);
	shutdown(meeting->fd, SHUT_WR);
	rig_until(&meeting->rig, meeting->ear.heard[0] != '\0');
	heard(&meeting->ear, "F");
	assert_int_equal(meeting->ear.error, EPROTO);
	assert_non_null(strstr(meeting->ear.reason,
		": wrong version number: it does not seem to speak TLS; TLS with 127.0.0.1:"));
	assert_non_null(strstr(meeting->ear.reason, ": ended during the handshake"));
	meeting_free(meeting);
}

/* Given up in the middle, in either way. */
static void test_given_up(void **state)
{
	(void)state;
	for (int aborted = 0; aborted < 2; aborted++) {
		struct meeting *meeting = meeting_new(2, NULL);

		meeting_accept(meeting, 0);
		if (aborted) {
			meeting->tcp->ops->abort(meeting->tcp, &(struct end){ .code = 1006 });
			assert_int_equal(write(meeting->fd, "no TLS\r\n", 8), 8); /* nobody minds any more */
			rig_until(&meeting->rig, meeting->ear.heard[1] != '\0');
			heard(&meeting->ear, "EC");
		}
		meeting_free(meeting);
	}
}

/* Where the connection can't have TLS for want of memory no other service is tried. (A name that is too long
 * has the same effect; the configuration has none.) */
static void test_no_memory(void **state)
{
	char name[TLS_CLIENT_NAME_MAX + 2];
	(void)state;

	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	struct meeting *meeting = meeting_new(2, name);
	rig_until(&meeting->rig, meeting->ear.heard[0] != '\0');
	heard(&meeting->ear, "F");
	assert_int_equal(meeting->ear.error, ENOMEM);
	meeting_free(meeting);
}

/* What a service has ended in good order is complete, even if it resets what we write after that. */
static void test_write_meets_a_reset(void **state)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };
	(void)state;

	for (int notified = 0; notified < 2; notified++) {
		struct meeting *meeting = meeting_new(1, NULL);
		meeting_accept(meeting, 0);
		meeting_shake(meeting);
		meeting->tcp->ops->allow(meeting->tcp, 0);
		assert_int_equal(SSL_write(meeting->service, "bye", 3), 3);
		if (notified)
			SSL_shutdown(meeting->service);
		setsockopt(meeting->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		meeting_hang_up(meeting);
		rig_wait(&meeting->rig);
		meeting_say(meeting, "too late");
		rig_turns(&meeting->rig, 3);
		meeting->tcp->ops->allow(meeting->tcp, 65536);
		rig_until(&meeting->rig, strchr(meeting->ear.heard, 'E') != NULL);
		heard(&meeting->ear, "PEC");
		assert_string_equal(meeting->ear.data, "bye");
		assert_int_equal(meeting->ear.end.code, notified ? 1000 : 1011);
		meeting_free(meeting);
	}
}

/* Where it was us who gave up writing (as when it asks for new keys without end and takes nothing), what the
 * service ends in good order is not complete all the same. */
static void test_gives_up_writing(void **state)
{
	struct meeting *meeting = meeting_new(1, NULL);
	(void)state;

	meeting_accept(meeting, 0);
	meeting_shake(meeting);
	stream_break(&((struct tcp *)meeting->tcp)->channel.stream, ENOBUFS);
	rig_turns(&meeting->rig, 2);
	SSL_shutdown(meeting->service);
	rig_until(&meeting->rig, strchr(meeting->ear.heard, 'E') != NULL);
	assert_int_equal(meeting->ear.end.code, 1011);
	meeting_free(meeting);
}

/* Without a timer it is not waited for, be there another service or not: the hello's, and ours. */
static void test_no_timer(void **state)
{
	(void)state;
	for (unsigned which = 2; which <= 3; which++) { /* behind the dial's, for the next address */
		struct meeting *meeting = meeting_new(2, NULL);

		untimed_at = which;
		for (int i = 0; i < 5000 && meeting->ear.heard[0] == '\0'; i++)
			rig_turn(&meeting->rig);
		heard(&meeting->ear, "F");
		assert_int_equal(meeting->ear.error, ENOMEM);
		assert_non_null(strstr(meeting->ear.reason, "TLS with 127.0.0.1:"));
		meeting_free(meeting);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ready),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_all_fail),
		cmocka_unit_test(test_given_up),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_write_meets_a_reset),
		cmocka_unit_test(test_gives_up_writing),
		cmocka_unit_test(test_no_timer),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, setup, teardown);
}
