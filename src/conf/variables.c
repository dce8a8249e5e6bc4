/*
 * variables: compares names of variables, and has those that belong to somebody already. Pure; any thread.
 */
#include "conf/variables.h"

#include <stddef.h>

/* A star stands for any end. */
static const char *const variables_own[] = { "AUTH_TYPE", "CONTENT_LENGTH", "CONTENT_TYPE",
	"GATEWAY_INTERFACE", "HTTPS", "HTTP_*", "PATH_INFO", "PATH_TRANSLATED", "QUERY_STRING", "REMOTE_ADDR",
	"REMOTE_HOST", "REMOTE_IDENT", "REMOTE_PORT", "REMOTE_USER", "REQUEST_METHOD", "REQUEST_URI",
	"SCRIPT_FILENAME", "SCRIPT_NAME", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "SERVER_SOFTWARE",
	"SSL_CIPHER", "SSL_CLIENT_*", "SSL_PROTOCOL", "UNIQUE_ID", "WEBSOCKET_PROTOCOL", "WSLUICE_ROUTE",
	"WSLUICE_SESSION", NULL };

static const char *const variables_managers[] = { "CREDENTIALS_DIRECTORY", "LISTEN_*", "NOTIFY_SOCKET",
	"WATCHDOG_*", NULL };

/* Compares the whole name, or as much of it as is before the star. */
bool variables_match(struct text name, const char *pattern)
{
	struct text known = text_of(pattern);

	if (text_ends_with(known, "*")) {
		known.len--;
		name.len = name.len < known.len ? name.len : known.len;
	}
	return text_equal(name, known);
}

/* Looks through a list. */
static bool variables_has(const char *const *list, struct text name)
{
	while (*list != NULL && !variables_match(name, *list))
		list++;
	return *list != NULL;
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
