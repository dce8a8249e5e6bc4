/*
 * file: finds and opens static files.
 *
 * That they lie inside of their directory is kept by base/beneath.c. Owns the descriptor. Runs on its loop's
 * thread.
 */
#include "gate/file.h"

#include "base/beneath.h"
#include "ws/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* clang-format off */
static const struct {
	const char *ending, *type;
} file_types[] = {
	{ ".html", "text/html; charset=utf-8" },
	{ ".htm", "text/html; charset=utf-8" },
	{ ".css", "text/css; charset=utf-8" },
	{ ".js", "text/javascript; charset=utf-8" },
	{ ".mjs", "text/javascript; charset=utf-8" },
	{ ".txt", "text/plain; charset=utf-8" },
	{ ".md", "text/plain; charset=utf-8" }, /* text/markdown is a download to browsers */
	{ ".log", "text/plain; charset=utf-8" },
	{ ".csv", "text/csv; charset=utf-8" },
	{ ".vtt", "text/vtt; charset=utf-8" },
	{ ".ics", "text/calendar; charset=utf-8" },
	{ ".xhtml", "application/xhtml+xml" }, /* XML says its charset itself, and JSON is UTF-8 */
	{ ".xml", "application/xml" },
	{ ".xsl", "application/xml" },
	{ ".rss", "application/rss+xml" },
	{ ".atom", "application/atom+xml" },
	{ ".json", "application/json" },
	{ ".map", "application/json" },
	{ ".webmanifest", "application/manifest+json" },
	{ ".svg", "image/svg+xml" },
	{ ".png", "image/png" },
	{ ".apng", "image/apng" },
	{ ".jpg", "image/jpeg" },
	{ ".jpeg", "image/jpeg" },
	{ ".gif", "image/gif" },
	{ ".webp", "image/webp" },
	{ ".avif", "image/avif" },
	{ ".bmp", "image/bmp" },
	{ ".ico", "image/vnd.microsoft.icon" },
	{ ".woff", "font/woff" },
	{ ".woff2", "font/woff2" },
	{ ".ttf", "font/ttf" },
	{ ".otf", "font/otf" },
	{ ".mp3", "audio/mpeg" },
	{ ".m4a", "audio/mp4" },
	{ ".aac", "audio/aac" },
	{ ".flac", "audio/flac" },
	{ ".wav", "audio/wav" },
	{ ".oga", "audio/ogg" },
	{ ".ogg", "audio/ogg" },
	{ ".opus", "audio/ogg" },
	{ ".weba", "audio/webm" },
	{ ".mp4", "video/mp4" },
	{ ".m4v", "video/mp4" },
	{ ".ogv", "video/ogg" },
	{ ".webm", "video/webm" },
	{ ".wasm", "application/wasm" },
	{ ".pdf", "application/pdf" },
	{ ".zip", "application/zip" },
	{ ".gz", "application/gzip" },
	{ ".tgz", "application/gzip" },
	{ ".tar", "application/x-tar" },
};
/* clang-format on */

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

/* Looks at each rule. */
bool file_path_allowed(struct text path)
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

/* What an errno of opening means for the client. */
static int file_error_of(int error)
{
	if (error == -EXDEV)
		return FILE_OUTSIDE;
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM ? FILE_FAILED : FILE_NONE;
}

