/*
 * variables: the names of variables that have an owner already. Pure; any thread.
 */
#include "conf/variables.h"

#include <stddef.h>

/* A star stands for any end. */
static const char *const variables_own[] = { "AUTH_TYPE", "CONTENT_LENGTH", "CONTENT_TYPE",
	"GATEWAY_INTERFACE", "HTTPS", "HTTP_*", "PATH_INFO", "PATH_TRANSLATED", "QUERY_STRING", "REMOTE_ADDR",
	"REMOTE_HOST", "REMOTE_IDENT", "REMOTE_PORT", "REMOTE_USER", "REQUEST_METHOD", "REQUEST_URI",
	"SCRIPT_NAME", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "SERVER_SOFTWARE", "SSL_CIPHER",
	"SSL_CLIENT_*", "SSL_PROTOCOL", "UNIQUE_ID", "WEBSOCKET_PROTOCOL", "WSLUICE_ROUTE", "WSLUICE_SESSION",
	NULL };

static const char *const variables_managers[] = { "CREDENTIALS_DIRECTORY", "LISTEN_*", "NOTIFY_SOCKET",
	"WATCHDOG_*", NULL };

/* Looks through a list. */
static bool variables_has(const char *const *list, struct text name)
{
	for (; *list != NULL; list++) {
		struct text known = text_of(*list), begin = name;

		if (text_ends_with(known, "*")) {
			known.len--;
			begin.len = begin.len < known.len ? begin.len : known.len;
		}
		if (text_equal(begin, known))
			return true;
	}
	return false;
}

/* Ours. */
bool variables_is_own(struct text name)
{
	return variables_has(variables_own, name);
}

/* The service manager's. */
bool variables_is_managers(struct text name)
{
	return variables_has(variables_managers, name);
}
