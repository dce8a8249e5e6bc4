/*
 * logline_websocketd: a line of the log as websocketd writes it, for scripts that read its log:
 *
 *   Sat, 21 Nov 2026 22:31:55 +0000 | ACCESS | session    | url:'http://localhost/' id:'5d' | CONNECT
 *
 * Time in the local zone, level, category, fields, message. Which of our lines is which of its words is in
 * one table of the source. Escaped as in logline.h; in a field also ' and |, so that a client can't pretend
 * to be another column.
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

/* As logline_format(). Returns 0, and writes nothing, for a line that is less important than `least`. */
size_t logline_websocketd_format(char *out, size_t size, enum log_websocketd least, bool prefix,
	uint64_t when_us, enum log_level level, const char *sentence, const struct log_field *fields);

#endif
