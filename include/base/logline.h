/*
 * logline: what one line of the log says, and how it reads in each format. Pure, safe on every thread.
 *
 * Everything is escaped that a peer may have supplied: a line holds only the bytes 0x20..0x7e. Other bytes
 * are written as in JSON, in every format: \n, \u00e9, \ud83d\ude00; a byte that is not UTF-8 as \u00XX.
 *
 *   text    2026-11-21 22:31:55.123Z INFO  session ended route=/x code=1000 reason="went away"
 *   logfmt  ts=2026-11-21T22:31:55.123Z level=info msg="session ended" route=/x code=1000 reason="went away"
 *   json    {"ts":"2026-11-21T22:31:55.123Z","level":"info","msg":"session
 * ended","route":"/x","code":1000,...}
 */
#ifndef BASE_LOGLINE_H
#define BASE_LOGLINE_H

#include "base/text.h"

#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG, LOG_TRACE };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

/* One field of a line. Build it with the macros below; the strings need to live only for the call. */
struct log_field {
	const char *key; /* NULL ends the list; fixed text of ours: [a-z_]+ */
	enum { LOG_FIELD_TEXT, LOG_FIELD_U64, LOG_FIELD_I64, LOG_FIELD_MS } kind;
	struct text text;
	uint64_t u64;
	int64_t i64;
};

/* clang-format off */
#define LOG_STR(k, s)  { .key = (k), .kind = LOG_FIELD_TEXT, .text = text_of(s) }       /* a NULL or empty string: the field is left out */
#define LOG_TEXT(k, t) { .key = (k), .kind = LOG_FIELD_TEXT, .text = (t) }
#define LOG_U64(k, n)  { .key = (k), .kind = LOG_FIELD_U64, .u64 = (uint64_t)(n) }
#define LOG_I64(k, n)  { .key = (k), .kind = LOG_FIELD_I64, .i64 = (int64_t)(n) }
#define LOG_MS(k, n)   { .key = (k), .kind = LOG_FIELD_MS, .u64 = (uint64_t)(n) }       /* milliseconds, shown as seconds: 1.250 */
/* clang-format on */

/* The least room for a line; a head always fits. */
enum { LOGLINE_MIN = 128 };

/*
 * Formats one line without its newline into out, which has room for size >= LOGLINE_MIN bytes; it gets no
 * NUL. `when_us` is wall-clock time in microseconds since 1970, shown in UTC. `prefix`: start with systemd's
 * <N>; the text format then leaves its time to the journal. A line that is too long is cut between two
 * characters of a value and ends with cut=true. Returns the length.
 */
size_t logline_format(char *out, size_t size, enum log_format format, bool prefix, uint64_t when_us,
	enum log_level level, const char *sentence, const struct log_field *fields);

#endif
