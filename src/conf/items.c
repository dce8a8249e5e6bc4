/*
 * items: the kinds of values that are lists: names of hosts, listeners and subprotocols, origins, addresses,
 * headers, variables. A line may hold several names, separated by spaces or commas, but only one address (a
 * path may hold spaces) or header. Whatever later meets a peer's bytes or goes out on the wire is checked
 * here, once. Pure but for the list of errors.
 */
#include "conf/items.h"

#include "base/authority.h"
#include "base/chars.h"
#include "conf/config.h"
#include "conf/options.h"
#include "conf/variables.h"

#include <arpa/inet.h>
#include <string.h>

/* Headers that frame the message or belong to the handshake: a second one of them would break it. */
static const char *const items_own_headers[] = { "Connection", "Content-Length", "Sec-WebSocket-Accept",
	"Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol", "Sec-WebSocket-Version", "Trailer",
	"Transfer-Encoding", "Upgrade", NULL };

/* The list that an option is stored in. */
static struct conf_list *items_list(const struct option *option, void *conf)
{
	return value_field(option, conf);
}

/* Counts the items of a list. */
size_t items_count(const struct option *option, const void *conf)
{
	return ((const struct conf_list *)value_field_const(option, conf))->n;
}

/* Writes an item as it is. */
void items_format(const struct option *option, const void *conf, size_t i, FILE *out)
{
	fputs(((const struct conf_list *)value_field_const(option, conf))->items[i], out);
}

/* The next word of a value that is split at spaces and commas, as a copy; NULL when there is none, or no
 * memory. */
static char *items_next_word(const struct value *value, const char **at)
{
	struct text word;

	*at += strspn(*at, " \t,");
	word = (struct text){ *at, strcspn(*at, " \t,") };
	*at += word.len;
	return word.len > 0 ? pool_copy(value->pool, word) : NULL;
}

/* Keeps the words that `check` allows. */
static void items_parse_words(
	const struct value *value, void *conf, bool fold, bool (*check)(const char *word))
{
	const char *at = value->text;
	char *item;

	while ((item = items_next_word(value, &at)) != NULL) {
		struct value one = *value;

		if (fold)
			text_fold(item);
		one.text = item;
		if (check(item))
			pool_append(value->pool, items_list(value->option, conf), item);
		else
			value_reject(&one);
	}
}

/* Whether it is a host as it stands in a Host header: a name, "*.name", an IPv4 address or [V6]. */
static bool items_check_host(const char *word)
{
	struct text host = text_of(word);

	if (text_starts_with(host, "*."))
		return !text_ends_with(host, "]") && authority_is_host(text_slice(host, 2));
	return authority_is_host(host);
}

/* Reads server_names. */
static void items_parse_hosts(const struct value *value, void *conf)
{
	items_parse_words(value, conf, true, items_check_host);
}

/* Whether it is [SCHEME://]HOST[:PORT]. */
static bool items_check_origin(const char *word)
{
	const char *scheme = strstr(word, "://");
	struct text at = text_of(word);
	struct authority authority;

	if (scheme != NULL) {
		at = text_of(scheme + 3);
		if (!chars_all((struct text){ word, (size_t)(scheme - word) }, CHARS_HOST))
			return false;
	}
	if (text_starts_with(at, "*."))
		at = text_slice(at, 2);
	return authority_parse(&authority, at);
}

/* Whether it is an origin, or a word that stands for some. */
static bool items_check_origin_rule(const char *word)
{
	return strcmp(word, "*") == 0 || items_check_origin(word);
}

/* Reads origins; "same", "any" and "null" look like hosts; what they mean is in http/upgrade.h. */
static void items_parse_origins(const struct value *value, void *conf)
{
	items_parse_words(value, conf, true, items_check_origin_rule);
}

/* Whether it is a token of HTTP. */
static bool items_check_token(const char *word)
{
	return chars_all(text_of(word), CHARS_TOKEN);
}

/* Finds a framing by its name; FRAMING_UNSET when there is none of it. */
static enum framing items_find_framing(const char *name)
{
	for (const struct option_word *word = options_framings; word->word != NULL; word++) {
		if (strcmp(word->word, name) == 0)
			return (enum framing)word->value;
	}
	return FRAMING_UNSET;
}

/* Appends a subprotocol and its framing. */
static void items_append_subprotocol(
	struct pool *pool, struct subprotocol_list *list, char *name, enum framing framing)
{
	enum framing *framings = pool_grow(pool, list->framings, list->names.n, sizeof(*framings));

	if (framings == NULL)
		return;
	list->framings = framings;
	list->framings[list->names.n] = framing;
	pool_append(pool, &list->names, name);
}

