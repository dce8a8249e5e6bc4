/*
 * fuzz_targetfile: any bytes as a file of targets. Its lines, with their ends, are the file again; what a
 * line stands for is what a second, slow reader finds by websockify's rules; and a line written of what was
 * read is read as the same. Each line is in memory of its own, as long as it is.
 */
#include "base/must.h"
#include "conf/targetfile.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy without the blanks around it, NUL-terminated; the caller frees. */
static char *fuzz_trimmed(const char *text, size_t len)
{
	size_t start = 0;

	while (len > 0 && memchr(" \t", text[len - 1], 2) != NULL)
		len--;
	while (start < len && memchr(" \t", text[start], 2) != NULL)
		start++;
	char *copy = calloc(1, len - start + 1);
	must(copy != NULL);
	memcpy(copy, text + start, len - start);
	return copy;
}

/* The port behind the last colon must be the upstream's, and the host before it too. */
static void fuzz_check_place(const struct upstream *upstream, const char *target)
{
	const char *colon = strrchr(target, ':');
	must(colon != NULL && atoi(colon + 1) == upstream->name.port && upstream->name.port > 0);
	size_t len = (size_t)(colon - target);

	if (len > 1 && target[0] == '[') {
		must(target[len - 1] == ']');
		target++;
		len -= 2;
	}
	const char *host = len > 0 ? target : "localhost";
	len = len > 0 ? len : strlen(host);
	must(strlen(upstream->name.host) == len && strncasecmp(upstream->name.host, host, len) == 0);
}

/* The URI must be that of the target. */
static void fuzz_check_target(const struct targetfile_line *line, const char *target)
{
	const struct upstream *upstream = &line->upstream;
	bool is_unix = strncmp(target, "unix:", 5) == 0 || strncmp(target, "unix_socket:", 12) == 0;
	const char *scheme = strstr(target, "://");

	must((upstream->name.kind == ADDR_UNIX) == is_unix && upstream->uri == line->uri);
	if (is_unix) {
		must(strcmp(upstream->name.path, strchr(target, ':') + 1) == 0);
		must(strncmp(line->uri, "unix:", 5) == 0 && strcmp(line->uri + 5, upstream->name.path) == 0);
		return;
	}
	must(scheme == NULL || strcmp(line->uri, target) == 0);
	must(scheme == NULL || scheme == target + 3);
	must(upstream->tls == (strncmp(target, "tls://", 6) == 0));
	fuzz_check_place(upstream, scheme != NULL ? scheme + 3 : target);
}

/* Token and URI in a line of our own, with blanks around, are the same. */
static void fuzz_check_again(const struct targetfile_line *line)
{
	char text[4 * TARGETFILE_URI + 4096];
	struct targetfile_line again;

	if (line->token.len > 4096)
		return;
	int len = snprintf(text, sizeof(text), "\t%.*s: \t%s ", TEXT_ARG(line->token), line->uri);
	must(targetfile_read(&again, (struct text){ text, (size_t)len }) == NULL);
	must(text_equal(again.token, line->token) && strcmp(again.uri, line->uri) == 0);
}

/* One that holds a token and a target, by the slow reader. */
static void fuzz_check_words(const struct targetfile_line *line, const char *wrong, const char *text)
{
	const char *end = text;

	while (*end != '\0' && !(*end == ':' && (end[1] == ' ' || end[1] == '\t')))
		end++;
	char *token = fuzz_trimmed(text, (size_t)(end - text));
	char *target = fuzz_trimmed(*end != '\0' ? end + 1 : end, strlen(end) - (*end != '\0'));

	must((target[0] != '\0' && token[0] != '\0') || wrong != NULL);
	if (wrong == NULL) {
		must(text_is(line->token, token));
		fuzz_check_target(line, target);
		fuzz_check_again(line);
	}
	free(token);
	free(target);
}

/* Any line. */
static void fuzz_check_line(struct text in)
{
	char *exact = malloc(in.len + !in.len), *text = fuzz_trimmed(in.ptr, in.len);
	struct targetfile_line line;
	bool binary = false;

	memcpy(exact, in.ptr, in.len);
	const char *wrong = targetfile_read(&line, (struct text){ exact, in.len });
	for (size_t i = 0; i < in.len; i++)
		binary = binary || ((unsigned char)in.ptr[i] < ' ' && in.ptr[i] != '\t') || in.ptr[i] == 0x7f;
	must(wrong == NULL || (line.token.len == 0 && wrong[0] != '\0'));
	if (text[0] == '#' || (text[0] == '\0' && !binary))
		must(wrong == NULL && line.token.len == 0);
	else if (binary)
		must(wrong != NULL);
	else
		fuzz_check_words(&line, wrong, text);
	free(exact);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text rest = { (const char *)data, size }, line;
	const char *at = rest.ptr;

	while (targetfile_next(&rest, &line)) {
		must(line.ptr == at && memchr(at, '\n', line.len) == NULL);
		at += line.len;
		at += at < rest.ptr && *at == '\r';
		at += at < rest.ptr && *at == '\n';
		must(at == rest.ptr);
		fuzz_check_line(line);
	}
	must(at == (const char *)data + size);
	return 0;
}
