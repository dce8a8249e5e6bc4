/*
 * What a listener's files and settings make of the handshakes, over memory; and what is said about files.
 */
#include "net/tls.h"

#include "certs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>

#include <cmocka.h>

/* Blocks that OpenSSL holds; it is told to ask here. */
static atomic_long blocks;

static void *blocks_malloc(size_t size, const char *file, int line)
{
	void *block = malloc(size);
	(void)file;
	(void)line;
	blocks += block != NULL;
	return block;
}

static void *blocks_realloc(void *block, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	blocks += block == NULL;
	return realloc(block, size);
}

static void blocks_free(void *block, const char *file, int line)
{
	(void)file;
	(void)line;
	blocks -= block != NULL;
	free(block);
}

/* What was said, a line each: "error FILE: words". */
struct notes {
	char text[4096];
	unsigned errors, warnings;
};

static void notes_take(void *arg, enum log_level level, const char *file, const char *words)
{
	struct notes *notes = arg;
	size_t len = strlen(notes->text);
	const char *name = strrchr(file, '/');

	notes->errors += level == LOG_ERROR;
	notes->warnings += level == LOG_WARNING;
	snprintf(notes->text + len, sizeof(notes->text) - len, "%s %s: %s\n",
		level == LOG_ERROR ? "error" : "warning", name == NULL ? file : name + 1, words);
}

static void expect_note(const struct notes *notes, const char *words)
{
	if (strstr(notes->text, words) == NULL)
		fail_msg("not said: %s\nbut: %s", words, notes->text);
}

/* A listener under test; its settings may be changed before rig_make(). */
struct rig {
	struct listen_conf listen;
	char *certificates[4], *keys[4];
	char name[16];
	struct tickets *tickets;
	struct tls *tls;
	struct notes notes;
};

static void rig_add(struct rig *rig, char *certificate, char *key)
{
	rig->certificates[rig->listen.tls_certificate.n++] = certificate;
	rig->keys[rig->listen.tls_key.n++] = key;
	rig->listen.tls_certificate.items = rig->certificates;
	rig->listen.tls_key.items = rig->keys;
}

static void rig_init(struct rig *rig, struct cert *cert)
{
	memset(rig, 0, sizeof(*rig));
	strcpy(rig->name, "here");
	rig->listen = (struct listen_conf){ .name = rig->name, .tls_min_version = 12 };
	rig->tickets = tickets_new();
	assert_non_null(rig->tickets);
	if (cert != NULL)
		rig_add(rig, cert->file, cert->key_file);
}

static int rig_make(struct rig *rig)
{
	memset(&rig->notes, 0, sizeof(rig->notes));
	tls_unref(rig->tls);
	rig->tls = (struct tls *)&rig->notes; /* not to be left as it is */
	int error = tls_new(&rig->tls, &rig->listen, rig->tickets, notes_take, &rig->notes);
	assert_int_equal(error != 0, rig->tls == NULL);
	assert_int_equal(error != 0, rig->notes.errors > 0);
	return error;
}

/* It is made, and there is nothing to say. */
static void rig_must_make(struct rig *rig)
{
	if (rig_make(rig) != 0 || rig->notes.text[0] != '\0')
		fail_msg("%s", rig->notes.text);
}

/* It is refused for this, and nothing else is said. */
static void rig_must_refuse(struct rig *rig, int error, const char *words)
{
	assert_int_equal(rig_make(rig), error);
	assert_int_equal(rig->notes.errors, 1);
	assert_int_equal(rig->notes.warnings, 0);
	expect_note(&rig->notes, words);
	rig->listen.tls_certificate.n = rig->listen.tls_key.n = 1;
}

/* It is made, and only this is said. */
static void rig_must_warn(struct rig *rig, const char *words)
{
	assert_int_equal(rig_make(rig), 0);
	assert_string_equal(rig->notes.text, words);
}

static void rig_done(struct rig *rig)
{
	tls_unref(rig->tls);
	tickets_free(rig->tickets);
}

/* The name of the certificate that a client gets who asks for `name` (or for none). */
static void expect_served(struct rig *rig, const char *name, const char *expected)
{
	SSL_CTX *client = certs_client(NULL);
	struct duo duo = duo_open(client, rig->tls);
	char served[64] = "";

	if (name != NULL)
		assert_int_equal(SSL_set_tlsext_host_name(duo.client, name), 1);
	assert_int_equal(duo_shake(&duo), 0);
	X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(duo.client)),
		NID_commonName, served, sizeof(served));
	assert_string_equal(served, expected);
	duo_close(&duo);
	SSL_CTX_free(client);
}

/* A handshake of one version. Returns 0 or why it failed. */
static int shake_version(struct rig *rig, int version)
{
	SSL_CTX *client = certs_client(NULL);
	SSL_CTX_set_min_proto_version(client, version);
	SSL_CTX_set_max_proto_version(client, version);
	struct duo duo = duo_open(client, rig->tls);
	int reason = duo_shake(&duo);

	if (reason == 0) {
		assert_int_equal(SSL_version(duo.server), version);
		assert_int_equal(SSL_get_cipher_bits(duo.server, NULL) >= 128, true);
	}
	duo_close(&duo);
	SSL_CTX_free(client);
	return reason;
}

