/*
 * client: whom a request is of: who connected, or who a trusted proxy says that it is of. Holds nothing. Any
 * thread.
 */
#include "gate/client.h"

#include "base/log.h"
#include "http/forwarded.h"

/* The log's line. */
static void client_log_doubt(const struct client *direct, struct log *log, const char *reason)
{
	char peer[ADDR_TEXT];

	log_debug(log, "headers of a proxy not believed", LOG_STR("peer", addr_format(&direct->addr, peer)),
		LOG_STR("reason", reason));
}

/* Asks the headers where there is somebody to believe. */
void client_of_request(struct client *out, const struct client *direct, const struct listen_conf *listen,
	const struct http_request *request, struct log *log)
{
	const struct cidr_list *trusted = &listen->trusted_proxies;
	struct forwarded told;

	*out = *direct;
	if (direct->untold || !cidr_has(trusted->items, trusted->n, &direct->addr)) {
		if (http_request_header(request, "X-Forwarded-For") != NULL ||
			http_request_header(request, "Forwarded") != NULL)
			client_log_doubt(direct, log,
				direct->untold ? "the PROXY header before them names no client"
					       : "the peer is none of trusted_proxies");
		return;
	}
	if (!forwarded_find(&told, request, &direct->addr, trusted->items, trusted->n))
		client_log_doubt(direct, log, "malformed, too long, or two kinds that do not agree");
	out->addr = told.addr;
	out->proxied = told.told;
	if (told.scheme != FORWARDED_UNSAID)
		out->secure = told.scheme == FORWARDED_SECURE;
}
