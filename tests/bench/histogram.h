/*
 * histogram: latencies in nanoseconds, in buckets about 1.5 % wide, without allocation.
 */
#ifndef TESTS_BENCH_HISTOGRAM_H
#define TESTS_BENCH_HISTOGRAM_H

#include <stdint.h>

/* Each power of two is cut in 64; 2^42 ns is more than an hour. */
enum { HISTOGRAM_CUT_BITS = 6, HISTOGRAM_CUTS = 64, HISTOGRAM_BUCKETS = 64 * 38 };

struct histogram {
	uint64_t n, max;
	uint32_t buckets[HISTOGRAM_BUCKETS];
};

/* Counts one value. */
static inline void histogram_add(struct histogram *histogram, uint64_t value)
{
	unsigned shift =
		value < 2 * HISTOGRAM_CUTS ? 0 : 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_CUT_BITS;
	uint64_t bucket = shift * HISTOGRAM_CUTS + (value >> shift);
	histogram->buckets[bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1]++;
	histogram->n++;
	if (value > histogram->max)
		histogram->max = value;
}

/* The value that `share` (0 to 1) of all values do not exceed. */
static inline uint64_t histogram_at(const struct histogram *histogram, double share)
{
	uint64_t seen = 0, want = (uint64_t)((double)histogram->n * share);
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += histogram->buckets[i];
		if (seen <= want)
			continue;
		unsigned shift = i < 2 * HISTOGRAM_CUTS ? 0 : i / HISTOGRAM_CUTS - 1;
		uint64_t top = ((uint64_t)(i - shift * HISTOGRAM_CUTS) + 1) << shift;
		return top < histogram->max ? top : histogram->max;
	}
	return histogram->max;
}

#endif
