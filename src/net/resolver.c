/*
 * resolver: a few threads that wait for the name server and post the answers back to the loops that asked.
 *
 * Owns the threads and the queues of questions; what is asked and kept is resolver_addrs.c's and
 * resolver_names.c's. Questions belong to the resolver until their answer is mail. The public functions run
 * on the askers' threads, resolver_run() on the resolver's own.
 */
#include "net/resolver_internal.h"

#include <errno.h>
#include <stdlib.h>

/* Frees it with its last reference; called with the lock held, which is gone then. */
static void resolver_unref(struct resolver *resolver)
{
	bool last = --resolver->refs == 0;
	pthread_mutex_unlock(&resolver->lock);
	if (!last)
		return;
	resolver_addrs_free(resolver->kept);
	resolver_names_free(resolver->names);
	pthread_cond_destroy(&resolver->asked);
	pthread_mutex_destroy(&resolver->lock);
	free(resolver);
}

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

/* Do two questions have the same answer? */
static bool resolver_is_same(const struct resolver_query *a, const struct resolver_query *b)
{
	return a->kind->is_same != NULL && a->kind->is_same(a, b);
}

/* Is somebody waiting for the answer to it already? With the lock held. */
static bool resolver_is_busy(const struct resolver_queue *queue, const struct resolver_query *query)
{
	for (const struct resolver_query *busy = queue->busy; busy != NULL; busy = busy->next)
		if (resolver_is_same(busy, query))
			return true;
	return false;
}

/* The question of a queue that is answered next, or NULL. Those that are being answered wait for that: one
 * name whose server keeps silent takes one thread, however many ask. With the lock held. */
static struct resolver_query *resolver_next_in(const struct resolver_queue *queue)
{
	struct resolver_query *query = queue->first;

	if (query == NULL || queue->n_busy == query->kind->max_busy)
		return NULL;
	while (query != NULL && resolver_is_busy(queue, query))
		query = query->next;
	return query;
}

/* The same of all queues: addresses first. With the lock held. */
static struct resolver_query *resolver_next(const struct resolver *resolver)
{
	struct resolver_query *query = NULL;
	for (int topic = 0; topic < RESOLVER_TOPICS && query == NULL; topic++)
		query = resolver_next_in(&resolver->queues[topic]);
	return query;
}

/* Waits for the answer, without the lock. With the lock held. */
static void resolver_look_up(struct resolver *resolver, struct resolver_query *query)
{
	struct resolver_queue *queue = &resolver->queues[query->kind->topic];
	struct resolver_query **at = &queue->busy;

	query->next = queue->busy;
	queue->busy = query;
	queue->n_busy++;
	pthread_mutex_unlock(&resolver->lock);
	query->kind->look_up(query);
	pthread_mutex_lock(&resolver->lock);
	while (*at != query)
		at = &(*at)->next;
	*at = query->next;
	queue->n_busy--;
}

/* Sends the answer unless nobody waits for it any more: who frees the resolver does it before the loops are
 * gone, and a loop forgets its questions before it is. With the lock held. */
static void resolver_send(const struct resolver *resolver, struct resolver_query *query)
{
	if (!resolver->stopping && !query->forgotten)
		loop_post(query->loop, &query->mail, resolver_deliver);
	else
		free(query);
}

/* Gives the answer to all who asked the same meanwhile. With the lock held. */
static void resolver_share(struct resolver *resolver, const struct resolver_query *answered)
{
	struct resolver_query *next;

	for (struct resolver_query *query = resolver->queues[answered->kind->topic].first; query != NULL;
		query = next) {
		next = query->next;
		if (!resolver_is_same(answered, query))
			continue;
		resolver_unqueue(resolver, query);
		query->kind->copy(query, answered);
		resolver_send(resolver, query);
	}
}

/* Finds the answer, unless it has come meanwhile. With the lock held. */
static void resolver_answer(struct resolver *resolver, struct resolver_query *query)
{
	const struct resolver_kind *kind = query->kind;

	if (kind->recall == NULL || !kind->recall(resolver, query)) {
		resolver_look_up(resolver, query);
		/* Also when it comes too late for who asked: the next one need not wait as long. */
		if (!resolver->stopping)
			kind->keep(resolver, query);
		resolver_share(resolver, query);
	}
	resolver_send(resolver, query);
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
