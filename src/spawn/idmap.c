/*
 * idmap: a hash table of a fixed number of chains, for the children of one client.
 *
 * Owns nothing: nodes belong to what they are in. Used by the spawner and by the workers, each on its own
 * thread.
 */
#include "spawn/idmap.h"
#include "base/must.h"

/* Returns the link that points at the node with this id, or the chain's end. */
static struct idmap_node **idmap_link(struct idmap *map, uint64_t id)
{
	struct idmap_node **link = &map->buckets[id % IDMAP_BUCKETS];
	while (*link != NULL && (*link)->id != id)
		link = &(*link)->next;
	return link;
}

/* Looks an id up. */
struct idmap_node *idmap_find(const struct idmap *map, uint64_t id)
{
	struct idmap_node *node = map->buckets[id % IDMAP_BUCKETS];
	while (node != NULL && node->id != id)
		node = node->next;
	return node;
}

/* Adds a node under its id. */
void idmap_insert(struct idmap *map, struct idmap_node *node)
{
	struct idmap_node **link = idmap_link(map, node->id);
	must(*link == NULL);
	node->next = NULL;
	*link = node;
	map->n++;
}

/* Takes a node out. */
void idmap_remove(struct idmap *map, struct idmap_node *node)
{
	struct idmap_node **link = idmap_link(map, node->id);
	must(*link == node);
	*link = node->next;
	map->n--;
}

/* Visits every node, and no chain behind the last. */
void idmap_each(struct idmap *map, void (*fn)(struct idmap_node *node))
{
	size_t left = map->n;

	for (size_t i = 0; i < IDMAP_BUCKETS && left > 0; i++) {
		for (struct idmap_node *node = map->buckets[i], *next; node != NULL; node = next) {
			next = node->next;
			left--;
			fn(node);
		}
	}
}
