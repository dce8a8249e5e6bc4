/*
 * utf8_replace: what is put in place of bytes that are not UTF-8, a part of utf8. Owns no text. Pure, on
 * every thread.
 */
#include "ws/utf8.h"

#include "base/buffer.h"

#include <errno.h>

/* Copies the good runs and puts one U+FFFD for each maximal subpart between them. */
int utf8_replace(struct evbuffer *out, const uint8_t *buf, size_t len)
{
	static const uint8_t replacement[3] = { 0xef, 0xbf, 0xbd };

	while (len > 0) {
		struct utf8 state = { 0 };
		size_t good = utf8_check(&state, buf, len);
		size_t open = utf8_complete(&state) ? 0 : utf8_tail(buf, good);

		if (good > open && buffer_append(out, buf, good - open) != 0)
			return -ENOMEM;
		if (good == len && open == 0)
			return 0;
		if (buffer_append(out, replacement, sizeof(replacement)) != 0)
			return -ENOMEM;
		/* A code point cut short ends before the bad byte, which may begin another one. */
		good += open == 0;
		buf += good;
		len -= good;
	}
	return 0;
}
