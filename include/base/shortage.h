/*
 * shortage: which errors say that we are short of something, rather than what was asked for.
 */
#ifndef BASE_SHORTAGE_H
#define BASE_SHORTAGE_H

#include <stdbool.h>

/* Is it that descriptors, memory or buffers are short? Nothing else would go better then. An errno, or one
 * with a minus, here and below. */
bool shortage_is(int error);

/* Of a file that can't be read: is it worth another try though the file may be as it was? A shortage, a disk
 * or a network that fails, names that changed meanwhile. */
bool shortage_is_passing(int error);

#endif