/* Reads one subprotocol (RFC 6455 4.1: tokens; case matters), perhaps with a framing. */
static void items_take_subprotocol(const struct value *value, void *conf, char *word)
{
	char *equals = strchr(word, '=');
	enum framing framing = equals != NULL ? items_find_framing(equals + 1) : FRAMING_UNSET;

	if (equals != NULL && framing == FRAMING_UNSET) {
		value_complain(value, ERRORS_USAGE, "\"%.80s\" names no framing; see framing", word);
		return;
	}
	if (equals != NULL)
		*equals = '\0';
	if (items_check_token(word))
		items_append_subprotocol(value->pool, value_field(value->option, conf), word, framing);
	else
		value_reject(value);
}

/* Reads subprotocols. */
static void items_parse_subprotocols(const struct value *value, void *conf)
{
	const char *at = value->text;
	char *word;

	while ((word = items_next_word(value, &at)) != NULL) {
		struct value one = *value;

		one.text = word;
		items_take_subprotocol(&one, conf, word);
	}
}

/* Counts subprotocols. */
static size_t items_count_subprotocols(const struct option *option, const void *conf)
{
	return ((const struct subprotocol_list *)value_field_const(option, conf))->names.n;
}

/* Writes NAME or NAME=FRAMING. */
static void items_format_subprotocol(const struct option *option, const void *conf, size_t i, FILE *out)
{
	const struct subprotocol_list *list = value_field_const(option, conf);

	fputs(list->names.items[i], out);
	for (const struct option_word *word = options_framings; word->word != NULL; word++) {
		if (word->value == (int)list->framings[i])
			fprintf(out, "=%s", word->word);
	}
}

/* The length of a variable's name at the beginning of a text. */
static size_t items_name_len(const char *text)
{
	size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");

	return text[0] >= '0' && text[0] <= '9' ? 0 : len;
}

/* Whether a variable may be given; if not, that is said. */
static bool items_may_give(const struct value *value, struct text name)
{
	bool own = variables_is_own(name);

	if (own || variables_is_managers(name))
		value_complain(value, ERRORS_USAGE, "%.*s is a variable that %s", TEXT_ARG(name),
			own ? "the gateway sets itself" : "is between the gateway and its service manager");
	else
		return true;
	return false;
}

/* Reads env: NAME=VALUE, to the end of the line. */
static void items_parse_env(const struct value *value, void *conf)
{
	struct text name = { value->text, items_name_len(value->text) };

	if (name.len == 0 || value->text[name.len] != '=')
		value_reject(value);
	else if (items_may_give(value, name))
		pool_append(value->pool, items_list(value->option, conf),
			pool_copy(value->pool, text_of(value->text)));
}

/* Reads pass_env: names of variables, or the beginning of some and a star. The word none becomes a name that
 * no variable has; that nothing stands beside it is seen when all lines are there (conf/check.h). */
static void items_parse_pass_env(const struct value *value, void *conf)
{
	const char *at = value->text;
	char *word;

	while ((word = items_next_word(value, &at)) != NULL) {
		struct text name = { word, items_name_len(word) };
		bool star = strcmp(word + name.len, "*") == 0;
		struct value one = *value;

		one.text = word;
		if (strcmp(word, "none") == 0)
			pool_append(value->pool, items_list(value->option, conf),
				pool_copy(value->pool, text_of("")));
		else if (!star && (name.len == 0 || word[name.len] != '\0'))
			value_reject(&one);
		else if (star || items_may_give(value, name))
			pool_append(value->pool, items_list(value->option, conf), word);
	}
}

/* Writes a name, or none. */
static void items_format_pass_env(const struct option *option, const void *conf, size_t i, FILE *out)
{
	const struct conf_list *list = value_field_const(option, conf);

	fputs(list->items[i][0] != '\0' ? list->items[i] : "none", out);
}

/* Whether it can be the name of a listener. */
static bool items_check_listener(const char *word)
{
	return word[0] != '\0';
}

/* Reads listen; whether there are such listeners is seen when all sections are known. */
static void items_parse_listeners(const struct value *value, void *conf)
{
	items_parse_words(value, conf, false, items_check_listener);
}

/* Reads address, kept as it was written. */
static void items_parse_address(const struct value *value, void *conf)
{
	struct addr_name name;
	int error;

	error = addr_parse(&name, value->text);
	if (error)
		value_complain(value, ERRORS_USAGE, "\"%.150s\" %s", value->text, addr_error(error));
	else
		pool_append(value->pool, items_list(value->option, conf),
			pool_copy(value->pool, text_of(value->text)));
}

