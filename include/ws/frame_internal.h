/*
 * frame_internal: the ways to mask a payload that frame_mask() chooses from, for those who test and measure
 * each of them.
 */
#ifndef WS_FRAME_INTERNAL_H
#define WS_FRAME_INTERNAL_H

#include "ws/frame.h"

/* Each does what frame_mask() does, for any length. */
struct frame_mask_path {
	const char *name;
	bool (*usable)(void); /* this machine has the instructions; the function may not be called if not */
	void (*mask)(uint8_t *buf, size_t len, const uint8_t key[4], uint64_t phase);
};

/* The best first. The last one is "portable" and always usable; a row without a name ends them. */
extern const struct frame_mask_path frame_mask_paths[];

#endif
