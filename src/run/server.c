/*
 * server: starts everything in the one right order, then waits for signals on the main thread.
 *
 * The order: log, spawner (before there are threads, sockets or keys in memory), certificates, sockets,
 * privileges, log's thread, workers. Owns all of it and takes it down in the opposite order. Runs on the main
 * thread.
 */
#include "run/server.h"

#include "gate/targets.h"
#include "run/announce.h"
#include "run/background.h"
#include "run/certificates.h"
#include "run/counters.h"
#include "run/ending.h"
#include "run/exposure.h"
#include "run/guard.h"
#include "run/helper.h"
#include "run/inherited.h"
#include "run/logging.h"
#include "run/rights.h"
#include "run/self.h"
#include "run/shellwords.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct server {
	struct loop loop; /* first: the main loop is its server */
	struct log *log;
	const struct config *config;
	struct crew crew;
	unsigned n_workers;	    /* that there shall be */
	struct inherited inherited; /* until the doors are open */
	struct doors doors;
	struct certificates *certificates; /* NULL: no listener has TLS, and no route leads to tls:// */
	struct notify notify;
	struct helper spawner;
	struct counters counters;
	struct ending ending;
	struct rlimit files; /* as it was at the start */
	const char *step;    /* of the start; NULL where what fails is logged by who knows more */
	int signal_fd;
	int background_fd; /* who waits for the start, or -1 */
	struct event *on_signal;
	int status;
};

/* The server of the main loop. */
static struct server *server_of(struct loop *loop)
{
	return (struct server *)loop;
}

/* A worker has ended; the last one ends the gateway. */
static void server_on_worker_ended(struct loop *loop, struct mail *mail)
{
	(void)mail;
	if (crew_lose(&server_of(loop)->crew))
		loop_stop(loop);
}

/* A signal. */
static void server_on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct server *server = arg;
	struct signalfd_siginfo info;
	(void)what;

	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGTERM:
	case SIGINT:
		ending_ask(&server->ending);
		break;
	case SIGUSR1:
		if (!log_reopen(server->log))
			log_debug(server->log, "no log file to open again");
		break;
	case SIGUSR2:
		if (!server->ending.begun && !server->crew.shut)
			counters_ask(&server->counters);
		break;
	case SIGHUP:
		log_info(server->log,
			"signal ignored: certificates and targets are read when they change, USR1 opens the "
			"log again, "
			"a changed configuration needs a restart",
			LOG_STR("signal", "HUP"));
		break;
	default:
		log_info(server->log, "signal ignored", LOG_STR("signal", sigabbrev_np((int)info.ssi_signo)));
	}
}

/* The spawner is gone; its programs go with it. The service manager is to start us anew. */
static void server_on_spawner(evutil_socket_t fd, short what, void *arg)
{
	struct server *server = arg;
	(void)fd;
	(void)what;

	log_error(server->log, "the process that starts programs (the spawner) died, so the gateway stops");
	helper_reap(&server->spawner);
	server->status = 1;
	ending_cut(&server->ending);
}

/* What the main loop listens to. */
static int server_watch(struct server *server)
{
	server->on_signal = loop_event_new(
		&server->loop, server->signal_fd, EV_READ | EV_PERSIST, server_on_signal, server);
	if (server->on_signal == NULL || ending_init(&server->ending) != 0)
		return -ENOMEM;
	event_add(server->on_signal, NULL);
	return helper_watch(&server->spawner, &server->loop, server_on_spawner, server);
}

/* Starts the threads. */
static int server_start_workers(struct server *server)
{
	int error = log_start(server->log);
	return error != 0 ? error : crew_start(&server->crew, &server->loop, server_on_worker_ended);
}

/* Before a file is made for a start that is in vain. */
static int server_check_rights(struct server *server)
{
	return rights_check(server->log, server->config);
}

/* Before there is a socket. */
static int server_check_exposure(struct server *server)
{
	return exposure_check(server->log, server->config);
}

/* The last thing that root is needed for has been done. */
static int server_drop_rights(struct server *server)
{
	return rights_drop(server->log, server->config, &server->step);
}

/* Opens every address. */
static int server_open_doors(struct server *server)
{
	const struct acceptors acceptors = {
		.loop = &server->loop,
		.limits = &server->crew.limits,
		.max_pending = server->config->gateway.max_pending,
		.workers = server->crew.workers,
		.n_workers = server->crew.n,
	};
	return doors_open(&server->doors, server->config, &acceptors, &server->inherited);
}

/* Once it is known what is bound, and before anybody is let in. */
static int server_check_guard(struct server *server)
{
	return guard_check(server->log, server->config, server->doors.entrances, server->doors.n_entrances);
}

/* Has signals come as bytes. */
static int server_take_signals(struct server *server)
{
	self_raise_files(&server->files);
	server->signal_fd = self_block_signals();
	return server->signal_fd < 0 ? server->signal_fd : 0;
}

/* Opens what is logged to. */
static int server_open_log(struct server *server)
{
	return logging_open(server->log, server->config);
}

/* Takes what systemd passes. */
static int server_take_sockets(struct server *server)
{
	return inherited_read(&server->inherited);
}

/* Forks the spawner. */
static int server_start_spawner(struct server *server)
{
	server->step = server->spawner.step;
	return helper_start(&server->spawner, server->log, server->config, &server->files, server->n_workers);
}

