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

enum { ENVIRON_USUAL = 2048 }; /* bytes; a browser's request makes less of it */

/* How a bash of before 2014 writes a function that it takes out of its environment, and runs what follows. */
bool environ_is_function(struct text value)
{
	return text_starts_with(value, "() {");
}

/* Makes room for so many more. Returns 0 or -errno. */
static int environ_grow(struct environ_list *list, size_t len)
{
	size_t size = list->size > 0 ? list->size : ENVIRON_USUAL;

	if (len > SPAWN_ENV_MAX - list->len)
		return -E2BIG;
	while (size < list->len + len)
		size *= 2;
	char *bytes = realloc(list->bytes, size);
	if (bytes == NULL)
		return -ENOMEM;
	list->bytes = bytes;
	list->size = size;
	return 0;
}

/* Once there was none there is none any more. */
char *environ_room(struct environ_list *list, size_t len)
{
	if (list->error == 0 && list->size - list->len < len)
		list->error = environ_grow(list, len);
	if (list->error != 0)
		return NULL;
	list->len += len;
	return list->bytes + list->len - len;
}

/* Copies it. */
int environ_put(struct environ_list *list, struct text text)
{
	char *room = environ_room(list, text.len);
	if (room != NULL && text.len > 0)
		memcpy(room, text.ptr, text.len);
	return list->error;
}

/* NAME=value and its NUL. */
int environ_add(struct environ_list *list, const char *name, struct text value)
{
	if (environ_is_function(value))
		return 0;
	size_t n_name = strlen(name);
	char *room = environ_room(list, n_name + 1 + value.len + 1);
	if (room == NULL)
		return list->error;
	memcpy(room, name, n_name);
	room[n_name] = '=';
	if (value.len > 0)
		memcpy(room + n_name + 1, value.ptr, value.len);
	room[n_name + 1 + value.len] = '\0';
	return 0;
}

/* A port, in digits. */
static int environ_add_port(struct environ_list *list, const char *name, unsigned port)
{
	char text[8];
	snprintf(text, sizeof(text), "%u", port);
	return environ_add(list, name, text_of(text));
}

/* Who is told, and of what. */
struct environ_tale {
	const struct exchange *exchange;
	const struct http_request *request;
	const struct route_match *match;
	const char *id, *protocol; /* no protocol: NULL */
	bool cgi;		   /* a CGI program, not one of a WebSocket */
	bool loose;		   /* under the name websocketd */
};

/* Who serves, by what interface. Scripts ask for these to know what else they are given. */
static int environ_add_kind(struct environ_list *list, const struct environ_tale *tale)
{
	const struct manners *manners = tale->exchange->config->manners;

	return environ_add(list, "GATEWAY_INTERFACE",
		       text_of(tale->cgi ? "CGI/1.1" : manners->gateway_interface)) |
	       environ_add(list, "SERVER_SOFTWARE", text_of(manners->server_software));
}

/* The server as the client named it, else as it is bound. websocketd tells the port, too, as it was named. */
static int environ_add_server(
	struct environ_list *list, const struct exchange *exchange, const struct http_request *request)
{
	char local[ADDR_TEXT];
	bool named = exchange->config->manners->loose_cgi;
	unsigned port = named ? 0 : addr_port(&exchange->entrance->local);
	unsigned otherwise = exchange->client->secure ? 443 : 80;

	addr_format_host(&exchange->entrance->local, local);
	int error = environ_add(list, "SERVER_NAME", request->host.len > 0 ? request->host : text_of(local));
	if (named && request->host_port.len > 0)
		return error | environ_add(list, "SERVER_PORT", request->host_port);
	return error | environ_add_port(list, "SERVER_PORT", port != 0 ? port : otherwise);
}

/* A file beneath a directory, by its path without symlinks as far as that is the directory's. */
static int environ_add_beneath(struct environ_list *list, const char *name, const char *dir, struct text path)
{
	char *real = realpath(dir, NULL), *file = NULL;
	const char *root = real == NULL ? dir : strcmp(real, "/") == 0 ? "" : real;
	int n = asprintf(&file, "%s%s%.*s", root, path.ptr[0] == '/' ? "" : "/", TEXT_ARG(path));
	int error = n < 0 ? -1 : environ_add(list, name, text_of(file));

	free(real);
	if (n >= 0)
		free(file);
	return error;
}

