/*
 * environ: builds the session's part of a program's environment; what comes from the gateway's own (PATH,
 * LANG) and from the route (env) is the spawner's.
 *
 * The values come from a head that the strict parser let through and from a certificate whose names are
 * escaped, so they hold no control character but a tab. Holds nothing.
 */
#include "gate/environ.h"

#include "gate/environ_internal.h"
#include "net/clientcert.h"
#include "spawn/spawn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How a bash of before 2014 writes a function that it takes out of its environment, and runs what follows. */
bool environ_is_function(struct text value)
{
	return text_starts_with(value, "() {");
}

/* NAME=value and its NUL. */
int environ_add(struct evbuffer *out, const char *name, struct text value)
{
	if (environ_is_function(value))
		return 0;
	int error = evbuffer_add(out, name, strlen(name));
	error |= evbuffer_add(out, "=", 1);
	if (value.len > 0)
		error |= evbuffer_add(out, value.ptr, value.len);
	return error | evbuffer_add(out, "", 1);
}

/* A port, in digits. */
static int environ_add_port(struct evbuffer *out, const char *name, unsigned port)
{
	char text[8];
	snprintf(text, sizeof(text), "%u", port);
	return environ_add(out, name, text_of(text));
}

/* Who serves, by what interface. Scripts ask for these to know what else they are given. */
static int environ_add_kind(struct evbuffer *out, const struct exchange *exchange)
{
	const struct manners *manners = exchange->config->manners;

	return environ_add(out, "GATEWAY_INTERFACE", text_of(manners->gateway_interface)) |
	       environ_add(out, "SERVER_SOFTWARE", text_of(manners->server_software));
}

/* The server as the client named it, else as it is bound. websocketd tells the port, too, as it was named. */
static int environ_add_server(
	struct evbuffer *out, const struct exchange *exchange, const struct http_request *request)
{
	char local[ADDR_TEXT];
	bool named = exchange->config->manners->loose_cgi;
	unsigned port = named ? 0 : addr_port(&exchange->entrance->local);
	unsigned otherwise = exchange->client->secure ? 443 : 80;

	addr_format_host(&exchange->entrance->local, local);
	int error = environ_add(out, "SERVER_NAME", request->host.len > 0 ? request->host : text_of(local));
	if (named && request->host_port.len > 0)
		return error | environ_add(out, "SERVER_PORT", request->host_port);
	return error | environ_add_port(out, "SERVER_PORT", port != 0 ? port : otherwise);
}

/* The file that PATH_INFO would be if the directory of programs were one of documents (4.1.6). There is none
 * without a PATH_INFO. */
static int environ_add_translated(struct evbuffer *out, const struct route_match *match)
{
	if (match->entry.len == 0 || match->path_info.len == 0)
		return 0;
	char *real = realpath(match->route->dir, NULL), *path = NULL;
	const char *dir = real == NULL ? match->route->dir : strcmp(real, "/") == 0 ? "" : real;
	int n = asprintf(&path, "%s%.*s", dir, TEXT_ARG(match->path_info));
	int error = n < 0 ? -1 : environ_add(out, "PATH_TRANSLATED", text_of(path));

	free(real);
	if (n >= 0)
		free(path);
	return error;
}

/* What was asked for, and what of it named the program. */
static int environ_add_path(struct evbuffer *out, const struct exchange_upgrade *upgrade)
{
	const struct route_match *match = upgrade->match;
	int error = environ_add(out, "REQUEST_URI", upgrade->request->target);

	error |= environ_add(out, "SCRIPT_NAME", match->script_name);
	error |= environ_add(out, "PATH_INFO", match->path_info);
	return error | environ_add_translated(out, match);
}

/* The same as websocketd has it: a command answers as "/", and nothing is translated. */
static int environ_add_path_loose(struct evbuffer *out, const struct exchange_upgrade *upgrade)
{
	const struct route_match *match = upgrade->match;
	struct text script = match->script_name;
	struct text whole = { script.ptr, script.len + match->path_info.len }; /* one is behind the other */
	int error = environ_add(out, "REQUEST_URI", upgrade->request->target);

	error |= environ_add(out, "SCRIPT_NAME", script.len > 0 ? script : text_of("/"));
	error |= environ_add(out, "PATH_INFO", match->path_info);
	return error | environ_add(out, "PATH_TRANSLATED", whole);
}

/* The type of a body that there never is, if the client says one: then it has to be told (4.1.3). */
static int environ_add_content(struct evbuffer *out, const struct http_request *request)
{
	const struct http_header *type = http_request_header(request, "Content-Type");

	return type == NULL ? 0 : environ_add(out, "CONTENT_TYPE", type->value);
}

