/*
 * logtarget: opens, writes and reopens what the lines of a log go to. Owns the descriptor and the path, and
 * knows nothing of rings, batches or losses. Opened on the main thread, written to by the log's writer.
 */
#include "base/logtarget.h"

#include "base/must.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <paths.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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

/* Is the file to be given away, so that somebody else may have had a hand in where its name leads? */
static bool logtarget_is_giving(const struct logtarget *target)
{
	return target->uid != (uid_t)-1 && geteuid() == 0;
}

/* open(2), which then passes no symbolic link; a descriptor or -errno. */
static int logtarget_open_name(const struct logtarget *target, const char *name, int flags, mode_t mode)
{
	struct open_how how = { .flags = (uint64_t)flags, .mode = mode, .resolve = RESOLVE_NO_SYMLINKS };
	int fd;

	if (logtarget_is_giving(target))
		fd = (int)syscall(SYS_openat2, AT_FDCWD, name, &how, sizeof(how));
	else
		fd = open(name, flags, mode); /* there are sandboxes that don't know the other one */
	return fd < 0 ? -errno : fd;
}

/* Opens the file by its name; a descriptor or -errno. */
static int logtarget_open(const struct logtarget *target)
{
	int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	int fd = logtarget_open_name(target, target->path, flags, 0640), error;

	if (fd >= 0 && logtarget_is_giving(target) && (error = logtarget_give(target, fd)) != 0) {
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

/* Could this process write to the file that is there? 0 or -errno, -ENOENT when it is not there. */
static int logtarget_check_existing(const struct logtarget *target)
{
	int fd = logtarget_open_name(target, target->path, O_PATH | O_CLOEXEC, 0);
	struct stat st;
	int error = 0;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) != 0)
		error = -errno;
	else if (S_ISDIR(st.st_mode))
		error = -EISDIR;
	else if (faccessat(AT_FDCWD, target->path, W_OK, AT_EACCESS) != 0)
		error = -errno;
	close(fd);
	return error;
}

/* Could this process make a new one in its directory? 0 or -errno. */
static int logtarget_check_directory(const struct logtarget *target)
{
	char *directory = strndup(target->path, (size_t)(strrchr(target->path, '/') + 1 - target->path));
	int fd = directory == NULL
			 ? -ENOMEM
			 : logtarget_open_name(target, directory, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	int error = fd < 0 ? fd : 0;

	if (fd >= 0 && faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS) != 0)
		error = -errno;
	if (fd >= 0)
		close(fd);
	free(directory);
	return error;
}

/* Looks without opening: the reader of a FIFO would notice that. */
int logtarget_check_file(const char *path, uid_t uid)
{
	struct logtarget file = { .path = logtarget_absolute(path), .uid = uid };
	int error;

	if (file.path == NULL)
		return -errno;
	error = logtarget_check_existing(&file);
	/* A link that leads to nothing has its directory elsewhere. */
	if (error == -ENOENT && faccessat(AT_FDCWD, file.path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		error = 0;
	else if (error == -ENOENT && file.path[strlen(file.path) - 1] == '/')
		error = -EISDIR;
	else if (error == -ENOENT)
		error = logtarget_check_directory(&file);
	free(file.path);
	return error;
}

/* Whether a daemon is behind syslog's socket, be it one of datagrams or, as old daemons have it, a stream. */
int logtarget_check_syslog(void)
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
	int error = logtarget_check_syslog();

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
 * through, so a daemon that is not there is looked for before, once for all of them. */
static size_t logtarget_write_syslog(const char *lines, size_t len)
{
	size_t done = 0;

	if (logtarget_check_syslog() != 0)
		return 0;
	while (done < len) {
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
