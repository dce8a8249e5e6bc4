/*
 * chars: which bytes may stand where in an HTTP head and in names of hosts. One table, one look-up a byte.
 * Pure; any thread.
 */
#ifndef BASE_CHARS_H
#define BASE_CHARS_H

#include "base/text.h"

/* Classes of bytes; a byte belongs to several. */
enum chars_class {
	CHARS_TOKEN = 1,   /* RFC 9110 5.6.2: header names, methods, subprotocols */
	CHARS_VALUE = 2,   /* a header line: visible, space, tab, 0x80 to 0xff */
	CHARS_LINE = 4,	   /* the request line: visible ASCII and space */
	CHARS_TARGET = 8,  /* a request target: visible ASCII without "#" */
	CHARS_HOST = 16,   /* names and IPv4 addresses: letters, digits, "-", ".", "_" */
	CHARS_HEX = 32,	   /* hexadecimal digits */
	CHARS_BASE64 = 64, /* base64's alphabet (RFC 4648 section 4), without "=" */
};

extern const unsigned char chars_table[256];

/* Is the byte of that class (of one of them, when several are or-ed)? */
static inline bool chars_is(char c, unsigned class)
{
	return (chars_table[(unsigned char)c] & class) != 0;
}

/* The number of bytes at the beginning of `text` that are of that class. */
size_t chars_span(struct text text, unsigned class);

/* Are all bytes of that class? False for an empty text. */
bool chars_all(struct text text, unsigned class);

#endif
