/*
 * tlsfiles: which files a listener's TLS and a route's come from, and what they looked like when they were
 * read.
 *
 * Owns a reference to the context and the list. When to look is the owner's business (run/certificates.c).
 * Runs on the main thread.
 */
#include "run/tlsfiles.h"

#include "conf/route.h"
#include "net/tls_client.h"

#include <errno.h>
#include <stdlib.h>

/* A listener's. */
struct tlsfiles tlsfiles_of_listen(const struct listen_conf *listen)
{
	return (struct tlsfiles){ .listen = listen->tls_certificate.n > 0 ? listen : NULL };
}

/* A route's. */
struct tlsfiles tlsfiles_of_route(const struct route_conf *route)
{
	return (struct tlsfiles){ .route = route_may_encrypt(route) ? route : NULL };
}

/* Is it anybody's? */
bool tlsfiles_is_wanted(const struct tlsfiles *tlsfiles)
{
	return tlsfiles->listen != NULL || tlsfiles->route != NULL;
}

/* Its section, as the log and the file call it. */
const char *tlsfiles_kind(const struct tlsfiles *tlsfiles)
{
	return tlsfiles->listen != NULL ? "listen" : "route";
}

/* The section's name. */
const char *tlsfiles_name(const struct tlsfiles *tlsfiles)
{
	return tlsfiles->listen != NULL ? tlsfiles->listen->name : tlsfiles->route->pattern;
}

/* Adds one, if there is one; there is room. */
static void tlsfiles_add(struct tlsfiles *tlsfiles, const char *path)
{
	if (path != NULL)
		tlsfiles->files[tlsfiles->n_files++].path = path;
}

/* Lists a listener's. */
static void tlsfiles_list_listen(struct tlsfiles *tlsfiles, const struct listen_conf *listen)
{
	for (size_t i = 0; i < listen->tls_certificate.n; i++) {
		tlsfiles_add(tlsfiles, listen->tls_certificate.items[i]);
		tlsfiles_add(tlsfiles, listen->tls_key.items[i]);
	}
	tlsfiles_add(tlsfiles, listen->tls_client_ca);
}

/* Lists a route's. */
static void tlsfiles_list_route(struct tlsfiles *tlsfiles, const struct route_conf *route)
{
	tlsfiles_add(tlsfiles, route->tls_service_cert);
	tlsfiles_add(tlsfiles, route->tls_service_key);
	tlsfiles_add(tlsfiles, route->tls_ca);
	if (route->tls_ca == NULL && route->tls_verify) {
		tlsfiles_add(tlsfiles, tls_client_system_file());
		tlsfiles_add(tlsfiles, tls_client_system_dir());
	}
}

/* Lists all. */
int tlsfiles_list(struct tlsfiles *tlsfiles)
{
	size_t n = tlsfiles->listen != NULL ? 2 * tlsfiles->listen->tls_certificate.n + 1 : 4;

	tlsfiles->files = calloc(n, sizeof(tlsfiles->files[0]));
	if (tlsfiles->files == NULL)
		return -ENOMEM;
	if (tlsfiles->listen != NULL)
		tlsfiles_list_listen(tlsfiles, tlsfiles->listen);
	else
		tlsfiles_list_route(tlsfiles, tlsfiles->route);
	return 0;
}

/* Reads all. */
int tlsfiles_read(
	struct tlsfiles *tlsfiles, struct tickets *tickets, struct tls **out, pem_note_fn note, void *arg)
{
	for (size_t i = 0; i < tlsfiles->n_files; i++)
		tlsfiles->files[i].seen = filestate_of(tlsfiles->files[i].path);
	return tlsfiles->listen != NULL ? tls_new(out, tlsfiles->listen, tickets, note, arg)
					: tls_client_new(out, tlsfiles->route, note, arg);
}

/* Compares all. */
bool tlsfiles_differ(const struct tlsfiles *tlsfiles)
{
	for (size_t i = 0; i < tlsfiles->n_files; i++)
		if (!filestate_is(&tlsfiles->files[i].seen, tlsfiles->files[i].path))
			return true;
	return false;
}

/* Frees what it has. */
void tlsfiles_done(struct tlsfiles *tlsfiles)
{
	tls_unref(tlsfiles->tls);
	free(tlsfiles->files);
}
