/*
 * resolver_addrs: which addresses a host has.
 *
 * Owns the addresses kept: those of the names that were asked for within RESOLVER_KEEP_MS. Runs as resolver.c
 * does.
 */
#include "net/resolver_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RESOLVER_REASON = 128 };

/* The addresses of a name. */
struct resolver_question {
	struct resolver_query query; /* first: a query is its question */
	struct addr_name name;
	resolver_fn fn;
	struct addr addrs[RESOLVER_ADDRS_MAX];
	size_t n;
	char reason[RESOLVER_REASON];
};

/* The same of a host, whatever the port. */
struct resolver_kept {
	struct resolver_kept *next;
	uint64_t until;
	struct addr addrs[RESOLVER_ADDRS_MAX];
	size_t n;
	char host[];
};

/* Sets the port of addresses. */
static void resolver_addrs_set_port(struct addr *addrs, size_t n, uint16_t port)
{
	for (size_t i = 0; i < n; i++) {
		if (addrs[i].u.sa.sa_family == AF_INET)
			addrs[i].u.in.sin_port = htons(port);
		else
			addrs[i].u.in6.sin6_port = htons(port);
	}
}

/* Copies the kept answer for a name, if it is young enough. Returns how many addresses. With the lock held.
 */
static size_t resolver_addrs_find(const struct resolver *resolver, const struct loop *loop,
	const struct addr_name *name, struct addr addrs[RESOLVER_ADDRS_MAX])
{
	const struct resolver_kept *kept = resolver->kept;

	while (kept != NULL && strcmp(kept->host, name->host) != 0)
		kept = kept->next;
	if (kept == NULL || kept->until <= loop_now(loop))
		return 0;
	memcpy(addrs, kept->addrs, kept->n * sizeof(*addrs));
	resolver_addrs_set_port(addrs, kept->n, name->port);
	return kept->n;
}

/* Somebody else has asked for it before. */
static bool resolver_addrs_recall(struct resolver *resolver, struct resolver_query *query)
{
	struct resolver_question *question = (struct resolver_question *)query;
	question->n = resolver_addrs_find(resolver, query->loop, &question->name, question->addrs);
	return question->n > 0;
}

/* Frees what is too old, and what is known of a host. With the lock held. */
static void resolver_addrs_forget(struct resolver *resolver, const char *host, uint64_t now)
{
	for (struct resolver_kept **at = &resolver->kept, *kept; (kept = *at) != NULL;) {
		if (kept->until > now && strcmp(kept->host, host) != 0) {
			at = &kept->next;
			continue;
		}
		*at = kept->next;
		free(kept);
	}
}

/* Keeps an answer; when memory is short it is asked again. Failures are not kept. With the lock held. */
static void resolver_addrs_keep(struct resolver *resolver, const struct resolver_query *query)
{
	const struct resolver_question *question = (const struct resolver_question *)query;
	const char *host = question->name.host;
	uint64_t now = loop_now(query->loop);

	if (question->n == 0)
		return;
	resolver_addrs_forget(resolver, host, now);
	struct resolver_kept *kept = calloc(1, sizeof(*kept) + strlen(host) + 1);
	if (kept == NULL)
		return;
	memcpy(kept->host, host, strlen(host));
	memcpy(kept->addrs, question->addrs, sizeof(kept->addrs));
	kept->n = question->n;
	kept->until = now + RESOLVER_KEEP_MS;
	kept->next = resolver->kept;
	resolver->kept = kept;
}

/* Frees all of it. */
void resolver_addrs_free(struct resolver_kept *kept)
{
	while (kept != NULL) {
		struct resolver_kept *next = kept->next;
		free(kept);
		kept = next;
	}
}

/* Takes the first addresses, but of one family not so many that no room is left for half as many of the
 * other. Returns how many. */
static size_t resolver_addrs_take(const struct addrinfo *found, struct addr addrs[RESOLVER_ADDRS_MAX])
{
	size_t room[2] = { RESOLVER_ADDRS_MAX, RESOLVER_ADDRS_MAX }, n_of[2] = { 0 }, n = 0;

	for (const struct addrinfo *at = found; at != NULL; at = at->ai_next)
		n_of[at->ai_family == AF_INET6]++;
	for (int v6 = 0; v6 < 2; v6++)
		room[v6] -= n_of[!v6] < RESOLVER_ADDRS_MAX / 2 ? n_of[!v6] : RESOLVER_ADDRS_MAX / 2;
	for (const struct addrinfo *at = found; at != NULL && n < RESOLVER_ADDRS_MAX; at = at->ai_next) {
		if (room[at->ai_family == AF_INET6] == 0)
			continue;
		room[at->ai_family == AF_INET6]--;
		memcpy(&addrs[n].u, at->ai_addr, at->ai_addrlen);
		addrs[n++].len = at->ai_addrlen;
	}
	return n;
}

