/*
 * Tickets through whole handshakes: who opens whose, and for how long.
 */
#include "net/tickets.h"

#include "certs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <time.h>

#include <cmocka.h>

/* The clock of the keys stands still here until a test moves it. */
static long long test_clock_ms;

/* Stands in front of libc's. */
int clock_gettime(clockid_t clock, struct timespec *out)
{
	if (clock != CLOCK_BOOTTIME)
		return (int)syscall(SYS_clock_gettime, clock, out);
	out->tv_sec = test_clock_ms / 1000;
	out->tv_nsec = test_clock_ms % 1000 * 1000000;
	return 0;
}

/* One listener with one certificate, and a client that keeps the newest session. */
struct rig {
	int version;
	struct cert cert;
	struct tickets *tickets;
	struct tls *tls;
	SSL_CTX *client;
	SSL_SESSION *session;
	int n_sessions; /* that the client got in all */
};

static void rig_on_note(void *arg, enum log_level level, const char *file, const char *words)
{
	(void)arg;
	print_error("%d %s: %s\n", level, file, words);
}

static int rig_on_session(SSL *ssl, SSL_SESSION *session)
{
	struct rig *rig = SSL_get_app_data(ssl);
	SSL_SESSION_free(rig->session);
	rig->session = session;
	rig->n_sessions++;
	return 1;
}

static void rig_open(struct rig *rig, int version)
{
	char name[] = "tickets", *certificates[2] = { NULL }, *keys[2] = { NULL };
	struct listen_conf listen = { .name = name,
		.tls_certificate = { certificates, 1 },
		.tls_key = { keys, 1 },
		.tls_min_version = 12 };

	test_clock_ms = 123456;
	*rig = (struct rig){ .version = version,
		.cert = certs_make("tickets", (struct cert_wish){ 0 }),
		.tickets = tickets_new() };
	certificates[0] = rig->cert.file;
	keys[0] = rig->cert.key_file;
	assert_non_null(rig->tickets);
	assert_int_equal(tls_new(&rig->tls, &listen, rig->tickets, rig_on_note, NULL), 0);
	rig->client = certs_client(NULL);
	SSL_CTX_set_min_proto_version(rig->client, version);
	SSL_CTX_set_max_proto_version(rig->client, version);
	SSL_CTX_set_session_cache_mode(rig->client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(rig->client, rig_on_session);
}

static void rig_close(struct rig *rig)
{
	SSL_SESSION_free(rig->session);
	SSL_CTX_free(rig->client);
	tls_unref(rig->tls);
	tickets_free(rig->tickets);
	certs_free(&rig->cert);
}

/* Notes a ticket of TLS 1.2 that came in place of the one that was shown; OpenSSL has no call for it. */
static void rig_look(struct rig *rig, SSL *ssl, SSL_SESSION *shown)
{
	const unsigned char *old, *now;
	size_t old_len, now_len;

	if (rig->version != TLS1_2_VERSION || shown == NULL || !SSL_session_reused(ssl))
		return;
	SSL_SESSION_get0_ticket(shown, &old, &old_len);
	SSL_SESSION_get0_ticket(SSL_get_session(ssl), &now, &now_len);
	if (old_len != now_len || memcmp(old, now, now_len) != 0)
		rig_on_session(ssl, SSL_get1_session(ssl));
}

/* Connects with `session`, or with none. Returns whether it was resumed. */
static bool rig_connect(struct rig *rig, SSL_SESSION *session)
{
	struct duo duo = duo_open(rig->client, rig->tls);
	SSL_set_app_data(duo.client, rig);
	if (session != NULL)
		assert_int_equal(SSL_set_session(duo.client, session), 1);
	assert_int_equal(duo_shake(&duo), 0);
	assert_int_equal(duo_listen(&duo), 0);
	bool reused = SSL_session_reused(duo.server);
	assert_int_equal(SSL_session_reused(duo.client), reused);
	rig_look(rig, duo.client, session);
	duo_close(&duo);
	return reused;
}

/* A session of a full handshake; the caller frees. */
static SSL_SESSION *rig_fresh(struct rig *rig)
{
	assert_false(rig_connect(rig, NULL));
	assert_non_null(rig->session);
	SSL_SESSION *session = SSL_SESSION_dup(rig->session);
	assert_non_null(session);
	return session;
}

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

/* One ticket for a handshake. */
static void test_resumes(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct rig rig;
		rig_open(&rig, versions[i]);
		SSL_SESSION *session = rig_fresh(&rig);
		assert_int_equal(rig.n_sessions, 1);
		assert_true(rig_connect(&rig, session));
		SSL_SESSION_free(session);
		rig_close(&rig);
	}
}

/* Shows a ticket whose key was replaced so many times, then what came in its place. */
static void check_old_key(int version, int rotations)
{
	struct rig rig;

	rig_open(&rig, version);
	SSL_SESSION *session = rig_fresh(&rig);
	for (int n = 0; n < rotations; n++)
		assert_int_equal(tickets_rotate(rig.tickets), 0);
	rig.n_sessions = 0;
	assert_int_equal(rig_connect(&rig, session), rotations < TICKETS_KEYS);
	assert_int_equal(rig.n_sessions, version == TLS1_3_VERSION || rotations > 0);
	SSL_SESSION_free(session);

	/* The newest is opened as long as if its handshake had been the first one. */
	if (rotations > 0) {
		session = SSL_SESSION_dup(rig.session);
		for (int n = 1; n < TICKETS_KEYS; n++)
			assert_int_equal(tickets_rotate(rig.tickets), 0);
		assert_true(rig_connect(&rig, session));
		SSL_SESSION_free(session);
	}
	rig_close(&rig);
}

