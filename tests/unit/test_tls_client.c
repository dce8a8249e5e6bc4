/*
 * Whom the connections to services believe, what they ask for and what they show, over memory; and what is
 * said about files.
 */
#include "net/tls_client.h"

#include "certs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* A route under test, what was said of it, and a service. */
struct rig {
	struct route_conf route;
	struct tls *tls;
	char said[2048]; /* a line each: "error FILE: words" */
	SSL_CTX *service;
	char asked[300]; /* the name that the service was asked for, "" for none */
	unsigned n_protocols;
};

static void rig_on_note(void *arg, enum log_level level, const char *file, const char *words)
{
	struct rig *rig = arg;
	size_t len = strlen(rig->said);
	const char *name = strrchr(file, '/');

	snprintf(rig->said + len, sizeof(rig->said) - len, "%s %s: %s\n",
		level == LOG_ERROR ? "error" : "warning", name == NULL ? file : name + 1, words);
}

/* The service notes what it was asked for. */
static int rig_on_name(SSL *ssl, int *alert, void *arg)
{
	struct rig *rig = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	(void)alert;
	snprintf(rig->asked, sizeof(rig->asked), "%s", name == NULL ? "" : name);
	return SSL_TLSEXT_ERR_OK;
}

static int rig_on_protocols(SSL *ssl, const unsigned char **out, unsigned char *out_len,
	const unsigned char *in, unsigned in_len, void *arg)
{
	(void)ssl;
	(void)out;
	(void)out_len;
	(void)in;
	(void)in_len;
	((struct rig *)arg)->n_protocols++;
	return SSL_TLSEXT_ERR_NOACK;
}

/* The service shows another certificate from now on. */
static void rig_serve(struct rig *rig, const struct cert *cert)
{
	SSL_CTX_free(rig->service);
	rig->service = SSL_CTX_new(TLS_server_method());
	must(rig->service != NULL);
	SSL_CTX_set_security_level(rig->service, 0);
	SSL_CTX_set_min_proto_version(rig->service, 0);
	must(SSL_CTX_use_certificate(rig->service, cert->x509) == 1 &&
		SSL_CTX_use_PrivateKey(rig->service, cert->key) == 1);
	SSL_CTX_set_tlsext_servername_callback(rig->service, rig_on_name);
	SSL_CTX_set_tlsext_servername_arg(rig->service, rig);
	SSL_CTX_set_alpn_select_cb(rig->service, rig_on_protocols, rig);
}

static int rig_make(struct rig *rig)
{
	rig->said[0] = '\0';
	tls_unref(rig->tls);
	rig->tls = (struct tls *)rig->said; /* not to be left as it is */
	int error = tls_client_new(&rig->tls, &rig->route, rig_on_note, rig);
	assert_int_equal(error != 0, rig->tls == NULL);
	assert_int_equal(error != 0, strstr(rig->said, "error ") != NULL);
	return error;
}

/* A route that believes `ca` and nobody else, of which there is nothing to say, and a service. */
static void rig_init(struct rig *rig, struct cert *ca, const struct cert *cert)
{
	memset(rig, 0, sizeof(*rig));
	rig->route.is_service = rig->route.tls_verify = true;
	rig->route.tls_ca = ca == NULL ? NULL : ca->file;
	rig_serve(rig, cert);
	assert_int_equal(rig_make(rig), 0);
	if (ca != NULL)
		assert_string_equal(rig->said, "");
}

static void rig_done(struct rig *rig)
{
	tls_unref(rig->tls);
	SSL_CTX_free(rig->service);
}

/* Both ends of a connection to a service of that name. */
static struct duo rig_join(struct rig *rig, const char *host)
{
	struct duo duo = { tls_client_connect(rig->tls, host), SSL_new(rig->service) };
	BIO *a, *b;
	must(duo.client != NULL && duo.server != NULL && BIO_new_bio_pair(&a, 65536, &b, 65536) == 1);
	SSL_set_accept_state(duo.server);
	SSL_set_bio(duo.client, a, a);
	SSL_set_bio(duo.server, b, b);
	return duo;
}

/* A handshake. Returns 0, or why it failed (SSL_R_...). */
static int rig_shake(struct rig *rig, const char *host)
{
	struct duo duo = rig_join(rig, host);
	int reason = duo_shake(&duo);
	duo_close(&duo);
	return reason;
}

/* What is found of the service's certificate (X509_V_...). */
static long rig_verify(struct rig *rig, const char *host)
{
	struct duo duo = rig_join(rig, host);
	int reason = duo_shake(&duo);
	long result = SSL_get_verify_result(duo.client);

	assert_int_equal(reason, result == X509_V_OK ? 0 : SSL_R_CERTIFICATE_VERIFY_FAILED);
	duo_close(&duo);
	return result;
}

