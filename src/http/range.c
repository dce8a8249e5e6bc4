/*
 * range: reads the Range header. Several ranges are not answered one by one: a short header could ask for the
 * same bytes hundreds of times over (CVE-2011-3192 of Apache), and those who resume downloads or seek in
 * films ask for one. Sends nothing. No state, any thread.
 */
#include "http/range.h"

/* Reads a position. One that is too large for its type is behind the end of everything, as UINT64_MAX is. */
static bool range_read_number(struct text digits, uint64_t *out)
{
	if (digits.len == 0)
		return false;
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
			return false;
	}
	if (!text_to_u64(digits, UINT64_MAX, out))
		*out = UINT64_MAX;
	return true;
}

/* The last `n` bytes. */
static enum range_kind range_select_suffix(struct range *out, struct text digits, uint64_t whole)
{
	uint64_t n;

	if (!range_read_number(digits, &n))
		return RANGE_WHOLE;
	if (n == 0)
		return RANGE_BEYOND;
	out->len = n < whole ? n : whole;
	out->first = whole - out->len;
	return RANGE_PART;
}

/* The bytes from one position to another, or to the end. */
static enum range_kind range_select_positions(
	struct range *out, struct text first, struct text last, uint64_t whole)
{
	uint64_t to = UINT64_MAX;

	if (!range_read_number(first, &out->first) || (last.len > 0 && !range_read_number(last, &to)) ||
		to < out->first)
		return RANGE_WHOLE;
	if (out->first >= whole)
		return RANGE_BEYOND;
	out->len = (to < whole ? to + 1 : whole) - out->first;
	return RANGE_PART;
}

/* Reads one range-spec. */
static enum range_kind range_select_spec(struct range *out, struct text spec, uint64_t whole)
{
	for (size_t i = 0; i < spec.len; i++) {
		struct text before = { spec.ptr, i }, behind = text_slice(spec, i + 1);

		if (spec.ptr[i] != '-')
			continue;
		return i == 0 ? range_select_suffix(out, behind, whole)
			      : range_select_positions(out, before, behind, whole);
	}
	return RANGE_WHOLE;
}

/* The only range of the set; elements of a list may be empty (RFC 9110 5.6.1.2). False when there are none or
 * several. */
static bool range_only_one(struct text set, struct text *out)
{
	struct text piece;
	size_t n = 0;

	while (text_next(&set, ',', &piece)) {
		if (piece.len == 0)
			continue;
		*out = piece;
		n++;
	}
	return n == 1;
}

/* The value of the only Range header; false when there is none or there are two. */
static bool range_find(const struct http_request *request, struct text *out)
{
	size_t n = 0;

	for (size_t i = 0; i < request->n_headers; i++) {
		if (!text_is_nocase(request->headers[i].name, "Range"))
			continue;
		*out = request->headers[i].value;
		n++;
	}
	return n == 1;
}

/* Of an empty representation no part can be named in a Content-Range, and clients that always ask for the
 * first bytes would get an error for it: it is sent whole. */
enum range_kind range_select(struct range *out, const struct http_request *request, uint64_t whole)
{
	struct text value, spec;

	if (whole == 0 || !range_find(request, &value) || value.len < 6 ||
		!text_is_nocase((struct text){ value.ptr, 6 }, "bytes=") ||
		!range_only_one(text_slice(value, 6), &spec))
		return RANGE_WHOLE;
	return range_select_spec(out, spec, whole);
}
