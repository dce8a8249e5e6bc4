/*
 * test_arena: blocks are zeroed, aligned and apart from each other; what is freed goes back to the system.
 * An ASan build has no slabs: there the same blocks are ASan's to watch.
 */
#include "base/arena.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { N_BLOCKS = 3000 };

#if ARENA_HAS_SLABS
/* Whether the kernel maps anything more. */
static void set_memory(bool there_is)
{
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
	limit.rlim_cur = there_is ? limit.rlim_max : 0;
	assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
}

/* Is there memory at this address? */
static bool is_mapped(const void *block)
{
	unsigned char in_core;
	void *page = (void *)((uintptr_t)block & -(uintptr_t)sysconf(_SC_PAGESIZE));
	return mincore(page, 1, &in_core) == 0;
}
#endif

/* How many blocks of a size go into a slab whose header takes a grain. */
static size_t blocks_of(size_t size)
{
	size_t rounded = (size + ARENA_GRAIN - 1) / ARENA_GRAIN * ARENA_GRAIN;
	return (ARENA_SLAB - ARENA_GRAIN) / rounded;
}

/* A new block: aligned, zero; it is filled so that a second one in its place shows. */
static uint8_t *take(struct arena *arena, size_t size, uint8_t mark)
{
	uint8_t *block = arena_alloc(arena, size);
	assert_non_null(block);
	assert_int_equal((uintptr_t)block % (ARENA_HAS_SLABS ? ARENA_GRAIN : 16), 0);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(block[i], 0);
	memset(block, mark, size);
	return block;
}

/* Frees a block that nobody else wrote to. */
static void give(struct arena *arena, uint8_t *block, size_t size, uint8_t mark)
{
	for (size_t i = 0; i < size; i++)
		assert_int_equal(block[i], mark);
	arena_free(arena, block);
}

/* Whatever was done with it, nothing but spares may be left. */
static void end(struct arena *arena)
{
	assert_int_equal(arena->n_blocks, 0);
	assert_int_equal(arena->n_slabs, arena->n_spares);
	assert_true(arena->n_spares <= ARENA_SPARES);
	arena_done(arena);
	assert_int_equal(arena->n_slabs, 0);
}

static void test_every_size(void **state)
{
	static const size_t sizes[] = { 1, 2, 8, 63, 64, 65, 127, 128, 129, 900, 1024, 4095, 4096, 4097,
		ARENA_MAX - 1, ARENA_MAX };
	struct arena arena = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t n = 2 * blocks_of(sizes[i]) + 1;
		uint8_t **blocks = calloc(n, sizeof(*blocks));
		/* The second time round they are used ones. */
		for (int round = 0; round < 2; round++) {
			for (size_t at = 0; at < n; at++)
				blocks[at] = take(&arena, sizes[i], (uint8_t)(at + 1));
			assert_int_equal(arena.n_blocks, n);
			for (size_t at = 0; at < n; at++)
				give(&arena, blocks[at], sizes[i], (uint8_t)(at + 1));
		}
		free(blocks);
	}
	end(&arena);
}

static void test_random_lives(void **state)
{
	struct arena arena = { 0 };
	struct {
		uint8_t *block;
		size_t size;
	} lives[N_BLOCKS] = { 0 };
	uint32_t dice = 4711;

	(void)state;
	for (int turn = 0; turn < 60000; turn++) {
		dice = dice * 1103515245 + 12345;
		size_t at = (dice >> 8) % N_BLOCKS;
		if (lives[at].block == NULL) {
			lives[at].size = 1 + (dice >> 5) % ((dice & 16) != 0 ? 64 : 1200);
			lives[at].block = take(&arena, lives[at].size, (uint8_t)at);
		} else {
			give(&arena, lives[at].block, lives[at].size, (uint8_t)at);
			lives[at].block = NULL;
		}
	}
	for (size_t at = 0; at < N_BLOCKS; at++)
		if (lives[at].block != NULL)
			give(&arena, lives[at].block, lives[at].size, (uint8_t)at);
	end(&arena);
}

static void test_null_is_free(void **state)
{
	struct arena arena = { 0 };

	(void)state;
	arena_free(&arena, NULL);
	end(&arena);
}

static void ask(size_t size)
{
	struct arena arena = { 0 };
	if (arena_alloc(&arena, size) == NULL)
		_exit(1);
}

/* Does this break an invariant? */
static bool aborts(void (*act)(size_t), size_t size)
{
	struct rlimit none = { 0 };
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &none);
		signal(SIGABRT, SIG_DFL);
		close(STDERR_FILENO);
		act(size);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) != 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void test_sizes_that_nobody_may_ask_for(void **state)
{
	(void)state;
	assert_true(aborts(ask, 0));
	assert_false(aborts(ask, 1));
	assert_false(aborts(ask, ARENA_MAX));
	assert_true(aborts(ask, ARENA_MAX + 1));
	assert_true(aborts(ask, SIZE_MAX));
}

#if ARENA_HAS_SLABS

