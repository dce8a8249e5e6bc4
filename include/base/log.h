/*
 * log: one line an event, in three formats, never blocking who logs.
 *
 * A line is a sentence and fields. It is formatted by the caller into a bounded ring; a writer thread empties
 * the ring into the target. When the target is stuck and the ring is full, lines are dropped, counted, and
 * the count is logged once there is room again. Everything that a peer supplied is escaped: a line holds no
 * byte outside 0x20..0x7e but its newline. Safe on every thread after log_start().
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

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

#define log_error(log, ...)   log_at(log, LOG_ERROR, __VA_ARGS__)
#define log_warning(log, ...) log_at(log, LOG_WARNING, __VA_ARGS__)
#define log_info(log, ...)    log_at(log, LOG_INFO, __VA_ARGS__)
#define log_debug(log, ...)   log_at(log, LOG_DEBUG, __VA_ARGS__)
#define log_trace(log, ...)   log_at(log, LOG_TRACE, __VA_ARGS__)
/* log_info(log, "session ended", LOG_STR("route", r), LOG_U64("code", 1000)): the fields are only evaluated when the level is on. */
#define log_at(log, level, ...) \
	do { if (log_enabled(log, level)) LOG_CALL(log, level, __VA_ARGS__, { .key = NULL }); } while (0)
#define LOG_CALL(log, level, sentence, ...) log_write(log, level, sentence, (const struct log_field[]){ __VA_ARGS__ })
/* clang-format on */

struct log;

/*
 * A log that writes to `fd` (not closed by us; its flags are not changed, so a blocking target blocks only
 * the writer thread). `ring` is the size of the ring in bytes. Until log_start() lines are written at once,
 * by the caller. NULL when memory is short.
 */
struct log *log_new(int fd, enum log_level level, enum log_format format, size_t ring);

/* Starts the writer thread; after the last fork. Returns 0 or -errno. */
int log_start(struct log *log);

/* Waits at most wait_ms for the ring to empty, stops the writer and frees everything; a writer stuck in
 * write(2) is left behind. */
void log_free(struct log *log, unsigned wait_ms);

bool log_enabled(const struct log *log, enum log_level level);
void log_set_level(struct log *log, enum log_level level);

/* The lines lost since the start. */
uint64_t log_dropped(const struct log *log);

/*
 * Writes one line: time, level, sentence, fields up to the one whose key is NULL. A line is at most 4 KiB;
 * what is longer is cut and marked. Never blocks after log_start().
 */
void log_write(struct log *log, enum log_level level, const char *sentence, const struct log_field *fields);

/*
 * Formats one line without its newline into out (pure; log_write's own work, here for its tests and its fuzz
 * target). `when_us` is wall-clock time in microseconds since 1970. `prefix`: start it with systemd's <N>.
 * Returns the length.
 */
size_t log_format_line(char *out, size_t size, enum log_format format, bool prefix, uint64_t when_us,
	enum log_level level, const char *sentence, const struct log_field *fields);

#endif