static struct cert ca, server;

static int setup(void **state)
{
	if (certs_setup(state) != 0)
		return -1;
	ca = certs_make("ca", (struct cert_wish){ .ca = true });
	server = certs_make(
		"server", (struct cert_wish){ .issuer = &ca, .names = "DNS:a.example,IP:192.0.2.1" });
	return 0;
}

static int teardown(void **state)
{
	certs_free(&ca);
	certs_free(&server);
	return certs_teardown(state);
}

static void test_versions(void **state)
{
	static const int versions[] = { TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION };
	struct rig rig;
	(void)state;

	rig_init(&rig, &ca, &server);
	for (size_t i = 0; i < 4; i++) {
		SSL_CTX_set_max_proto_version(rig.service, versions[i]);
		struct duo duo = rig_join(&rig, "a.example");
		assert_int_equal(duo_shake(&duo), i < 2 ? SSL_R_UNSUPPORTED_PROTOCOL : 0);
		if (i >= 2)
			assert_int_equal(SSL_version(duo.client), versions[i]);
		duo_close(&duo);
	}
	rig_done(&rig);
}

/* The ciphers of a listener, and no others. */
static void test_ciphers(void **state)
{
	static const char *const good[] = { "AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305" };
	static const char *const bad[] = { "AES128-GCM-SHA256", "AES256-SHA", "ECDHE-RSA-AES128-SHA256",
		"ECDHE-RSA-AES128-SHA", "DHE-RSA-AES128-GCM-SHA256", "ADH-AES128-SHA256" };
	struct cert rsa =
		certs_make("rsa", (struct cert_wish){ .issuer = &ca, .names = "DNS:a.example", .rsa = true });
	char name[64];
	struct rig rig;
	(void)state;

	rig_init(&rig, &ca, &rsa);
	for (size_t i = 0; i < 3 + sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(name, sizeof(name), i < 3 ? "ECDHE-RSA-%s" : "%s", i < 3 ? good[i] : bad[i - 3]);
		rig_serve(&rig, &rsa);
		SSL_CTX_set_max_proto_version(rig.service, TLS1_2_VERSION);
		assert_int_equal(SSL_CTX_set_cipher_list(rig.service, name), 1);
		assert_int_equal(rig_shake(&rig, "a.example"), i < 3 ? 0 : SSL_R_NO_SHARED_CIPHER);
	}
	rig_done(&rig);
	certs_free(&rsa);
}

/* A certificate is for its names and addresses, and nothing else. */
static void test_names(void **state)
{
	static const struct {
		const char *names, *host;
		long result;
	} rows[] = {
		{ "DNS:a.example", "a.example", X509_V_OK },
		{ "DNS:a.example", "A.Example", X509_V_OK },
		{ "DNS:a.example", "a.example.", X509_V_OK },
		{ "DNS:a.example", "b.example", X509_V_ERR_HOSTNAME_MISMATCH },
		{ "DNS:a.example", "x.a.example", X509_V_ERR_HOSTNAME_MISMATCH },
		{ "DNS:a.example", "example", X509_V_ERR_HOSTNAME_MISMATCH },
		{ "DNS:*.example", "a.example", X509_V_ERR_HOSTNAME_MISMATCH }, /* of a top level */
		{ "DNS:*.b.example", "x.b.example", X509_V_OK },
		{ "DNS:*.b.example", "b.example", X509_V_ERR_HOSTNAME_MISMATCH },
		{ "DNS:*.b.example", "x.y.b.example", X509_V_ERR_HOSTNAME_MISMATCH },
		{ "DNS:x*.b.example", "xy.b.example", X509_V_ERR_HOSTNAME_MISMATCH }, /* a part of a label */
		{ "DNS:a.example,IP:192.0.2.1", "192.0.2.1", X509_V_OK },
		{ "DNS:a.example,IP:192.0.2.1", "192.0.2.2", X509_V_ERR_IP_ADDRESS_MISMATCH },
		{ "DNS:192.0.2.1", "192.0.2.1", X509_V_ERR_IP_ADDRESS_MISMATCH },
		{ "IP:2001:db8::1", "2001:db8::1", X509_V_OK },
		{ "IP:2001:db8::1", "2001:DB8:0::1", X509_V_OK },
		{ "IP:2001:db8::1", "2001:db8::2", X509_V_ERR_IP_ADDRESS_MISMATCH },
		{ "IP:192.0.2.1", "names", X509_V_OK }, /* the common name, where there is no other */
		{ "DNS:a.example", "names", X509_V_ERR_HOSTNAME_MISMATCH },
		{ NULL, "192.0.2.1", X509_V_ERR_IP_ADDRESS_MISMATCH },
	};
	struct rig rig;
	(void)state;

	rig_init(&rig, &ca, &server);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cert cert =
			certs_make("names", (struct cert_wish){ .issuer = &ca, .names = rows[i].names });
		rig_serve(&rig, &cert);
		long result = rig_verify(&rig, rows[i].host);
		if (result != rows[i].result)
			fail_msg("%s for %s: %s", rows[i].names, rows[i].host,
				X509_verify_cert_error_string(result));
		certs_free(&cert);
	}
	rig_done(&rig);
}

