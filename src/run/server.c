/*
 * server: starts everything in the one right order, then waits for signals on the main thread.
 *
 * The order: log, spawner (before there are threads, sockets or keys in memory), certificates, sockets,
 * privileges, workers, log's thread. Owns all of it and takes it down in the opposite order. Runs on the main
 * thread.
 */
#include "run/server.h"

#include "base/must.h"
#include "http/upgrade.h"
#include "run/certificates.h"
#include "run/doors.h"
#include "run/exposure.h"
#include "run/inherited.h"
#include "run/notify.h"
#include "run/worker.h"
#include "spawn/privileges.h"
#include "spawn/spawner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SERVER_LOG_RING = 1 << 20, SERVER_LOG_WAIT_MS = 1000 };

struct server {
	struct loop loop; /* first: the main loop is its server */
	struct log *log;
	const struct config *config;
	struct limits limits;
	struct resolver *resolver;
	struct worker *workers;
	unsigned n_workers, n_running;
	struct inherited inherited; /* until the doors are open */
	struct doors doors;
	struct certificates *certificates; /* NULL: no listener has TLS */
	struct notify notify;
	struct rlimit files; /* as we were given it; programs get it back */
	pid_t spawner;
	char spawner_step[sizeof("start the spawner: ") + SPAWNER_STEP];
	int *spawn_fds; /* the workers' sockets to it, each -1 once its worker has it; NULL: no programs */
	int spawner_fd, signal_fd;
	struct event *on_signal, *on_spawner, *grace;
	bool draining, cutting, counting;
	struct mail count_mail;
	unsigned counted; /* workers that have added theirs */
	struct worker_counters counters;
	int status;
};

/* The server of the main loop. */
static struct server *server_of(struct loop *loop)
{
	return (struct server *)loop;
}

/* Ends what is left of the sessions. */
static void server_cut(struct server *server)
{
	if (server->cutting)
		return;
	server->cutting = true;
	notify_stopping(&server->notify);
	doors_close(&server->doors, false);
	for (unsigned i = 0; i < server->n_workers; i++)
		worker_cut(&server->workers[i]);
}

/* Stops: nobody comes in, everybody is told, and has shutdown_grace to go. */
static void server_drain(struct server *server)
{
	server->draining = true;
	log_info(server->log, "stopping", LOG_MS("grace", server->config->gateway.shutdown_grace_ms));
	notify_stopping(&server->notify);
	doors_close(&server->doors, true);
	for (unsigned i = 0; i < server->n_workers; i++)
		worker_drain(&server->workers[i]);
	loop_timer_set(server->grace, server->config->gateway.shutdown_grace_ms);
}

/* shutdown_grace is over. */
static void server_on_grace(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	server_cut(arg);
}

/* A worker has ended; the last one ends the gateway. */
static void server_on_worker_ended(struct loop *loop, struct mail *mail)
{
	struct server *server = server_of(loop);
	(void)mail;
	if (--server->n_running == 0)
		loop_stop(loop);
}

/* How many descriptors are open: the directory that tells it is one of them, and "." and ".." are no
 * descriptors. */
static size_t server_count_descriptors(void)
{
	size_t n = 0;
	DIR *dir = opendir("/proc/self/fd");
	if (dir == NULL)
		return 0;
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n - 3;
}

/* All workers have added their counters: the one line. */
static void server_on_counted(struct loop *loop, struct mail *mail)
{
	struct server *server = server_of(loop);
	const struct worker_counters *counters = &server->counters;
	(void)mail;

	server->counting = false;
	log_info(server->log, "counters", LOG_U64("sessions", counters->sessions),
		LOG_U64("connections", counters->connections),
		LOG_U64("pending", atomic_load(&server->limits.pending)),
		LOG_U64("descriptors", server_count_descriptors()),
		LOG_U64("events", counters->events + loop->n_events),
		LOG_U64("timers", counters->timers + loop->n_timers), LOG_U64("children", counters->children),
		LOG_U64("log_dropped", log_dropped(server->log)));
}

/* On each worker's thread in turn: adds its counters and sends the same mail on, so that nothing is locked.
 */
