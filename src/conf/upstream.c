/*
 * upstream: reads the URIs of services, one by one and as the value of `connect`. Pure but for the list of
 * errors.
 */
#include "conf/upstream.h"

#include "base/authority.h"
#include "conf/options.h"

#include <string.h>

/* Takes the scheme off; what is left is a place as base/addr.h knows it. */
static const char *upstream_take_scheme(struct upstream *out, const char *uri)
{
	out->tls = strncmp(uri, "tls://", 6) == 0;
	return out->tls || strncmp(uri, "tcp://", 6) == 0 ? uri + 6 : uri;
}

/* What is wrong with a place, in words that are of places to connect to. */
static const char *upstream_error(const char *place, int error)
{
	if (error == ADDR_BAD_HOST)
		return "has a host that is neither a name nor an IPv4 address";
	if (error != ADDR_BAD_PORT)
		return addr_error(error);
	return strchr(place, '/') != NULL ? "has a slash behind HOST:PORT, where nothing may follow"
					  : "needs a port from 1 to 65535";
}

/* A place to connect to has a host, and a port or a path. */
const char *upstream_parse(struct upstream *out, const char *uri)
{
	const char *place = upstream_take_scheme(out, uri);
	bool is_unix = place == uri;
	int error;

	if (is_unix && strncmp(uri, "unix:", 5) != 0)
		return "must be tcp://HOST:PORT, tls://HOST:PORT or unix:PATH";
	if (strncmp(uri, "unix://", 7) == 0 && uri[7] != '/')
		return "needs unix:/PATH: two slashes begin a host, and a socket has none";
	error = addr_parse(&out->name, place);
	if (error)
		return upstream_error(place, error);
	if (out->name.kind != (is_unix ? ADDR_UNIX : ADDR_TCP) || strcmp(out->name.host, "*") == 0)
		return "must be tcp://HOST:PORT, tls://HOST:PORT or unix:PATH";
	return out->name.kind == ADDR_TCP && out->name.port == 0 ? "needs a port from 1 to 65535" : NULL;
}

/* A unix socket has no host. */
const char *upstream_host(const struct upstream *upstream)
{
	return upstream->name.kind == ADDR_UNIX ? "unix" : upstream->name.host;
}

/* Were several written into one line? */
static bool upstream_is_several(const char *text)
{
	const char *rest = strpbrk(text, " \t,");
	return rest != NULL && (strstr(rest, "://") != NULL || strstr(rest, "unix:") != NULL);
}

/* Reads connect; a line is one service. */
static void upstream_parse_value(const struct value *value, void *conf)
{
	struct upstream_list *list = value_field(value->option, conf);
	struct upstream upstream = { 0 };
	const char *wrong = upstream_is_several(value->text)
				    ? "is more than one service; repeat the key for each"
				    : upstream_parse(&upstream, value->text);

	if (wrong != NULL) {
		value_complain(value, ERRORS_USAGE, "\"%.150s\" %s", value->text, wrong);
		return;
	}
	struct upstream *items = pool_grow(value->pool, list->items, list->n, sizeof(*items));
	upstream.uri = pool_copy(value->pool, text_of(value->text));
	if (items == NULL || upstream.uri == NULL)
		return;
	list->items = items;
	list->items[list->n++] = upstream;
}

/* Writes it as it was written. */
static void upstream_format(const struct option *option, const void *conf, size_t i, FILE *out)
{
	fputs(((const struct upstream_list *)value_field_const(option, conf))->items[i].uri, out);
}

/* Reads tls_name. */
static void upstream_parse_tls_name(const struct value *value, void *conf)
{
	struct text name = text_of(value->text);

	if (addr_is_v6(name) || (authority_is_host(name) && !text_starts_with(name, "[")))
		*(char **)value_field(value->option, conf) = pool_copy(value->pool, name);
	else
		value_reject(value);
}

/* Counts them. */
static size_t upstream_count(const struct option *option, const void *conf)
{
	return ((const struct upstream_list *)value_field_const(option, conf))->n;
}

const struct value_type upstream_values = { "tcp://HOST:PORT, tls://HOST:PORT or unix:PATH",
	upstream_parse_value, upstream_format, upstream_count };
const struct value_type upstream_tls_name = { "a host name or an address", upstream_parse_tls_name,
	value_format_string, value_count_string };
