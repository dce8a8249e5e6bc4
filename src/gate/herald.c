/*
 * herald: fills in a PROXY header: addresses, and for version 2 the session's id, the host that was asked for
 * and what is known of the client's TLS. Holds nothing. Runs on its session's thread.
 */
#include "gate/herald.h"

#include "net/clientcert.h"

#include <stdlib.h>
#include <string.h>

/* Where the client had connected: of a socket that is bound to every address, the one that was meant. */
static void herald_set_to(struct proxyhdr *header, const struct herald *herald)
{
	if (herald->to != NULL) {
		header->to = *herald->to;
		return;
	}
	header->to.len = sizeof(header->to.u);
	if (getsockname(herald->fd, &header->to.u.sa, &header->to.len) != 0)
		memset(&header->to, 0, sizeof(header->to));
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
	if (herald->secure && herald->ssl != NULL) {
		name = clientcert_common_name_utf8(herald->ssl);
		herald_set_tls(&header, herald->ssl, name);
	}
	size_t len = proxyhdr_encode(&header, how == SEND_PROXY_V1 ? 1 : 2, out);
	free(name);
	return len;
}
