/*
 * dump: writes a snapshot as a file that reads back to the same (--dump), and the file of all options at
 * their defaults (--help-config, etc/wsluice.ini). Knows the form of a file; keys and values come from the
 * options table.
 */
#include "conf/dump.h"

#include "conf/check.h"
#include "conf/expand.h"
#include "conf/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DUMP_WIDTH = 90 };

static const char dump_head[] =
	"# wsluice.ini: every option, commented out, at its default.\n"
	"#\n"
	"# `wsluice --config=FILE --check` tells every mistake in a file, `--dump` what it comes to.\n"
	"# A comment is a line that begins with # or ;. A line that begins with a space continues the\n"
	"# value above it. A key without a value has its default. ${NAME} in a value is a variable of\n"
	"# the environment, %d in a path systemd's directory of credentials.\n";

static const char *const dump_headings[] = {
	[OPTION_GATEWAY] = "\n[gateway]\n",
	[OPTION_LISTEN] = "\n# NAME is what routes call it.\n#[listen NAME]\n",
	[OPTION_ROUTE] =
		"\n# PATH is exact (/vnc) or a prefix (/files/*), with a host in front if it is for that\n"
		"# host only (example.org/vnc). Any of these keys may also stand in a section\n"
		"# [defaults]: there they hold for all routes after it.\n#[route PATH]\n",
};

/* Writes one line of a key, its value quoted where the reader would replace something. */
static bool dump_item(const struct option *option, const void *conf, size_t i, FILE *out)
{
	char *bytes = NULL;
	size_t len;
	FILE *value = open_memstream(&bytes, &len);
	bool good;

	if (value == NULL)
		return false;
	option->type->format(option, conf, i, value);
	good = fclose(value) == 0 && bytes != NULL;
	if (good) {
		fprintf(out, "%s = ", option->key);
		expand_quote(bytes, option->flags & OPTION_PATH, out);
		fputc('\n', out);
	}
	free(bytes);
	return good;
}

/* How many lines a key has; none if it is unset, or does nothing in this route: it may not be given there. */
static size_t dump_count(const struct option *option, const void *conf)
{
	if (option->section == OPTION_ROUTE && check_useless(conf, option) != NULL)
		return 0;
	return option->type->count ? option->type->count(option, conf) : 1;
}

/* Writes a section: every key, and an empty value for one without lines. */
static bool dump_section(enum option_section kind, const char *name, const void *conf, FILE *out)
{
	bool good = true;

	fprintf(out, "[%s%s%s]\n", options_section_name(kind), name != NULL ? " " : "",
		name != NULL ? name : "");
	for (size_t row = 0; row < options_n; row++) {
		const struct option *option = &options[row];
		size_t n;

		if (option->section != kind || option->flags & OPTION_FILE_ONLY)
			continue;
		n = dump_count(option, conf);
		if (n == 0)
			fprintf(out, "%s =\n", option->key);
		for (size_t i = 0; i < n; i++)
			good &= dump_item(option, conf, i, out);
	}
	return good;
}

/* Is there a listener that has TLS, and serves without it too? */
static bool dump_has_optional_tls(const struct config *config)
{
	bool found = false;

	for (size_t i = 0; i < config->n_listens; i++)
		found |= config->listens[i].tls_optional;
	return found;
}

/* Writes a comment for all that is set and that no key says: what is read back is without it. */
static void dump_lost(const struct config *config, FILE *out)
{
	const struct {
		bool set;
		const char *sentence;
	} lost[] = {
		{ config->same_origin,
			"--sameorigin has no key beside origins: pages of those are let in from here, too." },
		{ config->reverse_lookup,
			"--reverselookup has no key: REMOTE_HOST is an address where a file is served." },
		{ dump_has_optional_tls(config),
			"That TLS may be left out has no key: where a file is served, it may not." },
		{ config->run_once, "--run-once has no key: a file serves until it is stopped." },
		{ config->end_after_ms > 0, "--timeout has no key: a file serves until it is stopped." },
		{ config->end_idle_ms > 0, "--idle-timeout has no key: a file serves until it is stopped." },
		{ config->background, "--daemon has no key: a file is served in the foreground." },
	};

	if (config->manners->name != NULL)
		fprintf(out, "# The name %s has no key: %s of a file are wsluice's.\n", config->manners->name,
			config->manners->lost);
	for (size_t i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
		if (lost[i].set)
			fprintf(out, "# %s\n", lost[i].sentence);
	}
}

/* Writes all sections in their order. */
int dump_config(const struct config *config, FILE *out)
{
	bool good;

	dump_lost(config, out);
	good = dump_section(OPTION_GATEWAY, NULL, &config->gateway, out);

	for (size_t i = 0; i < config->n_listens; i++) {
		fputc('\n', out);
		good &= dump_section(OPTION_LISTEN, config->listens[i].name, &config->listens[i], out);
	}
	for (size_t i = 0; i < config->n_routes; i++) {
		fputc('\n', out);
		good &= dump_section(OPTION_ROUTE, config->routes[i].pattern, &config->routes[i], out);
	}
	return good ? 0 : -ENOMEM;
}

/* Writes sentences as comment lines that are not too long. */
static void dump_comment(const char *words, FILE *out)
{
	size_t column = 0;

	while (*words) {
		size_t len = strcspn(words, " ");

		if (column > 0 && column + 1 + len > DUMP_WIDTH) {
			fputc('\n', out);
			column = 0;
		}
		column += (size_t)fprintf(out, "%s%.*s", column ? " " : "# ", (int)len, words);
		words += len + (words[len] == ' ');
	}
	fputc('\n', out);
}

/* Writes a key, commented out: what it does, what it takes, what it is when nobody gives it. */
static void dump_option(const struct option *option, FILE *out)
{
	char what[VALUE_DESCRIBE], form[VALUE_DESCRIBE + 64];

	snprintf(form, sizeof(form), "Value: %s%s.", value_describe(option, what),
		option->flags & OPTION_LIST ? "; may be given several times" : "");
	fputc('\n', out);
	dump_comment(option->help, out);
	dump_comment(form, out);
	fprintf(out, "#%s =%s%s\n", option->key, option->otherwise[0] ? " " : "", option->otherwise);
}

/* Goes through the table; its rows are in the order of the sections. */
void dump_help(FILE *out)
{
	fputs(dump_head, out);
	for (size_t i = 0; i < options_n; i++) {
		if (i == 0 || options[i].section != options[i - 1].section)
			fputs(dump_headings[options[i].section], out);
		dump_option(&options[i], out);
	}
}
