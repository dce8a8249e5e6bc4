/*
 * value: the kinds of values that a key can have. Each kind is read from text, written back so that it reads
 * to the same, and described in words; the rows of conf/options.h name the kind.
 */
#ifndef CONF_VALUE_H
#define CONF_VALUE_H

#include "conf/errors.h"

#include <stdio.h>

struct option;

/* One text to be read. */
struct value {
	struct pool *pool; /* owns what is stored */
	struct conf_errors *errors;
	const struct option *option;
	const char *text;   /* trimmed, not empty, no control character but tab */
	const char *origin; /* "FILE:LINE" or "--port", or NULL */
};

struct value_type {
	/* What a value is, in words: "a size (4096, 64k, 1M)". NULL: one of the option's words. */
	const char *what;
	/* Stores the value in the section's struct, or adds it to a list there; a mistake goes to
	 * value->errors. */
	void (*parse)(const struct value *value, void *conf);
	/* Writes the i-th item as it is written in a file. */
	void (*format)(const struct option *option, const void *conf, size_t i, FILE *out);
	/* How many items there are; NULL: one. */
	size_t (*count)(const struct option *option, const void *conf);
};

/* The kinds that are numbers underneath; the others are in conf/command.h, conf/items.h, conf/lists.h,
 * conf/place.h and conf/upstream.h. */
extern const struct value_type value_bool, value_number, value_time, value_size, value_word, value_mode,
	value_signal;
/* The same as value_word for keys of a listener that mean nothing without a certificate, or without an
 * authority of clients: not there then. */
extern const struct value_type value_tls_word, value_tls_client;
/* The same as value_word where 0 is unset and has no word; as value_mode where (mode_t)-1 is unset. */
extern const struct value_type value_choice, value_umask;
/* Text as it is. */
extern const struct value_type value_string;

/* The writer and the counter of every kind that is stored as one string. */
void value_format_string(const struct option *option, const void *conf, size_t i, FILE *out);
size_t value_count_string(const struct option *option, const void *conf);

/* Adds "KEY: must be WHAT, not TEXT". */
void value_reject(const struct value *value);
/* Adds "KEY: ..." of a value that can't be taken for a better reason. */
void value_complain(const struct value *value, enum errors_kind kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* What a key's value is, with its words and range. Returns out. */
enum { VALUE_DESCRIBE = 256 };
char *value_describe(const struct option *option, char out[VALUE_DESCRIBE]);

/* Where an option is stored in the struct of its section. */
void *value_field(const struct option *option, void *conf);
const void *value_field_const(const struct option *option, const void *conf);

#endif
