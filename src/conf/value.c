/*
 * value: plain text, and the kinds of values that are numbers underneath: yes or no, counts, times, sizes,
 * named choices, file modes, signals; and how any value is rejected and described. Every reader takes exactly
 * what its writer can write, and a few friendlier spellings. Pure but for the list of errors.
 */
#include "conf/value.h"

#include "base/must.h"
#include "conf/config.h"
#include "conf/options.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

/* A suffix and what it multiplies by, the largest first. */
struct value_unit {
	const char *suffix;
	uint64_t factor;
};

static const struct value_unit value_times[] = { { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 },
	{ NULL, 0 } };
static const struct value_unit value_sizes[] = { { "G", UINT64_C(1) << 30 }, { "M", UINT64_C(1) << 20 },
	{ "k", UINT64_C(1) << 10 }, { "", 1 }, { NULL, 0 } };
static const struct value_unit value_plain[] = { { "", 1 }, { NULL, 0 } };

static const struct option_word value_booleans[] = { { "no", 0 }, { "yes", 1 }, { "false", 0 }, { "true", 1 },
	{ "off", 0 }, { "on", 1 }, { NULL, 0 } };

/* Finds the field within the struct of its section. */
void *value_field(const struct option *option, void *conf)
{
	return (char *)conf + option->offset;
}

/* The same for who only looks. */
const void *value_field_const(const struct option *option, const void *conf)
{
	return (const char *)conf + option->offset;
}

/* Stores a number in a field of whatever width. */
static void value_store(const struct value *value, void *conf, uint64_t number)
{
	void *field = value_field(value->option, conf);

	must(value->option->size == sizeof(uint32_t) || value->option->size == sizeof(uint64_t));
	if (value->option->size == sizeof(uint32_t))
		*(uint32_t *)field = (uint32_t)number;
	else
		*(uint64_t *)field = number;
}

/* Reads it back. */
static uint64_t value_load(const struct option *option, const void *conf)
{
	const void *field = value_field_const(option, conf);

	if (option->size == sizeof(uint32_t))
		return *(const uint32_t *)field;
	return *(const uint64_t *)field;
}

/* Finds a choice by its name. */
static const struct option_word *value_find_word(const struct option_word *words, const char *name)
{
	while (words != NULL && words->word != NULL) {
		if (strcasecmp(words->word, name) == 0)
			return words;
		words++;
	}
	return NULL;
}

/* Finds the first name of a number. */
static const char *value_name_number(const struct option_word *words, uint64_t number)
{
	while (words != NULL && words->word != NULL) {
		if ((uint64_t)words->value == number)
			return words->word;
		words++;
	}
	return NULL;
}

/* Reads digits and a suffix; false when it is neither, or past 64 bits. A bare 0 needs no suffix. */
static bool value_read_units(const char *text, const struct value_unit *units, uint64_t *out)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t number;

	if (!text_to_u64((struct text){ text, digits }, UINT64_MAX, &number))
		return false;
	for (const struct value_unit *unit = units; unit->suffix != NULL; unit++) {
		if (strcasecmp(text + digits, unit->suffix) == 0)
			return !__builtin_mul_overflow(number, unit->factor, out);
	}
	*out = 0;
	return strcmp(text, "0") == 0;
}

/* Writes with the largest suffix that loses nothing. */
static int value_write_units(char *out, size_t size, const struct value_unit *units, uint64_t number)
{
	const struct value_unit *unit = units;

	if (number == 0)
		return snprintf(out, size, "0");
	while (number % unit->factor != 0)
		unit++;
	return snprintf(out, size, "%" PRIu64 "%s", number / unit->factor, unit->suffix);
}

/* The suffixes of a kind. */
static const struct value_unit *value_units(const struct option *option)
{
	if (option->type == &value_time)
		return value_times;
	return option->type == &value_size ? value_sizes : value_plain;
}

/* Describes a choice: "a, b or c". */
static size_t value_describe_words(const struct option_word *words, char *out, size_t size)
{
	size_t len = 0;

	for (; words->word != NULL; words++) {
		const char *joint = words[1].word == NULL ? "" : words[2].word == NULL ? " or " : ", ";

		len += (size_t)snprintf(out + len, size - len, "%s%s", words->word, joint);
		must(len < size);
	}
	return len;
}

/* Puts choices, kind and range into words. */
char *value_describe(const struct option *option, char out[VALUE_DESCRIBE])
{
	size_t len = 0;

	out[0] = '\0';
	if (option->words != NULL)
		len = value_describe_words(option->words, out, VALUE_DESCRIBE);
	if (option->type->what != NULL)
		len += (size_t)snprintf(
			out + len, VALUE_DESCRIBE - len, "%s%s", len ? " or " : "", option->type->what);
	if (option->max > 0 && option->type != &value_mode && option->type != &value_umask) {
		char min[32], max[32];

		value_write_units(min, sizeof(min), value_units(option), option->min);
		value_write_units(max, sizeof(max), value_units(option), option->max);
		len += (size_t)snprintf(out + len, VALUE_DESCRIBE - len, " from %s to %s", min, max);
	}
	must(len < VALUE_DESCRIBE);
	return out;
}

/* Says what would have been right; of a long text only the beginning. */
void value_reject(const struct value *value)
{
	char what[VALUE_DESCRIBE];

	value_complain(value, ERRORS_USAGE, "must be %s, not \"%.80s\"", value_describe(value->option, what),
		value->text);
}

