/*
 * resolver: a few threads that call getaddrinfo(3) and post the answers back to the loops that asked.
 *
 * Owns the threads, the queue of questions and the answers kept. Questions belong to the resolver until their
 * answer is mail. The public functions run on the askers' threads, resolver_run() on the resolver's own.
 */
#include "net/resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RESOLVER_THREADS = 4, RESOLVER_REASON = 128 };

struct resolver_query {
	struct mail mail; /* first: the mail is the query */
	struct resolver_query *next;
	struct resolver *resolver;
	struct loop *loop;
	struct addr_name name;
	resolver_fn fn; /* NULL: forgotten; only the loop's thread looks at it */
	void *arg;
	bool queued, forgotten; /* under the lock */
	struct addr addrs[RESOLVER_ADDRS_MAX];
	size_t n;
	char reason[RESOLVER_REASON];
};

struct resolver_kept {
	struct resolver_kept *next;
	struct addr_name name;
	uint64_t until;
	struct addr addrs[RESOLVER_ADDRS_MAX];
	size_t n;
};

struct resolver {
	pthread_mutex_t lock;
	pthread_cond_t asked;
	struct resolver_query *first, **last;
	struct resolver_kept *kept;
	unsigned n_threads, n_idle, n_queued;
	unsigned refs; /* the owner and the threads */
	bool stopping;
};

/* Frees it with its last reference; called with the lock held, which is gone then. */
static void resolver_unref(struct resolver *resolver)
{
	bool last = --resolver->refs == 0;
	pthread_mutex_unlock(&resolver->lock);
	if (!last)
		return;
	while (resolver->kept != NULL) {
		struct resolver_kept *kept = resolver->kept;
		resolver->kept = kept->next;
		free(kept);
	}
	pthread_cond_destroy(&resolver->asked);
	pthread_mutex_destroy(&resolver->lock);
	free(resolver);
}

/* The kept answer for a name, young or old, or NULL. With the lock held. */
static struct resolver_kept *resolver_find(struct resolver *resolver, const struct addr_name *name)
{
	for (struct resolver_kept *kept = resolver->kept; kept != NULL; kept = kept->next)
		if (kept->name.port == name->port && strcmp(kept->name.host, name->host) == 0)
			return kept;
	return NULL;
}

/* Keeps an answer; when memory is short it is asked again. With the lock held. */
static void resolver_keep(struct resolver *resolver, const struct resolver_query *query)
{
	struct resolver_kept *kept = resolver_find(resolver, &query->name);
	if (kept == NULL) {
		kept = calloc(1, sizeof(*kept));
		if (kept == NULL)
			return;
		kept->name = query->name;
		kept->next = resolver->kept;
		resolver->kept = kept;
	}
	memcpy(kept->addrs, query->addrs, sizeof(kept->addrs));
	kept->n = query->n;
	kept->until = loop_now(query->loop) + RESOLVER_KEEP_MS;
}

/* getaddrinfo for one name. flags: AI_NUMERICHOST for what needs no lookup. Returns its error. */
static int resolver_look_up(const struct addr_name *name, int flags, struct addr addrs[RESOLVER_ADDRS_MAX],
	size_t *n, char reason[RESOLVER_REASON])
{
	char port[8];
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags };
	struct addrinfo *found = NULL;

	snprintf(port, sizeof(port), "%u", name->port);
	int error = getaddrinfo(name->host, port, &hints, &found);
	*n = 0;
	for (struct addrinfo *at = found; at != NULL && *n < RESOLVER_ADDRS_MAX; at = at->ai_next) {
		struct addr *addr = &addrs[(*n)++];
		memcpy(&addr->u, at->ai_addr, at->ai_addrlen);
		addr->len = at->ai_addrlen;
	}
	if (found != NULL)
		freeaddrinfo(found);
	if (error != 0)
		snprintf(reason, RESOLVER_REASON, "%s",
			error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
	return error;
}

/* On the asker's thread: hands the answer over. */
static void resolver_deliver(struct loop *loop, struct mail *mail)
{
	struct resolver_query *query = (struct resolver_query *)mail;
	(void)loop;
	if (query->fn != NULL)
		query->fn(query->arg, query->addrs, query->n, query->reason);
	free(query);
}

/* Takes a question out of the queue. With the lock held. */
static void resolver_unqueue(struct resolver *resolver, struct resolver_query *query)
{
	struct resolver_query **at = &resolver->first;
	while (*at != query)
		at = &(*at)->next;
	*at = query->next;
	if (query->next == NULL)
		resolver->last = at;
	query->queued = false;
	resolver->n_queued--;
}

/* Looks one name up, without the lock, and sends the answer unless nobody waits for it any more. With the
 * lock held. */
