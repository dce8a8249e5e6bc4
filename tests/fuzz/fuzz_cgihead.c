/*
 * fuzz_cgihead: any bytes as what a CGI program writes. The scan must say the same whatever the pieces, and
 * what a plain walk over the lines says; the parser accepts what regular expressions of RFC 3875's grammar
 * accept and nothing else, and hands out what stands there. The first byte says where to cut.
 */
#include "base/must.h"
#include "http/cgihead.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Scans with a first call for `cut` bytes, then `step` more at a time. */
static long fuzz_scan(const char *buf, size_t len, size_t cut, size_t step)
{
	struct cgihead_scan scan = { 0 };
	long result = cgihead_scan(&scan, buf, cut);

	while (result == 0 && cut < len) {
		cut = len - cut < step ? len : cut + step;
		result = cgihead_scan(&scan, buf, cut);
	}
	return result;
}

/* Walks over the lines. Returns the length of the head, 0 when its end is not there yet, -1 for none. */
static long fuzz_walk(const char *buf, size_t len)
{
	size_t at = 0, limit = len < CGIHEAD_MAX ? len : CGIHEAD_MAX;

	for (int n = 0;; n++) {
		size_t end = at;

		while (end < limit && ((unsigned char)buf[end] >= ' ' || buf[end] == '\t') &&
			buf[end] != 0x7f)
			end++;
		if (end > at && (n == CGIHEAD_HEADERS_MAX || buf[at] == ' ' || buf[at] == '\t'))
			return -1;
		size_t next = end + (end < limit && buf[end] == '\r');
		if (next == limit)
			return len < CGIHEAD_MAX ? 0 : -1;
		if (buf[next] != '\n')
			return -1;
		if (end == at)
			return (long)next + 1;
		at = next + 1;
	}
}

/* Matches all of a string; groups as they are counted in the expression. */
static bool fuzz_match(const char *expression, const char *text, regmatch_t groups[4])
{
	static struct {
		const char *expression;
		regex_t compiled;
	} known[8];
	size_t i = 0;

	while (known[i].expression != NULL && known[i].expression != expression)
		i++;
	if (known[i].expression == NULL)
		must(regcomp(&known[i].compiled, expression, REG_EXTENDED | REG_ICASE) == 0);
	known[i].expression = expression;
	return regexec(&known[i].compiled, text, 4, groups, 0) == 0;
}

static const char fuzz_header[] = "^([-!#$%&'*+.^_`|~0-9A-Z]+):[ \t]*([^ \t](.*[^ \t])?)?[ \t]*$";
static const char fuzz_status[] = "^([2-5][0-9][0-9])( .*)?$";
static const char fuzz_location[] = "^(/|[A-Z][-A-Z0-9+.]*:[!-~])[!-~]*$";
static const char fuzz_target[] = "^/([!\"$&-~]|%([1-9A-F][0-9A-F]|0[1-9A-F]))*$";
static const char fuzz_length[] = "^0*[0-9]{1,16}$";
static const char fuzz_ours[] =
	"^(Connection|Date|Keep-Alive|Proxy-.*|TE|Trailer|Transfer-Encoding|Upgrade)$";

/* What a slow reader makes of a head. */
struct fuzz_model {
	char *status, *location, *type, *length;
	char *names[CGIHEAD_HEADERS_MAX], *values[CGIHEAD_HEADERS_MAX];
	size_t n, n_lines;
};

/* Keeps a value that may come once. */
static bool fuzz_keep(char **field, char *value)
{
	bool first = *field == NULL;

	*field = value;
	return first;
}

