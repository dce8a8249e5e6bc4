/*
 * ear: a bridge that only listens: what an endpoint calls is kept, one letter a call. cmocka.h comes before.
 */
#ifndef TESTS_UNIT_EAR_H
#define TESTS_UNIT_EAR_H

#include <stdio.h>
#include <string.h>

#include "net/endpoint.h"

/* All zeros at first. The letters: Ready, Failed, Piece, Eof, Closed; flushes and sent bytes have none. */
struct ear {
	char heard[1024];
	size_t n_data, n_closed;
	char data[65536];
	struct end end;
	int error;
	char reason[512];
};

static inline void ear_note(struct ear *ear, char what)
{
	size_t n = strlen(ear->heard);
	assert_int_equal(ear->n_closed, 0); /* on_closed is the last call */
	assert_true(n + 1 < sizeof(ear->heard));
	ear->heard[n] = what;
}

static inline void ear_on_ready(void *arg)
{
	ear_note(arg, 'R');
}

static inline void ear_on_failed(void *arg, int error, const char *reason)
{
	struct ear *ear = arg;
	ear_note(ear, 'F');
	ear->error = error;
	snprintf(ear->reason, sizeof(ear->reason), "%s", reason);
}

static inline int ear_on_piece(void *arg, const struct piece *piece)
{
	struct ear *ear = arg;
	ear_note(ear, 'P');
	assert_true(ear->n_data + piece->len < sizeof(ear->data)); /* ends with a zero */
	memcpy(ear->data + ear->n_data, piece->data, piece->len);
	ear->n_data += piece->len;
	return 0;
}

static inline void ear_on_any(void *arg)
{
	assert_int_equal(((struct ear *)arg)->n_closed, 0);
}

static inline void ear_on_eof(void *arg, const struct end *end)
{
	struct ear *ear = arg;
	ear_note(ear, 'E');
	ear->end = *end;
}

static inline void ear_on_closed(void *arg)
{
	struct ear *ear = arg;
	ear_note(ear, 'C');
	ear->n_closed++;
}

static const struct endpoint_hooks ear_hooks = {
	.on_ready = ear_on_ready,
	.on_failed = ear_on_failed,
	.on_piece = ear_on_piece,
	.on_flush = ear_on_any,
	.on_sent = ear_on_any,
	.on_eof = ear_on_eof,
	.on_closed = ear_on_closed,
};

/* These calls since the last look. */
static inline void heard(struct ear *ear, const char *letters)
{
	assert_string_equal(ear->heard, letters);
	memset(ear->heard, 0, sizeof(ear->heard));
}

#endif
