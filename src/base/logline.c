/*
 * logline: formats one line of the log. Knows the three formats and the escaping, and nothing about where
 * lines go. Pure: UTC, no locale, no allocation. Any thread.
 */
#include "base/logline_internal.h"

#include "base/calendar.h"
#include "base/must.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LOGLINE_UNIT = 12 }; /* the longest escape: two surrogates */

/* Each level in the three formats, and its priority in syslog(3). */
static const struct {
	const char *text, *name;
	int priority;
} LOGLINE_LEVELS[] = {
	[LOG_ERROR] = { "ERROR", "error", 3 },
	[LOG_WARNING] = { "WARN ", "warning", 4 },
	[LOG_INFO] = { "INFO ", "info", 6 },
	[LOG_DEBUG] = { "DEBUG", "debug", 7 },
	[LOG_TRACE] = { "TRACE", "trace", 7 },
};

/* Looks it up. */
int logline_priority(enum log_level level)
{
	return LOGLINE_LEVELS[level].priority;
}

/* Adds all of the bytes, or none and the line is cut. */
bool logline_add(struct logline *line, const char *bytes, size_t len)
{
	if (line->cut || len > line->room - line->len) {
		line->cut = true;
		return false;
	}
	memcpy(line->out + line->len, bytes, len);
	line->len += len;
	return true;
}

/* Adds a short formatted piece, whole or not at all. */
bool logline_addf(struct logline *line, const char *format, ...)
{
	char piece[LOGLINE_MIN];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(piece, sizeof(piece), format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(piece))
		line->cut = true;
	return logline_add(line, piece, line->cut ? 0 : (size_t)len);
}

/* Adds a string. */
static bool logline_add_string(struct logline *line, const char *string)
{
	return logline_add(line, string, strlen(string));
}

/* Adds a number, of `width` digits at least. By hand, as all that is in most lines: printf takes ten times as
 * long, and a line that each session has was half of what the session cost apart from the kernel. */
static bool logline_add_number(struct logline *line, uint64_t number, size_t width)
{
	char digits[20], *at = digits + sizeof(digits);

	for (; number > 0 || width > 0; number /= 10, width -= width > 0)
		*--at = (char)('0' + number % 10);
	return logline_add(line, at, (size_t)(digits + sizeof(digits) - at));
}

/* Whether the byte is written as it is between quotes. */
static bool logline_is_plain(char c)
{
	return c >= 0x20 && c <= 0x7e && c != '"' && c != '\\';
}

