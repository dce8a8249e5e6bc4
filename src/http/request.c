/*
 * request: takes the head of a request apart, which request_scan.c has found. Holds no bytes, allocates
 * nothing, does not decode the path and knows nothing of routes or WebSockets beyond the rules that hold for
 * every request. Pure; any thread.
 */
#include "http/request.h"
#include "base/authority.h"
#include "base/chars.h"

#include <string.h>

/* The largest Content-Length: what a double, and so every other parser on the way, holds exactly. */
#define REQUEST_LENGTH_MAX (UINT64_C(1) << 53)

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

/* Checks a target and finds its path and query. */
int http_request_retarget(struct http_request *out, struct text target)
{
	struct text rest = target, path;

	if (!text_starts_with(rest, "/") || !chars_all(rest, CHARS_TARGET) || !request_has_good_escapes(rest))
		return HTTP_BAD_TARGET;
	out->target = target;
	out->has_query = request_cut(&rest, '?', &path);
	out->path = out->has_query ? path : rest;
	out->query = out->has_query ? rest : text_of(NULL);
	return 0;
}

/* What is wrong with a line that is no request line: proxies begin in their own way (PROXY protocol 2.1). */
static int request_name_bad_line(struct text line)
{
	return text_starts_with(line, "PROXY ") ? HTTP_BAD_PROXY : HTTP_BAD_LINE;
}

/* Takes the request line apart. Its grammar is judged before what it asks for; the method is judged last of
 * all. */
static int request_parse_line(struct http_request *out, struct text line)
{
	struct text rest = line;
	int minor, error;

	if (text_is(line, "PRI * HTTP/2.0"))
		return HTTP_BAD_H2;
	if (!request_cut(&rest, ' ', &out->method) || !request_cut(&rest, ' ', &out->target))
		return request_name_bad_line(line);
	minor = request_parse_version(rest);
	if (!chars_all(out->method, CHARS_TOKEN) || out->target.len == 0 || minor == HTTP_BAD_LINE)
		return request_name_bad_line(line);
	error = http_request_retarget(out, out->target);
	if (error < 0)
		return error;
	if (minor < 0)
		return minor;
	out->minor = minor;
	return 0;
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
	uint64_t bit = http_request_bit(header->name.len);
	out->lens_twice |= out->lens & bit;
	out->lens |= bit;
	return 0;
}

/* Do several headers have that name? */
static bool request_repeats(const struct http_request *request, struct text name)
{
	size_t n = 0;

	if ((request->lens_twice & http_request_bit(name.len)) == 0)
		return false;
	for (size_t i = 0; i < request->n_headers; i++)
		n += text_equal_nocase(request->headers[i].name, name);
	return n > 1;
}

