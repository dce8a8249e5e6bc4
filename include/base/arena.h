/*
 * arena: memory for the objects that come and go with sessions.
 *
 * Apart from the heap, so that what lives for ever there (libevent's map of descriptors) does not pin the
 * pages of thousands of sessions that have left: blocks of one size share a slab, which is unmapped when its
 * last block is freed. One thread at a time.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

/* In an ASan build every block is calloc()'s, so that ASan sees each of them. */
#if defined(__SANITIZE_ADDRESS__)
#define ARENA_HAS_SLABS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_HAS_SLABS 0
#endif
#endif
#ifndef ARENA_HAS_SLABS
#define ARENA_HAS_SLABS 1
#endif

enum {
	ARENA_SLAB = 32768, /* bytes, its header included */
	ARENA_GRAIN = 64,   /* sizes are rounded up to it, and blocks aligned */
	ARENA_MAX = 8192,   /* the largest block */
	ARENA_SPARES = 6    /* empty slabs that are kept: as many as one session needs that comes and goes */
};

struct arena_slab;

/* All zero is an empty one. */
struct arena {
	struct arena_slab *open[ARENA_MAX / ARENA_GRAIN]; /* by size: those with room */
	struct arena_slab *spare;			  /* those without a block */
	size_t n_spares, n_slabs, n_blocks;		  /* the spares are among the slabs */
};

/* Zeroed memory; size is 1 to ARENA_MAX. NULL when memory is short. */
void *arena_alloc(struct arena *arena, size_t size);

/* Gives a block back to the arena that it is from. NULL is allowed. */
void arena_free(struct arena *arena, void *block);

/* Gives the spares back to the system; every block must have been freed. */
void arena_done(struct arena *arena);

#endif