/* getaddrinfo for one name. flags: AI_NUMERICHOST for what needs no lookup. Returns its error. */
static int resolver_addrs_get(const struct addr_name *name, int flags, struct addr addrs[RESOLVER_ADDRS_MAX],
	size_t *n, char reason[RESOLVER_REASON])
{
	char port[8];
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags };
	struct addrinfo *found = NULL;

	snprintf(port, sizeof(port), "%u", name->port);
	int error = getaddrinfo(name->host, port, &hints, &found);
	if (error != 0)
		snprintf(reason, RESOLVER_REASON, "%s",
			error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
	*n = resolver_addrs_take(found, addrs);
	if (found != NULL)
		freeaddrinfo(found);
	return error;
}

/* Asks getaddrinfo. */
static void resolver_addrs_look_up(struct resolver_query *query)
{
	struct resolver_question *question = (struct resolver_question *)query;
	resolver_addrs_get(&question->name, 0, question->addrs, &question->n, question->reason);
}

/* The same host, whatever the port. */
static bool resolver_addrs_is_same(const struct resolver_query *a, const struct resolver_query *b)
{
	return strcmp(((const struct resolver_question *)a)->name.host,
		       ((const struct resolver_question *)b)->name.host) == 0;
}

/* The same addresses, or the same reason. */
static void resolver_addrs_copy(struct resolver_query *query, const struct resolver_query *answered)
{
	struct resolver_question *to = (struct resolver_question *)query;
	const struct resolver_question *from = (const struct resolver_question *)answered;

	memcpy(to->addrs, from->addrs, sizeof(to->addrs));
	memcpy(to->reason, from->reason, sizeof(to->reason));
	to->n = from->n;
	resolver_addrs_set_port(to->addrs, to->n, to->name.port);
}

/* Hands the addresses over. */
static void resolver_addrs_deliver(struct resolver_query *query)
{
	struct resolver_question *question = (struct resolver_question *)query;
	question->fn(query->arg, question->addrs, question->n, question->reason);
}

static const struct resolver_kind resolver_addrs_kind = {
	.topic = RESOLVER_ADDRS,
	.max_busy = RESOLVER_THREADS,
	.max_queued = UINT_MAX, /* as many as there are sessions */
	.look_up = resolver_addrs_look_up,
	.recall = resolver_addrs_recall,
	.keep = resolver_addrs_keep,
	.is_same = resolver_addrs_is_same,
	.copy = resolver_addrs_copy,
	.deliver = resolver_addrs_deliver,
};

/* The address of one in plain digits, without getaddrinfo(), whose errand takes 2,000 instructions. Returns
 * how many: one, or none for what is less plain ("127.1", a zone). */
static size_t resolver_addrs_of_digits(const struct addr_name *name, struct addr *out)
{
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, name->host, &out->u.in.sin_addr) == 1) {
		out->u.in.sin_family = AF_INET;
		out->len = sizeof(out->u.in);
	} else if (inet_pton(AF_INET6, name->host, &out->u.in6.sin6_addr) == 1) {
		out->u.in6.sin6_family = AF_INET6;
		out->len = sizeof(out->u.in6);
	} else {
		return 0;
	}
	resolver_addrs_set_port(out, 1, name->port);
	return 1;
}

/* Answers from what needs no lookup: an address in digits, or an answer that is young enough. */
size_t resolver_known(struct resolver *resolver, struct loop *loop, const struct addr_name *name,
	struct addr addrs[RESOLVER_ADDRS_MAX])
{
	char reason[RESOLVER_REASON];
	size_t n = resolver_addrs_of_digits(name, addrs);

	if (n > 0)
		return n;
	if (resolver_addrs_get(name, AI_NUMERICHOST, addrs, &n, reason) == 0)
		return n;
	pthread_mutex_lock(&resolver->lock);
	n = resolver_addrs_find(resolver, loop, name, addrs);
	pthread_mutex_unlock(&resolver->lock);
	return n;
}

/* Asks for addresses. */
struct resolver_query *resolver_ask(
	struct resolver *resolver, struct loop *loop, const struct addr_name *name, resolver_fn fn, void *arg)
{
	struct resolver_question *question = calloc(1, sizeof(*question));
	if (question == NULL)
		return NULL;
	question->name = *name;
	question->fn = fn;
	return resolver_put(resolver, loop, &resolver_addrs_kind, &question->query, arg);
}
