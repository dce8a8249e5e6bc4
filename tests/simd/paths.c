/*
 * paths: all that this machine can use to unmask and to check UTF-8, against the definition and against what
 * every machine can use. Needs nothing but the C library, so it is built for other processors too and run
 * under an emulator. Ends with "N passed, N failed". paths [NAME]...   these must be usable here, else they
 * have failed
 */
#include "mask_checks.h"
#include "utf8_checks.h"

struct paths_count {
	unsigned passed, failed, step;
};

/* Counts one result and says so. */
static void paths_result(
	struct paths_count *count, const char *what, const char *path, const char *check, bool holds)
{
	printf("%s %s %s: %s\n", what, path, check, holds ? "ok" : "FAILED");
	*(holds ? &count->passed : &count->failed) += 1;
}

/* What frame_mask() chooses goes by the name "chosen". */
static void paths_mask(struct paths_count *count, const char *name, mask_fn mask)
{
	for (size_t i = 0; i < sizeof(mask_checks) / sizeof(mask_checks[0]); i++)
		paths_result(
			count, "mask", name, mask_checks[i].name, mask_checks[i].holds(mask, count->step));
}

/* And so does what utf8_check() chooses, with no path. */
static void paths_utf8(struct paths_count *count, const char *name, const struct utf8_path *path)
{
	for (size_t i = 0; i < sizeof(utf8_checks) / sizeof(utf8_checks[0]); i++)
		paths_result(
			count, "utf8", name, utf8_checks[i].name, utf8_checks[i].holds(path, count->step));
}

/* Says whether a path of this name can be used here, for the one thing or the other. */
static bool paths_usable(const char *name)
{
	for (const struct frame_mask_path *path = frame_mask_paths; path->name != NULL; path++) {
		if (strcmp(path->name, name) == 0)
			return path->usable();
	}
	for (const struct utf8_path *path = utf8_paths; path->name != NULL; path++) {
		if (strcmp(path->name, name) == 0)
			return path->usable();
	}
	return false;
}

int main(int argc, char **argv)
{
	struct paths_count count = { .step = argc > 1 ? (unsigned)atoi(argv[1]) : 1 };

	for (int i = 2; i < argc; i++)
		paths_result(&count, "path", argv[i], "usable", paths_usable(argv[i]));
	for (const struct frame_mask_path *path = frame_mask_paths; path->name != NULL; path++) {
		if (path->usable())
			paths_mask(&count, path->name, path->mask);
	}
	paths_mask(&count, "chosen", frame_mask);
	for (const struct utf8_path *path = utf8_paths; path->name != NULL; path++) {
		if (path->skip != NULL && path->usable())
			paths_utf8(&count, path->name, path);
	}
	paths_utf8(&count, "chosen", NULL);
	printf("%u passed, %u failed\n", count.passed, count.failed);
	return count.failed == 0 ? 0 : 1;
}
