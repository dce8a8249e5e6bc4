/*
 * file: one static file, found beneath its directory, and what its response says of it.
 */
#ifndef GATE_FILE_H
#define GATE_FILE_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* What tells that a file has changed. Times are in nanoseconds, as coarse as the file system keeps them. */
struct file_mark {
	uint64_t size, modified_ns;
};

/* What is to be sent of a file. */
struct file {
	int fd;		      /* -1 once closed */
	uint64_t at;	      /* the next byte */
	uint64_t end;	      /* behind the last one */
	struct file_mark was; /* when it was opened */
};

/* Room for an entity tag with its quotes and its NUL. */
enum { FILE_ETAG_SIZE = 64 };

/* What it was when it was opened. */
struct file_facts {
	uint64_t len;
	const char *type;	   /* Content-Type, by the ending of the name that was asked for */
	bool gzip;		   /* it is the gzip form of that */
	time_t modified;	   /* of what is sent */
	char etag[FILE_ETAG_SIZE]; /* strong */
};

enum file_error {
	FILE_NONE = -1,	     /* nothing of that name may be served (404) */
	FILE_DIRECTORY = -2, /* a directory, named without the slash at its end */
	FILE_FAILED = -3,    /* no descriptors or memory, an unreadable directory (500) */
	FILE_OUTSIDE = -4    /* a symlink that leads out of the directory: like one that is not there (404) */
};

/* May this path (decoded, begins with a slash) be looked for at all? No dotfiles, so no ".." either, no
 * backslash, no NUL, UTF-8 only. */
bool file_path_allowed(struct text path);

/*
 * Opens `path` (decoded, begins with a slash; one that ends with a slash gets index.html) beneath `dir`, to
 * be sent whole. Never a byte from outside of it, no dotfiles, regular files only. With `gzip`, NAME.gz is
 * opened instead when it is there beside NAME and not older. Returns 0 or a file_error.
 */
int file_open(struct file *file, struct file_facts *facts, const char *dir, struct text path, bool gzip);

/* Reads the next bytes, at most size. Returns how many, 0 at the end, -1 when the file has become shorter
 * than it was or can't be read. */
long file_read(struct file *file, void *out, size_t size);

/*
 * Is its content what it was when it was opened, as far as its size and its time of modification tell? That
 * it was replaced, renamed or deleted is no change of it; a mere touch, and an append, can't be told from
 * one.
 */
bool file_is_unchanged(const struct file *file);

void file_close(struct file *file);

#endif
