/*
 * namer: what waits for a client's name.
 *
 * Owns the environment meanwhile, the question to the resolver, and the timer, so that a name server which
 * does not answer delays a program and never keeps it from starting. Runs on its loop's thread.
 */
#include "gate/namer.h"

#include "spawn/spawn.h"

#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>

struct namer {
	struct grave grave; /* first: a grave is its namer */
	struct loop *loop;
	struct resolver_query *query; /* NULL: nothing is asked (any more) */
	char *entry;
	struct text env;  /* of malloc */
	const char *name; /* in env; NULL: REMOTE_HOST is an address */
	struct event timer;
	namer_fn fn;
	void *arg;
};

/* A unix socket's peer has only the address that it is one. */
bool namer_may_name(const struct addr *peer)
{
	return peer->u.sa.sa_family == AF_INET || peer->u.sa.sa_family == AF_INET6;
}

/* Makes the next variable of an environment its own text. Returns false at the end. */
static bool namer_next(struct text *rest, struct text *variable)
{
	if (rest->len == 0)
		return false;
	*variable = (struct text){ .ptr = rest->ptr, .len = strnlen(rest->ptr, rest->len) };
	*rest = text_slice(*rest, variable->len + 1);
	return true;
}

/* Appends bytes. Returns where they end. */
static char *namer_append(char *at, const char *data, size_t len)
{
	memcpy(at, data, len);
	return at + len;
}

/* REMOTE_HOST becomes the name, unless that makes more than a program can be given, or memory is short. */
static void namer_put(struct namer *namer, const char *name)
{
	static const char prefix[] = "REMOTE_HOST=";
	struct text rest = namer->env, variable;
	size_t len = strlen(name), max = namer->env.len + sizeof(prefix) + len;
	char *env = malloc(max), *at = env;

	if (env == NULL)
		return;
	while (namer_next(&rest, &variable)) {
		if (text_starts_with(variable, prefix))
			continue;
		at = namer_append(at, variable.ptr, variable.len);
		*at++ = '\0';
	}
	at = namer_append(at, prefix, sizeof(prefix) - 1);
	at = namer_append(at, name, len + 1);
	if (at - env > SPAWN_ENV_MAX) {
		free(env);
		return;
	}
	free((char *)namer->env.ptr);
	namer->env = (struct text){ .ptr = env, .len = (size_t)(at - env) };
	namer->name = at - len - 1;
}

/* The name, or that there is none. */
static void namer_on_name(void *arg, const char *name)
{
	struct namer *namer = arg;
	namer->query = NULL;
	if (name[0] != '\0')
		namer_put(namer, name);
	loop_event_stop(&namer->timer);
	namer->fn(namer->arg, text_of(namer->entry), namer->env, namer->name);
}

/* It takes too long, or there is nothing to wait for. */
static void namer_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct namer *namer = arg;
	(void)fd;
	(void)what;
	if (namer->query != NULL && loop_timer_reprieve(&namer->timer))
		return;
	resolver_forget(namer->query);
	namer->query = NULL;
	namer->fn(namer->arg, text_of(namer->entry), namer->env, namer->name);
}

/* Takes the name that is known already, or asks for it. */
static void namer_begin(struct namer *namer, struct resolver *resolver, const struct addr *peer)
{
	char name[RESOLVER_NAME];

	if (!resolver_known_name(resolver, namer->loop, peer, name))
		namer->query = resolver_ask_name(resolver, namer->loop, peer, namer_on_name, namer);
	else if (name[0] != '\0')
		namer_put(namer, name);
	loop_timer_set(&namer->timer, namer->query != NULL ? NAMER_MS : 0);
}

/* Begins. */
struct namer *namer_new(struct loop *loop, struct resolver *resolver, const struct addr *peer,
	struct text entry, struct text env, namer_fn fn, void *arg)
{
	struct namer *namer = arena_alloc(&loop->arena, sizeof(*namer));
	char *copy = text_dup(entry);

	if (namer == NULL || copy == NULL) {
		arena_free(&loop->arena, namer);
		free(copy);
		free((char *)env.ptr);
		return NULL;
	}
	*namer = (struct namer){ .loop = loop, .entry = copy, .env = env, .fn = fn, .arg = arg };
	loop_event_init(loop, &namer->timer, -1, 0, namer_on_timer, namer);
	namer_begin(namer, resolver, peer);
	return namer;
}

/* Frees it after the turn: what fn was given is its own. */
static void namer_on_buried(struct grave *grave)
{
	struct namer *namer = (struct namer *)grave;
	free(namer->entry);
	free((char *)namer->env.ptr);
	arena_free(&namer->loop->arena, namer);
}

/* Asks no more. */
void namer_free(struct namer *namer)
{
	if (namer == NULL)
		return;
	resolver_forget(namer->query);
	loop_event_done(namer->loop, &namer->timer);
	loop_bury(namer->loop, &namer->grave, namer_on_buried);
}
