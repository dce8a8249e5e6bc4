/*
 * logbell: how the log's writer sleeps between its turns, and is woken. Who waits is called once, however
 * many lines come meanwhile, and that without the lock, which it takes first. Of one writer; the lock, which
 * all functions are called with, is the log's.
 */
#ifndef BASE_LOGBELL_H
#define BASE_LOGBELL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct logbell {
	pthread_cond_t rings;
	bool waits;	      /* the writer does, and nobody has called it since */
	int64_t nap_until_ms; /* by base/clock.h */
};

/* `attr` says by which clock the log's conditions wait: CLOCK_MONOTONIC. */
void logbell_init(struct logbell *bell, const pthread_condattr_t *attr);
void logbell_done(struct logbell *bell);

/* Calls the writer if it waits. */
void logbell_call(struct logbell *bell);

/* Lets the lock go, and calls the writer if that is wanted and it waits. */
void logbell_unlock(struct logbell *bell, pthread_mutex_t *lock, bool call);

/* Sleeps until it is called; lets the lock go meanwhile. */
void logbell_sleep(struct logbell *bell, pthread_mutex_t *lock);

/* From now on it is for so long too early to write. */
void logbell_set_nap(struct logbell *bell, unsigned ms);

/* Sleeps until that is over, or it is called; lets the lock go meanwhile. */
void logbell_nap(struct logbell *bell, pthread_mutex_t *lock);

/* A moment of base/clock.h as the conditions take it. */
struct timespec logbell_time(int64_t ms);

#endif
