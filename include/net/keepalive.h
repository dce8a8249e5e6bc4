/*
 * keepalive: finds out that the other end of a TCP connection has vanished without a word: its machine lost
 * power, or a firewall between forgot the connection.
 */
#ifndef NET_KEEPALIVE_H
#define NET_KEEPALIVE_H

enum {
	/* Of silence, before the first probe. Firewalls and NATs forget a connection after some minutes of
	   it; once a minute keeps it known to them and costs nobody anything. */
	KEEPALIVE_IDLE_S = 60,
	/* Between probes without an answer, and how many of them: a minute and a half in all, long enough for
	   a cable that is put back, or a route that changes. */
	KEEPALIVE_INTERVAL_S = 10,
	KEEPALIVE_PROBES = 3,
	/* Bytes that are not acknowledged end the connection after the time that the peer has for taking
	   them, and this: who looks at that time by itself (send_timeout) is to be the first to say so. */
	KEEPALIVE_MARGIN_MS = 10000
};

/*
 * For a connected TCP socket. patience_ms: how long the peer may take no byte.
 *
 * By TCP_USER_TIMEOUT (RFC 5482, tcp(7)) the kernel does not only give up a peer that acknowledges nothing,
 * but also one that is there, answers every probe of its closed window, and does not read: so that time is
 * not ours to choose. Linux also takes it in place of the number of probes for a silent connection, which
 * then is given up at the first probe after it.
 */
void keepalive_set(int fd, unsigned patience_ms);

#endif
