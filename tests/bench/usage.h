/*
 * usage: what other processes have cost so far: CPU time, memory, descriptors.
 *
 * CPU time is that of all threads, living and ended, with the clock's resolution (the kernel's per-process
 * CPU clock, not the 10 ms ticks of /proc). The processes are named ones and, if asked, their children at
 * that moment: a gateway's spawner, nginx's workers. What the children have cost that they waited for,
 * programs that have ended, is apart; of that the kernel tells in ticks only, but loses nothing between them.
 */
#ifndef TESTS_BENCH_USAGE_H
#define TESTS_BENCH_USAGE_H

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum { USAGE_MAX = 256 };

struct usage_group {
	pid_t pids[USAGE_MAX];
	int n;
};

struct usage_memory {
	uint64_t rss_kib, pss_kib, n_fds;
};

/* The monotonic clock in nanoseconds. */
static inline uint64_t usage_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Adds one process; a full group is a mistake of the caller's. Returns 0 or -E2BIG. */
static inline int usage_add(struct usage_group *group, pid_t pid)
{
	if (group->n == USAGE_MAX)
		return -E2BIG;
	group->pids[group->n++] = pid;
	return 0;
}

/* What the kernel says of a process after its name: "S PPID ...", into `stat`. False when there is none. */
static inline bool usage_stat(pid_t pid, char stat[static 512])
{
	char path[64], text[512];
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return false;
	size_t len = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[len] = '\0';
	const char *end = strrchr(text, ')'); /* the name before it may hold anything */
	if (end == NULL)
		return false;
	memcpy(stat, end + 1, strlen(end));
	return true;
}

/* The parent of a process, or 0 when there is no such process. */
static inline pid_t usage_parent(pid_t pid)
{
	char stat[512];
	int parent = 0;
	if (!usage_stat(pid, stat) || sscanf(stat, " %*c %d", &parent) != 1)
		return 0;
	return parent;
}

/* Is a process in the group? */
static inline bool usage_has(const struct usage_group *group, pid_t pid)
{
	for (int i = 0; i < group->n; i++)
		if (group->pids[i] == pid)
			return true;
	return false;
}

/* Adds the children that the processes of the group have now (not theirs). */
static inline int usage_add_children(struct usage_group *group)
{
	int n = group->n, rc = 0;
	DIR *proc = opendir("/proc");
	if (proc == NULL)
		return -errno;
	for (struct dirent *entry; rc == 0 && (entry = readdir(proc)) != NULL;) {
		pid_t pid = atoi(entry->d_name);
		pid_t parent = pid > 0 ? usage_parent(pid) : 0;
		for (int i = 0; i < n && parent > 0; i++)
			if (group->pids[i] == parent && !usage_has(group, pid))
				rc = usage_add(group, pid);
	}
	closedir(proc);
	return rc;
}

/* Have the processes of the group children now that are not in it? */
static inline bool usage_has_children(const struct usage_group *group)
{
	struct usage_group all = *group;
	return usage_add_children(&all) != 0 || all.n > group->n;
}

/* CPU nanoseconds of the group since its processes began. */
static inline uint64_t usage_cpu(const struct usage_group *group)
{
	uint64_t sum = 0;
	for (int i = 0; i < group->n; i++) {
		clockid_t clock;
		struct timespec time;
		if (clock_getcpuclockid(group->pids[i], &clock) == 0 && clock_gettime(clock, &time) == 0)
			sum += (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
	}
	return sum;
}

/* CPU nanoseconds of the children that the group has waited for, and of those that these waited for. */
static inline uint64_t usage_children_cpu(const struct usage_group *group)
{
	uint64_t sum = 0, tick_ns = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);
	for (int i = 0; i < group->n; i++) {
		char stat[512];
		uintmax_t user, system;
		if (usage_stat(group->pids[i], stat) &&
			sscanf(stat, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %ju %ju", &user,
				&system) == 2)
			sum += (user + system) * tick_ns;
	}
	return sum;
}

/* Counts the entries of a directory. */
static inline uint64_t usage_count(const char *path)
{
	uint64_t n = 0;
	DIR *dir = opendir(path);
	if (dir == NULL)
		return 0;
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

/* Memory and descriptors of the group now. */
static inline struct usage_memory usage_memory(const struct usage_group *group)
{
	struct usage_memory sum = { 0, 0, 0 };
	char path[64], line[256];
	for (int i = 0; i < group->n; i++) {
		snprintf(path, sizeof(path), "/proc/%d/fd", (int)group->pids[i]);
		sum.n_fds += usage_count(path);
		snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)group->pids[i]);
		FILE *file = fopen(path, "re");
		while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
			uintmax_t kib;
			if (sscanf(line, "Rss: %ju", &kib) == 1)
				sum.rss_kib += kib;
			else if (sscanf(line, "Pss: %ju", &kib) == 1)
				sum.pss_kib += kib;
		}
		if (file != NULL)
			fclose(file);
	}
	return sum;
}

#endif
