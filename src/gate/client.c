/*
 * client: whom a request is of: who connected, or who a trusted proxy says that it is of. Holds nothing. Any
 * thread.
 */
#include "gate/client.h"

#include "http/forwarded.h"

/* Asks the headers where there is somebody to believe. */
void client_of_request(struct client *out, const struct client *direct, const struct listen_conf *listen,
	const struct http_request *request)
{
	const struct cidr_list *trusted = &listen->trusted_proxies;
	struct forwarded told;

	*out = *direct;
	if (direct->untold || !cidr_has(trusted->items, trusted->n, &direct->addr))
		return;
	forwarded_find(&told, request, &direct->addr, trusted->items, trusted->n);
	out->addr = told.addr;
	out->proxied = told.told;
	if (told.scheme != FORWARDED_UNSAID)
		out->secure = told.scheme == FORWARDED_SECURE;
}
