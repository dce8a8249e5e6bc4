/*
 * resolver_names: what a client's address is called.
 *
 * Owns the names kept: a table of fixed size, since anybody may connect; who falls on an old entry replaces
 * it. That there is no name is kept too, so that a name server which does not answer is asked once. Runs as
 * resolver.c does.
 */
#include "net/resolver_internal.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

enum { RESOLVER_NAMES_SLOTS = 512, RESOLVER_NAMES_BITS = 9 };

/* A host: its address, a v4 one as v4-mapped, and the zone of a link-local one. */
struct resolver_names_key {
	uint8_t addr[16];
	uint32_t zone;
};

struct resolver_names_entry {
	struct resolver_names_key key;
	uint64_t until;
	char name[RESOLVER_NAME];
};

struct resolver_names {
	struct resolver_names_entry *slots[RESOLVER_NAMES_SLOTS];
};

/* The name of an address. */
struct resolver_names_question {
	struct resolver_query query; /* first: a query is its question */
	struct addr addr;	     /* v4, or v6 that is not v4-mapped; without a port */
	resolver_name_fn fn;
	char name[RESOLVER_NAME];
};

/* An address as it is asked for: without port, a v4-mapped one as v4. */
static struct addr resolver_names_plain(const struct addr *addr)
{
	struct addr plain = *addr;

	if (addr->u.sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&addr->u.in6.sin6_addr)) {
		plain = (struct addr){ .len = sizeof(plain.u.in) };
		plain.u.in.sin_family = AF_INET;
		memcpy(&plain.u.in.sin_addr, &addr->u.in6.sin6_addr.s6_addr[12], 4);
	} else if (addr->u.sa.sa_family == AF_INET6)
		plain.u.in6.sin6_port = 0;
	plain.u.in.sin_port = 0;
	return plain;
}

/* Its key. */
static struct resolver_names_key resolver_names_key(const struct addr *plain)
{
	struct resolver_names_key key = { .addr = { [10] = 0xff, [11] = 0xff } };

	if (plain->u.sa.sa_family == AF_INET) {
		memcpy(&key.addr[12], &plain->u.in.sin_addr, 4);
	} else {
		memcpy(key.addr, &plain->u.in6.sin6_addr, sizeof(key.addr));
		key.zone = plain->u.in6.sin6_scope_id;
	}
	return key;
}

/* Where a host is kept, or would be: the multiplier is 2^64 divided by the golden ratio, made odd. */
static size_t resolver_names_slot(const struct resolver_names_key *key)
{
	uint64_t high, low;

	memcpy(&high, key->addr, sizeof(high));
	memcpy(&low, key->addr + 8, sizeof(low));
	uint64_t mixed = (high ^ key->zone) * 0x9e3779b97f4a7c15u;
	return (size_t)(((mixed ^ low) * 0x9e3779b97f4a7c15u) >> (64 - RESOLVER_NAMES_BITS));
}

/* Copies the kept answer, if it is young enough. With the lock held. */
static bool resolver_names_find(const struct resolver *resolver, const struct loop *loop,
	const struct addr *plain, char name[RESOLVER_NAME])
{
	struct resolver_names_key key = resolver_names_key(plain);

	if (resolver->names == NULL)
		return false;
	const struct resolver_names_entry *entry = resolver->names->slots[resolver_names_slot(&key)];
	if (entry == NULL || memcmp(&entry->key, &key, sizeof(key)) != 0 || entry->until <= loop_now(loop))
		return false;
	memcpy(name, entry->name, RESOLVER_NAME);
	return true;
}

/* Somebody else of the same address has asked before. */
static bool resolver_names_recall(struct resolver *resolver, struct resolver_query *query)
{
	struct resolver_names_question *question = (struct resolver_names_question *)query;
	return resolver_names_find(resolver, query->loop, &question->addr, question->name);
}

/* Keeps the answer; when memory is short it is asked again. */
static void resolver_names_keep(struct resolver *resolver, const struct resolver_query *query)
{
	const struct resolver_names_question *question = (const struct resolver_names_question *)query;
	struct resolver_names_key key = resolver_names_key(&question->addr);

	if (resolver->names == NULL && (resolver->names = calloc(1, sizeof(*resolver->names))) == NULL)
		return;
	struct resolver_names_entry **at = &resolver->names->slots[resolver_names_slot(&key)];
	if (*at == NULL && (*at = calloc(1, sizeof(**at))) == NULL)
		return;
	(*at)->key = key;
	(*at)->until = loop_now(query->loop) + RESOLVER_KEEP_MS;
	memcpy((*at)->name, question->name, RESOLVER_NAME);
}

