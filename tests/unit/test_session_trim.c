/*
 * test_session_trim: when sessions leave, free memory is given back to the system: not for a few, and when
 * it is already free.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <malloc.h>
#include <sys/resource.h>

#include "gate/session.h"
#include "rig.h"
#include "test_conf.h"

enum { FEW = 1023, MANY = 1024, CROWD = 2100, DROPPED = 32 << 20 };

static size_t n_trims, blocks_at_trim; /* how often, and what the arena held the last time */
static const struct arena *watched;

/* Takes the place of libc's. */
int malloc_trim(size_t pad)
{
	assert_int_equal(pad, 0);
	n_trims++;
	blocks_at_trim = watched->n_blocks;
	return 1;
}

struct house {
	struct rig rig;
	struct limits limits;
	struct entrance entrance;
	struct gate gate;
	int clients[CROWD];
};

static void house_open(struct house *house)
{
	memset(house, 0, sizeof(*house));
	rig_init(&house->rig);
	assert_int_equal(limits_init(&house->limits, 1), 0);
	house->gate = (struct gate){
		.loop = &house->rig.loop,
		.config = conf_good("[listen x]\naddress = 127.0.0.1:0\n" ROUTE_X),
		.limits = &house->limits,
	};
	watched = &house->rig.loop.arena;
	n_trims = 0;
}

static void house_close(struct house *house)
{
	assert_int_equal(house->gate.n_sessions, 0);
	assert_int_equal(house->gate.n_held, 0);
	config_unref(house->gate.config);
	limits_done(&house->limits);
	rig_done(&house->rig);
}

static void house_enter(struct house *house, size_t n)
{
	struct addr peer = { .len = sizeof(peer.u.in), .u.in.sin_family = AF_INET };
	for (size_t i = 0; i < n; i++) {
		int fds[2];
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
		house->clients[i] = fds[1];
		assert_true(limits_take_pending(&house->limits, CROWD));
		session_open(&house->gate, &house->entrance, fds[0], &peer);
	}
	assert_int_equal(house->gate.n_sessions, n);
}

/* Clients `from` to `to` - 1 leave. */
static void house_leave(struct house *house, size_t from, size_t to)
{
	size_t left = house->gate.n_sessions - (to - from);
	for (size_t i = from; i < to; i++)
		close(house->clients[i]);
	rig_until(&house->rig, house->gate.n_held == left);
}

static void test_few_are_not_worth_it(void **state)
{
	static struct house house;

	(void)state;
	house_open(&house);
	house_enter(&house, FEW);
	house_leave(&house, 0, FEW);
	assert_int_equal(n_trims, 0);
	house_close(&house);
}

static void test_below_half_of_many(void **state)
{
	static struct house house;

	(void)state;
	house_open(&house);
	for (size_t round = 1; round <= 2; round++) {
		house_enter(&house, MANY);
		house_leave(&house, 0, MANY / 2);
		assert_int_equal(n_trims, round - 1);
		house_leave(&house, MANY / 2, MANY / 2 + 1);
		assert_int_equal(n_trims, round);
		/* Half of few. */
		house_leave(&house, MANY / 2 + 1, MANY);
		assert_int_equal(n_trims, round);
	}
	house_close(&house);
}

static void test_all_in_one_turn(void **state)
{
	static struct house house;

	(void)state;
	house_open(&house);
	house_enter(&house, CROWD);
	assert_int_equal(watched->n_blocks % CROWD, 0);
	size_t each = watched->n_blocks / CROWD;
	session_cut_all(&house.gate);
	assert_int_equal(n_trims, 0);
	rig_turn(&house.rig);
	/* At 1049 and at 523; nothing that is still buried is taken for freed. */
	assert_int_equal(n_trims, 2);
	assert_int_equal(blocks_at_trim, 523 * each);
	for (size_t i = 0; i < CROWD; i++)
		close(house.clients[i]);
	house_close(&house);
}

/* Sessions that are few, but left with much that nobody took: by the count of the loop's streams. */
static void test_dropped(void **state)
{
	static struct house house;

	(void)state;
	house_open(&house);
	house_enter(&house, 3);
	house.rig.loop.n_dropped = DROPPED - 1;
	house_leave(&house, 0, 1);
	assert_int_equal(n_trims, 0);
	house.rig.loop.n_dropped = DROPPED;
	house_leave(&house, 1, 2);
	assert_int_equal(n_trims, 1);
	house_leave(&house, 2, 3);
	assert_int_equal(n_trims, 1);
	house_close(&house);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few_are_not_worth_it),
		cmocka_unit_test(test_below_half_of_many),
		cmocka_unit_test(test_all_in_one_turn),
		cmocka_unit_test(test_dropped),
	};
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
