/*
 * failing: memory that is short when a test says so, for code that is linked with --wrap of malloc, calloc,
 * realloc and zlib's two Init functions (see the Makefile): zlib's own allocations count among the others.
 */
#ifndef TESTS_UNIT_FAILING_H
#define TESTS_UNIT_FAILING_H

#include <stdbool.h>
#include <stdlib.h>
#include <zlib.h>

static unsigned failing_at;    /* which allocation fails; 0 is none */
static unsigned failing_count; /* allocations since this was set to 0 */
static size_t failing_bytes;   /* ... and their bytes, of what zlib asked for */
static bool failing_on;	       /* they are counted: not those of the test itself */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
int __real_inflateInit2_(z_streamp stream, int bits, const char *version, int size);
int __real_deflateInit2_(z_streamp stream, int level, int method, int bits, int memory, int strategy,
	const char *version, int size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
int __wrap_inflateInit2_(z_streamp stream, int bits, const char *version, int size);
int __wrap_deflateInit2_(z_streamp stream, int level, int method, int bits, int memory, int strategy,
	const char *version, int size);

/* Says whether this is the allocation that fails. */
static inline bool failing_now(void)
{
	return failing_on && ++failing_count == failing_at;
}

void *__wrap_malloc(size_t size)
{
	return failing_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return failing_now() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return failing_now() ? NULL : __real_realloc(old, size);
}

/* zlib's way to ask for memory. */
static voidpf failing_zalloc(voidpf unused, uInt n, uInt size)
{
	(void)unused;
	failing_bytes += (size_t)n * size;
	return failing_now() ? NULL : __real_malloc((size_t)n * size);
}

static void failing_zfree(voidpf unused, voidpf memory)
{
	(void)unused;
	free(memory);
}

int __wrap_inflateInit2_(z_streamp stream, int bits, const char *version, int size)
{
	stream->zalloc = failing_zalloc;
	stream->zfree = failing_zfree;
	return __real_inflateInit2_(stream, bits, version, size);
}

int __wrap_deflateInit2_(z_streamp stream, int level, int method, int bits, int memory, int strategy,
	const char *version, int size)
{
	stream->zalloc = failing_zalloc;
	stream->zfree = failing_zfree;
	return __real_deflateInit2_(stream, level, method, bits, memory, strategy, version, size);
}

#endif
