/*
 * request: finds the end of a request's head in bytes that come in any pieces, then takes the head apart.
 * Holds no bytes, allocates nothing, does not decode the path and knows nothing of routes or WebSockets
 * beyond the rules that hold for every request. Pure; any thread.
 */
#include "http/request.h"
#include "base/authority.h"
#include "base/chars.h"

#include <string.h>

/* The largest Content-Length: what a double, and so every other parser on the way, holds exactly. */
#define REQUEST_LENGTH_MAX (UINT64_C(1) << 53)

/* What the next byte belongs to; kept in http_scan.state, so the first one is where a scan begins. */
enum { REQUEST_TLS_HANDSHAKE = 0x16 }; /* the first byte of TLS (RFC 8446 5.1) */

enum request_scan_state { SCAN_REQUEST_LINE, SCAN_CR, SCAN_LINE_START, SCAN_HEADER, SCAN_LAST_CR };

/* Passes over the bytes that an unfinished line may hold, up to `end` or the longest line. */
static void request_scan_run(struct http_scan *scan, const char *buf, size_t end)
{
	unsigned class = scan->state == SCAN_REQUEST_LINE ? CHARS_LINE : CHARS_VALUE;
	size_t line_end = scan->line + HTTP_LINE_MAX;
	size_t stop = end < line_end ? end : line_end;

	if (scan->state == SCAN_REQUEST_LINE || scan->state == SCAN_HEADER)
		scan->seen += chars_span((struct text){ buf + scan->seen, stop - scan->seen }, class);
}

/* Judges the byte that ended a run: the line's CR, or an error. */
static int request_scan_line_end(struct http_scan *scan, char c)
{
	bool first = scan->state == SCAN_REQUEST_LINE;

	if (c == '\r' && scan->seen > scan->line) {
		scan->state = SCAN_CR;
		return 0;
	}
	if (scan->seen == scan->line + HTTP_LINE_MAX)
		return first ? HTTP_URI_TOO_LONG : HTTP_HEAD_TOO_LARGE;
	if (c == '\n')
		return HTTP_BAD_NEWLINE;
	if (first && scan->seen == 0 && c == REQUEST_TLS_HANDSHAKE)
		return HTTP_BAD_TLS;
	return first ? HTTP_BAD_LINE : HTTP_BAD_VALUE;
}

/* Judges one byte and moves the state. Returns 1 at the end of the head, 0 before, or an error. */
static int request_scan_byte(struct http_scan *scan, char c)
{
	switch ((enum request_scan_state)scan->state) {
	case SCAN_CR:
		if (c != '\n')
			return HTTP_BAD_NEWLINE;
		scan->state = SCAN_LINE_START;
		scan->line = scan->seen + 1;
		return 0;
	case SCAN_LAST_CR:
		return c == '\n' ? 1 : HTTP_BAD_NEWLINE;
	case SCAN_LINE_START:
		if (c == ' ' || c == '\t')
			return HTTP_BAD_FOLD;
		scan->state = c == '\r' ? SCAN_LAST_CR : SCAN_HEADER;
		if (c == '\r' || chars_is(c, CHARS_VALUE))
			return 0;
		break;
	case SCAN_REQUEST_LINE:
	case SCAN_HEADER:
		break;
	}
	return request_scan_line_end(scan, c);
}

/* Goes on where the last call ended; every byte is judged once and in order, so the pieces don't matter. */
long http_request_scan(struct http_scan *scan, const char *buf, size_t len, size_t max)
{
	size_t end = len < max ? len : max;

	for (;;) {
		int verdict;

		request_scan_run(scan, buf, end);
		if (scan->seen == end)
			return len < max ? 0 : HTTP_HEAD_TOO_LARGE;
		verdict = request_scan_byte(scan, buf[scan->seen]);
		if (verdict < 0)
			return verdict;
		scan->seen++;
		if (verdict > 0)
			return (long)scan->seen;
	}
}

/* Cuts off what is before the first `mark`, and the mark. False when there is none. */
static bool request_cut(struct text *rest, char mark, struct text *piece)
{
	const char *end = rest->len > 0 ? memchr(rest->ptr, mark, rest->len) : NULL;

	if (end == NULL)
		return false;
	*piece = (struct text){ rest->ptr, (size_t)(end - rest->ptr) };
	*rest = text_slice(*rest, piece->len + 1);
	return true;
}

/* Reads "HTTP/1.1". Returns the minor version, HTTP_BAD_VERSION for another one, else HTTP_BAD_LINE. */
static int request_parse_version(struct text version)
{
	const char *v = version.ptr;

	if (version.len != 8 || !text_starts_with(version, "HTTP/") || v[5] < '0' || v[5] > '9' ||
		v[6] != '.' || v[7] < '0' || v[7] > '9')
		return HTTP_BAD_LINE;
	if (v[5] != '1' || v[7] > '1')
		return HTTP_BAD_VERSION;
	return v[7] - '0';
}

