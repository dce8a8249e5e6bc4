/*
 * fuzz_request: any bytes as a request head. The scan must say the same whatever the pieces; the parser
 * accepts what a slow reading of the rules accepts and nothing else, and hands out what stands there. The
 * first two bytes say where to cut and how long a head may be.
 */
#include "base/authority.h"
#include "base/must.h"
#include "http/request.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Scans with a first call for `cut` bytes, then `step` more at a time. */
static long fuzz_scan(const char *buf, size_t len, size_t cut, size_t step, size_t max)
{
	struct http_scan scan = { 0 };
	long result = http_request_scan(&scan, buf, cut, max);

	while (result == 0 && cut < len) {
		cut = len - cut < step ? len : cut + step;
		result = http_request_scan(&scan, buf, cut, max);
	}
	return result;
}

/* A text that a request hands out lies within the head. */
static void fuzz_check_text(struct text in, const char *head, size_t len)
{
	must(in.len == 0 || (in.ptr >= head && in.ptr + in.len <= head + len));
}

/* How often a header is there. */
static size_t fuzz_count(const struct http_request *r, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_headers; i++)
		n += r->headers[i].name.len == strlen(name) &&
		     strncasecmp(r->headers[i].name.ptr, name, strlen(name)) == 0;
	return n;
}

/* Is the target a path, with whole escapes and nothing that is not printed? */
static bool fuzz_is_target(const char *target, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)target[i];
		if (c <= ' ' || c > '~' || c == '#')
			return false;
		if (c == '%' && (len - i < 3 || !isxdigit((unsigned char)target[i + 1]) ||
					!isxdigit((unsigned char)target[i + 2]) ||
					memcmp(target + i + 1, "00", 2) == 0))
			return false;
	}
	return len > 0 && target[0] == '/';
}

/* Reads "GET /path?query HTTP/1.1"; the line ends with a NUL. */
static bool fuzz_read_line(struct http_request *r, const char *line)
{
	size_t method = strcspn(line, " ");
	const char *target = line + method + (line[method] == ' ');
	size_t len = strcspn(target, " "), path = strcspn(target, " ?");

	r->method = (struct text){ line, method };
	r->target = (struct text){ target, len };
	r->path = (struct text){ target, path };
	r->has_query = path < len;
	r->query = (struct text){ target + path + r->has_query, len - path - r->has_query };
	r->minor = strcmp(target + len, " HTTP/1.1") == 0;
	return (text_is(r->method, "GET") || text_is(r->method, "HEAD") || text_is(r->method, "POST")) &&
	       fuzz_is_target(target, len) && (r->minor == 1 || strcmp(target + len, " HTTP/1.0") == 0);
}

/* Reads "Name: value"; the line ends with a NUL. */
static bool fuzz_read_header(struct http_request *r, const char *line)
{
	static const char token[] =
		"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t name = strspn(line, token);
	const char *value = line + name + 1;

	if (name == 0 || name > HTTP_NAME_MAX || line[name] != ':' || r->n_headers == HTTP_HEADERS_MAX)
		return false;
	value += strspn(value, " \t");
	size_t len = strlen(value);
	while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
		len--;
	for (const char *c = line; *c != '\0'; c++)
		if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
			return false;
	r->headers[r->n_headers++] = (struct http_header){ { line, name }, { value, len } };
	return true;
}

/* Reads Content-Length: digits, as far as 2^53. */
static bool fuzz_read_length(struct http_request *r, struct text value)
{
	for (size_t i = 0; i < value.len; i++) {
		if (value.ptr[i] < '0' || value.ptr[i] > '9')
			return false;
		r->content_length = r->content_length * 10 + (uint64_t)(value.ptr[i] - '0');
		if (r->content_length > UINT64_C(9007199254740992))
			return false;
	}
	r->has_length = true;
	return value.len > 0;
}

/* A body is a POST's, and no Upgrade is beside it; what is expected is to be told to send it. */
static bool fuzz_body_allowed(struct http_request *r)
{
	for (size_t i = 0; i < r->n_headers; i++) {
		struct text name = r->headers[i].name, value = r->headers[i].value;
		if (text_is_nocase(name, "Content-Length") && !fuzz_read_length(r, value))
			return false;
		r->expects_continue |=
			text_is_nocase(name, "Expect") && text_is_nocase(value, "100-continue");
	}
	size_t n = fuzz_count(r, "Expect");
	if (n > 1 || (n == 1 && (r->content_length == 0 || !r->expects_continue)))
		return false;
	r->expects_continue = r->expects_continue && r->minor == 1;
	return r->content_length == 0 || (text_is(r->method, "POST") && fuzz_count(r, "Upgrade") == 0);
}