/* What websocketd says that it does not know. */
static int environ_add_unknown(struct evbuffer *out)
{
	static const char *const names[] = { "AUTH_TYPE", "CONTENT_LENGTH", "CONTENT_TYPE", "REMOTE_IDENT",
		"REMOTE_USER" };
	int error = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		error |= environ_add(out, names[i], text_of(""));
	return error;
}

/* The client in digits: no name is looked up, and CGI has the address stand in for it (4.1.9). A port that is
 * not known is only there under the name websocketd, as 0. */
static int environ_add_remote(struct evbuffer *out, const struct addr *addr, bool loose)
{
	char host[ADDR_TEXT];
	addr_format_host(addr, host);
	int error = environ_add(out, "REMOTE_ADDR", text_of(host)) |
		    environ_add(out, "REMOTE_HOST", text_of(host));
	if (addr_port(addr) == 0 && !loose)
		return error;
	return error | environ_add_port(out, "REMOTE_PORT", addr_port(addr));
}

/* A variable whose value was made for it; none without a value. */
static int environ_add_made(struct evbuffer *out, const char *name, char *value)
{
	int error = value == NULL ? 0 : environ_add(out, name, text_of(value));
	free(value);
	return error;
}

/* TLS as Apache's mod_ssl names it: that the client speaks it; of our own, what was agreed, and with whom. */
static int environ_add_tls(struct evbuffer *out, bool secure, const SSL *ssl)
{
	int error = secure ? environ_add(out, "HTTPS", text_of("on")) : 0;
	if (ssl == NULL)
		return error;
	bool known = SSL_get0_peer_certificate(ssl) != NULL;
	error |= environ_add(out, "SSL_PROTOCOL", text_of(SSL_get_version(ssl)));
	error |= environ_add(out, "SSL_CIPHER", text_of(SSL_get_cipher_name(ssl)));
	error |= environ_add(out, "SSL_CLIENT_VERIFY", text_of(known ? "SUCCESS" : "NONE"));
	error |= environ_add_made(out, "SSL_CLIENT_S_DN", clientcert_subject(ssl));
	return error | environ_add_made(out, "SSL_CLIENT_S_DN_CN", clientcert_common_name(ssl));
}

/* The variables of CGI, the headers, then our own. */
static int environ_add_all(struct evbuffer *out, const struct exchange *exchange,
	const struct exchange_upgrade *upgrade, const char *session, const char *protocol)
{
	const struct http_request *request = upgrade->request;
	bool loose = exchange->config->manners->loose_cgi;

	int error = environ_add_kind(out, exchange);
	error |= environ_add_server(out, exchange, request);
	error |= environ_add(out, "SERVER_PROTOCOL", text_of("HTTP/1.1"));
	error |= environ_add(out, "REQUEST_METHOD", request->method);
	error |= loose ? environ_add_path_loose(out, upgrade) : environ_add_path(out, upgrade);
	error |= environ_add(out, "QUERY_STRING", request->query);
	error |= environ_add_remote(out, &exchange->client->addr, loose);
	error |= environ_add_tls(out, exchange->client->secure,
		exchange->client->proxied ? NULL : stream_ssl(exchange->stream));
	error |= loose ? environ_add_unknown(out) : environ_add_content(out, request);
	error |= environ_add(out, "UNIQUE_ID", text_of(session));
	error |= environ_add_headers(out, request);
	error |= environ_add(out, "WEBSOCKET_PROTOCOL", text_of(protocol));
	error |= environ_add(out, "WSLUICE_ROUTE", text_of(upgrade->match->route->pattern));
	return error | environ_add(out, "WSLUICE_SESSION", text_of(session));
}

/* An error is kept and looked at once, at the end. */
int environ_build(const struct exchange *exchange, const struct exchange_upgrade *upgrade,
	const char *session, const char *protocol, char **out, size_t *len)
{
	struct evbuffer *env = evbuffer_new();
	if (env == NULL)
		return -ENOMEM;

	int error = environ_add_all(env, exchange, upgrade, session, protocol) < 0 ? -ENOMEM : 0;
	*len = evbuffer_get_length(env);
	if (error == 0 && *len > SPAWN_ENV_MAX)
		error = -E2BIG;
	*out = error == 0 ? malloc(*len) : NULL;
	if (*out != NULL)
		evbuffer_remove(env, *out, *len);
	else if (error == 0)
		error = -ENOMEM;
	evbuffer_free(env);
	return error;
}
