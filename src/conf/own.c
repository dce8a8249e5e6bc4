/*
 * own: the table of our own options: most of them are a key of the file under the name that it has in
 * websocketd. Owns what each means by itself; what they mean together is conf/forms.h's. Runs once, before
 * anything else.
 */
#include "conf/own.h"

#include "conf/websocketd.h"

#include <string.h>

/* Remembers the port; addresses get it when all of them are known. */
static void own_take_port(struct argv_state *state, const char *value)
{
	uint64_t port;

	if (!text_to_u64(text_of(value), UINT16_MAX, &port))
		argv_reject(state, "a port from 0 to 65535", value);
	else
		state->port = state->guise == &guise_websocketd && port == 0
				      ? NULL
				      : value; /* there 0 is its default */
}

/* Remembers an address, with or without port. */
static void own_take_address(struct argv_state *state, const char *value)
{
	pool_append(&state->draft.pool, &state->addresses, pool_copy(&state->draft.pool, text_of(value)));
}

/* Remembers a unix socket. */
static void own_take_unixsocket(struct argv_state *state, const char *value)
{
	struct pool *pool = &state->draft.pool;

	pool_append(pool, &state->sockets, pool_printf(pool, "unix:%s", value));
}

/* Listens with TLS. */
static void own_take_ssl(struct argv_state *state, const char *value)
{
	state->ssl = strcmp(value, "yes") == 0;
}

/* A certificate; repeated with its key, one more. */
static void own_take_sslcert(struct argv_state *state, const char *value)
{
	draft_put(&state->draft, state->listen, "tls_certificate", value, state->origin);
}

/* The key of a certificate. */
static void own_take_sslkey(struct argv_state *state, const char *value)
{
	draft_put(&state->draft, state->listen, "tls_key", value, state->origin);
}

/* Clients must show a certificate. */
static void own_take_sslca(struct argv_state *state, const char *value)
{
	draft_put(&state->draft, state->listen, "tls_client_ca", value, state->origin);
}

/* Remembers the port until the addresses are known. */
static void own_take_redirport(struct argv_state *state, const char *value)
{
	uint64_t port;

	if (!text_to_u64(text_of(value), UINT16_MAX, &port) ||
		(port == 0 && state->guise != &guise_websocketd))
		argv_reject(state, "a port from 1 to 65535", value);
	else
		state->redirport = port > 0 ? value : NULL;
}

/* Remembers it until --origin is known too. */
static void own_take_sameorigin(struct argv_state *state, const char *value)
{
	state->same_origin = value;
}

/* Passes bytes through; --binary=false is what there is without it. */
static void own_take_binary(struct argv_state *state, const char *value)
{
	state->binary = strcmp(value, "yes") == 0;
	draft_put(&state->draft, state->route, "framing", state->binary ? "stream" : "", state->origin);
}