static void test_versions(void **state)
{
	struct cert cert = certs_make("versions", (struct cert_wish){ 0 });
	struct rig rig;
	(void)state;

	rig_init(&rig, &cert);
	rig_must_make(&rig);
	assert_int_equal(shake_version(&rig, TLS1_VERSION), SSL_R_UNSUPPORTED_PROTOCOL);
	assert_int_equal(shake_version(&rig, TLS1_1_VERSION), SSL_R_UNSUPPORTED_PROTOCOL);
	assert_int_equal(shake_version(&rig, TLS1_2_VERSION), 0);
	assert_int_equal(shake_version(&rig, TLS1_3_VERSION), 0);
	rig.listen.tls_min_version = 13;
	rig_must_make(&rig);
	assert_int_equal(shake_version(&rig, TLS1_2_VERSION), SSL_R_UNSUPPORTED_PROTOCOL);
	assert_int_equal(shake_version(&rig, TLS1_3_VERSION), 0);
	rig_done(&rig);
	certs_free(&cert);
}

/* A handshake with one cipher of TLS 1.2. */
static int shake_cipher(struct rig *rig, const char *cipher)
{
	SSL_CTX *client = certs_client(NULL);
	SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION);
	assert_int_equal(SSL_CTX_set_cipher_list(client, cipher), 1);
	struct duo duo = duo_open(client, rig->tls);
	int reason = duo_shake(&duo);
	duo_close(&duo);
	SSL_CTX_free(client);
	return reason;
}

/* Only ciphers with forward secrecy and authenticated encryption; the client has the choice. */
static void test_ciphers(void **state)
{
	static const char *const good[] = { "AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305" };
	static const char *const bad[] = { "AES128-GCM-SHA256", "AES256-SHA", "ECDHE-RSA-AES128-SHA256",
		"ECDHE-RSA-AES256-SHA384", "ECDHE-RSA-AES128-SHA", "DHE-RSA-AES128-GCM-SHA256",
		"ADH-AES128-SHA256" };
	struct cert ec = certs_make("ec", (struct cert_wish){ 0 });
	struct cert rsa = certs_make("rsa", (struct cert_wish){ .rsa = true });
	struct rig rigs[2];
	char name[64];
	(void)state;

	rig_init(&rigs[0], &ec);
	rig_init(&rigs[1], &rsa);
	for (size_t i = 0; i < 2; i++) {
		rig_must_make(&rigs[i]);
		for (size_t j = 0; j < sizeof(good) / sizeof(good[0]); j++) {
			snprintf(name, sizeof(name), "ECDHE-%s-%s", i == 0 ? "ECDSA" : "RSA", good[j]);
			assert_int_equal(shake_cipher(&rigs[i], name), 0);
		}
		for (size_t j = 0; j < sizeof(bad) / sizeof(bad[0]); j++)
			assert_int_equal(shake_cipher(&rigs[i], bad[j]), SSL_R_NO_SHARED_CIPHER);
		rig_done(&rigs[i]);
	}
	certs_free(&ec);
	certs_free(&rsa);
}

/* The cipher that is taken of those that a client offers. */
static void expect_cipher(struct rig *rig, int version, const char *offered, const char *expected)
{
	SSL_CTX *client = certs_client(NULL);
	SSL_CTX_set_max_proto_version(client, version);
	if (version == TLS1_3_VERSION)
		assert_int_equal(SSL_CTX_set_ciphersuites(client, offered), 1);
	else
		assert_int_equal(SSL_CTX_set_cipher_list(client, offered), 1);
	struct duo duo = duo_open(client, rig->tls);
	assert_int_equal(duo_shake(&duo), 0);
	assert_string_equal(SSL_get_cipher_name(duo.server), expected);
	duo_close(&duo);
	SSL_CTX_free(client);
}

/* The first one of our list wins, or ChaCha20 for a client that wants it most; of the configuration's the
 * first one. */
