/*
 * Tests of the bridge: its marks for every amount that waits, and what two fake endpoints hear of each other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above. */
#include <cmocka.h>
#include <string.h>

#include "gate/bridge.h"

/* An endpoint that writes down what is done to it. */
struct fake {
	struct endpoint endpoint;
	size_t queued, allowed;
	unsigned n_pieces, n_flushes, n_finishes, n_aborts;
	uint16_t code;
	bool in_message;
	int refuses;
};

static struct fake *fake_of(struct endpoint *endpoint)
{
	return (struct fake *)endpoint;
}

static int fake_send(struct endpoint *endpoint, const struct piece *piece)
{
	fake_of(endpoint)->n_pieces++;
	fake_of(endpoint)->queued += piece->len;
	return fake_of(endpoint)->refuses;
}

static void fake_flush(struct endpoint *endpoint)
{
	fake_of(endpoint)->n_flushes++;
}

static size_t fake_queued(const struct endpoint *endpoint)
{
	return ((const struct fake *)endpoint)->queued;
}

static void fake_allow(struct endpoint *endpoint, size_t max)
{
	fake_of(endpoint)->allowed = max;
}

static void fake_finish(struct endpoint *endpoint, const struct end *end)
{
	fake_of(endpoint)->n_finishes++;
	fake_of(endpoint)->code = end->code;
}

static void fake_abort(struct endpoint *endpoint, const struct end *end)
{
	fake_of(endpoint)->n_aborts++;
	fake_of(endpoint)->in_message = end->in_message;
}

static const struct endpoint_ops fake_ops = {
	.send = fake_send,
	.flush = fake_flush,
	.queued = fake_queued,
	.allow = fake_allow,
	.finish = fake_finish,
	.abort = fake_abort,
};

struct pair {
	struct loop loop;
	struct fake visitor, backend;
	struct bridge bridge;
	unsigned n_over;
};

static void pair_on_over(void *arg)
{
	((struct pair *)arg)->n_over++;
}

static struct pair *pair_new(size_t buffer)
{
	struct pair *pair = test_calloc(1, sizeof(*pair));
	pair->visitor.endpoint = (struct endpoint){ .ops = &fake_ops, .loop = &pair->loop };
	pair->backend.endpoint = pair->visitor.endpoint;
	bridge_init(&pair->bridge, buffer, pair_on_over, pair);
	bridge_join(&pair->bridge, &pair->visitor.endpoint, &pair->backend.endpoint);
	return pair;
}

static int pair_say(struct fake *from, size_t len)
{
	struct piece piece = { .len = len, .first = true, .last = true };
	int rc = from->endpoint.hooks->on_piece(from->endpoint.arg, &piece);
	from->endpoint.hooks->on_flush(from->endpoint.arg);
	return rc;
}

/* For every amount: what is read may grow as it can and still fit, and a side that was stopped goes on only
 * at the low mark. */
static void test_allowance(void **state)
{
	const size_t buffers[] = { 16384, 65536, 262144, 1048576 },
		     growth[] = { [BRIDGE_VISITOR] = 1, [BRIDGE_BACKEND] = 4 };
	(void)state;

	for (size_t i = 0; i < 2 * sizeof(buffers) / sizeof(buffers[0]); i++) {
		size_t buffer = buffers[i / 2];
		int reader = (int)(i % 2);
		for (size_t used = 0; used <= buffer * 2; used += 97) {
			bool running = false, stopped = true;
			size_t allowed = bridge_allowance(reader, buffer, used, &running);
			assert_int_equal(allowed == 0, running);
			if (allowed > 0)
				assert_true(
					used + growth[reader] * allowed <= buffer && allowed >= buffer / 16);
			else
				assert_true(used + growth[reader] * (buffer / 16) > buffer);
			allowed = bridge_allowance(reader, buffer, used, &stopped);
			assert_int_equal(allowed == 0, used >= buffer / 2);
		}
	}
}

/* The marks themselves, one less and one more. */
static void test_marks(void **state)
{
	bool stopped = false;
	(void)state;

	assert_int_equal(bridge_allowance(BRIDGE_VISITOR, 65536, 61440, &stopped), 4096);
	assert_int_equal(bridge_allowance(BRIDGE_VISITOR, 65536, 61441, &stopped), 0);
	assert_int_equal(bridge_allowance(BRIDGE_VISITOR, 65536, 61440, &stopped), 0);
	assert_int_equal(bridge_allowance(BRIDGE_VISITOR, 65536, 32768, &stopped), 0);
	assert_true(bridge_allowance(BRIDGE_VISITOR, 65536, 32767, &stopped) > 0);
	assert_false(stopped);
	assert_int_equal(bridge_allowance(BRIDGE_BACKEND, 65536, 49152, &stopped), 4096);
	assert_int_equal(bridge_allowance(BRIDGE_BACKEND, 65536, 49153, &stopped), 0);
}