/* Appends to a list of blocks. */
static void items_append_cidr(struct pool *pool, struct cidr_list *list, const struct cidr *cidr)
{
	struct cidr *items = pool_grow(pool, list->items, list->n, sizeof(*items));

	if (items == NULL)
		return;
	list->items = items;
	list->items[list->n++] = *cidr;
}

/* Reads trusted_proxies. */
static void items_parse_cidrs(const struct value *value, void *conf)
{
	const char *at = value->text;
	char *word;

	while ((word = items_next_word(value, &at)) != NULL) {
		struct value one = *value;
		struct cidr cidr;

		one.text = word;
		if (cidr_parse(&cidr, text_of(word)))
			items_append_cidr(value->pool, value_field(value->option, conf), &cidr);
		else
			value_reject(&one);
	}
}

/* Counts blocks. */
static size_t items_count_cidrs(const struct option *option, const void *conf)
{
	return ((const struct cidr_list *)value_field_const(option, conf))->n;
}

/* Writes a block; all of its bits are said. */
static void items_format_cidr(const struct option *option, const void *conf, size_t i, FILE *out)
{
	const struct cidr *cidr = &((const struct cidr_list *)value_field_const(option, conf))->items[i];
	char text[INET6_ADDRSTRLEN];

	if (cidr->family == AF_UNIX)
		fputs("unix", out);
	else
		fprintf(out, "%s/%u", inet_ntop(cidr->family, cidr->bytes, text, sizeof(text)), cidr->bits);
}

/* Whether the gateway itself answers for this header. */
static bool items_is_own(struct text name)
{
	for (size_t i = 0; items_own_headers[i] != NULL; i++) {
		if (text_is_nocase(name, items_own_headers[i]))
			return true;
	}
	return false;
}

/* Appends to a list of headers. */
static void items_append_header(struct pool *pool, struct header_list *list, struct header_conf header)
{
	struct header_conf *items = pool_grow(pool, list->items, list->n, sizeof(*items));

	if (items == NULL)
		return;
	list->items = items;
	list->items[list->n++] = header;
}

/* Reads "Name: value" (RFC 9110 5.5; no control character has come this far). */
static void items_parse_header(const struct value *value, void *conf)
{
	const char *colon = strchr(value->text, ':');
	struct header_conf header;

	if (colon == NULL) {
		value_reject(value);
		return;
	}
	header.name = pool_copy(value->pool, (struct text){ value->text, (size_t)(colon - value->text) });
	header.value = pool_copy(value->pool, text_trim(text_of(colon + 1)));
	if (header.name == NULL || header.value == NULL)
		return;
	if (!items_check_token(header.name))
		value_reject(value);
	else if (items_is_own(text_of(header.name)))
		value_complain(
			value, ERRORS_USAGE, "%s is a header that the gateway sets itself", header.name);
	else
		items_append_header(value->pool, value_field(value->option, conf), header);
}

/* Counts headers. */
static size_t items_count_headers(const struct option *option, const void *conf)
{
	return ((const struct header_list *)value_field_const(option, conf))->n;
}

/* Writes a header as it goes out. */
static void items_format_header(const struct option *option, const void *conf, size_t i, FILE *out)
{
	const struct header_list *list = value_field_const(option, conf);

	fprintf(out, "%s: %s", list->items[i].name, list->items[i].value);
}

const struct value_type items_hosts = { "host names (*.example.org is any below), separated by spaces",
	items_parse_hosts, items_format, items_count };
const struct value_type items_origins = {
	"same, any, null, or SCHEME://HOST[:PORT], HOST[:PORT], *.HOST, separated by spaces",
	items_parse_origins, items_format, items_count
};
const struct value_type items_subprotocols = { "names, each perhaps with =FRAMING, separated by spaces",
	items_parse_subprotocols, items_format_subprotocol, items_count_subprotocols };
const struct value_type items_env = { "NAME=VALUE", items_parse_env, items_format, items_count };
const struct value_type items_pass_env = {
	"names of variables (LC_* is all that begin so), separated by spaces, or none", items_parse_pass_env,
	items_format_pass_env, items_count
};
const struct value_type items_listeners = { "names of [listen] sections, separated by spaces",
	items_parse_listeners, items_format, items_count };
const struct value_type items_address = { "HOST:PORT, [V6]:PORT, *:PORT, unix:PATH or systemd:FDNAME",
	items_parse_address, items_format, items_count };
const struct value_type items_cidrs = {
	"blocks of addresses (192.0.2.0/24, 2001:db8::/32), or unix, separated by spaces", items_parse_cidrs,
	items_format_cidr, items_count_cidrs
};
const struct value_type items_headers = { "a header: \"Name: value\"", items_parse_header,
	items_format_header, items_count_headers };