static void test_cipher_choice(void **state)
{
	static char older[] = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256";
	static char newer[] = "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";
	static const char offered[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384";
	static const char offered13[] = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256";
	struct cert cert = certs_make("choice", (struct cert_wish){ 0 });
	struct rig rig;
	(void)state;

	rig_init(&rig, &cert);
	rig_must_make(&rig);
	expect_cipher(&rig, TLS1_2_VERSION, offered, "ECDHE-ECDSA-AES128-GCM-SHA256");
	expect_cipher(&rig, TLS1_2_VERSION, older, "ECDHE-ECDSA-AES128-GCM-SHA256");
	expect_cipher(&rig, TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256",
		"ECDHE-ECDSA-CHACHA20-POLY1305");
	expect_cipher(&rig, TLS1_3_VERSION, offered13, "TLS_AES_128_GCM_SHA256");
	expect_cipher(&rig, TLS1_3_VERSION, newer, "TLS_CHACHA20_POLY1305_SHA256");
	rig.listen.tls_ciphers = older;
	rig.listen.tls_ciphersuites = newer;
	rig_must_make(&rig);
	expect_cipher(&rig, TLS1_2_VERSION, offered, "ECDHE-ECDSA-AES256-GCM-SHA384");
	expect_cipher(&rig, TLS1_3_VERSION, offered13, "TLS_CHACHA20_POLY1305_SHA256");
	assert_int_equal(shake_cipher(&rig, "ECDHE-ECDSA-CHACHA20-POLY1305"), SSL_R_NO_SHARED_CIPHER);
	rig_done(&rig);
	certs_free(&cert);
}

static void test_unknown_ciphers(void **state)
{
	static char nonsense[] = "NONSENSE", mixed[] = "TLS_NONSENSE:TLS_AES_128_GCM_SHA256";
	struct cert a = certs_make("unknown", (struct cert_wish){ 0 });
	struct cert b = certs_make("unknown2", (struct cert_wish){ 0 });
	struct rig rig;
	(void)state;

	rig_init(&rig, &a);
	rig_add(&rig, b.file, b.key_file); /* said once, not for each */
	rig.listen.tls_ciphers = nonsense;
	rig_must_refuse(&rig, -EINVAL, "error : tls_ciphers: none of them is known: NONSENSE\n");
	rig.listen.tls_ciphers = NULL;
	rig.listen.tls_ciphersuites = nonsense;
	rig_must_refuse(&rig, -EINVAL, "error : tls_ciphersuites: none of them is known: NONSENSE\n");
	rig.listen.tls_ciphersuites = mixed; /* passes over what it does not know, as OpenSSL does */
	rig_must_warn(
		&rig, "warning : tls_ciphersuites: no such cipher of TLS 1.3, passed over: TLS_NONSENSE\n");
	expect_cipher(&rig, TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256");
	rig_done(&rig);
	certs_free(&a);
	certs_free(&b);
}

/* Each name that OpenSSL passes over is said, and none of those that it knows. */
static void test_passed_over(void **state)
{
	static const struct {
		const char *older, *newer, *said; /* what was passed over, a word each */
	} lists[] = {
		{ "HIGH:!aNULL:!MD5:!RC4:!3DES:!DSS:!EXP:!LOW:!kRSA:!PSK:!SRP:!CAMELLIA:!eNULL", NULL, "" },
		{ "ECDHE+AESGCM:ECDHE+CHACHA20,DHE+AES;-AES256 +SHA384:@STRENGTH:@SECLEVEL=1", NULL, "" },
		{ "DEFAULT:!ADH:+RC4:-SSLv2:TLSv1.2:SUITEB128:ALL:COMPLEMENTOFALL", NULL, "" },
		{ "::HIGH::", ":TLS_AES_128_GCM_SHA256 : TLS_AES_256_GCM_SHA384:", "" },
		{ "HIGH:!aNUL:ECDHE+AESGMC:+NO+NE:-NIL", NULL, "aNUL AESGMC NO NE NIL " },
		{ "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA265", NULL,
			"ECDHE-ECDSA-AES128-GCM-SHA265 " },
		{ "HIGH:TLS_AES_128_GCM_SHA256", NULL, "TLS_AES_128_GCM_SHA256 " },
		{ "HIGH:high",
			"TLS_AES_128_GCM_SHA256:tls_aes_256_gcm_sha384:ECDHE-RSA-AES128-GCM-SHA256:TLS_X",
			"high tls_aes_256_gcm_sha384 ECDHE-RSA-AES128-GCM-SHA256 TLS_X " },
	};
	struct cert cert = certs_make("passed", (struct cert_wish){ 0 });
	(void)state;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct rig rig;
		char said[256] = "", older[128], newer[128];

		rig_init(&rig, &cert);
		rig.listen.tls_ciphers = strcpy(older, lists[i].older);
		if (lists[i].newer != NULL)
			rig.listen.tls_ciphersuites = strcpy(newer, lists[i].newer);
		assert_int_equal(rig_make(&rig), 0);
		for (char *at = rig.notes.text, *line; (line = strsep(&at, "\n")) != NULL && *line != '\0';) {
			const char *word = strstr(line, "passed over: ");
			assert_non_null(word);
			strcat(strcat(said, word + strlen("passed over: ")), " ");
		}
		assert_string_equal(said, lists[i].said);
		rig_done(&rig);
	}
	certs_free(&cert);
}

/* A name as long as our room for it, one byte less and one more. */
static void test_long_cipher(void **state)
{
	struct cert cert = certs_make("long", (struct cert_wish){ 0 });
	struct rig rig;
	(void)state;

	for (size_t len = 78; len <= 81; len++) {
		char list[128] = "HIGH:", words[256];
		memset(list + 5, 'X', len);
		rig_init(&rig, &cert);
		rig.listen.tls_ciphers = list;
		snprintf(words, sizeof(words),
			"warning : tls_ciphers: no such cipher of TLS 1.2, passed over: %s\n", list + 5);
		rig_must_warn(&rig, words);
		rig_done(&rig);
	}
	certs_free(&cert);
}

static void test_names(void **state)
{
	struct cert first = certs_make("first", (struct cert_wish){ .names = "DNS:a.example" });
	struct cert wild = certs_make("wild", (struct cert_wish){ .names = "DNS:*.b.example,DNS:b.example" });
	struct cert late = certs_make("late", (struct cert_wish){ .names = "DNS:a.example,DNS:c.example" });
	struct rig rig;
	(void)state;

	rig_init(&rig, &first);
	rig_add(&rig, wild.file, wild.key_file);
	rig_add(&rig, late.file, late.key_file);
	rig_must_make(&rig);
	expect_served(&rig, NULL, "first");
	expect_served(&rig, "a.example", "first");
	expect_served(&rig, "A.Example", "first");
	expect_served(&rig, "b.example", "wild");
	expect_served(&rig, "x.b.example", "wild");
	expect_served(&rig, "x.y.b.example", "first");
	expect_served(&rig, "c.example", "late");
	expect_served(&rig, "nobody.example", "first");
	expect_served(&rig, "late", "first"); /* a common name counts only where there are no others */
	rig_done(&rig);
	certs_free(&first);
	certs_free(&wild);
	certs_free(&late);
}

/* A handshake whose client offers protocols. Returns 0 or why it failed; `chosen` gets what was taken. */
static int shake_alpn(struct rig *rig, const char *offered, char chosen[32])
{
	SSL_CTX *client = certs_client(NULL);
	struct duo duo = duo_open(client, rig->tls);
	const unsigned char *proto;
	unsigned len;

	if (offered != NULL)
		assert_int_equal(SSL_set_alpn_protos(duo.client, (const unsigned char *)offered,
					 (unsigned)strlen(offered)),
			0);
	int reason = duo_shake(&duo);
	SSL_get0_alpn_selected(duo.client, &proto, &len);
	snprintf(chosen, 32, "%.*s", (int)len, (const char *)proto);
	if (reason != 0)
		assert_int_equal(duo_listen(&duo), SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
	duo_close(&duo);
	SSL_CTX_free(client);
	return reason;
}

static void test_alpn(void **state)
{
	struct cert cert = certs_make("alpn", (struct cert_wish){ .names = "DNS:a.example" });
	struct rig rig;
	char chosen[32];
	(void)state;

	rig_init(&rig, &cert);
	rig_must_make(&rig);
	assert_int_equal(shake_alpn(&rig, NULL, chosen), 0);
	assert_string_equal(chosen, "");
	assert_int_equal(shake_alpn(&rig, "\x08http/1.1", chosen), 0);
	assert_string_equal(chosen, "http/1.1");
	assert_int_equal(shake_alpn(&rig, "\x02h2\x08http/1.1", chosen), 0);
	assert_string_equal(chosen, "http/1.1");
	assert_int_equal(shake_alpn(&rig, "\x02h2", chosen), SSL_R_NO_APPLICATION_PROTOCOL);
	assert_int_equal(shake_alpn(&rig, "\x08http/1.0\x02h2", chosen), SSL_R_NO_APPLICATION_PROTOCOL);
	rig_done(&rig);
	certs_free(&cert);
}

/* Asks for a certificate of a name; keeps the last session in *arg. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	SSL_SESSION **kept = SSL_get_app_data(ssl);
	SSL_SESSION_free(*kept);
	*kept = session;
	return 1;
}

static SSL_CTX *session_client(const struct cert *cert, int version)
{
	SSL_CTX *client = certs_client(cert);
	SSL_CTX_set_min_proto_version(client, version);
	SSL_CTX_set_max_proto_version(client, version);
	SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(client, keep_session);
	return client;
}

/* Connects with *session if there is one, and puts the session that it gets there. Was it resumed? */
static bool resume(SSL_CTX *client, struct rig *rig, const char *name, SSL_SESSION **session)
{
	struct duo duo = duo_open(client, rig->tls);
	SSL_set_app_data(duo.client, session);
	if (name != NULL)
		SSL_set_tlsext_host_name(duo.client, name);
	if (*session != NULL)
		assert_int_equal(SSL_set_session(duo.client, *session), 1);
	assert_int_equal(duo_shake(&duo), 0);
	duo_listen(&duo);
	bool resumed = SSL_session_reused(duo.server);
	duo_close(&duo);
	return resumed;
}

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

/* A session goes on in another context of the same settings (a certificate was replaced), whatever name it
 * has; not on another listener, and not where clients show certificates or did. */
static void test_resumption(void **state)
{
	static const char *const names[] = { NULL, "a.example", "b.example", "unknown.example" };
	struct cert ca = certs_make("ca", (struct cert_wish){ .ca = true });
	struct cert a = certs_make("a", (struct cert_wish){ .names = "DNS:a.example" });
	struct cert b = certs_make("b", (struct cert_wish){ .names = "DNS:b.example" });
	struct rig rig, other;
	(void)state;

	for (size_t i = 0; i < 8; i++) {
		SSL_CTX *client = session_client(&ca, versions[i % 2]);
		SSL_SESSION *session = NULL;
		rig_init(&rig, &a);
		rig_add(&rig, b.file, b.key_file);
		rig_must_make(&rig);
		assert_false(resume(client, &rig, names[i / 2], &session));
		assert_non_null(session);
		assert_true(resume(client, &rig, names[i / 2], &session));

		other = rig;
		other.tls = NULL;
		other.listen.name = other.name;
		other.listen.tls_certificate.items = other.certificates;
		other.listen.tls_key.items = other.keys;
		rig_must_make(&other);
		assert_true(resume(client, &other, names[i / 2], &session));
		strcpy(other.name, "there");
		rig_must_make(&other);
		SSL_SESSION *kept = SSL_SESSION_dup(session);
		assert_false(resume(client, &other, names[i / 2], &session));
		SSL_SESSION_free(session);
		session = kept;
		strcpy(other.name, rig.name);
		other.listen.tls_client_ca = ca.file;
		for (int who = TLS_CLIENT_REQUIRE; who <= TLS_CLIENT_ACCEPT; who++) {
			other.listen.tls_client = (enum tls_client)who;
			rig_must_make(&other);
			assert_false(resume(client, &other, names[i / 2], &session));
		}
		assert_true(session == kept);
		assert_true(resume(client, &rig, names[i / 2], &session));
		tls_unref(other.tls);
		rig_done(&rig);
		SSL_SESSION_free(session);
		SSL_CTX_free(client);
	}
	certs_free(&ca);
	certs_free(&a);
	certs_free(&b);
}

/* Where clients show certificates there are no sessions to resume. */
static void test_no_tickets(void **state)
{
	struct cert ca = certs_make("ca2", (struct cert_wish){ .ca = true });
	struct rig rig;
	(void)state;

	rig_init(&rig, &ca);
	rig.listen.tls_client_ca = ca.file;
	rig.listen.tls_client = TLS_CLIENT_ACCEPT;
	rig_must_make(&rig);
	for (size_t i = 0; i < 2; i++) {
		SSL_CTX *client = session_client(&ca, versions[i]);
		SSL_SESSION *session = NULL;
		assert_false(resume(client, &rig, NULL, &session));
		assert_false(resume(client, &rig, NULL, &session));
		if (session != NULL)
			assert_false(SSL_SESSION_has_ticket(session));
		SSL_SESSION_free(session);
		SSL_CTX_free(client);
	}
	rig_done(&rig);
	certs_free(&ca);
}

/* Data before the end of the handshake is passed over, even from a client that was told that it may. */
static void test_early_data(void **state)
{
	struct cert cert = certs_make("early", (struct cert_wish){ 0 });
	SSL_CTX *client = session_client(NULL, TLS1_3_VERSION);
	SSL_SESSION *session = NULL;
	struct rig rig;
	size_t n;
	char bytes[64];
	(void)state;

	rig_init(&rig, &cert);
	rig_must_make(&rig);
	assert_false(resume(client, &rig, NULL, &session));
	assert_int_equal(SSL_SESSION_get_max_early_data(session), 0);
	SSL_SESSION *liar = SSL_SESSION_dup(session);
	assert_int_equal(SSL_SESSION_set_max_early_data(liar, 16384), 1);
	struct duo duo = duo_open(client, rig.tls);
	SSL_set_app_data(duo.client, &session);
	assert_int_equal(SSL_set_session(duo.client, liar), 1);
	assert_int_equal(SSL_write_early_data(duo.client, "early", 5, &n), 1);
	assert_int_equal(duo_shake(&duo), 0);
	assert_int_equal(SSL_get_early_data_status(duo.client), SSL_EARLY_DATA_REJECTED);
	assert_true(SSL_session_reused(duo.server));
	assert_int_equal(SSL_write(duo.client, "late", 4), 4);
	assert_int_equal(SSL_read(duo.server, bytes, sizeof(bytes)), 4);
	assert_memory_equal(bytes, "late", 4);
	duo_close(&duo);
	SSL_SESSION_free(liar);
	SSL_SESSION_free(session);
	SSL_CTX_free(client);
	rig_done(&rig);
	certs_free(&cert);
}

/* A client that asks to begin anew is refused, and told so. */
static void test_renegotiation(void **state)
{
	struct cert cert = certs_make("again", (struct cert_wish){ 0 });
	SSL_CTX *client = certs_client(NULL);
	struct rig rig;
	char byte;
	(void)state;

	rig_init(&rig, &cert);
	rig_must_make(&rig);
	SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION);
	struct duo duo = duo_open(client, rig.tls);
	assert_int_equal(duo_shake(&duo), 0);
	assert_int_equal(SSL_renegotiate(duo.client), 1);
	SSL_do_handshake(duo.client);
	assert_int_equal(SSL_read(duo.server, &byte, 1), -1);
	SSL_do_handshake(duo.client);
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
	duo_close(&duo);
	SSL_CTX_free(client);
	rig_done(&rig);
	certs_free(&cert);
}

/* A handshake of a client with this certificate or none; 0, or why it is turned away. */
static int shake_client(struct rig *rig, const struct cert *cert)
{
	SSL_CTX *client = certs_client(cert);
	struct duo duo = duo_open(client, rig->tls);
	int reason = duo_shake(&duo);

	if (reason == 0) {
		const X509 *shown = SSL_get0_peer_certificate(duo.server);
		assert_int_equal(shown != NULL, cert != NULL);
		assert_int_equal(SSL_get_verify_result(duo.server), X509_V_OK);
	}
	duo_close(&duo);
	SSL_CTX_free(client);
	return reason;
}

static void test_clients(void **state)
{
	struct cert ca = certs_make("clients", (struct cert_wish){ .ca = true });
	struct cert ours = certs_make("ours", (struct cert_wish){ .issuer = &ca });
	struct cert old = certs_make(
		"old", (struct cert_wish){ .issuer = &ca, .from = -2 * CERT_DAY, .until = -CERT_DAY });
	struct cert strange_ca = certs_make("strange", (struct cert_wish){ .ca = true });
	struct cert stranger = certs_make("stranger", (struct cert_wish){ .issuer = &strange_ca });
	struct cert server = certs_make("server", (struct cert_wish){ 0 });
	struct rig rig;
	(void)state;

	rig_init(&rig, &server);
	rig_must_make(&rig);
	assert_int_equal(shake_client(&rig, NULL), 0);
	rig.listen.tls_client_ca = ca.file;
	rig.listen.tls_client = TLS_CLIENT_ACCEPT;
	rig_must_make(&rig);
	assert_int_equal(shake_client(&rig, NULL), 0);
	assert_int_equal(shake_client(&rig, &ours), 0);
	assert_int_equal(shake_client(&rig, &stranger), SSL_R_CERTIFICATE_VERIFY_FAILED);
	assert_int_equal(shake_client(&rig, &old), SSL_R_CERTIFICATE_VERIFY_FAILED);
	rig.listen.tls_client = TLS_CLIENT_REQUIRE;
	rig_must_make(&rig);
	assert_int_equal(shake_client(&rig, NULL), SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE);
	assert_int_equal(shake_client(&rig, &ours), 0);
	assert_int_equal(shake_client(&rig, &stranger), SSL_R_CERTIFICATE_VERIFY_FAILED);
	assert_int_equal(shake_client(&rig, &server), SSL_R_CERTIFICATE_VERIFY_FAILED);
	rig_done(&rig);
	struct cert *all[] = { &ca, &ours, &old, &strange_ca, &stranger, &server };
	for (size_t i = 0; i < 6; i++)
		certs_free(all[i]);
}

/* Appends one file to another. */
static void append(const char *to, const char *from)
{
	char bytes[16384];
	FILE *in = fopen(from, "r"), *out = fopen(to, "a");
	size_t n = in == NULL ? 0 : fread(bytes, 1, sizeof(bytes), in);
	assert_true(n > 0 && out != NULL && fwrite(bytes, 1, n, out) == n);
	fclose(in);
	fclose(out);
}

/* The file's other certificates go out too, in their order, and no more: not what the authorities of clients
 * would add. A key may stand in the same file. */
static void test_chain(void **state)
{
	struct cert root = certs_make("root", (struct cert_wish){ .ca = true });
	struct cert middle = certs_make("middle", (struct cert_wish){ .issuer = &root, .ca = true });
	struct cert leaf = certs_make("leaf", (struct cert_wish){ .issuer = &middle });
	SSL_CTX *client = certs_client(NULL);
	struct rig rig;
	(void)state;

	rig_init(&rig, &leaf);
	rig.listen.tls_client_ca = root.file;
	rig.listen.tls_client = TLS_CLIENT_ACCEPT;
	for (int n = 1; n <= 3; n++) {
		rig_must_make(&rig);
		struct duo duo = duo_open(client, rig.tls);
		assert_int_equal(duo_shake(&duo), 0);
		assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(duo.client)), n == 3 ? 2 : n);
		duo_close(&duo);
		append(leaf.file, n == 1 ? middle.file : leaf.key_file);
	}
	chmod(leaf.file, 0600);
	rig.keys[0] = leaf.file;
	rig_must_make(&rig);
	assert_int_equal(shake_version(&rig, TLS1_3_VERSION), 0);
	rig_done(&rig);
	SSL_CTX_free(client);
	certs_free(&root);
	certs_free(&middle);
	certs_free(&leaf);
}