static void test_slab_is_filled(void **state)
{
	static const size_t sizes[] = { 1, 64, 65, 1000, ARENA_MAX };
	void *blocks[ARENA_SLAB / ARENA_GRAIN];

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct arena arena = { 0 };
		size_t n = blocks_of(sizes[i]);
		for (size_t at = 0; at <= n; at++) {
			blocks[at] = arena_alloc(&arena, sizes[i]);
			assert_int_equal(arena.n_slabs, at < n ? 1 : 2);
		}
		for (size_t at = 0; at <= n; at++)
			arena_free(&arena, blocks[at]);
		end(&arena);
	}
}

static void test_fuller_slab_is_filled_first(void **state)
{
	struct arena arena = { 0 };
	size_t n = blocks_of(1000);
	void *blocks[2 * ARENA_SLAB / 1000];

	(void)state;
	for (size_t at = 0; at < n + 1; at++)
		blocks[at] = arena_alloc(&arena, 1000);
	void *hole = blocks[n / 2];
	arena_free(&arena, hole);
	assert_ptr_equal(arena_alloc(&arena, 1000), hole);
	assert_int_equal(arena.n_slabs, 2);
	for (size_t at = 0; at < n + 1; at++)
		arena_free(&arena, blocks[at]);
	end(&arena);
}

static void test_empty_slabs_are_unmapped(void **state)
{
	struct arena arena = { 0 };
	void *blocks[ARENA_SPARES + 2];

	(void)state;
	/* A size each, so that each has a slab of its own. */
	for (size_t i = 0; i < ARENA_SPARES + 2; i++)
		blocks[i] = arena_alloc(&arena, (i + 1) * ARENA_GRAIN);
	for (size_t i = 0; i < ARENA_SPARES + 2; i++) {
		assert_true(is_mapped(blocks[i]));
		arena_free(&arena, blocks[i]);
		assert_int_equal(is_mapped(blocks[i]), i < ARENA_SPARES);
		assert_int_equal(arena.n_spares, i < ARENA_SPARES ? i + 1 : ARENA_SPARES);
	}
	arena_done(&arena);
	for (size_t i = 0; i < ARENA_SPARES; i++)
		assert_false(is_mapped(blocks[i]));
}

static void test_slab_with_one_block_stays(void **state)
{
	struct arena arena = { 0 };
	static void *blocks[N_BLOCKS];
	size_t n = blocks_of(500);

	(void)state;
	for (size_t at = 0; at < N_BLOCKS; at++)
		blocks[at] = arena_alloc(&arena, 500);
	for (size_t at = 1; at < N_BLOCKS; at++)
		arena_free(&arena, blocks[at]);
	assert_int_equal(arena.n_slabs, 1 + ARENA_SPARES);
	assert_true(is_mapped(blocks[0]));
	assert_false(is_mapped(blocks[N_BLOCKS - 1]));
	/* What was freed behind it is given again. */
	for (size_t at = 1; at < n; at++)
		blocks[at] = arena_alloc(&arena, 500);
	assert_int_equal(arena.n_slabs, 1 + ARENA_SPARES);
	for (size_t at = 0; at < n; at++)
		arena_free(&arena, blocks[at]);
	end(&arena);
}

static void test_spare_serves_another_size(void **state)
{
	struct arena arena = { 0 };

	(void)state;
	uint8_t *first = take(&arena, 100, 0xaa);
	give(&arena, first, 100, 0xaa);
	uint8_t *second = take(&arena, 5000, 0xbb);
	assert_ptr_equal(first, second);
	assert_int_equal(arena.n_slabs, 1);
	give(&arena, second, 5000, 0xbb);
	end(&arena);
}

static void free_elsewhere(size_t size)
{
	struct arena here = { 0 }, there = { 0 };
	arena_free(&there, arena_alloc(&here, size));
}

static void test_block_of_another_arena(void **state)
{
	(void)state;
	assert_true(aborts(free_elsewhere, 100));
}

static void test_out_of_memory(void **state)
{
	struct arena arena = { 0 };
	size_t n = blocks_of(1000);
	void *blocks[ARENA_SLAB / 1000];

	(void)state;
	set_memory(false);
	assert_null(arena_alloc(&arena, 1000));
	set_memory(true);
	blocks[0] = arena_alloc(&arena, 1000);
	set_memory(false);
	for (size_t at = 1; at < n; at++)
		assert_non_null(blocks[at] = arena_alloc(&arena, 1000));
	assert_null(arena_alloc(&arena, 1000));
	assert_null(arena_alloc(&arena, 2000));
	assert_int_equal(arena.n_blocks, n);
	arena_free(&arena, blocks[0]);
	assert_non_null(blocks[0] = arena_alloc(&arena, 1000));
	for (size_t at = 0; at < n; at++)
		arena_free(&arena, blocks[at]);
	set_memory(true);
	end(&arena);
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_size),
		cmocka_unit_test(test_random_lives),
		cmocka_unit_test(test_null_is_free),
		cmocka_unit_test(test_sizes_that_nobody_may_ask_for),
#if ARENA_HAS_SLABS
		cmocka_unit_test(test_slab_is_filled),
		cmocka_unit_test(test_fuller_slab_is_filled_first),
		cmocka_unit_test(test_empty_slabs_are_unmapped),
		cmocka_unit_test(test_slab_with_one_block_stays),
		cmocka_unit_test(test_spare_serves_another_size),
		cmocka_unit_test(test_block_of_another_arena),
		cmocka_unit_test(test_out_of_memory),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
