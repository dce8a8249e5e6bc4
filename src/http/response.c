/*
 * response: writes heads of responses. Knows the grammar and the clock's format; which headers a response
 * has, and its body, is for those who answer. No state, any thread.
 */
#include "http/response.h"
#include "base/calendar.h"
#include "base/chars.h"
#include "base/must.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { RESPONSE_JOINED = 256 };

/* Looks the status up in the order of its number. */
const char *http_status_phrase(int status)
{
	static const struct {
		int status;
		const char *phrase;
	} phrases[] = {
		{ 101, "Switching Protocols" },
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 203, "Non-Authoritative Information" },
		{ 204, "No Content" },
		{ 205, "Reset Content" },
		{ 206, "Partial Content" },
		{ 300, "Multiple Choices" },
		{ 301, "Moved Permanently" },
		{ 302, "Found" },
		{ 303, "See Other" },
		{ 304, "Not Modified" },
		{ 307, "Temporary Redirect" },
		{ 308, "Permanent Redirect" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 402, "Payment Required" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 406, "Not Acceptable" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 410, "Gone" },
		{ 411, "Length Required" },
		{ 412, "Precondition Failed" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" },
		{ 416, "Range Not Satisfiable" },
		{ 417, "Expectation Failed" },
		{ 421, "Misdirected Request" },
		{ 422, "Unprocessable Content" },
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

/* Writes a number of two digits. */
static void response_put_two(char *out, int n)
{
	out[0] = (char)('0' + n / 10);
	out[1] = (char)('0' + n % 10);
}

/* Names days and months itself: strftime() would take the locale's. By hand: this is on the way of every
 * session, and printf is ten times as long about it. */
char *http_date(time_t when, char out[HTTP_DATE_SIZE])
{
	static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep",
		"Oct", "Nov", "Dec" };
	const struct calendar utc = calendar_at(when);

	memcpy(out, "www, dd mmm yyyy hh:mm:ss GMT", HTTP_DATE_SIZE);
	memcpy(out, days[utc.weekday], 3);
	response_put_two(out + 5, utc.day);
	memcpy(out + 8, months[utc.month], 3);
	response_put_two(out + 12, utc.year / 100);
	response_put_two(out + 14, utc.year % 100);
	response_put_two(out + 17, utc.hour);
	response_put_two(out + 20, utc.minute);
	response_put_two(out + 23, utc.second);
	return out;
}

/* Does a value end the line that it is written on? */
static bool response_breaks_line(struct text value)
{
	return value.len > 0 &&
	       (memchr(value.ptr, '\r', value.len) != NULL || memchr(value.ptr, '\n', value.len) != NULL);
}

/* Appends runs of bytes, joined first where they are short: each evbuffer_add() costs more than its bytes. */
static int response_add(struct evbuffer *out, const struct text *parts, size_t n)
{
	char joined[RESPONSE_JOINED];
	size_t len = 0;
	int error = 0;

	for (size_t i = 0; i < n; i++) {
		if (parts[i].len > sizeof(joined) - len) {
			error |= evbuffer_add(out, joined, len);
			len = 0;
		}
		if (parts[i].len > sizeof(joined)) {
			error |= evbuffer_add(out, parts[i].ptr, parts[i].len);
		} else if (parts[i].len > 0) { /* an empty one may be NULL */
			memcpy(joined + len, parts[i].ptr, parts[i].len);
			len += parts[i].len;
		}
	}
	return (error | evbuffer_add(out, joined, len)) < 0 ? -ENOMEM : 0;
}

/* Writes the two lines that every response has. */
int http_response_begin_as(struct evbuffer *out, int status, struct text phrase, time_t now)
{
	char date[HTTP_DATE_SIZE];

	must(status >= 100 && status <= 599);
	must(!response_breaks_line(phrase));
	if (phrase.len == 0)
		phrase = text_of(http_status_phrase(status));
	char digits[] = { (char)('0' + status / 100), 0, 0 };
	response_put_two(digits + 1, status % 100);
	struct text parts[] = { text_of("HTTP/1.1 "), { digits, 3 }, text_of(" "), phrase,
		text_of("\r\nDate: "), text_of(http_date(now, date)), text_of("\r\n") };
	return response_add(out, parts, sizeof(parts) / sizeof(parts[0]));
}

/* The same in our words. */
int http_response_begin(struct evbuffer *out, int status, time_t now)
{
	return http_response_begin_as(out, status, (struct text){ 0 }, now);
}

/* Appends a run of bytes. Returns where it ends. */
static char *response_put(char *at, const char *bytes, size_t len)
{
	memcpy(at, bytes, len);
	return at + len;
}

/* By itself, since it is on the way of every session and always the same. */
size_t http_response_switch(char out[HTTP_SWITCH_SIZE], const char *accept, time_t now)
{
	static const char before[] = "HTTP/1.1 101 Switching Protocols\r\nDate: ",
			  after[] = "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ";
	char date[HTTP_DATE_SIZE];
	size_t len = strlen(accept);

	must(sizeof(before) + sizeof(after) + sizeof(date) + len < HTTP_SWITCH_SIZE &&
		!response_breaks_line((struct text){ accept, len }));
	char *at = response_put(out, before, sizeof(before) - 1);
	at = response_put(at, http_date(now, date), sizeof(date) - 1);
	at = response_put(at, after, sizeof(after) - 1);
	at = response_put(at, accept, len);
	return (size_t)(response_put(at, "\r\n", 2) - out);
}

/* Writes one line. A line break in it would let its author write our headers, so that is a bug of ours. */
int http_response_header_text(struct evbuffer *out, struct text name, struct text value)
{
	must(chars_all(name, CHARS_TOKEN));
	must(!response_breaks_line(value));
	struct text parts[] = { name, text_of(": "), value, text_of("\r\n") };
	return response_add(out, parts, sizeof(parts) / sizeof(parts[0]));
}

/* The same of strings. */
int http_response_header(struct evbuffer *out, const char *name, const char *value)
{
	return http_response_header_text(out, text_of(name), text_of(value));
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