/* Decodes the character of two bytes or more that `in` begins with (RFC 3629); 0 when it is not one. */
static size_t logline_decode_utf8(struct text in, uint32_t *out)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char lead = (unsigned char)in.ptr[0];
	size_t len = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
	uint32_t c;

	if (len == 0 || in.len < len)
		return 0;
	c = lead & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		unsigned char next = (unsigned char)in.ptr[i];

		if ((next & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (next & 0x3f);
	}
	if (c < least[len] || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
		return 0;
	*out = c;
	return len;
}

/* Takes one character off `in` and writes it, escaped if need be; returns the length written. */
static size_t logline_escape_unit(struct text *in, char out[LOGLINE_UNIT + 1])
{
	static const char named[] = "\"\"\\\\\nn\rr\tt";
	uint32_t c = (unsigned char)in->ptr[0];
	size_t taken = logline_decode_utf8(*in, &c);
	const char *name = NULL;

	*in = text_slice(*in, taken ? taken : 1);
	if (c < 0x80 && logline_is_plain((char)c)) {
		out[0] = (char)c;
		return 1;
	}
	for (size_t i = 0; i < sizeof(named) - 1; i += 2) {
		if (c == (unsigned char)named[i])
			name = &named[i + 1];
	}
	if (name != NULL)
		return (size_t)snprintf(out, LOGLINE_UNIT + 1, "\\%c", *name);
	if (c < 0x10000)
		return (size_t)snprintf(out, LOGLINE_UNIT + 1, "\\u%04" PRIx32, c & 0xffff);
	c -= 0x10000;
	return (size_t)snprintf(out, LOGLINE_UNIT + 1, "\\u%04" PRIx32 "\\u%04" PRIx32,
		0xd800 + (c >> 10 & 0x3ff), 0xdc00 + (c & 0x3ff));
}

/* Adds the bytes that a text begins with and that are written as they are, as many as there is room for.
 * Returns what is behind them. */
static struct text logline_add_plain(struct logline *line, struct text in)
{
	size_t len = 0, room = line->cut ? 0 : line->room - line->len;

	while (len < in.len && len < room && logline_is_plain(in.ptr[len]))
		len++;
	if (len > 0)
		logline_add(line, in.ptr, len);
	return text_slice(in, len);
}

/* Adds text escaped, as many characters of it as there is room for. */
void logline_add_escaped(struct logline *line, struct text in)
{
	char unit[LOGLINE_UNIT + 1];

	for (in = logline_add_plain(line, in); in.len > 0; in = logline_add_plain(line, in)) {
		size_t len = logline_escape_unit(&in, unit);

		if (!logline_add(line, unit, len))
			return;
	}
}

/* Whether a value would be misread without quotes. */
static bool logline_needs_quotes(enum log_format format, struct text value)
{
	if (format == LOG_FORMAT_JSON)
		return true;
	for (size_t i = 0; i < value.len; i++) {
		if (!logline_is_plain(value.ptr[i]) || value.ptr[i] == ' ' || value.ptr[i] == '=')
			return true;
	}
	return false;
}

/* Adds a value between quotes, as much of it as there is room for; the first quote takes the other's place
 * too. */
static bool logline_add_quoted(struct logline *line, struct text value)
{
	if (line->room - line->len < 2)
		line->cut = true;
	if (!logline_add(line, "\"", 1))
		return false;
	line->room--;
	logline_add_escaped(line, value);
	line->room++;
	line->out[line->len++] = '"';
	return true;
}

/* Adds a value, between quotes where needed. */
static bool logline_add_value(struct logline *line, struct text value)
{
	if (logline_needs_quotes(line->format, value))
		return logline_add_quoted(line, value);
	logline_add_escaped(line, value);
	return true;
}

/* Adds a key and what stands between it and its value. */
static bool logline_add_key(struct logline *line, const char *key)
{
	bool json = line->format == LOG_FORMAT_JSON;
	return logline_add_string(line, json ? ",\"" : " ") && logline_add_string(line, key) &&
	       logline_add_string(line, json ? "\":" : "=");
}

/* Adds a time span in seconds. */
static bool logline_add_ms(struct logline *line, uint64_t ms)
{
	return logline_add_number(line, ms / 1000, 1) && logline_add(line, ".", 1) &&
	       logline_add_number(line, ms % 1000, 3);
}

/* Adds key and value, the value of a text cut short if need be, or neither. */
static void logline_add_field(struct logline *line, const struct log_field *field)
{
	size_t start = line->len;
	bool done = logline_add_key(line, field->key);

	switch (field->kind) {
	case LOG_FIELD_TEXT:
		done = done && logline_add_value(line, field->text);
		break;
	case LOG_FIELD_U64:
		done = done && logline_add_number(line, field->u64, 1);
		break;
	case LOG_FIELD_I64:
		done = done && logline_addf(line, "%" PRId64, field->i64);
		break;
	case LOG_FIELD_MS:
		done = done && logline_add_ms(line, field->u64);
		break;
	}
	if (!done)
		line->len = start;
}

/* Adds the date and the time of day. */
static void logline_add_time(struct logline *line, uint64_t when_us, const char *between)
{
	const struct calendar utc = calendar_at((int64_t)(when_us / 1000000));

	logline_add_number(line, (uint64_t)utc.year, 4);
	logline_add(line, "-", 1);
	logline_add_number(line, (uint64_t)utc.month + 1, 2);
	logline_add(line, "-", 1);
	logline_add_number(line, (uint64_t)utc.day, 2);
	logline_add_string(line, between);
	logline_add_number(line, (uint64_t)utc.hour, 2);
	logline_add(line, ":", 1);
	logline_add_number(line, (uint64_t)utc.minute, 2);
	logline_add(line, ":", 1);
	logline_add_number(line, (uint64_t)utc.second, 2);
	logline_add(line, ".", 1);
	logline_add_number(line, when_us / 1000 % 1000, 3);
	logline_add(line, "Z", 1);
}

/* Adds what every line begins with: priority, time, level. */
static void logline_add_head(struct logline *line, bool prefix, uint64_t when_us, enum log_level level)
{
	if (prefix)
		logline_addf(line, "<%d>", logline_priority(level));
	switch (line->format) {
	case LOG_FORMAT_TEXT:
		if (!prefix) {
			logline_add_time(line, when_us, " ");
			logline_add(line, " ", 1);
		}
		logline_add_string(line, LOGLINE_LEVELS[level].text);
		logline_add(line, " ", 1);
		break;
	case LOG_FORMAT_LOGFMT:
		logline_add_string(line, "ts=");
		logline_add_time(line, when_us, "T");
		logline_addf(line, " level=%s msg=", LOGLINE_LEVELS[level].name);
		break;
	case LOG_FORMAT_JSON:
		logline_add_string(line, "{\"ts\":\"");
		logline_add_time(line, when_us, "T");
		logline_addf(line, "\",\"level\":\"%s\",\"msg\":", LOGLINE_LEVELS[level].name);
		break;
	}
}

/* Adds the mark of a cut line, and what closes it; both have their place in the tail. */
static void logline_add_tail(struct logline *line)
{
	bool json = line->format == LOG_FORMAT_JSON, cut = line->cut;

	line->room += LOGLINE_TAIL;
	line->cut = false;
	if (cut)
		logline_addf(line, json ? ",\"cut\":true" : " cut=true");
	if (json)
		logline_add(line, "}", 1);
	must(!line->cut);
}

/* Writes head, sentence, fields that have a value, and tail. */
size_t logline_format(char *out, size_t size, enum log_format format, bool prefix, uint64_t when_us,
	enum log_level level, const char *sentence, const struct log_field *fields)
{
	struct logline line = { .format = format, .out = out, .room = size - LOGLINE_TAIL };

	must(size >= LOGLINE_MIN);
	logline_add_head(&line, prefix, when_us, level);
	if (format == LOG_FORMAT_TEXT)
		logline_add_escaped(&line, text_of(sentence));
	else
		logline_add_value(&line, text_of(sentence));
	for (; fields->key != NULL && !line.cut; fields++) {
		if (fields->kind != LOG_FIELD_TEXT || fields->text.len > 0)
			logline_add_field(&line, fields);
	}
	logline_add_tail(&line);
	return line.len;
}
