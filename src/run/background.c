/*
 * background: two forks, so that what serves leads no session and can't get a terminal by opening one, and a
 * pipe by which the first process hears how the start went. Runs before there are threads.
 */
#include "run/background.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Waits until the one at the other end says something, or is gone. Never returns. */
static void background_wait(int fd, pid_t child, int failed)
{
	char word;
	ssize_t n;

	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	do
		n = read(fd, &word, 1);
	while (n < 0 && errno == EINTR);
	_exit(n == 1 ? 0 : failed);
}

/* Forks twice. */
int background_enter(int failed)
{
	int ends[2], error;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid > 0) {
		close(ends[1]);
		background_wait(ends[0], pid, failed);
	}
	error = -errno;
	close(ends[0]);
	if (pid == 0) {
		setsid();
		pid = fork();
		if (pid > 0)
			_exit(0);
		error = -errno;
	}
	if (pid == 0)
		return ends[1];
	close(ends[1]);
	return error;
}

/* Tells. */
void background_leave(int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = STDIN_FILENO; null >= 0 && i <= STDERR_FILENO; i++)
		dup2(null, i);
	if (null >= 0)
		close(null);
	if (write(fd, "", 1) < 0)
		errno = 0; /* nobody waits any more */
	close(fd);
}