static void server_on_count(struct loop *loop, struct mail *mail)
{
	struct server *server = (struct server *)(void *)((char *)mail - offsetof(struct server, count_mail));

	worker_count((struct worker *)loop, &server->counters);
	if (++server->counted < server->n_workers)
		loop_post(&server->workers[server->counted].loop, mail, server_on_count);
	else
		loop_post(&server->loop, mail, server_on_counted);
}

/* Begins to count. */
static void server_count(struct server *server)
{
	if (server->counting || server->draining)
		return;
	server->counting = true;
	server->counted = 0;
	server->counters = (struct worker_counters){ 0 };
	loop_post(&server->workers[0].loop, &server->count_mail, server_on_count);
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
		if (server->draining)
			server_cut(server);
		else
			server_drain(server);
		break;
	case SIGUSR1:
		if (!log_reopen(server->log))
			log_debug(server->log, "no log file to open again");
		break;
	case SIGUSR2:
		server_count(server);
		break;
	default:
		log_info(server->log, "signal ignored", LOG_STR("signal", sigabbrev_np((int)info.ssi_signo)));
	}
}

/* The spawner is gone, and its programs with it: the service manager is to start us anew. */
static void server_on_spawner(evutil_socket_t fd, short what, void *arg)
{
	struct server *server = arg;
	(void)fd;
	(void)what;

	log_error(server->log, "the process that starts programs (the spawner) died");
	server->status = 1;
	event_del(server->on_spawner);
	server->draining = true;
	server_cut(server);
}

/* 0, 1 and 2 are open, so that no socket becomes somebody's stderr. */
static void server_fill_standard(void)
{
	int fd;
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* As many descriptors as we may have. */
static void server_raise_files(struct server *server)
{
	struct rlimit all;
	must(getrlimit(RLIMIT_NOFILE, &server->files) == 0);
	all = server->files;
	all.rlim_cur = all.rlim_max;
	setrlimit(RLIMIT_NOFILE, &all);
}

/* One worker for each CPU that this process may use, unless the configuration says how many. */
static unsigned server_worker_count(const struct config *config)
{
	cpu_set_t cpus;
	if (config->gateway.workers > 0)
		return config->gateway.workers;
	if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0)
		return 1;
	_Static_assert(CPU_SETSIZE <= CONFIG_WORKERS_MAX, "auto may be more than workers may be");
	return (unsigned)CPU_COUNT(&cpus);
}

/* Does any route start programs? */
static bool server_has_programs(const struct config *config)
{
	for (size_t i = 0; i < config->n_routes; i++)
		if (config->routes[i].exec.n > 0)
			return true;
	return false;
}

/* Forks the spawner. Without programs there is none. */
static int server_start_spawner(struct server *server)
{
	char step[SPAWNER_STEP];
	if (!server_has_programs(server->config))
		return 0;
	int *fds = calloc(server->n_workers, sizeof(*fds));
	if (fds == NULL)
		return -ENOMEM;
	server->spawner = spawner_fork(server->config, &server->files, fds, server->n_workers, step);
	snprintf(server->spawner_step, sizeof(server->spawner_step), "start the spawner: %s", step);
	if (server->spawner < 0) {
		free(fds);
		return (int)server->spawner;
	}
	server->spawn_fds = fds;
	server->spawner_fd = pidfd_open(server->spawner, 0);
	return server->spawner_fd < 0 ? -errno : 0;
}

/* Signals come as bytes on a descriptor; every thread made from now on leaves them to it. A write to nobody
 * is an errno. */
static int server_block_signals(struct server *server)
{
	sigset_t set;
	sigemptyset(&set);
	const int ours[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2 };
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		sigaddset(&set, ours[i]);
	signal(SIGPIPE, SIG_IGN);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	server->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return server->signal_fd < 0 ? -errno : 0;
}

