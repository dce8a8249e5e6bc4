/*
 * What certificates do by the clock and when the machine is short of something; the rest is seen from outside
 * (tests/e2e/test_certificates.py).
 */
#include "run/certificates.h"

#include "certs.h"
#include "test_conf.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

/* How far the clocks were moved. */
static long long test_ahead_s, test_ahead_ms;

/* Stand in front of libc's. */
time_t time(time_t *out)
{
	struct timespec now;
	syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
	if (out != NULL)
		*out = now.tv_sec + test_ahead_s;
	return now.tv_sec + test_ahead_s;
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
	long result = syscall(SYS_clock_gettime, clock, out);
	if (clock == CLOCK_MONOTONIC)
		out->tv_sec += test_ahead_ms / 1000;
	return (int)result;
}

/* Two workers without threads, two listeners with TLS and one without, whatever else, and the log in a file.
 */
struct rig {
	const struct config *config;
	struct log *log;
	int log_fd;
	struct loop loop;
	struct limits limits;
	struct worker workers[2];
	struct certificates *certificates;
};

static int rig_open_with(struct rig *rig, const struct cert *a, const struct cert *b, const char *more)
{
	char text[4096];

	memset(rig, 0, sizeof(*rig));
	snprintf(text, sizeof(text),
		"[listen a]\naddress = 127.0.0.1:1\ntls_certificate = %s\ntls_key = %s\n"
		"[listen plain]\naddress = 127.0.0.1:2\n"
		"[listen b]\naddress = 127.0.0.1:3\ntls_certificate = %s\ntls_key = %s\n" ROUTE_X "%s",
		a->file, a->key_file, b->file, b->key_file, more);
	rig->config = conf_good(text);
	rig->log_fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	assert_true(rig->log_fd >= 0);
	rig->log = log_new(rig->log_fd, LOG_INFO, LOG_FORMAT_LOGFMT, 65536);
	assert_non_null(rig->log);
	assert_int_equal(loop_init(&rig->loop, rig->log), 0);
	assert_int_equal(limits_init(&rig->limits, rig->config->n_routes), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(worker_init(&rig->workers[i], rig->log, rig->config, NULL, &rig->limits,
					 NULL, NULL, -1),
			0);
	return certificates_new(&rig->certificates, &rig->loop, rig->config, rig->workers, 2);
}

static int rig_open(struct rig *rig, const struct cert *a, const struct cert *b)
{
	return rig_open_with(rig, a, b, "");
}

static void rig_close(struct rig *rig)
{
	for (int i = 0; i < 2; i++)
		worker_done(&rig->workers[i]);
	certificates_free(rig->certificates);
	loop_done(&rig->loop);
	limits_done(&rig->limits);
	log_free(rig->log, 0);
	close(rig->log_fd);
	config_unref(rig->config);
}

/* The log as it is by now. */
static const char *rig_log(struct rig *rig)
{
	static char text[65536];
	ssize_t len = pread(rig->log_fd, text, sizeof(text) - 1, 0);
	assert_true(len >= 0);
	text[len] = '\0';
	return text;
}

/* How often these words were logged. */
static unsigned rig_said(struct rig *rig, const char *words)
{
	unsigned n = 0;
	for (const char *at = rig_log(rig); (at = strstr(at, words)) != NULL; at++)
		n++;
	return n;
}

/* Lets the workers get their mail. */
static void rig_deliver(struct rig *rig)
{
	for (int i = 0; i < 2; i++)
		event_base_loop(rig->workers[i].loop.base, EVLOOP_NONBLOCK);
}

/* Puts a certificate of the same name into the files. */
static void renew(struct cert *cert, const char *name, struct cert_wish wish)
{
	certs_free(cert);
	*cert = certs_make(name, wish);
}

static void test_contexts(void **state)
{
	struct cert a = certs_make("a", (struct cert_wish){ 0 }),
		    b = certs_make("b", (struct cert_wish){ 0 });
	struct rig rig;
	(void)state;

	assert_int_equal(rig_open(&rig, &a, &b), 0);
	struct tls **tls = rig.workers[0].gate.tls;
	assert_non_null(tls[0]);
	assert_null(tls[1]);
	assert_non_null(tls[2]);
	assert_ptr_equal(rig.workers[1].gate.tls[2], tls[2]);
	assert_string_equal(rig_log(&rig), "");

	struct tls *old = tls_ref(tls[2]), *other = tls[0];
	renew(&b, "b", (struct cert_wish){ 0 });
	certificates_look(rig.certificates);
	rig_deliver(&rig);
	assert_ptr_equal(tls[2], old); /* whoever writes has time for both files */
	certificates_look(rig.certificates);
	certificates_look(rig.certificates);
	rig_deliver(&rig);
	assert_ptr_not_equal(tls[2], old);
	assert_ptr_equal(rig.workers[1].gate.tls[2], tls[2]);
	assert_ptr_equal(tls[0], other);
	assert_int_equal(rig_said(&rig, "TLS files read again"), 1);
	tls_unref(old);

	/* Mail that nobody reads any more is no leak. */
	renew(&a, "a", (struct cert_wish){ 0 });
	certificates_look(rig.certificates);
	certificates_look(rig.certificates);
	assert_int_equal(rig_said(&rig, "TLS files read again"), 2);
	rig_close(&rig);
	certs_free(&a);
	certs_free(&b);
}

/* Looks until what changed has been read and delivered. */
static void rig_follow(struct rig *rig)
{
	certificates_look(rig->certificates);
	certificates_look(rig->certificates);
	rig_deliver(rig);
}

/* Routes with tls:// services have contexts as listeners do, by their number; each file of theirs is
 * followed, and what is wrong with one is said with the route's name. */
static void test_routes(void **state)
{
	struct cert a = certs_make("a", (struct cert_wish){ 0 }),
		    ca = certs_make("ca", (struct cert_wish){ .ca = true }),
		    ours = certs_make("ours", (struct cert_wish){ 0 });
	struct cert *followed[] = { &ca, &ours };
	char more[1024], words[256];
	struct rig rig;
	(void)state;

	snprintf(more, sizeof(more),
		"[route /plain]\nconnect = tcp://127.0.0.1:1\n"
		"[route /tls]\nconnect = tcp://127.0.0.1:1\nconnect = tls://127.0.0.1:1\n"
		"tls_ca = %s\ntls_cert = %s\ntls_key = %s\n"
		"[route /blind]\nconnect = tls://127.0.0.1:1\ntls_verify = no\n",
		ca.file, ours.file, ours.key_file);
	assert_int_equal(rig_open_with(&rig, &a, &a, more), 0);
	struct tls **tls = rig.workers[0].gate.service_tls;
	assert_ptr_equal(tls, rig.workers[0].gate.tls + 3);
	assert_true(tls[0] == NULL && tls[1] == NULL && tls[2] != NULL && tls[3] != NULL);
	assert_ptr_equal(rig.workers[1].gate.service_tls[2], tls[2]);
	assert_non_null(strstr(rig_log(&rig), "msg=\"TLS protects from nobody on the way\" route=/blind "));

	for (unsigned i = 0; i < 2; i++) {
		struct tls *old = tls_ref(tls[2]), *other = tls[3];
		renew(followed[i], i == 0 ? "ca" : "ours", (struct cert_wish){ 0 });
		rig_follow(&rig);
		assert_ptr_not_equal(tls[2], old);
		assert_ptr_equal(rig.workers[1].gate.service_tls[2], tls[2]);
		assert_ptr_equal(tls[3], other);
		assert_int_equal(rig_said(&rig, "\"TLS files read again\" route=/tls"), i + 1);
		tls_unref(old);
	}

	struct tls *kept = tls[2];
	certs_write(ours.key_file, "nothing\n", 0600);
	for (int i = 0; i < 3; i++)
		rig_follow(&rig);
	assert_ptr_equal(tls[2], kept);
	snprintf(words, sizeof(words),
		"\"new TLS files can't be used, the old ones stay\" route=/tls file=%s", ours.key_file);
	assert_int_equal(rig_said(&rig, words), 1);
	rig_close(&rig);
	certs_free(&a);
	certs_free(&ca);
	certs_free(&ours);
}

/* What is said of a listener's settings is no matter of its files, nor of whom a route believes. */
static void test_settings(void **state)
{
	struct cert a = certs_make("a", (struct cert_wish){ 0 });
	char more[512];
	struct rig rig;
	(void)state;

	snprintf(more, sizeof(more),
		"[listen c]\naddress = 127.0.0.1:4\ntls_certificate = %s\ntls_key = %s\n"
		"tls_ciphers = ECDHE-ECDSA-AES128-GCM-SHA256:NONSENSE\n",
		a.file, a.key_file);
	assert_int_equal(rig_open_with(&rig, &a, &a, more), 0);
	assert_int_equal(rig_said(&rig, "msg=\"TLS setting used all the same\" listen=c "), 1);
	assert_int_equal(rig_said(&rig, "passed over: NONSENSE\""), 1);
	assert_int_equal(rig_said(&rig, "msg="), 1);
	rig_close(&rig);
	certs_free(&a);
}

/* A gateway whose listeners are all plain, and one that is to be started with a mistake. */
static void test_routes_alone(void **state)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct log *log = log_new(null, LOG_ERROR, LOG_FORMAT_LOGFMT, 4096);
	char file[128], words[256], text[512], *bytes = NULL;
	size_t len;
	(void)state;

	snprintf(file, sizeof(file), "%s/empty.pem", certs_dir);
	snprintf(words, sizeof(words), "[route /tls] %s holds no certificate in PEM form\n", file);
	certs_write(file, "", 0600);
	for (size_t i = 0; i < 2; i++) {
		struct certificates *certificates;
		struct limits limits;
		struct worker worker;
		struct loop loop;
		snprintf(text, sizeof(text), "[route /tls]\nconnect = tls://127.0.0.1:1\n%s%s\n",
			i == 0 ? "#" : "tls_ca = ", file);
		const struct config *config = conf_good(text);
		assert_int_equal(loop_init(&loop, log), 0);
		assert_int_equal(limits_init(&limits, config->n_routes), 0);
		assert_int_equal(worker_init(&worker, log, config, NULL, &limits, NULL, NULL, -1), 0);
		assert_int_equal(
			certificates_new(&certificates, &loop, config, &worker, 1), i == 0 ? 0 : -EINVAL);
		assert_int_equal(certificates != NULL, i == 0);
		assert_int_equal(worker.gate.service_tls != NULL, i == 0);
		if (i == 0)
			assert_true(worker.gate.service_tls[0] != NULL);
		FILE *err = open_memstream(&bytes, &len);
		assert_int_equal(certificates_check(config, err), i == 0 ? 0 : -EINVAL);
		fclose(err);
		assert_string_equal(bytes, i == 0 ? "" : words);
		free(bytes);
		worker_done(&worker);
		certificates_free(certificates);
		loop_done(&loop);
		limits_done(&limits);
		config_unref(config);
	}
	log_free(log, 0);
	close(null);
}

