/*
 * command: splits, quotes and finds commands. Owns the quoting rules and the search along
 * PATH; starts nothing. The environment and the file system are looked at when the configuration is read.
 */
#include "conf/command.h"

#include "conf/config.h"
#include "conf/options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where programs are looked for when PATH is unset. */
static const char command_path[] = "/usr/local/bin:/usr/bin:/bin";

/* A split under way: `out` holds the word so far and is never longer than the text. */
struct command_reader {
	const char *at;
	char *out;
	size_t len;
};

/* Adds one byte to the word. */
static void command_put(struct command_reader *reader, char byte)
{
	reader->out[reader->len++] = byte;
}

/* Reads what follows the backslash within $'...'. */
static int command_read_escape(struct command_reader *reader)
{
	static const char names[] = "nrte\\'\"", bytes[] = "\n\r\t\033\\'\"";
	const char *name = *reader->at ? strchr(names, *reader->at) : NULL;
	int high, low;

	if (name != NULL) {
		command_put(reader, bytes[name - names]);
		reader->at++;
		return 0;
	}
	if (*reader->at != 'x')
		return -EINVAL;
	high = text_hex_digit(reader->at[1]);
	low = high < 0 ? -1 : text_hex_digit(reader->at[2]);
	if (low < 0 || high + low == 0)
		return -EINVAL;
	command_put(reader, (char)(high * 16 + low));
	reader->at += 3;
	return 0;
}

/* Reads up to the quote that ends this one; `kind` is its first character. */
static int command_read_quoted(struct command_reader *reader, char kind)
{
	char end = kind == '"' ? '"' : '\'';

	while (*reader->at != end) {
		char c = *reader->at;

		if (!c)
			return -EINVAL;
		reader->at++;
		if (c == '\\' && kind == '$') {
			if (command_read_escape(reader) < 0)
				return -EINVAL;
			continue;
		}
		if (c == '\\' && kind == '"' && *reader->at && strchr("\"\\$`", *reader->at) != NULL)
			c = *reader->at++;
		command_put(reader, c);
	}
	reader->at++;
	return 0;
}

/* Reads one word, up to white space outside of quotes. */
static int command_read_word(struct command_reader *reader)
{
	int error = 0;

	reader->len = 0;
	while (!error && *reader->at && *reader->at != ' ' && *reader->at != '\t') {
		char c = *reader->at++;

		if (c == '\'' || c == '"') {
			error = command_read_quoted(reader, c);
		} else if (c == '$' && *reader->at == '\'') {
			reader->at++;
			error = command_read_quoted(reader, c);
		} else if (c == '\\') {
			error = *reader->at ? 0 : -EINVAL;
			if (!error)
				command_put(reader, *reader->at++);
		} else {
			command_put(reader, c);
		}
	}
	return error;
}

/* Splits word after word. */
int command_split(struct pool *pool, const char *text, struct conf_list *words)
{
	struct command_reader reader = { .at = text, .out = malloc(strlen(text) + 1) };
	int error = reader.out != NULL ? 0 : -ENOMEM;

	while (!error) {
		reader.at += strspn(reader.at, " \t");
		if (!*reader.at)
			break;
		error = command_read_word(&reader);
		if (!error)
			pool_append(pool, words, pool_copy(pool, (struct text){ reader.out, reader.len }));
	}
	free(reader.out);
	return error;
}

/* Whether a shell, too, would take the word as it is. */
static bool command_is_plain(const char *word)
{
	return *word && strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				     "%+,-./:=@_") == strlen(word);
}

/* Writes control characters as escapes, and everything else between plain quotes. */
void command_quote(const char *word, FILE *out)
{
	bool escape = false;

	if (command_is_plain(word)) {
		fputs(word, out);
		return;
	}
	for (const char *at = word; *at; at++)
		escape |= (unsigned char)*at < 0x20 || *at == 0x7f || *at == '\'';
	fputs(escape ? "$'" : "'", out);
	for (; *word; word++) {
		if (escape && ((unsigned char)*word < 0x20 || *word == 0x7f))
			fprintf(out, "\\x%02x", (unsigned)*word);
		else
			fprintf(out, "%s%c", escape && strchr("\\'", *word) != NULL ? "\\" : "", *word);
	}
	fputc('\'', out);
}

/* Looks whether a path is a program that we may run. Returns 0 or -errno. */
static int command_check(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	if (!(st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)))
		return -ENOEXEC;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

/* Makes a path absolute, since a program may be started in a directory of its own. */
static int command_make_absolute(struct pool *pool, const char *path, char **out)
{
	char *here = path[0] == '/' ? NULL : getcwd(NULL, 0);

	if (path[0] != '/' && here == NULL)
		return -errno;
	*out = pool_printf(pool, "%s%s%s", here != NULL ? here : "", here != NULL ? "/" : "", path);
	free(here);
	return *out != NULL ? 0 : -ENOMEM;
}

/* Tries each directory of PATH; one that is there but not executable is remembered as the reason. */
static int command_search(struct pool *pool, const char *word, char **path)
{
	const char *from_env = getenv("PATH");
	const char *dir = from_env != NULL ? from_env : command_path;
	int error = -ENOENT;

	for (;;) {
		size_t len = strcspn(dir, ":");
		char *candidate = pool_printf(pool, "%.*s/%s", len ? (int)len : 1, len ? dir : ".", word);
		int found = candidate != NULL ? command_check(candidate) : -ENOMEM;

		if (found == 0)
			return command_make_absolute(pool, candidate, path);
		if (found == -EACCES || found == -ENOEXEC)
			error = found;
		if (!dir[len])
			return error;
		dir += len + 1;
	}
}

/* Takes a word with a slash as it is. */
int command_find(struct pool *pool, const char *word, char **path)
{
	int error;

	if (strchr(word, '/') == NULL)
		return *word ? command_search(pool, word, path) : -ENOENT;
	error = command_check(word);
	return error ? error : command_make_absolute(pool, word, path);
}

/* Reads exec: the words, and the program that they begin with. */
static void command_parse(const struct value *value, void *conf)
{
	struct route_conf *route = conf;
	const char *name;
	int error = command_split(value->pool, value->text, &route->exec);

	if (error == -EINVAL) {
		value_complain(
			value, ERRORS_USAGE, "a quote or a backslash is not ended in %.80s", value->text);
		return;
	}
	if (error || value->pool->failed || route->exec.n == 0)
		return;
	name = route->exec.items[0];
	error = command_find(value->pool, name, &route->exec_path);
	if (error == -ENOENT && strchr(name, '/') == NULL)
		value_complain(value, ERRORS_FAILED, "%.200s: command not found%s", name,
			strpbrk(name, " |<>;&") != NULL
				? "; no shell reads it, and words in one pair of quotes are one word"
				: "");
	else if (error)
		value_complain(value, ERRORS_FAILED, "%.200s: %s", name,
			error == -ENOEXEC ? "not executable (chmod +x)" : strerror(-error));
}

/* Writes the words, quoted where they have to be. */
static void command_format(const struct option *option, const void *conf, size_t i, FILE *out)
{
	const struct route_conf *route = conf;

	(void)option;
	(void)i;
	for (size_t word = 0; word < route->exec.n; word++) {
		if (word > 0)
			fputc(' ', out);
		command_quote(route->exec.items[word], out);
	}
}

/* A command is one item, or none. */
static size_t command_count(const struct option *option, const void *conf)
{
	(void)option;
	return ((const struct route_conf *)conf)->exec.n > 0;
}

const struct value_type command_value = { "a command, its words quoted as for a shell", command_parse,
	command_format, command_count };
