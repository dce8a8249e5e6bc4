/*
 * cgihead: finds the end of the head that a CGI program writes in bytes that come in any pieces, then takes
 * it apart and judges it.
 *
 * Holds no bytes and allocates nothing. What becomes of the document, and of a redirect, is not known here.
 * Pure; any thread.
 */
#include "http/cgihead.h"

#include "base/chars.h"

#include <string.h>

/* The largest Content-Length: what a double, and so every parser on the way, holds exactly. */
#define CGIHEAD_LENGTH_MAX (UINT64_C(1) << 53)

/* What the next byte belongs to; the first one is where a scan begins. */
enum cgihead_state { CGIHEAD_LINE_START, CGIHEAD_LINE, CGIHEAD_LINE_CR, CGIHEAD_LAST_CR };

/* Judges the first byte of a line. Returns 1 at the end of the head, 0 before, or an error. */
static int cgihead_scan_start(struct cgihead_scan *scan, char c)
{
	if (c == '\n')
		return 1;
	if (c == '\r') {
		scan->state = CGIHEAD_LAST_CR;
		return 0;
	}
	if (c == ' ' || c == '\t')
		return CGIHEAD_BAD_FOLD;
	if (!chars_is(c, CHARS_VALUE))
		return CGIHEAD_BAD_BYTE;
	if (scan->n_lines == CGIHEAD_HEADERS_MAX)
		return CGIHEAD_TOO_MANY;
	scan->state = CGIHEAD_LINE;
	return 0;
}

/* Judges the byte that ended a run: LF, CR, or an error. */
static int cgihead_scan_line_end(struct cgihead_scan *scan, char c)
{
	if (c == '\n') {
		scan->state = CGIHEAD_LINE_START;
		scan->n_lines++;
		return 0;
	}
	if (c != '\r' || scan->state == CGIHEAD_LINE_CR)
		return CGIHEAD_BAD_BYTE;
	scan->state = CGIHEAD_LINE_CR;
	return 0;
}

/* Judges one byte and moves the state. Returns as above. */
static int cgihead_scan_byte(struct cgihead_scan *scan, char c)
{
	switch ((enum cgihead_state)scan->state) {
	case CGIHEAD_LINE_START:
		return cgihead_scan_start(scan, c);
	case CGIHEAD_LAST_CR:
		return c == '\n' ? 1 : CGIHEAD_BAD_BYTE;
	case CGIHEAD_LINE:
	case CGIHEAD_LINE_CR:
		break;
	}
	return cgihead_scan_line_end(scan, c);
}

/* Goes on where the last call ended; every byte is judged once and in order, so the pieces don't matter. */
long cgihead_scan(struct cgihead_scan *scan, const char *buf, size_t len)
{
	size_t end = len < CGIHEAD_MAX ? len : CGIHEAD_MAX;

	for (;;) {
		int verdict;

		if (scan->state == CGIHEAD_LINE)
			scan->seen +=
				chars_span((struct text){ buf + scan->seen, end - scan->seen }, CHARS_VALUE);
		if (scan->seen == end)
			return len < CGIHEAD_MAX ? 0 : CGIHEAD_TOO_LARGE;
		verdict = cgihead_scan_byte(scan, buf[scan->seen]);
		if (verdict < 0)
			return verdict;
		scan->seen++;
		if (verdict > 0)
			return (long)scan->seen;
	}
}

/* Cuts the next line off, without what ends it. False at the empty line. */
static bool cgihead_next_line(struct text *rest, struct text *line)
{
	const char *end = memchr(rest->ptr, '\n', rest->len);

	*line = (struct text){ rest->ptr, (size_t)(end - rest->ptr) };
	*rest = text_slice(*rest, line->len + 1);
	if (line->len > 0 && line->ptr[line->len - 1] == '\r')
		line->len--;
	return line->len > 0;
}

/* Reads Status: three digits, and words behind a space. */
static int cgihead_read_status(struct cgihead *out, struct text value)
{
	struct text digits = { value.ptr, value.len < 3 ? value.len : 3 };
	uint64_t status;

	if (digits.len < 3 || !text_to_u64(digits, 599, &status) || status < 200 ||
		(value.len > 3 && value.ptr[3] != ' '))
		return CGIHEAD_BAD_STATUS;
	out->status = (int)status;
	out->reason = text_trim(text_slice(value, 3));
	return 0;
}