/* A path in the tests' directory. */
static char *path(char out[160], const char *name)
{
	snprintf(out, 160, "%s/%s", certs_dir, name);
	return out;
}

static void test_bad_files(void **state)
{
	static const char broken[] = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
	static const char broken_key[] = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n";
	struct cert ec = certs_make("one", (struct cert_wish){ 0 });
	struct cert two = certs_make("two", (struct cert_wish){ 0 });
	struct cert rsa = certs_make("three", (struct cert_wish){ .rsa = true });
	char garbage[160], empty[160], bad[160], bad_key[160], locked[160], missing[160], big[160];
	struct rig rig;
	(void)state;

	certs_write(path(garbage, "garbage"), "no PEM at all\n", 0600);
	certs_write(path(empty, "empty"), "", 0600);
	certs_write(path(bad, "bad"), broken, 0600);
	certs_write(path(bad_key, "bad_key"), broken_key, 0600);
	certs_write_key(ec.key, path(locked, "locked"), "secret");
	certs_write(path(big, "big"), "x", 0600);
	assert_int_equal(truncate(big, PEM_FILE_MAX + 1), 0);

	struct {
		char *certificate, *key;
		int error;
		const char *words;
	} cases[] = {
		{ path(missing, "missing"), ec.key_file, -ENOENT,
			"error missing: cannot be read: No such file" },
		{ ec.file, missing, -ENOENT, "error missing: cannot be read: No such file" },
		{ certs_dir, ec.key_file, -EISDIR, "cannot be read: Is a directory" },
		{ (char[]){ "/dev/null" }, ec.key_file, -EINVAL,
			"error null: cannot be read: it is not a file" },
		{ big, ec.key_file, -EFBIG, "error big: cannot be read: File too large" },
		{ garbage, ec.key_file, -EINVAL, "error garbage: holds no certificate in PEM form" },
		{ empty, ec.key_file, -EINVAL, "error empty: holds no certificate in PEM form" },
		{ ec.key_file, ec.key_file, -EINVAL, "error one.key: holds no certificate in PEM form" },
		{ bad, ec.key_file, -EINVAL, "error bad: holds a certificate that can't be used: " },
		{ ec.file, garbage, -EINVAL, "error garbage: holds no private key in PEM form" },
		{ ec.file, empty, -EINVAL, "error empty: holds no private key in PEM form" },
		{ ec.file, ec.file, -EINVAL, "error one.crt: holds no private key in PEM form" },
		{ ec.file, bad_key, -EINVAL, "error bad_key: holds a private key that can't be used: " },
		{ ec.file, locked, -EINVAL, "error locked: holds a key that is encrypted" },
		{ ec.file, two.key_file, -EINVAL,
			"error two.key: holds the key of another certificate than that of " },
		{ ec.file, rsa.key_file, -EINVAL, "error three.key: holds the key of another certificate" },
		{ rsa.file, ec.key_file, -EINVAL, "error one.key: holds the key of another certificate" },
	};
	rig_init(&rig, NULL);
	rig_add(&rig, NULL, NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		rig.certificates[0] = cases[i].certificate;
		rig.keys[0] = cases[i].key;
		rig_must_refuse(&rig, cases[i].error, cases[i].words);
		assert_null(strstr(rig.notes.text, "unknown error"));
		assert_int_equal(ERR_peek_error(), 0);
	}
	append(ec.file, bad);
	rig.certificates[0] = ec.file;
	rig.keys[0] = ec.key_file;
	rig_must_refuse(&rig, -EINVAL, "error one.crt: holds a certificate that can't be used: ");
	rig.certificates[0] = two.file;
	rig.keys[0] = two.key_file;
	rig_must_make(&rig);
	rig.listen.tls_client_ca = missing;
	rig_must_refuse(&rig, -ENOENT, "error missing: cannot be read");
	rig.listen.tls_client_ca = garbage;
	rig_must_refuse(&rig, -EINVAL, "error garbage: holds no certificate in PEM form");
	rig.listen.tls_client_ca = bad;
	rig_must_refuse(&rig, -EINVAL, "error bad: holds a certificate that can't be used: ");
	append(bad_key, bad);
	append(garbage, two.file);
	append(garbage, bad);
	rig.listen.tls_client_ca = garbage;
	rig_must_refuse(&rig, -EINVAL, "error garbage: holds a certificate that can't be used: ");
	rig_done(&rig);
	certs_free(&ec);
	certs_free(&two);
	certs_free(&rsa);
}

