/*
 * draft: the sections, keys and texts that were written, before they mean anything. Owns their names: what
 * may be where, how often, and what was probably meant instead. Values are read by conf/config.c through the
 * options table. One thread at a time.
 */
#include "conf/draft.h"

#include "base/must.h"

#include <errno.h>
#include <string.h>

/* Appends an empty section. */
static struct draft_section *draft_append(
	struct draft *draft, enum option_section kind, struct text name, const char *origin)
{
	struct draft_section *section = pool_alloc(&draft->pool, sizeof(*section));

	if (section == NULL)
		return NULL;
	section->kind = kind;
	section->origin = origin;
	section->name = pool_copy(&draft->pool, name);
	if (section->name == NULL)
		return NULL;
	if (draft->last != NULL)
		draft->last->next = section;
	draft->last = section;
	return section;
}

/* Begins with the two sections that are always there. */
int draft_init(struct draft *draft, struct conf_errors *errors)
{
	*draft = (struct draft){ .errors = errors, .config.manners = &manners_own };
	draft->defaults = draft_append(draft, OPTION_DEFAULTS, text_of(""), NULL);
	draft->gateway = draft_append(draft, OPTION_GATEWAY, text_of(""), NULL);
	if (!draft->pool.failed)
		return 0;
	errors_add(errors, ERRORS_FAILED, NULL, "%s", strerror(ENOMEM));
	return -ENOMEM;
}

/* Gives everything back. */
void draft_done(struct draft *draft)
{
	pool_free(&draft->pool);
}

/* Whether a section of this kind is called something. */
static bool draft_has_name(enum option_section kind)
{
	return kind == OPTION_LISTEN || kind == OPTION_ROUTE;
}

/* Cuts a heading into kind and name. */
static int draft_split_heading(const char *heading, enum option_section *kind, struct text *name)
{
	struct text text = text_trim(text_of(heading));
	struct text word = { text.ptr, 0 };

	while (word.len < text.len && text.ptr[word.len] != ' ' && text.ptr[word.len] != '\t')
		word.len++;
	*name = text_trim(text_slice(text, word.len));
	return options_section_find(word, kind);
}

/* Says that there is no such kind of section, and which heading was meant. */
static void draft_reject_heading(struct draft *draft, const char *heading, const char *origin)
{
	static const enum option_section kinds[] = { OPTION_GATEWAY, OPTION_LISTEN, OPTION_DEFAULTS,
		OPTION_ROUTE };
	const char *names[4], *nearest, *rest = heading + strcspn(heading, " \t");
	char word[64];

	for (size_t i = 0; i < 4; i++)
		names[i] = options_section_name(kinds[i]);
	snprintf(word, sizeof(word), "%.*s", (int)(rest - heading), heading);
	nearest = text_nearest(word, names, 4);
	if (nearest != NULL)
		errors_add(draft->errors, ERRORS_USAGE, origin,
			"unknown section [%.200s]; did you mean \"[%s%.200s]\"?", heading, nearest, rest);
	else
		errors_add(draft->errors, ERRORS_USAGE, origin, "unknown section [%.200s]", heading);
}

/* Opens a section after its heading was understood. */
struct draft_section *draft_open(struct draft *draft, const char *heading, const char *origin)
{
	enum option_section kind;
	struct text name;

	if (draft_split_heading(heading, &kind, &name) < 0) {
		draft_reject_heading(draft, heading, origin);
		return NULL;
	}
	if (draft_has_name(kind) != (name.len > 0)) {
		errors_add(draft->errors, ERRORS_USAGE, origin,
			name.len ? "[%.200s]: this section has no name"
				 : "[%.200s]: this section needs a name: [listen NAME], [route PATH]",
			heading);
		return NULL;
	}
	return kind == OPTION_GATEWAY ? draft->gateway : draft_append(draft, kind, name, origin);
}

/* Finds the row of a key, or says what was probably meant. */
static const struct option *draft_find(
	struct draft *draft, const struct draft_section *section, const char *key, const char *origin)
{
	const struct option *option = options_find(section->kind, text_of(key));
	char hint[96];