/* The service is asked for the name, without the dot at its end; an address is none. Verified or not. */
static void test_asked(void **state)
{
	static const struct {
		const char *host, *asked;
	} rows[] = {
		{ "a.example", "a.example" },
		{ "a.example.", "a.example" },
		{ "A.example", "A.example" },
		{ ".", "." },
		{ "192.0.2.1", "" },
		{ "2001:db8::1", "" },
		{ "::1", "" },
		{ "1.2.3", "1.2.3" },
		{ "192.0.2.1.", "192.0.2.1" },
	};
	struct rig rig;
	(void)state;

	rig_init(&rig, &ca, &server);
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		rig.route.tls_verify = i % 2 == 0;
		assert_int_equal(rig_make(&rig), 0);
		strcpy(rig.asked, "nothing");
		rig_shake(&rig, rows[i / 2].host);
		assert_string_equal(rig.asked, rows[i / 2].asked);
	}
	assert_int_equal(rig.n_protocols, 0); /* no ALPN */
	rig_done(&rig);
}

/* A name as long as one may be, and one byte more. */
static void test_long_name(void **state)
{
	char name[TLS_CLIENT_NAME_MAX + 2];
	struct rig rig;
	(void)state;

	rig_init(&rig, &ca, &server);
	rig.route.tls_name = name;
	for (size_t len = TLS_CLIENT_NAME_MAX - 1; len <= TLS_CLIENT_NAME_MAX + 1; len++) {
		memset(name, 'a', len);
		name[len] = '\0';
		SSL *ssl = tls_client_connect(rig.tls, name);
		assert_int_equal(ssl != NULL, len <= TLS_CLIENT_NAME_MAX);
		SSL_free(ssl);
		struct tls *kept = tls_ref(rig.tls);
		assert_int_equal(rig_make(&rig), len <= TLS_CLIENT_NAME_MAX ? 0 : -EINVAL);
		tls_unref(rig.tls);
		rig.tls = kept;
	}
	assert_string_equal(
		rig.said, "error : TLS can't be set up: tls_name is longer than a host name can be\n");
	ERR_clear_error();
	rig_done(&rig);
}

/* Who is not believed, and that tls_verify = no believes all of them. */
static void test_trust(void **state)
{
	struct cert_wish good = { .issuer = &ca, .names = "DNS:a.example" }, wish = good;
	struct cert other_ca = certs_make("other_ca", (struct cert_wish){ .ca = true }), certs[5];
	long results[] = { X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID,
		X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
		X509_V_ERR_HOSTNAME_MISMATCH };
	struct rig rig;
	(void)state;

	wish.from = -2 * CERT_DAY, wish.until = -60;
	certs[0] = certs_make("expired", wish);
	wish.from = 60, wish.until = CERT_DAY;
	certs[1] = certs_make("early", wish);
	wish = good, wish.issuer = NULL;
	certs[2] = certs_make("self", wish);
	wish.issuer = &other_ca;
	certs[3] = certs_make("strange", wish);
	wish = good, wish.names = "DNS:other.example";
	certs[4] = certs_make("other", wish);
	rig_init(&rig, &ca, &server);
	assert_int_equal(rig_verify(&rig, "a.example"), X509_V_OK);
	for (size_t i = 0; i < 5; i++) {
		rig_serve(&rig, &certs[i]);
		assert_int_equal(rig_verify(&rig, "a.example"), results[i]);
	}
	rig.route.tls_verify = false;
	for (size_t with_ca = 0; with_ca < 2; with_ca++) {
		rig.route.tls_ca = with_ca ? ca.file : NULL;
		assert_int_equal(rig_make(&rig), 0);
		assert_non_null(strstr(rig.said, "warning : tls_verify = no: whoever answers is taken"));
		for (size_t i = 0; i < 5; i++) {
			rig_serve(&rig, &certs[i]);
			assert_int_equal(rig_shake(&rig, "a.example"), 0);
			assert_int_equal(rig_shake(&rig, "192.0.2.9"), 0);
		}
	}
	rig_done(&rig);
	for (size_t i = 0; i < 5; i++)
		certs_free(&certs[i]);
	certs_free(&other_ca);
}