/* Reads a line that is a string, and cuts it. False when no head has it there. */
static bool fuzz_read_line(struct fuzz_model *model, char *line)
{
	static char none[] = "";
	regmatch_t at[4];
	char *name = line, *value;

	if (!fuzz_match(fuzz_header, line, at))
		return false;
	value = at[2].rm_so < 0 ? none : line + at[2].rm_so;
	line[at[1].rm_eo] = '\0';
	if (at[2].rm_so >= 0)
		line[at[2].rm_eo] = '\0';
	model->n_lines++;
	if (strcasecmp(name, "Status") == 0)
		return fuzz_keep(&model->status, value) && fuzz_match(fuzz_status, value, at);
	if (strcasecmp(name, "Location") == 0)
		return fuzz_keep(&model->location, value) && fuzz_match(fuzz_location, value, at);
	if (strcasecmp(name, "Content-Type") == 0)
		return fuzz_keep(&model->type, value) && value[0] != '\0';
	if (strcasecmp(name, "Content-Length") == 0)
		return fuzz_keep(&model->length, value) && fuzz_match(fuzz_length, value, at) &&
		       strtoull(value, NULL, 10) <= 1ULL << 53;
	if (!fuzz_match(fuzz_ours, name, at)) {
		model->names[model->n] = name;
		model->values[model->n++] = value;
	}
	return true;
}

/* Reads a whole head, in a copy that is a string. */
static bool fuzz_read(struct fuzz_model *model, char *copy)
{
	char *line = copy, *end;

	*model = (struct fuzz_model){ 0 };
	for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		*end = '\0';
		if (end > line && end[-1] == '\r')
			end[-1] = '\0';
		if (line[0] == '\0')
			break;
		if (!fuzz_read_line(model, line))
			return false;
	}
	return model->status != NULL || model->location != NULL || model->type != NULL;
}

/* A text lies within the head, is this, and would not leave its line in a response. */
static void fuzz_check_text(struct text in, const char *want, const char *head, size_t len)
{
	must(text_is(in, want == NULL ? "" : want));
	must(in.len == 0 || (in.ptr >= head && in.ptr + in.len <= head + len));
	for (size_t i = 0; i < in.len; i++)
		must((unsigned char)in.ptr[i] >= ' ' || in.ptr[i] == '\t');
}

/* What was accepted says what stands there. */
static void fuzz_check(const struct cgihead *out, const struct fuzz_model *want, const char *head, size_t len)
{
	int status = want->status != NULL ? atoi(want->status) : want->location != NULL ? 302 : 200;
	regmatch_t at[4];

	must(out->status == status);
	must(out->has_content == (status != 204 && status != 205 && status != 304));
	const char *reason = want->status == NULL ? "" : want->status + 3;
	fuzz_check_text(out->reason, reason + strspn(reason, " \t"), head, len);
	fuzz_check_text(out->location, want->location, head, len);
	fuzz_check_text(out->type, want->type, head, len);
	must(out->local == (want->n_lines == 1 && want->location != NULL &&
				   fuzz_match(fuzz_target, want->location, at)));
	must(out->has_length == (want->length != NULL));
	must(out->length == (want->length == NULL ? 0 : strtoull(want->length, NULL, 10)));
	must(out->n_headers == want->n);
	for (size_t i = 0; i < want->n; i++) {
		fuzz_check_text(out->headers[i].name, want->names[i], head, len);
		fuzz_check_text(out->headers[i].value, want->values[i], head, len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cgihead head;
	struct fuzz_model want;
	size_t len;
	long whole;

	if (size < 1)
		return 0;
	len = size - 1;
	char *buf = malloc(len + 1), *copy = malloc(len + 1);
	must(buf != NULL && copy != NULL);
	memcpy(buf, data + 1, len);
	whole = fuzz_scan(buf, len, len, 1);
	must(fuzz_scan(buf, len, len * data[0] / 255, len) == whole);
	must(fuzz_scan(buf, len, 0, 1) == whole);
	must(whole >= CGIHEAD_NO_FIELD && whole <= (long)len && whole <= CGIHEAD_MAX);
	long walked = fuzz_walk(buf, len);
	must(walked < 0 ? whole < 0 : whole == walked);
	if (whole > 0) {
		len = (size_t)whole;
		buf = realloc(buf, len); /* so that the sanitizer sees a read past the head */
		memcpy(copy, buf, len);
		copy[len] = '\0';
	}
	int error = cgihead_parse(&head, buf, len);
	must(error == 0 || (error < 0 && strlen(cgihead_reason(error)) > 10));
	must(whole > 0 ? fuzz_read(&want, copy) == (error == 0)
		       : error == (whole < 0 ? (int)whole : CGIHEAD_BAD_LINE));
	if (error == 0)
		fuzz_check(&head, &want, buf, len);
	free(copy);
	free(buf);
	return 0;
}
