/*
 * beneath: opens what lies beneath a directory, and never anything outside of it.
 */
#ifndef BASE_BENEATH_H
#define BASE_BENEATH_H

/* Opens the directory itself, to search in (O_PATH). Returns a descriptor or -errno. */
int beneath_open_root(const char *dir);

/*
 * Opens `path` (no slash in front) beneath `root`, which beneath_open_root() made of `dir`. Whatever is
 * renamed meanwhile, what is opened lies inside: symlinks are followed when they end there, also absolute
 * ones; "..", too, may not lead out. `flags` as of open(2), close-on-exec is added. Returns a descriptor or
 * -errno: -EXDEV when it would have left the directory.
 */
int beneath_open(int root, const char *dir, const char *path, int flags);

/* What follows `dir` and a slash in a path that lies beneath it; NULL when it does not, or is the directory
 * itself. Both are absolute and without symlinks, as realpath(3) returns them. */
const char *beneath_rest(const char *path, const char *dir);

#endif
