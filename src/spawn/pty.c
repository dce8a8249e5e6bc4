/*
 * pty: makes pseudo-terminals and sets them up before a program has them.
 *
 * Owns who may open the slave by its name, its modes and its size. The kernel gives a slave to who opens the
 * master, as far as access to files goes; so that is changed for the moment, which needs less than giving it
 * away afterwards. Runs in the spawner.
 */
#include "spawn/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

enum { PTY_COLUMNS = 80, PTY_ROWS = 24 };

/* Opens both ends. Returns 0 or -errno; the caller closes what there is. */
static int pty_open_ends(struct pty *pty, enum pty_use use)
{
	int unlocked = 0, access = use == PTY_TERMINAL ? O_RDWR : O_WRONLY;

	pty->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (pty->master < 0)
		return errno == ENOSPC ? -EAGAIN : -errno;
	if (ioctl(pty->master, TIOCSPTLCK, &unlocked) < 0)
		return -errno;
	pty->slave = ioctl(pty->master, TIOCGPTPEER, access | O_NOCTTY | O_CLOEXEC);
	return pty->slave < 0 ? -errno : 0;
}

/* Opens both ends as somebody else, and looks whether that was so. Returns 0 or -errno. */
static int pty_open_as(struct pty *pty, enum pty_use use, uid_t owner)
{
	struct stat stat;
	uid_t ours = (uid_t)setfsuid(owner); /* says what it was, never whether it could */
	int error = pty_open_ends(pty, use);

	setfsuid(ours);
	if (error == 0 && fstat(pty->slave, &stat) < 0)
		error = -errno;
	return error == 0 && stat.st_uid != owner ? -EPERM : error;
}

/* Sets modes and size, by way of the master: a slave may be there to be written to only. Returns 0 or -errno.
 */
static int pty_set_up(const struct pty *pty, const struct pty_params *params)
{
	struct winsize size = {
		.ws_col = params->columns > 0 ? params->columns : PTY_COLUMNS,
		.ws_row = params->rows > 0 ? params->rows : PTY_ROWS,
	};
	struct termios modes;

	if (tcgetattr(pty->master, &modes) < 0)
		return -errno;
	if (params->use == PTY_TERMINAL)
		modes.c_iflag |= IUTF8;
	else
		cfmakeraw(&modes);
	if (tcsetattr(pty->master, TCSANOW, &modes) < 0 || ioctl(pty->master, TIOCSWINSZ, &size) < 0)
		return -errno;
	return 0;
}

/* Opens one and sets it up. */
int pty_open(struct pty *pty, const struct pty_params *params, const char **step)
{
	bool others = params->owner != (uid_t)-1 && params->owner != geteuid();

	*pty = (struct pty){ .master = -1, .slave = -1 };
	int error = others ? pty_open_as(pty, params->use, params->owner) : pty_open_ends(pty, params->use);
	*step = error == -EAGAIN ? "open a pseudo-terminal (all are in use)" : "open a pseudo-terminal";
	if (error == 0) {
		*step = "set up a pseudo-terminal";
		error = pty_set_up(pty, params);
	}
	if (error == 0)
		return 0;
	if (pty->master >= 0)
		close(pty->master);
	if (pty->slave >= 0)
		close(pty->slave);
	return error;
}

/* Takes it as the controlling terminal. */
int pty_control(int slave)
{
	return ioctl(slave, TIOCSCTTY, 0) < 0 ? -errno : 0;
}
