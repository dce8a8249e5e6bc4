/*
 * tls_client: makes the OpenSSL context of a route, and connections of it that know whom they want.
 *
 * Owns nothing: the context is a struct tls. Logs nothing: what there is to say goes to the caller's note. On
 * any thread.
 */
#include "net/tls_client.h"

#include "net/ciphers.h"
#include "net/tls_internal.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A place that the environment may set, as OpenSSL reads it. */
static const char *tls_client_place(const char *variable, const char *otherwise)
{
	const char *place = secure_getenv(variable);
	return place != NULL ? place : otherwise;
}

/* The file. */
const char *tls_client_system_file(void)
{
	return tls_client_place(X509_get_default_cert_file_env(), X509_get_default_cert_file());
}

/* The directory; the environment may name several, with colons between. */
const char *tls_client_system_dir(void)
{
	return tls_client_place(X509_get_default_cert_dir_env(), X509_get_default_cert_dir());
}

/* Is it the name of a certificate by which OpenSSL finds it (openssl-rehash(1)): "0123abcd.0"? */
static bool tls_client_is_hashed(const char *name)
{
	return strspn(name, "0123456789abcdef") == 8 && name[8] == '.' && strspn(name + 9, "0123456789") > 0;
}

/* Are certificates to be found in a directory? */
static bool tls_client_has_hashed(const char *path)
{
	DIR *dir = opendir(path);
	bool found = false;

	for (const struct dirent *entry; dir != NULL && !found && (entry = readdir(dir)) != NULL;)
		found = tls_client_is_hashed(entry->d_name);
	if (dir != NULL)
		closedir(dir);
	return found;
}

/* Are they in one of several, with colons between? */
static bool tls_client_have_hashed(const char *dirs)
{
	struct text rest = text_of(dirs), dir;
	char path[PATH_MAX];
	bool found = false;

	while (!found && text_next(&rest, ':', &dir))
		if (dir.len < sizeof(path)) {
			memcpy(path, dir.ptr, dir.len);
			path[dir.len] = '\0';
			found = tls_client_has_hashed(path);
		}
	return found;
}

/*
 * Takes the system's authorities: those of the directory as they are asked for, which costs nothing before;
 * where there are none, or the environment asks for it, the file, of which all are read and kept (on Debian
 * 0.8 MiB in each context). A machine that has neither is not refused: there may be some in time.
 */
static int tls_client_take_system(SSL_CTX *ctx, const struct route_conf *route, const struct pem_notes *notes)
{
	const char *dir = tls_client_system_dir(), *file = tls_client_system_file();
	bool hashed = tls_client_have_hashed(dir);

	if (SSL_CTX_set_default_verify_dir(ctx) != 1)
		return tls_fail(notes, -EINVAL, pem_cause());
	if ((!hashed || secure_getenv(X509_get_default_cert_file_env()) != NULL) &&
		SSL_CTX_set_default_verify_file(ctx) != 1)
		return tls_fail(notes, -EINVAL, pem_cause());
	if (!hashed && access(file, R_OK) != 0 && route->targets == NULL)
		pem_say(notes, LOG_WARNING, dir,
			"holds no authorities, so that no service's certificate is believed: install "
			"ca-certificates, or set tls_ca");
	return 0;
}

