/*
 * targettable_read: fills a table from a file, or from the regular files of a directory, and sees when they
 * have changed.
 *
 * What is read has a bound, whatever lies there, and nothing outside the directory is. What only passes is no
 * mistake of a file: the table says that it lacks something. Blocks; on any thread.
 */
#include "base/beneath.h"
#include "base/shortage.h"
#include "conf/targetfile.h"
#include "gate/targettable_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Remembers a file and what it looks like. Returns 0 or -ENOMEM. */
static int targettable_add_file(struct targettable *table, const char *path)
{
	struct targettable_file *files =
		targettable_grow(table->files, table->n_files, &table->files_room, sizeof(*files));

	if (files == NULL)
		return -ENOMEM;
	table->files = files;
	files[table->n_files] = (struct targettable_file){ strdup(path), filestate_of(path) };
	return files[table->n_files++].path != NULL ? 0 : -ENOMEM;
}

/* Adds the lines of a file. Of one that was cut the last one is not whole. */
static int targettable_add_lines(struct targettable *table, struct text rest, bool cut)
{
	struct text line;
	int error = 0;

	for (size_t number = 1; error == 0 && targetfile_next(&rest, &line); number++) {
		if (table->n_lines == TARGETTABLE_LINES) {
			targettable_note(table, table->n_files - 1, number,
				"comes behind the 20,000 lines in all that may be read");
			break;
		}
		table->n_lines++;
		if (rest.len > 0 || !cut)
			error = targettable_add_line(table, line, number);
	}
	return error;
}

/* Reads to the end, or as much as may be and one byte. Returns 0 or -errno; the caller frees in both cases.
 */
static int targettable_read_all(int fd, size_t max, char **data, size_t *len)
{
	size_t room = 0;
	ssize_t n = 1;

	*data = NULL;
	for (*len = 0; n > 0 && *len <= max; *len += n > 0 ? (size_t)n : 0) {
		char *more = *data;
		if (*len == room) {
			room = 2 * room + 4096;
			more = realloc(*data, room);
		}
		if (more == NULL)
			return -ENOMEM;
		*data = more;
		n = read(fd, more + *len, room - *len);
	}
	return n < 0 ? -errno : 0;
}

/* Reads an open file, the one that was added last. Returns 0 or -errno. */
static int targettable_read_file(struct targettable *table, int fd)
{
	size_t max = TARGETTABLE_BYTES - table->n_bytes, len;
	char *data;
	int error = targettable_read_all(fd, max, &data, &len);

	if (error != 0) {
		free(data);
		return error;
	}
	bool cut = len > max;
	len = cut ? max : len;
	table->n_bytes += len;
	if (cut)
		targettable_note(table, table->n_files - 1, 0, "is more than may be read: 2 MiB in all");
	error = targettable_add_lines(table, (struct text){ data, len }, cut);
	free(data);
	return error;
}

/* Is it a name that is read? */
static bool targettable_takes(const char *name)
{
	return name[0] != '.' && name[strlen(name) - 1] != '~';
}

/* The file that was added last can't be read, and why: a mistake, or something that passes. */
static void targettable_fail_file(struct targettable *table, int error)
{
	if (shortage_is_passing(error)) {
		table->short_of = error;
		table->short_file = table->n_files - 1;
	}
	targettable_note(table, table->n_files - 1, 0,
		error == EXDEV ? "leads out of the directory" : strerrordesc_np(error));
}

/* Reads an open file of a directory if it is a regular one. Returns 0 or -errno. */
static int targettable_read_regular(struct targettable *table, int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	return S_ISREG(st.st_mode) ? targettable_read_file(table, fd) : 0;
}

/* One file of the directory: what is wrong with it concerns no other. Returns 0, or -ENOMEM. */
static int targettable_read_beneath(struct targettable *table, int root, const char *dir, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", dir, name) < 0)
		return -ENOMEM;
	int error = targettable_add_file(table, path);
	free(path);
	if (error != 0)
		return error;
	int fd = beneath_open(root, dir, name, O_RDONLY | O_NONBLOCK);
	error = fd < 0 ? fd : targettable_read_regular(table, fd);
	if (fd >= 0)
		close(fd);
	bool absent = error == -ENOENT || error == -ENXIO; /* it is gone; it is a socket */
	if (error != 0 && error != -ENOMEM && !absent)
		targettable_fail_file(table, -error);
	return error == -ENOMEM ? error : 0;
}

/* For scandir(3)'s order, which must not depend on the locale. */
static int targettable_compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in a directory that are read, in their order. Returns how many, or -errno; the caller frees. */
static long targettable_list(struct targettable *table, DIR *dir, char ***out)
{
	char **names = calloc(TARGETTABLE_FILES, sizeof(*names));
	struct dirent *entry;
	long n = 0;

	*out = names;
	if (names == NULL)
		return -ENOMEM;
	while (errno = 0, (entry = readdir(dir)) != NULL) {
		if (!targettable_takes(entry->d_name))
			continue;
		if (n == TARGETTABLE_FILES) {
			targettable_note(table, 0, 0, "has more than the 5,000 files that may be read");
			break;
		}
		names[n] = strdup(entry->d_name);
		if (names[n] == NULL)
			break;
		n++;
	}
	if (n < TARGETTABLE_FILES && (entry != NULL || errno != 0))
		return entry != NULL ? -ENOMEM : -errno; /* the names are freed by the caller all the same */
	qsort(names, (size_t)n, sizeof(*names), targettable_compare_names);
	return n;
}

/* Reads the files of a directory. */
static int targettable_read_directory(struct targettable *table, const char *path, int fd)
{
	int root = beneath_open_root(path), copy = root < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	int error = root < 0 ? root : dir == NULL ? -errno : 0;
	char **names = NULL;
	long n = error != 0 ? 0 : targettable_list(table, dir, &names);

	error = n < 0 ? (int)n : error;
	for (long i = 0; i < n && error == 0; i++)
		error = targettable_read_beneath(table, root, path, names[i]);
	for (long i = 0; names != NULL && i < TARGETTABLE_FILES && names[i] != NULL; i++)
		free(names[i]);
	free(names);
	if (dir != NULL)
		closedir(dir);
	else if (copy >= 0)
		close(copy);
	if (root >= 0)
		close(root);
	return error;
}

/* Reads what is at a path. */
int targettable_read(struct targettable *table, const char *path)
{
	int error = targettable_add_file(table, path);
	int fd = error != 0 ? error : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return error != 0 ? error : -errno;
	if (fstat(fd, &st) != 0)
		error = -errno;
	else if (S_ISDIR(st.st_mode))
		error = targettable_read_directory(table, path, fd);
	else
		error = targettable_read_file(table, fd);
	close(fd);
	return error;
}

/* Looks at each. A file that came to a directory or left it is seen by the directory's own times. */
bool targettable_has_changed(const struct targettable *table)
{
	for (size_t i = 0; i < table->n_files; i++) {
		if (!filestate_is(&table->files[i].seen, table->files[i].path))
			return true;
	}
	return false;
}

/* Asks what they looked like before they were read. */
bool targettable_is_sure(const struct targettable *table)
{
	for (size_t i = 0; i < table->n_files; i++) {
		if (!table->files[i].seen.sure)
			return false;
	}
	return true;
}
