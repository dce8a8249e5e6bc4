/*
 * Tests of listening sockets: what is bound and what is refused, accepting within limits, and calm when there
 * are no descriptors left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "names.h"
#include "net/bind.h"
#include "net/listener.h"
#include "rig.h"

enum { GUESTS = 256 };

/* Why a name has no address. */
static const char *unfound;

/* Who owns a listener. */
struct host {
	struct rig rig;
	struct listener *listener;
	size_t room; /* connections that may still come in */
	size_t n, n_asked;
	int fds[GUESTS];
	struct addr last;
};

static bool host_take_place(void *arg)
{
	struct host *host = arg;
	host->n_asked++;
	if (host->room == 0)
		return false;
	host->room--;
	return true;
}

static void host_give_place(void *arg)
{
	struct host *host = arg;
	host->room++;
}

static void host_on_accept(void *arg, int fd, const struct addr *peer)
{
	struct host *host = arg;
	host->fds[host->n++] = fd;
	host->last = *peer;
}

static void host_on_shed(void *arg, int fd)
{
	(void)arg;
	assert_int_equal(write(fd, "busy", 4), 4);
}

static const struct listener_hooks host_hooks = {
	.take_place = host_take_place,
	.give_place = host_give_place,
	.on_accept = host_on_accept,
	.on_shed = host_on_shed,
};

/* Where a descriptor is bound. */
static struct addr bound_at(int fd)
{
	struct addr addr = { .len = sizeof(addr.u) };
	assert_int_equal(getsockname(fd, &addr.u.sa, &addr.len), 0);
	return addr;
}