/* Whether every "%" is followed by two hexadecimal digits, and none of them is a NUL. */
static bool request_has_good_escapes(struct text target)
{
	struct text before;

	while (request_cut(&target, '%', &before)) {
		struct text digits = { target.ptr, 2 };

		if (target.len < 2 || !chars_all(digits, CHARS_HEX) || text_is(digits, "00"))
			return false;
	}
	return true;
}

/* Checks the target and finds its path and query. */
static int request_parse_target(struct http_request *out)
{
	struct text rest = out->target;

	if (!text_starts_with(rest, "/") || !chars_all(rest, CHARS_TARGET) || !request_has_good_escapes(rest))
		return HTTP_BAD_TARGET;
	out->has_query = request_cut(&rest, '?', &out->path);
	if (out->has_query)
		out->query = rest;
	else
		out->path = rest;
	return 0;
}

/* Takes the request line apart. Its grammar is judged before what it asks for. */
static int request_parse_line(struct http_request *out, struct text line)
{
	struct text rest = line;
	int minor, error;

	if (text_is(line, "PRI * HTTP/2.0"))
		return HTTP_BAD_H2;
	if (!request_cut(&rest, ' ', &out->method) || !request_cut(&rest, ' ', &out->target))
		return HTTP_BAD_LINE;
	minor = request_parse_version(rest);
	if (!chars_all(out->method, CHARS_TOKEN) || out->target.len == 0 || minor == HTTP_BAD_LINE)
		return HTTP_BAD_LINE;
	error = request_parse_target(out);
	if (error < 0)
		return error;
	if (minor < 0)
		return minor;
	out->minor = minor;
	return text_is(out->method, "GET") || text_is(out->method, "HEAD") ? 0 : HTTP_BAD_METHOD;
}

/* Adds the header that a line holds. */
static int request_parse_header(struct http_request *out, struct text line)
{
	struct http_header *header = &out->headers[out->n_headers];

	if (out->n_headers == HTTP_HEADERS_MAX)
		return HTTP_HEAD_TOO_LARGE;
	if (!request_cut(&line, ':', &header->name) || header->name.len > HTTP_NAME_MAX ||
		!chars_all(header->name, CHARS_TOKEN))
		return HTTP_BAD_NAME;
	header->value = text_trim(line);
	out->n_headers++;
	return 0;
}

/* How many headers have that name. */
static size_t request_count(const struct http_request *request, const char *name)
{
	struct text wanted = text_of(name);
	size_t n = 0;

	for (size_t i = 0; i < request->n_headers; i++)
		n += text_equal_nocase(request->headers[i].name, wanted);
	return n;
}

/* Refuses headers that came twice and may come once, else two readers could believe different ones. */
static int request_check_repeats(const struct http_request *request)
{
	static const char *const once[] = { "Origin", "Upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Version",
		"Authorization", "Content-Length" };

	for (size_t i = 0; i < sizeof(once) / sizeof(once[0]); i++) {
		if (request_count(request, once[i]) > 1)
			return HTTP_BAD_REPEAT;
	}
	return 0;
}

/* Reads Host, which only HTTP/1.0 may leave out. */
static int request_read_host(struct http_request *out)
{
	const struct http_header *header = http_request_header(out, "Host");
	struct authority authority;

	if (header == NULL)
		return out->minor == 0 ? 0 : HTTP_BAD_HOST;
	if (request_count(out, "Host") > 1 || !authority_parse(&authority, header->value))
		return HTTP_BAD_HOST;
	out->host = authority.host;
	out->host_port = authority.port;
	return 0;
}

/* Refuses every sign of a body: neither a GET nor a HEAD has one here. */
static int request_check_body(struct http_request *out)
{
	const struct http_header *length = http_request_header(out, "Content-Length");

	if (length != NULL && !text_to_u64(length->value, REQUEST_LENGTH_MAX, &out->content_length))
		return HTTP_BAD_LENGTH;
	if (http_request_header(out, "Transfer-Encoding") == NULL)
		return out->content_length > 0 ? HTTP_BAD_BODY : 0;
	/* Two lengths, or a body where a tunnel was asked for, is how requests are smuggled: no mere 501. */
	return length != NULL || http_request_header(out, "Upgrade") != NULL ? HTTP_BAD_BODY
									     : HTTP_BAD_CODING;
}