static void resolver_answer(struct resolver *resolver, struct resolver_query *query)
{
	pthread_mutex_unlock(&resolver->lock);
	int error = resolver_look_up(&query->name, 0, query->addrs, &query->n, query->reason);
	pthread_mutex_lock(&resolver->lock);
	/* Who frees the resolver does it before the loops are gone, and a loop forgets its questions before
	 * it is. */
	bool waited_for = !resolver->stopping && !query->forgotten;
	/* Also when it comes too late for who asked: the next one need not wait as long. */
	if (error == 0 && !resolver->stopping)
		resolver_keep(resolver, query);
	if (waited_for)
		loop_post(query->loop, &query->mail, resolver_deliver);
	else
		free(query);
}

/* A thread: answers questions until the resolver stops. */
static void *resolver_run(void *arg)
{
	struct resolver *resolver = arg;

	pthread_mutex_lock(&resolver->lock);
	while (!resolver->stopping) {
		struct resolver_query *query = resolver->first;
		if (query != NULL) {
			resolver_unqueue(resolver, query);
			resolver_answer(resolver, query);
			continue;
		}
		resolver->n_idle++;
		pthread_cond_wait(&resolver->asked, &resolver->lock);
		resolver->n_idle--;
	}
	resolver_unref(resolver);
	return NULL;
}

/* Starts one more thread when those that wait are all called for already. With the lock held. */
static int resolver_grow(struct resolver *resolver)
{
	pthread_t thread;
	pthread_attr_t attr;

	if (resolver->n_queued < resolver->n_idle || resolver->n_threads == RESOLVER_THREADS)
		return 0;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	int error = pthread_create(&thread, &attr, resolver_run, resolver);
	pthread_attr_destroy(&attr);
	if (error != 0)
		return resolver->n_threads > 0 ? 0 : -error;
	resolver->n_threads++;
	resolver->refs++;
	return 0;
}

/* An empty resolver. */
struct resolver *resolver_new(void)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));
	if (resolver == NULL)
		return NULL;
	pthread_mutex_init(&resolver->lock, NULL);
	pthread_cond_init(&resolver->asked, NULL);
	resolver->last = &resolver->first;
	resolver->refs = 1;
	return resolver;
}

/* Tells the threads to end and drops what nobody answered yet. */
void resolver_free(struct resolver *resolver)
{
	if (resolver == NULL)
		return;
	pthread_mutex_lock(&resolver->lock);
	resolver->stopping = true;
	while (resolver->first != NULL) {
		struct resolver_query *query = resolver->first;
		resolver->first = query->next;
		free(query);
	}
	pthread_cond_broadcast(&resolver->asked);
	resolver_unref(resolver);
}

/* Answers from what needs no lookup: an address in digits, or an answer that is young enough. */
size_t resolver_known(struct resolver *resolver, struct loop *loop, const struct addr_name *name,
	struct addr addrs[RESOLVER_ADDRS_MAX])
{
	char reason[RESOLVER_REASON];
	size_t n = 0;
	if (resolver_look_up(name, AI_NUMERICHOST, addrs, &n, reason) == 0)
		return n;
	pthread_mutex_lock(&resolver->lock);
	const struct resolver_kept *kept = resolver_find(resolver, name);
	if (kept != NULL && kept->until > loop_now(loop)) {
		n = kept->n;
		memcpy(addrs, kept->addrs, n * sizeof(*addrs));
	}
	pthread_mutex_unlock(&resolver->lock);
	return n;
}

/* Queues the question for a thread. */
static int resolver_queue(struct resolver *resolver, struct resolver_query *query)
{
	pthread_mutex_lock(&resolver->lock);
	int error = resolver_grow(resolver);
	if (error == 0) {
		query->next = NULL;
		query->queued = true;
		*resolver->last = query;
		resolver->last = &query->next;
		resolver->n_queued++;
		pthread_cond_signal(&resolver->asked);
	}
	pthread_mutex_unlock(&resolver->lock);
	return error;
}

/* Asks. */
struct resolver_query *resolver_ask(
	struct resolver *resolver, struct loop *loop, const struct addr_name *name, resolver_fn fn, void *arg)
{
	struct resolver_query *query = calloc(1, sizeof(*query));
	if (query == NULL)
		return NULL;
	query->resolver = resolver;
	query->loop = loop;
	query->name = *name;
	query->fn = fn;
	query->arg = arg;
	if (resolver_queue(resolver, query) == 0)
		return query;
	free(query);
	return NULL;
}

/* Takes the question back, or lets its answer come to nobody. */
void resolver_forget(struct resolver_query *query)
{
	if (query == NULL)
		return;
	struct resolver *resolver = query->resolver;
	query->fn = NULL;
	pthread_mutex_lock(&resolver->lock);
	bool queued = query->queued;
	if (queued)
		resolver_unqueue(resolver, query);
	else
		query->forgotten = true;
	pthread_mutex_unlock(&resolver->lock);
	if (queued)
		free(query);
}
