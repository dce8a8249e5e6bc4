/*
 * arena: blocks of equal size in slabs of their own mappings.
 *
 * A slab is aligned to its size, so a block finds it by masking its address. Blocks that were freed come
 * first, in a list through themselves; then those that nobody has touched yet. Slabs with room are in the
 * list of their size, full ones in none; empty ones are unmapped, but for a few that serve the next size that
 * asks. Runs on its owner's thread.
 */
#include "base/arena.h"

#include "base/must.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if ARENA_HAS_SLABS

struct arena_block {
	struct arena_block *next;
};

struct arena_slab {
	struct arena *arena;
	struct arena_slab *next, **link; /* in arena->open; link is NULL when it is full */
	struct arena_block *freed;
	size_t size;  /* of a block */
	size_t fresh; /* offset of the first block that was never used */
	size_t n_blocks;
};

_Static_assert(sizeof(struct arena_slab) <= ARENA_GRAIN, "the header takes the first grain");

/* Where slabs with blocks of this size and room are listed. */
static struct arena_slab **arena_open(struct arena *arena, size_t size)
{
	return &arena->open[(size - 1) / ARENA_GRAIN];
}

/* Puts a slab first among those with room. */
static void arena_link(struct arena_slab *slab)
{
	struct arena_slab **head = arena_open(slab->arena, slab->size);

	slab->next = *head;
	slab->link = head;
	if (slab->next != NULL)
		slab->next->link = &slab->next;
	*head = slab;
}

/* Takes a slab out of those with room. */
static void arena_unlink(struct arena_slab *slab)
{
	*slab->link = slab->next;
	if (slab->next != NULL)
		slab->next->link = slab->link;
	slab->link = NULL;
}

/* Has it no block to give? */
static bool arena_is_full(const struct arena_slab *slab)
{
	return slab->freed == NULL && slab->fresh + slab->size > ARENA_SLAB;
}

/*
 * Maps a slab: of twice its size, what is before and behind its alignment is given back. As everywhere here,
 * the kernel may keep what it can't unmap (it has too many maps): that is memory, not an error.
 */
static struct arena_slab *arena_map(void)
{
	char *map = mmap(NULL, 2 * ARENA_SLAB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return NULL;
	size_t before = -(uintptr_t)map % ARENA_SLAB;
	if (before > 0)
		munmap(map, before);
	munmap(map + before + ARENA_SLAB, ARENA_SLAB - before);
	return (struct arena_slab *)(void *)(map + before);
}

/* An empty slab for blocks of a size, a spare one if there is any. */
static struct arena_slab *arena_begin(struct arena *arena, size_t size)
{
	struct arena_slab *slab = arena->spare;

	if (slab != NULL) {
		arena->spare = slab->next;
		arena->n_spares--;
	} else if ((slab = arena_map()) != NULL)
		arena->n_slabs++;
	else
		return NULL;
	*slab = (struct arena_slab){
		.arena = arena,
		.size = (size + ARENA_GRAIN - 1) / ARENA_GRAIN * ARENA_GRAIN,
		.fresh = ARENA_GRAIN,
	};
	arena_link(slab);
	return slab;
}

/* Keeps a slab whose last block is gone as a spare one, or unmaps it. */
static void arena_end(struct arena_slab *slab)
{
	struct arena *arena = slab->arena;

	arena_unlink(slab);
	if (arena->n_spares < ARENA_SPARES) {
		slab->next = arena->spare;
		arena->spare = slab;
		arena->n_spares++;
	} else {
		munmap(slab, ARENA_SLAB);
		arena->n_slabs--;
	}
}

/* The first slab with room gives the block that was freed last, or else its next untouched one. */
void *arena_alloc(struct arena *arena, size_t size)
{
	must(size > 0 && size <= ARENA_MAX);
	struct arena_slab *slab = *arena_open(arena, size);
	if (slab == NULL && (slab = arena_begin(arena, size)) == NULL)
		return NULL;

	void *block = slab->freed;
	if (block != NULL)
		slab->freed = slab->freed->next;
	else {
		block = (char *)slab + slab->fresh;
		slab->fresh += slab->size;
	}
	slab->n_blocks++;
	arena->n_blocks++;
	if (arena_is_full(slab))
		arena_unlink(slab);
	return memset(block, 0, size);
}

/* A slab that was full goes first in its list: the fuller ones are filled, so that the others may empty. */
void arena_free(struct arena *arena, void *block)
{
	if (block == NULL)
		return;
	struct arena_slab *slab = (struct arena_slab *)((uintptr_t)block & -(uintptr_t)ARENA_SLAB);
	struct arena_block *freed = block;

	must(slab->arena == arena);
	freed->next = slab->freed;
	slab->freed = freed;
	arena->n_blocks--;
	if (slab->link == NULL)
		arena_link(slab);
	if (--slab->n_blocks == 0)
		arena_end(slab);
}

/* Unmaps the spares; no other slab is left. */
void arena_done(struct arena *arena)
{
	must(arena->n_blocks == 0);
	while (arena->spare != NULL) {
		struct arena_slab *slab = arena->spare;
		arena->spare = slab->next;
		munmap(slab, ARENA_SLAB);
	}
	*arena = (struct arena){ 0 };
}

#else

/* A block of ASan's. */
void *arena_alloc(struct arena *arena, size_t size)
{
	must(size > 0 && size <= ARENA_MAX);
	void *block = calloc(1, size);
	if (block != NULL)
		arena->n_blocks++;
	return block;
}

/* As free(). */
void arena_free(struct arena *arena, void *block)
{
	if (block == NULL)
		return;
	arena->n_blocks--;
	free(block);
}

/* Nothing is held. */
void arena_done(struct arena *arena)
{
	must(arena->n_blocks == 0);
}

#endif