/* Applies the rules about headers once all of them are there. */
static int request_check_headers(struct http_request *out)
{
	int error = request_check_repeats(out);

	if (error == 0)
		error = request_read_host(out);
	if (error == 0)
		error = request_check_body(out);
	if (error == 0 && http_request_header(out, "Expect") != NULL)
		error = HTTP_BAD_EXPECT;
	if (error == 0 && http_request_header(out, "HTTP2-Settings") != NULL)
		error = HTTP_BAD_H2;
	if (error == 0)
		out->keep_alive =
			!http_request_has_token(out, "Connection", "close") &&
			(out->minor == 1 || http_request_has_token(out, "Connection", "keep-alive"));
	return error;
}

/* Scans first, so that below every line is known to end with CRLF and the last one to be empty. */
int http_request_parse(struct http_request *out, const char *head, size_t len)
{
	struct http_scan scan = { 0 };
	long end = http_request_scan(&scan, head, len, len + 1);
	struct text rest = { head, len }, line;
	int error;

	*out = (struct http_request){ 0 };
	if (end < 0)
		return (int)end;
	if ((size_t)end != len || !request_cut(&rest, '\r', &line))
		return HTTP_BAD_LINE;
	error = request_parse_line(out, line);
	while (error == 0) {
		rest = text_slice(rest, 1);
		if (!request_cut(&rest, '\r', &line) || line.len == 0)
			return request_check_headers(out);
		error = request_parse_header(out, line);
	}
	return error;
}

/* Status and words of every error; the number of a row is the error's, without its sign. */
static const struct request_refusal {
	int status;
	const char *reason;
} request_refusals[] = {
	[-HTTP_BAD_LINE] = { 400, "The request line is not METHOD SP TARGET SP HTTP/1.1." },
	[-HTTP_BAD_METHOD] = { 405, "Only GET and HEAD are answered here." },
	[-HTTP_BAD_TARGET] = { 400,
		"The request target is not a path of printable ASCII and whole escapes." },
	[-HTTP_BAD_VERSION] = { 505, "Only HTTP/1.1 and HTTP/1.0 are spoken here." },
	[-HTTP_BAD_NAME] = { 400, "A header has no valid name in front of its colon." },
	[-HTTP_BAD_VALUE] = { 400, "A header has a control character in it." },
	[-HTTP_BAD_FOLD] = { 400, "A header line begins with white space." },
	[-HTTP_BAD_HOST] = { 400, "There must be one Host header, with a host and perhaps a port." },
	[-HTTP_BAD_LENGTH] = { 400, "Content-Length is not a number." },
	[-HTTP_BAD_CODING] = { 501, "Transfer codings are not supported in requests." },
	[-HTTP_BAD_REPEAT] = { 400, "A header came twice that may come once." },
	[-HTTP_BAD_BODY] = { 400, "This request may not have a body." },
	[-HTTP_BAD_EXPECT] = { 417, "Expectations are not supported." },
	[-HTTP_HEAD_TOO_LARGE] = { 431, "The headers are too long or too many." },
	[-HTTP_URI_TOO_LONG] = { 414, "The request line is too long." },
	[-HTTP_BAD_NEWLINE] = { 400, "Every line must end with CR LF, and neither may stand alone." },
	[-HTTP_BAD_H2] = { 400, "This is HTTP/2; only HTTP/1.1 is spoken here." },
	[-HTTP_BAD_TLS] = { 400, "This is TLS; this port speaks plain HTTP." },
};

/* Finds the row of an error; what is none is told as a bad request line. */
static const struct request_refusal *request_refusal_of(int error)
{
	int n = (int)(sizeof(request_refusals) / sizeof(request_refusals[0]));

	return &request_refusals[error < 0 && error > -n ? -error : -HTTP_BAD_LINE];
}

/* The status of that row. */
int http_request_status(int error)
{
	return request_refusal_of(error)->status;
}

/* The words of that row. */
const char *http_request_reason(int error)
{
	return request_refusal_of(error)->reason;
}

/* Looks from the first header on. */
const struct http_header *http_request_header(const struct http_request *request, const char *name)
{
	struct text wanted = text_of(name);

	for (size_t i = 0; i < request->n_headers; i++) {
		if (text_equal_nocase(request->headers[i].name, wanted))
			return &request->headers[i];
	}
	return NULL;
}

/* Looks through all lists of that name; an empty element is passed over (RFC 9110 5.6.1). */
bool http_request_has_token(const struct http_request *request, const char *name, const char *token)
{
	struct text wanted = text_of(name), wanted_token = text_of(token);

	for (size_t i = 0; i < request->n_headers; i++) {
		struct text rest = request->headers[i].value, piece;

		if (!text_equal_nocase(request->headers[i].name, wanted))
			continue;
		while (text_next(&rest, ',', &piece)) {
			if (text_equal_nocase(piece, wanted_token))
				return true;
		}
	}
	return false;
}
