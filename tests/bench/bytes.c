/*
 * bytes: what it costs to unmask and to check text, by every path that this machine has, as a ratio to the
 * portable one in the same run; "chosen" is what a caller gets. The variants take turns, and of each the
 * quickest turn counts. In brackets: bytes per nanosecond of the portable path, here and now.
 *   bytes [TURNS]
 */
#include "ws/frame_internal.h"
#include "ws/utf8_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BYTES_MAX = 65536, BYTES_ROOM = BYTES_MAX + 64, BYTES_VARIANTS = 8, BYTES_TURN = 60000 };

/* One way to do it. No path is what the product calls. */
struct bytes_variant {
	const char *name;
	const struct frame_mask_path *mask;
	const struct utf8_path *utf8;
};

/* Where the bytes stand in memory: after a header of 6 bytes, as a short message of a client does. */
enum { BYTES_OFFSET = 6 };

static const size_t bytes_lens[] = { 5, 16, 31, 64, 100, 256, 1024, 16384, 65536 };

/* Runs one variant n times. The phase differs each time, and so may the time that it takes to turn the key.
 */
static void bytes_run(const struct bytes_variant *variant, uint8_t *buf, size_t len, size_t n, bool text)
{
	static const uint8_t key[4] = { 0x37, 0xfa, 0x21, 0x3d };

	for (size_t i = 0; i < n; i++) {
		struct utf8 state = { 0 };
		if (!text && variant->mask != NULL)
			variant->mask->mask(buf, len, key, i);
		else if (!text)
			frame_mask(buf, len, key, i);
		else if ((variant->utf8 != NULL ? utf8_check_by(variant->utf8, &state, buf, len)
						: utf8_check(&state, buf, len)) != len)
			abort();
	}
}

/* Returns how many nanoseconds n runs took. */
static double bytes_time(const struct bytes_variant *variant, uint8_t *buf, size_t len, size_t n, bool text)
{
	struct timespec begin, end;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	bytes_run(variant, buf, len, n, text);
	clock_gettime(CLOCK_MONOTONIC, &end);
	return (double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec);
}

/* Prints a row for each length: the variants' times, divided by that of the last one. */
static void bytes_table(
	const char *title, const struct bytes_variant *variants, size_t n, uint8_t *buf, int turns, bool text)
{
	printf("\n%-12s", title);
	for (size_t i = 0; i < n; i++)
		printf("%10s", variants[i].name);
	printf("\n");
	for (size_t k = 0; k < sizeof(bytes_lens) / sizeof(bytes_lens[0]); k++) {
		double best[BYTES_VARIANTS] = { 0 };
		size_t len = bytes_lens[k], times = BYTES_TURN / (len + 30) + 1;

		/* Not in the middle of a code point. */
		while (text && (buf[len] & 0xc0) == 0x80)
			len--;
		for (int turn = 0; turn < turns; turn++) {
			for (size_t i = 0; i < n; i++) {
				double took = bytes_time(&variants[i], buf, len, times, text);
				best[i] = turn == 0 || took < best[i] ? took : best[i];
			}
		}
		printf("%12zu", len);
		for (size_t i = 0; i < n; i++)
			printf("%10.2f", best[i] / best[n - 1]);
		printf("   (%.2f)\n", (double)(len * times) / best[n - 1]);
	}
}

/* Fills the buffer with a text over and over. */
static void bytes_fill(uint8_t *buf, const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < BYTES_ROOM; i++)
		buf[i] = (uint8_t)text[i % n];
}

int main(int argc, char **argv)
{
	static const struct {
		const char *title, *text;
	} texts[] = { { "ascii", "{\"id\": 4711, \"name\": \"plain words\"}, " },
		{ "german", "Fünf Jäger hören über die Brücke große Züge, und süße Öfen glühen. " },
		{ "russian", "Съешь же ещё этих мягких французских булок, да выпей чаю. " },
		{ "chinese", "天地玄黃宇宙洪荒日月盈昃辰宿列張。" },
		{ "emoji", "😀😁😂🤣😃😄" } };
	struct bytes_variant variants[BYTES_VARIANTS];
	uint8_t *buf = aligned_alloc(64, BYTES_ROOM + 64);
	int turns = argc > 1 ? atoi(argv[1]) : 1000;
	size_t n = 0;

	if (buf == NULL)
		return 1;
	memset(buf, 'x', BYTES_ROOM);
	variants[n++] = (struct bytes_variant){ .name = "chosen" };
	for (const struct frame_mask_path *path = frame_mask_paths; path->name != NULL; path++) {
		if (path->usable())
			variants[n++] = (struct bytes_variant){ .name = path->name, .mask = path };
	}
	puts("By length in bytes: time of each path, 1 is the portable one's; in brackets its bytes/ns.");
	bytes_table("mask", variants, n, buf + BYTES_OFFSET, turns, false);

	n = 1;
	for (const struct utf8_path *path = utf8_paths; path->name != NULL; path++) {
		if (path->usable())
			variants[n++] = (struct bytes_variant){ .name = path->name, .utf8 = path };
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		bytes_fill(buf + BYTES_OFFSET, texts[i].text);
		bytes_table(texts[i].title, variants, n, buf + BYTES_OFFSET, turns, true);
	}
	free(buf);
	return 0;
}
