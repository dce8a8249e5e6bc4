/*
 * tcpd: a TCP service to put behind a gateway: echo, sink or source.
 *
 * echo gives back what it gets. sink checks that it gets the pattern from its beginning and answers one 'k'
 * for each PATTERN_ACK_UNIT bytes, so that a client knows what has arrived; on a wrong byte it says so and
 * resets the connection. source sends the pattern, --bytes of it or without end, closes its side, and waits
 * for the peer. One thread; reading stops while a peer takes nothing, so no connection holds more than one
 * read. SIGTERM or SIGINT end it. The demo uses it as its TCP service.
 */
#include "pattern.h"
#include "sock.h"

#include <getopt.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

enum tcpd_mode { TCPD_ECHO, TCPD_SINK, TCPD_SOURCE };

/* Bytes of a source that has no end. */
#define TCPD_ENDLESS UINT64_MAX

struct tcpd {
	int epoll, listener, signals;
	enum tcpd_mode mode;
	uint64_t source_len;
	uint64_t n_served;
	bool stopping, quiet;
	struct pattern pattern;
	char scratch[65536];
};

struct tcpd_conn {
	int fd;
	uint32_t polled; /* EPOLLIN or EPOLLOUT as registered */
	bool eof, shut;	 /* the peer's end of file; ours */
	uint64_t received, sent;
	char *rest; /* echo: what the peer did not take yet */
	size_t rest_len, rest_off;
};

/* Drops a connection; a reset tells the peer that something was wrong. */
static void tcpd_close(struct tcpd_conn *conn, bool reset)
{
	if (reset)
		setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 },
			sizeof(struct linger));
	close(conn->fd);
	free(conn->rest);
	free(conn);
}

