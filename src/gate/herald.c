/*
 * herald: fills in a PROXY header: addresses, and for version 2 the session's id, the host that was asked for
 * and what is known of the client's TLS. Holds nothing. Runs on its session's thread.
 */
#include "gate/herald.h"

#include "net/clientcert.h"

#include <stdlib.h>
#include <string.h>

/* Appends a copy of a text. Returns where it ends. */
static char *herald_keep_text(struct text *out, char *at, struct text in)
{
	if (in.len > 0)
		memcpy(at, in.ptr, in.len);
	*out = (struct text){ at, in.len };
	return at + in.len;
}

/* Copies, in one block. */
struct proxyhdr *herald_keep(struct arena *arena, const struct proxyhdr *told)
{
	size_t len = told->tls_version.len + told->tls_cipher.len + told->tls_name.len;
	struct proxyhdr *kept = arena_alloc(arena, sizeof(*kept) + len);

	if (kept == NULL)
		return NULL;
	*kept = *told;
	kept->id = kept->authority = text_of("");
	char *at = (char *)(kept + 1);
	at = herald_keep_text(&kept->tls_version, at, told->tls_version);
	at = herald_keep_text(&kept->tls_cipher, at, told->tls_cipher);
	herald_keep_text(&kept->tls_name, at, told->tls_name);
	return kept;
}

/* One end of our connection with it. */
static void herald_get_end(
	struct addr *out, int fd, int (*get)(int fd, struct sockaddr *addr, socklen_t *len))
{
	out->len = sizeof(out->u);
	if (get(fd, &out->u.sa, &out->len) != 0)
		memset(out, 0, sizeof(*out));
}

/* Where the client had connected: of a socket that is bound to every address, the one that was meant. */
static void herald_set_to(struct proxyhdr *header, const struct herald *herald)
{
	if (herald->told != NULL)
		header->to = herald->told->to;
	else
		herald_get_end(&header->to, herald->fd, getsockname);
}

/* Is the client who connected, and not one for whom that one speaks by a header of HTTP? Only of who
 * connected is more known than that there is TLS. */
static bool herald_has_connected(const struct herald *herald)
{
	struct addr who;

	if (herald->told != NULL)
		who = herald->told->from;
	else
		herald_get_end(&who, herald->fd, getpeername);
	return who.len == herald->client->len && memcmp(&who.u, &herald->client->u, who.len) == 0;
}

/* What is known of TLS with us; `name` is that of the client's certificate, or NULL. */
static void herald_set_tls(struct proxyhdr *header, const SSL *ssl, const char *name)
{
	header->tls_version = text_of(SSL_get_version(ssl));
	header->tls_cipher = text_of(SSL_get_cipher_name(ssl));
	if (SSL_get0_peer_certificate(ssl) == NULL)
		return;
	header->tls |= PROXYHDR_TLS_CERT_SESSION | (SSL_session_reused(ssl) ? 0 : PROXYHDR_TLS_CERT);
	header->verified = SSL_get_verify_result(ssl) == X509_V_OK;
	header->tls_name = text_of(name);
}

/* What a proxy in front says of the client's TLS with it. */
static void herald_pass_tls(struct proxyhdr *header, const struct proxyhdr *told)
{
	header->tls |= told->tls;
	header->verified = told->verified;
	header->tls_version = told->tls_version;
	header->tls_cipher = told->tls_cipher;
	header->tls_name = told->tls_name;
}

/* Fills it in. Of a client that came by a unix socket nothing is told: version 2 has a family for it, but
 * HAProxy refuses that. */
size_t herald_make(const struct herald *herald, enum send_proxy how, uint8_t out[static PROXYHDR_MAX])
{
	struct proxyhdr header = { .relayed = herald->client->u.sa.sa_family != AF_UNIX,
		.from = *herald->client };
	char *name = NULL;

	if (how == SEND_PROXY_NO)
		return 0;
	herald_set_to(&header, herald);
	header.id = text_of(herald->id);
	header.authority = herald->host;
	header.tls = herald->secure ? PROXYHDR_TLS : 0;
	bool known = herald->secure && herald_has_connected(herald);
	if (known && herald->ssl != NULL) {
		name = clientcert_common_name_utf8(herald->ssl);
		herald_set_tls(&header, herald->ssl, name);
	} else if (known && herald->told != NULL) {
		herald_pass_tls(&header, herald->told);
	}
	size_t len = proxyhdr_encode(&header, how == SEND_PROXY_V1 ? 1 : 2, out);
	free(name);
	return len;
}