/* Puts the key in front. */
void value_complain(const struct value *value, enum errors_kind kind, const char *format, ...)
{
	char words[768];
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	errors_add_key(value->errors, kind, value->origin, value->option->key, "%s", words);
}

/* Reads yes or no and its synonyms. */
static void value_parse_bool(const struct value *value, void *conf)
{
	const struct option_word *word = value_find_word(value_booleans, value->text);

	if (word == NULL)
		value_reject(value);
	else
		*(bool *)value_field(value->option, conf) = word->value;
}

/* Writes yes or no. */
static void value_format_bool(const struct option *option, const void *conf, size_t i, FILE *out)
{
	(void)i;
	fputs(*(const bool *)value_field_const(option, conf) ? "yes" : "no", out);
}

/* Reads a number, a time or a size, or the word that stands for one. */
static void value_parse_number(const struct value *value, void *conf)
{
	const struct option *option = value->option;
	const struct option_word *word = value_find_word(option->words, value->text);
	uint64_t number;

	if (word != NULL)
		value_store(value, conf, (uint64_t)word->value);
	else if (value_read_units(value->text, value_units(option), &number) && number >= option->min &&
		 number <= option->max)
		value_store(value, conf, number);
	else
		value_reject(value);
}

/* Writes it with a suffix, or the word. */
static void value_format_number(const struct option *option, const void *conf, size_t i, FILE *out)
{
	uint64_t number = value_load(option, conf);
	const char *word = value_name_number(option->words, number);
	char text[32];

	(void)i;
	if (word == NULL)
		value_write_units(text, sizeof(text), value_units(option), number);
	fputs(word != NULL ? word : text, out);
}

/* Stores the number of one of the option's words. */
static void value_take_word(const struct value *value, void *conf, const char *name)
{
	const struct option_word *word = value_find_word(value->option->words, name);

	if (word != NULL)
		value_store(value, conf, (uint64_t)word->value);
	else
		value_reject(value);
}

/* Reads one of the option's words. */
static void value_parse_word(const struct value *value, void *conf)
{
	value_take_word(value, conf, value->text);
}

/* Reads a signal's name, also with SIG in front. */
static void value_parse_signal(const struct value *value, void *conf)
{
	bool prefixed = strncasecmp(value->text, "SIG", 3) == 0;

	value_take_word(value, conf, value->text + (prefixed ? 3 : 0));
}

/* Reads an octal number. */
static void value_parse_mode(const struct value *value, void *conf)
{
	size_t digits = strspn(value->text, "01234567");
	uint64_t mode = 0;

	for (size_t i = 0; i < digits && mode <= value->option->max; i++)
		mode = mode * 8 + (uint64_t)(value->text[i] - '0');
	if (value->text[digits] || mode > value->option->max)
		value_reject(value);
	else
		value_store(value, conf, mode);
}

/* Writes four octal digits. */
static void value_format_mode(const struct option *option, const void *conf, size_t i, FILE *out)
{
	(void)i;
	fprintf(out, "%04" PRIo64, value_load(option, conf));
}

/* Keeps the text. */
static void value_parse_string(const struct value *value, void *conf)
{
	*(char **)value_field(value->option, conf) = pool_copy(value->pool, text_of(value->text));
}

/* Writes it as it is. */
void value_format_string(const struct option *option, const void *conf, size_t i, FILE *out)
{
	(void)i;
	fputs(*(char *const *)value_field_const(option, conf), out);
}

/* A string is one item, or none. */
size_t value_count_string(const struct option *option, const void *conf)
{
	return *(char *const *)value_field_const(option, conf) != NULL;
}

/* What is about TLS is not there without a certificate. */
static size_t value_count_tls(const struct option *option, const void *conf)
{
	const struct listen_conf *listen = conf;

	(void)option;
	return listen->tls_certificate.n > 0;
}

/* What is about the certificates of clients is not there without an authority. */
static size_t value_count_tls_client(const struct option *option, const void *conf)
{
	const struct listen_conf *listen = conf;

	(void)option;
	return listen->tls_client_ca != NULL;
}

/* A choice that may be left open. */
static size_t value_count_choice(const struct option *option, const void *conf)
{
	return value_load(option, conf) != 0;
}

/* A mask that may be left as it is. */
static size_t value_count_umask(const struct option *option, const void *conf)
{
	return value_load(option, conf) != (mode_t)-1;
}

const struct value_type value_string = { "text", value_parse_string, value_format_string,
	value_count_string };
const struct value_type value_bool = { "yes or no", value_parse_bool, value_format_bool, NULL };
const struct value_type value_number = { "a number", value_parse_number, value_format_number, NULL };
const struct value_type value_time = { "a time (500ms, 10s, 5m, 1h)", value_parse_number, value_format_number,
	NULL };
const struct value_type value_size = { "a size (4096, 64k, 1M)", value_parse_number, value_format_number,
	NULL };
const struct value_type value_word = { NULL, value_parse_word, value_format_number, NULL };
const struct value_type value_tls_word = { NULL, value_parse_word, value_format_number, value_count_tls };
const struct value_type value_tls_client = { NULL, value_parse_word, value_format_number,
	value_count_tls_client };
const struct value_type value_choice = { NULL, value_parse_word, value_format_number, value_count_choice };
const struct value_type value_signal = { NULL, value_parse_signal, value_format_number, value_count_choice };
const struct value_type value_mode = { "an octal file mode (0660)", value_parse_mode, value_format_mode,
	NULL };
const struct value_type value_umask = { "an octal file mode (0027)", value_parse_mode, value_format_mode,
	value_count_umask };
