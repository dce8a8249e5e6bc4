/*
 * keepalive: options of a socket. Runs on any thread.
 */
#include "net/keepalive.h"

#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* Sets an option of TCP; a kernel without it has its own idea. */
static void keepalive_option(int fd, int option, unsigned value)
{
	setsockopt(fd, IPPROTO_TCP, option, &value, sizeof(value));
}

/* Sets them all. */
void keepalive_set(int fd, unsigned patience_ms)
{
	int on = 1;
	unsigned most = INT_MAX - KEEPALIVE_MARGIN_MS;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	keepalive_option(fd, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	keepalive_option(fd, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
	keepalive_option(fd, TCP_KEEPCNT, KEEPALIVE_PROBES);
	keepalive_option(
		fd, TCP_USER_TIMEOUT, (patience_ms < most ? patience_ms : most) + KEEPALIVE_MARGIN_MS);
}
