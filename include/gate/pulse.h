/*
 * pulse: is a client still there, and does it take what it is sent? Pure: what is seen goes in, what to do
 * comes out.
 *
 * A frame is a sign of life. When none came for ping_interval a ping goes out, and when none came for
 * ping_timeout after it the client is dead. While data is on its way to it, or we do not read from it, bytes
 * that its TCP takes are a sign of life too: a reader too slow to see the ping behind its data, or a client
 * whose pong waits behind what we do not read, is not dead. It has send_timeout, which is also how long bytes
 * may wait here without one of them being taken.
 */
#ifndef GATE_PULSE_H
#define GATE_PULSE_H

#include <stdbool.h>
#include <stdint.h>

enum { PULSE_LOOKS = 8 }; /* at the progress of a client within send_timeout; how exact that is */

/* In milliseconds; ping_interval 0 is no pings. */
struct pulse_limits {
	uint64_t ping_interval, ping_timeout, send_timeout;
};

/* The client as it looks now. */
struct pulse_sight {
	uint64_t now;	/* monotonic milliseconds */
	uint64_t taken; /* bytes that its TCP has taken so far; never falls */
	bool queued;	/* bytes wait for it here */
	bool unsent;	/* ... or in the kernel */
	bool paused;	/* we do not read from it */
};

struct pulse {
	uint64_t heard_at; /* the last frame */
	uint64_t moved_at; /* the last time that bytes were seen to leave, or began to wait */
	uint64_t taken;	   /* when we looked last */
	uint64_t ping_at;  /* 0: no ping is unanswered */
	uint64_t ping_taken;
	bool ping_behind_data;
};

enum pulse_verdict { PULSE_OK, PULSE_PING, PULSE_PING_TIMEOUT, PULSE_SEND_TIMEOUT };

void pulse_init(struct pulse *pulse, uint64_t now);
void pulse_on_frame(struct pulse *pulse, uint64_t now);
void pulse_on_queue(struct pulse *pulse, const struct pulse_sight *sight); /* bytes begin to wait */
void pulse_on_ping(struct pulse *pulse, const struct pulse_sight *sight);  /* right before a ping is sent */
/* The last bytes are sent, and none waited before them: the time of send_timeout begins with these. */
void pulse_on_last(struct pulse *pulse, uint64_t now);

/* Has it taken bytes since the last look? Looks. */
bool pulse_moved(struct pulse *pulse, const struct pulse_sight *sight);

/* What is to be done now. */
enum pulse_verdict pulse_check(
	struct pulse *pulse, const struct pulse_limits *limits, const struct pulse_sight *sight);

/* In how many milliseconds to look again, at least 1; UINT64_MAX: only when something happens. Of the sight
 * `taken` and `unsent` are not looked at. */
uint64_t pulse_next(
	const struct pulse *pulse, const struct pulse_limits *limits, const struct pulse_sight *sight);

#endif
