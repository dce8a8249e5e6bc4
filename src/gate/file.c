/*
 * file: finds and reads static files.
 *
 * The kernel keeps the search beneath the directory (openat2, RESOLVE_BENEATH); a symlink that is written as
 * an absolute path but ends inside is resolved first and opened beneath as well. Owns the descriptor. Runs on
 * its loop's thread.
 */
#include "gate/file.h"

#include "ws/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
	const char *ending, *type;
} file_types[] = {
	{ ".html", "text/html; charset=utf-8" },
	{ ".htm", "text/html; charset=utf-8" },
	{ ".css", "text/css; charset=utf-8" },
	{ ".js", "text/javascript; charset=utf-8" },
	{ ".mjs", "text/javascript; charset=utf-8" },
	{ ".json", "application/json" },
	{ ".map", "application/json" },
	{ ".txt", "text/plain; charset=utf-8" },
	{ ".md", "text/plain; charset=utf-8" },
	{ ".xml", "application/xml" },
	{ ".svg", "image/svg+xml" },
	{ ".png", "image/png" },
	{ ".jpg", "image/jpeg" },
	{ ".jpeg", "image/jpeg" },
	{ ".gif", "image/gif" },
	{ ".webp", "image/webp" },
	{ ".ico", "image/vnd.microsoft.icon" },
	{ ".woff", "font/woff" },
	{ ".woff2", "font/woff2" },
	{ ".wasm", "application/wasm" },
	{ ".pdf", "application/pdf" },
	{ ".mp3", "audio/mpeg" },
	{ ".mp4", "video/mp4" },
	{ ".oga", "audio/ogg" },
};

/* The Content-Type of a name. */
static const char *file_type(struct text name)
{
	for (size_t i = 0; i < sizeof(file_types) / sizeof(file_types[0]); i++) {
		size_t len = strlen(file_types[i].ending);
		if (name.len > len && text_is_nocase(text_slice(name, name.len - len), file_types[i].ending))
			return file_types[i].type;
	}
	return "application/octet-stream";
}

/* May this path be looked for? No dotfiles (so no ".." either), no backslash, no NUL, UTF-8 only. */
static bool file_path_allowed(struct text path)
{
	struct utf8 utf8 = { 0 };

	if (path.len == 0 || path.ptr[0] != '/' || memchr(path.ptr, '\0', path.len) != NULL ||
		memchr(path.ptr, '\\', path.len) != NULL)
		return false;
	for (size_t i = 0; i + 1 < path.len; i++)
		if (path.ptr[i] == '/' && path.ptr[i + 1] == '.')
			return false;
	return utf8_check(&utf8, (const uint8_t *)path.ptr, path.len) == path.len && utf8_complete(&utf8);
}

/* openat2(2), which glibc does not wrap. */
static int file_openat2(int dir, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

/* A symlink led out of the directory, or is absolute: where it ends decides, and is again opened beneath. */
static int file_open_resolved(int dir_fd, const char *dir, const char *path)
{
	char joined[PATH_MAX], *root = realpath(dir, NULL), *target = NULL;
	int fd = -1;

	if (root != NULL && snprintf(joined, sizeof(joined), "%s/%s", root, path) < (int)sizeof(joined))
		target = realpath(joined, NULL);
	size_t len = root == NULL ? 0 : strlen(root);
	if (target != NULL && strncmp(target, root, len) == 0 && target[len] == '/')
		fd = file_openat2(dir_fd, target + len + 1);
	else
		errno = EXDEV;
	free(root);
	free(target);
	return fd;
}

/* What an errno of opening means for the client. */
static int file_error_of(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM ? FILE_FAILED : FILE_NONE;
}

/* Opens beneath the directory. Returns a descriptor or a file_error. */
static int file_open_beneath(const char *dir, const char *path)
{
	int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return FILE_FAILED;
	int fd = file_openat2(dir_fd, path);
	if (fd < 0 && errno == EXDEV)
		fd = file_open_resolved(dir_fd, dir, path);
	int error = errno;
	close(dir_fd);
	return fd < 0 ? file_error_of(error) : fd;
}

/* Turns the path into a name beneath the directory, and takes what is there if it is a regular file. */
int file_open(struct file *file, const char *dir, struct text path)
{
	char name[PATH_MAX];
	struct stat st = { 0 };

	if (!file_path_allowed(path))
		return FILE_NONE;
	bool index = path.ptr[path.len - 1] == '/';
	while (path.len > 0 && path.ptr[0] == '/')
		path = text_slice(path, 1);
	int n = snprintf(name, sizeof(name), "%.*s%s", TEXT_ARG(path), index ? "index.html" : "");
	if (n <= 0 || n >= (int)sizeof(name))
		return FILE_NONE;

	int fd = file_open_beneath(dir, name);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return S_ISDIR(st.st_mode) && !index ? FILE_DIRECTORY : FILE_NONE;
	}
	*file = (struct file){ .fd = fd, .len = (uint64_t)st.st_size, .type = file_type(text_of(name)) };
	return 0;
}

/* An end before the length that was promised is an error. */
long file_read(struct file *file, void *out, size_t size)
{
	uint64_t left = file->len - file->sent;
	if (left == 0)
		return 0;
	ssize_t n = pread(file->fd, out, left < size ? left : size, (off_t)file->sent);
	if (n <= 0)
		return -1;
	file->sent += (uint64_t)n;
	return n;
}

/* Leaves -1, so that it is closed once. */
void file_close(struct file *file)
{
	close(file->fd);
	file->fd = -1;
}
