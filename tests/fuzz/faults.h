/*
 * faults: memory that runs out at the n-th time that it is asked for, of everything in the process, libraries
 * too. In place of malloc's functions, before those of the sanitizer, which do the work. One program includes
 * it once.
 */
#ifndef TESTS_FUZZ_FAULTS_H
#define TESTS_FUZZ_FAULTS_H

#include <errno.h>
#include <stddef.h>

void *__interceptor_malloc(size_t size);
void *__interceptor_calloc(size_t n, size_t size);
void *__interceptor_realloc(void *block, size_t size);

/* Which one from now fails: 0 is none. */
static unsigned faults_left;
static unsigned faults_n; /* failed since the beginning */

/* Has the n-th from now fail, once; 0 takes that back. */
static inline void faults_arm(unsigned n)
{
	faults_left = n;
}

/* Memory for the test itself, whatever is armed. */
static inline void *faults_alloc(size_t size)
{
	return __interceptor_malloc(size);
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
	return faults_strike() ? NULL : __interceptor_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return faults_strike() ? NULL : __interceptor_calloc(n, size);
}

void *realloc(void *block, size_t size)
{
	return faults_strike() ? NULL : __interceptor_realloc(block, size);
}

#endif
