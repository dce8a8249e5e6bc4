/*
 * logline_websocketd: a line of the log as websocketd writes it, for scripts that read its log:
 *
 *   Sat, 21 Nov 2026 22:31:55 +0000 | ACCESS | session    | url:'http://localhost/' id:'5d' | CONNECT
 *
 * Time in the local zone, level, category, fields, message. Escaped as in logline.h; in a field also ' and |,
 * so that a client can't pretend to be another column.
 */
#ifndef BASE_LOGLINE_WEBSOCKETD_H
#define BASE_LOGLINE_WEBSOCKETD_H

#include "base/logline.h"

/* Its levels, the least important first, each as the least that is logged; OFF: the log is not websocketd's.
 */
enum log_websocketd {
	LOG_WEBSOCKETD_OFF,
	LOG_WEBSOCKETD_DEBUG,
	LOG_WEBSOCKETD_TRACE,
	LOG_WEBSOCKETD_ACCESS,
	LOG_WEBSOCKETD_INFO,
	LOG_WEBSOCKETD_ERROR,
	LOG_WEBSOCKETD_FATAL,
	LOG_WEBSOCKETD_NONE
};

/* What becomes of a line. */
struct logline_websocketd_word {
	const char *sentence; /* of ours; NULL ends a list of words */
	enum log_websocketd level;
	const char *category;
	const char *message; /* instead of the sentence; NULL: what the field says */
	const char *field;
};

/* A log of its kind: from which level on, and in which words. `least` OFF: the log is none. */
struct logline_websocketd {
	enum log_websocketd least;
	const struct logline_websocketd_word *words; /* a line that has none here is as it is */
};

/* As logline_format(). Returns 0, and writes nothing, for a line that is less important than `form` wants. */
size_t logline_websocketd_format(char *out, size_t size, const struct logline_websocketd *form, bool prefix,
	uint64_t when_us, enum log_level level, const char *sentence, const struct log_field *fields);

#endif
