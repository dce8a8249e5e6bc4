/*
 * targettable: keeps what lines of targets say, and finds tokens among them.
 *
 * A table is filled line by line (targettable_read.c), then sorted by the digests of its tokens. On any
 * thread, each table on one at a time while it is filled.
 */
#include "gate/targettable.h"

#include "base/must.h"
#include "conf/targetfile.h"
#include "gate/targettable_internal.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for digests. SHA-256 is looked up once for the table: that takes longer than a digest does. */
static int targettable_start_digests(struct targettable *table)
{
	EVP_MD *sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	bool good = false;

	table->digester = EVP_MD_CTX_new();
	if (sha256 != NULL && table->digester != NULL)
		good = EVP_DigestInit_ex2(table->digester, sha256, NULL) == 1;
	EVP_MD_free(sha256); /* the context holds it */
	return good ? 0 : -ENOMEM;
}

/* The digest of a token. */
static void targettable_digest(
	const struct targettable *table, struct text token, uint8_t out[TARGETTABLE_DIGEST])
{
	char folded[256];

	if (table->fold && token.len < sizeof(folded)) { /* no name of a host is longer */
		memcpy(folded, token.ptr, token.len);
		folded[token.len] = '\0';
		text_fold(folded);
		token.ptr = folded;
	}
	must(EVP_DigestInit_ex2(table->digester, NULL, NULL) == 1);
	must(EVP_DigestUpdate(table->digester, token.ptr, token.len) == 1);
	must(EVP_DigestFinal_ex(table->digester, out, NULL) == 1);
}

/* Makes room for one more. Returns the array, or NULL; then the old one is still there. */
void *targettable_grow(void *items, size_t n, size_t *room, size_t size)
{
	if (n < *room)
		return items;
	size_t more = *room * 2 + 16;
	void *grown = realloc(items, more * size);
	*room = grown != NULL ? more : *room;
	return grown;
}

/* Remembers a mistake. */
void targettable_note(struct targettable *table, size_t file, size_t line, const char *words)
{
	if (table->n_notes < TARGETTABLE_NOTES)
		table->notes[table->n_notes] =
			(struct targettable_note){ (uint32_t)file, (uint32_t)line, words };
	table->n_notes++;
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
int targettable_add_line(struct targettable *table, struct text text, size_t number)
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
	targettable_digest(table, line.token, entries[table->n++].digest);
	return 0;
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

/* Reads, then sorts. */
int targettable_new(struct targettable **out, const char *path, bool fold)
{
	struct targettable *table = calloc(1, sizeof(*table));
	int error = -ENOMEM;

	*out = NULL;
	if (table == NULL)
		return error;
	table->fold = fold;
	error = targettable_start_digests(table);
	if (error == 0)
		error = targettable_read(table, path);
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
	EVP_MD_CTX_free(table->digester);
	free(table->files);
	free(table->entries);
	free(table->uris);
	free(table);
}

/* Compares the mistakes that are kept. */
static bool targettable_has_same_notes(const struct targettable *a, const struct targettable *b)
{
	for (size_t i = 0; i < a->n_notes && i < TARGETTABLE_NOTES; i++) {
		const struct targettable_note *one = &a->notes[i], *other = &b->notes[i];
		if (one->line != other->line || strcmp(one->words, other->words) != 0 ||
			strcmp(a->files[one->file].path, b->files[other->file].path) != 0)
			return false;
	}
	return true;
}

/* Compares what was made of the files; where an entry stands is a part of it. */
bool targettable_is_same(const struct targettable *a, const struct targettable *b)
{
	return a->n == b->n && a->uris_len == b->uris_len && a->n_notes == b->n_notes &&
	       targettable_has_same_notes(a, b) &&
	       (a->n == 0 || memcmp(a->entries, b->entries, a->n * sizeof(*a->entries)) == 0) &&
	       (a->uris_len == 0 || memcmp(a->uris, b->uris, a->uris_len) == 0);
}

/* Looks by halves. */
const char *targettable_find(const struct targettable *table, struct text token)
{
	uint8_t digest[TARGETTABLE_DIGEST];
	size_t low = 0, high = table->n;

	targettable_digest(table, token, digest);
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
