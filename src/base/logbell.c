/*
 * logbell: the condition that the log's writer waits for. Owns it, whether the writer waits, and until when
 * it naps; not why it is called. Any thread calls, one waits.
 */
#include "base/logbell.h"

#include "base/clock.h"

#include <time.h>

/* Nobody waits. */
void logbell_init(struct logbell *bell, const pthread_condattr_t *attr)
{
	pthread_cond_init(&bell->rings, attr);
	bell->waits = false;
	bell->nap_until_ms = 0;
}

/* Nobody waits any more. */
void logbell_done(struct logbell *bell)
{
	pthread_cond_destroy(&bell->rings);
}

/* Calls, if it has not been called. */
void logbell_call(struct logbell *bell)
{
	if (bell->waits)
		pthread_cond_signal(&bell->rings);
	bell->waits = false;
}

/* Calls after the lock was let go, or who is woken would only wait for that. */
void logbell_unlock(struct logbell *bell, pthread_mutex_t *lock, bool call)
{
	call = call && bell->waits;
	if (call)
		bell->waits = false;
	pthread_mutex_unlock(lock);
	if (call)
		pthread_cond_signal(&bell->rings);
}

/* Seconds and nanoseconds. */
struct timespec logbell_time(int64_t ms)
{
	return (struct timespec){ .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };
}

/* Waits without end. */
void logbell_sleep(struct logbell *bell, pthread_mutex_t *lock)
{
	bell->waits = true;
	while (bell->waits)
		pthread_cond_wait(&bell->rings, lock);
}

/* Begins when something was written. */
void logbell_set_nap(struct logbell *bell, unsigned ms)
{
	bell->nap_until_ms = clock_now_ms() + ms;
}

/* Waits for what is left of it. */
void logbell_nap(struct logbell *bell, pthread_mutex_t *lock)
{
	const struct timespec until = logbell_time(bell->nap_until_ms);
	int error = 0;

	bell->waits = clock_now_ms() < bell->nap_until_ms;
	while (bell->waits && error == 0)
		error = pthread_cond_timedwait(&bell->rings, lock, &until);
	bell->waits = false;
}
