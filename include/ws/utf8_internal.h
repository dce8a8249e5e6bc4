/*
 * utf8_internal: the ways to look at many bytes of text at once that utf8_check() chooses from, for those who
 * test and measure each of them.
 */
#ifndef WS_UTF8_INTERNAL_H
#define WS_UTF8_INTERNAL_H

#include "ws/utf8.h"

/* How many checked bytes a path wants before the first that it looks at: as many as a code point goes back.
 */
enum { UTF8_SKIP_BACK = 3 };

struct utf8_path {
	const char *name;
	bool (*usable)(void); /* this machine has the instructions; skip() may not be called if not */
	/*
	 * Looks at buf from `from` on, at least UTF8_SKIP_BACK and between two code points. Returns how far
	 * the text is surely good, from `from` to len; what stands there may be good as well. The code point
	 * at the end of that may be open, and its first byte is then still to be looked at. NULL for none.
	 */
	size_t (*skip)(const uint8_t *buf, size_t from, size_t len);
};

/* The best first. The last one is "portable" and always usable; a row without a name ends them. */
extern const struct utf8_path utf8_paths[];

/* Does what utf8_check() does with this path. */
size_t utf8_check_by(const struct utf8_path *path, struct utf8 *state, const uint8_t *buf, size_t len);

#endif
