/*
 * meeting: a service as an endpoint, tls:// or tcp://, and at its other end OpenSSL itself, or the bare
 * socket. cmocka.h comes before.
 */
#ifndef TESTS_UNIT_MEETING_H
#define TESTS_UNIT_MEETING_H

#include <netinet/tcp.h>
#include <stdio.h>

#include "backend/rotation.h"
#include "backend/tcp_internal.h"
#include "certs.h"
#include "ear.h"
#include "names.h"
#include "net/tls_client.h"
#include "rig.h"

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
	SSL *service;	      /* NULL for tcp:// */
	struct ear ear;
};

static inline int meeting_setup(void **state)
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

static inline int meeting_teardown(void **state)
{
	tls_unref(our_tls);
	SSL_CTX_free(server_ctx);
	certs_free(&server_cert);
	return certs_teardown(state);
}

/* A listening socket, and the upstream that leads to it. */
static inline int meeting_listen(struct upstream *place, bool tls)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	rig_has_tcp = true;
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	*place = (struct upstream){ .uri = (char *)(uintptr_t)(tls ? "tls://service" : "tcp://service"),
		.name = { .kind = ADDR_TCP, .host = "127.0.0.1", .port = ntohs(addr.sin_port) },
		.tls = tls };
	return fd;
}

/* With so many services; nothing has begun. `name`: tls_name or NULL. */
static inline struct meeting *meeting_plan(size_t n, char *name, bool tls, const struct endpoint_hooks *hooks)
{
	struct meeting *meeting = calloc(1, sizeof(*meeting));
	assert_non_null(meeting);
	names_use(known_names);
	rig_init(&meeting->rig);
	meeting->resolver = resolver_new();
	for (size_t i = 0; i < 2; i++)
		meeting->listeners[i] = meeting_listen(&meeting->places[i], tls);
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
		.tls = tls ? our_tls : NULL };
	meeting->tcp = tcp_new(&meeting->rig.loop, &params, hooks, &meeting->ear);
	assert_non_null(meeting->tcp);
	return meeting;
}

/* The same, with TLS; the connection has begun. */
static inline struct meeting *meeting_new(size_t n, char *name)
{
	struct meeting *meeting = meeting_plan(n, name, true, &ear_hooks);
	assert_int_equal(meeting->tcp->ops->start(meeting->tcp), 0);
	return meeting;
}

static inline void meeting_hang_up(struct meeting *meeting)
{
	SSL_free(meeting->service);
	if (meeting->fd >= 0)
		close(meeting->fd);
	meeting->service = NULL;
	meeting->fd = -1;
}

static inline void meeting_free(struct meeting *meeting)
{
	if (meeting->tcp != NULL)
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
static inline void meeting_accept(struct meeting *meeting, size_t i)
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

static inline void meeting_shake(struct meeting *meeting)
{
	for (int i = 0; i < 100 && SSL_do_handshake(meeting->service) != 1; i++)
		rig_wait(&meeting->rig);
	assert_true(SSL_is_init_finished(meeting->service));
	rig_until(&meeting->rig, meeting->ear.heard[0] != '\0');
	assert_string_equal(meeting->ear.heard, "R");
	meeting->ear.heard[0] = '\0';
	ERR_clear_error();
}

static inline void meeting_say(struct meeting *meeting, const char *words)
{
	char copy[64];
	struct piece piece = { .data = (uint8_t *)copy, .len = strlen(words), .first = true, .last = true };
	memcpy(copy, words, strlen(words));
	assert_int_equal(meeting->tcp->ops->send(meeting->tcp, &piece), 0);
	meeting->tcp->ops->flush(meeting->tcp);
}

#endif