/* Makes the main loop and the workers. */
static int server_prepare(struct server *server)
{
	struct crew *crew = &server->crew;
	int error = loop_init(&server->loop, server->log);

	if (error == 0)
		error = crew_init(crew, server->log, server->config, server->n_workers, &server->spawner);
	server->counters = (struct counters){
		.loop = &server->loop, .limits = &crew->limits, .workers = crew->workers, .n_workers = crew->n
	};
	return error != 0 ? error : server_watch(server);
}

/* Reads certificates and keys while every file can still be read. */
static int server_read_certificates(struct server *server)
{
	return certificates_new(
		&server->certificates, &server->loop, server->config, server->crew.workers, server->crew.n);
}

/* Reads the files of targets with the rights that they will be read with again. What can't be read now may be
 * there later. */
static int server_read_targets(struct server *server)
{
	targets_read(server->crew.targets, server->log, loop_now(&server->loop));
	return 0;
}

/* Looks at their files from now on. */
static int server_watch_certificates(struct server *server)
{
	return certificates_watch(server->certificates);
}

/* Says where it listens, and what else there is to say before anybody comes. */
static int server_announce(struct server *server)
{
	exposure_warn(server->log, server->config);
	guard_warn(server->log, server->config, server->doors.entrances, server->doors.n_entrances);
	shellwords_warn(server->log, server->config);
	announce(server->log, server->config, &server->doors, server->crew.n);
	return 0;
}

/* Goes where no terminal is, if it shall. */
static int server_enter_background(struct server *server)
{
	if (!server->config->background)
		return 0;
	server->background_fd = background_enter(server->config->manners->exit_cannot_start);
	return server->background_fd < 0 ? server->background_fd : 0;
}

/* Says there that it serves. */
static int server_leave_foreground(struct server *server)
{
	if (server->background_fd >= 0)
		background_leave(server->background_fd);
	return 0;
}

/* Looks from now on whether it is to end by itself. */
static int server_watch_time(struct server *server)
{
	return ending_watch(&server->ending);
}

/* Tells systemd. */
static int server_notify(struct server *server)
{
	return notify_ready(&server->notify, &server->loop, &server->crew.limits.sessions);
}

/* All that comes before the first visitor. */
static const struct server_step {
	const char *name;
	int (*take)(struct server *server); /* 0 or -errno */
} server_steps[] = {
	{ "go to the background", server_enter_background },
	/* Early, so that a signal that comes early is obeyed once there is something to stop. */
	{ "take signals", server_take_signals },
	{ NULL, server_check_rights },
	{ NULL, server_open_log },
	{ NULL, server_check_exposure },
	{ "take the sockets that systemd passes", server_take_sockets },
	{ NULL, server_start_spawner },
	{ "prepare", server_prepare },
	{ NULL, server_read_certificates },
	{ NULL, server_open_doors },
	{ NULL, server_check_guard },
	{ NULL, server_drop_rights },
	{ "watch the certificates", server_watch_certificates },
	{ NULL, server_read_targets },
	{ NULL, server_announce },
	{ "start the workers", server_start_workers },
	{ "watch the sessions", server_notify },
	{ "watch the time", server_watch_time },
	{ NULL, server_leave_foreground },
};

/* Takes one step after another. Returns 0, or -errno after it was logged and systemd was told. */
static int server_start(struct server *server)
{
	int error = 0;

	for (size_t i = 0; i < sizeof(server_steps) / sizeof(server_steps[0]) && error == 0; i++) {
		server->step = server_steps[i].name;
		error = server_steps[i].take(server);
	}
	if (error == 0)
		return 0;
	if (server->step != NULL)
		log_error(server->log, "cannot start", LOG_STR("step", server->step),
			LOG_STR("error", strerror(-error)));
	notify_failed(server->step, -error);
	return error;
}

/* Takes down what there is. */
static void server_stop(struct server *server)
{
	crew_stop(&server->crew);
	doors_done(&server->doors);
	inherited_done(&server->inherited);
	notify_done(&server->notify);
	certificates_free(server->certificates);
	if (server->loop.base != NULL) {
		loop_event_free(&server->loop, server->on_signal);
		helper_unwatch(&server->spawner);
		ending_done(&server->ending);
		loop_done(&server->loop);
	}
	crew_done(&server->crew);
	if (server->signal_fd >= 0)
		self_hear_stop_only(server->signal_fd);
	helper_stop(&server->spawner, server->ending.hurried ? HELPER_HURRY_MS : HELPER_END_MS,
		server->signal_fd);
	if (server->signal_fd >= 0)
		close(server->signal_fd);
}

/* Runs the gateway. */
int server_run(const struct config *config)
{
	const struct gateway_conf *gateway = &config->gateway;
	struct server server = { .config = config, .signal_fd = -1, .background_fd = -1 };

	server.ending = (struct ending){ .loop = &server.loop,
		.config = config,
		.crew = &server.crew,
		.doors = &server.doors,
		.notify = &server.notify };
	self_fill_standard();
	server.log = logging_new(config);
	if (server.log == NULL) {
		notify_failed("make the log", ENOMEM);
		return 1;
	}
	server.n_workers = gateway->workers > 0 ? gateway->workers : self_count_cpus();
	if (server_start(&server) == 0)
		loop_run(&server.loop);
	else
		server.status = config->manners->exit_cannot_start;
	server_stop(&server);
	if (server.status == 0)
		log_info(server.log, "stopped");
	logging_close(server.log);
	return server.status;
}
