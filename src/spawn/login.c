/*
 * login: makes what login(1) would put into the environment.
 *
 * Owns the strings. Runs in the spawner, before it serves: no user is looked up after a fork.
 */
#include "spawn/login.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Adds a variable. Returns whether it is there. */
static bool login_add(struct login *login, const char *name, const char *value)
{
	size_t len = strlen(name) + strlen(value) + 2;
	char *string = malloc(len);

	if (string == NULL)
		return false;
	snprintf(string, len, "%s=%s", name, value);
	login->strings[login->n++] = string;
	return true;
}

/* The shell that others start from within, as editors do. Who is not to log in may have none, and yet runs
 * here. */
static const char *login_shell(const struct passwd *user)
{
	const char *shell = user != NULL ? user->pw_shell : "";
	const char *slash = strrchr(shell, '/');

	if (slash == NULL || strcmp(slash, "/nologin") == 0 || strcmp(slash, "/false") == 0)
		return "/bin/sh";
	return shell;
}

/* Adds what is of the user. Returns whether all of it is there. */
static bool login_add_user(struct login *login, uid_t uid)
{
	const struct passwd *user = getpwuid(uid);
	const char *home = user != NULL && user->pw_dir[0] == '/' ? user->pw_dir : "/";

	if (!login_add(login, "HOME", home) || !login_add(login, "SHELL", login_shell(user)))
		return false;
	return user == NULL ||
	       (login_add(login, "USER", user->pw_name) && login_add(login, "LOGNAME", user->pw_name));
}

/* Makes all of them. */
int login_init(struct login *login, uid_t uid, bool lang)
{
	*login = (struct login){ .n = 0 };
	if (!login_add(login, "TERM", "xterm-256color") || !login_add(login, "COLORTERM", "truecolor") ||
		!login_add_user(login, uid) || (lang && !login_add(login, "LANG", "C.UTF-8")))
		return -ENOMEM;
	return 0;
}

/* Frees them. */
void login_done(struct login *login)
{
	for (size_t i = 0; i < login->n; i++)
		free(login->strings[i]);
	*login = (struct login){ .n = 0 };
}
