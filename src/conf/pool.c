/*
 * pool: hands out memory and frees it all at once. Owns the blocks; knows nothing of what is in them.
 * A failed allocation is remembered, so that the code that fills a snapshot need not check each string.
 * One thread at a time.
 */
#include "conf/pool.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pool_block {
	struct pool_block *next;
	_Alignas(max_align_t) char bytes[];
};

/* Gets a block of its own for each request: a configuration makes hundreds, not millions. */
void *pool_alloc(struct pool *pool, size_t len)
{
	struct pool_block *block = NULL;

	if (len < SIZE_MAX - sizeof(*block))
		block = calloc(1, sizeof(*block) + len);
	if (block == NULL) {
		pool->failed = true;
		return NULL;
	}
	block->next = pool->blocks;
	pool->blocks = block;
	return block->bytes;
}

/* Copies the bytes and ends them with a NUL. */
char *pool_copy(struct pool *pool, struct text text)
{
	char *copy = pool_alloc(pool, text.len + 1);

	if (copy != NULL && text.len > 0)
		memcpy(copy, text.ptr, text.len);
	return copy;
}

/* Formats twice: once for the length, once for the bytes. */
char *pool_printf(struct pool *pool, const char *format, ...)
{
	va_list args, again;
	char *out = NULL;
	int len;

	va_start(args, format);
	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, args);
	if (len >= 0)
		out = pool_alloc(pool, (size_t)len + 1);
	if (out != NULL)
		vsnprintf(out, (size_t)len + 1, format, again);
	va_end(again);
	va_end(args);
	return out;
}

/* Doubles the room whenever n is a power of two, so that nobody has to remember how much there is. One more
 * than that is free, for who ends a list with a NULL. */
void *pool_grow(struct pool *pool, void *items, size_t n, size_t size)
{
	void *larger;

	if ((n & (n - 1)) != 0)
		return items;
	larger = pool_alloc(pool, (2 * n + 2) * size);
	if (larger != NULL && n > 0)
		memcpy(larger, items, n * size);
	return larger;
}

/* Appends a pointer; a NULL follows the last one. */
void pool_append(struct pool *pool, struct conf_list *list, char *item)
{
	char **items = item != NULL ? pool_grow(pool, list->items, list->n, sizeof(*items)) : NULL;

	if (items == NULL)
		return;
	list->items = items;
	list->items[list->n++] = item;
}

/* Walks the blocks once. */
void pool_free(struct pool *pool)
{
	while (pool->blocks != NULL) {
		struct pool_block *block = pool->blocks;

		pool->blocks = block->next;
		free(block);
	}
	pool->failed = false;
}