/* The rules about headers. */
static bool fuzz_headers_allowed(struct http_request *r)
{
	static const char *const never[] = { "Transfer-Encoding", "HTTP2-Settings" };
	static const char *const once[] = { "Host", "Origin", "Upgrade", "Sec-WebSocket-Key",
		"Sec-WebSocket-Version", "Authorization", "Content-Length", "Content-Type" };
	struct authority authority;

	for (size_t i = 0; i < 2; i++)
		if (fuzz_count(r, never[i]) > 0)
			return false;
	for (size_t i = 0; i < 8; i++)
		if (fuzz_count(r, once[i]) > 1)
			return false;
	for (size_t i = 0; i < r->n_headers; i++)
		if (text_is_nocase(r->headers[i].name, "Host") &&
			!authority_parse(&authority, r->headers[i].value))
			return false;
	return fuzz_body_allowed(r) && (r->minor == 0 || fuzz_count(r, "Host") == 1);
}

/* Reads a head line by line, in a copy whose lines are strings. Says whether it may be accepted. */
static bool fuzz_read(struct http_request *r, char *copy, size_t len)
{
	char *line = copy, *end;

	*r = (struct http_request){ 0 };
	if (memchr(copy, '\0', len) != NULL)
		return false;
	copy[len] = '\0';
	for (size_t n = 0; (end = strstr(line, "\r\n")) != NULL; n++, line = end + 2) {
		*end = '\0';
		if (end - line > HTTP_LINE_MAX || strpbrk(line, "\r\n") != NULL)
			return false;
		if (end == line) /* the end of the head, with nothing behind it */
			return n > 0 && end + 2 == copy + len && fuzz_headers_allowed(r);
		if (n == 0 ? !fuzz_read_line(r, line) : !fuzz_read_header(r, line))
			return false;
	}
	return false;
}

/* What was accepted says what stands there, and all of it lies within the head. */
static void fuzz_check_request(
	const struct http_request *r, const struct http_request *want, const char *head, size_t len)
{
	bool close = http_request_has_token(r, "Connection", "close");
	bool keep = http_request_has_token(r, "Connection", "keep-alive");
	struct authority authority;

	must(text_equal(r->method, want->method) && text_equal(r->target, want->target));
	must(text_equal(r->path, want->path) && text_equal(r->query, want->query));
	must(r->has_query == want->has_query && r->minor == want->minor);
	must(r->content_length == want->content_length && r->has_length == want->has_length);
	must(r->expects_continue == want->expects_continue);
	must(r->n_headers == want->n_headers && r->keep_alive == (!close && (r->minor == 1 || keep)));
	fuzz_check_text(r->target, head, len);
	fuzz_check_text(r->host, head, len);
	fuzz_check_text(r->host_port, head, len);
	for (size_t i = 0; i < r->n_headers; i++) {
		must(text_equal(r->headers[i].name, want->headers[i].name));
		must(text_equal(r->headers[i].value, want->headers[i].value));
		fuzz_check_text(r->headers[i].name, head, len);
		fuzz_check_text(r->headers[i].value, head, len);
	}
	const struct http_header *host = http_request_header(r, "Host");
	must((host != NULL) == (r->host.len > 0));
	if (host != NULL)
		must(authority_parse(&authority, host->value) && text_equal(r->host, authority.host) &&
			text_equal(r->host_port, authority.port));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_request request, want;
	size_t len, cut, max;
	char *buf;
	long whole;
	int error;

	if (size < 2)
		return 0;
	len = size - 2;
	cut = len * data[0] / 255;
	max = data[1] == 255 ? 16384 : (size_t)data[1] * 16;
	buf = malloc(len + 1);
	must(buf != NULL);
	memcpy(buf, data + 2, len);
	whole = fuzz_scan(buf, len, len, 1, max);
	must(whole <= (long)len && whole <= (long)max && whole >= HTTP_BAD_PROXY);
	must(fuzz_scan(buf, len, cut, len, max) == whole);
	must(fuzz_scan(buf, len, 0, 1, max) == whole);
	if (whole > 0)
		buf = realloc(buf, (size_t)whole); /* so that the sanitizer sees a read past the head */
	error = http_request_parse(&request, buf, whole > 0 ? (size_t)whole : len);
	must(error == 0 || (error < 0 && http_request_status(error) >= 400 && whole >= HTTP_BAD_PROXY));
	must(error < 0 || whole > 0 || whole == HTTP_HEAD_TOO_LARGE);
	must(whole <= 0 || http_request_parse_scanned(&request, buf, (size_t)whole) == error);
	len = whole > 0 ? (size_t)whole : len;
	char *copy = malloc(len + 1);
	must(copy != NULL);
	memcpy(copy, buf, len);
	must(fuzz_read(&want, copy, len) == (error == 0));
	if (error == 0)
		fuzz_check_request(&request, &want, buf, len);
	free(copy);
	free(buf);
	return 0;
}
