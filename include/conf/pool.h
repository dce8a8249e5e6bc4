/*
 * pool: memory that is given back all at once. What belongs to a snapshot, or to the reading of one, lives
 * and dies with it. One thread at a time.
 */
#ifndef CONF_POOL_H
#define CONF_POOL_H

#include "base/text.h"

/* A list value, in the order given. */
struct conf_list {
	char **items; /* n strings and a NULL, so it is an argv too; NULL when never set */
	size_t n;
};

/* Zeroed to begin. */
struct pool {
	struct pool_block *blocks;
	bool failed; /* some allocation failed: whoever fills the pool looks at this once, at the end */
};

/* len zeroed bytes, aligned for anything. NULL when memory is short, and `failed` is then set, as by all that
 * follow. */
void *pool_alloc(struct pool *pool, size_t len);

/* A NUL-terminated copy. */
char *pool_copy(struct pool *pool, struct text text);
char *pool_printf(struct pool *pool, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Room for one more of n items of this size, which are copied there when they had none: for lists of structs,
 * which keep no other count than n. NULL when memory is short. */
void *pool_grow(struct pool *pool, void *items, size_t n, size_t size);

/* Appends to a list; a NULL item (an allocation that failed) is left out. */
void pool_append(struct pool *pool, struct conf_list *list, char *item);

/* Gives everything back; the pool is as new. */
void pool_free(struct pool *pool);

#endif
