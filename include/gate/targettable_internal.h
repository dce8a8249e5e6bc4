/*
 * targettable_internal: what the parts of targettable share.
 */
#ifndef GATE_TARGETTABLE_INTERNAL_H
#define GATE_TARGETTABLE_INTERNAL_H

#include "gate/targettable.h"

/* targettable.c: makes room for one item more. Returns the array, or NULL; then the old one is still there.
 */
void *targettable_grow(void *items, size_t n, size_t *room, size_t size);

/* targettable.c: remembers a mistake in the i-th file. words: constant. */
void targettable_note(struct targettable *table, size_t file, size_t line, const char *words);

/* targettable.c: adds what a line of the file that was added last says. Returns 0 or -ENOMEM. */
int targettable_add_line(struct targettable *table, struct text text, size_t number);

/* targettable_read.c: reads what is at a path. Returns 0 or -errno; what was read then is still freed by
 * targettable_free(). */
int targettable_read(struct targettable *table, const char *path);

#endif
