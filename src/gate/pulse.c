/*
 * pulse: the rules of ping_interval, ping_timeout and send_timeout. Owns no timer, reads no clock.
 */
#include "gate/pulse.h"

/* A client that was heard just now. */
void pulse_init(struct pulse *pulse, uint64_t now)
{
	*pulse = (struct pulse){ .heard_at = now, .moved_at = now };
}

/* Any frame answers a ping. */
void pulse_on_frame(struct pulse *pulse, uint64_t now)
{
	pulse->heard_at = now;
	pulse->ping_at = 0;
}

/* The time of send_timeout begins. */
void pulse_on_queue(struct pulse *pulse, const struct pulse_sight *sight)
{
	pulse->moved_at = sight->now;
	pulse->taken = sight->taken;
}

/* How much was taken is seen at the next look. */
void pulse_on_last(struct pulse *pulse, uint64_t now)
{
	pulse->moved_at = now;
}

/* What is taken from now on, be it the ping itself, came after it. */
void pulse_on_ping(struct pulse *pulse, const struct pulse_sight *sight)
{
	pulse->ping_at = sight->now;
	pulse->ping_taken = sight->taken;
	pulse->ping_behind_data = sight->unsent;
}

/* Compares with the last look. */
bool pulse_moved(struct pulse *pulse, const struct pulse_sight *sight)
{
	bool moved = sight->taken > pulse->taken;
	pulse->taken = sight->taken;
	if (moved)
		pulse->moved_at = sight->now;
	return moved;
}

/* May the ping be unanswered for another reason than death? */
static bool pulse_is_excused(const struct pulse *pulse, const struct pulse_sight *sight)
{
	return pulse->ping_behind_data || sight->paused;
}

/* How long an answer to the ping may take. */
static uint64_t pulse_patience(
	const struct pulse *pulse, const struct pulse_limits *limits, const struct pulse_sight *sight)
{
	if (pulse_is_excused(pulse, sight) && limits->send_timeout > limits->ping_timeout)
		return limits->send_timeout;
	return limits->ping_timeout;
}

/* Has the ping been unanswered for too long? Where bytes that were taken count as an answer, they are taken
 * for one. */
static bool pulse_is_dead(
	struct pulse *pulse, const struct pulse_limits *limits, const struct pulse_sight *sight)
{
	if (pulse->ping_at == 0 || sight->now - pulse->ping_at < pulse_patience(pulse, limits, sight))
		return false;
	if (!pulse_is_excused(pulse, sight) || sight->taken <= pulse->ping_taken)
		return true;
	pulse_on_frame(pulse, sight->now);
	return false;
}

/* Looks at all of it. */
enum pulse_verdict pulse_check(
	struct pulse *pulse, const struct pulse_limits *limits, const struct pulse_sight *sight)
{
	bool moved = pulse_moved(pulse, sight);

	if (sight->queued && !moved && sight->now - pulse->moved_at >= limits->send_timeout)
		return PULSE_SEND_TIMEOUT;
	if (pulse_is_dead(pulse, limits, sight))
		return PULSE_PING_TIMEOUT;
	if (limits->ping_interval > 0 && pulse->ping_at == 0 &&
		sight->now - pulse->heard_at >= limits->ping_interval)
		return PULSE_PING;
	return PULSE_OK;
}

/* The earliest time that a verdict can change without anything happening. */
uint64_t pulse_next(
	const struct pulse *pulse, const struct pulse_limits *limits, const struct pulse_sight *sight)
{
	uint64_t at = UINT64_MAX;

	if (pulse->ping_at != 0)
		at = pulse->ping_at + pulse_patience(pulse, limits, sight);
	else if (limits->ping_interval > 0)
		at = pulse->heard_at + limits->ping_interval;
	if (sight->queued) {
		uint64_t look = sight->now + limits->send_timeout / PULSE_LOOKS + 1;
		at = look < at ? look : at;
	}
	if (at == UINT64_MAX)
		return UINT64_MAX;
	return at > sight->now ? at - sight->now : 1;
}
