/*
 * loop_log: what libevent has to say goes into our log. Owns the one pointer that libevent, whose callbacks
 * get no argument, leaves no other place for; set before there are threads and cleared when they are gone.
 * Any thread with a loop.
 */
#include "net/loop.h"

#include <stdlib.h>
#include <unistd.h>

enum { LOOP_LOG_WAIT_MS = 1000 };

static struct log *loop_log;

/* Writes a message of libevent's as one line. */
static void loop_log_on_message(int severity, const char *message)
{
	enum log_level level = severity >= EVENT_LOG_ERR    ? LOG_ERROR
			       : severity == EVENT_LOG_WARN ? LOG_WARNING
			       : severity == EVENT_LOG_MSG  ? LOG_INFO
							    : LOG_TRACE;

	log_at(loop_log, level, "libevent", LOG_STR("message", message));
}

/* Ends us once the log has the reason: as a broken invariant does, or with the status that it gives for what
 * it could not get from the system. */
static _Noreturn void loop_log_on_fatal(int error)
{
	log_flush(loop_log, LOOP_LOG_WAIT_MS);
	if (error < 0 || error > 255) /* no exit status, but the mark of a broken invariant */
		abort();
	_exit(error);
}

/* Sends libevent's messages to a log, or back to where it sends them by itself. */
void loop_log_to(struct log *log)
{
	loop_log = log;
	event_set_log_callback(log == NULL ? NULL : loop_log_on_message);
	event_set_fatal_callback(log == NULL ? NULL : loop_log_on_fatal);
}
