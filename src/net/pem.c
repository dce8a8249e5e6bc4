/*
 * pem: reads PEM files itself, so that a mistake can be named and a key leaves no copy behind.
 *
 * Owns nothing between two calls. What there is to say goes to the caller's note. On any thread.
 */
#include "net/pem.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Says one thing. */
void pem_say(const struct pem_notes *notes, enum log_level level, const char *file, const char *format, ...)
{
	char words[512];
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	notes->fn(notes->arg, level, file, words);
}

/* Looks at the oldest error in the queue. */
const char *pem_cause(void)
{
	unsigned long code = ERR_peek_error();
	const char *words =
		ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);
	return code == 0 || words == NULL ? "unknown error" : words;
}

/* Says that OpenSSL does not take something. Returns -EINVAL. */
static int pem_refuse(const struct pem_notes *notes, const char *file, const char *what)
{
	pem_say(notes, LOG_ERROR, file, "holds a %s that can't be used: %s", what, pem_cause());
	return -EINVAL;
}

/* Was it only that there is no such PEM block, or none any more? */
static bool pem_is_end(void)
{
	unsigned long code = ERR_peek_last_error();
	return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

/* Opens a regular file: anything else could keep us waiting. Returns a descriptor or -errno. */
static int pem_open(const char *file, struct stat *st)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return -errno;
	int error = fstat(fd, st) != 0 ? -errno : 0;
	if (error == 0 && !S_ISREG(st->st_mode))
		error = S_ISDIR(st->st_mode) ? -EISDIR : -EINVAL;
	if (error == 0 && st->st_size > PEM_FILE_MAX)
		error = -EFBIG;
	if (error == 0)
		return fd;
	close(fd);
	return error;
}

/* Reads as much as the file was long, or to its end. Returns the length or -errno. */
static long pem_read(int fd, uint8_t *bytes, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, bytes + len, size - len);
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (long)len;
}

/* An open file's bytes as a BIO, which cleans its memory when it is freed. Returns 0 or -errno. */
static int pem_copy(int fd, size_t size, BIO **out)
{
	uint8_t *bytes = OPENSSL_malloc(size + 1);
	long len = bytes == NULL ? -ENOMEM : pem_read(fd, bytes, size);
	int error = len < 0 ? (int)len : 0;

	*out = error == 0 ? BIO_new(BIO_s_mem()) : NULL;
	if (*out != NULL && len > 0 && BIO_write(*out, bytes, (int)len) != len) {
		BIO_free(*out);
		*out = NULL;
	}
	OPENSSL_clear_free(bytes, size + 1);
	return *out != NULL ? 0 : error != 0 ? error : -ENOMEM;
}

/* Loads a file. Returns 0 or -errno after a note. */
static int pem_load(const struct pem_notes *notes, const char *file, BIO **out, struct stat *st)
{
	int fd = pem_open(file, st);
	int error = fd < 0 ? fd : pem_copy(fd, (size_t)st->st_size, out);

	if (fd >= 0)
		close(fd);
	if (error != 0)
		pem_say(notes, LOG_ERROR, file, "cannot be read: %s",
			error == -EINVAL ? "it is not a file" : strerror(-error));
	return error;
}

/* Reads one certificate. Returns NULL at the end of the file, and when it is broken: then `broken` is set. */
static X509 *pem_read_certificate(BIO *bio, bool *broken)
{
	ERR_clear_error();
	X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	*broken = x509 == NULL && !pem_is_end();
	return x509;
}

/* The rest of the file is the chain, which is sent as it is. */
static bool pem_add_chain(SSL_CTX *ctx, BIO *bio)
{
	bool broken;
	X509 *x509;

	while ((x509 = pem_read_certificate(bio, &broken)) != NULL) {
		if (SSL_CTX_add0_chain_cert(ctx, x509) == 1)
			continue;
		X509_free(x509);
		return false;
	}
	return !broken;
}

/* Says that there is none. Returns -EINVAL. */
static int pem_miss(const struct pem_notes *notes, const char *file)
{
	pem_say(notes, LOG_ERROR, file, "holds no certificate in PEM form");
	return -EINVAL;
}

/* Takes a certificate and its chain. */
int pem_take_certificate(SSL_CTX *ctx, const char *file, const struct pem_notes *notes)
{
	struct stat st;
	bool broken;
	BIO *bio;
	int error = pem_load(notes, file, &bio, &st);

	if (error != 0)
		return error;
	X509 *x509 = pem_read_certificate(bio, &broken);
	if (x509 == NULL && !broken)
		error = pem_miss(notes, file);
	else if (x509 == NULL || SSL_CTX_use_certificate(ctx, x509) != 1 || !pem_add_chain(ctx, bio))
		error = pem_refuse(notes, file, "certificate");
	X509_free(x509);
	BIO_free(bio);
	return error;
}