/* Opens what is a regular file beneath the directory. Returns a descriptor or a file_error. */
static int file_open_beneath(int dir_fd, const char *dir, const char *path, struct stat *st)
{
	int fd = beneath_open(dir_fd, dir, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return file_error_of(fd);
	if (fstat(fd, st) == 0 && S_ISREG(st->st_mode))
		return fd;
	close(fd);
	return S_ISDIR(st->st_mode) ? FILE_DIRECTORY : FILE_NONE;
}

/*
 * Opens the gzip form beside a file, if that is not older: what is older was made of something else. (nginx
 * takes it whatever its age.) Seconds are compared, since tools that copy the time of the file to the gzip
 * form cut it. Returns a descriptor or a file_error.
 */
static int file_open_gzip(int dir_fd, const char *dir, const char *name, struct stat *st)
{
	char path[PATH_MAX];
	struct stat gz = { 0 };
	int n = snprintf(path, sizeof(path), "%s.gz", name);

	if (n >= (int)sizeof(path))
		return FILE_NONE;
	int fd = file_open_beneath(dir_fd, dir, path, &gz);
	if (fd < 0)
		return fd;
	if (gz.st_mtim.tv_sec < st->st_mtim.tv_sec) {
		close(fd);
		return FILE_NONE;
	}
	*st = gz;
	return fd;
}

/* Nanoseconds of a time; wraps where that does not matter. */
static uint64_t file_ns(const struct timespec *time)
{
	return (uint64_t)time->tv_sec * 1000000000 + (uint64_t)time->tv_nsec;
}

/* What to compare later. */
static struct file_mark file_mark_of(const struct stat *st)
{
	return (struct file_mark){
		.size = (uint64_t)st->st_size,
		.modified_ns = file_ns(&st->st_mtim),
	};
}

/*
 * An entity tag that is another one whenever the bytes are, as far as the file system tells: time of
 * modification, size, inode, and the time of the last change of anything, since the first can be set
 * (archives whose files all have one time, cp -p). The factor only keeps the last two from cancelling each
 * other out.
 */
static void file_make_etag(char out[FILE_ETAG_SIZE], const struct stat *st, bool gzip)
{
	uint64_t which = (uint64_t)st->st_ino * 0x9e3779b97f4a7c15 + file_ns(&st->st_ctim);

	snprintf(out, FILE_ETAG_SIZE, "\"%" PRIx64 "-%" PRIx64 "-%" PRIx64 "%s\"", file_ns(&st->st_mtim),
		(uint64_t)st->st_size, which, gzip ? "-gz" : "");
}

/* Opens a name, or its gzip form. */
static int file_open_name(
	struct file *file, struct file_facts *facts, const char *dir, const char *name, bool gzip)
{
	struct stat st = { 0 };
	int dir_fd = beneath_open_root(dir);

	if (dir_fd < 0)
		return FILE_FAILED;
	int fd = file_open_beneath(dir_fd, dir, name, &st);
	int gz = fd >= 0 && gzip ? file_open_gzip(dir_fd, dir, name, &st) : -1;
	close(dir_fd);
	if (fd < 0)
		return fd;
	if (gz >= 0) {
		close(fd);
		fd = gz;
	}
	*file = (struct file){ .fd = fd, .end = (uint64_t)st.st_size, .was = file_mark_of(&st) };
	*facts = (struct file_facts){
		.len = (uint64_t)st.st_size,
		.type = file_type(text_of(name)),
		.gzip = gz >= 0,
		.modified = st.st_mtim.tv_sec,
	};
	file_make_etag(facts->etag, &st, facts->gzip);
	return 0;
}

/* Turns the path into a name beneath the directory. */
int file_open(struct file *file, struct file_facts *facts, const char *dir, struct text path, bool gzip)
{
	char name[PATH_MAX];

	if (!file_path_allowed(path))
		return FILE_NONE;
	bool index = path.ptr[path.len - 1] == '/';
	while (path.len > 0 && path.ptr[0] == '/')
		path = text_slice(path, 1);
	int n = snprintf(name, sizeof(name), "%.*s%s", TEXT_ARG(path), index ? "index.html" : "");
	if (n <= 0 || n >= (int)sizeof(name))
		return FILE_NONE;
	int error = file_open_name(file, facts, dir, name, gzip);
	return error == FILE_DIRECTORY && index ? FILE_NONE : error;
}

/* An end before the length that was promised is an error. */
long file_read(struct file *file, void *out, size_t size)
{
	uint64_t left = file->end - file->at;

	if (left == 0)
		return 0;
	ssize_t n = pread(file->fd, out, left < size ? left : size, (off_t)file->at);
	if (n <= 0)
		return -1;
	file->at += (uint64_t)n;
	return n;
}

/* Another owner, another name, another link are no change of the content. */
bool file_is_unchanged(const struct file *file)
{
	struct stat st;

	if (fstat(file->fd, &st) != 0)
		return false;
	struct file_mark is = file_mark_of(&st);
	return is.size == file->was.size && is.modified_ns == file->was.modified_ns;
}

/* Leaves -1, so that it is closed once. */
void file_close(struct file *file)
{
	close(file->fd);
	file->fd = -1;
}
