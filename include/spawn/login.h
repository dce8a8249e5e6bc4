/*
 * login: the variables of a program on a terminal that it has of who it runs as and of where it is seen.
 * Spawner only.
 */
#ifndef SPAWN_LOGIN_H
#define SPAWN_LOGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { LOGIN_STRINGS = 7 };

struct login {
	char *strings[LOGIN_STRINGS + 1]; /* NAME=VALUE, then NULL */
	size_t n;
};

/*
 * TERM and COLORTERM of the page; HOME, SHELL, USER and LOGNAME of a user, who may have no entry in the user
 * database, and then has no name either; LANG with `lang`, for who has no other word on the character set.
 * Looks the user up, which may take its time. Returns 0 or -ENOMEM; login_done() in either case.
 */
int login_init(struct login *login, uid_t uid, bool lang);
void login_done(struct login *login);

#endif
