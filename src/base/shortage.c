/*
 * shortage: sorts errors. Pure; any thread.
 */
#include "base/shortage.h"

#include <errno.h>
#include <stdlib.h>

/* ETOOMANYREFS: too many descriptors are on their way through sockets. */
bool shortage_is(int error)
{
	switch (abs(error)) {
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOBUFS:
	case ETOOMANYREFS:
		return true;
	default:
		return false;
	}
}

/* EAGAIN is what openat2(2) says when something is renamed meanwhile. */
bool shortage_is_passing(int error)
{
	switch (abs(error)) {
	case EIO:
	case EAGAIN:
	case EINTR:
	case ESTALE:
	case ETIMEDOUT:
		return true;
	default:
		return shortage_is(error);
	}
}
