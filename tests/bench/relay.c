/*
 * relay: an experiment: how a gateway should read and write. A TCP relay that can do it in four ways.
 *
 * It joins each connection with one to a service and copies bytes both ways, with back-pressure between the
 * same marks in every mode, on one libevent loop. Nothing of the gateway is in it. The modes: bufferevent
 * what libevent offers; tricks       the same, but reads 64 KiB at once and writes at once when nothing is
 * queued; evbuffer     bare events, reading into the reserved end of an evbuffer and writing from it; bare
 * bare events, recv into one scratch buffer of the thread, send at once, queue only the rest. Errors are
 * treated as the end: this measures cost, nothing else.
 */
#include "sock.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <getopt.h>
#include <signal.h>
#include <stdint.h>
#include <sys/uio.h>

enum { RELAY_HIGH = 262144, RELAY_LOW = 65536, RELAY_READ = 65536, RELAY_SMALL_READ = 4096 };

enum relay_mode { RELAY_BUFFEREVENT, RELAY_TRICKS, RELAY_EVBUFFER, RELAY_BARE, RELAY_MODES };

static const char *const relay_mode_names[RELAY_MODES] = { "bufferevent", "tricks", "evbuffer", "bare" };

struct relay {
	struct event_base *base;
	enum relay_mode mode;
	struct sock_addr service;
	char scratch[RELAY_READ];
};

struct relay_side {
	struct relay_pair *pair;
	struct bufferevent *bev;
	int fd;
	struct event *on_read, *on_write;
	struct evbuffer *queue; /* what the other side sent and this one did not take */
	bool paused, eof, shut;
};

struct relay_pair {
	struct relay *relay;
	struct relay_side side[2];
};

/* The side that gets what this one reads. */
static struct relay_side *relay_other(struct relay_side *side)
{
	return &side->pair->side[side == &side->pair->side[0]];
}

/* Ends both connections. */
static void relay_close(struct relay_pair *pair)
{
	for (int i = 0; i < 2; i++) {
		struct relay_side *side = &pair->side[i];
		if (side->bev != NULL)
			bufferevent_free(side->bev);
		if (side->on_read != NULL)
			event_free(side->on_read);
		if (side->on_write != NULL)
			event_free(side->on_write);
		if (side->queue != NULL)
			evbuffer_free(side->queue);
		close(side->fd);
	}
	free(pair);
}

/* Passes an end of file on when all before it was sent; returns true when that ended the pair. */
static bool relay_pass_eof(struct relay_side *side, size_t queued)
{
	struct relay_side *to = relay_other(side);
	if (!side->eof || queued > 0)
		return false;
	if (!to->shut)
		shutdown(to->fd, SHUT_WR);
	to->shut = true;
	if (!to->eof || !side->shut)
		return false;
	relay_close(side->pair);
	return true;
}

/* Bufferevents: moves the input to the other side and stops reading above the mark. */
static void relay_bev_move(struct relay_side *side)
{
	struct relay_side *to = relay_other(side);
	struct evbuffer *output = bufferevent_get_output(to->bev);
	bufferevent_write_buffer(to->bev, bufferevent_get_input(side->bev));
	if (evbuffer_get_length(output) >= RELAY_HIGH) {
		bufferevent_disable(side->bev, EV_READ);
		bufferevent_setwatermark(to->bev, EV_WRITE, RELAY_LOW, 0);
		side->paused = true;
	}
}

/* The tricks: reads what libevent left in the socket, and writes at once when nothing waits. */
static void relay_bev_shortcut(struct relay_side *side)
{
	struct relay_side *to = relay_other(side);
	struct evbuffer *input = bufferevent_get_input(side->bev), *output = bufferevent_get_output(to->bev);
	if (evbuffer_get_length(input) >= RELAY_SMALL_READ) {
		struct evbuffer_iovec space[2];
		evbuffer_unfreeze(input, 0);
		int n = evbuffer_reserve_space(input, RELAY_READ, space, 2);
		ssize_t got = n > 0 ? readv(side->fd, (struct iovec *)space, n) : -1;
		for (int i = 0; i < n; i++) {
			size_t part = got > 0 ? (size_t)got : 0;
			space[i].iov_len = part < space[i].iov_len ? part : space[i].iov_len;
			got -= (ssize_t)space[i].iov_len;
		}
		if (n > 0)
			evbuffer_commit_space(input, space, n);
		evbuffer_freeze(input, 0);
	}
	if (evbuffer_get_length(output) == 0)
		evbuffer_write(input, to->fd);
}

