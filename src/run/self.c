/*
 * self: what a process asks of the system for itself. Owns nothing. At start on the main thread; the counting
 * on any.
 */
#include "run/self.h"

#include "base/must.h"
#include "conf/config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Opens until what is opened is past them. */
void self_fill_standard(void)
{
	int fd;
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* Raises the soft limit; a sandbox may refuse. */
void self_raise_files(struct rlimit *before)
{
	struct rlimit all;
	must(getrlimit(RLIMIT_NOFILE, before) == 0);
	all = *before;
	all.rlim_cur = all.rlim_max;
	setrlimit(RLIMIT_NOFILE, &all);
}

/* Blocks them and opens the descriptor. */
int self_block_signals(void)
{
	static const int ours[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2 };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		sigaddset(&set, ours[i]);
	signal(SIGPIPE, SIG_IGN);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Those that end us. */
void self_hear_stop_only(int fd)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	signalfd(fd, &set, 0);
}

/* Asks the scheduler. */
unsigned self_count_cpus(void)
{
	cpu_set_t cpus;
	_Static_assert(CPU_SETSIZE <= CONFIG_WORKERS_MAX, "there may be more CPUs than workers may be");
	return sched_getaffinity(0, sizeof(cpus), &cpus) != 0 ? 1 : (unsigned)CPU_COUNT(&cpus);
}

/* The directory that tells it is one of them, and "." and ".." are no descriptors. */
size_t self_count_descriptors(void)
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
