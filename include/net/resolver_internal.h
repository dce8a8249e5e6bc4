/*
 * resolver_internal: what the parts of the resolver share: questions of two kinds, one queue for each, and
 * the threads that answer both.
 */
#ifndef NET_RESOLVER_INTERNAL_H
#define NET_RESOLVER_INTERNAL_H

#include "net/resolver.h"

#include <pthread.h>

/* Threads in all; of them, those that may look for names of addresses at the same time: whoever connects
 * makes those questions, and must not hold up the connections to backends. */
enum { RESOLVER_THREADS = 4, RESOLVER_NAME_THREADS = 2 };

enum resolver_topic { RESOLVER_ADDRS, RESOLVER_NAMES, RESOLVER_TOPICS };

/* What is asked. */
struct resolver_kind {
	enum resolver_topic topic;
	unsigned max_busy;   /* threads */
	unsigned max_queued; /* questions that wait */
	/* On one of the resolver's threads: waits for the answer. */
	void (*look_up)(struct resolver_query *query);
	/* Is the answer there already? Then it is taken. With the lock held. NULL: nobody looks. */
	bool (*recall)(struct resolver *resolver, struct resolver_query *query);
	/* Keeps the answer. With the lock held. */
	void (*keep)(struct resolver *resolver, const struct resolver_query *query);
	/* Have two questions the same answer? It is given to both then, by copy. With the lock held. NULL:
	 * each is answered for itself. */
	bool (*is_same)(const struct resolver_query *a, const struct resolver_query *b);
	void (*copy)(struct resolver_query *to, const struct resolver_query *from);
	/* On the asker's thread. */
	void (*deliver)(struct resolver_query *query);
};

/* The first part of every question. */
struct resolver_query {
	struct mail mail; /* first: the mail is the query */
	struct resolver_query *next;
	struct resolver *resolver;
	struct loop *loop;
	const struct resolver_kind *kind;
	void *arg;
	bool wanted;		/* its answer; only the loop's thread looks at it */
	bool queued, forgotten; /* under the lock */
};

struct resolver_queue {
	struct resolver_query *first, **last;
	struct resolver_query *busy; /* those that a thread looks up */
	unsigned n, n_busy;	     /* that wait, and that are looked up */
};

struct resolver_kept;
struct resolver_names;

struct resolver {
	pthread_mutex_t lock;
	pthread_cond_t asked;
	struct resolver_queue queues[RESOLVER_TOPICS];
	struct resolver_kept *kept;   /* resolver_addrs.c's */
	struct resolver_names *names; /* resolver_names.c's; NULL when nothing was kept yet */
	unsigned n_threads, n_idle;
	unsigned refs; /* the owner and the threads */
	bool stopping;
};

/* Gives a new question (malloc) to the threads; the resolver frees it. Returns NULL, and it is freed, when
 * threads are short or too many wait. */
struct resolver_query *resolver_put(struct resolver *resolver, struct loop *loop,
	const struct resolver_kind *kind, struct resolver_query *query, void *arg);

/* resolver_addrs.c: frees what it kept. */
void resolver_addrs_free(struct resolver_kept *kept);

/* resolver_names.c: frees what it kept. */
void resolver_names_free(struct resolver_names *names);

/* resolver_names.c: is it what a host may be called: letters, digits, "-", "." and "_" within 253 bytes, and
 * not an address in digits? */
bool resolver_names_check(const char *name);

#endif
