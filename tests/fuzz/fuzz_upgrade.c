/*
 * fuzz_upgrade: headers that anybody may send, behind a good start, through the parser and the handshake; and
 * an Origin against rules. The input's first line is the Origin, the second the Host, the rest headers; each
 * line feed in there becomes CRLF, so that the mutations stay behind the parser's first gate.
 */
#include "base/authority.h"
#include "base/chars.h"
#include "base/must.h"
#include "http/upgrade.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Takes the first line off the input. */
static struct text fuzz_line(struct text *rest)
{
	struct text line = { 0 };

	text_next(rest, '\n', &line);
	return line;
}

/* Joins a start, a Host and the headers into a head; the caller frees. */
static char *fuzz_head(struct text host, struct text headers, size_t *len)
{
	static const char start[] = "GET / HTTP/1.1\r\nHost:";
	char *head = malloc(sizeof(start) + host.len + 2 * headers.len + 4), *at = head;

	must(head != NULL);
	at = mempcpy(at, start, sizeof(start) - 1);
	if (host.len > 0)
		at = mempcpy(at, host.ptr, host.len);
	at = mempcpy(at, "\r\n", 2);
	for (size_t i = 0; i < headers.len; i++) {
		if (headers.ptr[i] == '\n')
			*at++ = '\r';
		*at++ = headers.ptr[i];
	}
	at = mempcpy(at, "\r\n", 2);
	*len = (size_t)(at - head);
	return head;
}

/* What a handshake that was accepted must have: a key that OpenSSL reads the same, and clean protocols. */
static void fuzz_check_upgrade(const struct upgrade *up)
{
	unsigned char bytes[18], again[25];
	char accept[UPGRADE_ACCEPT_SIZE];

	must(up->key.len == 24);
	must(EVP_DecodeBlock(bytes, (const unsigned char *)up->key.ptr, 24) == 18);
	must(EVP_EncodeBlock(again, bytes, 16) == 24 && memcmp(again, up->key.ptr, 24) == 0);
	upgrade_accept(up->key, accept);
	must(strlen(accept) == UPGRADE_ACCEPT_SIZE - 1);
	must(up->n_protocols <= UPGRADE_PROTOCOLS_MAX);
	for (size_t i = 0; i < up->n_protocols; i++) {
		must(chars_all(up->protocols[i], CHARS_TOKEN));
		for (size_t j = 0; j < i; j++)
			must(!text_equal(up->protocols[i], up->protocols[j]));
	}
	must(upgrade_choose_protocol(up, NULL, 0) == (up->n_protocols > 0 ? 0 : -1));
}

/* What an Origin that came in as the same one must look like: scheme and Host, perhaps with a default port.
 */
static void fuzz_check_same(struct text origin, struct text host, bool tls)
{
	struct text rest = origin;

	must(text_equal_nocase((struct text){ origin.ptr, 8 }, text_of("https://")) ||
		(!tls && text_equal_nocase((struct text){ origin.ptr, 7 }, text_of("http://"))));
	rest = text_slice(rest, origin.ptr[4] == ':' ? 7 : 8);
	if (rest.ptr[0] == '[')
		rest = text_slice(rest, 1);
	must(rest.len >= host.len && text_equal_nocase((struct text){ rest.ptr, host.len }, host));
	must(rest.len == host.len || rest.ptr[host.len] == ':' || rest.ptr[host.len] == ']');
}

/* Asks for every kind of rule. */
static void fuzz_origin(struct text origin, struct text host, struct text port, bool tls)
{
	static const char *const same[] = { "same" }, *const any[] = { "any" }, *const null[] = { "null" },
				 *const listed[] = { "https://app.example.org", "*.example.net", "[::1]:80" };

	must(upgrade_origin_allowed(origin, any, 1, host, port, tls));
	must(upgrade_origin_allowed(origin, null, 1, host, port, tls) == text_is_nocase(origin, "null"));
	must(!upgrade_origin_allowed(origin, NULL, 0, host, port, tls));
	if (upgrade_origin_allowed(origin, same, 1, host, port, tls))
		fuzz_check_same(origin, host, tls);
	if (upgrade_origin_allowed(origin, listed, 3, host, port, tls))
		must(memmem(origin.ptr, origin.len, "://", 3) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text rest = { (const char *)data, size };
	struct text origin = fuzz_line(&rest), host = fuzz_line(&rest);
	struct http_request request;
	struct authority authority;
	struct upgrade up;
	size_t len;
	char *head = fuzz_head(host, rest, &len);
	int verdict;

	if (authority_parse(&authority, host)) {
		fuzz_origin(origin, authority.host, authority.port, false);
		fuzz_origin(origin, authority.host, authority.port, true);
	}
	if (http_request_parse(&request, head, len) == 0) {
		verdict = upgrade_check(&up, &request);
		must(verdict <= 1 && verdict >= UPGRADE_BAD_UPGRADE);
		must(verdict >= 0 || (upgrade_status(verdict) >= 400 && upgrade_reason(verdict) != NULL));
		if (verdict == 1)
			fuzz_check_upgrade(&up);
	}
	free(head);
	return 0;
}