/* Bufferevents: input has come. */
static void relay_on_bev_read(struct bufferevent *bev, void *arg)
{
	struct relay_side *side = arg;
	(void)bev;
	if (side->pair->relay->mode == RELAY_TRICKS)
		relay_bev_shortcut(side);
	if (evbuffer_get_length(bufferevent_get_input(side->bev)) > 0)
		relay_bev_move(side);
}

/* Bufferevents: the output has fallen to its low mark. */
static void relay_on_bev_write(struct bufferevent *bev, void *arg)
{
	struct relay_side *from = relay_other(arg);
	size_t queued = evbuffer_get_length(bufferevent_get_output(bev));
	if (from->paused && queued <= RELAY_LOW) {
		bufferevent_setwatermark(bev, EV_WRITE, 0, 0);
		from->paused = false;
		if (!from->eof)
			bufferevent_enable(from->bev, EV_READ);
	}
	(void)relay_pass_eof(from, queued);
}

/* Bufferevents: an end or an error. */
static void relay_on_bev_event(struct bufferevent *bev, short what, void *arg)
{
	struct relay_side *side = arg;
	if ((what & BEV_EVENT_ERROR) != 0) {
		relay_close(side->pair);
		return;
	}
	if ((what & BEV_EVENT_EOF) == 0)
		return;
	side->eof = true;
	bufferevent_disable(bev, EV_READ);
	relay_pass_eof(side, evbuffer_get_length(bufferevent_get_output(relay_other(side)->bev)));
}

/* Bare events: adjusts what is waited for after the queue of `to` has changed. */
static void relay_event_update(struct relay_side *side)
{
	struct relay_side *to = relay_other(side);
	size_t queued = evbuffer_get_length(to->queue);
	if (queued > 0)
		event_add(to->on_write, NULL);
	else
		event_del(to->on_write);
	bool pause = side->eof || (side->paused ? queued > RELAY_LOW : queued >= RELAY_HIGH);
	if (pause == side->paused)
		return;
	side->paused = pause;
	if (pause)
		event_del(side->on_read);
	else
		event_add(side->on_read, NULL);
}

/* Bare events: reads into the end of the other side's queue and writes that. Returns what recv said. */
static ssize_t relay_move_evbuffer(struct relay_side *side, struct relay_side *to)
{
	struct evbuffer_iovec space;
	if (evbuffer_reserve_space(to->queue, RELAY_READ, &space, 1) != 1)
		return -1;
	ssize_t got = recv(side->fd, space.iov_base, RELAY_READ, 0);
	space.iov_len = got > 0 ? (size_t)got : 0;
	evbuffer_commit_space(to->queue, &space, 1);
	if (got > 0 && evbuffer_get_length(to->queue) == (size_t)got)
		evbuffer_write(to->queue, to->fd);
	return got;
}

/* Bare events: reads into the scratch, sends at once, queues only the rest. Returns what recv said. */
static ssize_t relay_move_bare(struct relay_side *side, struct relay_side *to)
{
	char *scratch = side->pair->relay->scratch;
	ssize_t got = recv(side->fd, scratch, RELAY_READ, 0), sent = 0;
	if (got <= 0)
		return got;
	if (evbuffer_get_length(to->queue) == 0)
		sent = send(to->fd, scratch, (size_t)got, MSG_NOSIGNAL);
	if (sent < 0)
		sent = 0;
	if (sent < got)
		evbuffer_add(to->queue, scratch + sent, (size_t)(got - sent));
	return got;
}

/* Bare events: input has come. */
static void relay_on_read(evutil_socket_t fd, short what, void *arg)
{
	struct relay_side *side = arg, *to = relay_other(side);
	(void)fd, (void)what;
	ssize_t got = side->pair->relay->mode == RELAY_BARE ? relay_move_bare(side, to)
							    : relay_move_evbuffer(side, to);
	if (got < 0 && errno == EAGAIN)
		return;
	size_t queued = evbuffer_get_length(to->queue);
	if (got > 0 && queued == 0)
		return;
	side->eof = got <= 0;
	relay_event_update(side);
	(void)relay_pass_eof(side, queued);
}

