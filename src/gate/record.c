/*
 * record: makes a session's id and writes its lines.
 *
 * Owns the names of subprotocol, program and certificate. Chooses among what the client offered: subprotocol
 * and extension. Runs on its loop's thread.
 */
#include "gate/record.h"

#include "gate/visitor.h"
#include "net/clientcert.h"
#include "ws/message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* 64 random bits: nobody guesses another session's. */
int record_make_id(struct entropy *entropy, char id[static RECORD_ID])
{
	static const char digits[] = "0123456789abcdef";
	uint64_t number;

	int error = entropy_take(entropy, &number, sizeof(number));
	if (error != 0)
		return error;
	for (int i = RECORD_ID - 2; i >= 0; i--, number >>= 4)
		id[i] = digits[number & 15];
	id[RECORD_ID - 1] = '\0';
	return 0;
}

/* What clients of services mean by a name: websockify's, and those of IRC (IRCv3's "WebSocket support": one
 * line a message, without its end, whichever type the messages are of). */
static const struct record_meaning {
	const char *name;
	enum framing framing;
	enum messages messages; /* MESSAGES_UNSET: those of the framing */
} record_meanings[] = {
	{ "base64", FRAMING_BASE64, MESSAGES_UNSET },
	{ "text.ircv3.net", FRAMING_LINES, MESSAGES_TEXT },
	{ "binary.ircv3.net", FRAMING_LINES, MESSAGES_BINARY },
};

/* What is meant by the name of a subprotocol, where the route leads to a service; NULL when it is only a
 * name. */
static const struct record_meaning *record_meaning_of(const struct route_conf *route, struct text name)
{
	for (size_t i = 0; i < sizeof(record_meanings) / sizeof(*record_meanings); i++) {
		if (route->is_service && text_is(name, record_meanings[i].name))
			return &record_meanings[i];
	}
	return NULL;
}

/* The framing that the route gives a subprotocol by name; FRAMING_UNSET when it does not. */
static enum framing record_framing_of(const struct route_conf *route, struct text name)
{
	const struct subprotocol_list *known = &route->subprotocols;

	for (size_t i = 0; i < known->names.n; i++) {
		if (text_is(name, known->names.items[i]) && known->framings[i] != FRAMING_UNSET)
			return known->framings[i];
	}
	return FRAMING_UNSET;
}

/* How the bytes of a session go whose subprotocol is this: as the route says of it; else as is meant by the
 * name, unless the route has another framing than that of services, or a type of messages. */
static struct framing_rules record_rules_of(const struct route_conf *route, struct text name)
{
	const struct record_meaning *meaning = record_meaning_of(route, name);
	enum framing framing = record_framing_of(route, name);

	if (framing == FRAMING_UNSET && meaning != NULL && route->framing == FRAMING_STREAM)
		framing = meaning->framing;
	struct framing_rules rules = framing_rules_of(route, framing);
	if (meaning != NULL && rules.framing == meaning->framing && rules.messages == MESSAGES_UNSET)
		rules.messages = meaning->messages;
	return rules;
}

/* What ttyd's clients ask for. */
static const char *const record_tty = "tty";

/* The place of the subprotocol that is answered among those that were offered, or what is below 0. */
static int record_choose(const struct route_conf *route, const struct upgrade *upgrade)
{
	const struct subprotocol_list *known = &route->subprotocols;
	int choice = -1;

	if (route->terminal && known->names.n == 0)
		choice = upgrade_choose_protocol(upgrade, &record_tty, 1);
	if (choice >= 0)
		return choice;
	return upgrade_choose_protocol(upgrade, (const char *const *)known->names.items, known->names.n);
}

/* Which subprotocol is answered, if any, and what framing follows from it. */
static int record_choose_protocol(struct record *record, const struct upgrade *upgrade)
{
	const struct route_conf *route = record->route;
	int choice = record_choose(route, upgrade);

	record->rules = framing_rules_of(route, FRAMING_UNSET);
	if (choice < 0)
		return 0;
	struct text name = upgrade->protocols[choice];
	record->rules = record_rules_of(route, name);
	record->tty = route->terminal && text_is(name, record_tty) &&
		      record_framing_of(route, name) == FRAMING_UNSET;
	if (record->tty)
		record->rules = (struct framing_rules){ .framing = FRAMING_STREAM };
	record->protocol = text_dup(name);
	return record->protocol == NULL ? -ENOMEM : 0;
}

