/*
 * ciphers: our choice of ciphers, and the configuration's.
 *
 * OpenSSL takes a list and says nothing of the names in it that it does not know, which are most often
 * mistyped: that is said here. Owns nothing; on any thread.
 */
#include "net/ciphers.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>

enum { CIPHERS_NAME = 80 };

/* Forward secrecy and authenticated encryption, best first; a client that puts ChaCha20 first has no AES
 * hardware, and gets it. */
static const char ciphers_older[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
				    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
				    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";

static const char ciphers_newer[] =
	"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

/* Keywords of openssl-ciphers(1) that stand for nothing where a build has no such cipher. Lists exclude them
 * all the same ("!RC4"), and rightly. */
static const char *const ciphers_keywords[] = { "3DES", "ADH", "AECDH", "ARIA", "ARIA128", "ARIA256",
	"ARIAGCM", "CAMELLIA", "CAMELLIA128", "CAMELLIA256", "DES", "DSS", "EXP", "EXPORT", "EXPORT40",
	"EXPORT56", "GOST12", "GOST89", "GOST89MAC", "GOST94", "IDEA", "KRB5", "LOW", "MD5", "MEDIUM", "NULL",
	"PSK", "RC2", "RC4", "SEED", "SRP", "SSLv2", "SSLv3", "aDH", "aDSS", "aECDH", "aGOST", "aGOST01",
	"aGOST12", "aGOST94", "aKRB5", "aNULL", "aPSK", "aSRP", "eNULL", "kDH", "kDHEPSK", "kDHd", "kDHr",
	"kECDHEPSK", "kECDHe", "kECDHr", "kGOST", "kGOST18", "kKRB5", "kPSK", "kRSAPSK", "kSRP", NULL };

/* How many ciphers of TLS 1.3 are left. */
static size_t ciphers_count_newer(SSL_CTX *ctx)
{
	STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(ctx);
	size_t n = 0;

	for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++)
		n += SSL_CIPHER_get_protocol_id(sk_SSL_CIPHER_value(ciphers, i)) >> 8 == 0x13;
	return n;
}

/* Takes a list of ciphers of TLS 1.3; false when there is none in it. */
static bool ciphers_take_newer(SSL_CTX *ctx, const char *list)
{
	return SSL_CTX_set_ciphersuites(ctx, list) == 1 && ciphers_count_newer(ctx) > 0;
}

/* Sets both lists to ours. */
bool ciphers_set_own(SSL_CTX *ctx)
{
	return SSL_CTX_set_cipher_list(ctx, ciphers_older) == 1 && ciphers_take_newer(ctx, ciphers_newer);
}

/* Sets both lists. */
int ciphers_set(SSL_CTX *ctx, const struct listen_conf *listen, const struct pem_notes *notes)
{
	const char *older = listen->tls_ciphers != NULL ? listen->tls_ciphers : ciphers_older;
	const char *newer = listen->tls_ciphersuites != NULL ? listen->tls_ciphersuites : ciphers_newer;

	ERR_clear_error();
	if (SSL_CTX_set_cipher_list(ctx, older) != 1) {
		pem_say(notes, LOG_ERROR, "", "tls_ciphers: none of them is known: %.300s", older);
		return -EINVAL;
	}
	if (!ciphers_take_newer(ctx, newer)) {
		pem_say(notes, LOG_ERROR, "", "tls_ciphersuites: none of them is known: %.300s", newer);
		return -EINVAL;
	}
	SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
	if (listen->tls_ciphers == NULL && listen->tls_ciphersuites == NULL)
		SSL_CTX_set_options(ctx, SSL_OP_PRIORITIZE_CHACHA);
	return 0;
}

/* Is it a keyword, with or without ciphers? */
static bool ciphers_is_keyword(const char *name)
{
	for (size_t i = 0; ciphers_keywords[i] != NULL; i++)
		if (strcmp(ciphers_keywords[i], name) == 0)
			return true;
	return false;
}

/* Does a list of this one name come to anything? A context of its own is changed by that. */
static bool ciphers_is_known(SSL_CTX *scratch, struct text word, bool newer)
{
	char name[CIPHERS_NAME];

	if (word.len >= sizeof(name))
		return false;
	memcpy(name, word.ptr, word.len);
	name[word.len] = '\0';
	return newer ? ciphers_take_newer(scratch, name)
		     : ciphers_is_keyword(name) || SSL_CTX_set_cipher_list(scratch, name) == 1;
}

/* Looks at the names of tls_ciphers, without operators ("!", "-", "+") and commands ("@SECLEVEL=1"). */
static void ciphers_warn_older(SSL_CTX *scratch, const char *list, const struct pem_notes *notes)
{
	bool combined = false; /* with the one before: "ECDHE+AESGCM" */

	for (const char *at = list; *at != '\0'; at += *at != '\0') {
		struct text word = { at, strcspn(at, ": ;,+") };

		at += word.len;
		if (!combined && word.len > 0 && (word.ptr[0] == '!' || word.ptr[0] == '-'))
			word = text_slice(word, 1);
		combined = *at == '+';
		if (word.len > 0 && word.ptr[0] != '@' && !ciphers_is_known(scratch, word, false))
			pem_say(notes, LOG_WARNING, "",
				"tls_ciphers: no such cipher of TLS 1.2, passed over: %.*s", TEXT_ARG(word));
	}
}

/* Looks at those of tls_ciphersuites. */
static void ciphers_warn_newer(SSL_CTX *scratch, const char *list, const struct pem_notes *notes)
{
	struct text rest = text_of(list), word;

	while (text_next(&rest, ':', &word))
		if (word.len > 0 && !ciphers_is_known(scratch, word, true))
			pem_say(notes, LOG_WARNING, "",
				"tls_ciphersuites: no such cipher of TLS 1.3, passed over: %.*s",
				TEXT_ARG(word));
}

/* Tries each name alone. */
void ciphers_warn(const struct listen_conf *listen, const struct pem_notes *notes)
{
	SSL_CTX *scratch = SSL_CTX_new(TLS_server_method());

	if (scratch != NULL && listen->tls_ciphers != NULL)
		ciphers_warn_older(scratch, listen->tls_ciphers, notes);
	if (scratch != NULL && listen->tls_ciphersuites != NULL)
		ciphers_warn_newer(scratch, listen->tls_ciphersuites, notes);
	SSL_CTX_free(scratch);
	ERR_clear_error();
}