/* Refuses headers that came twice and may come once, else two readers could believe different ones. */
static int request_check_repeats(const struct http_request *request)
{
	static const char *const once[] = { "Origin", "Upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Version",
		"Authorization", "Content-Length", "Content-Type" };

	if (request->lens_twice == 0)
		return 0;
	for (size_t i = 0; i < sizeof(once) / sizeof(once[0]); i++) {
		if (request_repeats(request, text_of(once[i])))
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
	if (request_repeats(out, text_of("Host")) || !authority_parse(&authority, header->value))
		return HTTP_BAD_HOST;
	out->host = authority.host;
	out->host_port = authority.port;
	return 0;
}

/* Is it a method that never has a body here? */
static bool request_is_bodiless(const struct http_request *request)
{
	return text_is(request->method, "GET") || text_is(request->method, "HEAD");
}

/* Reads how long the body is. None may be with GET or HEAD, none beside an Upgrade, and none whose length is
 * not told. */
static int request_check_body(struct http_request *out)
{
	const struct http_header *length = http_request_header(out, "Content-Length");
	bool tunnel = http_request_header(out, "Upgrade") != NULL;

	out->has_length = length != NULL;
	if (length != NULL && !text_to_u64(length->value, REQUEST_LENGTH_MAX, &out->content_length))
		return HTTP_BAD_LENGTH;
	/* Two lengths, or a body where a tunnel was asked for, is how requests are smuggled: no mere 501. */
	if (http_request_header(out, "Transfer-Encoding") != NULL)
		return length != NULL || tunnel ? HTTP_BAD_BODY : HTTP_BAD_CODING;
	return out->content_length > 0 && (tunnel || request_is_bodiless(out)) ? HTTP_BAD_BODY : 0;
}

/* Reads what the client expects: nothing, or to be told to send its body, which HTTP/1.0 can't be told and
 * does not wait for (RFC 9110 10.1.1). */
static int request_check_expect(struct http_request *out)
{
	const struct http_header *expect = http_request_header(out, "Expect");

	if (expect == NULL)
		return 0;
	if (out->content_length == 0 || request_repeats(out, text_of("Expect")) ||
		!text_is_nocase(expect->value, "100-continue"))
		return HTTP_BAD_EXPECT;
	out->expects_continue = out->minor == 1;
	return 0;
}

/* Is it one of the methods that are known here? */
static int request_check_method(const struct http_request *request)
{
	return request_is_bodiless(request) || text_is(request->method, "POST") ? 0 : HTTP_BAD_METHOD;
}

/* Applies the rules about headers once all of them are there. */
static int request_check_headers(struct http_request *out)
{
	int error = request_check_repeats(out);

	if (error == 0)
		error = request_read_host(out);
	if (error == 0)
		error = request_check_body(out);
	if (error == 0)
		error = request_check_expect(out);
	if (error == 0 && http_request_header(out, "HTTP2-Settings") != NULL)
		error = HTTP_BAD_H2;
	if (error == 0)
		out->keep_alive =
			!http_request_has_token(out, "Connection", "close") &&
			(out->minor == 1 || http_request_has_token(out, "Connection", "keep-alive"));
	return error == 0 ? request_check_method(out) : error;
}

/* Nothing was read; what room there is for headers stays as it is. */
static void request_clear(struct http_request *out)
{
	memset(out, 0, offsetof(struct http_request, headers));
}

/* Every line is known to end with CRLF and the last one to be empty. */
int http_request_parse_scanned(struct http_request *out, const char *head, size_t len)
{
	struct text rest = { head, len }, line;
	int error;

	request_clear(out);
	if (!request_cut(&rest, '\r', &line))
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

/* Scans first. */
int http_request_parse(struct http_request *out, const char *head, size_t len)
{
	struct http_scan scan = { 0 };
	long end = http_request_scan(&scan, head, len, len + 1);

	if (end > 0 && (size_t)end == len)
		return http_request_parse_scanned(out, head, len);
	request_clear(out);
	return end < 0 ? (int)end : HTTP_BAD_LINE;
}

/* Status and words of every error; the number of a row is the error's, without its sign. */
static const struct request_refusal {
	int status;
	const char *reason;
} request_refusals[] = {
	[-HTTP_BAD_LINE] = { 400, "The request line is not METHOD SP TARGET SP HTTP/1.1." },
	[-HTTP_BAD_METHOD] = { 405, "Only GET, HEAD and POST are known here." },
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
	[-HTTP_BAD_EXPECT] = { 417, "Nothing is expected here but 100-continue, with a body." },
	[-HTTP_HEAD_TOO_LARGE] = { 431, "The headers are too long or too many." },
	[-HTTP_URI_TOO_LONG] = { 414, "The request line is too long." },
	[-HTTP_BAD_NEWLINE] = { 400, "Every line must end with CR LF, and neither may stand alone." },
	[-HTTP_BAD_H2] = { 400, "This is HTTP/2; only HTTP/1.1 is spoken here." },
	[-HTTP_BAD_TLS] = { 400, "This is TLS; this port speaks plain HTTP." },
	[-HTTP_BAD_PROXY] = { 400,
		"This begins with a PROXY header or an empty line; neither is expected here." },
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
const struct http_header *http_request_find(const struct http_request *request, struct text name)
{
	for (size_t i = 0; i < request->n_headers; i++) {
		if (text_equal_nocase(request->headers[i].name, name))
			return &request->headers[i];
	}
	return NULL;
}

/* Looks through all lists of that name; an empty element is passed over (RFC 9110 5.6.1). */
bool http_request_has_token(const struct http_request *request, const char *name, const char *token)
{
	struct text wanted = text_of(name), wanted_token = text_of(token);

	if ((request->lens & http_request_bit(wanted.len)) == 0)
		return false;
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
