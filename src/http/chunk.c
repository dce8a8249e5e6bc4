/*
 * chunk: writes the heads of chunks. No state, any thread.
 */
#include "http/chunk.h"

#include "base/must.h"

/* The length in hexadecimal, without zeros in front, and CR LF. */
size_t chunk_head(char out[static CHUNK_HEAD_MAX], size_t len)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = 1;

	must(len > 0);
	for (size_t rest = len >> 4; rest > 0; rest >>= 4)
		n++;
	for (size_t i = n; i > 0; i--, len >>= 4)
		out[i - 1] = digits[len & 15];
	out[n] = '\r';
	out[n + 1] = '\n';
	return n + 2;
}
