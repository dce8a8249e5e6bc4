/*
 * environment: chooses the variables of the gateway that programs get, and appends the session's.
 *
 * Owns the rule that nothing else gets through: no LISTEN_FDS, no NOTIFY_SOCKET, nothing that a worker can
 * break out of a string with. Pure but for allocation.
 */
#include "spawn/environment.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The names that are passed on; a star stands for any end. */
static const char *const environment_passed[] = { "PATH", "LANG", "LC_*", "TZ" };

/* Does a NAME=VALUE string have this name? */
static bool environment_matches(const char *string, const char *name)
{
	size_t len = strcspn(name, "*");
	if (strncmp(string, name, len) != 0)
		return false;
	return name[len] == '*' ? strchr(string + len, '=') != NULL : string[len] == '=';
}

/* Is a NAME=VALUE string passed on to programs? */
static bool environment_passes(const char *string)
{
	for (size_t i = 0; i < sizeof(environment_passed) / sizeof(environment_passed[0]); i++) {
		if (environment_matches(string, environment_passed[i]))
			return true;
	}
	return false;
}

/* Chooses the strings that every program gets. */
int environment_init(struct environment *environment, char *const *all)
{
	size_t n = 0;
	while (all[n] != NULL)
		n++;
	*environment = (struct environment){ .strings = calloc(n + 1, sizeof(char *)) };
	if (environment->strings == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (environment_passes(all[i]))
			environment->strings[environment->n++] = all[i];
	}
	return 0;
}

/* Counts the strings of a session; -EINVAL when something is not NAME=VALUE with a NUL behind it. */
static long environment_count(struct text session)
{
	long n = 0;
	for (size_t at = 0, len; at < session.len; at += len + 1, n++) {
		len = strnlen(session.ptr + at, session.len - at);
		const char *equals = memchr(session.ptr + at, '=', len);
		if (at + len == session.len || equals == NULL || equals == session.ptr + at)
			return -EINVAL;
	}
	return n;
}

/* Makes the environment of one program. */
int environment_new(const struct environment *environment, struct text session, char ***out)
{
	long n = environment_count(session);
	if (n < 0)
		return (int)n;
	char **strings = calloc(environment->n + (size_t)n + 1, sizeof(*strings));
	if (strings == NULL)
		return -ENOMEM;
	memcpy(strings, environment->strings, environment->n * sizeof(*strings));
	char **next = strings + environment->n;
	for (size_t at = 0; at < session.len; at += strlen(session.ptr + at) + 1)
		*next++ = (char *)session.ptr + at; /* execve's type; nobody writes */
	*out = strings;
	return 0;
}
