/*
 * check: what concerns more than one key: whether they go together, whether what one names is there. Owns no
 * value (conf/value.h) and no address (conf/addresses.h). One thread.
 */
#include "conf/check.h"

#include "conf/route.h"

#include <stdarg.h>
#include <string.h>

/* Adds a mistake about a section. */
__attribute__((format(printf, 3, 4))) void check_complain(
	struct draft *draft, const struct draft_section *section, const char *format, ...)
{
	char words[512];
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	errors_add(draft->errors, ERRORS_USAGE, section->origin, "[%s %.200s] %s",
		options_section_name(section->kind), section->name, words);
}

/* Checks a listener's name and that it listens at all. */
void check_listen(struct draft *draft, const struct config *config, const struct listen_conf *listen,
	const struct draft_section *section)
{
	if (strpbrk(listen->name, " \t,") != NULL)
		check_complain(draft, section, "has a name with a space or a comma in it");
	for (size_t i = 0; i < config->n_listens; i++) {
		if (strcmp(config->listens[i].name, listen->name) == 0)
			check_complain(draft, section, "is there twice");
	}
	if (draft_given(draft, section, "address") == NULL)
		check_complain(draft, section, "has no address");
}

/* Checks that certificates and keys are pairs, and that nothing is said about TLS where there is none. */
void check_tls(struct draft *draft, const struct listen_conf *listen, const struct draft_section *section)
{
	static const char *const with_tls[] = { "tls_client_ca", "tls_client", "tls_min_version",
		"tls_ciphers", "tls_ciphersuites" };
	size_t certificates = listen->tls_certificate.n, keys = listen->tls_key.n;

	if (certificates != keys)
		check_complain(draft, section, "has %zu tls_certificate and %zu tls_key; they are pairs",
			certificates, keys);
	for (size_t i = 0; certificates == 0 && keys == 0 && i < 5; i++) {
		if (draft_given(draft, section, with_tls[i]) != NULL)
			check_complain(draft, section, "has %s but no tls_certificate", with_tls[i]);
	}
	if (certificates > 0 && draft_given(draft, section, "tls_client") != NULL &&
		draft_given(draft, section, "tls_client_ca") == NULL)
		check_complain(draft, section,
			"has tls_client but no tls_client_ca; nobody would be asked for a certificate");
	if (certificates > 0 && listen->tls_min_version >= 13 && listen->tls_ciphers != NULL)
		check_complain(
			draft, section, "has tls_ciphers, which are of TLS 1.2, but tls_min_version is 1.3");
}

/* Checks that somebody may connect where a PROXY header is asked for. */
void check_proxies(struct draft *draft, const struct listen_conf *listen, const struct draft_section *section)
{
	if (listen->proxy_protocol && listen->trusted_proxies.n == 0)
		check_complain(
			draft, section, "has proxy_protocol but no trusted_proxies; nobody could connect");
}

/* Checks that it is known which group comes with a user that is only a number. */
void check_gateway(struct draft *draft, const struct gateway_conf *gateway)
{
	const struct draft_section *section = draft->gateway;

	if (gateway->user != NULL && gateway->gid == (gid_t)-1 &&
		draft_given(draft, section, "group") == NULL)
		errors_add_key(draft->errors, ERRORS_USAGE, draft_given(draft, section, "user")->origin,
			"user", "%.80s is nobody's number, so group must be given too", gateway->user);
}

/* Checks that a route is only on listeners that exist. */
static void check_listeners(struct draft *draft, const struct config *config, const struct route_conf *route,
	const struct draft_section *section)
{
	const char *names[64];
	size_t n = 0;
	char hint[96];

	while (n < config->n_listens && n < 64) {
		names[n] = config->listens[n].name;
		n++;
	}
	for (size_t i = 0; i < route->listen.n; i++) {
		const char *wanted = route->listen.items[i];
		size_t at = 0;

		while (at < config->n_listens && strcmp(config->listens[at].name, wanted) != 0)
			at++;
		if (at == config->n_listens)
			errors_add_key(draft->errors, ERRORS_USAGE,
				draft_given(draft, section, "listen")->origin, "listen",
				"there is no [listen %.80s]%s", wanted, errors_hint(hint, wanted, names, n));
	}
}

