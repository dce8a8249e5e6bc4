/*
 * ending: how the gateway ends: asked by a signal, by itself (run/bounds.h), or because it can't go on.
 */
#ifndef RUN_ENDING_H
#define RUN_ENDING_H

#include "run/bounds.h"
#include "run/crew.h"
#include "run/doors.h"
#include "run/notify.h"

/* The first five are the owner's to fill, and outlive it. */
struct ending {
	struct loop *loop;
	const struct config *config;
	struct crew *crew;
	struct doors *doors;
	struct notify *notify;

	struct event *grace;
	struct bounds bounds;
	bool begun;   /* nobody else comes in */
	bool hurried; /* somebody wants it at once */
};

/* Makes its timer. Returns 0 or -ENOMEM; ending_done() is due in both cases, before the loop's end. */
int ending_init(struct ending *ending);
void ending_done(struct ending *ending);

/* Looks from now on whether it is to end by itself. Returns 0 or -ENOMEM. */
int ending_watch(struct ending *ending);

/* Somebody asks for it: everybody is told, and has shutdown_grace; when asked again, what is left is cut. */
void ending_ask(struct ending *ending);

/* Ends everything at once. */
void ending_cut(struct ending *ending);

#endif