/* Bare events: there is room for what is queued. */
static void relay_on_write(evutil_socket_t fd, short what, void *arg)
{
	struct relay_side *to = arg, *from = relay_other(to);
	(void)what;
	if (evbuffer_write(to->queue, fd) < 0 && errno != EAGAIN) {
		relay_close(to->pair);
		return;
	}
	relay_event_update(from);
	(void)relay_pass_eof(from, evbuffer_get_length(to->queue));
}

/* Sets a side up for the mode. */
static void relay_side_open(struct relay_pair *pair, struct relay_side *side, int fd)
{
	struct relay *relay = pair->relay;
	side->pair = pair;
	side->fd = fd;
	if (relay->mode == RELAY_BUFFEREVENT || relay->mode == RELAY_TRICKS) {
		side->bev = bufferevent_socket_new(relay->base, fd, 0);
		bufferevent_set_max_single_read(side->bev, RELAY_READ);
		bufferevent_set_max_single_write(side->bev, RELAY_READ);
		bufferevent_setcb(side->bev, relay_on_bev_read, relay_on_bev_write, relay_on_bev_event, side);
		return;
	}
	side->queue = evbuffer_new();
	side->on_read = event_new(relay->base, fd, EV_READ | EV_PERSIST, relay_on_read, side);
	side->on_write = event_new(relay->base, fd, EV_WRITE | EV_PERSIST, relay_on_write, side);
}

/* Joins an accepted connection with one to the service. */
static void relay_join(struct relay *relay, int fd)
{
	struct relay_pair *pair = calloc(1, sizeof(*pair));
	int service = sock_connect(&relay->service);
	if (pair == NULL || service < 0) {
		close(fd);
		free(pair);
		return;
	}
	sock_nodelay(fd);
	pair->relay = relay;
	relay_side_open(pair, &pair->side[0], fd);
	relay_side_open(pair, &pair->side[1], service);
	for (int i = 0; i < 2; i++) {
		if (pair->side[i].bev != NULL)
			bufferevent_enable(pair->side[i].bev, EV_READ | EV_WRITE);
		else
			event_add(pair->side[i].on_read, NULL);
	}
}

/* Accepts all that wait. */
static void relay_on_accept(evutil_socket_t listener, short what, void *arg)
{
	int fd;
	(void)what;
	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		relay_join(arg, fd);
}

/* Ends the loop at a signal. */
static void relay_on_signal(evutil_socket_t signal_number, short what, void *arg)
{
	(void)signal_number, (void)what;
	event_base_loopbreak(arg);
}

/* Reads MODE and SERVICE; ends the program on a mistake. */
static void relay_options(struct relay *relay, int argc, char **argv)
{
	for (int i = 0; argc == 3 && i < RELAY_MODES; i++)
		if (strcmp(argv[1], relay_mode_names[i]) == 0 && sock_parse(&relay->service, argv[2]) == 0) {
			relay->mode = (enum relay_mode)i;
			return;
		}
	fprintf(stderr, "usage: relay bufferevent|tricks|evbuffer|bare HOST:PORT\n"
			"  listens on a free port and says it on stdout\n");
	exit(2);
}

int main(int argc, char **argv)
{
	static struct relay relay;
	struct sock_addr addr;
	char text[160];
	relay_options(&relay, argc, argv);
	signal(SIGPIPE, SIG_IGN);
	sock_raise_limit();
	sock_parse(&addr, "127.0.0.1:0");
	int listener = sock_listen(&addr);
	relay.base = event_base_new();
	if (listener < 0 || relay.base == NULL) {
		fprintf(stderr, "relay: can't listen: %s\n", strerror(-listener));
		return 1;
	}
	struct event *accepts =
		event_new(relay.base, listener, EV_READ | EV_PERSIST, relay_on_accept, &relay);
	struct event *term = evsignal_new(relay.base, SIGTERM, relay_on_signal, relay.base);
	event_add(accepts, NULL);
	event_add(term, NULL);
	sock_format(&addr, text, sizeof(text));
	printf("listening on %s\n", text);
	fflush(stdout);
	event_base_dispatch(relay.base);
	event_free(accepts);
	event_free(term);
	event_base_free(relay.base);
	close(listener);
	return 0;
}