/* A client's descriptor: connected, or -1 and errno. */
static int call(const struct addr *addr)
{
	int fd = socket(addr->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	if (connect(fd, &addr->u.sa, addr->len) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

static struct addr_name name_of(const char *word)
{
	struct addr_name name;
	assert_int_equal(addr_parse(&name, word), 0);
	return name;
}

/* Listens at one address. */
static int bind_tcp(const char *word)
{
	struct addr_name name = name_of(word);
	struct bound bound;
	size_t n;
	assert_int_equal(bind_name(&name, 256, &bound, 1, &n, &unfound), 0);
	assert_int_equal(n, 1);
	assert_true(bound.fd >= 0);
	return bound.fd;
}

static void host_open(struct host *host, int fd)
{
	memset(host, 0, sizeof(*host));
	rig_init(&host->rig);
	rig_has_tcp = true;
	host->rig.n_fds--; /* the listening one is closed with the listener */
	host->room = GUESTS;
	assert_int_equal(listener_new(&host->listener, &host->rig.loop, fd, &host_hooks, host), 0);
	assert_non_null(host->listener);
}

static void host_close(struct host *host)
{
	for (size_t i = 0; i < host->n; i++)
		close(host->fds[i]);
	listener_free(host->listener);
	rig_done(&host->rig);
}

/* An accepted descriptor does not block, is closed on exec, and over TCP sends small messages at once. */
static void test_accept(const char *word)
{
	struct host host;
	int on = 0;
	socklen_t len = sizeof(on);
	int listening = bind_tcp(word);
	struct addr at = bound_at(listening);

	host_open(&host, listening);
	int client = call(&at);
	assert_true(client >= 0);
	rig_until(&host.rig, host.n == 1);
	assert_true(fcntl(host.fds[0], F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(host.fds[0], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(getsockopt(host.fds[0], IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
	assert_int_equal(on, 1);
	struct addr peer = bound_at(client);
	assert_int_equal(addr_port(&host.last), addr_port(&peer));
	assert_int_equal(host.last.u.sa.sa_family, at.u.sa.sa_family);
	assert_int_equal(host.last.len, peer.len);
	close(client);
	host_close(&host);
}

static void test_v4(void **state)
{
	(void)state;
	test_accept("127.0.0.1:0");
}

static void test_v6(void **state)
{
	(void)state;
	test_accept("[::1]:0");
}

/* A name stands for all of its addresses, with one port even if the kernel chooses it; "*" is both families
 * side by side. */
static void test_every_address(void **state)
{
	struct addr_name name = name_of("*:0");
	struct bound bound[4];
	int before = rig_count_fds();
	size_t n;
	(void)state;

	assert_int_equal(bind_name(&name, 64, bound, 4, &n, &unfound), 0);
	assert_int_equal(n, 2);
	assert_int_equal(rig_count_fds(), before + 2);
	assert_true(addr_port(&bound[0].at) != 0);
	assert_int_equal(addr_port(&bound[0].at), addr_port(&bound[1].at));
	assert_int_not_equal(bound[0].at.u.sa.sa_family, bound[1].at.u.sa.sa_family);
	for (size_t i = 0; i < 2; i++) {
		struct addr at = bound_at(bound[i].fd);
		assert_int_equal(at.len, bound[i].at.len);
		assert_memory_equal(&at.u, &bound[i].at.u, at.len);
		close(bound[i].fd);
	}

	/* No more than there is room for. */
	assert_int_equal(bind_name(&name, 64, bound, 1, &n, &unfound), 0);
	assert_int_equal(n, 1);
	close(bound[0].fd);
	assert_int_equal(rig_count_fds(), before);
}

/* What a name server or two lines of /etc/hosts say twice is listened on once. */
static void test_address_twice(void **state)
{
	static const struct name twice[] = { { .host = "twice", .addrs = "127.0.0.1 ::1 127.0.0.1 ::1" },
		{ .host = NULL } };
	struct addr_name name = name_of("twice:0");
	struct bound bound[4];
	size_t n;

	(void)state;
	names_use(twice);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(bind_name(&name, 64, bound, 4, &n, &unfound), 0);
		assert_int_equal(n, 2);
		assert_int_equal(addr_port(&bound[0].at), addr_port(&bound[1].at));
		name.port = addr_port(&bound[0].at); /* and with a port that was asked for */
		close(bound[0].fd);
		close(bound[1].fd);
	}
	names_use(NULL);
}

/* A port that is taken is an error, with and without sharing on our side, and nothing stays open. */
static void test_taken(void **state)
{
	struct bound bound[4];
	size_t n;
	(void)state;

	int taken = bind_tcp("127.0.0.1:0"), before = rig_count_fds();
	struct addr at = bound_at(taken);
	struct addr_name name = name_of("127.0.0.1:0");
	name.port = addr_port(&at);
	assert_int_equal(bind_name(&name, 64, bound, 4, &n, &unfound), -EADDRINUSE);
	assert_int_equal(bind_addr(&at, false, 64), -EADDRINUSE);
	assert_int_equal(bind_addr(&at, true, 64), -EADDRINUSE);

	/* "*" fails as a whole when one of the two is taken. */
	struct addr_name every = name_of("*:0");
	every.port = name.port;
	assert_int_equal(bind_name(&every, 64, bound, 4, &n, &unfound), -EADDRINUSE);
	assert_int_equal(rig_count_fds(), before);
	close(taken);
}

/* Sharing works among those who all do; to everybody else such an address is taken from the first moment on.
 */
static void test_shared(void **state)
{
	struct addr_name name = name_of("127.0.0.1:0");
	struct bound first, again;
	size_t n;
	(void)state;

	assert_int_equal(bind_name(&name, 64, &first, 1, &n, &unfound), 0);
	name.port = addr_port(&first.at);
	assert_int_equal(bind_name(&name, 64, &again, 1, &n, &unfound), -EADDRINUSE);
	assert_int_equal(bind_addr(&first.at, true, 64), -EADDRINUSE);
	assert_int_equal(bind_share(first.fd), 0);
	assert_int_equal(bind_name(&name, 64, &again, 1, &n, &unfound), -EADDRINUSE);
	int one = bind_addr(&first.at, true, 64), other = bind_addr(&first.at, true, 64);
	assert_true(one >= 0 && other >= 0);
	assert_int_equal(bind_name(&name, 64, &again, 1, &n, &unfound), -EADDRINUSE);
	close(first.fd);
	close(one);
	close(other);
}

/* An address that is not ours, a name that nobody has. */
static void test_no_address(void **state)
{
	struct bound bound[4];
	int before = rig_count_fds();
	size_t n;
	(void)state;

	struct addr_name name = name_of("198.51.100.1:0");
	assert_int_equal(bind_name(&name, 64, bound, 4, &n, &unfound), -EADDRNOTAVAIL);
	assert_null(unfound);
	name = name_of("no-such-name.invalid:0");
	assert_int_equal(bind_name(&name, 64, bound, 4, &n, &unfound), -EADDRNOTAVAIL);
	assert_non_null(unfound);
	/* Without any server of names it is not known whether there is one. */
	if (strcmp(unfound, gai_strerror(EAI_AGAIN)) != 0)
		assert_string_equal(unfound, gai_strerror(EAI_NONAME));
	unfound = NULL;
	assert_int_equal(rig_count_fds(), before);
}

/* A directory for sockets, and a path in it. */
struct place {
	char dir[32], path[64];
	struct addr addr;
};

static struct place place_new(void)
{
	struct place place = { .dir = "/tmp/wsluice-XXXXXX" };
	assert_non_null(mkdtemp(place.dir));
	snprintf(place.path, sizeof(place.path), "%s/s", place.dir);
	place.addr.len = sizeof(place.addr.u.un);
	place.addr.u.un.sun_family = AF_UNIX;
	memcpy(place.addr.u.un.sun_path, place.path, sizeof(place.path));
	return place;
}

static void place_free(const struct place *place)
{
	unlink(place->path);
	assert_int_equal(rmdir(place->dir), 0);
}

static int place_bind(const struct place *place, mode_t mode)
{
	return bind_unix(place->path, mode, (uid_t)-1, (gid_t)-1, 64);
}

/* The mode is what was asked for whatever the umask; visitors have no address. */
static void test_unix(void **state)
{
	struct place place = place_new();
	struct host host;
	struct stat st;
	char text[ADDR_TEXT];
	mode_t mask = umask(0077);
	(void)state;

	int fd = place_bind(&place, 0666);
	umask(mask);
	assert_true(fd >= 0);
	assert_int_equal(stat(place.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0666);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	host_open(&host, fd);
	int client = call(&place.addr);
	assert_true(client >= 0);
	rig_until(&host.rig, host.n == 1);
	assert_int_equal(host.last.u.sa.sa_family, AF_UNIX);
	assert_string_equal(addr_format(&host.last, text), "unix:");
	close(client);
	host_close(&host);
	place_free(&place);
}

/* The file that a dead gateway left is replaced; one that is answered stays, and so does its owner's. */
static void test_unix_stale_and_live(void **state)
{
	struct place place = place_new();
	int before = rig_count_fds();
	(void)state;

	close(place_bind(&place, 0600)); /* stale: closing leaves the file */
	int live = place_bind(&place, 0600);
	assert_true(live >= 0);
	assert_int_equal(place_bind(&place, 0600), -EADDRINUSE);
	int client = call(&place.addr);
	assert_true(client >= 0); /* still that one's */
	close(client);
	close(live);

	/* One that is alive but whose backlog is full: nobody answers, and yet it is live. */
	int clients[8], n = 0;
	live = bind_unix(place.path, 0600, (uid_t)-1, (gid_t)-1, 0);
	assert_true(live >= 0);
	do {
		clients[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		assert_true(n < 7);
	} while (connect(clients[n++], &place.addr.u.sa, place.addr.len) == 0);
	assert_int_equal(place_bind(&place, 0600), -EADDRINUSE);
	while (n > 0)
		close(clients[--n]);
	close(live);
	assert_int_equal(rig_count_fds(), before);
	place_free(&place);
}

/* What is no socket is never removed; nor is what a dangling symlink stands for. */
static void test_unix_not_a_socket(void **state)
{
	struct place place = place_new();
	struct stat st;
	int before = rig_count_fds();
	(void)state;

	close(open(place.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(place_bind(&place, 0600), -EADDRINUSE);
	assert_int_equal(stat(place.path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	unlink(place.path);

	assert_int_equal(symlink("nowhere", place.path), 0);
	assert_int_equal(place_bind(&place, 0600), -EADDRINUSE);
	assert_int_equal(lstat(place.path, &st), 0);
	unlink(place.path);

	assert_int_equal(mkdir(place.path, 0700), 0);
	assert_int_equal(place_bind(&place, 0600), -EADDRINUSE);
	assert_int_equal(rmdir(place.path), 0);
	assert_int_equal(rig_count_fds(), before);
	place_free(&place);
}

/* A path that is too long, a directory that is not there, an owner that can't be set: nothing is left. */
static void test_unix_errors(void **state)
{
	struct place place = place_new();
	char path[109];
	int before = rig_count_fds();
	(void)state;

	memset(path, 'x', sizeof(path));
	memcpy(path, "/tmp/", 5);
	path[108] = '\0';
	assert_int_equal(bind_unix(path, 0600, (uid_t)-1, (gid_t)-1, 1), -ENAMETOOLONG);
	assert_int_equal(bind_unix("/tmp/no-such-directory/s", 0600, (uid_t)-1, (gid_t)-1, 1), -ENOENT);
	if (geteuid() != 0) {
		assert_int_equal(bind_unix(place.path, 0600, 0, 0, 1), -EPERM);
		assert_int_equal(access(place.path, F_OK), -1);
	} else {
		struct stat st;
		int fd = bind_unix(place.path, 0600, 1, 2, 1);
		assert_int_equal(stat(place.path, &st), 0);
		assert_int_equal(st.st_uid, 1);
		assert_int_equal(st.st_gid, 2);
		close(fd);
	}
	int own = bind_unix(place.path, 0600, geteuid(), getegid(), 1);
	assert_true(own >= 0);
	close(own);
	assert_int_equal(rig_count_fds(), before);
	place_free(&place);
}

/* Those of which the remedy is known, in words of their own. */
static void test_words(void **state)
{
	struct addr_name low = name_of("127.0.0.1:1023"), high = name_of("127.0.0.1:1024"),
			 file = name_of("unix:/x");
	(void)state;

	assert_non_null(strstr(bind_error(&low, -EACCES), "CAP_NET_BIND_SERVICE"));
	assert_string_equal(bind_error(&high, -EACCES), strerror(EACCES));
	assert_string_equal(bind_error(&low, -EPERM), strerror(EPERM));
	assert_non_null(strstr(bind_error(&file, -EPERM), "owner"));
	assert_string_equal(bind_error(&file, -EACCES), strerror(EACCES));
}

/*
 * Without room nobody is let in, and the loop does not spin for it; with room they get in some time after,
 * in order, though nothing here is told: the place may have been given back on another thread.
 */
static void test_room(void **state)
{
	struct host host;
	int clients[5];
	int listening = bind_tcp("127.0.0.1:0");
	struct addr at = bound_at(listening);
	(void)state;

	host_open(&host, listening);
	host.room = 2;
	for (size_t i = 0; i < 5; i++)
		clients[i] = call(&at);
	rig_until(&host.rig, host.n == 2);
	rig_turns(&host.rig, 3);
	host.n_asked = 0;
	rig_turns(&host.rig, 10); /* in no time */
	assert_in_range(host.n_asked, 0, 1);
	host.room = 1;
	rig_skip(100);
	rig_until(&host.rig, host.n == 3);
	rig_skip(100);
	rig_turns(&host.rig, 3);
	assert_int_equal(host.n, 3);
	host.room = 10;
	rig_skip(100);
	rig_until(&host.rig, host.n == 5);
	rig_turns(&host.rig, 3);
	assert_int_equal(host.room, 8); /* the place for which there was nobody was given back */
	for (size_t i = 0; i < 5; i++) {
		struct addr from = bound_at(clients[i]), peer = { .len = sizeof(peer.u) };
		assert_int_equal(getpeername(host.fds[i], &peer.u.sa, &peer.len), 0);
		assert_int_equal(addr_port(&peer), addr_port(&from));
		close(clients[i]);
	}
	host_close(&host);
}

/* Many at once: nobody is lost, and the sessions of this thread have their turns between. */
static void test_budget(void **state)
{
	struct host host;
	enum { CALLERS = 150 };
	int clients[CALLERS];
	int listening = bind_tcp("127.0.0.1:0");
	struct addr at = bound_at(listening);
	(void)state;

	host_open(&host, listening);
	for (size_t i = 0; i < CALLERS; i++)
		assert_true((clients[i] = call(&at)) >= 0);
	rig_turn(&host.rig);
	assert_in_range(host.n, 1, 100);
	rig_until(&host.rig, host.n == CALLERS);
	for (size_t i = 0; i < CALLERS; i++)
		close(clients[i]);
	host_close(&host);
}

/* Uses up the descriptors of this process but for `left`. Returns the limit before. */
static struct rlimit starve(int left)
{
	struct rlimit old, now;
	int highest = dup(0);
	close(highest);
	getrlimit(RLIMIT_NOFILE, &old);
	now = old;
	now.rlim_cur = (rlim_t)(highest + left);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
	return old;
}

/* A listener that can't have its reserve says why, and closes what it was given. */
static void test_no_reserve(void **state)
{
	struct rig rig;
	struct listener *listener;
	(void)state;

	rig_init(&rig);
	int listening = bind_tcp("127.0.0.1:0");
	struct rlimit old = starve(0);
	assert_int_equal(listener_new(&listener, &rig.loop, listening, &host_hooks, NULL), -EMFILE);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_null(listener);
	rig_done(&rig); /* counts descriptors */
}

/* The answer that waits for a client: how long it is; 0 after an orderly end, -1 after a reset. */
static ssize_t hear(int fd, char *text, size_t size)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	assert_int_equal(poll(&poll_fd, 1, 5000), 1);
	ssize_t n = recv(fd, text, size - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	return n;
}

/*
 * Out of descriptors: one is turned away for each try instead of hanging, one warning is logged, the loop
 * sleeps between, and when descriptors come back so do visitors.
 */
static void test_no_descriptors(void **state)
{
	struct host host;
	enum { CALLERS = 6 };
	int clients[CALLERS];
	char text[256];
	int listening = bind_tcp("127.0.0.1:0");
	struct addr at = bound_at(listening);
	(void)state;

	host_open(&host, listening);
	for (size_t i = 0; i < CALLERS; i++)
		clients[i] = call(&at);
	struct rlimit old = starve(2);
	rig_until(&host.rig, host.n == 2 && rig_logged(&host.rig, "cannot accept") > 0);
	rig_turns(&host.rig, 5);
	assert_true(hear(clients[2], text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "busy"));
	struct pollfd fourth = { .fd = clients[3], .events = POLLIN };
	assert_int_equal(poll(&fourth, 1, 0), 0); /* one a try */
	rig_skip(100);
	rig_until(&host.rig, poll(&fourth, 1, 0) == 1);
	assert_int_equal(rig_logged(&host.rig, "cannot accept"), 1);

	setrlimit(RLIMIT_NOFILE, &old);
	rig_skip(100);
	rig_until(&host.rig, host.n == 4);
	assert_int_equal(rig_logged(&host.rig, "accepting connections again"), 1);
	for (size_t i = 0; i < CALLERS; i++)
		close(clients[i]);
	host_close(&host);
}

/* At the edge of the limit, where one visitor goes and two come all the time, the log stays calm: at most one
 * warning in five seconds. */
static void test_no_descriptors_edge(void **state)
{
	struct host host;
	enum { ROUNDS = 20 };
	int clients[2 * ROUNDS];
	int listening = bind_tcp("127.0.0.1:0");
	struct addr at = bound_at(listening);
	(void)state;

	host_open(&host, listening);
	for (size_t i = 0; i < 2 * ROUNDS; i++)
		clients[i] = call(&at);
	struct rlimit old = starve(1);
	for (size_t i = 0; i < ROUNDS; i++) {
		rig_until(&host.rig, host.n == i + 1);
		rig_turns(&host.rig, 3);
		close(host.fds[i]); /* one goes */
		host.fds[i] = -1;
		rig_skip(100);
	}
	int warnings = rig_logged(&host.rig, "cannot accept");
	setrlimit(RLIMIT_NOFILE, &old);
	for (size_t i = 0; i < 2 * ROUNDS; i++)
		close(clients[i]);
	host_close(&host);
	assert_in_range(warnings, 1, 2); /* two seconds have passed on this clock */
}

/* At the end those who are connected are let in, all of them though they are more than a turn's, and nobody
 * after; without room they are not. */
static void test_finish(void **state)
{
	enum { CALLERS = 150 };
	static const size_t rooms[] = { CALLERS - 1, CALLERS, CALLERS + 1 };
	(void)state;

	for (size_t i = 0; i < 3; i++) {
		struct host host;
		int clients[CALLERS];
		int listening = bind_tcp("127.0.0.1:0");
		struct addr at = bound_at(listening);

		host_open(&host, listening);
		host.room = rooms[i];
		for (size_t k = 0; k < CALLERS; k++)
			assert_true((clients[k] = call(&at)) >= 0);
		listener_finish(host.listener);
		host.listener = NULL;
		assert_int_equal(host.n, rooms[i] < CALLERS ? rooms[i] : CALLERS);
		assert_int_equal(call(&at), -1);
		assert_int_equal(errno, ECONNREFUSED);
		for (size_t k = 0; k < CALLERS; k++)
			close(clients[k]);
		host_close(&host);
	}
	listener_finish(NULL);
}

/* What is given from outside is used if it is a listening stream socket of TCP or unix; else it is said why
 * not. */
static void test_adopt(void **state)
{
	struct place place = place_new();
	struct addr at;
	char text[ADDR_TEXT];
	int pair[2];
	(void)state;

	int fd = bind_tcp("127.0.0.1:0");
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	assert_null(bind_adopt(fd, &at));
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	struct addr bound = bound_at(fd);
	assert_int_equal(addr_port(&at), addr_port(&bound));
	assert_int_equal(at.len, bound.len);
	close(fd);

	fd = place_bind(&place, 0600);
	assert_null(bind_adopt(fd, &at));
	assert_string_equal(addr_format(&at, text) + strlen("unix:"), place.path);
	close(fd);

	assert_string_equal(bind_adopt(fd, &at), strerror(EBADF));
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_string_equal(bind_adopt(fd, &at), strerror(ENOTSOCK));
	close(fd);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_non_null(strstr(bind_adopt(fd, &at), "stream"));
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_non_null(strstr(bind_adopt(fd, &at), "listen"));
	close(fd);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_non_null(strstr(bind_adopt(pair[0], &at), "listen"));
	close(pair[0]);
	close(pair[1]);
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_non_null(strstr(bind_adopt(fd, &at), "neither"));
	close(fd);
	place_free(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v4),
		cmocka_unit_test(test_v6),
		cmocka_unit_test(test_every_address),
		cmocka_unit_test(test_address_twice),
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_no_address),
		cmocka_unit_test(test_unix),
		cmocka_unit_test(test_unix_stale_and_live),
		cmocka_unit_test(test_unix_not_a_socket),
		cmocka_unit_test(test_unix_errors),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_no_reserve),
		cmocka_unit_test(test_no_descriptors),
		cmocka_unit_test(test_no_descriptors_edge),
		cmocka_unit_test(test_finish),
		cmocka_unit_test(test_adopt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
