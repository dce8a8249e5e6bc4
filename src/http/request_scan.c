/*
 * request_scan: finds the end of a request's head in bytes that come in any pieces, and judges each of them
 * on the way: which bytes a line may have, how lines end, how long they are. Pure; any thread.
 */
#include "base/chars.h"
#include "http/request.h"

enum { REQUEST_TLS_HANDSHAKE = 0x16 }; /* the first byte of TLS (RFC 8446 5.1); CR is that of PROXY 2 (2.2) */

/* What the next byte belongs to; kept in http_scan.state, so the first one is where a scan begins. */
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
	if (first && scan->seen == 0 && c == '\r')
		return HTTP_BAD_PROXY;
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