/* Sends what it can: the number of bytes, 0 when the socket is full, or -errno. */
static ssize_t tcpd_send(struct tcpd_conn *conn, const char *data, size_t len)
{
	ssize_t n = send(conn->fd, data, len, MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	conn->sent += (uint64_t)n;
	return n;
}

/* Reads into the scratch: the number of bytes, 0 for end of file, -EAGAIN, or -errno. */
static ssize_t tcpd_recv(struct tcpd *tcpd, struct tcpd_conn *conn)
{
	ssize_t n = recv(conn->fd, tcpd->scratch, sizeof(tcpd->scratch), 0);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (n == 0)
		conn->eof = true;
	conn->received += (uint64_t)n;
	return n;
}

/* Echo: the rest first, then one more read. Returns 0 or -errno. */
static int tcpd_echo(struct tcpd *tcpd, struct tcpd_conn *conn)
{
	if (conn->rest_len > 0) {
		ssize_t n = tcpd_send(conn, conn->rest + conn->rest_off, conn->rest_len);
		if (n < 0)
			return (int)n;
		conn->rest_off += (size_t)n, conn->rest_len -= (size_t)n;
		if (conn->rest_len > 0)
			return 0;
		free(conn->rest);
		conn->rest = NULL;
	}
	ssize_t got = conn->eof ? 0 : tcpd_recv(tcpd, conn);
	if (got <= 0)
		return got == -EAGAIN ? 0 : (int)got;
	ssize_t n = tcpd_send(conn, tcpd->scratch, (size_t)got);
	if (n < 0 || n == got)
		return n < 0 ? (int)n : 0;
	conn->rest_off = 0, conn->rest_len = (size_t)(got - n);
	conn->rest = malloc(conn->rest_len);
	if (conn->rest == NULL)
		return -ENOMEM;
	memcpy(conn->rest, tcpd->scratch + n, conn->rest_len);
	return 0;
}

/* Sink: checks one read, then sends the acknowledgements that are due. Returns 0 or -errno. */
static int tcpd_sink(struct tcpd *tcpd, struct tcpd_conn *conn)
{
	static const char acks[] = "kkkkkkkkkkkkkkkk";
	uint64_t offset = conn->received;
	ssize_t got = conn->eof ? 0 : tcpd_recv(tcpd, conn);
	if (got < 0 && got != -EAGAIN)
		return (int)got;
	if (got > 0 && !pattern_check(&tcpd->pattern, offset, tcpd->scratch, (size_t)got)) {
		fprintf(stderr, "tcpd: wrong byte between %ju and %ju\n", (uintmax_t)offset,
			(uintmax_t)conn->received);
		return -EBADMSG;
	}
	uint64_t owed = conn->received / PATTERN_ACK_UNIT - conn->sent;
	ssize_t n = owed == 0 ? 0 : tcpd_send(conn, acks, owed < 16 ? (size_t)owed : 16);
	return n < 0 ? (int)n : 0;
}

/* Source: sends until the socket is full or its turn is over; what the peer sends is discarded. */
static int tcpd_source(struct tcpd *tcpd, struct tcpd_conn *conn)
{
	ssize_t n = conn->eof ? 0 : tcpd_recv(tcpd, conn);
	if (n < 0 && n != -EAGAIN)
		return (int)n;
	for (int i = 0; i < 16 && conn->sent < tcpd->source_len; i++) {
		uint64_t left = tcpd->source_len - conn->sent;
		n = tcpd_send(conn, pattern_at(&tcpd->pattern, conn->sent),
			left < PATTERN_SPAN ? (size_t)left : PATTERN_SPAN);
		if (n <= 0)
			return (int)n;
	}
	if (conn->sent < tcpd->source_len || conn->shut)
		return 0;
	conn->shut = true;
	return shutdown(conn->fd, SHUT_WR) == 0 ? 0 : -errno;
}

/* Whether bytes wait for the peer to take them. */
static bool tcpd_has_output(const struct tcpd *tcpd, const struct tcpd_conn *conn)
{
	switch (tcpd->mode) {
	case TCPD_ECHO:
		return conn->rest_len > 0;
	case TCPD_SINK:
		return conn->sent < conn->received / PATTERN_ACK_UNIT;
	case TCPD_SOURCE:
		return conn->sent < tcpd->source_len;
	}
	return false;
}

/* Serves one readiness of a connection and says what to wait for next. */
static void tcpd_on_ready(struct tcpd *tcpd, struct tcpd_conn *conn)
{
	int rc = tcpd->mode == TCPD_ECHO   ? tcpd_echo(tcpd, conn)
		 : tcpd->mode == TCPD_SINK ? tcpd_sink(tcpd, conn)
					   : tcpd_source(tcpd, conn);
	bool output = tcpd_has_output(tcpd, conn);
	if (rc < 0 || (conn->eof && !output)) {
		tcpd_close(conn, rc < 0);
		return;
	}
	bool input = !conn->eof && !(output && tcpd->mode == TCPD_ECHO);
	uint32_t want = (input ? EPOLLIN : 0u) | (output ? EPOLLOUT : 0u);
	if (want == conn->polled)
		return;
	struct epoll_event event = { .events = want, .data.ptr = conn };
	if (epoll_ctl(tcpd->epoll, EPOLL_CTL_MOD, conn->fd, &event) != 0)
		tcpd_close(conn, true);
	else
		conn->polled = want;
}

/* Takes over an accepted socket. */
static void tcpd_serve(struct tcpd *tcpd, int fd)
{
	struct tcpd_conn *conn = calloc(1, sizeof(*conn));
	if (conn == NULL) {
		close(fd);
		return;
	}
	sock_nodelay(fd);
	conn->fd = fd;
	conn->polled = tcpd->mode == TCPD_SOURCE ? EPOLLIN | EPOLLOUT : EPOLLIN;
	tcpd->n_served++;
	struct epoll_event event = { .events = conn->polled, .data.ptr = conn };
	if (epoll_ctl(tcpd->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		tcpd_close(conn, true);
}

/* Accepts all that wait; without descriptors it takes a breath instead of spinning. */
static void tcpd_on_accept(struct tcpd *tcpd)
{
	int fd;
	while ((fd = accept4(tcpd->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		tcpd_serve(tcpd, fd);
	if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
		fprintf(stderr, "tcpd: accept: %s\n", strerror(errno));
		usleep(10000);
	}
}

/* Serves until a signal says stop. Connections end with the process. */
static void tcpd_run(struct tcpd *tcpd)
{
	struct epoll_event events[256];
	while (!tcpd->stopping) {
		int n = epoll_wait(tcpd->epoll, events, 256, -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == &tcpd->signals)
				tcpd->stopping = true;
			else if (events[i].data.ptr == &tcpd->listener)
				tcpd_on_accept(tcpd);
			else
				tcpd_on_ready(tcpd, events[i].data.ptr);
		}
	}
}

/* Opens the listener, the signals and the epoll set; says the address on stdout. Returns 0 or -errno. */
static int tcpd_open(struct tcpd *tcpd, struct sock_addr *addr)
{
	char text[160];
	sigset_t mask;
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	tcpd->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	tcpd->epoll = epoll_create1(EPOLL_CLOEXEC);
	tcpd->listener = sock_listen(addr);
	if (tcpd->signals < 0 || tcpd->epoll < 0 || tcpd->listener < 0)
		return tcpd->listener < 0 ? tcpd->listener : -errno;
	struct epoll_event signals = { .events = EPOLLIN, .data.ptr = &tcpd->signals };
	struct epoll_event listener = { .events = EPOLLIN, .data.ptr = &tcpd->listener };
	if (epoll_ctl(tcpd->epoll, EPOLL_CTL_ADD, tcpd->signals, &signals) != 0 ||
		epoll_ctl(tcpd->epoll, EPOLL_CTL_ADD, tcpd->listener, &listener) != 0)
		return -errno;
	sock_format(addr, text, sizeof(text));
	if (!tcpd->quiet) {
		printf("listening on %s\n", text);
		fflush(stdout);
	}
	return 0;
}

/* Prints how it is called and ends. */
static _Noreturn void tcpd_usage(int status)
{
	fprintf(status == 0 ? stdout : stderr, "usage: tcpd [--listen=HOST:PORT|unix:PATH] [--port=PORT] "
					       "[--mode=echo|sink|source] [--bytes=N] "
					       "[--quiet]\n"
					       "  listens on 127.0.0.1:0 unless told; port 0 takes a free "
					       "one; says the address on stdout\n");
	exit(status);
}

/* Says what is wrong with an option and ends. */
static _Noreturn void tcpd_refuse(const struct option *option, const char *value)
{
	const char *why = option->val == 'm'   ? "no such mode"
			  : option->val == 'b' ? "not a number"
			  : option->val == 'p' ? "not a port"
					       : "not a numeric address with a port, nor unix:PATH";
	fprintf(stderr, "tcpd: --%s=%s: %s\n", option->name, value, why);
	exit(2);
}

/* Reads the options into `tcpd` and `addr`; ends the program on a mistake. */
static void tcpd_options(struct tcpd *tcpd, struct sock_addr *addr, int argc, char **argv)
{
	static const struct option options[] = { { "listen", required_argument, NULL, 'l' },
		{ "port", required_argument, NULL, 'p' }, { "mode", required_argument, NULL, 'm' },
		{ "bytes", required_argument, NULL, 'b' }, { "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	static const char *const modes[] = { "echo", "sink", "source" };
	int option, i = 0, rc = sock_parse(addr, "127.0.0.1:0");
	while ((option = getopt_long(argc, argv, "", options, &i)) != -1) {
		char *end = NULL;
		if (option == 'l') {
			rc = sock_parse(addr, optarg);
		} else if (option == 'p') {
			rc = sock_parse_inet(addr, "127.0.0.1", optarg);
		} else if (option == 'b') {
			tcpd->source_len = strtoull(optarg, &end, 10);
		} else if (option == 'q') {
			tcpd->quiet = true;
		} else if (option == 'm') {
			rc = -EINVAL;
			for (size_t mode = 0; mode < sizeof(modes) / sizeof(*modes); mode++)
				if (strcmp(optarg, modes[mode]) == 0)
					tcpd->mode = (enum tcpd_mode)mode, rc = 0;
		} else {
			tcpd_usage(option == 'h' ? 0 : 2);
		}
		if (rc < 0 || (end != NULL && (*end != '\0' || end == optarg)))
			tcpd_refuse(&options[i], optarg);
	}
	if (optind != argc)
		tcpd_usage(2);
}

int main(int argc, char **argv)
{
	static struct tcpd tcpd = { .source_len = TCPD_ENDLESS };
	struct sock_addr addr;
	tcpd_options(&tcpd, &addr, argc, argv);
	pattern_init(&tcpd.pattern);
	sock_raise_limit();
	int rc = tcpd_open(&tcpd, &addr);
	if (rc < 0) {
		char text[160];
		sock_format(&addr, text, sizeof(text));
		fprintf(stderr, "tcpd: %s: %s\n", text, strerror(-rc));
		return 1;
	}
	tcpd_run(&tcpd);
	if (addr.any.sa_family == AF_UNIX)
		unlink(addr.local.sun_path);
	return 0;
}