/* Where a route names no authorities the system's are followed, whether there are any or not. */
static void test_system(void **state)
{
	struct cert a = certs_make("a", (struct cert_wish){ 0 });
	char dir[128], file[160];
	struct rig rig;
	(void)state;

	snprintf(dir, sizeof(dir), "%s/system", certs_dir);
	snprintf(file, sizeof(file), "%s/0123abcd.0", dir);
	setenv("SSL_CERT_DIR", dir, 1);
	setenv("SSL_CERT_FILE", "/nowhere/cert.pem", 1);
	assert_int_equal(rig_open_with(&rig, &a, &a, "[route /tls]\nconnect = tls://a.example:1\n"), 0);
	assert_int_equal(rig_said(&rig, "holds no authorities"), 1);
	assert_int_equal(mkdir(dir, 0700), 0);
	rig_follow(&rig);
	assert_int_equal(rig_said(&rig, "TLS files read again"), 1);
	certs_write(file, "", 0600);
	rig_follow(&rig);
	assert_int_equal(rig_said(&rig, "TLS files read again"), 2);
	assert_int_equal(rig_said(&rig, "holds no authorities"), 2);
	rig_close(&rig);
	unsetenv("SSL_CERT_DIR");
	unsetenv("SSL_CERT_FILE");
	certs_free(&a);
	unlink(file);
	rmdir(dir);
}

