/*
 * spawn_fake: a spawner that does what the test says, with one program, and what the owner of the program's
 * endpoint hears. Together with rig.h.
 */
#ifndef TESTS_UNIT_SPAWN_FAKE_H
#define TESTS_UNIT_SPAWN_FAKE_H

#include <signal.h>
#include <stdio.h>

#include "backend/process.h"
#include "rig.h"

enum { CLOSING_WAIT = 10000, STOP_GRACE = 50000 };

/* The one program: what the spawner was asked, what the endpoint's owner heard, and the test's ends. */
struct spawn_child {
	struct rig rig;
	struct route_conf route;
	struct endpoint *endpoint;
	const struct spawn_hooks *hooks; /* NULL: not asked for */
	void *arg;
	enum spawn_kind kind;
	uint16_t columns, rows;
	char entry[16], env[32];
	bool out_of_memory; /* it can't even be asked for */
	bool whole;	    /* its messages come in one piece, are binary and not empty */
	int fds[3];	    /* as the program has them; -1: none */
	int signals[4];
	unsigned n_signals, n_child_released, n_released, n_ready, n_failed, n_eof, n_closed, n_unstarted;
	int error;
	struct end end;
	char heard[1 << 16]; /* each message with a bar behind it */
};

struct spawn_child *spawn_start(struct spawn_client *client, const struct spawn_request *request,
	const struct spawn_hooks *hooks, void *arg)
{
	struct spawn_child *it = (struct spawn_child *)client;

	if (it->out_of_memory)
		return NULL;
	assert_null(it->hooks);
	it->hooks = hooks;
	it->arg = arg;
	it->kind = request->kind;
	it->columns = request->columns;
	it->rows = request->rows;
	snprintf(it->entry, sizeof(it->entry), "%.*s", TEXT_ARG(request->entry));
	assert_true(request->env.len <= sizeof(it->env));
	if (request->env.len > 0)
		memcpy(it->env, request->env.ptr, request->env.len);
	return it;
}

void spawn_signal(struct spawn_child *child, int signo)
{
	assert_true(child->n_signals < 4);
	child->signals[child->n_signals++] = signo;
}

void spawn_release(struct spawn_child *child)
{
	child->n_child_released++;
}

static inline void on_released(void *arg)
{
	struct spawn_child *it = arg;
	assert_int_equal(it->n_child_released, it->hooks != NULL);
	it->n_released++;
}

static inline void on_ready(void *arg)
{
	((struct spawn_child *)arg)->n_ready++;
}

static inline void on_failed(void *arg, int error, const char *reason)
{
	struct spawn_child *it = arg;
	assert_non_null(reason);
	it->n_failed++;
	it->error = error;
}

static inline int on_piece(void *arg, const struct piece *piece)
{
	struct spawn_child *it = arg;
	size_t have = strlen(it->heard);

	assert_int_equal(it->n_eof, 0);
	if (it->whole)
		assert_true(piece->first && piece->last && !piece->text && piece->len > 0);
	assert_true(have + piece->len + 2 < sizeof(it->heard));
	memcpy(it->heard + have, piece->data, piece->len);
	if (piece->last)
		it->heard[have + piece->len] = '|';
	return 0;
}

static inline void on_any(void *arg)
{
	(void)arg;
}

static inline void on_eof(void *arg, const struct end *end)
{
	struct spawn_child *it = arg;
	it->n_eof++;
	it->end = *end;
}

static inline void on_closed(void *arg)
{
	struct spawn_child *it = arg;
	assert_int_equal(it->n_eof, 1);
	assert_int_equal(it->n_released, 1);
	it->n_closed++;
}

static const struct endpoint_hooks hooks = { .on_ready = on_ready,
	.on_failed = on_failed,
	.on_piece = on_piece,
	.on_flush = on_any,
	.on_sent = on_any,
	.on_eof = on_eof,
	.on_closed = on_closed };

/* One that no endpoint was made for yet. */
static inline struct spawn_child *fake_new(void)
{
	static char pattern[] = "/r";
	struct spawn_child *it = calloc(1, sizeof(*it));

	assert_non_null(it);
	rig_init(&it->rig);
	it->fds[0] = it->fds[1] = it->fds[2] = -1;
	it->route = (struct route_conf){
		.pattern = pattern, .closing_wait_ms = CLOSING_WAIT, .stop_grace_ms = STOP_GRACE
	};
	return it;
}

/* The program closes one of its descriptors. */
static inline void fake_close(struct spawn_child *it, int fd)
{
	if (it->fds[fd] >= 0)
		close(it->fds[fd]);
	it->fds[fd] = -1;
}

/* Takes it down, in whatever state; what was asked for was let go of. */
static inline void fake_free(struct spawn_child *it)
{
	it->endpoint->ops->destroy(it->endpoint);
	assert_int_equal(it->n_released, 1);
	assert_int_equal(it->n_child_released, it->hooks != NULL);
	for (int fd = 0; fd < 3; fd++)
		fake_close(it, fd);
	rig_done(&it->rig);
	free(it);
}

/* The program writes. */
static inline void fake_write(struct spawn_child *it, int fd, const char *words)
{
	assert_int_equal(write(it->fds[fd], words, strlen(words)), strlen(words));
}

static inline void pass_time(struct spawn_child *it, long ms)
{
	rig_skip(ms);
	rig_turns(&it->rig, 3);
}

#endif
