/*
 * text: runs of bytes that belong to somebody else, and the small things done with them:
 * compare, trim, cut at separators, percent-decode, nearest known name.
 * Pure: no allocation unless said, no locale, no global state. Safe on every thread.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A run of bytes; not NUL-terminated, may hold NULs, owns nothing. ptr may be NULL when len is 0. */
struct text {
	const char *ptr;
	size_t len;
};

/* For printf: printf("%.*s", TEXT_ARG(t)). The text must be shorter than INT_MAX. */
#define TEXT_ARG(t) (int)(t).len, (t).ptr

/* Views a C string without its NUL; NULL gives an empty text. Of a literal the compiler counts the bytes. */
static inline struct text text_of(const char *cstr)
{
	return (struct text){ .ptr = cstr, .len = cstr != NULL ? strlen(cstr) : 0 };
}

/* Compares byte for byte; memcmp() must not see the NULL of an empty text. */
static inline bool text_equal(struct text a, struct text b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Compares `len` bytes, ASCII letters folded. */
bool text_folds_alike(const char *a, const char *b, size_t len);

/* Compares with ASCII letters folded. Most texts differ by their length. */
static inline bool text_equal_nocase(struct text a, struct text b)
{
	return a.len == b.len && text_folds_alike(a.ptr, b.ptr, a.len);
}

/* Compares with a C string. */
static inline bool text_is(struct text a, const char *cstr)
{
	return text_equal(a, text_of(cstr));
}

/* The same, ASCII letters folded. */
static inline bool text_is_nocase(struct text a, const char *cstr)
{
	return text_equal_nocase(a, text_of(cstr));
}

bool text_starts_with(struct text a, const char *prefix);
bool text_ends_with(struct text a, const char *suffix);
struct text text_trim(struct text a); /* spaces and tabs (HTTP's OWS) off both ends */
struct text text_slice(
	struct text a, size_t from); /* the rest from byte `from` on; empty when past the end */

/*
 * Cuts the next piece off `rest` at the first `sep`, trims OWS and stores it in `piece`; `rest` moves past
 * the separator. Returns false when `rest` is empty. Empty pieces are returned too ("a,,b" has three), but
 * nothing follows a separator at the very end ("a," has one).
 */
bool text_next(struct text *rest, char sep, struct text *piece);

/* Copies to a string of `size` bytes in all, at least 1: what does not fit is left out. */
void text_copy(char *out, size_t size, struct text a);

/* A malloc'ed NUL-terminated copy, NULL when memory is short. The caller frees. */
char *text_dup(struct text a);

/* Makes the ASCII capitals of a string small, in place. */
void text_fold(char *cstr);

/* The value of a hexadecimal digit, or -1. */
int text_hex_digit(char c);

/* Parses decimal digits only (no sign, no space). False when empty, not digits, or above max. */
bool text_to_u64(struct text a, uint64_t max, uint64_t *out);

/*
 * Percent-decodes once (RFC 3986 2.1) into out, which has room for in.len bytes. Returns the length, or -1
 * for a broken escape and for a control character in the result, %00 among them.
 */
long text_percent_decode(struct text in, char *out);

/*
 * The edit distance of two short names (insert, delete, replace, swap of neighbours), for "did you mean".
 * Names longer than 63 bytes count as far away (UINT_MAX).
 */
unsigned text_distance(const char *a, const char *b);

/* The nearest of n names to `name`, or NULL when none is near enough to be meant. */
const char *text_nearest(const char *name, const char *const *names, size_t n);

#endif
