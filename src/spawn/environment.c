/*
 * environment: chooses the variables of a route and of the gateway that programs get, and merges the
 * session's into them.
 *
 * Owns the rule that nothing else gets through: no LISTEN_FDS, no NOTIFY_SOCKET, nothing that a worker can
 * break out of a string with. Sorted lists, so that a merge is one pass. Pure but for allocation.
 */
#include "spawn/environment.h"

#include "conf/variables.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Orders NAME=VALUE strings by their names. */
static int environment_compare(const char *a, const char *b)
{
	while (*a == *b && *a != '=')
		a++, b++;
	int x = *a == '=' ? 0 : (unsigned char)*a, y = *b == '=' ? 0 : (unsigned char)*b;
	return x - y;
}

/* The same for qsort(); of two with the same name the one that came first in memory. */
static int environment_sort(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;
	int order = environment_compare(x, y);
	return order != 0 ? order : (x > y) - (x < y);
}

/* Is a string passed on to programs? Not one without a name or a value, and never what has an owner, whatever
 * a star would stand for. */
static bool environment_passes(const struct conf_list *names, const char *string)
{
	struct text name = { string, strcspn(string, "=") };

	if (name.len == 0 || string[name.len] == '\0' || variables_is_own(name) ||
		variables_is_managers(name))
		return false;
	for (size_t i = 0; i < names->n; i++) {
		if (variables_match(name, names->items[i]))
			return true;
	}
	return false;
}

/* Adds a string unless its name is there. */
static void environment_add(struct environment *environment, char *string)
{
	for (size_t i = 0; i < environment->n; i++) {
		if (environment_compare(environment->strings[i], string) == 0)
			return;
	}
	environment->strings[environment->n++] = string;
}

/* Counts the strings of a list that ends with NULL. */
static size_t environment_length(char *const *strings)
{
	size_t n = 0;
	while (strings[n] != NULL)
		n++;
	return n;
}

/* Looks for a name among the strings. */
bool environment_has(const struct environment *environment, const char *name)
{
	for (size_t i = 0; i < environment->n; i++) {
		size_t len = strcspn(environment->strings[i], "=");
		if (strlen(name) == len && memcmp(environment->strings[i], name, len) == 0)
			return true;
	}
	return false;
}

/* Chooses the strings that every program of a route gets. */
int environment_init(struct environment *environment, const struct route_conf *route, char *const *all,
	char *const *others)
{
	size_t n = environment_length(all), n_others = others != NULL ? environment_length(others) : 0;
	size_t room = route->env.n + n + n_others + 1;
	*environment = (struct environment){ .strings = calloc(room, sizeof(char *)) };
	if (environment->strings == NULL)
		return -ENOMEM;
	for (size_t i = route->env.n; i-- > 0;) /* the last word on a name counts */
		environment_add(environment, route->env.items[i]);
	for (size_t i = 0; i < n; i++) {
		if (environment_passes(&route->pass_env, all[i]))
			environment_add(environment, all[i]);
	}
	for (size_t i = 0; i < n_others; i++)
		environment_add(environment, others[i]);
	qsort(environment->strings, environment->n, sizeof(char *), environment_sort);
	return 0;
}

/* Frees the list. */
void environment_done(struct environment *environment)
{
	free(environment->strings);
	*environment = (struct environment){ 0 };
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

/* Merges two sorted lists into out, which has room for both and a NULL; the first one wins. */
static void environment_merge(char **first, size_t n_first, char *const *second, size_t n_second, char **out)
{
	for (size_t i = 0, j = 0; i < n_first || j < n_second;) {
		int order = i == n_first ? 1 : j == n_second ? -1 : environment_compare(first[i], second[j]);
		char *next = order <= 0 ? first[i++] : second[j++];
		j += order == 0;
		for (; i < n_first && environment_compare(first[i], next) == 0; i++)
			;
		for (; j < n_second && environment_compare(second[j], next) == 0; j++)
			;
		*out++ = next;
	}
	*out = NULL;
}

/* Makes the environment of one program. */
int environment_new(const struct environment *environment, struct text session, char ***out)
{
	long n = environment_count(session);
	if (n < 0)
		return (int)n;
	/* The merged list, and behind it the session's own. */
	size_t room = environment->n + (size_t)n + 1;
	char **strings = calloc(room + (size_t)n, sizeof(*strings)), **own = strings + room;
	if (strings == NULL)
		return -ENOMEM;
	for (size_t at = 0, i = 0; at < session.len; at += strlen(session.ptr + at) + 1)
		own[i++] = (char *)session.ptr + at; /* execve's type; nobody writes */
	qsort(own, (size_t)n, sizeof(*own), environment_sort);
	environment_merge(own, (size_t)n, environment->strings, environment->n, strings);
	*out = strings;
	return 0;
}
