/*
 * logline_websocketd: formats one line of the log in the form of websocketd's. Owns its levels, not its
 * words: those are handed in. Pure but for the time zone. Any thread.
 */
#include "base/logline_websocketd.h"

#include "base/logline_internal.h"
#include "base/must.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

/* What becomes of the levels of all other lines. Its order is another: debug says more than trace. */
static const enum log_websocketd logline_websocketd_levels[] = {
	[LOG_ERROR] = LOG_WEBSOCKETD_ERROR,
	[LOG_WARNING] = LOG_WEBSOCKETD_ERROR,
	[LOG_INFO] = LOG_WEBSOCKETD_INFO,
	[LOG_DEBUG] = LOG_WEBSOCKETD_TRACE,
	[LOG_TRACE] = LOG_WEBSOCKETD_DEBUG,
};

static const char *const logline_websocketd_names[] = {
	[LOG_WEBSOCKETD_DEBUG] = "DEBUG",
	[LOG_WEBSOCKETD_TRACE] = "TRACE",
	[LOG_WEBSOCKETD_ACCESS] = "ACCESS",
	[LOG_WEBSOCKETD_INFO] = "INFO",
	[LOG_WEBSOCKETD_ERROR] = "ERROR",
	[LOG_WEBSOCKETD_FATAL] = "FATAL",
};

/* Finds the words for a line; without any it goes out as it is, of the category "server". */
static struct logline_websocketd_word logline_websocketd_find(
	const struct logline_websocketd *form, const char *sentence, enum log_level level)
{
	for (const struct logline_websocketd_word *word = form->words; word->sentence != NULL; word++) {
		if (strcmp(word->sentence, sentence) == 0)
			return *word;
	}
	return (struct logline_websocketd_word){ sentence, logline_websocketd_levels[level], "server",
		sentence, NULL };
}

/* Adds text escaped, and some bytes of it by other words: `raw` as they are, `hidden` by their number. */
static void logline_websocketd_add_text(
	struct logline *line, struct text in, const char *raw, const char *hidden)
{
	while (in.len > 0 && !line->cut) {
		size_t len = 0;

		while (len < in.len && (in.ptr[len] == '\0' || (strchr(raw, in.ptr[len]) == NULL &&
								       strchr(hidden, in.ptr[len]) == NULL)))
			len++;
		logline_add_escaped(line, (struct text){ in.ptr, len });
		in = text_slice(in, len);
		if (in.len == 0)
			return;
		if (strchr(raw, in.ptr[0]) != NULL)
			logline_add(line, in.ptr, 1);
		else
			logline_addf(line, "\\u%04x", (unsigned)in.ptr[0]);
		in = text_slice(in, 1);
	}
}

/* Adds KEY:'VALUE', the value cut short where there is no more room; or nothing. */
static void logline_websocketd_add_field(struct logline *line, const struct log_field *field, bool first)
{
	size_t start = line->len;

	if (!logline_addf(line, "%s%s:'", first ? "" : " ", field->key) || line->len >= line->room) {
		line->cut = true;
		line->len = start;
		return;
	}
	line->room--;
	switch (field->kind) {
	case LOG_FIELD_TEXT:
		logline_websocketd_add_text(line, field->text, "\"", "'|");
		break;
	case LOG_FIELD_U64:
		logline_addf(line, "%" PRIu64, field->u64);
		break;
	case LOG_FIELD_I64:
		logline_addf(line, "%" PRId64, field->i64);
		break;
	case LOG_FIELD_MS:
		logline_addf(line, "%" PRIu64 ".%03u", field->u64 / 1000, (unsigned)(field->u64 % 1000));
		break;
	}
	line->room++;
	line->out[line->len++] = '\'';
}

/* Adds all fields but the one that is the message; returns that one. */
static struct text logline_websocketd_add_fields(
	struct logline *line, const struct log_field *fields, const char *message)
{
	struct text said = text_of("");
	bool first = true;

	for (; fields->key != NULL; fields++) {
		if (fields->kind == LOG_FIELD_TEXT && fields->text.len == 0)
			continue;
		if (message != NULL && strcmp(fields->key, message) == 0) {
			said = fields->text;
		} else if (!line->cut) {
			logline_websocketd_add_field(line, fields, first);
			first = false;
		}
	}
	return said;
}

/* Adds what every line begins with. */
static void logline_websocketd_add_head(
	struct logline *line, uint64_t when_us, const struct logline_websocketd_word *word)
{
	time_t seconds = (time_t)(when_us / 1000000);
	struct tm local;
	char date[64];

	localtime_r(&seconds, &local);
	strftime(date, sizeof(date), "%a, %d %b %Y %T %z", &local);
	logline_addf(
		line, "%s | %-6s | %-10s | ", date, logline_websocketd_names[word->level], word->category);
}

/* The fields have half of the line, so that the message is in it however long they are. */
size_t logline_websocketd_format(char *out, size_t size, const struct logline_websocketd *form, bool prefix,
	uint64_t when_us, enum log_level level, const char *sentence, const struct log_field *fields)
{
	struct logline_websocketd_word word = logline_websocketd_find(form, sentence, level);
	struct logline line = { .out = out, .room = size - LOGLINE_TAIL };
	struct text message;
	bool cut;

	must(size >= LOGLINE_MIN);
	if (word.level < form->least)
		return 0;
	if (prefix)
		logline_addf(&line, "<%d>", logline_priority(level));
	logline_websocketd_add_head(&line, when_us, &word);
	line.room = (line.room + line.len) / 2;
	message = logline_websocketd_add_fields(&line, fields, word.field);
	line.room = size - LOGLINE_TAIL;
	cut = line.cut;
	line.cut = false;
	logline_add(&line, " | ", 3);
	logline_websocketd_add_text(&line, word.message != NULL ? text_of(word.message) : message, "\"", "");
	line.room = size;
	cut |= line.cut;
	line.cut = false;
	if (cut)
		logline_addf(&line, " cut=true");
	return line.len;
}
