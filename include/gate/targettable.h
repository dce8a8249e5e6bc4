/*
 * targettable: what stands in a file of targets, or in the files of a directory, as it was when they were
 * read: which token stands for which service, what the files looked like, and what is wrong with them.
 *
 * Nothing outside the directory is read: a symlink that leads out of it is a mistake. Once it is made it
 * stays as it is, but has one room for digests: one thread at a time. No log.
 */
#ifndef GATE_TARGETTABLE_H
#define GATE_TARGETTABLE_H

#include "base/filestate.h"
#include "base/text.h"

#include <openssl/types.h>
#include <stddef.h>
#include <stdint.h>

/* Of all files together; what comes behind is not read. A worker reads, and its sessions wait: these keep it
 * to some hundredths of a second. */
enum {
	TARGETTABLE_BYTES = 2 << 20,
	TARGETTABLE_LINES = 20000,
	TARGETTABLE_FILES = 5000, /* of a directory */
	TARGETTABLE_NOTES = 100,  /* mistakes that are kept; more are only counted */
	TARGETTABLE_DIGEST = 32
};

/*
 * A token is kept and looked for as its SHA-256: how long that takes tells how much of a digest is right,
 * and of that nobody can choose a part. The token itself is nowhere.
 */
struct targettable_entry {
	uint8_t digest[TARGETTABLE_DIGEST];
	uint32_t line,
		file; /* where it stands; by these the last one of several counts, as with websockify */
	size_t uri;   /* in `uris` */
};

struct targettable_file {
	char *path;
	struct filestate seen; /* before it was read */
};

/* A mistake. line: 0 is the whole file. words: what it does or has, constant. */
struct targettable_note {
	uint32_t file, line;
	const char *words;
};

struct targettable {
	struct targettable_entry *entries; /* by their digests */
	size_t n, room;
	char *uris; /* NUL-terminated, one behind the other */
	size_t uris_len, uris_room;
	struct targettable_file
		*files; /* the first is what was asked for; then, of a directory, those in it */
	size_t n_files, files_room;
	struct targettable_note notes[TARGETTABLE_NOTES];
	size_t n_notes;		 /* all, also those that were not kept */
	size_t n_bytes, n_lines; /* read */
	bool fold;		 /* capitals are small letters */
	EVP_MD_CTX *digester;
	int short_of;	   /* an errno that passes, and for which a file could not be read; or 0 */
	size_t short_file; /* the last one of those */
};

/*
 * Reads a file, or all regular files of a directory but those whose names begin with a dot or end with "~".
 * fold: tokens are names of hosts, and their case does not matter. Returns 0, or -errno when it can't be read
 * or memory is short; of a directory, a file in it that can't be read is a mistake like others, and if that
 * may pass (base/shortage.h), short_of says so.
 */
int targettable_new(struct targettable **out, const char *path, bool fold);
void targettable_free(struct targettable *table); /* NULL is allowed */

/* Does any of the files look like another one than when it was read? */
bool targettable_has_changed(const struct targettable *table);

/* Would every change since it was read show in that? Else it is to be read again (base/filestate.h). */
bool targettable_is_sure(const struct targettable *table);

/* Do two say the same, with the same mistakes? Files may have been touched. */
bool targettable_is_same(const struct targettable *a, const struct targettable *b);

/* The URI that a token stands for, as conf/upstream.h reads it, or NULL. It belongs to the table. */
const char *targettable_find(const struct targettable *table, struct text token);

#endif
