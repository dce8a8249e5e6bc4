/*
 * environ: builds the session's part of a program's environment; what comes from the gateway's own (PATH,
 * LANG) is the spawner's.
 *
 * The values come from a head that the strict parser let through, so they hold no control character but a
 * tab. Holds nothing.
 */
#include "gate/environ.h"

#include "net/clientcert.h"

#include <ctype.h>
#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* NAME=value and its NUL. */
static int environ_add(struct evbuffer *out, const char *name, struct text value)
{
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

/* Does a header become a variable? "Proxy" would be HTTP_PROXY, which programs believe; "X_Y" would pass for
 * "X-Y". */
static bool environ_exports(struct text name)
{
	return !text_is_nocase(name, "Proxy") && memchr(name.ptr, '_', name.len) == NULL;
}

/* Did the same name come before? Its value has been joined then. */
static bool environ_is_repeated(const struct http_request *request, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (text_equal_nocase(request->headers[i].name, request->headers[index].name))
			return true;
	return false;
}

/* HTTP_NAME=value, value of the same name ... (RFC 3875 4.1.18). */
static int environ_add_header(struct evbuffer *out, const struct http_request *request, size_t index)
{
	struct text name = request->headers[index].name;
	int error = evbuffer_add(out, "HTTP_", 5);

	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i] == '-' ? '_' : (char)toupper((unsigned char)name.ptr[i]);
		error |= evbuffer_add(out, &c, 1);
	}
	const char *joint = "=";
	for (size_t i = index; i < request->n_headers; i++) {
		struct text value = request->headers[i].value;
		if (!text_equal_nocase(request->headers[i].name, name))
			continue;
		error |= evbuffer_add(out, joint, strlen(joint)) | evbuffer_add(out, value.ptr, value.len);
		joint = ", ";
	}
	return error | evbuffer_add(out, "", 1);
}

/* Every header that may be told, once. */
static int environ_add_headers(struct evbuffer *out, const struct http_request *request)
{
	int error = 0;
	for (size_t i = 0; i < request->n_headers; i++)
		if (environ_exports(request->headers[i].name) && !environ_is_repeated(request, i))
			error |= environ_add_header(out, request, i);
	return error;
}

/* The server as the client named it, else as it is bound. */
static int environ_add_server(
	struct evbuffer *out, const struct exchange *exchange, const struct http_request *request)
{
	char local[ADDR_TEXT];
	unsigned port = addr_port(&exchange->entrance->local);
	unsigned otherwise = exchange->entrance->tls ? 443 : 80;

	addr_format_host(&exchange->entrance->local, local);
	int error = environ_add(out, "SERVER_NAME", request->host.len > 0 ? request->host : text_of(local));
	return error | environ_add_port(out, "SERVER_PORT", port != 0 ? port : otherwise);
}

/* The client in digits: no name is looked up, and CGI has the address stand in for it (4.1.9). */
static int environ_add_remote(struct evbuffer *out, const struct addr *peer)
{
	char host[ADDR_TEXT];
	addr_format_host(peer, host);
	int error = environ_add(out, "REMOTE_ADDR", text_of(host)) |
		    environ_add(out, "REMOTE_HOST", text_of(host));
	return error | environ_add_port(out, "REMOTE_PORT", addr_port(peer));
}

/* A variable whose value was made for it; none without a value. */
static int environ_add_made(struct evbuffer *out, const char *name, char *value)
{
	int error = value == NULL ? 0 : environ_add(out, name, text_of(value));
	free(value);
	return error;
}

/* TLS as Apache's mod_ssl names it: that it is on, what was agreed, who the client is. */
static int environ_add_tls(struct evbuffer *out, const SSL *ssl)
{
	if (ssl == NULL)
		return 0;
	bool known = SSL_get0_peer_certificate(ssl) != NULL;
	int error = environ_add(out, "HTTPS", text_of("on"));
	error |= environ_add(out, "SSL_PROTOCOL", text_of(SSL_get_version(ssl)));
	error |= environ_add(out, "SSL_CIPHER", text_of(SSL_get_cipher_name(ssl)));
	error |= environ_add(out, "SSL_CLIENT_VERIFY", text_of(known ? "SUCCESS" : "NONE"));
	error |= environ_add_made(out, "SSL_CLIENT_S_DN", clientcert_subject(ssl));
	return error | environ_add_made(out, "SSL_CLIENT_S_DN_CN", clientcert_common_name(ssl));
}

/* The variables of CGI, the headers, then our own. An error is kept and looked at once, at the end. */
char *environ_build(const struct exchange *exchange, const struct exchange_upgrade *upgrade,
	const char *session, const char *protocol, size_t *len)
{
	const struct http_request *request = upgrade->request;
	const struct route_match *match = upgrade->match;
	struct evbuffer *out = evbuffer_new();
	if (out == NULL)
		return NULL;

	int error = environ_add(out, "GATEWAY_INTERFACE", text_of("CGI/1.1"));
	error |= environ_add(out, "SERVER_SOFTWARE", text_of("wsluice/" WSLUICE_VERSION));
	error |= environ_add_server(out, exchange, request);
	error |= environ_add(out, "SERVER_PROTOCOL", text_of("HTTP/1.1"));
	error |= environ_add(out, "REQUEST_METHOD", request->method);
	error |= environ_add(out, "REQUEST_URI", request->target);
	error |= environ_add(out, "SCRIPT_NAME", match->script_name);
	error |= environ_add(out, "PATH_INFO", match->path_info);
	error |= environ_add(out, "QUERY_STRING", request->query);
	error |= environ_add_remote(out, exchange->peer);
	error |= environ_add_tls(out, stream_ssl(exchange->stream));
	error |= environ_add(out, "UNIQUE_ID", text_of(session));
	error |= environ_add_headers(out, request);
	error |= environ_add(out, "WEBSOCKET_PROTOCOL", text_of(protocol));
	error |= environ_add(out, "WSLUICE_ROUTE", text_of(match->route->pattern));
	error |= environ_add(out, "WSLUICE_SESSION", text_of(session));

	*len = evbuffer_get_length(out);
	char *env = error == 0 ? malloc(*len) : NULL;
	if (env != NULL)
		evbuffer_remove(out, env, *len);
	evbuffer_free(out);
	return env;
}