/* What was sealed with a key is opened until the key was replaced TICKETS_KEYS times, and renewed from the
 * first time on. */
static void test_old_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (int rotations = 0; rotations <= TICKETS_KEYS; rotations++)
			check_old_key(versions[i], rotations);
}

/* Gets a ticket of TLS 1.2, moves the clock, and says whether the ticket is renewed then: its key is an old
 * one. */
static bool rig_turns_after(struct rig *rig, long long ms)
{
	SSL_SESSION *session = rig_fresh(rig);
	test_clock_ms += ms;
	rig->n_sessions = 0;
	assert_true(rig_connect(rig, session));
	SSL_SESSION_free(session);
	return rig->n_sessions > 0;
}

/* Keys turn by themselves at their age and not before, each time anew. */
static void test_turns_by_itself(void **state)
{
	struct rig rig;
	(void)state;

	rig_open(&rig, TLS1_2_VERSION);
	for (int i = 0; i < 2; i++) {
		assert_false(rig_turns_after(&rig, 0));
		assert_false(rig_turns_after(&rig, TICKETS_ROTATE_MS - 1));
		assert_true(rig_turns_after(&rig, 1));
	}
	assert_true(rig_turns_after(&rig, TICKETS_ROTATE_MS + 1));
	rig_close(&rig);
}

/* Sealing turns too, not opening alone: three keys later nobody has opened anything, and it is closed. */
static void test_turns_when_sealing(void **state)
{
	struct rig rig;
	(void)state;

	rig_open(&rig, TLS1_2_VERSION);
	SSL_SESSION *session = rig_fresh(&rig);
	for (int n = 1; n < TICKETS_KEYS; n++) {
		test_clock_ms += TICKETS_ROTATE_MS;
		assert_false(rig_connect(&rig, NULL));
	}
	assert_true(rig_connect(&rig, session));
	test_clock_ms += TICKETS_ROTATE_MS;
	assert_false(rig_connect(&rig, NULL));
	assert_false(rig_connect(&rig, session));
	SSL_SESSION_free(session);
	rig_close(&rig);
}

/* Nobody came for a long time: the key that a ticket was sealed with is as old as the clock says. */
static void test_turns_while_nobody_comes(void **state)
{
	static const struct {
		long long ms;
		bool resumed;
	} idle[] = {
		{ (TICKETS_KEYS - 1LL) * TICKETS_ROTATE_MS, true },
		{ TICKETS_KEYS * (long long)TICKETS_ROTATE_MS - 1, true },
		{ TICKETS_KEYS * (long long)TICKETS_ROTATE_MS, false },
		{ (TICKETS_KEYS + 1LL) * TICKETS_ROTATE_MS, false },
		{ 1000000LL * TICKETS_ROTATE_MS, false },
	};
	(void)state;

	for (size_t i = 0; i < 2 * sizeof(idle) / sizeof(idle[0]); i++) {
		struct rig rig;
		rig_open(&rig, versions[i % 2]);
		SSL_SESSION *session = rig_fresh(&rig);
		test_clock_ms += idle[i / 2].ms;
		assert_int_equal(rig_connect(&rig, session), idle[i / 2].resumed);
		SSL_SESSION_free(session);
		/* They go on as if somebody had been there all the time. */
		session = SSL_SESSION_dup(rig.session);
		test_clock_ms += (TICKETS_KEYS - 1LL) * TICKETS_ROTATE_MS;
		assert_true(rig_connect(&rig, session));
		test_clock_ms += TICKETS_ROTATE_MS;
		assert_false(rig_connect(&rig, session));
		SSL_SESSION_free(session);
		rig_close(&rig);
	}
}

/* ... nor is it younger when somebody comes late each time. */
static void test_turns_with_late_comers(void **state)
{
	struct rig rig;
	(void)state;

	rig_open(&rig, TLS1_2_VERSION);
	SSL_SESSION *session = rig_fresh(&rig);
	for (int i = 0; i < 2; i++) {
		test_clock_ms += 2LL * TICKETS_ROTATE_MS - 1;
		assert_false(rig_connect(&rig, NULL));
	}
	assert_false(rig_connect(&rig, session));
	SSL_SESSION_free(session);
	rig_close(&rig);
}

/* Tickets of another start are nobody's. */
static void test_strangers(void **state)
{
	struct rig a, b;
	(void)state;

	for (size_t i = 0; i < 2; i++) {
		rig_open(&a, versions[i]);
		rig_open(&b, versions[i]);
		SSL_SESSION *session = rig_fresh(&a);
		assert_false(rig_connect(&b, session));
		assert_true(rig_connect(&a, session));
		SSL_SESSION_free(session);
		rig_close(&a);
		rig_close(&b);
	}
	tickets_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resumes),
		cmocka_unit_test(test_old_keys),
		cmocka_unit_test(test_turns_by_itself),
		cmocka_unit_test(test_turns_when_sealing),
		cmocka_unit_test(test_turns_while_nobody_comes),
		cmocka_unit_test(test_turns_with_late_comers),
		cmocka_unit_test(test_strangers),
	};

	return cmocka_run_group_tests(tests, certs_setup, certs_teardown);
}