/* What one side says, the other one gets and is flushed once for each turn. */
static void test_pieces(void **state)
{
	struct pair *pair = pair_new(65536);
	(void)state;

	pair_say(&pair->visitor, 10);
	pair_say(&pair->backend, 20);
	assert_int_equal(pair->backend.n_pieces, 1);
	assert_int_equal(pair->backend.n_flushes, 1);
	assert_int_equal(pair->visitor.n_pieces, 1);
	assert_int_equal(pair->bridge.side[BRIDGE_VISITOR].bytes, 10);
	assert_int_equal(pair->bridge.side[BRIDGE_BACKEND].bytes, 20);
	assert_int_equal(pair->bridge.side[BRIDGE_BACKEND].messages, 1);
	test_free(pair);
}

/* Who says what the other one refuses hears of it; nobody refuses who is gone. */
static void test_refusal(void **state)
{
	struct pair *pair = pair_new(65536);
	struct end end = { .code = 1000 };
	(void)state;

	assert_int_equal(pair_say(&pair->visitor, 10), 0);
	pair->backend.refuses = 1008;
	assert_int_equal(pair_say(&pair->visitor, 10), 1008);
	pair->backend.endpoint.hooks->on_eof(pair->backend.endpoint.arg, &end);
	pair->backend.endpoint.hooks->on_closed(pair->backend.endpoint.arg);
	assert_int_equal(pair_say(&pair->visitor, 10), 0);
	test_free(pair);
}

/* Only the side whose peer holds too much is stopped, and it goes on when that went out. */
static void test_back_pressure(void **state)
{
	struct pair *pair = pair_new(65536);
	(void)state;

	pair_say(&pair->backend, 53249);
	assert_int_equal(pair->backend.allowed, 0);
	assert_true(pair->visitor.allowed > 0);
	pair->visitor.queued = 32768;
	pair->visitor.endpoint.hooks->on_sent(pair->visitor.endpoint.arg);
	assert_int_equal(pair->backend.allowed, 0);
	pair->visitor.queued = 32767;
	pair->visitor.endpoint.hooks->on_sent(pair->visitor.endpoint.arg);
	assert_true(pair->backend.allowed > 0);
	test_free(pair);
}

/* An orderly end finishes the other side; it is over when both are gone, whoever goes first. */
static void test_orderly_end(void **state)
{
	struct pair *pair = pair_new(65536);
	struct end end = { .code = 4003 };
	(void)state;

	pair->backend.endpoint.hooks->on_eof(pair->backend.endpoint.arg, &end);
	assert_int_equal(pair->visitor.n_finishes, 1);
	assert_int_equal(pair->visitor.code, 4003);
	pair->backend.endpoint.hooks->on_closed(pair->backend.endpoint.arg);
	assert_int_equal(pair->n_over, 0);
	pair_say(&pair->visitor, 5); /* the backend is gone: dropped */
	assert_int_equal(pair->backend.n_pieces, 0);
	end.code = 1000;
	pair->visitor.endpoint.hooks->on_eof(pair->visitor.endpoint.arg, &end);
	assert_int_equal(pair->backend.n_finishes, 0);
	pair->visitor.endpoint.hooks->on_closed(pair->visitor.endpoint.arg);
	assert_int_equal(pair->n_over, 1);
	test_free(pair);
}

/* A visitor that broke off aborts the backend and says whether it was within a message; a backend that broke
 * is told as a code. */
static void test_abrupt_end(void **state)
{
	struct pair *pair = pair_new(65536);
	struct end end = { .code = 1006, .abrupt = true, .in_message = true };
	(void)state;

	pair->visitor.endpoint.hooks->on_eof(pair->visitor.endpoint.arg, &end);
	assert_int_equal(pair->backend.n_aborts, 1);
	assert_int_equal(pair->backend.n_finishes, 0);
	assert_true(pair->backend.in_message);
	end = (struct end){ .code = 1011, .abrupt = true };
	pair->backend.endpoint.hooks->on_eof(pair->backend.endpoint.arg, &end);
	assert_int_equal(pair->visitor.n_finishes, 1);
	assert_int_equal(pair->visitor.code, 1011);
	test_free(pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_allowance),
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_refusal),
		cmocka_unit_test(test_back_pressure),
		cmocka_unit_test(test_orderly_end),
		cmocka_unit_test(test_abrupt_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
