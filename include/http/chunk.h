/*
 * chunk: the chunked transfer coding of a body whose length is not known beforehand (RFC 9112 7.1): what
 * stands around its bytes. Pure; any thread.
 */
#ifndef HTTP_CHUNK_H
#define HTTP_CHUNK_H

#include <stddef.h>

enum { CHUNK_HEAD_MAX = 2 * sizeof(size_t) + 2 };

#define CHUNK_TAIL "\r\n"      /* behind the bytes of each chunk */
#define CHUNK_LAST "0\r\n\r\n" /* behind the last one: the body is whole; there are no trailers */

/* What stands before a chunk of `len` bytes, at least one: a chunk without any would end the body. Returns
 * its length; out is not NUL-terminated. */
size_t chunk_head(char out[static CHUNK_HEAD_MAX], size_t len);

#endif