/* Every mistake is said, not just the first. */
static void test_several_mistakes(void **state)
{
	struct cert a = certs_make("m1", (struct cert_wish){ 0 }),
		    b = certs_make("m2", (struct cert_wish){ 0 });
	char missing[160];
	struct rig rig;
	(void)state;

	rig_init(&rig, &a);
	rig_add(&rig, a.file, b.key_file);
	rig_add(&rig, path(missing, "missing"), b.key_file);
	assert_int_equal(rig_make(&rig), -EINVAL);
	assert_int_equal(rig.notes.errors, 2);
	expect_note(&rig.notes, "error m2.key: holds the key of another certificate than that of ");
	expect_note(&rig.notes, "error missing: cannot be read");
	rig_done(&rig);
	certs_free(&a);
	certs_free(&b);
}

/* Readable PEM that OpenSSL finds too weak is refused with its reason. */
static void test_weak(void **state)
{
	struct cert weak = certs_make("weak", (struct cert_wish){ 0 });
	struct rig rig;
	(void)state;

	X509_free(weak.x509);
	EVP_PKEY_free(weak.key);
	char command[600];
	snprintf(command, sizeof(command),
		"openssl req -x509 -newkey rsa:512 -nodes -subj /CN=weak -out '%s' -keyout '%s' 2>'%s/err'",
		weak.file, weak.key_file, certs_dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(chmod(weak.key_file, 0600), 0);
	rig_init(&rig, NULL);
	rig_add(&rig, weak.file, weak.key_file);
	rig_must_refuse(
		&rig, -EINVAL, "error weak.crt: holds a certificate that can't be used: ee key too small");
	rig_done(&rig);
}

static void test_modes(void **state)
{
	static const mode_t quiet[] = { 0600, 0400, 0640, 0660, 0440 },
			    loud[] = { 0644, 0604, 0602, 0601, 0666 };
	struct cert cert = certs_make("mode", (struct cert_wish){ 0 });
	struct rig rig;
	(void)state;

	rig_init(&rig, &cert);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(chmod(cert.key_file, quiet[i]), 0);
		rig_must_make(&rig);
	}
	for (size_t i = 0; i < 5; i++) {
		char mode[16];
		assert_int_equal(chmod(cert.key_file, loud[i]), 0);
		assert_int_equal(rig_make(&rig), 0);
		assert_int_equal(rig.notes.warnings, 1);
		expect_note(&rig.notes, "warning mode.key: holds a private key and is open to every user");
		snprintf(mode, sizeof(mode), "(mode %04o)", (unsigned)loud[i]);
		expect_note(&rig.notes, mode);
	}
	rig_done(&rig);
	certs_free(&cert);
}

