/*
 * fuzz_request: any bytes as a request head. The scan must say the same whatever the pieces, and what the
 * parser accepts must be as clean as its header promises. The first two bytes say where to cut and how long a
 * head may be.
 */
#include "base/authority.h"
#include "base/chars.h"
#include "base/must.h"
#include "http/request.h"

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

/* What every accepted request has. */
static void fuzz_check_request(const struct http_request *r, const char *head, size_t len)
{
	struct authority authority;

	must(text_is(r->method, "GET") || text_is(r->method, "HEAD"));
	must(text_starts_with(r->path, "/") && chars_all(r->target, CHARS_TARGET));
	must(r->target.len == r->path.len + r->has_query + r->query.len);
	must((r->minor == 0 || r->minor == 1) && r->content_length == 0);
	must(r->n_headers <= HTTP_HEADERS_MAX && (r->host.len > 0 || r->minor == 0));
	must(r->host.len == 0 || authority_parse(&authority, http_request_header(r, "Host")->value));
	must(http_request_header(r, "Transfer-Encoding") == NULL);
	fuzz_check_text(r->target, head, len);
	fuzz_check_text(r->host, head, len);
	fuzz_check_text(r->host_port, head, len);
	for (size_t i = 0; i < r->n_headers; i++) {
		struct text value = r->headers[i].value;

		must(chars_all(r->headers[i].name, CHARS_TOKEN) && r->headers[i].name.len <= HTTP_NAME_MAX);
		must(value.len == 0 || chars_all(value, CHARS_VALUE));
		must(text_equal(value, text_trim(value)));
		fuzz_check_text(r->headers[i].name, head, len);
		fuzz_check_text(value, head, len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_request request;
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
	must(whole <= (long)len && whole <= (long)max && whole >= HTTP_BAD_TLS);
	must(fuzz_scan(buf, len, cut, len, max) == whole);
	must(fuzz_scan(buf, len, 0, 1, max) == whole);
	if (whole > 0)
		buf = realloc(buf, (size_t)whole); /* so that the sanitizer sees a read past the head */
	error = http_request_parse(&request, buf, whole > 0 ? (size_t)whole : len);
	must(error == 0 || (error < 0 && http_request_status(error) >= 400 && whole >= HTTP_BAD_TLS));
	must(error < 0 || whole > 0 || whole == HTTP_HEAD_TOO_LARGE);
	if (error == 0)
		fuzz_check_request(&request, buf, whole > 0 ? (size_t)whole : len);
	free(buf);
	return 0;
}
