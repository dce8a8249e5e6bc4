/*
 * tickets: seals and opens session tickets with keys that nobody else has.
 *
 * Owns the keys, the newest first. Nothing is kept of a session. OpenSSL calls back on the thread of the
 * connection, with a key copied under the lock, so that no two threads wait for each other's cryptography.
 */
#include "net/tickets.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TICKETS_NAME = 16, TICKETS_SECRET = 32 };

struct tickets_key {
	uint8_t name[TICKETS_NAME]; /* stands in the ticket, in clear */
	uint8_t cipher[TICKETS_SECRET], mac[TICKETS_SECRET];
};

struct tickets {
	pthread_mutex_t lock;
	struct tickets_key keys[TICKETS_KEYS];
	size_t n;
	uint64_t made_ms; /* when the newest was, or was due */
};

/* Milliseconds of a clock that goes on while the machine sleeps: a key ages then too. */
static uint64_t tickets_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Puts a new key in front, the oldest falls off. With the lock held, or before anybody else knows of them. */
static int tickets_turn(struct tickets *tickets)
{
	struct tickets_key key;

	if (RAND_bytes(key.name, sizeof(key.name)) != 1 ||
		RAND_priv_bytes(key.cipher, sizeof(key.cipher)) != 1 ||
		RAND_priv_bytes(key.mac, sizeof(key.mac)) != 1) {
		OPENSSL_cleanse(&key, sizeof(key));
		return -EIO;
	}
	memmove(&tickets->keys[1], &tickets->keys[0], (TICKETS_KEYS - 1) * sizeof(key));
	tickets->keys[0] = key;
	OPENSSL_cleanse(&key, sizeof(key));
	if (tickets->n < TICKETS_KEYS)
		tickets->n++;
	tickets->made_ms = tickets_now();
	return 0;
}

/* Turns once for each time that is over, so that no key is older for nobody having come. When there is no
 * randomness the old keys do a while longer. With the lock held. */
static void tickets_turn_if_due(struct tickets *tickets)
{
	uint64_t due_ms = tickets->made_ms, n = (tickets_now() - due_ms) / TICKETS_ROTATE_MS;
	int error = 0;

	for (uint64_t i = 0; i < n && i < TICKETS_KEYS && error == 0; i++)
		error = tickets_turn(tickets);
	if (n > 0 && error == 0)
		tickets->made_ms = due_ms + n * TICKETS_ROTATE_MS; /* when the newest would have been made */
}

/* One key to begin with. */
struct tickets *tickets_new(void)
{
	struct tickets *tickets = calloc(1, sizeof(*tickets));

	if (tickets == NULL)
		return NULL;
	pthread_mutex_init(&tickets->lock, NULL);
	if (tickets_turn(tickets) == 0)
		return tickets;
	tickets_free(tickets);
	return NULL;
}

/* Leaves no key in memory. */
void tickets_free(struct tickets *tickets)
{
	if (tickets == NULL)
		return;
	pthread_mutex_destroy(&tickets->lock);
	OPENSSL_cleanse(tickets, sizeof(*tickets));
	free(tickets);
}

/* Replaces the oldest. */
int tickets_rotate(struct tickets *tickets)
{
	pthread_mutex_lock(&tickets->lock);
	int error = tickets_turn(tickets);
	pthread_mutex_unlock(&tickets->lock);
	return error;
}

/* The newest key. */
static void tickets_newest(struct tickets *tickets, struct tickets_key *out)
{
	pthread_mutex_lock(&tickets->lock);
	tickets_turn_if_due(tickets);
	*out = tickets->keys[0];
	pthread_mutex_unlock(&tickets->lock);
}

/* The key that a ticket names: its place, the newest is 0, or -1. */
static int tickets_find(struct tickets *tickets, const uint8_t name[TICKETS_NAME], struct tickets_key *out)
{
	int found = -1;

	pthread_mutex_lock(&tickets->lock);
	tickets_turn_if_due(tickets);
	for (size_t i = 0; i < tickets->n && found < 0; i++) {
		if (memcmp(tickets->keys[i].name, name, TICKETS_NAME) != 0)
			continue;
		*out = tickets->keys[i];
		found = (int)i;
	}
	pthread_mutex_unlock(&tickets->lock);
	return found;
}

/* Hands a key's two secrets to OpenSSL. */
static bool tickets_use(
	const struct tickets_key *key, const uint8_t *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->mac, sizeof(key->mac)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv, seal) == 1 &&
	       EVP_MAC_CTX_set_params(mac, params) == 1;
}

/*
 * Says with which key a ticket is sealed (seal is 1) or opened. Returns what
 * SSL_CTX_set_tlsext_ticket_key_evp_cb() asks for: 1; 2 to renew what an old key sealed; 0 for no ticket, or
 * one that nobody can open any more: the handshake is a full one; -1 ends it.
 */
static int tickets_on_key(
	SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
	struct tickets *tickets = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	struct tickets_key key;
	int age = 0;

	if (seal) {
		if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
			return 0;
		tickets_newest(tickets, &key);
		memcpy(name, key.name, sizeof(key.name));
	} else if ((age = tickets_find(tickets, name, &key)) < 0)
		return 0;
	bool good = tickets_use(&key, iv, cipher, mac, seal);
	OPENSSL_cleanse(&key, sizeof(key));
	if (!good)
		return -1;
	/* Clients of TLS 1.3 show a ticket once (RFC 8446 C.4), so that nobody can tell that they come again.
	 */
	return age > 0 || SSL_version(ssl) >= TLS1_3_VERSION ? 2 : 1;
}

/* The context's one pointer for its application is the tickets'. */
int tickets_attach(struct tickets *tickets, SSL_CTX *ctx)
{
	if (SSL_CTX_set_app_data(ctx, tickets) != 1 ||
		SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, tickets_on_key) != 1)
		return -ENOMEM;
	return 0;
}