/* Served all the same, and said. */
static void test_dates(void **state)
{
	struct cert expired =
		certs_make("expired", (struct cert_wish){ .from = -2 * CERT_DAY, .until = -60 });
	struct cert early = certs_make("early2", (struct cert_wish){ .from = 60, .until = CERT_DAY });
	struct cert good = certs_make("good", (struct cert_wish){ .from = -60, .until = 60 });
	struct notes notes = { 0 };
	struct rig rig;
	(void)state;

	rig_init(&rig, &good);
	rig_must_make(&rig);
	rig_add(&rig, expired.file, expired.key_file);
	rig_add(&rig, early.file, early.key_file);
	assert_int_equal(rig_make(&rig), 0);
	assert_int_equal(rig.notes.warnings, 2);
	expect_note(&rig.notes, "warning expired.crt: holds a certificate that expired at 2");
	expect_note(&rig.notes, "warning early2.crt: holds a certificate that is not valid before 2");
	expect_note(&rig.notes, " UTC\n");
	expect_served(&rig, "expired", "expired");
	tls_check_dates(rig.tls, notes_take, &notes);
	assert_string_equal(notes.text, rig.notes.text);
	rig_done(&rig);
	certs_free(&expired);
	certs_free(&early);
	certs_free(&good);
}

/* Who holds a context goes on with it when the owner has dropped it, and nobody holds it for ever. */
static void test_references(void **state)
{
	struct cert cert = certs_make("refs", (struct cert_wish){ .names = "DNS:a.example" });
	SSL_CTX *client = certs_client(NULL);
	struct rig rig;
	(void)state;

	rig_init(&rig, &cert);
	rig_must_make(&rig);
	struct tls *held = tls_ref(rig.tls);
	assert_ptr_equal(held, rig.tls);
	struct duo duo = duo_open(client, held);
	SSL_set_tlsext_host_name(duo.client, "a.example");
	tls_unref(rig.tls);
	rig.tls = NULL;
	assert_int_equal(duo_shake(&duo), 0);
	duo_close(&duo);
	tls_unref(held);
	assert_null(tls_ref(NULL));
	tls_unref(NULL);
	rig_done(&rig);
	SSL_CTX_free(client);
	certs_free(&cert);
}