/* Frees them. */
void resolver_names_free(struct resolver_names *names)
{
	if (names == NULL)
		return;
	for (size_t i = 0; i < RESOLVER_NAMES_SLOTS; i++)
		free(names->slots[i]);
	free(names);
}

/* May this byte be in a host's name? "_" is in none (RFC 952), and yet in many. */
static bool resolver_names_takes(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '.' || c == '_';
}

/* What passes for an address in digits (the last label has no letter) is none: programs compare REMOTE_HOST
 * with addresses too. */
bool resolver_names_check(const char *name)
{
	size_t len = strlen(name);
	const char *label = strrchr(name, '.');

	if (len == 0 || len >= RESOLVER_NAME || name[0] == '-' || name[0] == '.' || name[len - 1] == '.' ||
		strstr(name, "..") != NULL)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!resolver_names_takes(name[i]))
			return false;
	label = label == NULL ? name : label + 1;
	return strspn(label, "0123456789") < strlen(label) && strncasecmp(label, "0x", 2) != 0;
}

/* Is it one of the name's addresses? */
static bool resolver_names_confirm(const char *name, const struct addr *addr)
{
	struct addrinfo hints = { .ai_family = addr->u.sa.sa_family, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	bool same = false;

	if (getaddrinfo(name, NULL, &hints, &found) != 0)
		return false;
	for (struct addrinfo *at = found; at != NULL && !same; at = at->ai_next) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)at->ai_addr;
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)at->ai_addr;
		if (at->ai_family != addr->u.sa.sa_family)
			continue;
		same = at->ai_family == AF_INET
			       ? memcmp(&v4->sin_addr, &addr->u.in.sin_addr, sizeof(v4->sin_addr)) == 0
			       : memcmp(&v6->sin6_addr, &addr->u.in6.sin6_addr, sizeof(v6->sin6_addr)) == 0;
	}
	freeaddrinfo(found);
	return same;
}

/* Asks for the name, and then for the name's addresses. */
static void resolver_names_look_up(struct resolver_query *query)
{
	struct resolver_names_question *question = (struct resolver_names_question *)query;
	const struct addr *addr = &question->addr;
	char name[NI_MAXHOST];

	int error = getnameinfo(&addr->u.sa, addr->len, name, sizeof(name), NULL, 0, NI_NAMEREQD);
	if (error == 0 && resolver_names_check(name) && resolver_names_confirm(name, addr))
		memcpy(question->name, name, strlen(name) + 1);
}

/* Hands the name over. */
static void resolver_names_deliver(struct resolver_query *query)
{
	struct resolver_names_question *question = (struct resolver_names_question *)query;
	question->fn(query->arg, question->name);
}

static const struct resolver_kind resolver_names_kind = {
	.topic = RESOLVER_NAMES,
	.max_busy = RESOLVER_NAME_THREADS,
	.max_queued = RESOLVER_NAMES_MAX,
	.look_up = resolver_names_look_up,
	.recall = resolver_names_recall,
	.keep = resolver_names_keep,
	.deliver = resolver_names_deliver,
};

/* Answers from what is kept. */
bool resolver_known_name(
	struct resolver *resolver, struct loop *loop, const struct addr *addr, char name[RESOLVER_NAME])
{
	struct addr plain = resolver_names_plain(addr);

	pthread_mutex_lock(&resolver->lock);
	bool known = resolver_names_find(resolver, loop, &plain, name);
	pthread_mutex_unlock(&resolver->lock);
	return known;
}

/* Asks. */
struct resolver_query *resolver_ask_name(
	struct resolver *resolver, struct loop *loop, const struct addr *addr, resolver_name_fn fn, void *arg)
{
	struct resolver_names_question *question = calloc(1, sizeof(*question));
	if (question == NULL)
		return NULL;
	question->addr = resolver_names_plain(addr);
	question->fn = fn;
	return resolver_put(resolver, loop, &resolver_names_kind, &question->query, arg);
}
