/*
 * idmap: children by the number that the worker gave them. Nodes live inside what is mapped, so inserting
 * can't fail. Ids are consecutive, so their low bits spread them evenly. One thread.
 */
#ifndef SPAWN_IDMAP_H
#define SPAWN_IDMAP_H

#include <stddef.h>
#include <stdint.h>

enum { IDMAP_BUCKETS = 1024 };

/* Put it first into what is mapped. */
struct idmap_node {
	struct idmap_node *next;
	uint64_t id;
};

/* All zero is an empty map. */
struct idmap {
	struct idmap_node *buckets[IDMAP_BUCKETS];
	size_t n;
};

/* The node with this id, or NULL. */
struct idmap_node *idmap_find(const struct idmap *map, uint64_t id);

/* The id must not be there yet. */
void idmap_insert(struct idmap *map, struct idmap_node *node);

/* The node must be there. */
void idmap_remove(struct idmap *map, struct idmap_node *node);

/* Calls fn for each node, which may remove that node and no other. */
void idmap_each(struct idmap *map, void (*fn)(struct idmap_node *node));

#endif
