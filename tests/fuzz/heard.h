/*
 * heard: messages as they were heard, in pieces or whole: their bytes, and at which of them messages begin
 * and end. Two that heard the same messages are the same, however the pieces were cut. Ends the run when the
 * pieces make no sense. One program includes it once.
 */
#ifndef TESTS_FUZZ_HEARD_H
#define TESTS_FUZZ_HEARD_H

#include "base/must.h"
#include "base/piece.h"
#include "faults.h"

#include <stdlib.h>
#include <string.h>

enum heard_what { HEARD_TEXT, HEARD_BINARY, HEARD_END };

struct heard_mark {
	size_t at;
	enum heard_what what;
};

struct heard {
	uint8_t *bytes;
	struct heard_mark *marks;
	size_t n, n_marks, room, marks_room;
	size_t n_pieces; /* of the last message */
	bool open, text;
};

/* Has room for that many bytes and marks, without asking for memory later. */
static inline void heard_reserve(struct heard *heard, size_t room, size_t marks_room)
{
	if (room > heard->room) {
		heard->room = room;
		heard->bytes = faults_realloc(heard->bytes, room);
	}
	if (marks_room > heard->marks_room) {
		heard->marks_room = marks_room;
		heard->marks = faults_realloc(heard->marks, marks_room * sizeof(*heard->marks));
	}
	must((room == 0 || heard->bytes != NULL) && (marks_room == 0 || heard->marks != NULL));
}

/* Forgets all, but keeps the room. */
static inline void heard_clear(struct heard *heard)
{
	*heard = (struct heard){ heard->bytes, heard->marks, .room = heard->room,
		.marks_room = heard->marks_room };
}

/* Notes a beginning or an end. */
static inline void heard_mark(struct heard *heard, enum heard_what what)
{
	if (heard->n_marks == heard->marks_room)
		heard_reserve(heard, 0, 2 * heard->marks_room + 64);
	heard->marks[heard->n_marks++] = (struct heard_mark){ heard->n, what };
}

/* Hears a piece of a message. */
static inline void heard_piece(struct heard *heard, const struct piece *piece)
{
	must(piece->first == !heard->open);
	must(piece->first || piece->text == heard->text);
	if (piece->first) {
		heard_mark(heard, piece->text ? HEARD_TEXT : HEARD_BINARY);
		heard->n_pieces = 0;
	}
	if (heard->n + piece->len > heard->room)
		heard_reserve(heard, 2 * (heard->n + piece->len), 0);
	if (piece->len > 0)
		memcpy(heard->bytes + heard->n, piece->data, piece->len);
	heard->n += piece->len;
	heard->n_pieces++;
	if (piece->last)
		heard_mark(heard, HEARD_END);
	heard->open = !piece->last;
	heard->text = piece->text;
}

/* Was all of `part` said, and nothing before it left out? A byte that is missing moves the marks after it. */
static inline bool heard_is_prefix(const struct heard *part, const struct heard *whole)
{
	if (part->n > whole->n || part->n_marks > whole->n_marks ||
		(part->n > 0 && memcmp(part->bytes, whole->bytes, part->n) != 0))
		return false;
	for (size_t i = 0; i < part->n_marks; i++)
		if (part->marks[i].at != whole->marks[i].at || part->marks[i].what != whole->marks[i].what)
			return false;
	return true;
}

/* Did both hear the same? */
static inline bool heard_is_same(const struct heard *a, const struct heard *b)
{
	return a->n == b->n && a->n_marks == b->n_marks && heard_is_prefix(a, b);
}

#endif