/* The file that PATH_INFO would be if the directory of programs were one of documents; that of documents
 * beside CGI programs, if there is one (4.1.6). There is none without a PATH_INFO. */
static int environ_add_translated(struct environ_list *list, const struct environ_tale *tale)
{
	const struct route_match *match = tale->match;
	const struct route_conf *route = match->route;
	const char *pages = route->static_dir != NULL ? route->static_dir : route->cgi_dir;

	if (match->entry.len == 0 || match->path_info.len == 0)
		return 0;
	return environ_add_beneath(list, "PATH_TRANSLATED", tale->cgi ? pages : route->dir, match->path_info);
}

/* What was asked for, and what of it named the program. */
static int environ_add_path(struct environ_list *list, const struct environ_tale *tale)
{
	int error = environ_add(list, "REQUEST_URI", tale->request->target);

	error |= environ_add(list, "SCRIPT_NAME", tale->match->script_name);
	error |= environ_add(list, "PATH_INFO", tale->match->path_info);
	return error | environ_add_translated(list, tale);
}

/* The same as websocketd has it: a command answers as "/", a CGI program as nothing and for all of the path;
 * nothing is translated. */
static int environ_add_path_loose(struct environ_list *list, const struct environ_tale *tale)
{
	struct text script = tale->match->script_name, info = tale->match->path_info;
	struct text whole = { script.ptr, script.len + info.len }; /* one is behind the other */
	int error = environ_add(list, "REQUEST_URI", tale->request->target);

	if (tale->cgi)
		return error | environ_add(list, "SCRIPT_NAME", text_of("")) |
		       environ_add(list, "PATH_INFO", whole);
	error |= environ_add(list, "SCRIPT_NAME", script.len > 0 ? script : text_of("/"));
	error |= environ_add(list, "PATH_INFO", info);
	return error | environ_add(list, "PATH_TRANSLATED", whole);
}

/* A body's length, where there is one, and its type, if the client says one: also of a body that there never
 * is, since then it has to be told (4.1.2, 4.1.3). */
static int environ_add_content(struct environ_list *list, const struct environ_tale *tale)
{
	const struct http_request *request = tale->request;
	const struct http_header *type = http_request_header(request, "Content-Type");
	char length[24];
	int error = 0;

	if (request->has_length && text_is(request->method, "POST")) {
		snprintf(length, sizeof(length), "%llu", (unsigned long long)request->content_length);
		error = environ_add(list, "CONTENT_LENGTH", text_of(length));
	}
	return type == NULL ? error : error | environ_add(list, "CONTENT_TYPE", type->value);
}

/* What websocketd says that it does not know. */
static int environ_add_unknown(struct environ_list *list)
{
	static const char *const names[] = { "AUTH_TYPE", "CONTENT_LENGTH", "CONTENT_TYPE", "REMOTE_IDENT",
		"REMOTE_USER" };
	int error = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		error |= environ_add(list, names[i], text_of(""));
	return error;
}

/* The client in digits: no name is looked up, and CGI has the address stand in for it (4.1.9). A port that is
 * not known is only there under the name websocketd, as 0. */
static int environ_add_remote(struct environ_list *list, const struct addr *addr, bool loose)
{
	char host[ADDR_TEXT];
	addr_format_host(addr, host);
	int error = environ_add(list, "REMOTE_ADDR", text_of(host)) |
		    environ_add(list, "REMOTE_HOST", text_of(host));
	if (addr_port(addr) == 0 && !loose)
		return error;
	return error | environ_add_port(list, "REMOTE_PORT", addr_port(addr));
}

/* A variable whose value was made for it; none without a value. */
static int environ_add_made(struct environ_list *list, const char *name, char *value)
{
	int error = value == NULL ? 0 : environ_add(list, name, text_of(value));
	free(value);
	return error;
}