/* What the main loop listens to. */
static int server_watch(struct server *server)
{
	server->on_signal = loop_event_new(
		&server->loop, server->signal_fd, EV_READ | EV_PERSIST, server_on_signal, server);
	server->grace = loop_event_new(&server->loop, -1, 0, server_on_grace, server);
	if (server->on_signal == NULL || server->grace == NULL)
		return -ENOMEM;
	event_add(server->on_signal, NULL);
	if (server->spawner_fd < 0)
		return 0;
	server->on_spawner = loop_event_new(
		&server->loop, server->spawner_fd, EV_READ | EV_PERSIST, server_on_spawner, server);
	return server->on_spawner == NULL ? -ENOMEM : event_add(server->on_spawner, NULL);
}

/* Prepares the workers with the spawner's sockets. */
static int server_make_workers(struct server *server)
{
	server->workers = calloc(server->n_workers, sizeof(*server->workers));
	if (server->workers == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < server->n_workers; i++) {
		int error = worker_init(&server->workers[i], server->log, server->config, server->resolver,
			&server->limits, server->spawn_fds == NULL ? -1 : server->spawn_fds[i]);
		if (error != 0)
			return error;
		if (server->spawn_fds != NULL)
			server->spawn_fds[i] = -1;
	}
	return 0;
}

/* Starts the threads. */
static int server_start_workers(struct server *server)
{
	int error = log_start(server->log);
	for (unsigned i = 0; i < server->n_workers && error == 0; i++) {
		error = worker_start(&server->workers[i], &server->loop, server_on_worker_ended);
		if (error == 0)
			server->n_running++;
	}
	return error;
}

/* Is it in vain to try to become the user of the configuration? Logged, since it is the one mistake that
 * needs no errno. */
static int server_check_privileges(struct server *server)
{
	const struct gateway_conf *gateway = &server->config->gateway;
	const char *words = privileges_check(gateway);

	if (words == NULL)
		return 0;
	log_error(server->log, words, LOG_STR("user", gateway->user != NULL ? gateway->user : ""),
		LOG_STR("group", gateway->group != NULL ? gateway->group : ""), LOG_U64("uid", geteuid()),
		LOG_U64("gid", getegid()));
	return -EPERM;
}

/* The last thing that root is needed for has been done. */
static int server_drop_privileges(struct server *server, const char **step)
{
	int error = privileges_drop(&server->config->gateway, step);

	if (error == 0 && geteuid() == 0 && server->spawner > 0)
		log_warning(server->log,
			"programs run as root: user in [gateway] names another user (a run_as for each route "
			"comes with a later version)");
	return error;
}

/* Opens every address. */
static int server_open_doors(struct server *server)
{
	const struct acceptors acceptors = {
		.loop = &server->loop,
		.limits = &server->limits,
		.max_pending = server->config->gateway.max_pending,
		.workers = server->workers,
		.n_workers = server->n_workers,
	};
	return doors_open(&server->doors, server->config, &acceptors, &server->inherited);
}

/* All that comes before the first visitor. Returns 0 or -errno; `step` says what failed unless it was logged.
 */
static int server_start(struct server *server, const char **step)
{
	int error;

	*step = "take the sockets that systemd passes";
	if ((error = inherited_read(&server->inherited)) != 0)
		return error;
	*step = NULL;
	if ((error = server_check_privileges(server)) != 0)
		return error;
	*step = server->spawner_step;
	if ((error = server_start_spawner(server)) != 0)
		return error;
	*step = "prepare";
	if ((error = upgrade_init()) != 0 || (error = loop_init(&server->loop, server->log)) != 0 ||
		(error = limits_init(&server->limits)) != 0)
		return error;
	if ((server->resolver = resolver_new()) == NULL)
		return -ENOMEM;
	if ((error = server_make_workers(server)) != 0 || (error = server_block_signals(server)) != 0 ||
		(error = server_watch(server)) != 0)
		return error;
	*step = NULL;
	if ((error = certificates_new(&server->certificates, &server->loop, server->config, server->workers,
		     server->n_workers)) != 0 ||
		(error = server_open_doors(server)) != 0)
		return error;
	if ((error = server_drop_privileges(server, step)) != 0)
		return error;
	*step = "watch the certificates";
	if ((error = certificates_watch(server->certificates)) != 0)
		return error;
	exposure_warn(server->log, server->config);
	/* Whatever the level: with port 0 there is no other way to learn the port. */
	LOG_CALL(server->log, LOG_INFO, "listening", LOG_STR("address", server->doors.addresses),
		LOG_U64("workers", server->n_workers), { .key = NULL });
	*step = "start the workers";
	if ((error = server_start_workers(server)) != 0)
		return error;
	return notify_ready(&server->notify, &server->loop, &server->limits.sessions);
}

