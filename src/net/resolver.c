/*
 * resolver: a few threads that call getaddrinfo(3) and post the answers back to the loops that asked.
 *
 * Owns the threads, the queues of questions and the addresses kept; names are resolver_names.c's. Questions
 * belong to the resolver until their answer is mail. The public functions run on the askers' threads,
 * resolver_run() on the resolver's own.
 */
#include "net/resolver_internal.h"

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

struct resolver_kept {
	struct resolver_kept *next;
	struct addr_name name;
	uint64_t until;
	struct addr addrs[RESOLVER_ADDRS_MAX];
	size_t n;
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
	resolver_names_free(resolver->names);
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

/* Keeps an answer; when memory is short it is asked again. Failures are not kept. With the lock held. */
static void resolver_keep(struct resolver *resolver, const struct resolver_query *query)
{
	const struct resolver_question *question = (const struct resolver_question *)query;
	struct resolver_kept *kept = resolver_find(resolver, &question->name);

	if (question->n == 0)
		return;
	if (kept == NULL) {
		kept = calloc(1, sizeof(*kept));
		if (kept == NULL)
			return;
		kept->name = question->name;
		kept->next = resolver->kept;
		resolver->kept = kept;
	}
	memcpy(kept->addrs, question->addrs, sizeof(kept->addrs));
	kept->n = question->n;
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

/* Asks getaddrinfo. */
static void resolver_look_up_addrs(struct resolver_query *query)
{
	struct resolver_question *question = (struct resolver_question *)query;
	resolver_look_up(&question->name, 0, question->addrs, &question->n, question->reason);
}

/* Hands the addresses over. */
static void resolver_deliver_addrs(struct resolver_query *query)
{
	struct resolver_question *question = (struct resolver_question *)query;
	question->fn(query->arg, question->addrs, question->n, question->reason);
}

static const struct resolver_kind resolver_kind_addrs = {
	.topic = RESOLVER_ADDRS,
	.max_busy = RESOLVER_THREADS,
	.max_queued = UINT_MAX, /* as many as there are sessions */
	.look_up = resolver_look_up_addrs,
	.keep = resolver_keep,
	.deliver = resolver_deliver_addrs,
};

/* On the asker's thread: hands the answer over. */
static void resolver_deliver(struct loop *loop, struct mail *mail)
{
	struct resolver_query *query = (struct resolver_query *)mail;
	(void)loop;
	if (query->wanted)
		query->kind->deliver(query);
	free(query);
}

/* Takes a question out of its queue. With the lock held. */
static void resolver_unqueue(struct resolver *resolver, struct resolver_query *query)
{
	struct resolver_queue *queue = &resolver->queues[query->kind->topic];
	struct resolver_query **at = &queue->first;
	while (*at != query)
		at = &(*at)->next;
	*at = query->next;
	if (query->next == NULL)
		queue->last = at;
	query->queued = false;
	queue->n--;
}

/* The question that is answered next, or NULL: addresses first. With the lock held. */
static struct resolver_query *resolver_next(const struct resolver *resolver)
{
	for (int topic = 0; topic < RESOLVER_TOPICS; topic++) {
		const struct resolver_queue *queue = &resolver->queues[topic];
		if (queue->first != NULL && queue->n_busy < queue->first->kind->max_busy)
			return queue->first;
	}
	return NULL;
}

/* Looks one up, without the lock, unless the answer has come meanwhile. With the lock held. */
static void resolver_find_out(struct resolver *resolver, struct resolver_query *query)
{
	const struct resolver_kind *kind = query->kind;

	if (kind->recall != NULL && kind->recall(resolver, query))
		return;
	resolver->queues[kind->topic].n_busy++;
	pthread_mutex_unlock(&resolver->lock);
	kind->look_up(query);
	pthread_mutex_lock(&resolver->lock);
	resolver->queues[kind->topic].n_busy--;
	/* Also when it comes too late for who asked: the next one need not wait as long. */
	if (!resolver->stopping)
		kind->keep(resolver, query);
}

/* Sends the answer unless nobody waits for it any more. With the lock held. */
static void resolver_answer(struct resolver *resolver, struct resolver_query *query)
{
	resolver_find_out(resolver, query);
	/* Who frees the resolver does it before the loops are gone, and a loop forgets its questions before
	 * it is. */
	if (!resolver->stopping && !query->forgotten)
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
		struct resolver_query *query = resolver_next(resolver);
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

/* How many threads those that wait in a queue, and `more`, call for. With the lock held. */
static unsigned resolver_demand(const struct resolver_queue *queue, unsigned max_busy, unsigned more)
{
	unsigned room = max_busy - queue->n_busy, n = queue->n + more;
	return n < room ? n : room;
}

/* Starts one more thread when those that wait do not suffice for one more question. Returns 0 or -errno. With
 * the lock held. */
static int resolver_grow(struct resolver *resolver, enum resolver_topic topic)
{
	pthread_t thread;
	pthread_attr_t attr;
	unsigned demand =
		resolver_demand(&resolver->queues[RESOLVER_ADDRS], RESOLVER_THREADS, topic == RESOLVER_ADDRS);

	demand += resolver_demand(
		&resolver->queues[RESOLVER_NAMES], RESOLVER_NAME_THREADS, topic == RESOLVER_NAMES);
	if (demand <= resolver->n_idle || resolver->n_threads == RESOLVER_THREADS)
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
	for (int topic = 0; topic < RESOLVER_TOPICS; topic++)
		resolver->queues[topic].last = &resolver->queues[topic].first;
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
	for (int topic = 0; topic < RESOLVER_TOPICS; topic++) {
		while (resolver->queues[topic].first != NULL) {
			struct resolver_query *query = resolver->queues[topic].first;
			resolver_unqueue(resolver, query);
			free(query);
		}
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

/* Queues a question for a thread. Returns 0 or -errno. */
static int resolver_enqueue(struct resolver *resolver, struct resolver_query *query)
{
	struct resolver_queue *queue = &resolver->queues[query->kind->topic];

	pthread_mutex_lock(&resolver->lock);
	int error =
		queue->n >= query->kind->max_queued ? -EBUSY : resolver_grow(resolver, query->kind->topic);
	if (error == 0) {
		query->queued = true;
		*queue->last = query;
		queue->last = &query->next;
		queue->n++;
		pthread_cond_signal(&resolver->asked);
	}
	pthread_mutex_unlock(&resolver->lock);
	return error;
}

/* Asks. */
struct resolver_query *resolver_put(struct resolver *resolver, struct loop *loop,
	const struct resolver_kind *kind, struct resolver_query *query, void *arg)
{
	*query = (struct resolver_query){
		.resolver = resolver, .loop = loop, .kind = kind, .arg = arg, .wanted = true
	};
	if (resolver_enqueue(resolver, query) == 0)
		return query;
	free(query);
	return NULL;
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
	return resolver_put(resolver, loop, &resolver_kind_addrs, &question->query, arg);
}

/* Takes the question back, or lets its answer come to nobody. */
void resolver_forget(struct resolver_query *query)
{
	if (query == NULL)
		return;
	struct resolver *resolver = query->resolver;
	query->wanted = false;
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
