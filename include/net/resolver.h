/*
 * resolver: host names to addresses by getaddrinfo(3), and clients' addresses to names by getnameinfo(3), so
 * that nsswitch holds, on threads of its own, so that no loop waits.
 *
 * One resolver for all loops. Answers are kept for 30 s, failures are not; whoever asks what is being looked
 * up for somebody else gets the same answer. Only configured names are looked up, so the memory of it is
 * bounded; of clients' names the latest few hundred are kept.
 */
#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H

#include "base/addr.h"
#include "net/loop.h"

enum {
	RESOLVER_ADDRS_MAX = 16,
	RESOLVER_KEEP_MS = 30000,
	RESOLVER_NAME = 254,	 /* room for a host's name (RFC 1035 2.3.4) and its NUL */
	RESOLVER_NAMES_MAX = 256 /* questions for names that may wait */
};

struct resolver;
struct resolver_query;

/* The answer, on the loop's thread: n addresses with their port, in the order of getaddrinfo; or n 0 and why.
 * Of more than RESOLVER_ADDRS_MAX those of a family that has less than half of the places all have one. */
typedef void (*resolver_fn)(void *arg, const struct addr *addrs, size_t n, const char *reason);

struct resolver *resolver_new(
	void); /* NULL when memory is short; no thread starts before the first question */

/*
 * Waits for no lookup: a thread within one ends after it. Before the loops that asked are done; questions
 * that are open then must have been forgotten. NULL is allowed.
 */
void resolver_free(struct resolver *resolver);

/* The addresses that need no lookup: of an address in digits, or from an answer that is kept. Returns how
 * many, 0 for none. */
size_t resolver_known(struct resolver *resolver, struct loop *loop, const struct addr_name *name,
	struct addr addrs[RESOLVER_ADDRS_MAX]);

/* Asks; fn is called later, never from within. NULL when memory or threads are short. */
struct resolver_query *resolver_ask(struct resolver *resolver, struct loop *loop,
	const struct addr_name *name, resolver_fn fn, void *arg);

/* The answer, on the loop's thread: what the host is called, "" when it has no name, or none that leads back
 * to its address. */
typedef void (*resolver_name_fn)(void *arg, const char *name);

/* What an address is called, if that is known without a lookup: then true, and `name` may be "". */
bool resolver_known_name(
	struct resolver *resolver, struct loop *loop, const struct addr *addr, char name[RESOLVER_NAME]);

/*
 * Asks what an address (v4 or v6) is called. Whoever owns an address says what its name is, so it only counts
 * when that name has the address among its own, and is made of what host names are made of. fn as above. NULL
 * when memory or threads are short, or too many wait.
 */
struct resolver_query *resolver_ask_name(struct resolver *resolver, struct loop *loop,
	const struct addr *addr, resolver_name_fn fn, void *arg);

/* fn is not called any more. On the loop's thread, before fn and before resolver_free(). NULL is allowed. */
void resolver_forget(struct resolver_query *query);

#endif