/* The file that is run, when the path chose it. */
static int record_name_program(struct record *record, struct text entry)
{
	const char *dir = record->route->dir;

	if (entry.len == 0)
		return 0;
	const char *slash = text_ends_with(text_of(dir), "/") ? "" : "/";
	if (asprintf(&record->program, "%s%s%.*s", dir, slash, TEXT_ARG(entry)) >= 0)
		return 0;
	record->program = NULL;
	return -ENOMEM;
}

/* Fills it. */
int record_begin(struct record *record, struct entropy *entropy, uint64_t now,
	const struct exchange_upgrade *asked, const SSL *ssl)
{
	const struct route_conf *route = record->route;

	if (route->deflate)
		permessage_negotiate(
			&record->permessage, asked->request, route->deflate_window, route->deflate_context);
	record->began_at = now;
	if (ssl != NULL)
		record->certificate = clientcert_subject(ssl);
	int error = record_make_id(entropy, record->id);
	if (error == 0)
		error = record_name_program(record, asked->match->entry);
	record->access = access_session_new(
		asked->url, record->program != NULL ? record->program : route->exec_path, asked->request);
	return error != 0 ? error : record_choose_protocol(record, asked->upgrade);
}

/* Takes the smaller of the route's limit and the framing's. */
uint64_t record_max_message(const struct record *record)
{
	uint64_t ours = record->route->max_message, framing = framing_max_message(&record->rules);

	return ours == 0 || (framing != 0 && framing < ours) ? framing : ours;
}

/* Frees the names. */
void record_done(struct record *record)
{
	free(record->protocol);
	free(record->program);
	free(record->certificate);
	access_session_free(record->access);
	record->protocol = record->program = record->certificate = NULL;
	record->access = NULL;
}

/* Writes it. */
void record_log_begin(
	const struct record *record, struct log *log, uint64_t now, const struct endpoint *backend)
{
	char peer[ADDR_TEXT], who[128], how[64];

	if (record->access != NULL) {
		access_session_log(record->access, log, "session began", record->id, record->peer, "");
		return;
	}
	if (!log_enabled(log, LOG_DEBUG))
		return;
	backend->ops->describe(backend, who, how);
	log_debug(log, "session began", LOG_STR("id", record->id), LOG_STR("route", record->route->pattern),
		LOG_STR("peer", addr_format(record->peer, peer)), LOG_STR("protocol", record->protocol),
		LOG_STR("program", record->program), LOG_STR("backend", who),
		LOG_MS("after", now - record->began_at));
}

/* The backend in words, and how it ended. One that was never made is known by its name. */
static void record_describe(const struct record *record, const struct endpoint *backend, char who[static 128],
	char how[static 64])
{
	who[0] = how[0] = '\0';
	if (backend != NULL)
		backend->ops->describe(backend, who, how);
	else if (record->route->connect.n > 0)
		snprintf(who, 128, "%s", record->route->connect.items[0].uri);
}

/* Writes it. */
void record_log_end(const struct record *record, struct log *log, uint64_t now, const struct bridge *bridge,
	const struct endpoint *backend, const struct endpoint *visitor, const char *reason)
{
	const struct bridge_side *in = &bridge->side[BRIDGE_VISITOR], *out = &bridge->side[BRIDGE_BACKEND];
	char peer[ADDR_TEXT], who[128], how[64], nobody[128], why[64] = "", agreed[PERMESSAGE_TEXT];

	if (!log_enabled(log, LOG_INFO))
		return;
	record_describe(record, backend, who, how);
	if (visitor != NULL)
		visitor->ops->describe(visitor, nobody, why);
	if (record->access != NULL) {
		if (visitor != NULL)
			access_session_log(
				record->access, log, "session ended", record->id, record->peer, who);
		return;
	}
	log_info(log, "session ended", LOG_STR("id", record->id), LOG_STR("route", record->route->pattern),
		LOG_STR("peer", addr_format(record->peer, peer)), LOG_STR("certificate", record->certificate),
		LOG_STR("protocol", record->protocol),
		LOG_STR("extensions",
			record->permessage.on ? permessage_format(&record->permessage, agreed) : NULL),
		LOG_STR("program", record->program), LOG_STR("backend", who), LOG_U64("in_bytes", in->bytes),
		LOG_U64("in_messages", in->messages), LOG_U64("out_bytes", out->bytes),
		LOG_U64("out_messages", out->messages), LOG_MS("duration", now - record->began_at),
		LOG_STR("end", how), LOG_U64("code_sent", visitor == NULL ? 0 : visitor_code_sent(visitor)),
		LOG_U64("code_received", visitor == NULL ? CLOSE_ABNORMAL : visitor_code_received(visitor)),
		LOG_STR("reason", record->refusal != NULL ? record->refusal
				  : reason[0] != '\0'	  ? reason
							  : why));
}
