/*
 * faults: memory that runs out at the n-th time that it is asked for, and how much of it is held, of
 * everything in the process, libraries too. In place of malloc's functions, before those of the sanitizer,
 * which do the work. One program includes it once.
 */
#ifndef TESTS_FUZZ_FAULTS_H
#define TESTS_FUZZ_FAULTS_H

#include <errno.h>
#include <sanitizer/allocator_interface.h>
#include <stddef.h>

void *__interceptor_malloc(size_t size);
void *__interceptor_calloc(size_t n, size_t size);
void *__interceptor_realloc(void *block, size_t size);
void __interceptor_free(void *block);

/* Which one from now fails: 0 is none. */
static unsigned faults_left;
static unsigned faults_n; /* failed since the beginning */
static long faults_held;  /* bytes that were given and not given back, since the first faults_arm() */
static int faults_counts; /* the sanitizer is not ready to be asked when the process begins */

/* Has the n-th from now fail, once; 0 takes that back. */
static inline void faults_arm(unsigned n)
{
	faults_left = n;
	faults_counts = 1;
}

/* Counts a block in, or out. */
static inline void *faults_count(void *block, int sign)
{
	if (block != NULL && faults_counts)
		faults_held += sign * (long)__sanitizer_get_allocated_size(block);
	return block;
}

/* Memory for the test itself, whatever is armed. */
static inline void *faults_alloc(size_t size)
{
	return faults_count(__interceptor_malloc(size), 1);
}

/* ... and what it notes, which is not held by what is tested. Never given back. */
static inline void *faults_realloc(void *block, size_t size)
{
	return __interceptor_realloc(block, size);
}

/* Is it this one's turn? */
static inline int faults_strike(void)
{
	if (faults_left == 0 || --faults_left > 0)
		return 0;
	faults_n++;
	errno = ENOMEM;
	return 1;
}

void *malloc(size_t size)
{
	return faults_strike() ? NULL : faults_count(__interceptor_malloc(size), 1);
}

void *calloc(size_t n, size_t size)
{
	return faults_strike() ? NULL : faults_count(__interceptor_calloc(n, size), 1);
}

void *realloc(void *block, size_t size)
{
	if (faults_strike())
		return NULL;
	faults_count(block, -1);
	return faults_count(__interceptor_realloc(block, size), 1);
}

void free(void *block)
{
	__interceptor_free(faults_count(block, -1));
}

#endif
