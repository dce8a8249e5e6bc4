/*
 * clientcert: the names in a client's certificate, as text that is safe everywhere.
 *
 * OpenSSL has verified the certificate in the handshake; nothing is judged here. Holds nothing. Any thread.
 */
#include "net/clientcert.h"

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The subject, in the certificate; NULL when there is none. */
static const X509_NAME *clientcert_name(const SSL *ssl)
{
	const X509 *certificate = SSL_get0_peer_certificate(ssl);
	return certificate == NULL ? NULL : X509_get_subject_name(certificate);
}

/* What was printed into a memory BIO, as a string; frees the BIO. */
static char *clientcert_take(BIO *bio, int printed)
{
	char *bytes = NULL;
	long len = BIO_get_mem_data(bio, &bytes);
	char *text = printed >= 0 && len > 0 ? strndup(bytes, (size_t)len) : NULL;

	BIO_free(bio);
	return text;
}

/* Prints all of the subject. */
char *clientcert_subject(const SSL *ssl)
{
	const X509_NAME *name = clientcert_name(ssl);
	BIO *bio = name == NULL ? NULL : BIO_new(BIO_s_mem());

	return bio == NULL ? NULL : clientcert_take(bio, X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253));
}

/* The last common name, which is the most specific one; NULL when there is none. */
static const ASN1_STRING *clientcert_last_common_name(const SSL *ssl)
{
	const X509_NAME *name = clientcert_name(ssl);
	int at = -1;

	for (int next; name != NULL && (next = X509_NAME_get_index_by_NID(name, NID_commonName, at)) >= 0;)
		at = next;
	return at < 0 ? NULL : X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
}

/* Prints it. */
char *clientcert_common_name(const SSL *ssl)
{
	const ASN1_STRING *value = clientcert_last_common_name(ssl);
	BIO *bio = value == NULL ? NULL : BIO_new(BIO_s_mem());

	return bio == NULL ? NULL
			   : clientcert_take(bio, ASN1_STRING_print_ex(bio, value, ASN1_STRFLGS_RFC2253));
}

/* Copies it, for whoever takes UTF-8. */
char *clientcert_common_name_utf8(const SSL *ssl)
{
	const ASN1_STRING *value = clientcert_last_common_name(ssl);
	unsigned char *bytes = NULL;
	int len = value == NULL ? -1 : ASN1_STRING_to_UTF8(&bytes, value);
	bool good = len > 0;
	char *name;

	for (int i = 0; i < len; i++)
		good = good && bytes[i] >= ' ' && bytes[i] != 0x7f;
	name = good ? strndup((char *)bytes, (size_t)len) : NULL;
	OPENSSL_free(bytes);
	return name;
}