/* Does it begin with a URI's scheme and something behind it (RFC 3986 3.1)? */
static bool cgihead_has_scheme(struct text uri)
{
	size_t len = chars_span(uri, CHARS_TOKEN);

	for (size_t i = 0; i < len; i++) {
		char c = uri.ptr[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		bool other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';

		if (!letter && (i == 0 || !other))
			return false;
	}
	return len > 0 && len + 1 < uri.len && uri.ptr[len] == ':';
}

/* Reads Location: a URI, or a path, which is for the client when it is not alone. */
static int cgihead_read_location(struct cgihead *out, struct text value)
{
	for (size_t i = 0; i < value.len; i++)
		if (!chars_is(value.ptr[i], CHARS_TARGET) && value.ptr[i] != '#')
			return CGIHEAD_BAD_LOCATION;
	if (!text_starts_with(value, "/") && !cgihead_has_scheme(value))
		return CGIHEAD_BAD_LOCATION;
	out->location = value;
	return 0;
}

/* Reads Content-Type, which is passed on as it is. */
static int cgihead_read_type(struct cgihead *out, struct text value)
{
	out->type = value;
	return value.len > 0 ? 0 : CGIHEAD_BAD_TYPE;
}

/* Reads Content-Length. */
static int cgihead_read_length(struct cgihead *out, struct text value)
{
	out->has_length = true;
	return text_to_u64(value, CGIHEAD_LENGTH_MAX, &out->length) ? 0 : CGIHEAD_BAD_LENGTH;
}

/* Is it about the connection, or otherwise the gateway's to say? */
static bool cgihead_is_ours(struct text name)
{
	static const char *const ours[] = { "Connection", "Date", "Keep-Alive", "TE", "Trailer",
		"Transfer-Encoding", "Upgrade" };
	struct text begin = { name.ptr, name.len < 6 ? name.len : 6 };

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (text_is_nocase(name, ours[i]))
			return true;
	return text_is_nocase(begin, "Proxy-");
}

/* The headers that mean something here; each may come once. */
static const struct cgihead_field {
	const char *name;
	int (*read)(struct cgihead *out, struct text value);
} cgihead_fields[] = {
	{ "Content-Type", cgihead_read_type }, { "Location", cgihead_read_location },
	{ "Status", cgihead_read_status },
	{ "Content-Length", cgihead_read_length }, /* the only one that is none of CGI's own */
};

enum { CGIHEAD_FIELDS = 4, CGIHEAD_LENGTH_FIELD = 8 };

/* Takes one header; `had` has a bit for each row of the table that has been there. */
static int cgihead_take(struct cgihead *out, struct http_header header, unsigned *had)
{
	for (unsigned i = 0; i < CGIHEAD_FIELDS; i++) {
		if (!text_is_nocase(header.name, cgihead_fields[i].name))
			continue;
		if (*had & 1U << i)
			return CGIHEAD_BAD_REPEAT;
		*had |= 1U << i;
		return cgihead_fields[i].read(out, header.value);
	}
	if (!cgihead_is_ours(header.name))
		out->headers[out->n_headers++] = header;
	return 0;
}

/* Takes a line apart. */
static int cgihead_parse_line(struct cgihead *out, struct text line, unsigned *had)
{
	const char *colon = memchr(line.ptr, ':', line.len);
	struct http_header header;

	if (colon == NULL)
		return CGIHEAD_BAD_LINE;
	header.name = (struct text){ line.ptr, (size_t)(colon - line.ptr) };
	header.value = text_trim(text_slice(line, header.name.len + 1));
	return chars_all(header.name, CHARS_TOKEN) ? cgihead_take(out, header, had) : CGIHEAD_BAD_LINE;
}

/* Says what the headers mean together (6.2). */
static int cgihead_judge(struct cgihead *out, size_t n_lines, unsigned had)
{
	struct http_request request = { 0 };

	if ((had & ~(unsigned)CGIHEAD_LENGTH_FIELD) == 0)
		return CGIHEAD_NO_FIELD;
	out->local = n_lines == 1 && http_request_retarget(&request, out->location) == 0;
	if (out->status == 0)
		out->status = out->location.len > 0 ? 302 : 200;
	out->has_content = out->status != 204 && out->status != 205 && out->status != 304;
	return 0;
}

/* Scans first, so that below every line is known to end and the last one to be empty. */
int cgihead_parse(struct cgihead *out, const char *head, size_t len)
{
	struct cgihead_scan scan = { 0 };
	long end = cgihead_scan(&scan, head, len);
	struct text rest = { head, len }, line;
	unsigned had = 0;

	*out = (struct cgihead){ 0 };
	if (end < 0)
		return (int)end;
	if ((size_t)end != len || len == 0)
		return CGIHEAD_BAD_LINE;
	while (cgihead_next_line(&rest, &line)) {
		int error = cgihead_parse_line(out, line, &had);
		if (error < 0)
			return error;
	}
	return cgihead_judge(out, scan.n_lines, had);
}

/* Words for every error; the row's number is the error's, without its sign. */
const char *cgihead_reason(int error)
{
	static const char *const reasons[] = {
		[0] = "The program's head is in order.",
		[-CGIHEAD_BAD_BYTE] = "The program's head has a control character in it.",
		[-CGIHEAD_BAD_FOLD] = "A line of the program's head begins with white space.",
		[-CGIHEAD_TOO_LARGE] = "The program's head does not end within 16 KiB.",
		[-CGIHEAD_TOO_MANY] = "The program's head has more than 64 lines.",
		[-CGIHEAD_BAD_LINE] = "A line of the program's head is not NAME: VALUE.",
		[-CGIHEAD_BAD_REPEAT] = "A header of the program came twice that may come once.",
		[-CGIHEAD_BAD_STATUS] = "The program's Status is not a number from 200 to 599, and words.",
		[-CGIHEAD_BAD_LOCATION] = "The program's Location is neither a path nor a URL.",
		[-CGIHEAD_BAD_TYPE] = "The program's Content-Type is empty.",
		[-CGIHEAD_BAD_LENGTH] = "The program's Content-Length is not a number.",
		[-CGIHEAD_NO_FIELD] = "The program's head has none of Content-Type, Location and Status.",
	};
	int n = (int)(sizeof(reasons) / sizeof(reasons[0]));

	return reasons[error < 0 && error > -n ? -error : 0];
}
