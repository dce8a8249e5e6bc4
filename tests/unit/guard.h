/*
 * guard: input that ends at the end of a readable page, so that a read past buf + len is a SIGSEGV in every
 * build; or begins where one begins, for reads before buf.
 */
#ifndef TESTS_UNIT_GUARD_H
#define TESTS_UNIT_GUARD_H

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guard {
	uint8_t *map;
	size_t map_len, page;
};

/* Maps room for inputs up to `max` bytes, between two pages that may not be touched. */
static inline struct guard guard_new(size_t max)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct guard guard = { .page = page, .map_len = (max + page - 1) / page * page + 2 * page };
	guard.map = mmap(NULL, guard.map_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (guard.map == MAP_FAILED || mprotect(guard.map + guard.map_len - page, page, PROT_NONE) != 0 ||
		mprotect(guard.map, page, PROT_NONE) != 0)
		_exit(99);
	return guard;
}

/* Copies the input so that its last byte is the last readable one. */
static inline uint8_t *guard_put(const struct guard *guard, const void *data, size_t len)
{
	uint8_t *at = guard->map + guard->map_len - guard->page - len;
	if (len > 0)
		memcpy(at, data, len);
	return at;
}

/* Copies the input so that its first byte is the first readable one. */
static inline uint8_t *guard_put_first(const struct guard *guard, const void *data, size_t len)
{
	uint8_t *at = guard->map + guard->page;
	if (len > 0)
		memcpy(at, data, len);
	return at;
}

static inline void guard_free(struct guard *guard)
{
	munmap(guard->map, guard->map_len);
}

#endif