/* clang-format off */
const struct argv_option own_options[] = {
	{ "port", ARGV_VALUE, .arg = "PORT", .take = own_take_port, .help = "TCP port, 8080 by default, 8443 with --ssl; 0 takes a free one", .there = "TCP port, 80 by default, 443 with --ssl" },
	{ "address", ARGV_VALUE, .arg = "HOST[:PORT]", .take = own_take_address, .help = "address to listen on, 127.0.0.1 by default, * for all; repeatable", .there = "address to listen on, all by default; repeatable" },
	{ "unixsocket", ARGV_VALUE, .arg = "PATH", .take = own_take_unixsocket, .help = "listen on a unix socket too", .there = "listen on a unix socket; without --port, --address and --redirport on nothing else" },
	{ "ssl", ARGV_FLAG, .take = own_take_ssl, .help = "listen with TLS; needs --sslcert and --sslkey" },
	{ "sslcert", ARGV_VALUE, .arg = "FILE", .take = own_take_sslcert, .help = "certificate and its chain, PEM" },
	{ "sslkey", ARGV_VALUE, .arg = "FILE", .take = own_take_sslkey, .help = "the certificate's private key, PEM" },
	{ "sslca", ARGV_VALUE, .arg = "FILE", .take = own_take_sslca, .help = "clients must show a certificate of these authorities, PEM" },
	{ "redirport", ARGV_VALUE, .arg = "PORT", .take = own_take_redirport, .help = "redirect plain HTTP on this port to --port" },
	{ "connect", ARGV_VALUE, .arg = "URI", .key = "connect", .help = "bridge to tcp://HOST:PORT, tls://HOST:PORT or unix:PATH instead of a program; repeatable" },
	{ "dir", ARGV_VALUE, .arg = "DIR", .key = "dir", .help = "start the program that the path names under this directory, instead of one COMMAND" },
	{ "passenv", ARGV_VALUE, .empty = true, .arg = "VAR[,VAR...]", .take = websocketd_take_passenv, .help = "the only variables of our own that programs get; PATH LANG LC_* TZ by default", .there = "the only variables of our own that programs get; PATH,LD_LIBRARY_PATH by default" },
	{ "passstderr", ARGV_FLAG, .take = websocketd_take_passstderr, .help = "send what programs write to stderr too, each line as JSON that says which it is" },
	{ "maxforks", ARGV_VALUE, .arg = "N", .take = websocketd_take_maxforks, .help = "programs at the same time, 1024 by default; 0 is no limit" },
	{ "closems", ARGV_VALUE, .arg = "MS", .take = websocketd_take_closems, .help = "give a program so much longer to end when the client has gone" },
	{ "binary", ARGV_FLAG, .take = own_take_binary, .help = "pass bytes through as binary messages, not lines as text" },
	{ "subprotocol", ARGV_VALUE, .arg = "NAME", .key = "subprotocols", .help = "answer only these subprotocols, best first; repeatable" },
	{ "origin", ARGV_VALUE, .arg = "ORIGIN", .key = "origins", .help = "web pages that may connect: same (the default), any, HOST[:PORT]; repeatable", .there = "web pages that may connect: any (the default), same, HOST[:PORT]; repeatable" },
	{ "sameorigin", ARGV_FLAG, .take = own_take_sameorigin, .help = "only pages from this host and port; =false lets any connect", .there = "only pages from this host and port" },
	{ "staticdir", ARGV_VALUE, .arg = "DIR", .key = "static", .help = "serve the files of a directory to plain requests" },
	{ "cgidir", ARGV_VALUE, .arg = "DIR", .key = "cgi", .help = "run the CGI program of a directory that the path of a plain request names" },
	{ "reverselookup", ARGV_FLAG, .take = websocketd_take_reverselookup, .help = "look up the name of each client for REMOTE_HOST" },
	{ "devconsole", ARGV_FLAG, .key = "console", .help = "serve the test page; the default without --staticdir", .there = "serve the test page to plain requests" },
	{ "maxframesize", ARGV_VALUE, .arg = "BYTES", .take = websocketd_take_maxframesize, .help = "largest message from a client; 0, the default, is no limit", .there = "largest message from a client, 1048576 by default; 0 is no limit" },
	{ "pingms", ARGV_VALUE, .arg = "MS", .take = websocketd_take_pingms, .help = "ping a client that was silent for so long, 30000 by default; it has as long to answer" },
	{ "header", ARGV_VALUE, .arg = "HEADER", .key = "header", .help = "\"Name: value\" added to every response; repeatable" },
	{ "header-ws", ARGV_VALUE, .arg = "HEADER", .key = "header_ws", .help = "... to responses that upgrade" },
	{ "header-http", ARGV_VALUE, .arg = "HEADER", .key = "header_http", .help = "... to all other responses" },
	{ .name = NULL },
};
/* clang-format on */

_Static_assert(sizeof(own_options) / sizeof(own_options[0]) <= ARGV_OPTIONS_MAX / 2,
	"ARGV_OPTIONS_MAX is too small");