/* What is believed need not be a root: a certificate that signed itself, an authority under another one; a
 * service's own names it, which is no other's. */
static void test_anchors(void **state)
{
	struct cert_wish names = { .names = "DNS:a.example" };
	struct cert self = certs_make("self", names);
	struct cert middle = certs_make("middle", (struct cert_wish){ .issuer = &ca, .ca = true });
	names.issuer = &middle;
	struct cert leaf = certs_make("leaf", names);
	struct rig rig;
	(void)state;

	rig_init(&rig, &self, &self);
	assert_int_equal(rig_verify(&rig, "a.example"), X509_V_OK);
	assert_int_equal(rig_verify(&rig, "b.example"), X509_V_ERR_HOSTNAME_MISMATCH);
	rig_serve(&rig, &leaf);
	assert_int_equal(rig_verify(&rig, "a.example"), X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
	rig.route.tls_ca = middle.file;
	assert_int_equal(rig_make(&rig), 0);
	assert_int_equal(rig_verify(&rig, "a.example"), X509_V_OK);
	rig.route.tls_ca = leaf.file;
	assert_int_equal(rig_make(&rig), 0);
	assert_int_equal(rig_verify(&rig, "a.example"), X509_V_OK);
	rig.route.tls_ca = ca.file; /* its chain is not complete */
	assert_int_equal(rig_make(&rig), 0);
	assert_int_equal(rig_verify(&rig, "a.example"), X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
	SSL_CTX_add1_chain_cert(rig.service, middle.x509);
	assert_int_equal(rig_verify(&rig, "a.example"), X509_V_OK);
	rig_done(&rig);
	certs_free(&self);
	certs_free(&middle);
	certs_free(&leaf);
}

/* Makes the directory of this name, and the link in it by which an authority is found; without one, what is
 * no such link. */
static void make_store(const char *dir, const struct cert *cert)
{
	static const char *const others[] = { "ca.pem", "0123abc.0", "0123abcde.0", "0123abcd.r0",
		"0123abcd." };
	char link[300];
	assert_int_equal(mkdir(dir, 0700), 0);
	for (size_t i = 0; cert == NULL && i < sizeof(others) / sizeof(others[0]); i++) {
		snprintf(link, sizeof(link), "%s/%s", dir, others[i]);
		certs_write(link, "", 0600);
	}
	if (cert == NULL)
		return;
	snprintf(link, sizeof(link), "%s/%08lx.0", dir, X509_subject_name_hash(cert->x509));
	assert_int_equal(symlink(cert->file, link), 0);
}

/* Without tls_ca the system's authorities are believed, from a file or a directory; where there are none that
 * is said, unless they would not be needed. */
static void test_system(void **state)
{
	char empty[128], full[128], missing[128], both[260], *wanted = missing;
	struct rig rig;
	(void)state;

	snprintf(empty, sizeof(empty), "%s/empty", certs_dir);
	snprintf(full, sizeof(full), "%s/full", certs_dir);
	snprintf(missing, sizeof(missing), "%s/missing", certs_dir);
	snprintf(both, sizeof(both), "%s:%s", empty, full);
	make_store(empty, NULL);
	make_store(full, &ca);
	struct {
		const char *file, *dir;
		bool warned, believed;
	} rows[] = {
		{ ca.file, missing, false, true }, { missing, full, false, true },
		{ missing, both, false, true }, { ca.file, full, false, true },
		{ missing, empty, true, false }, { missing, missing, true, false },
		{ server.file, empty, false, false }, /* not an authority */
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		setenv("SSL_CERT_FILE", rows[i].file, 1);
		setenv("SSL_CERT_DIR", rows[i].dir, 1);
		assert_string_equal(tls_client_system_file(), rows[i].file);
		assert_string_equal(tls_client_system_dir(), rows[i].dir);
		rig_init(&rig, NULL, &server);
		assert_int_equal(strstr(rig.said, "holds no authorities") != NULL, rows[i].warned);
		assert_int_equal(rig_verify(&rig, "a.example"),
			rows[i].believed ? X509_V_OK : X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
		rig_done(&rig);
	}
	setenv("SSL_CERT_DIR", empty, 1);
	setenv("SSL_CERT_FILE", missing, 1);
	rig_init(&rig, &ca, &server); /* says nothing */
	rig.route.tls_ca = NULL;
	rig.route.targets = wanted;
	assert_int_equal(rig_make(&rig), 0);
	assert_string_equal(rig.said, "");
	rig.route.targets = NULL;
	rig.route.tls_verify = false;
	assert_int_equal(rig_make(&rig), 0);
	assert_null(strstr(rig.said, "authorities"));
	unsetenv("SSL_CERT_DIR");
	unsetenv("SSL_CERT_FILE");
	assert_string_equal(tls_client_system_dir(), X509_get_default_cert_dir());
	rig_done(&rig);
}

/* A service that asks for a certificate gets that of tls_cert, one that does not gets none. */
static void test_shown(void **state)
{
	struct cert ours = certs_make("ours", (struct cert_wish){ .issuer = &ca });
	struct rig rig;
	(void)state;

	rig_init(&rig, &ca, &server);
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++)
		for (int asks = 0; asks < 2; asks++)
			for (int has = 0; has < 2; has++) {
				rig.route.tls_service_cert = has ? ours.file : NULL;
				rig.route.tls_service_key = has ? ours.key_file : NULL;
				assert_int_equal(rig_make(&rig), 0);
				rig_serve(&rig, &server);
				SSL_CTX_set_max_proto_version(rig.service, version);
				must(X509_STORE_add_cert(SSL_CTX_get_cert_store(rig.service), ca.x509) == 1);
				if (asks)
					SSL_CTX_set_verify(rig.service, SSL_VERIFY_PEER, NULL);
				struct duo duo = rig_join(&rig, "a.example");
				assert_int_equal(duo_shake(&duo), 0);
				const X509 *shown = SSL_get0_peer_certificate(duo.server);
				assert_int_equal(shown != NULL, asks && has);
				if (shown != NULL)
					assert_int_equal(X509_cmp(shown, ours.x509), 0);
				duo_close(&duo);
			}
	rig_done(&rig);
	certs_free(&ours);
}

/* Each connection makes a handshake of its own. */
static void test_no_resumption(void **state)
{
	struct rig rig;
	(void)state;

	rig_init(&rig, &ca, &server);
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++)
		for (int i = 0; i < 2; i++) {
			SSL_CTX_set_max_proto_version(rig.service, version);
			struct duo duo = rig_join(&rig, "a.example");
			assert_int_equal(duo_shake(&duo), 0);
			duo_listen(&duo);
			assert_int_equal(SSL_session_reused(duo.client), 0);
			if (version == TLS1_2_VERSION)
				assert_false(SSL_SESSION_has_ticket(SSL_get_session(duo.client)));
			duo_close(&duo);
		}
	rig_done(&rig);
}

/* Each mistake in a file is said, not just the first, and nothing stays. */
static void test_mistakes(void **state)
{
	struct cert ours = certs_make("mine", (struct cert_wish){ 0 });
	struct cert old = certs_make("old", (struct cert_wish){ .from = -2 * CERT_DAY, .until = -60 });
	char missing[] = "/nowhere/ca.pem";
	struct rig rig;
	(void)state;

	rig_init(&rig, &ca, &server);
	rig.route.tls_ca = missing;
	rig.route.tls_service_cert = ours.file;
	rig.route.tls_service_key = server.key_file;
	assert_int_equal(rig_make(&rig), -ENOENT);
	assert_non_null(strstr(rig.said, "error ca.pem: cannot be read: No such file or directory\n"));
	assert_non_null(strstr(rig.said, "error server.key: holds the key of another certificate"));
	rig.route.tls_ca = ours.key_file;
	rig.route.tls_service_key = ours.key_file;
	assert_int_equal(rig_make(&rig), -EINVAL);
	assert_string_equal(rig.said, "error mine.key: holds no certificate in PEM form\n");
	rig.route.tls_ca = ca.file;
	rig.route.tls_service_cert = old.file;
	rig.route.tls_service_key = old.key_file;
	assert_int_equal(rig_make(&rig), 0);
	assert_int_equal(strncmp(rig.said, "warning old.crt: holds a certificate that expired at ", 53), 0);
	rig_done(&rig);
	certs_free(&ours);
	certs_free(&old);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_ciphers),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_asked),
		cmocka_unit_test(test_long_name),
		cmocka_unit_test(test_trust),
		cmocka_unit_test(test_anchors),
		cmocka_unit_test(test_system),
		cmocka_unit_test(test_shown),
		cmocka_unit_test(test_no_resumption),
		cmocka_unit_test(test_mistakes),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
