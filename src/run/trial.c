/*
 * trial: the look at what a start would open.
 *
 * Owns nothing and changes nothing. Sockets are not tried: the gateway that is to be started anew with this
 * configuration still has them. Runs on the main thread, which is the only one.
 */
#include "run/trial.h"

#include "gate/targets.h"
#include "run/certificates.h"
#include "run/exposure.h"
#include "run/guard.h"
#include "run/shellwords.h"
#include "spawn/privileges.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TRIAL_RING = 1 << 16, TRIAL_WAIT_MS = 1000 };

/* Could the log be opened? Who could not become `user` is not the one who starts the gateway, and so what is
 * closed to them may be open then. */
static int trial_check_log(const struct gateway_conf *gateway)
{
	const char *path = gateway->log_target == LOG_TARGET_FILE ? gateway->log_file : "/dev/log";
	int error = 0;

	if (gateway->log_target == LOG_TARGET_FILE)
		error = logtarget_check_file(path, gateway->uid);
	else if (gateway->log_target == LOG_TARGET_SYSLOG)
		error = logtarget_check_syslog();
	if (error == -EACCES && privileges_check(gateway) != NULL)
		return 0;
	if (error != 0)
		fprintf(stderr, "[gateway] log_target: %s: %s\n", path, strerror(-error));
	return error;
}

/* Would a TLS key be served, programs, or what else nobody may read? */
static int trial_check_exposure(const struct config *config)
{
	struct exposure found;

	if (!exposure_find(config, &found))
		return 0;
	fprintf(stderr, "[%s %s] %s: %s: %s (static = %s)\n", found.kind, found.name, found.key, found.what,
		found.sentence, found.static_dir);
	return -EPERM;
}

/* Says what the start would warn of, in its words. The addresses are those that are written;
 * whether programs will be root's depends on who starts it. */
static void trial_warn(const struct config *config)
{
	struct log *log = log_new(STDERR_FILENO, LOG_WARNING, LOG_FORMAT_LOGFMT, TRIAL_RING);

	if (log == NULL)
		return;
	exposure_warn(log, config);
	guard_warn(log, config, NULL, 0);
	shellwords_warn(log, config);
	log_free(log, TRIAL_WAIT_MS);
}

/* Says every mistake, not just the first. */
int trial_run(const struct config *config)
{
	int log = trial_check_log(&config->gateway);
	int certificates = certificates_check(config, stderr);
	int exposure = trial_check_exposure(config);
	int targets = targets_check(config, stderr);
	int guard = guard_try(config, stderr);

	if (log != 0 || certificates != 0 || exposure != 0 || targets != 0 || guard != 0)
		return 1;
	trial_warn(config);
	if (puts("ok") >= 0 && fflush(stdout) == 0)
		return 0;
	fprintf(stderr, "wsluice: cannot write: %s\n", strerror(errno));
	return 1;
}