/* Checks that a route leads somewhere, and an upgrade to one place only. */
static void check_targets(
	struct draft *draft, const struct route_conf *route, const struct draft_section *section)
{
	static const char *const upgrades[] = { "exec", "connect", "dir", "targets" };
	const char *first = NULL;
	bool leads = route->console;

	for (size_t i = 0; i < 4; i++) {
		if (draft_given(draft, section, upgrades[i]) == NULL)
			continue;
		if (first != NULL)
			check_complain(draft, section, "has %s and %s; a route has only one of them", first,
				upgrades[i]);
		first = upgrades[i];
	}
	leads |= first != NULL || draft_given(draft, section, "static") != NULL ||
		 draft_given(draft, section, "cgi") != NULL;
	if (!leads)
		check_complain(
			draft, section, "has none of exec, connect, dir, targets, cgi, static and console");
	if (route->cgi_dir != NULL && !route->prefix)
		check_complain(draft, section, "has cgi, so its path ends in /*");
	if (route->dir != NULL && !route->prefix)
		check_complain(draft, section, "has dir, so its path ends in /*");
	if (route->targets != NULL && route->target_by == TARGET_BY_PATH && !route->prefix)
		check_complain(draft, section, "has target_by = path, so its path ends in /*");
}

/* Is there a subprotocol whose choice makes the framing one of these two? */
static bool check_may_frame(const struct route_conf *route, enum framing one, enum framing other)
{
	bool found = route->framing == one || route->framing == other;

	for (size_t i = 0; i < route->subprotocols.names.n; i++) {
		enum framing framing = route->subprotocols.framings[i];

		found |= framing == one || framing == other;
	}
	return found;
}

/* Does a framing leave the type of its messages open? */
static bool check_is_typed(enum framing framing)
{
	return framing != FRAMING_RECORDS && framing != FRAMING_BASE64;
}

/* Is there one whose messages may be of either type? */
static bool check_may_type(const struct route_conf *route)
{
	bool found = check_is_typed(route->framing);

	for (size_t i = 0; i < route->subprotocols.names.n; i++) {
		enum framing framing = route->subprotocols.framings[i];

		found |= framing != FRAMING_UNSET && check_is_typed(framing);
	}
	return found;
}

/* Goes by what the key is about, where that is a service. */
static const char *check_useless_for_service(const struct route_conf *route, const struct option *option)
{
	if (!route->is_service)
		return NULL;
	if (option->flags & OPTION_SEVERAL && route->connect.n < 2)
		return "without several connect";
	if (option->flags & OPTION_TARGETS && route->targets == NULL)
		return "without targets";
	if (option->flags & OPTION_TLS && !route_may_encrypt(route))
		return "without a tls:// service";
	if (!route->tls_verify && strcmp(option->key, "tls_ca") == 0)
		return "with tls_verify = no";
	return NULL;
}

/* Goes by what the key is about, where that is what an upgrade reaches. */
static const char *check_useless_without_session(const struct route_conf *route, const struct option *option)
{
	bool of_programs = option->flags & OPTION_PROGRAM;
	bool reaches = route->exec.n > 0 || route->dir != NULL || (route->is_service && !of_programs);

	if (!(option->flags & OPTION_SESSION) || reaches)
		return NULL;
	return of_programs ? "without exec or dir" : "without exec, dir, connect or targets";
}

/* Goes by what the key is about, where that is a program. Those of cgi are on pipes beside a terminal. */
static const char *check_useless_for_program(const struct route_conf *route, const struct option *option)
{
	bool has_pipes = !route->terminal || (route->cgi_dir != NULL && !(option->flags & OPTION_SESSION));

	if (option->flags & OPTION_TERMINAL && !route->terminal)
		return "without terminal = yes";
	if (option->flags & OPTION_PIPES && !has_pipes)
		return "with terminal = yes";
	return NULL;
}

