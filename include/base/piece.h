/*
 * piece: a part of a message on its way from one side to the other. Messages are never gathered only to be
 * passed on: their payload travels as it comes, in pieces.
 */
#ifndef BASE_PIECE_H
#define BASE_PIECE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes may be changed by who receives them, and are only there during the call. An empty message is one
 * piece of length 0. */
struct piece {
	uint8_t *data;
	size_t len;
	bool text;	  /* the message is text, else binary */
	bool first, last; /* the message begins, ends with this piece */
};

#endif
