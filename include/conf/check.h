/*
 * check: mistakes that are in no value alone. Each adds what it finds to the draft's errors.
 */
#ifndef CONF_CHECK_H
#define CONF_CHECK_H

#include "conf/draft.h"

/* Adds a mistake about a section, which is named. */
void check_complain(struct draft *draft, const struct draft_section *section, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Is it known which group comes with a user that is only a number? */
void check_gateway(struct draft *draft, const struct gateway_conf *gateway);

/* A listener's name, before its values are read, beside those of `config` that were read; then whether its
 * keys of TLS go together. */
void check_listen(struct draft *draft, const struct config *config, const struct listen_conf *listen,
	const struct draft_section *section);
void check_tls(struct draft *draft, const struct listen_conf *listen, const struct draft_section *section);
void check_proxies(
	struct draft *draft, const struct listen_conf *listen, const struct draft_section *section);

/* Why a key does nothing in a route, whatever its value: "with connect"; NULL: it does something. A route
 * that leads to no program and no service yet may have all of them. */
const char *check_useless(const struct route_conf *route, const struct option *option);

/* A route, once it is read: leads it somewhere, to one place, on listeners that there are? Does each key do
 * something that it has by itself, not by [defaults]? */
void check_route(struct draft *draft, const struct config *config, const struct route_conf *route,
	const struct draft_section *section);

#endif
