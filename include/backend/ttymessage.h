/*
 * ttymessage: the messages of ttyd's subprotocol `tty`: what a terminal's client says, and what it is told
 * about the terminal. Pure: pieces of messages in, their meaning out.
 *
 * The first byte of a message is its command. The first message of all is an object of JSON, whose first byte
 * is "{"; it says how large the terminal is, and here, which ttyd does not know, how much output may be on
 * its way (`window`). Input passes through as it comes; all other messages are held until they are whole,
 * within TTYMESSAGE_MAX.
 */
#ifndef BACKEND_TTYMESSAGE_H
#define BACKEND_TTYMESSAGE_H

#include "base/piece.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest message that is no input, in bytes. */
enum { TTYMESSAGE_MAX = 4096 };

/* The first byte of what the client is told. */
enum { TTYMESSAGE_OUTPUT = '0', TTYMESSAGE_TITLE = '1', TTYMESSAGE_PREFERENCES = '2' };

/* What a piece of a message means, or what is wrong with it. */
enum ttymessage {
	TTYMESSAGE_NOTHING, /* (yet) */
	TTYMESSAGE_HELLO,   /* the first message: it may begin */
	TTYMESSAGE_INPUT,   /* bytes for the program */
	TTYMESSAGE_RESIZE,
	TTYMESSAGE_PAUSE, /* the client takes no output */
	TTYMESSAGE_RESUME,
	TTYMESSAGE_SEEN,	  /* it is done with some of the output */
	TTYMESSAGE_NO_HELLO = -1, /* the first message is something else */
	TTYMESSAGE_TOO_BIG = -2,
	TTYMESSAGE_NO_MEMORY = -3
};

/* Of a terminal; 1 to 65535 each, once they are known. */
struct ttymessage_size {
	uint16_t columns, rows;
};

struct ttymessage_reader {
	struct ttymessage_size size; /* as the client said last; what it left out, or said wrong, in its first
				      * message is 0 */
	uint32_t window;	     /* bytes of output that it takes before it says SEEN; 0: any number */
	uint32_t seen;		     /* of SEEN: bytes of it, since the last one */
	bool greeted;		     /* the first message has been */
	bool begun;		     /* a message has, and its command is known */
	uint8_t command;	     /* of that message */
	size_t len;		     /* ... what came of it; of input nobody counts */
	uint8_t *held;		     /* ... of JSON: TTYMESSAGE_MAX bytes; NULL when nothing waits */
};

/* Begins before the first message. */
void ttymessage_reader_init(struct ttymessage_reader *reader);
void ttymessage_reader_done(struct ttymessage_reader *reader);

/*
 * The next piece of what the client says, one from the first message on. Returns what it means, or below 0
 * what is wrong, after which nothing more may come. *input is the bytes of INPUT, which are in the piece.
 * HELLO and RESIZE set the reader's size; a RESIZE that is no such JSON, or where a number is not from 1 to
 * 65535, is NOTHING, as are commands that nobody knows. What is left out in it stays as it was. HELLO sets
 * the window too, SEEN how much was seen; it is digits and nothing else, else NOTHING.
 */
enum ttymessage ttymessage_read(
	struct ttymessage_reader *reader, const struct piece *piece, struct piece *input);

/* Writes the message with the title: a program's name without its directories, which is cut when it is longer
 * than a message. Returns its length. */
size_t ttymessage_title(const char *program, uint8_t out[static TTYMESSAGE_MAX]);

/* Writes the message with what the client's terminal is to be like. Returns its length. */
size_t ttymessage_preferences(bool may_write, uint8_t out[static TTYMESSAGE_MAX]);

#endif