/* Sets who is believed. What tls_ca holds is, be it an authority's root or not. */
static int tls_client_set_trust(SSL_CTX *ctx, const struct route_conf *route, const struct pem_notes *notes)
{
	SSL_CTX_set_verify(ctx, route->tls_verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	if (!route->tls_verify)
		pem_say(notes, LOG_WARNING, "",
			"tls_verify = no: whoever answers is taken for the service, and can read and change "
			"all");
	if (route->tls_ca != NULL) {
		X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
		return pem_take_authorities(ctx, route->tls_ca, notes);
	}
	return route->tls_verify ? tls_client_take_system(ctx, route, notes) : 0;
}

/* Sets what is not the service's but ours. */
static int tls_client_set(SSL_CTX *ctx, const struct route_conf *route, const struct pem_notes *notes)
{
	if (route->tls_name != NULL && strlen(route->tls_name) > TLS_CLIENT_NAME_MAX)
		return tls_fail(notes, -EINVAL, "tls_name is longer than a host name can be");
	ERR_clear_error();
	int error = tls_set_basics(ctx, TLS1_2_VERSION, notes);
	if (error != 0)
		return error;
	/* An end without close_notify is one that anybody could have made: it counts as cut off, whatever the
	 * system's configuration of OpenSSL says. */
	SSL_CTX_clear_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	return ciphers_set_own(ctx) ? 0 : tls_fail(notes, -EINVAL, pem_cause());
}

/* Takes what a service that asks is shown. */
static int tls_client_take_pair(
	struct tls_pair *pair, const struct route_conf *route, const struct pem_notes *notes)
{
	if (route->tls_service_cert == NULL)
		return 0;
	pair->file = strdup(route->tls_service_cert);
	if (pair->file == NULL)
		return tls_fail(notes, -ENOMEM, strerror(ENOMEM));
	int error = pem_take_certificate(pair->ctx, pair->file, notes);
	return error != 0 ? error : pem_take_key(pair->ctx, route->tls_service_key, pair->file, notes);
}

/* Makes the one context; mistakes in several files are all said. */
static int tls_client_make(
	struct tls_pair *pair, const struct route_conf *route, const struct pem_notes *notes)
{
	pair->ctx = SSL_CTX_new(TLS_client_method());
	if (pair->ctx == NULL)
		return tls_fail(notes, -ENOMEM, strerror(ENOMEM));
	int error = tls_client_set(pair->ctx, route, notes);
	if (error != 0)
		return error;
	error = tls_client_set_trust(pair->ctx, route, notes);
	int failed = tls_client_take_pair(pair, route, notes);
	return error != 0 ? error : failed;
}

/* Reads all files. */
int tls_client_new(struct tls **out, const struct route_conf *route, pem_note_fn note, void *arg)
{
	const struct pem_notes notes = { note, arg };
	struct tls *tls = tls_alloc(1);

	*out = NULL;
	if (tls == NULL)
		return tls_fail(&notes, -ENOMEM, strerror(ENOMEM));
	int error = tls_client_make(&tls->pairs[0], route, &notes);
	ERR_clear_error();
	if (error != 0) {
		tls_unref(tls);
		return error;
	}
	tls_check_dates(tls, note, arg);
	*out = tls;
	return 0;
}

/* Is it an address, and no name? */
static bool tls_client_is_address(const char *host)
{
	struct in6_addr address;
	return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

/* Has the certificate looked at for an address. */
static bool tls_client_want_address(SSL *ssl, const char *host)
{
	return SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE ||
	       X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
}

/* Asks for a name, and has the certificate looked at for it. The dot that ends a name for the resolver is no
 * part of it here (RFC 6066 3). */
static bool tls_client_want_name(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	char name[TLS_CLIENT_NAME_MAX + 1];
	size_t len = strlen(host);

	if (len > TLS_CLIENT_NAME_MAX)
		return false;
	memcpy(name, host, len + 1);
	if (len > 1 && name[len - 1] == '.')
		name[--len] = '\0';
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set_tlsext_host_name(ssl, name) == 1 &&
	       (SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE ||
		       X509_VERIFY_PARAM_set1_host(param, name, len) == 1);
}

/* Is it that nobody is known who vouches for it? */
bool tls_client_lacks_authority(long verdict)
{
	return verdict == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT ||
	       verdict == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
	       verdict == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
	       verdict == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
	       verdict == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE;
}

/* What to look at when a certificate was not believed, by its error. */
const char *tls_client_advise(const SSL *ssl, const char *host, char out[static TLS_CLIENT_ADVICE])
{
	long verdict = SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE ? X509_V_OK : SSL_get_verify_result(ssl);

	out[0] = '\0';
	if (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH)
		snprintf(out, TLS_CLIENT_ADVICE, " (wanted: %s; tls_name sets another)", host);
	else if (tls_client_lacks_authority(verdict))
		snprintf(out, TLS_CLIENT_ADVICE, " (tls_ca names the file of who is believed)");
	return out;
}

/* Begins with the hello that is to be sent. */
SSL *tls_client_connect(struct tls *tls, const char *host)
{
	ERR_clear_error();
	SSL *ssl = SSL_new(tls->pairs[0].ctx);
	if (ssl == NULL)
		return NULL;
	SSL_set_connect_state(ssl);
	if (tls_client_is_address(host) ? tls_client_want_address(ssl, host)
					: tls_client_want_name(ssl, host))
		return ssl;
	SSL_free(ssl);
	return NULL;
}