	if (option == NULL)
		errors_add(draft->errors, ERRORS_USAGE, origin, "unknown key \"%.80s\" in [%s%s%.100s]%s",
			key, options_section_name(section->kind), section->name[0] ? " " : "", section->name,
			options_hint(section->kind, key, hint));
	return option;
}

/* Checks what holds for every value, whatever its key. */
static bool draft_check_text(
	struct draft *draft, const struct option *option, struct text text, const char *origin)
{
	if (text.len > DRAFT_VALUE_MAX) {
		errors_add_key(draft->errors, ERRORS_USAGE, origin, option->key, "longer than 64 KiB");
		return false;
	}
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f) {
			errors_add_key(draft->errors, ERRORS_USAGE, origin, option->key,
				"holds a control character");
			return false;
		}
	}
	return true;
}

/* Appends a text to those of an option. */
static void draft_append_text(struct draft *draft, struct draft_section *section, const struct option *option,
	const char *text, const char *origin)
{
	struct text trimmed = text_trim(text_of(text));
	struct draft_text *item = pool_alloc(&draft->pool, sizeof(*item));
	struct draft_text **at = &section->texts[option - options];

	if (item == NULL || !draft_check_text(draft, option, trimmed, origin))
		return;
	item->text = pool_copy(&draft->pool, trimmed);
	item->origin = origin;
	while (*at != NULL)
		at = &(*at)->next;
	if (item->text != NULL)
		*at = item;
}

/* Adds what a file says. */
void draft_add(struct draft *draft, struct draft_section *section, const char *key, const char *text,
	const char *origin)
{
	const struct option *option = draft_find(draft, section, key, origin);

	if (option == NULL)
		return;
	if (section->texts[option - options] != NULL && !(option->flags & OPTION_LIST)) {
		const char *first = section->texts[option - options]->origin;

		errors_add(draft->errors, ERRORS_USAGE, origin, "%s: given twice (first at %s)", key,
			first != NULL ? first : "the start");
		return;
	}
	draft_append_text(draft, section, option, text, origin);
}

/* Adds what the command line says. */
void draft_put(struct draft *draft, struct draft_section *section, const char *key, const char *text,
	const char *origin)
{
	const struct option *option = draft_find(draft, section, key, origin);

	if (option == NULL)
		return;
	if (option->flags & OPTION_FILE_ONLY) {
		errors_add_key(draft->errors, ERRORS_USAGE, origin, key, "only a file can have this key");
		return;
	}
	if (!(option->flags & OPTION_LIST))
		section->texts[option - options] = NULL;
	draft_append_text(draft, section, option, text, origin);
}

/* Puts a key of [defaults] that wins over those of the files: into the first section, out of the others. */
static void draft_put_default(struct draft *draft, const char *key, const char *text, const char *origin)
{
	const struct option *option = options_find(OPTION_DEFAULTS, text_of(key));
	struct draft_section *section = draft->defaults;

	while (option != NULL && (section = draft_next(draft, section, OPTION_DEFAULTS)) != NULL)
		section->texts[option - options] = NULL;
	draft_put(draft, draft->defaults, key, text, origin);
}

/* Finds the section that a --set names; NULL when it is none, or not the only one. */
static struct draft_section *draft_find_section(const struct draft *draft, const char *heading)
{
	struct draft_section *section;
	enum option_section kind;
	struct text name;

	if (draft_split_heading(heading, &kind, &name) < 0)
		return NULL;
	section = draft_next(draft, NULL, kind);
	if (name.len == 0 && draft_has_name(kind))
		return section != NULL && draft_next(draft, section, kind) != NULL ? NULL : section;
	while (section != NULL && !text_is(name, section->name))
		section = draft_next(draft, section, kind);
	return section;
}

/* Finds the section that a key without one belongs to: the first kind of section that has such a key. */
static struct draft_section *draft_guess_section(const struct draft *draft, const char *key)
{
	static const enum option_section kinds[] = { OPTION_ROUTE, OPTION_LISTEN, OPTION_GATEWAY };

	for (size_t i = 0; i < 3; i++) {
		if (options_find(kinds[i], text_of(key)) != NULL)
			return draft_next(draft, NULL, kinds[i]);
	}
	return draft_next(draft, NULL, OPTION_ROUTE);
}

