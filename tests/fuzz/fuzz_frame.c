/*
 * fuzz_frame: a header that decodes encodes to the same bytes; a verdict stands from the byte on that makes
 * it certain; the mask is that of the definition. Input: phase, then a header, then bytes to mask.
 */
#include "ws/frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the run with a report when the property doesn't hold. */
static void fuzz_check(bool holds)
{
	if (!holds)
		abort();
}

/* Decodes every beginning of buf, each in memory of its own; returns the last verdict. */
static int fuzz_decode(struct frame_header *header, const uint8_t *buf, size_t len)
{
	int rc = 0;

	for (size_t have = 0; have <= len && have <= FRAME_HEADER_MAX + 1; have++) {
		uint8_t *part = malloc(have + !have);
		int before = rc;
		memcpy(part, buf, have);
		rc = frame_decode(header, part, have);
		fuzz_check(before == 0 || rc == before);
		fuzz_check(rc <= (int)have);
		free(part);
	}
	fuzz_check(rc != 0 || len < FRAME_HEADER_MAX);
	return rc;
}

/* Masks a copy at some alignment and compares byte by byte; masking again restores it. */
static void fuzz_mask(const uint8_t *buf, size_t len, const uint8_t key[4], uint64_t phase)
{
	size_t offset = phase % 9;
	uint8_t *copy = malloc(offset + len + 1);

	memcpy(copy + offset, buf, len);
	frame_mask(copy + offset, len, key, phase);
	for (size_t i = 0; i < len; i++)
		fuzz_check(copy[offset + i] == (buf[i] ^ key[(phase + i) % 4]));
	/* In two parts, as it comes. */
	size_t split = len * (phase % 7) / 7;
	frame_mask(copy + offset, split, key, phase);
	frame_mask(copy + offset + split, len - split, key, phase + split);
	fuzz_check(memcmp(copy + offset, buf, len) == 0);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame_header header, again;
	uint8_t out[FRAME_HEADER_MAX];

	if (size < 1)
		return 0;
	uint64_t phase = data[0];
	int n = fuzz_decode(&header, data + 1, size - 1);
	if (n <= 0)
		return 0;
	fuzz_check(header.len <= INT64_MAX);
	fuzz_check(!frame_is_control(header.opcode) || (header.fin && header.len <= FRAME_CONTROL_MAX));
	fuzz_check(frame_encode(&header, out) == (size_t)n && memcmp(out, data + 1, (size_t)n) == 0);
	fuzz_check(frame_decode(&again, out, (size_t)n) == n && again.len == header.len);
	fuzz_mask(data + 1 + n, size - 1 - (size_t)n, header.key, phase);
	return 0;
}
