/*
 * items: the kinds of values that are lists of words: names of hosts and listeners, origins, addresses,
 * variables. A line may hold several names, separated by spaces or commas, but only one address (a path may
 * hold spaces) or variable with its value. Lists of more than words are in conf/lists.h. Whatever later meets
 * a peer's bytes or goes out on the wire is checked here, once. Pure but for the list of errors.
 */
#include "conf/items.h"

#include "base/authority.h"
#include "base/chars.h"
#include "conf/config.h"
#include "conf/options.h"
#include "conf/variables.h"

#include <string.h>

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
char *items_next_word(const struct value *value, const char **at)
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

const struct value_type items_hosts = { "host names (*.example.org is any below), separated by spaces",
	items_parse_hosts, items_format, items_count };
const struct value_type items_origins = {
	"same, any, null, or SCHEME://HOST[:PORT], HOST[:PORT], *.HOST, separated by spaces",
	items_parse_origins, items_format, items_count
};
const struct value_type items_env = { "NAME=VALUE", items_parse_env, items_format, items_count };
const struct value_type items_pass_env = {
	"names of variables (LC_* is all that begin so), separated by spaces, or none", items_parse_pass_env,
	items_format_pass_env, items_count
};
const struct value_type items_listeners = { "names of [listen] sections, separated by spaces",
	items_parse_listeners, items_format, items_count };
const struct value_type items_address = { "HOST:PORT, [V6]:PORT, *:PORT, unix:PATH or systemd:FDNAME",
	items_parse_address, items_format, items_count };
