/*
 * local: whether opening a file takes as long as somebody else likes.
 *
 * Owns the list of file systems that answer by themselves. Holds nothing. Runs in the spawner.
 */
#include "spawn/local.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stddef.h>
#include <sys/vfs.h>
#include <unistd.h>

/* By statfs(2); some have no name in <linux/magic.h>. ext2 and ext3 have ext4's. */
static const unsigned long local_types[] = {
	EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC, RAMFS_MAGIC,
	SQUASHFS_MAGIC, EROFS_SUPER_MAGIC_V1, F2FS_SUPER_MAGIC, ISOFS_SUPER_MAGIC, MSDOS_SUPER_MAGIC,
	REISERFS_SUPER_MAGIC, 0xca451a4e, /* bcachefs */
	0x3153464a,			  /* JFS */
	0x2fc12fc1,			  /* ZFS */
};

/* Asks for the type. */
bool local_is(const char *path)
{
	struct statfs about;

	if (statfs(path, &about) < 0)
		return false;
	for (size_t i = 0; i < sizeof(local_types) / sizeof(local_types[0]); i++) {
		if ((unsigned long)(unsigned)about.f_type == local_types[i])
			return true;
	}
	return false;
}

/* Does it begin as a script does? Its interpreter is opened too, and to ask where that is may take as long.
 */
static bool local_is_script(int fd)
{
	char mark[2];

	return pread(fd, mark, sizeof(mark), 0) == sizeof(mark) && mark[0] == '#' && mark[1] == '!';
}

/* Tries it. What may be executed but not read is not known. */
bool local_opens_at_once(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return errno != EAGAIN && errno != EACCES;
	bool script = local_is_script(fd);
	close(fd);
	return !script;
}
