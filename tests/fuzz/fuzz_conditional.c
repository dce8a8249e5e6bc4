/*
 * fuzz_conditional: headers that anybody may send for a static file, through the parser to preconditions,
 * dates, ranges and codings. The input's first line is the length of the file and its date, in decimal; the
 * rest are header lines, whose line feeds become CRLF, so that mutations stay behind the parser's first gate.
 */
#include "base/must.h"
#include "http/conditional.h"
#include "http/date.h"
#include "http/encoding.h"
#include "http/range.h"
#include "http/response.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FUZZ_NOW = 1800000000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Builds a head of header lines; the caller frees. */
static char *fuzz_head(struct text lines, size_t *len)
{
	static const char start[] = "GET / HTTP/1.1\r\nHost: gw\r\n";
	char *head = malloc(sizeof(start) + 2 * lines.len + 4), *at = head;

	must(head != NULL);
	at = mempcpy(at, start, sizeof(start) - 1);
	for (size_t i = 0; i < lines.len; i++) {
		if (lines.ptr[i] == '\n')
			*at++ = '\r';
		*at++ = lines.ptr[i];
	}
	at = mempcpy(at, "\r\n", 2);
	*len = (size_t)(at - head);
	return head;
}

/* Does any header of that name hold the word? */
static bool fuzz_holds(const struct http_request *request, const char *name, const char *word)
{
	for (size_t i = 0; i < request->n_headers; i++) {
		struct text value = request->headers[i].value;
		for (size_t k = 0;
			text_is_nocase(request->headers[i].name, name) && k + strlen(word) <= value.len; k++)
			if (strncasecmp(value.ptr + k, word, strlen(word)) == 0)
				return true;
	}
	return false;
}

/* A part lies within the whole, and means the same when it is asked for in the plainest way. */
static void fuzz_range(const struct http_request *request, uint64_t whole)
{
	struct http_request plain;
	struct range range, again;
	char lines[160];
	size_t len;

	if (range_select(&range, request, whole) != RANGE_PART)
		return;
	must(range.len > 0 && range.len <= whole && range.first <= whole - range.len);
	must(fuzz_holds(request, "Range", "bytes="));
	snprintf(lines, sizeof(lines), "Range: bytes=%" PRIu64 "-%" PRIu64 "\n", range.first,
		range.first + range.len - 1);
	char *head = fuzz_head(text_of(lines), &len);
	must(http_request_parse(&plain, head, len) == 0);
	must(range_select(&again, &plain, whole) == RANGE_PART);
	must(again.first == range.first && again.len == range.len);
	free(head);
}

/* What a verdict needs to have come from. */
static void fuzz_conditions(const struct http_request *request, time_t modified)
{
	struct conditional_validators validators = { .etag = "\"a-b\"", .modified = modified };
	enum conditional_verdict verdict = conditional_check(request, &validators, FUZZ_NOW);

	if (verdict == CONDITIONAL_FAILED)
		must(http_request_header(request, "If-Match") != NULL ||
			http_request_header(request, "If-Unmodified-Since") != NULL);
	if (verdict == CONDITIONAL_NOT_MODIFIED && http_request_header(request, "If-None-Match") != NULL)
		must(fuzz_holds(request, "If-None-Match", "\"a-b\"") ||
			fuzz_holds(request, "If-None-Match", "*"));
	else if (verdict == CONDITIONAL_NOT_MODIFIED)
		must(http_request_header(request, "If-Modified-Since") != NULL && modified <= FUZZ_NOW);
	if (conditional_allows_range(request, &validators, FUZZ_NOW) &&
		http_request_header(request, "If-Range") != NULL)
		must(fuzz_holds(request, "If-Range", "\"a-b\"") || modified < FUZZ_NOW);
}

/* A date that was read is written, and read again, as the same. */
static void fuzz_date(struct text value)
{
	char text[HTTP_DATE_SIZE];
	time_t date, again;

	if (!date_parse(value, FUZZ_NOW, &date))
		return;
	must(date_parse(text_of(http_date(date, text)), FUZZ_NOW, &again) &&
		(again == date || date > 253402300799));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text rest = { (const char *)data, size }, first = { 0 }, number = { 0 };
	uint64_t whole = 1000, modified = 784111777;
	struct http_request request;
	size_t len;

	text_next(&rest, '\n', &first);
	if (text_next(&first, ' ', &number))
		text_to_u64(number, UINT64_MAX, &whole);
	text_to_u64(first, INT64_MAX, &modified);
	char *head = fuzz_head(rest, &len);
	if (http_request_parse(&request, head, len) == 0) {
		fuzz_range(&request, whole);
		fuzz_conditions(&request, (time_t)modified);
		if (encoding_prefers_gzip(&request))
			must(fuzz_holds(&request, "Accept-Encoding", "gzip") ||
				fuzz_holds(&request, "Accept-Encoding", "*"));
		for (size_t i = 0; i < request.n_headers; i++)
			fuzz_date(request.headers[i].value);
	}
	free(head);
	return 0;
}
