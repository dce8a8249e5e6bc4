/*
 * logtarget: opens, writes and reopens what the lines of a log go to. Owns the descriptor and the path, and
 * knows nothing of rings, batches or losses. Opened on the main thread, written to by the log's writer.
 */
#include "base/logtarget.h"

#include "base/must.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

/* Whether systemd's journal reads the descriptor (systemd.exec(5), JOURNAL_STREAM). */
static bool logtarget_is_journal(int fd)
{
	struct text rest = text_of(getenv("JOURNAL_STREAM")), device;
	uint64_t dev, ino;
	struct stat st;

	return text_next(&rest, ':', &device) && text_to_u64(device, UINT64_MAX, &dev) &&
	       text_to_u64(rest, UINT64_MAX, &ino) && fstat(fd, &st) == 0 && st.st_dev == dev &&
	       st.st_ino == ino;
}

/* Borrows a descriptor. */
struct logtarget logtarget_of_fd(int fd)
{
	return (struct logtarget){ .kind = LOG_TARGET_STDERR, .fd = fd, .prefix = logtarget_is_journal(fd) };
}

/* Makes a borrowed descriptor ours: one left behind must not write to what has got the number since. */
int logtarget_own(struct logtarget *target)
{
	int ours = fcntl(target->fd, F_DUPFD_CLOEXEC, 0);

	if (ours < 0)
		return -errno;
	target->fd = ours;
	target->owned = true;
	return 0;
}

/* Makes a path that means the same wherever we are; NULL and errno when that fails. */
static char *logtarget_absolute(const char *path)
{
	char *here, *absolute;

	if (path[0] == '/')
		return strdup(path);
	here = getcwd(NULL, 0);
	if (here == NULL)
		return NULL;
	if (asprintf(&absolute, "%s/%s", here, path) < 0)
		absolute = NULL;
	free(here);
	return absolute;
}

/* Gives a file of root's, which a new one is, to whom we will be. 0 or -errno. */
static int logtarget_give(const struct logtarget *target, int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	/* With another name it may be anybody's business. */
	if (!S_ISREG(st.st_mode) || st.st_uid != 0 || st.st_nlink != 1)
		return 0;
	return fchown(fd, target->uid, target->gid) == 0 ? 0 : -errno;
}

/* Opens the file by its name; a descriptor or -errno. */
static int logtarget_open(const struct logtarget *target)
{
	bool giving = target->uid != (uid_t)-1 && geteuid() == 0;
	int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	int fd = open(target->path, flags | (giving ? O_NOFOLLOW : 0), 0640);
	int error;

	if (fd < 0)
		return -errno;
	if (giving && (error = logtarget_give(target, fd)) != 0) {
		close(fd);
		return error;
	}
	return fd;
}

/* Opens a file for the first time. */
int logtarget_open_file(struct logtarget *target, const char *path, uid_t uid, gid_t gid)
{
	struct logtarget file = { .kind = LOG_TARGET_FILE, .owned = true, .uid = uid, .gid = gid };

	file.path = logtarget_absolute(path);
	if (file.path == NULL)
		return -errno;
	file.fd = logtarget_open(&file);
	if (file.fd < 0) {
		free(file.path);
		return file.fd;
	}
	*target = file;
	return 0;
}

/* Whether a daemon is behind syslog's socket, be it one of datagrams or, as old daemons have it, a stream. */
static int logtarget_find_syslog(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = _PATH_LOG };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), error = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 && errno != EPROTOTYPE)
		error = -errno;
	close(fd);
	return error;
}

/* Opens syslog. */
int logtarget_open_syslog(struct logtarget *target)
{
	int error = logtarget_find_syslog();

	if (error != 0)
		return error;
	openlog("wsluice", LOG_PID | LOG_NDELAY, LOG_DAEMON);
	*target = (struct logtarget){ .kind = LOG_TARGET_SYSLOG, .fd = -1, .owned = true, .prefix = true };
	return 0;
}

/* Opens the new file first, so that there always is one. */
int logtarget_reopen(struct logtarget *target)
{
	int fd = logtarget_open(target);

	if (fd < 0)
		return fd;
	close(target->fd);
	target->fd = fd;
	return 0;
}

/* Hands syslog a message for each line; its <N> is the priority. syslog(3) does not say whether it got
 * through, so a daemon that is not there is looked for before. */
static size_t logtarget_write_syslog(const char *lines, size_t len)
{
	size_t done = 0;

	while (done < len && logtarget_find_syslog() == 0) {
		const char *line = lines + done, *end = memchr(line, '\n', len - done);

		must(end != NULL && end - line >= 3 && line[0] == '<' && line[2] == '>');
		syslog(line[1] - '0', "%.*s", (int)(end - line - 3), line + 3);
		done = (size_t)(end + 1 - lines);
	}
	return done;
}

/* Writes to the descriptor, waiting in poll(2) where it does not block by itself. */
size_t logtarget_write(const struct logtarget *target, const char *bytes, size_t len)
{
	size_t done = 0;

	if (target->kind == LOG_TARGET_SYSLOG)
		return logtarget_write_syslog(bytes, len);
	while (done < len) {
		ssize_t n = write(target->fd, bytes + done, len - done);
		struct pollfd room = { .fd = target->fd, .events = POLLOUT };

		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno == EAGAIN)
			poll(&room, 1, -1);
		else if (n == 0 || errno != EINTR)
			break;
	}
	return done;
}

/* Lets go of what is ours. */
void logtarget_close(struct logtarget *target)
{
	if (target->kind == LOG_TARGET_SYSLOG)
		closelog();
	else if (target->owned)
		close(target->fd);
	free(target->path);
}