/* TLS as Apache's mod_ssl names it: that the client speaks it; of our own, what was agreed, and with whom. */
static int environ_add_tls(struct environ_list *list, bool secure, const SSL *ssl)
{
	int error = secure ? environ_add(list, "HTTPS", text_of("on")) : 0;
	if (ssl == NULL)
		return error;
	bool known = SSL_get0_peer_certificate(ssl) != NULL;
	error |= environ_add(list, "SSL_PROTOCOL", text_of(SSL_get_version(ssl)));
	error |= environ_add(list, "SSL_CIPHER", text_of(SSL_get_cipher_name(ssl)));
	error |= environ_add(list, "SSL_CLIENT_VERIFY", text_of(known ? "SUCCESS" : "NONE"));
	error |= environ_add_made(list, "SSL_CLIENT_S_DN", clientcert_subject(ssl));
	return error | environ_add_made(list, "SSL_CLIENT_S_DN_CN", clientcert_common_name(ssl));
}

/* By what name a log knows this run, and what led to it. */
static int environ_add_own(struct environ_list *list, const struct environ_tale *tale)
{
	int error = tale->cgi ? 0 : environ_add(list, "WEBSOCKET_PROTOCOL", text_of(tale->protocol));

	error |= environ_add(list, "WSLUICE_ROUTE", text_of(tale->match->route->pattern));
	return error | environ_add(list, "WSLUICE_SESSION", text_of(tale->id));
}

/* The variables of CGI, the headers, then our own. */
static int environ_add_all(struct environ_list *list, const struct environ_tale *tale)
{
	const struct exchange *exchange = tale->exchange;
	const struct http_request *request = tale->request;
	const struct client *client = exchange->client;
	bool unknown = tale->loose && !tale->cgi;

	int error = environ_add_kind(list, tale);
	error |= environ_add_server(list, exchange, request);
	error |= environ_add(list, "SERVER_PROTOCOL", text_of(request->minor == 0 ? "HTTP/1.0" : "HTTP/1.1"));
	error |= environ_add(list, "REQUEST_METHOD", request->method);
	error |= tale->loose ? environ_add_path_loose(list, tale) : environ_add_path(list, tale);
	if (tale->cgi)
		error |= environ_add_beneath(
			list, "SCRIPT_FILENAME", tale->match->route->cgi_dir, tale->match->entry);
	error |= environ_add(list, "QUERY_STRING", request->query);
	error |= environ_add_remote(list, &client->addr, tale->loose);
	error |= environ_add_tls(list, client->secure, client->proxied ? NULL : stream_ssl(exchange->stream));
	error |= unknown ? environ_add_unknown(list) : environ_add_content(list, tale);
	error |= environ_add(list, "UNIQUE_ID", text_of(tale->id));
	error |= environ_add_headers(list, request, unknown);
	return error | environ_add_own(list, tale);
}

/* An error is kept and looked at once, at the end. */
static int environ_make(const struct environ_tale *tale, char **out, size_t *len)
{
	struct environ_list list = { .len = 0 };

	int error = environ_add_all(&list, tale) < 0 ? -ENOMEM : 0;
	if (error != 0) {
		free(list.bytes);
		return list.error != 0 ? list.error : error;
	}
	char *rest = realloc(list.bytes, list.len); /* it may be kept while a name is looked up */
	*out = rest != NULL ? rest : list.bytes;
	*len = list.len;
	return 0;
}

/* For the program of a WebSocket. */
int environ_build(const struct exchange *exchange, const struct exchange_upgrade *upgrade,
	const char *session, const char *protocol, char **out, size_t *len)
{
	struct environ_tale tale = {
		.exchange = exchange,
		.request = upgrade->request,
		.match = upgrade->match,
		.id = session,
		.protocol = protocol,
		.loose = exchange->config->manners->loose_cgi,
	};
	return environ_make(&tale, out, len);
}

/* For a CGI program. */
int environ_build_cgi(const struct exchange *exchange, const struct http_request *request,
	const struct route_match *match, const char *id, char **out, size_t *len)
{
	struct environ_tale tale = {
		.exchange = exchange,
		.request = request,
		.match = match,
		.id = id,
		.cgi = true,
		.loose = exchange->config->manners->loose_cgi,
	};
	return environ_make(&tale, out, len);
}
