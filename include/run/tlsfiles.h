/*
 * tlsfiles: one TLS context, a listener's or that of a route with tls:// services, and the files that it is
 * read from.
 */
#ifndef RUN_TLSFILES_H
#define RUN_TLSFILES_H

#include "base/filestate.h"
#include "conf/config.h"
#include "net/tls.h"

struct tlsfiles_file {
	const char *path; /* the configuration's, or the system's */
	struct filestate seen;
};

/* Zeroed to begin, but for whose it is. */
struct tlsfiles {
	const struct listen_conf *listen; /* one of these two, or none: then there is nothing to read */
	const struct route_conf *route;
	struct tls *tls; /* the owner's; NULL: there is none */
	/* Certificates, keys, authorities; of the system's authorities the file and the directory, which
	 * changes when one is added to or taken from it. */
	struct tlsfiles_file *files;
	size_t n_files;
	bool changing;	   /* the owner's: they were others at the last look */
	uint64_t again_at; /* the owner's: when to try once more; 0: when they change */
};

/* Whose it may be; nobody's if these have no TLS. */
struct tlsfiles tlsfiles_of_listen(const struct listen_conf *listen);
struct tlsfiles tlsfiles_of_route(const struct route_conf *route);
bool tlsfiles_is_wanted(const struct tlsfiles *tlsfiles);

/* Whose it is, for the log and for people: "listen" or "route", and its name. */
const char *tlsfiles_kind(const struct tlsfiles *tlsfiles);
const char *tlsfiles_name(const struct tlsfiles *tlsfiles);

/* Lists its files. Returns 0 or -ENOMEM. */
int tlsfiles_list(struct tlsfiles *tlsfiles);

/* Reads them into a new context (tls_new(), tls_client_new()). Their state is noted before: what changes
 * meanwhile differs at the next look. */
int tlsfiles_read(
	struct tlsfiles *tlsfiles, struct tickets *tickets, struct tls **out, pem_note_fn note, void *arg);

/* Are they others than those that were read? */
bool tlsfiles_differ(const struct tlsfiles *tlsfiles);

/* Gives back the context and the list. */
void tlsfiles_done(struct tlsfiles *tlsfiles);

#endif
