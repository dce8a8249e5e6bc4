/*
 * pongs: counts the pongs that wait, and keeps the last ping beyond them. Owns no bytes but that ping's.
 * Pure.
 */
#include "gate/pongs.h"

#include "base/must.h"

#include <string.h>

/* Are those that were queued gone? */
static void pongs_look(struct pongs *pongs, uint64_t left, bool idle)
{
	if (idle || left >= pongs->until)
		pongs->n_queued = 0;
}

/* Answers, or keeps for later. */
bool pongs_on_ping(struct pongs *pongs, uint64_t left, bool idle, const uint8_t *data, size_t len)
{
	must(len <= FRAME_CONTROL_MAX);
	pongs_look(pongs, left, idle);
	if (pongs->n_queued < PONGS_MAX)
		return true;
	pongs->due = true;
	pongs->len = (uint8_t)len;
	if (len > 0)
		memcpy(pongs->data, data, len);
	return false;
}

/* Counts. */
void pongs_on_pong(struct pongs *pongs, uint64_t until)
{
	pongs->n_queued++;
	pongs->until = until;
}

/* There is room again when all that were queued have left. */
bool pongs_take(struct pongs *pongs, uint64_t left, bool idle)
{
	bool due = pongs->due && (idle || left >= pongs->until);

	if (due) {
		pongs->due = false;
		pongs->n_queued = 0;
	}
	return due;
}
