/*
 * announce: the lines of the start. Owns the words that websocketd begins its log with. Runs on the main
 * thread.
 */
#include "run/announce.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A line whose sentence is made for it. */
__attribute__((format(printf, 2, 3))) static void announce_say(struct log *log, const char *format, ...)
{
	static const struct log_field nothing[] = { { .key = NULL } };
	char *sentence;
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&sentence, format, args);
	va_end(args);
	if (len < 0)
		return;
	log_write(log, LOG_INFO, sentence, nothing);
	free(sentence);
}

/* What is served. */
static void announce_what(struct log *log, const struct route_conf *route)
{
	char command[LINE_MAX] = "";
	size_t len = 0;

	for (size_t i = 0; i < route->exec.n && len < sizeof(command); i++)
		len += (size_t)snprintf(command + len, sizeof(command) - len, " %s",
			i == 0 ? route->exec_path : route->exec.items[i]);
	if (route->dir != NULL)
		announce_say(log, "Serving from directory      : %s", route->dir);
	else if (len > 0)
		announce_say(log, "Serving using application   : %s", command + 1);
	if (route->static_dir != NULL)
		announce_say(log, "Serving static content from : %s", route->static_dir);
}

/* HOST:PORT as somebody may type it: where every address is bound, the machine's name stands for them. */
static void announce_format(const struct addr *at, char *out, size_t size)
{
	char host[ADDR_TEXT], name[HOST_NAME_MAX + 1] = "";

	addr_format_host(at, host);
	if (strcmp(host, "0.0.0.0") != 0 && strcmp(host, "::") != 0) {
		addr_format(at, host);
		snprintf(out, size, "%s", host);
		return;
	}
	if (gethostname(name, sizeof(name) - 1) != 0)
		strcpy(name, "localhost");
	snprintf(out, size, "%s:%u", name, addr_port(at));
}

/* One socket. */
static void announce_where(
	struct log *log, const struct config *config, const struct entrance *entrance, const char *place)
{
	const char *s = entrance->tls ? "s" : "";

	if (config->listens[entrance->listen].redirect_to != NULL) {
		announce_say(log, "Starting redirect server    : http://%s/", place);
		return;
	}
	if (entrance->local.u.sa.sa_family == AF_UNIX) {
		announce_say(log, "Starting WebSocket server   : unix socket at %s",
			entrance->local.u.un.sun_path);
		return;
	}
	announce_say(log, "Starting WebSocket server   : ws%s://%s/", s, place);
	if (config->routes[0].console)
		announce_say(log, "Developer console enabled   : http%s://%s/", s, place);
	else if (config->routes[0].static_dir != NULL)
		announce_say(log, "Serving CGI or static files : http%s://%s/", s, place);
}

/* What websocketd says. IPv4 and IPv6 of every address are one place. */
static void announce_there(struct log *log, const struct config *config, const struct doors *doors)
{
	char place[ADDR_TEXT] = "", before[sizeof(place)] = "";

	announce_what(log, &config->routes[0]);
	for (size_t i = 0; i < doors->n_entrances; i++) {
		announce_format(&doors->entrances[i].local, place, sizeof(place));
		if (strcmp(place, before) != 0)
			announce_where(log, config, &doors->entrances[i], place);
		strcpy(before, place);
	}
}

/* In the words of the log. */
void announce(struct log *log, const struct config *config, const struct doors *doors, unsigned n_workers)
{
	if (config->log_websocketd != LOG_WEBSOCKETD_OFF)
		announce_there(log, config, doors);
	else
		LOG_CALL(log, LOG_INFO, "listening", LOG_STR("address", doors->addresses),
			LOG_U64("workers", n_workers), { .key = NULL });
}
