/*
 * waitstatus: what waitpid() says of a program, for the log and the close frame. Pure, on every thread.
 */
#include "backend/waitstatus.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* The codes from 4000 on are for applications: RFC 6455 7.4.2. */
enum { WAITSTATUS_FIRST = 4000, WAITSTATUS_SIGNALS = 128, WAITSTATUS_NORMAL = 1000 };

/* Names the signal where libc knows it: not those of real time. */
void waitstatus_text(int status, char out[static 64])
{
	const char *name = WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : NULL;

	if (!WIFSIGNALED(status))
		snprintf(out, 64, "exit %d", WEXITSTATUS(status));
	else if (name != NULL)
		snprintf(out, 64, "signal %s", name);
	else
		snprintf(out, 64, "signal %d", WTERMSIG(status));
}

/* Counts signals behind the exits, as shells do. */
uint16_t waitstatus_code(int status)
{
	if (WIFSIGNALED(status))
		return (uint16_t)(WAITSTATUS_FIRST + WAITSTATUS_SIGNALS + WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		return (uint16_t)(WAITSTATUS_FIRST + WEXITSTATUS(status));
	return WAITSTATUS_NORMAL;
}