/* A service has nobody to ask for a passphrase: refuses, and remembers that it was asked. */
static int pem_refuse_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	*(bool *)arg = true;
	return -1;
}

/* Is there a key of any kind? OpenSSL's own words for none are "unsupported". */
static bool pem_has_key(BIO *bio)
{
	static const char mark[] = "PRIVATE KEY-----";
	char *bytes;
	long len = BIO_get_mem_data(bio, &bytes);
	return len > 0 && memmem(bytes, (size_t)len, mark, sizeof(mark) - 1) != NULL;
}

/* Reads a key. NULL after a note. */
static EVP_PKEY *pem_read_key(const struct pem_notes *notes, BIO *bio, const char *file)
{
	bool encrypted = false, has_key = pem_has_key(bio);

	ERR_clear_error();
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, pem_refuse_passphrase, &encrypted);
	if (key != NULL)
		return key;
	if (encrypted)
		pem_say(notes, LOG_ERROR, file, "holds a key that is encrypted; it must have no passphrase");
	else if (!has_key)
		pem_say(notes, LOG_ERROR, file, "holds no private key in PEM form");
	else
		pem_refuse(notes, file, "private key");
	return NULL;
}

/* Warns of a key that is not kept to owner and group. */
static void pem_check_mode(const struct pem_notes *notes, const char *file, mode_t mode)
{
	if ((mode & S_IRWXO) != 0)
		pem_say(notes, LOG_WARNING, file,
			"holds a private key and is open to every user of the machine (mode %04o)",
			(unsigned)mode & 07777);
}

/* Takes the key of a certificate and of no other. */
int pem_take_key(SSL_CTX *ctx, const char *file, const char *certificate, const struct pem_notes *notes)
{
	struct stat st;
	BIO *bio;
	int error = pem_load(notes, file, &bio, &st);

	if (error != 0)
		return error;
	EVP_PKEY *key = pem_read_key(notes, bio, file);
	BIO_free(bio);
	if (key == NULL)
		return -EINVAL;
	if (X509_check_private_key(SSL_CTX_get0_certificate(ctx), key) != 1) {
		pem_say(notes, LOG_ERROR, file, "holds the key of another certificate than that of %.300s",
			certificate);
		error = -EINVAL;
	} else if (SSL_CTX_use_PrivateKey(ctx, key) != 1)
		error = pem_refuse(notes, file, "private key");
	EVP_PKEY_free(key);
	if (error == 0)
		pem_check_mode(notes, file, st.st_mode);
	return error;
}

/* Compares one with today's date. */
static void pem_check_date(const X509 *x509, const char *file, const struct pem_notes *notes)
{
	const ASN1_TIME *from = X509_get0_notBefore(x509), *until = X509_get0_notAfter(x509);
	bool expired = X509_cmp_current_time(until) < 0;
	char date[32] = "?";
	struct tm tm;

	if (!expired && X509_cmp_current_time(from) <= 0)
		return;
	if (ASN1_TIME_to_tm(expired ? until : from, &tm) == 1)
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S UTC", &tm);
	pem_say(notes, LOG_WARNING, file, "holds a certificate that %s %s",
		expired ? "expired at" : "is not valid before", date);
}

/* Takes all certificates of a file. */
int pem_take_authorities(SSL_CTX *ctx, const char *file, const struct pem_notes *notes)
{
	bool broken = false, good = true;
	struct stat st;
	X509 *x509;
	size_t n = 0;
	BIO *bio;
	int error = pem_load(notes, file, &bio, &st);

	if (error != 0)
		return error;
	for (; good && (x509 = pem_read_certificate(bio, &broken)) != NULL; n++) {
		good = X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), x509) == 1 &&
		       SSL_CTX_add_client_CA(ctx, x509) == 1;
		pem_check_date(x509, file, notes);
		X509_free(x509);
	}
	BIO_free(bio);
	if (broken || !good)
		return pem_refuse(notes, file, "certificate");
	return n == 0 ? pem_miss(notes, file) : 0;
}

/* Looks at the one of a context. */
void pem_check_dates(SSL_CTX *ctx, const char *file, const struct pem_notes *notes)
{
	pem_check_date(SSL_CTX_get0_certificate(ctx), file, notes);
}
