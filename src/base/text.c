/*
 * text: comparing, cutting and decoding runs of bytes. Owns nothing: every text points into somebody's
 * memory, and only text_dup() allocates. Knows ASCII and no locale, so it reads the same everywhere. Any
 * thread.
 */
#include "base/text.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* The longest name that text_distance() compares. */
enum { TEXT_NAME = 63 };

/* Makes an ASCII capital small and leaves every other byte alone. */
static unsigned char text_lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* Folds in place. */
void text_fold(char *cstr)
{
	for (; *cstr != '\0'; cstr++)
		*cstr = (char)text_lower(*cstr);
}

/* Whether HTTP counts the byte as optional white space (RFC 9110 5.6.3). */
static bool text_is_ows(char c)
{
	return c == ' ' || c == '\t';
}

/* Looks at all of it at once first: that is how it is written mostly. */
bool text_folds_alike(const char *a, const char *b, size_t len)
{
	if (len > 0 && text_lower(a[0]) == text_lower(b[0]) && memcmp(a, b, len) == 0)
		return true;
	for (size_t i = 0; i < len; i++) {
		if (text_lower(a[i]) != text_lower(b[i]))
			return false;
	}
	return true;
}

/* Whether the first bytes are those of `prefix`. */
bool text_starts_with(struct text a, const char *prefix)
{
	struct text p = text_of(prefix);

	return a.len >= p.len && text_equal((struct text){ a.ptr, p.len }, p);
}

/* Whether the last bytes are those of `suffix`. */
bool text_ends_with(struct text a, const char *suffix)
{
	struct text s = text_of(suffix);

	return a.len >= s.len && text_equal(text_slice(a, a.len - s.len), s);
}

/* Narrows the view past the white space at both ends. */
struct text text_trim(struct text a)
{
	while (a.len > 0 && text_is_ows(a.ptr[0]))
		a = text_slice(a, 1);
	while (a.len > 0 && text_is_ows(a.ptr[a.len - 1]))
		a.len--;
	return a;
}

/* Drops the first `from` bytes from the view; a NULL text stays NULL, since NULL + 0 is undefined in C. */
struct text text_slice(struct text a, size_t from)
{
	if (from > a.len)
		from = a.len;
	return (struct text){ from ? a.ptr + from : a.ptr, a.len - from };
}

/* Cuts at the first separator, or takes all that is left. */
bool text_next(struct text *rest, char sep, struct text *piece)
{
	const char *end;
	size_t len;

	if (rest->len == 0)
		return false;
	end = memchr(rest->ptr, sep, rest->len);
	len = end != NULL ? (size_t)(end - rest->ptr) : rest->len;
	*piece = text_trim((struct text){ rest->ptr, len });
	*rest = text_slice(*rest, end != NULL ? len + 1 : len);
	return true;
}

/* Copies what fits. snprintf() would do, in ten times as long. */
void text_copy(char *out, size_t size, struct text a)
{
	size_t len = a.len < size ? a.len : size - 1;

	if (len > 0)
		memcpy(out, a.ptr, len);
	out[len] = '\0';
}

/* Copies to the heap. */
char *text_dup(struct text a)
{
	char *copy = malloc(a.len + 1);

	if (copy == NULL)
		return NULL;
	if (a.len > 0)
		memcpy(copy, a.ptr, a.len);
	copy[a.len] = '\0';
	return copy;
}

/* Adds digit by digit, and stops before the sum would pass max. */
bool text_to_u64(struct text a, uint64_t max, uint64_t *out)
{
	uint64_t sum = 0;

	if (a.len == 0)
		return false;
	for (size_t i = 0; i < a.len; i++) {
		unsigned digit = (unsigned)(unsigned char)a.ptr[i] - '0';

		if (digit > 9 || sum > max / 10 || digit > max - sum * 10)
			return false;
		sum = sum * 10 + digit;
	}
	*out = sum;
	return true;
}

/* Folds the case of a letter first. */
int text_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)text_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes the escape whose percent sign is at `at`; -1 when it is cut short or not hexadecimal. */
static int text_decode_escape(struct text in, size_t at)
{
	int high, low;

	if (in.len - at < 3)
		return -1;
	high = text_hex_digit(in.ptr[at + 1]);
	low = text_hex_digit(in.ptr[at + 2]);
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Copies, turning each %XX into its byte. */
long text_percent_decode(struct text in, char *out)
{
	long n = 0;

	for (size_t i = 0; i < in.len; i++) {
		int byte = (unsigned char)in.ptr[i];

		if (byte == '%') {
			byte = text_decode_escape(in, i);
			i += 2;
		}
		if (byte < 0x20 || byte == 0x7f)
			return -1;
		out[n++] = (char)byte;
	}
	return n;
}

/* The smaller of two counts. */
static unsigned text_min(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Fills the matrix of optimal string alignment, keeping the three rows that a swap looks back on. */
unsigned text_distance(const char *a, const char *b)
{
	unsigned rows[3][TEXT_NAME + 1];
	size_t alen = strlen(a), blen = strlen(b);

	if (alen > TEXT_NAME || blen > TEXT_NAME)
		return UINT_MAX;
	for (unsigned j = 0; j <= blen; j++)
		rows[0][j] = j;
	for (unsigned i = 1; i <= alen; i++) {
		unsigned *row = rows[i % 3];
		const unsigned *above = rows[(i + 2) % 3];
		const unsigned *above2 = rows[(i + 1) % 3];

		row[0] = i;
		for (unsigned j = 1; j <= blen; j++) {
			row[j] = text_min(above[j], row[j - 1]) + 1;
			row[j] = text_min(row[j], above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = text_min(row[j], above2[j - 2] + 1);
		}
	}
	return rows[alen % 3][blen];
}

/* Takes the name with the fewest edits, the first of equals, if they touch at most a third of the letters. */
const char *text_nearest(const char *name, const char *const *names, size_t n)
{
	const char *nearest = NULL;
	unsigned best = ((unsigned)strnlen(name, TEXT_NAME) + 2) / 3;

	for (size_t i = 0; i < n; i++) {
		unsigned distance = text_distance(name, names[i]);

		if (distance <= best && (nearest == NULL || distance < best)) {
			nearest = names[i];
			best = distance;
		}
	}
	return nearest;
}
