/*
 * must: says what broke and aborts. Owns no state; takes no lock and allocates nothing, so that it works in
 * whatever state the process is. Any thread, and the child of a fork.
 */
#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Writes one line to stderr past stdio, whose lock the broken thread may hold, and aborts. */
void must_fail(const char *expr, const char *file, int line)
{
	char out[512];
	int len = snprintf(out, sizeof(out), "wsluice: bug: %s:%d: must(%s) is false\n", file, line, expr);

	if (len >= (int)sizeof(out))
		out[(len = sizeof(out)) - 1] = '\n';
	if (len > 0 && write(STDERR_FILENO, out, (size_t)len) < 0)
		abort();
	abort();
}