/* Goes by what the key is about. */
const char *check_useless(const struct route_conf *route, const struct option *option)
{
	bool program = route->exec.n > 0 || route->dir != NULL || route->cgi_dir != NULL;

	if (option->flags & OPTION_PROGRAM && route->is_service && !program)
		return route->targets != NULL ? "with targets" : "with connect";
	if (option->flags & OPTION_SERVICE && program && !route->is_service)
		return route->dir != NULL ? "with dir" : "with exec";
	if (check_useless_without_session(route, option) != NULL)
		return check_useless_without_session(route, option);
	if (check_useless_for_service(route, option) != NULL)
		return check_useless_for_service(route, option);
	if (program && check_useless_for_program(route, option) != NULL)
		return check_useless_for_program(route, option);
	if (option->flags & OPTION_SEPARATOR && !check_may_frame(route, FRAMING_LINES, FRAMING_NUL))
		return "in this framing, only in lines and nul";
	if (option->flags & OPTION_TYPE && !check_may_type(route))
		return route->framing == FRAMING_BASE64 ? "with base64, which is text"
							: "with records, which have types of their own";
	return NULL;
}

/* Checks that what was written for this route alone does something. Under the name websocketd options are
 * taken as they come. */
static void check_effects(
	struct draft *draft, const struct route_conf *route, const struct draft_section *section)
{
	for (size_t i = 0; i < options_n; i++) {
		const char *why =
			options[i].section == OPTION_ROUTE ? check_useless(route, &options[i]) : NULL;
		const struct draft_text *text = section->texts[i];

		while (text != NULL && !text->text[0])
			text = text->next;
		if (why != NULL && text != NULL && draft->config.manners == &manners_own)
			errors_add_key(draft->errors, ERRORS_USAGE, text->origin, options[i].key,
				"does nothing %s", why);
	}
}

/* Checks that nothing stands beside the none of pass_env. */
static void check_pass_env(
	struct draft *draft, const struct route_conf *route, const struct draft_section *section)
{
	for (size_t i = 0; i < route->pass_env.n && route->pass_env.n > 1; i++) {
		if (route->pass_env.items[i][0] == '\0')
			errors_add_key(draft->errors, ERRORS_USAGE,
				draft_given(draft, section, "pass_env")->origin, "pass_env",
				"none stands alone");
	}
}

/* Checks that our certificate for services has its key. */
static void check_service_tls(
	struct draft *draft, const struct route_conf *route, const struct draft_section *section)
{
	if (route->is_service && (route->tls_service_cert != NULL) != (route->tls_service_key != NULL))
		check_complain(draft, section, "has one of tls_cert and tls_key; they are a pair");
}

/* Can what flows be a terminal's: bytes without bounds? */
static void check_terminal(
	struct draft *draft, const struct route_conf *route, const struct draft_section *section)
{
	enum framing framing = route->framing;

	if (!route->terminal)
		return;
	for (size_t i = 0; i <= route->subprotocols.names.n; i++) {
		if (framing != FRAMING_UNSET && framing != FRAMING_STREAM && framing != FRAMING_TEXT_STREAM &&
			framing != FRAMING_BASE64)
			check_complain(draft, section,
				"has terminal and a framing that is none of stream, text-stream and base64");
		if (i < route->subprotocols.names.n)
			framing = route->subprotocols.framings[i];
	}
}

/* All of it. */
void check_route(struct draft *draft, const struct config *config, const struct route_conf *route,
	const struct draft_section *section)
{
	check_targets(draft, route, section);
	check_listeners(draft, config, route, section);
	check_effects(draft, route, section);
	check_pass_env(draft, route, section);
	check_service_tls(draft, route, section);
	check_terminal(draft, route, section);
}
