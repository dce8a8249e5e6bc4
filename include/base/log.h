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

#include "base/logline_websocketd.h"
#include "base/logtarget.h"

/* clang-format off */
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
 * the writer thread). `ring` is the size of the ring in bytes, raised to that of a line. Until log_start()
 * lines are written at once, by the caller. When systemd's journal reads the fd (JOURNAL_STREAM), lines begin
 * with <N>. NULL when memory is short.
 */
struct log *log_new(int fd, enum log_level level, enum log_format format, size_t ring);

/* Has lines be like those of websocketd's log, from its level `least` on, in these words (a list that stays),
 * whatever the format; before any line is written. The level still says which lines are made. OFF does
 * nothing. */
void log_speak_websocketd(
	struct log *log, enum log_websocketd least, const struct logline_websocketd_word *words);

/*
 * Has lines go to syslog or to the file `path`, which is given to uid and gid (base/logtarget.h); once,
 * before log_start(). Lines until log_start() go to `fd` as well, for whoever starts us; none afterwards. For
 * LOG_TARGET_STDERR it does nothing. Returns 0, or -errno and nothing has changed.
 */
int log_open(struct log *log, enum log_target kind, const char *path, uid_t uid, gid_t gid);

/*
 * Starts the writer thread; after the last fork. It gets a duplicate of the descriptor, close-on-exec, so the
 * caller may close its own. Returns 0 or -errno.
 */
int log_start(struct log *log);

/*
 * Waits at most wait_ms for the ring to empty, stops the writer and frees everything. A writer stuck in
 * write(2) is left behind with the log; it frees that when it gets free. No other thread may log any more.
 */
void log_free(struct log *log, unsigned wait_ms);

/*
 * Has the writer open the file by its name again, soon: all that is logged from now on is in the new file,
 * and nothing is lost or twice between the two. When the name can't be opened the old file goes on, and an
 * error line in it says so. Does not block. False: the target is no file.
 */
bool log_reopen(struct log *log);

/* Waits at most wait_ms until all that was logged is with the target; false when it is not. */
bool log_flush(struct log *log, unsigned wait_ms);

bool log_enabled(const struct log *log, enum log_level level);
void log_set_level(struct log *log, enum log_level level);

/* The lines lost since the start. */
uint64_t log_dropped(const struct log *log);

/*
 * Writes one line: time, level, sentence, fields up to the one whose key is NULL. A line is at most 4 KiB;
 * what is longer is cut and marked. Never blocks after log_start().
 */
void log_write(struct log *log, enum log_level level, const char *sentence, const struct log_field *fields);

#endif