/* A warning at the start, and one on each later day. */
static void test_expired(void **state)
{
	struct cert a = certs_make("a", (struct cert_wish){ .from = -3 * CERT_DAY, .until = -CERT_DAY });
	struct cert b = certs_make("b", (struct cert_wish){ .from = -CERT_DAY, .until = 3 * CERT_DAY });
	struct rig rig;
	(void)state;

	/* To noon, so that no midnight comes in between; that may be half a day ago. */
	test_ahead_s = 0;
	test_ahead_s = 12 * 3600 - time(NULL) % CERT_DAY;
	assert_int_equal(rig_open(&rig, &a, &b), 0);
	assert_int_equal(rig_said(&rig, "holds a certificate that expired at"), 1);
	certificates_look(rig.certificates);
	test_ahead_s += 11 * 3600;
	certificates_look(rig.certificates);
	assert_int_equal(rig_said(&rig, "expired"), 1);
	for (unsigned day = 1; day <= 2; day++) {
		test_ahead_s += CERT_DAY;
		certificates_look(rig.certificates);
		certificates_look(rig.certificates);
		assert_int_equal(rig_said(&rig, "expired at"), 1 + day);
	}
	/* One that ends while we run is said too. */
	test_ahead_s += 2 * CERT_DAY;
	certificates_look(rig.certificates);
	assert_int_equal(rig_said(&rig, "expired at"), 5);
	assert_int_equal(rig_said(&rig, "listen=b"), 1);
	rig_close(&rig);
	test_ahead_s = 0;
	certs_free(&a);
	certs_free(&b);
}

