/*
 * logtarget: where the lines of a log end up: a descriptor of somebody's, a file of ours, or syslog(3).
 *
 * Opening is for the start, on the main thread. Writing and reopening may block for as long as the disk, the
 * reader of a FIFO or the syslog daemon does, so they are for the log's writer thread only.
 */
#ifndef BASE_LOGTARGET_H
#define BASE_LOGTARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum log_target { LOG_TARGET_STDERR, LOG_TARGET_SYSLOG, LOG_TARGET_FILE };

struct logtarget {
	enum log_target kind;
	int fd;	     /* -1: syslog's, the C library has it */
	bool owned;  /* the descriptor is ours to close */
	bool prefix; /* lines come with systemd's <N> in front; syslog gets it as the priority instead */
	char *path;  /* of a file, absolute */
	uid_t uid;   /* who shall be able to open the file again; -1 is us */
	gid_t gid;
};

/* A descriptor of the caller's; with `prefix` when systemd's journal reads it (JOURNAL_STREAM). */
struct logtarget logtarget_of_fd(int fd);

/* Exchanges that descriptor for a duplicate of our own, close-on-exec. 0 or -errno. */
int logtarget_own(struct logtarget *target);

/*
 * Opens a file to append to, mode 0640 when it is new; a relative path is relative to the working directory
 * of now, also when it is opened again later. Never waits: a FIFO needs a reader (ENXIO). As root with a uid
 * (not -1) the file is given to uid and gid if it is a new one or root's without another name, and no
 * symbolic link is followed on the way there (ELOOP): whoever owns one of the directories would choose what
 * is given. 0 or -errno.
 */
int logtarget_open_file(struct logtarget *target, const char *path, uid_t uid, gid_t gid);

/* Would that succeed if this process did it now? As far as can be told without a trace. 0 or -errno. */
int logtarget_check_file(const char *path, uid_t uid);

/* Opens syslog as "wsluice", facility daemon, with the pid. 0, or -errno when /dev/log can't be reached. */
int logtarget_open_syslog(struct logtarget *target);

/* Is there a daemon behind /dev/log? 0 or -errno. */
int logtarget_check_syslog(void);

/* Opens a file by its name once more; when that fails the old one stays. 0 or -errno. */
int logtarget_reopen(struct logtarget *target);

/*
 * Writes lines, waiting where the target makes it wait. Returns how many bytes were written: less than `len`
 * when the target failed. To syslog go whole lines, a message each; one that the daemon drops is written.
 */
size_t logtarget_write(const struct logtarget *target, const char *bytes, size_t len);

void logtarget_close(struct logtarget *target);

#endif
