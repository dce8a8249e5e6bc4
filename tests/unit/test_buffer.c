/*
 * test_buffer: what a queue really takes from malloc, counted through libevent's allocator hooks, against
 * what buffer_cost() says.
 */
#include "base/buffer.h"

#include <errno.h>
#include <event2/event.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static size_t held; /* bytes that libevent holds, malloc's headers included */
static size_t fail_above = SIZE_MAX;

/* What a block takes from the heap. */
static size_t block_cost(void *block)
{
	return malloc_usable_size(block) + sizeof(size_t);
}

static void *counted_malloc(size_t size)
{
	void *block = held + size > fail_above ? NULL : malloc(size);

	if (block)
		held += block_cost(block);
	return block;
}

static void counted_free(void *block)
{
	if (block)
		held -= block_cost(block);
	free(block);
}

static void *counted_realloc(void *block, size_t size)
{
	void *moved;

	if (block)
		held -= block_cost(block);
	moved = realloc(block, size);
	if (moved)
		held += block_cost(moved);
	return moved;
}

/* A queue, what it cost when empty, and the byte stream that goes through it. */
struct queue {
	struct evbuffer *evb;
	size_t empty_cost;
	uint64_t n_in, n_out;
};

/* The byte at a place of the stream; the period is no power of two, so that a shifted chain shows. */
static uint8_t queue_byte(uint64_t at)
{
	return (uint8_t)(at % 251);
}

static struct queue queue_new(void)
{
	size_t before = held;
	struct queue q = { .evb = evbuffer_new() };

	assert_non_null(q.evb);
	q.empty_cost = held - before;
	return q;
}

/* Holds buffer_cost() to what malloc gave, and to its promise. */
static void queue_check(const struct queue *q)
{
	size_t len = evbuffer_get_length(q->evb);
	size_t cost = buffer_cost(q->evb);

	assert_int_equal(len, q->n_in - q->n_out);
	assert_true(held - q->empty_cost <= cost);
	assert_true(cost <= len + len / 32 + 2 * (BUFFER_CHAIN + 16));
	if (len == 0)
		assert_int_equal(cost, 0);
}

static void queue_put(struct queue *q, size_t len)
{
	uint8_t *data = malloc(len + 1);

	for (size_t i = 0; i < len; i++)
		data[i] = queue_byte(q->n_in + i);
	assert_int_equal(buffer_append(q->evb, data, len), 0);
	q->n_in += len;
	free(data);
	queue_check(q);
}

static void queue_get(struct queue *q, size_t len)
{
	uint8_t data[1024];

	while (len > 0 && evbuffer_get_length(q->evb) > 0) {
		int n = evbuffer_remove(q->evb, data, len < sizeof(data) ? len : sizeof(data));

		assert_true(n > 0);
		for (int i = 0; i < n; i++)
			assert_int_equal(data[i], queue_byte(q->n_out + i));
		q->n_out += n;
		len -= n;
		queue_check(q);
	}
}

static void queue_end(struct queue *q)
{
	queue_get(q, SIZE_MAX);
	assert_int_equal(held, q->empty_cost);
	evbuffer_free(q->evb);
	assert_int_equal(held, 0);
}

static void test_cost_of_even_appends(void **state)
{
	static const size_t sizes[] = { 1, 2, 64, 100, 975, 976, 977, 1024, 2000, 4047, 4048, 4049, 4095,
		4096, 16335, 16336, 16337, 16384, 65535, 65536, 65537, 1 << 20 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct queue q = queue_new();

		do
			queue_put(&q, sizes[i]);
		while (q.n_in < 300000 && (sizes[i] > 1 || q.n_in < 40000));
		queue_end(&q);
	}
}

static void test_cost_while_draining(void **state)
{
	static const struct {
		size_t put, get;
	} steps[] = { { 1, 0 }, { 3, 2 }, { 64, 63 }, { 4095, 4000 }, { 65536, 60000 }, { 16336, 16335 },
		{ 16337, 16000 }, { 100, 90 }, { 40000, 39999 } };

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct queue q = queue_new();

		for (int turn = 0; turn < 200; turn++) {
			queue_put(&q, steps[i].put);
			queue_get(&q, steps[i].get);
		}
		queue_end(&q);
	}
}

static void test_cost_of_mixed_appends(void **state)
{
	struct queue q = queue_new();
	uint32_t dice = 12345;

	(void)state;
	for (int turn = 0; turn < 2000; turn++) {
		dice = dice * 1103515245 + 12345;
		if (evbuffer_get_length(q.evb) > 256 * 1024)
			queue_get(&q, (dice >> 8) % 300000);
		else
			queue_put(&q, (size_t)1 << (dice >> 16) % 17);
	}
	queue_end(&q);
}

static void test_empty_append(void **state)
{
	struct queue q = queue_new();

	(void)state;
	assert_int_equal(buffer_append(q.evb, NULL, 0), 0);
	queue_check(&q);
	queue_end(&q);
}

static void test_out_of_memory(void **state)
{
	static const char data[100000];
	struct queue q = queue_new();

	(void)state;
	fail_above = held + 40000;
	assert_int_equal(buffer_append(q.evb, data, sizeof(data)), -ENOMEM);
	fail_above = SIZE_MAX;
	assert_true(held - q.empty_cost <= buffer_cost(q.evb));
	evbuffer_free(q.evb);
	assert_int_equal(held, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cost_of_even_appends),
		cmocka_unit_test(test_cost_while_draining),
		cmocka_unit_test(test_cost_of_mixed_appends),
		cmocka_unit_test(test_empty_append),
		cmocka_unit_test(test_out_of_memory),
	};

	event_set_mem_functions(counted_malloc, counted_realloc, counted_free);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