/* However many come, resume and go: nothing of them stays. */
static void test_memory(void **state)
{
	struct cert cert = certs_make("memory", (struct cert_wish){ .names = "DNS:a.example" });
	struct rig rig;
	long before = 0;
	(void)state;

	rig_init(&rig, &cert);
	rig_must_make(&rig);
	for (int i = 0; i < 400; i++) {
		if (i == 20)
			before = blocks;
		SSL_CTX *client = session_client(NULL, versions[i % 2]);
		SSL_SESSION *session = NULL;
		resume(client, &rig, i % 3 == 0 ? "a.example" : NULL, &session);
		assert_true(resume(client, &rig, i % 3 == 0 ? "a.example" : NULL, &session));
		SSL_SESSION_free(session);
		SSL_CTX_free(client);
	}
	assert_true(before > 0);
	assert_in_range(blocks, before - 40, before + 40);
	rig_done(&rig);
	certs_free(&cert);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_ciphers),
		cmocka_unit_test(test_cipher_choice),
		cmocka_unit_test(test_unknown_ciphers),
		cmocka_unit_test(test_passed_over),
		cmocka_unit_test(test_long_cipher),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_alpn),
		cmocka_unit_test(test_resumption),
		cmocka_unit_test(test_no_tickets),
		cmocka_unit_test(test_early_data),
		cmocka_unit_test(test_renegotiation),
		cmocka_unit_test(test_clients),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_several_mistakes),
		cmocka_unit_test(test_weak),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_memory),
	};

	if (CRYPTO_set_mem_functions(blocks_malloc, blocks_realloc, blocks_free) != 1)
		return 1;
	return cmocka_run_group_tests(tests, certs_setup, certs_teardown);
}
