/*
 * tcp_shake: from a connection to a tls:// service to one that has shaken hands, or to the next service.
 *
 * Has the stream to itself until the handshake is over; then it is the channel's. What goes wrong here costs
 * this service, not the session. Runs on its loop's thread.
 */
#include "backend/reach.h"
#include "backend/tcp_internal.h"
#include "base/must.h"
#include "net/tls_client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What the service is to call itself. */
static const char *tcp_shake_host(const struct tcp *tcp)
{
	return tcp->route->tls_name != NULL ? tcp->route->tls_name : upstream_host(reach_at(tcp->reach));
}

/* This one is of no use: the next one, if there is one. */
static void tcp_shake_fail(struct tcp *tcp, int error, const char *words)
{
	char place[300], reason[512];

	snprintf(reason, sizeof(reason), "TLS with %s: %s",
		addr_name_format(&reach_at(tcp->reach)->name, place), words);
	stream_close(&tcp->channel.stream);
	tcp_enter(tcp, TCP_DIALLING);
	reach_go_on(tcp->reach, error, reason);
}

/* The handshake is over: it is a service like any other. */
static void tcp_shake_on_open(void *arg)
{
	struct tcp *tcp = arg;

	channel_join(&tcp->channel);
	tcp_opened(tcp);
}

/* There are no bytes before that. */
static void tcp_shake_on_data(void *arg, uint8_t *data, size_t len)
{
	(void)arg;
	(void)data;
	(void)len;
	must(false);
}

/* Part of our handshake went out late. */
static void tcp_shake_on_sent(void *arg)
{
	(void)arg;
}

/* The service has ended it, or TLS has. */
static void tcp_shake_on_eof(void *arg, int error)
{
	struct tcp *tcp = arg;
	const char *failure = stream_tls_failure(&tcp->channel.stream);
	const char *words = failure[0] != '\0' ? failure
			    : error == 0       ? "ended during the handshake"
					       : strerror(error);
	char advice[TLS_CLIENT_ADVICE], all[TLS_CLIENT_ADVICE + 128];

	snprintf(all, sizeof(all), "%s%s", words,
		tls_client_advise(stream_ssl(&tcp->channel.stream), tcp_shake_host(tcp), advice));
	tcp_shake_fail(tcp, error == 0 ? EPROTO : error, all);
}

/* Our handshake does not get through. Where the service is gone reading says why it is. */
static void tcp_shake_on_broken(void *arg, int error)
{
	if (error != EPIPE && error != ECONNRESET)
		tcp_shake_fail(arg, error, strerror(error));
}

static const struct stream_hooks tcp_shake_hooks = {
	.on_open = tcp_shake_on_open,
	.on_data = tcp_shake_on_data,
	.on_sent = tcp_shake_on_sent,
	.on_eof = tcp_shake_on_eof,
	.on_broken = tcp_shake_on_broken,
};

/* connect_timeout is over. */
void tcp_shake_late(struct tcp *tcp)
{
	if (!loop_timer_reprieve(&tcp->timer))
		tcp_shake_fail(tcp, ETIMEDOUT, strerror(ETIMEDOUT));
}

/* Begins the handshake, and the timer for what is left of connect_timeout. */
void tcp_shake(struct tcp *tcp, int fd)
{
	must(tcp->tls != NULL);
	tcp_enter(tcp, TCP_SHAKING);
	int error = stream_open_tls(&tcp->channel.stream, tcp->endpoint.loop, fd, tcp->tls,
		tcp_shake_host(tcp), &tcp_shake_hooks, tcp);
	if (error != 0)
		close(fd);
	else
		error = loop_timer_set(&tcp->timer, reach_left_ms(tcp->reach));
	if (error != 0)
		tcp_shake_fail(tcp, -error, strerror(-error));
}