/* Waits for the spawner, which ends when it has lost all its sockets: also those that no worker has taken. */
static void server_stop_spawner(struct server *server)
{
	for (unsigned i = 0; server->spawn_fds != NULL && i < server->n_workers; i++)
		if (server->spawn_fds[i] >= 0)
			close(server->spawn_fds[i]);
	free(server->spawn_fds);
	if (server->spawner > 0)
		waitpid(server->spawner, NULL, 0);
	if (server->spawner_fd >= 0)
		close(server->spawner_fd);
}

/* Takes down what there is. */
static void server_stop(struct server *server)
{
	if (server->n_running > 0 && !server->cutting)
		server_cut(server); /* a start that failed half-way */
	for (unsigned i = 0; server->workers != NULL && i < server->n_workers; i++)
		worker_join(&server->workers[i]);
	resolver_free(server->resolver); /* posts to the loops until now */
	for (unsigned i = 0; server->workers != NULL && i < server->n_workers; i++)
		worker_done(&server->workers[i]);
	doors_done(&server->doors);
	inherited_done(&server->inherited);
	notify_done(&server->notify);
	certificates_free(server->certificates);
	if (server->loop.base != NULL) {
		loop_event_free(&server->loop, server->on_signal);
		loop_event_free(&server->loop, server->on_spawner);
		loop_event_free(&server->loop, server->grace);
		loop_done(&server->loop);
	}
	free(server->workers);
	limits_done(&server->limits);
	server_stop_spawner(server);
	if (server->signal_fd >= 0)
		close(server->signal_fd);
}

/* Opens what is logged to. 0, or -errno; it has been logged if there is a log. */
static int server_open_log(struct server *server)
{
	const struct gateway_conf *gateway = &server->config->gateway;
	const char *path = gateway->log_target == LOG_TARGET_FILE ? gateway->log_file : "/dev/log";
	int error;

	server->log = log_new(STDERR_FILENO, gateway->log_level, gateway->log_format, SERVER_LOG_RING);
	if (server->log == NULL)
		return -ENOMEM;
	error = log_open(server->log, gateway->log_target, path, gateway->uid, gateway->gid);
	if (error == 0) {
		loop_log_to(server->log);
		return 0;
	}
	log_error(server->log, "cannot open the log", LOG_STR("path", path),
		LOG_STR("error", strerror(-error)));
	log_free(server->log, 0);
	return error;
}

/* Runs the gateway. */
int server_run(const struct config *config)
{
	struct server server = { .config = config, .spawner_fd = -1, .signal_fd = -1 };
	const char *step;

	server_fill_standard();
	if (server_open_log(&server) != 0)
		return 1;
	server.n_workers = server_worker_count(config);
	server_raise_files(&server);
	int error = server_start(&server, &step);
	if (error == 0)
		loop_run(&server.loop);
	else {
		server.status = 1;
		if (step != NULL)
			log_error(server.log, "cannot start", LOG_STR("step", step),
				LOG_STR("error", strerror(-error)));
		notify_failed(step, -error);
	}
	server_stop(&server);
	if (server.status == 0)
		log_info(server.log, "stopped");
	loop_log_to(NULL);
	log_free(server.log, SERVER_LOG_WAIT_MS);
	return server.status;
}

/* Reads what a start would read. */
int server_check(const struct config *config)
{
	if (certificates_check(config, stderr) != 0)
		return 1;
	if (puts("ok") >= 0 && fflush(stdout) == 0)
		return 0;
	fprintf(stderr, "wsluice: cannot write: %s\n", strerror(errno));
	return 1;
}
