/*
 * place: the kinds of values that are places: files and directories, where the log
 * goes, where a visitor is sent. Looks at the file system when the configuration is read; resolves no host
 * name.
 */
#include "conf/place.h"

#include "base/authority.h"
#include "base/chars.h"
#include "conf/config.h"
#include "conf/items.h"
#include "conf/options.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The string that an option is stored in. */
static char **place_string(const struct option *option, void *conf)
{
	return value_field(option, conf);
}

/* Reads a directory, which has to be there, and open to who reads this. */
static void place_parse_directory(const struct value *value, void *conf)
{
	struct stat st;

	if (stat(value->text, &st) < 0)
		value_complain(value, ERRORS_FAILED, "%.500s: %s", value->text, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		value_complain(value, ERRORS_FAILED, "%.500s: %s", value->text, strerror(ENOTDIR));
	else if (faccessat(AT_FDCWD, value->text, X_OK, AT_EACCESS) < 0)
		value_complain(value, ERRORS_FAILED, "%.500s: %s", value->text, strerror(errno));
	else
		*place_string(value->option, conf) = pool_copy(value->pool, text_of(value->text));
}

/* Reads the name of a file or directory; it has to be there. */
static void place_parse_targets(const struct value *value, void *conf)
{
	if (access(value->text, R_OK) < 0)
		value_complain(value, ERRORS_FAILED, "%.500s: %s", value->text, strerror(errno));
	else
		*place_string(value->option, conf) = pool_copy(value->pool, text_of(value->text));
}

/* Can this file of a listener be read? A mistake is added when not. */
static bool place_is_readable(const struct value *value)
{
	struct stat st = { 0 };
	int fd = open(value->text, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int error = fd < 0 || fstat(fd, &st) < 0 ? errno : S_ISDIR(st.st_mode) ? EISDIR : 0;

	if (fd >= 0)
		close(fd);
	if (error != 0)
		value_complain(value, ERRORS_LISTEN, "%.500s: %s", value->text, strerror(error));
	return error == 0;
}

/* Reads a file's name; it has to be there. */
static void place_parse_file(const struct value *value, void *conf)
{
	if (place_is_readable(value))
		*place_string(value->option, conf) = pool_copy(value->pool, text_of(value->text));
}

/* The same for a list; one that can't be read is in it too, so that pairs are still pairs. */
static void place_parse_files(const struct value *value, void *conf)
{
	place_is_readable(value);
	pool_append(
		value->pool, value_field(value->option, conf), pool_copy(value->pool, text_of(value->text)));
}

/* Reads stderr, syslog or file:PATH. */
static void place_parse_log_target(const struct value *value, void *conf)
{
	struct gateway_conf *gateway = conf;

	if (strcmp(value->text, "stderr") == 0)
		gateway->log_target = LOG_TARGET_STDERR;
	else if (strcmp(value->text, "syslog") == 0)
		gateway->log_target = LOG_TARGET_SYSLOG;
	else if (strncmp(value->text, "file:", 5) == 0 && value->text[5] != '\0') {
		gateway->log_target = LOG_TARGET_FILE;
		gateway->log_file = pool_copy(value->pool, text_of(value->text + 5));
	} else
		value_reject(value);
}

/* Writes it as it is read. */
static void place_format_log_target(const struct option *option, const void *conf, size_t i, FILE *out)
{
	const struct gateway_conf *gateway = conf;
	(void)option;
	(void)i;
	if (gateway->log_target == LOG_TARGET_FILE)
		fprintf(out, "file:%s", gateway->log_file);
	else
		fputs(gateway->log_target == LOG_TARGET_SYSLOG ? "syslog" : "stderr", out);
}

/* Is it nothing, or a colon and a port? */
static bool place_is_port(struct text rest)
{
	uint64_t port;

	return rest.len == 0 ||
	       (rest.ptr[0] == ':' && text_to_u64(text_slice(rest, 1), UINT16_MAX, &port) && port > 0);
}

/* Is this a base URL: http or https, a host or "*", perhaps a port and a path? `star` says which of the two.
 */
static bool place_is_base_url(const char *url, bool *star)
{
	size_t scheme = strncmp(url, "https://", 8) == 0 ? 8 : strncmp(url, "http://", 7) == 0 ? 7 : 0;
	struct text authority = { url + scheme, strcspn(url + scheme, "/") };
	struct authority parsed;

	if (scheme == 0 || !chars_all(text_of(url), CHARS_TARGET) || strchr(url, '?') != NULL)
		return false;
	*star = authority.ptr[0] == '*';
	if (*star)
		return place_is_port(text_slice(authority, 1));
	return authority_parse(&parsed, authority) && authority_port(parsed.port, 1) > 0;
}

/* Reads a base URL; a slash at its end is dropped, since the path of a request begins with one. */
static void place_parse_redirect(const struct value *value, void *conf)
{
	struct listen_conf *listen = conf;
	struct text url = text_of(value->text);

	while (url.len > 0 && url.ptr[url.len - 1] == '/')
		url.len--;
	char *copy = pool_copy(value->pool, url);
	if (copy == NULL)
		return;
	if (place_is_base_url(copy, &listen->redirect_star))
		listen->redirect_to = copy;
	else
		value_reject(value);
}

const struct value_type place_targets = { "a file or a directory", place_parse_targets, value_format_string,
	value_count_string };
const struct value_type place_directory = { "a directory", place_parse_directory, value_format_string,
	value_count_string };
const struct value_type place_file = { "a file", place_parse_file, value_format_string, value_count_string };
const struct value_type place_files = { "a file", place_parse_files, items_format, items_count };
const struct value_type place_log_target = { "stderr, syslog or file:PATH", place_parse_log_target,
	place_format_log_target, NULL };
const struct value_type place_redirect = { "a base URL (https://example.org, https://*:8443)",
	place_parse_redirect, value_format_string, value_count_string };
/* The file's reader follows these itself. */
const struct value_type place_include = { "a path; * ? [...] are patterns", NULL, NULL, NULL };
