/*
 * file: one static file: found beneath its directory, sent in bounded memory.
 */
#ifndef GATE_FILE_H
#define GATE_FILE_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file {
	int fd;
	uint64_t len;	  /* as it was when it was opened */
	uint64_t sent;	  /* by file_read() */
	const char *type; /* Content-Type, by the name's ending */
};

enum file_error {
	FILE_NONE = -1,	     /* nothing of that name may be served (404) */
	FILE_DIRECTORY = -2, /* a directory, named without the slash at its end */
	FILE_FAILED = -3     /* no descriptors or memory, an unreadable directory (500) */
};

/*
 * Opens `path` (decoded, begins with a slash; one that ends with a slash gets index.html) beneath `dir`.
 * Never a byte from outside of it, no dotfiles, regular files only. Returns 0 or a file_error.
 */
int file_open(struct file *file, const char *dir, struct text path);

/* Reads the next bytes, at most size. Returns how many, 0 at the end, -1 when the file has become shorter
 * than it was or can't be read. */
long file_read(struct file *file, void *out, size_t size);

void file_close(struct file *file);

#endif
