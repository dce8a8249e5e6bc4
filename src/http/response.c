/*
 * response: writes heads of responses. Knows the grammar and the clock's format; which headers a response
 * has, and its body, is for those who answer. No state, any thread.
 */
#include "http/response.h"
#include "base/chars.h"
#include "base/must.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Looks the status up in the order of its number. */
const char *http_status_phrase(int status)
{
	static const struct {
		int status;
		const char *phrase;
	} phrases[] = {
		{ 101, "Switching Protocols" },
		{ 200, "OK" },
		{ 206, "Partial Content" },
		{ 301, "Moved Permanently" },
		{ 302, "Found" },
		{ 304, "Not Modified" },
		{ 308, "Permanent Redirect" },
		{ 400, "Bad Request" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 412, "Precondition Failed" },
		{ 414, "URI Too Long" },
		{ 416, "Range Not Satisfiable" },
		{ 417, "Expectation Failed" },
		{ 421, "Misdirected Request" },
		{ 426, "Upgrade Required" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++) {
		if (phrases[i].status == status)
			return phrases[i].phrase;
	}
	return "Unknown";
}

/* Keeps a time within the years that have four digits. */
static time_t response_clamp_time(time_t when)
{
	const time_t first = -62167219200, last = 253402300799;

	if (when < first)
		return first;
	return when > last ? last : when;
}

/* Names days and months itself: strftime() would take the locale's. */
char *http_date(time_t when, char out[HTTP_DATE_SIZE])
{
	static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep",
		"Oct", "Nov", "Dec" };
	struct tm tm;
	int len;

	when = response_clamp_time(when);
	must(gmtime_r(&when, &tm) != NULL);
	len = snprintf(out, HTTP_DATE_SIZE, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday],
		tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
	must(len == HTTP_DATE_SIZE - 1);
	return out;
}

/* Writes the two lines that every response has. */
int http_response_begin(struct evbuffer *out, int status, time_t now)
{
	char date[HTTP_DATE_SIZE];

	must(status >= 100 && status <= 599);
	return evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, http_status_phrase(status),
		       http_date(now, date)) < 0
		       ? -ENOMEM
		       : 0;
}

/* Writes one line. A line break in it would let its author write our headers, so that is a bug of ours. */
int http_response_header(struct evbuffer *out, const char *name, const char *value)
{
	must(chars_all(text_of(name), CHARS_TOKEN));
	must(strpbrk(value, "\r\n") == NULL);
	return evbuffer_add_printf(out, "%s: %s\r\n", name, value) < 0 ? -ENOMEM : 0;
}

/* Writes a number, as lengths and seconds are written. */
int http_response_header_u64(struct evbuffer *out, const char *name, uint64_t value)
{
	char digits[sizeof("18446744073709551615")];

	snprintf(digits, sizeof(digits), "%" PRIu64, value);
	return http_response_header(out, name, digits);
}

/* Writes the empty line. */
int http_response_end(struct evbuffer *out)
{
	return evbuffer_add(out, "\r\n", 2) < 0 ? -ENOMEM : 0;
}
