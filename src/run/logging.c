/*
 * logging: where the log goes, and in whose words. Owns nothing; base/log.h writes it. Runs on the main
 * thread.
 */
#include "run/logging.h"

#include "net/loop.h"
#include "run/dialect.h"

#include <string.h>
#include <unistd.h>

enum { LOGGING_RING = 1 << 20, LOGGING_WAIT_MS = 1000 };

/* On one of the standard streams. */
struct log *logging_new(const struct config *config)
{
	bool there = config->log_websocketd != LOG_WEBSOCKETD_OFF;
	struct log *log = log_new(there ? STDOUT_FILENO : STDERR_FILENO, config->gateway.log_level,
		config->gateway.log_format, LOGGING_RING);

	if (log != NULL)
		log_speak_websocketd(log, config->log_websocketd, dialect_words);
	return log;
}

/* Opens the target. */
int logging_open(struct log *log, const struct config *config)
{
	const struct gateway_conf *gateway = &config->gateway;
	const char *path = gateway->log_target == LOG_TARGET_FILE ? gateway->log_file : "/dev/log";
	int error = log_open(log, gateway->log_target, path, gateway->uid, gateway->gid);

	if (error != 0)
		log_error(log, "cannot open the log", LOG_STR("path", path),
			LOG_STR("error", strerror(-error)));
	else
		loop_log_to(log);
	return error;
}

/* libevent has no log from here on. */
void logging_close(struct log *log)
{
	loop_log_to(NULL);
	log_free(log, LOGGING_WAIT_MS);
}
