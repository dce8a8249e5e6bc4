/*
 * lists: the kinds of values that are lists of more than words: subprotocols with their framings, blocks of
 * addresses, headers. Whatever later meets a peer's bytes or goes out on the wire is checked here, once. Pure
 * but for the list of errors.
 */
#include "conf/lists.h"

#include "base/chars.h"
#include "conf/config.h"
#include "conf/items.h"
#include "conf/options.h"

#include <arpa/inet.h>
#include <string.h>

/* Headers that frame the message or belong to the handshake: a second one of them would break it. */
static const char *const lists_own_headers[] = { "Connection", "Content-Length", "Sec-WebSocket-Accept",
	"Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol", "Sec-WebSocket-Version", "Trailer",
	"Transfer-Encoding", "Upgrade", NULL };

/* Whether it is a token of HTTP. */
static bool lists_check_token(const char *word)
{
	return chars_all(text_of(word), CHARS_TOKEN);
}

/* Finds a framing by its name; FRAMING_UNSET when there is none of it. */
static enum framing lists_find_framing(const char *name)
{
	for (const struct option_word *word = options_framings; word->word != NULL; word++) {
		if (strcmp(word->word, name) == 0)
			return (enum framing)word->value;
	}
	return FRAMING_UNSET;
}

/* Appends a subprotocol and its framing. */
static void lists_append_subprotocol(
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
static void lists_take_subprotocol(const struct value *value, void *conf, char *word)
{
	char *equals = strchr(word, '=');
	enum framing framing = equals != NULL ? lists_find_framing(equals + 1) : FRAMING_UNSET;

	if (equals != NULL && framing == FRAMING_UNSET) {
		value_complain(value, ERRORS_USAGE, "\"%.80s\" names no framing; see framing", word);
		return;
	}
	if (equals != NULL)
		*equals = '\0';
	if (lists_check_token(word))
		lists_append_subprotocol(value->pool, value_field(value->option, conf), word, framing);
	else
		value_reject(value);
}

/* Reads subprotocols. */
static void lists_parse_subprotocols(const struct value *value, void *conf)
{
	const char *at = value->text;
	char *word;

	while ((word = items_next_word(value, &at)) != NULL) {
		struct value one = *value;

		one.text = word;
		lists_take_subprotocol(&one, conf, word);
	}
}

/* Counts subprotocols. */
static size_t lists_count_subprotocols(const struct option *option, const void *conf)
{
	return ((const struct subprotocol_list *)value_field_const(option, conf))->names.n;
}

/* Writes NAME or NAME=FRAMING. */
static void lists_format_subprotocol(const struct option *option, const void *conf, size_t i, FILE *out)
{
	const struct subprotocol_list *list = value_field_const(option, conf);

	fputs(list->names.items[i], out);
	for (const struct option_word *word = options_framings; word->word != NULL; word++) {
		if (word->value == (int)list->framings[i])
			fprintf(out, "=%s", word->word);
	}
}

/* Appends to a list of blocks. */
static void lists_append_cidr(struct pool *pool, struct cidr_list *list, const struct cidr *cidr)
{
	struct cidr *items = pool_grow(pool, list->items, list->n, sizeof(*items));

	if (items == NULL)
		return;
	list->items = items;
	list->items[list->n++] = *cidr;
}

/* Reads trusted_proxies. */
static void lists_parse_cidrs(const struct value *value, void *conf)
{
	const char *at = value->text;
	char *word;

	while ((word = items_next_word(value, &at)) != NULL) {
		struct value one = *value;
		struct cidr cidr;
		char better[CIDR_TEXT];

		one.text = word;
		if (cidr_parse(&cidr, text_of(word)))
			lists_append_cidr(value->pool, value_field(value->option, conf), &cidr);
		else if (cidr_suggest(text_of(word), better))
			value_complain(&one, ERRORS_USAGE,
				"\"%.80s\" has bits behind those that count; did you mean %s?", word, better);
		else
			value_reject(&one);
	}
}

/* Counts blocks. */
static size_t lists_count_cidrs(const struct option *option, const void *conf)
{
	return ((const struct cidr_list *)value_field_const(option, conf))->n;
}

/* Writes a block; all of its bits are said. */
static void lists_format_cidr(const struct option *option, const void *conf, size_t i, FILE *out)
{
	const struct cidr *cidr = &((const struct cidr_list *)value_field_const(option, conf))->items[i];
	char text[INET6_ADDRSTRLEN];

	if (cidr->family == AF_UNIX)
		fputs("unix", out);
	else
		fprintf(out, "%s/%u", inet_ntop(cidr->family, cidr->bytes, text, sizeof(text)), cidr->bits);
}

/* Whether the gateway itself answers for this header. */
static bool lists_is_own(struct text name)
{
	for (size_t i = 0; lists_own_headers[i] != NULL; i++) {
		if (text_is_nocase(name, lists_own_headers[i]))
			return true;
	}
	return false;
}

/* Appends to a list of headers. */
static void lists_append_header(struct pool *pool, struct header_list *list, struct header_conf header)
{
	struct header_conf *items = pool_grow(pool, list->items, list->n, sizeof(*items));

	if (items == NULL)
		return;
	list->items = items;
	list->items[list->n++] = header;
}

/* Reads "Name: value" (RFC 9110 5.5; no control character has come this far). */
static void lists_parse_header(const struct value *value, void *conf)
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
	if (!lists_check_token(header.name))
		value_reject(value);
	else if (lists_is_own(text_of(header.name)))
		value_complain(
			value, ERRORS_USAGE, "%s is a header that the gateway sets itself", header.name);
	else
		lists_append_header(value->pool, value_field(value->option, conf), header);
}

/* Counts headers. */
static size_t lists_count_headers(const struct option *option, const void *conf)
{
	return ((const struct header_list *)value_field_const(option, conf))->n;
}

/* Writes a header as it goes out. */
static void lists_format_header(const struct option *option, const void *conf, size_t i, FILE *out)
{
	const struct header_list *list = value_field_const(option, conf);

	fprintf(out, "%s: %s", list->items[i].name, list->items[i].value);
}

const struct value_type lists_subprotocols = { "names, each perhaps with =FRAMING, separated by spaces",
	lists_parse_subprotocols, lists_format_subprotocol, lists_count_subprotocols };
const struct value_type lists_cidrs = {
	"blocks of addresses (192.0.2.0/24, 2001:db8::/32), or unix, separated by spaces", lists_parse_cidrs,
	lists_format_cidr, lists_count_cidrs
};
const struct value_type lists_headers = { "a header: \"Name: value\"", lists_parse_header,
	lists_format_header, lists_count_headers };
