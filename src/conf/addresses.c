/*
 * addresses: looks for an address that two listeners, or one twice, would listen on. Owns nothing; what an
 * address is, is base/addr.h's. Runs while a configuration is built.
 */
#include "conf/addresses.h"

#include "base/addr.h"

#include <string.h>

/* Are these two the same place? */
static bool addresses_is_same(const struct addr_name *a, const struct addr_name *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == ADDR_UNIX)
		return strcmp(a->path, b->path) == 0;
	if (a->kind == ADDR_SYSTEMD)
		return strcmp(a->host, b->host) == 0;
	return a->port != 0 && a->port == b->port && text_is_nocase(text_of(a->host), b->host);
}

/* Finds the first text that is the same address as this one; at the latest, that is this one itself. */
static const struct draft_text *addresses_find(
	const struct draft *draft, const struct draft_text *text, const struct addr_name *name)
{
	const struct draft_section *section = NULL;
	struct addr_name other;

	while ((section = draft_next(draft, section, OPTION_LISTEN)) != NULL) {
		const struct draft_text *at = draft_given(draft, section, "address");
		for (; at != NULL; at = at->next)
			if (at == text ||
				(addr_parse(&other, at->text) == 0 && addresses_is_same(&other, name)))
				return at;
	}
	return text;
}

/* Compares an address with those before it; one that can't be parsed has been complained about. */
static void addresses_check_one(struct draft *draft, const struct draft_text *text)
{
	const struct draft_text *first;
	struct addr_name name;

	if (addr_parse(&name, text->text) != 0)
		return;
	first = addresses_find(draft, text, &name);
	if (first == text)
		return;
	errors_add_key(draft->errors, ERRORS_USAGE, text->origin, "address", "%.150s is there already%s%s%s",
		text->text, first->origin != NULL ? " (" : "", first->origin != NULL ? first->origin : "",
		first->origin != NULL ? ")" : "");
}

/* Goes through the listeners. */
void addresses_check(struct draft *draft)
{
	const struct draft_section *section = NULL;

	while ((section = draft_next(draft, section, OPTION_LISTEN)) != NULL) {
		const struct draft_text *text = draft_given(draft, section, "address");
		for (; text != NULL; text = text->next)
			addresses_check_one(draft, text);
	}
}
