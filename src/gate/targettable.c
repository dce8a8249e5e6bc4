/*
 * targettable: reads files of targets and finds tokens in them.
 *
 * A table is filled line by line, then sorted by the digests of its tokens. What is read has a bound,
 * whatever lies in the directory. Blocks; on any thread, each table on one at a time.
 */
#include "gate/targettable.h"

#include "base/beneath.h"
#include "conf/targetfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The digest of a token. Returns 0 or -ENOMEM. */
static int targettable_digest(
	const struct targettable *table, struct text token, uint8_t out[TARGETTABLE_DIGEST])
{
	char folded[256];

	if (table->fold && token.len < sizeof(folded)) { /* no name of a host is longer */
		memcpy(folded, token.ptr, token.len);
		folded[token.len] = '\0';
		text_fold(folded);
		token.ptr = folded;
	}
	return EVP_Digest(token.ptr, token.len, out, NULL, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;
}

/* Makes room for one more. Returns the array, or NULL; then the old one is still there. */
static void *targettable_grow(void *items, size_t n, size_t *room, size_t size)
{
	if (n < *room)
		return items;
	size_t more = *room * 2 + 16;
	void *grown = reallocarray(items, more, size);
	*room = grown != NULL ? more : *room;
	return grown;
}

/* Remembers a mistake in the file that was added last. */
static void targettable_note(struct targettable *table, size_t file, size_t line, const char *words)
{
	if (table->n_notes < TARGETTABLE_NOTES)
		table->notes[table->n_notes] =
			(struct targettable_note){ (uint32_t)file, (uint32_t)line, words };
	table->n_notes++;
}

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

/* Keeps a copy of a URI. Returns where, or -1 when memory is short. */
static long targettable_add_uri(struct targettable *table, const char *uri)
{
	size_t size = strlen(uri) + 1, at = table->uris_len;

	if (at + size > table->uris_room) {
		size_t room = table->uris_room * 2 + size + 1024;
		char *uris = realloc(table->uris, room);
		if (uris == NULL)
			return -1;
		table->uris = uris;
		table->uris_room = room;
	}
	memcpy(table->uris + at, uri, size);
	table->uris_len = at + size;
	return (long)at;
}

/* Adds what a line says. Returns 0 or -ENOMEM. */
static int targettable_add_line(struct targettable *table, struct text text, size_t number)
{
	struct targetfile_line line;
	const char *wrong = targetfile_read(&line, text);
	size_t file = table->n_files - 1;

	if (wrong != NULL)
		targettable_note(table, file, number, wrong);
	if (wrong != NULL || line.token.len == 0)
		return 0;
	struct targettable_entry *entries =
		targettable_grow(table->entries, table->n, &table->room, sizeof(*entries));
	long uri = targettable_add_uri(table, line.uri);
	if (entries != NULL)
		table->entries = entries;
	if (entries == NULL || uri < 0)
		return -ENOMEM;
	entries[table->n] = (struct targettable_entry){
		.line = (uint32_t)number, .file = (uint32_t)file, .uri = (size_t)uri
	};
	return targettable_digest(table, line.token, entries[table->n++].digest);
}

/* Adds the lines of a file. Of one that was cut the last one is not whole. */
static int targettable_add_lines(struct targettable *table, struct text rest, bool cut)
{
	struct text line;
	int error = 0;

	for (size_t number = 1; error == 0 && targetfile_next(&rest, &line); number++) {
		if (rest.len > 0 || !cut)
			error = targettable_add_line(table, line, number);
	}
	return error;
}

/* Reads to the end, or as much as may be and one byte. Returns a block for the caller to free, or NULL with
 * an errno. */
static char *targettable_read_all(int fd, size_t max, size_t *len)
{
	size_t room = 4096;
	char *data = malloc(room);
	ssize_t n = 1;

	for (*len = 0; data != NULL && n > 0 && *len <= max;) {
		if (*len == room) {
			char *more = realloc(data, room *= 2);
			if (more == NULL)
				free(data);
			data = more;
		}
		if (data != NULL && (n = read(fd, data + *len, room - *len)) > 0)
			*len += (size_t)n;
	}
	if (data == NULL || n >= 0)
		return data;
	free(data);
	return NULL;
}

/* Reads an open file, the one that was added last. Returns 0 or -errno. */
static int targettable_read_file(struct targettable *table, int fd)
{
	size_t max = TARGETTABLE_BYTES - table->n_bytes, len;
	char *data = targettable_read_all(fd, max, &len);

	if (data == NULL)
		return -errno;
	bool cut = len > max;
	len = cut ? max : len;
	table->n_bytes += len;
	if (cut)
		targettable_note(table, table->n_files - 1, 0, "is more than may be read: 16 MiB in all");
	int error = targettable_add_lines(table, (struct text){ data, len }, cut);
	free(data);
	return error;
}

/* Is it a name that is read? */
static bool targettable_takes(const char *name)
{
	return name[0] != '.' && name[strlen(name) - 1] != '~';
}

/* One file of the directory: what is wrong with it concerns no other. Returns 0, or -ENOMEM. */
static int targettable_read_beneath(struct targettable *table, int root, const char *dir, const char *name)
{
	char *path;
	struct stat st;

	if (asprintf(&path, "%s/%s", dir, name) < 0)
		return -ENOMEM;
	int error = targettable_add_file(table, path);
	free(path);
	if (error != 0)
		return error;
	int fd = beneath_open(root, dir, name, O_RDONLY | O_NONBLOCK);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		error = targettable_read_file(table, fd);
	else if (fd == -EXDEV)
		targettable_note(table, table->n_files - 1, 0, "leads out of the directory");
	else if (fd < 0 && fd != -ENOENT && fd != -ENXIO) /* it is gone; it is a socket */
		targettable_note(table, table->n_files - 1, 0, strerrordesc_np(-fd));
	if (fd >= 0)
		close(fd);
	if (error != 0 && error != -ENOMEM)
		targettable_note(table, table->n_files - 1, 0, strerrordesc_np(-error));
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
	while ((entry = readdir(dir)) != NULL) {
		if (!targettable_takes(entry->d_name))
			continue;
		if (n == TARGETTABLE_FILES) {
			targettable_note(table, 0, 0, "has more than the 10,000 files that may be read");
			break;
		}
		names[n] = strdup(entry->d_name);
		if (names[n] == NULL)
			break;
		n++;
	}
	if (n < TARGETTABLE_FILES && entry != NULL)
		return -ENOMEM; /* the names so far are freed by the caller all the same */
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

/* By digest; of the same ones, by where they stand. */
static int targettable_compare(const void *a, const void *b)
{
	const struct targettable_entry *one = a, *other = b;
	int order = memcmp(one->digest, other->digest, TARGETTABLE_DIGEST);

	if (order == 0)
		order = (one->file > other->file) - (one->file < other->file);
	return order != 0 ? order : (one->line > other->line) - (one->line < other->line);
}

/* Puts the entries in order; of a token that stands there more than once the last one stays. */
static void targettable_sort(struct targettable *table)
{
	size_t n = 0;

	if (table->n > 0)
		qsort(table->entries, table->n, sizeof(*table->entries), targettable_compare);
	for (size_t i = 0; i < table->n; i++) {
		const struct targettable_entry *entry = &table->entries[i];
		bool again =
			n > 0 && memcmp(table->entries[n - 1].digest, entry->digest, TARGETTABLE_DIGEST) == 0;
		if (again)
			targettable_note(table, entry->file, entry->line,
				"has a token that is there before; this one counts");
		table->entries[n - again] = *entry;
		n += !again;
	}
	table->n = n;
}

/* Reads what is at a path. */
static int targettable_fill(struct targettable *table, const char *path)
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

/* Reads, then sorts. */
int targettable_new(struct targettable **out, const char *path, bool fold)
{
	struct targettable *table = calloc(1, sizeof(*table));
	int error = -ENOMEM;

	*out = NULL;
	if (table == NULL)
		return error;
	table->fold = fold;
	error = targettable_fill(table, path);
	if (error != 0) {
		targettable_free(table);
		return error;
	}
	targettable_sort(table);
	*out = table;
	return 0;
}

/* Frees all. */
void targettable_free(struct targettable *table)
{
	if (table == NULL)
		return;
	for (size_t i = 0; i < table->n_files; i++)
		free(table->files[i].path);
	free(table->files);
	free(table->entries);
	free(table->uris);
	free(table);
}

/* Looks at each. A file that came to a directory or left it is seen by the directory's own times. */
bool targettable_is_current(const struct targettable *table)
{
	for (size_t i = 0; i < table->n_files; i++) {
		const struct targettable_file *file = &table->files[i];
		if (!filestate_is(&file->seen, file->path) || !filestate_is_sure(&file->seen))
			return false;
	}
	return true;
}

/* Compares what was made of the files; where an entry stands is a part of it. */
bool targettable_is_same(const struct targettable *a, const struct targettable *b)
{
	return a->n == b->n && a->uris_len == b->uris_len && a->n_notes == b->n_notes &&
	       (a->n == 0 || memcmp(a->entries, b->entries, a->n * sizeof(*a->entries)) == 0) &&
	       (a->uris_len == 0 || memcmp(a->uris, b->uris, a->uris_len) == 0);
}

/* Looks by halves. */
const char *targettable_find(const struct targettable *table, struct text token)
{
	uint8_t digest[TARGETTABLE_DIGEST];
	size_t low = 0, high = table->n;

	if (targettable_digest(table, token, digest) != 0)
		return NULL;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = memcmp(digest, table->entries[middle].digest, TARGETTABLE_DIGEST);
		if (order == 0)
			return table->uris + table->entries[middle].uri;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}