/* The lowest descriptor that is free. */
static rlim_t lowest_descriptor(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	close(fd);
	return (rlim_t)fd;
}

/* Without descriptors nothing can be read; it is tried again after a while, though the files stay as they
 * are. */
static void test_short_of_descriptors(void **state)
{
	struct cert a = certs_make("a", (struct cert_wish){ 0 }),
		    b = certs_make("b", (struct cert_wish){ 0 });
	struct rlimit limit, less;
	struct rig rig;
	(void)state;

	assert_int_equal(rig_open(&rig, &a, &b), 0);
	struct tls *old = rig.workers[0].gate.tls[0];
	renew(&a, "a", (struct cert_wish){ 0 });
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	less = limit;
	less.rlim_cur = lowest_descriptor();
	certificates_look(rig.certificates);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &less), 0);
	certificates_look(rig.certificates);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(rig_said(&rig, "can't be used"), 1);
	certificates_look(rig.certificates);
	rig_deliver(&rig);
	assert_ptr_equal(rig.workers[0].gate.tls[0], old);
	test_ahead_ms += CERTIFICATES_AGAIN_MS;
	certificates_look(rig.certificates);
	rig_deliver(&rig);
	assert_ptr_not_equal(rig.workers[0].gate.tls[0], old);
	test_ahead_ms += CERTIFICATES_AGAIN_MS;
	certificates_look(rig.certificates);
	assert_int_equal(rig_said(&rig, "TLS files read again"), 1);
	assert_int_equal(rig_said(&rig, "can't be used"), 1);
	rig_close(&rig);
	certs_free(&a);
	certs_free(&b);
}

/* All mistakes are said, and nothing stays. */
static void test_bad_start(void **state)
{
	struct cert a = certs_make("a", (struct cert_wish){ 0 }),
		    b = certs_make("b", (struct cert_wish){ 0 });
	struct rig rig;
	(void)state;

	certs_write(a.file, "nothing\n", 0600);
	certs_write(b.key_file, "nothing\n", 0600);
	assert_int_equal(rig_open(&rig, &a, &b), -EINVAL);
	assert_null(rig.certificates);
	assert_int_equal(rig_said(&rig, "TLS files can't be used"), 2);
	assert_int_equal(rig_said(&rig, "holds no certificate in PEM form"), 1);
	assert_int_equal(rig_said(&rig, "holds no private key in PEM form"), 1);
	assert_int_equal(certificates_watch(NULL), 0);
	rig_close(&rig);
	certs_free(&a);
	certs_free(&b);
}

/* What --check says. */
static void test_check(void **state)
{
	struct cert a = certs_make("a", (struct cert_wish){ .from = -2 * CERT_DAY, .until = -60 });
	struct cert b = certs_make("b", (struct cert_wish){ 0 });
	char *bytes = NULL;
	size_t len;
	struct rig rig;
	(void)state;

	assert_int_equal(rig_open(&rig, &a, &b), 0);
	FILE *err = open_memstream(&bytes, &len);
	assert_int_equal(certificates_check(rig.config, err), 0);
	fflush(err);
	assert_int_equal(strncmp(bytes, "warning: [listen a] /tmp/", 25), 0);
	assert_non_null(strstr(bytes, "/a.crt holds a certificate that expired at "));
	assert_ptr_equal(strchr(bytes, '\n'), bytes + len - 1);
	rewind(err);
	certs_write(b.file, "nothing\n", 0600);
	assert_int_equal(certificates_check(rig.config, err), -EINVAL);
	fclose(err);
	assert_non_null(strstr(bytes, "\n[listen b] /tmp/"));
	assert_non_null(strstr(bytes, "/b.crt holds no certificate in PEM form\n"));
	free(bytes);
	rig_close(&rig);
	certs_free(&a);
	certs_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_contexts),
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_routes_alone),
		cmocka_unit_test(test_system),
		cmocka_unit_test(test_expired),
		cmocka_unit_test(test_short_of_descriptors),
		cmocka_unit_test(test_bad_start),
		cmocka_unit_test(test_check),
	};

	return cmocka_run_group_tests(tests, certs_setup, certs_teardown);
}