/* Says what the word of a --set must be: as an example with this key, if there is one. */
static void draft_reject_set(struct draft *draft, const char *key, bool bare, const char *origin)
{
	const struct draft_section *section = draft_guess_section(draft, key);

	if (bare)
		errors_add(draft->errors, ERRORS_USAGE, origin, "must be KEY=VALUE");
	else if (section == NULL || options_find(section->kind, text_of(key)) == NULL)
		errors_add(draft->errors, ERRORS_USAGE, origin,
			"must be SECTION.KEY=VALUE, such as --set gateway.workers=2");
	else if (section->kind == OPTION_ROUTE)
		errors_add(draft->errors, ERRORS_USAGE, origin,
			"must be SECTION.KEY=VALUE, such as --set \"route %.100s.%s=VALUE\", or --set "
			"defaults.%s=VALUE for routes without one",
			section->name, key, key);
	else
		errors_add(draft->errors, ERRORS_USAGE, origin,
			"must be SECTION.KEY=VALUE, such as --set \"%s%s%.100s.%s=VALUE\"",
			options_section_name(section->kind), section->name[0] ? " " : "", section->name, key);
}

/* Splits the word at the last dot before its first equals sign: a heading may hold dots, a key does not. */
void draft_set(struct draft *draft, const char *word, bool bare)
{
	const char *equals = strchr(word, '=');
	size_t head = equals != NULL ? (size_t)(equals - word) : strlen(word);
	const char *dot = memrchr(word, '.', head);
	char *origin = pool_printf(&draft->pool, "--set %.*s", (int)head, word);
	const char *from = dot != NULL ? dot + 1 : word;
	char *heading, *key;
	struct draft_section *section;

	heading = pool_copy(&draft->pool, (struct text){ word, dot != NULL ? (size_t)(dot - word) : 0 });
	key = pool_copy(&draft->pool, text_trim((struct text){ from, (size_t)(word + head - from) }));
	if (origin == NULL || heading == NULL || key == NULL)
		return;
	if (equals == NULL || (dot == NULL && !bare)) {
		draft_reject_set(draft, key, bare, origin);
		return;
	}
	section = dot != NULL ? draft_find_section(draft, heading) : draft_guess_section(draft, key);
	if (section == NULL)
		errors_add(draft->errors, ERRORS_USAGE, origin,
			"there is no section [%.200s], or more than one", heading);
	else if (section->kind == OPTION_DEFAULTS)
		draft_put_default(draft, key, equals + 1, origin);
	else
		draft_put(draft, section, key, equals + 1, origin);
}

/* Walks on to the next section of the kind. */
struct draft_section *draft_next(
	const struct draft *draft, const struct draft_section *from, enum option_section kind)
{
	struct draft_section *section = from != NULL ? from->next : draft->defaults;

	while (section != NULL && section->kind != kind)
		section = section->next;
	return section;
}

/* Prefers the section's own texts to those of the last [defaults] before it. */
const struct draft_text *draft_lookup(
	const struct draft *draft, const struct draft_section *section, const struct option *option)
{
	const struct draft_text *texts = section->texts[option - options];
	const struct draft_section *at = draft->defaults;

	if (texts != NULL || section->kind != OPTION_ROUTE)
		return texts;
	for (; at != NULL && at != section; at = at->next) {
		if (at->kind == OPTION_DEFAULTS && at->texts[option - options] != NULL)
			texts = at->texts[option - options];
	}
	return texts;
}

/* Skips the empty ones. */
const struct draft_text *draft_given(
	const struct draft *draft, const struct draft_section *section, const char *key)
{
	const struct option *option = options_find(section->kind, text_of(key));
	const struct draft_text *text;

	must(option != NULL);
	for (text = draft_lookup(draft, section, option); text != NULL && !text->text[0]; text = text->next)
		;
	return text;
}

/* Looks first. */
void draft_fill(struct draft *draft, struct draft_section *section, const char *key, const char *text)
{
	if (draft_given(draft, section, key) == NULL)
		draft_put(draft, section, key, text, NULL);
}
