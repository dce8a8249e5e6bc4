/*
 * upgrade: judges an opening handshake and works out its answer; decides whether an Origin may come in.
 * Writes no response. Of extensions only the grammar is its business; permessage.c negotiates. The request's
 * own grammar was checked by request.c. Pure; any thread.
 */
#include "http/upgrade.h"
#include "base/authority.h"
#include "base/chars.h"
#include "base/must.h"
#include "http/extension.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>

enum { UPGRADE_KEY_LEN = 24 };

/* Whether an element of Upgrade is websocket; sets `others` when something else is there too. */
static bool upgrade_is_asked(const struct http_header *header, bool *others)
{
	struct text rest = header->value, piece;
	bool asked = false;

	*others = false;
	while (text_next(&rest, ',', &piece)) {
		if (text_is_nocase(piece, "websocket"))
			asked = true;
		else if (piece.len > 0)
			*others = true;
	}
	return asked;
}

/* Whether it is base64 of 16 bytes in the one way to write it: the 4 bits left over are zero (RFC 4648 3.5).
 */
static bool upgrade_is_key(struct text key)
{
	return key.len == UPGRADE_KEY_LEN && chars_span(key, CHARS_BASE64) == UPGRADE_KEY_LEN - 2 &&
	       text_ends_with(key, "==") && memchr("AQgw", key.ptr[UPGRADE_KEY_LEN - 3], 4) != NULL;
}

/* Adds one offered subprotocol. */
static int upgrade_add_protocol(struct upgrade *out, struct text name)
{
	if (out->n_protocols == UPGRADE_PROTOCOLS_MAX || !chars_all(name, CHARS_TOKEN))
		return UPGRADE_BAD_PROTOCOL;
	for (size_t i = 0; i < out->n_protocols; i++) {
		if (text_equal(out->protocols[i], name))
			return UPGRADE_BAD_PROTOCOL;
	}
	out->protocols[out->n_protocols++] = name;
	return 0;
}

/* Joins the offers of all Sec-WebSocket-Protocol headers (4.1, point 10). An empty element counts for none,
 * but there must be another one (4.3: 1#token, by the rules of RFC 2616 2.1). */
static int upgrade_read_protocols(struct upgrade *out, const struct http_request *request)
{
	bool asked = http_request_header(request, "Sec-WebSocket-Protocol") != NULL;

	for (size_t i = 0; asked && i < request->n_headers; i++) {
		struct text rest = request->headers[i].value, piece;
		int error = 0;

		if (!text_is_nocase(request->headers[i].name, "Sec-WebSocket-Protocol"))
			continue;
		while (error == 0 && text_next(&rest, ',', &piece))
			error = piece.len > 0 ? upgrade_add_protocol(out, piece) : 0;
		if (error < 0)
			return error;
	}
	return asked && out->n_protocols == 0 ? UPGRADE_BAD_PROTOCOL : 0;
}

/* Checks that all Sec-WebSocket-Extensions headers together are one list as 9.1 has it; what does not conform
 * fails the handshake, whether or not we would take up an offer. */
static int upgrade_check_extensions(const struct http_request *request)
{
	bool asked = http_request_header(request, "Sec-WebSocket-Extensions") != NULL, offered = false;

	for (size_t i = 0; asked && i < request->n_headers; i++) {
		struct text rest = request->headers[i].value;
		struct extension extension;
		int found;

		if (!text_is_nocase(request->headers[i].name, "Sec-WebSocket-Extensions"))
			continue;
		while ((found = extension_next(&rest, &extension)) > 0)
			offered = true;
		if (found < 0)
			return UPGRADE_BAD_EXTENSIONS;
	}
	return asked && !offered ? UPGRADE_BAD_EXTENSIONS : 0;
}

/* The value of a header, empty when there is none. */
static struct text upgrade_value(const struct http_request *request, const char *name)
{
	const struct http_header *header = http_request_header(request, name);

	return header != NULL ? header->value : text_of(NULL);
}

/* Goes through 4.2.1 in the order that gives the most useful refusal. */
int upgrade_check(struct upgrade *out, const struct http_request *request)
{
	const struct http_header *header = http_request_header(request, "Upgrade");
	bool others;
	int error;

	*out = (struct upgrade){ 0 };
	if (header == NULL || !upgrade_is_asked(header, &others))
		return 0;
	if (others)
		return UPGRADE_BAD_UPGRADE;
	if (request->minor != 1 || !text_is(request->method, "GET"))
		return UPGRADE_BAD_HTTP;
	if (!http_request_has_token(request, "Connection", "upgrade"))
		return UPGRADE_BAD_CONNECTION;
	if (request->content_length > 0 || http_request_header(request, "Transfer-Encoding") != NULL)
		return UPGRADE_BAD_BODY;
	if (!text_is(upgrade_value(request, "Sec-WebSocket-Version"), "13"))
		return UPGRADE_BAD_VERSION;
	out->key = upgrade_value(request, "Sec-WebSocket-Key");
	if (!upgrade_is_key(out->key))
		return UPGRADE_BAD_KEY;
	error = upgrade_read_protocols(out, request);
	if (error == 0)
		error = upgrade_check_extensions(request);
	return error < 0 ? error : 1;
}

/* Only another version has a status that tells the client what to do. */
int upgrade_status(int error)
{
	return error == UPGRADE_BAD_VERSION ? 426 : 400;
}

/* Words for every error; the row's number is the error's, without its sign. */
const char *upgrade_reason(int error)
{
	static const char *const reasons[] = {
		[0] = "This is no WebSocket handshake.",
		[-UPGRADE_BAD_VERSION] = "Only version 13 of the WebSocket protocol is spoken here.",
		[-UPGRADE_BAD_KEY] = "Sec-WebSocket-Key is not 16 bytes in base64.",
		[-UPGRADE_BAD_HTTP] = "A WebSocket handshake is a GET in HTTP/1.1.",
		[-UPGRADE_BAD_CONNECTION] = "Upgrade is websocket, but Connection does not say upgrade.",
		[-UPGRADE_BAD_PROTOCOL] = "Sec-WebSocket-Protocol is not a list of distinct names.",
		[-UPGRADE_BAD_BODY] = "A WebSocket handshake has no body.",
		[-UPGRADE_BAD_UPGRADE] = "Upgrade names something beside websocket.",
		[-UPGRADE_BAD_EXTENSIONS] = "Sec-WebSocket-Extensions is not a list of extensions.",
	};
	int n = (int)(sizeof(reasons) / sizeof(reasons[0]));

	return reasons[error < 0 && error > -n ? -error : 0];
}

/* SHA1() would look its implementation up by name and allocate, each time: 8,000 instructions of 10,000. Its
 * parts, which OpenSSL 3 would rather not have called, do neither. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* Hashes the key with the GUID of 1.3 and writes the hash in base64. */
void upgrade_accept(struct text key, char out[UPGRADE_ACCEPT_SIZE])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	unsigned char hash[SHA_DIGEST_LENGTH];
	SHA_CTX sha;

	must(key.len == UPGRADE_KEY_LEN);
	must(SHA1_Init(&sha) == 1 && SHA1_Update(&sha, key.ptr, key.len) == 1 &&
		SHA1_Update(&sha, guid, sizeof(guid) - 1) == 1 && SHA1_Final(hash, &sha) == 1);
	must(EVP_EncodeBlock((unsigned char *)out, hash, sizeof(hash)) == UPGRADE_ACCEPT_SIZE - 1);
}

#pragma GCC diagnostic pop

/* Our order decides, not the client's; without a list of ours the client's does. */
int upgrade_choose_protocol(const struct upgrade *up, const char *const *known, size_t n)
{
	if (n == 0)
		return up->n_protocols > 0 ? 0 : -1;
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < up->n_protocols; j++) {
			if (text_is(up->protocols[j], known[i]))
				return (int)j;
		}
	}
	return -1;
}

/* An Origin or a rule, taken apart. */
struct upgrade_origin {
	struct text scheme; /* empty in a rule that has none */
	struct authority at;
};

/* Cuts "scheme://" off `rest`; an empty scheme when there is none. */
static struct text upgrade_cut_scheme(struct text *rest)
{
	size_t len = chars_span(*rest, CHARS_TOKEN);
	struct text scheme = { rest->ptr, len };

	if (len == 0 || !text_starts_with(text_slice(*rest, len), "://"))
		return text_of(NULL);
	*rest = text_slice(*rest, len + 3);
	return scheme;
}

/* The port that a scheme's URLs have when they name none; 0 for schemes that have no ports. */
static unsigned upgrade_default_port(struct text scheme)
{
	if (text_is_nocase(scheme, "https"))
		return 443;
	return text_is_nocase(scheme, "http") ? 80 : 0;
}

/* Whether the Origin's host and port are these; a port left out is the default of the Origin's scheme. */
static bool upgrade_is_at(const struct upgrade_origin *origin, struct text host, struct text port)
{
	unsigned fallback = upgrade_default_port(origin->scheme);

	return text_equal_nocase(origin->at.host, host) &&
	       authority_port(origin->at.port, fallback) == authority_port(port, fallback);
}

/* Whether the name ends with ".example" and has something in front of it. */
static bool upgrade_is_below(struct text name, struct text suffix)
{
	return name.len > suffix.len && suffix.len > 1 &&
	       text_equal_nocase(text_slice(name, name.len - suffix.len), suffix);
}

/* Whether a rule that names a host allows the Origin. */
static bool upgrade_rule_matches(const struct upgrade_origin *origin, struct text rule)
{
	struct upgrade_origin wanted;

	if (text_starts_with(rule, "*."))
		return upgrade_is_below(origin->at.host, text_slice(rule, 1));
	wanted.scheme = upgrade_cut_scheme(&rule);
	if (wanted.scheme.len > 0 && !text_equal_nocase(wanted.scheme, origin->scheme))
		return false;
	return authority_parse(&wanted.at, rule) && upgrade_is_at(origin, wanted.at.host, wanted.at.port);
}

/* Tries the rules one by one. An Origin that can't be taken apart is only for those that don't ask. */
bool upgrade_origin_allowed(struct text text, const char *const *rules, size_t n, struct text host,
	struct text host_port, bool secure)
{
	struct upgrade_origin origin;
	struct text rest = text;
	bool known, web;

	origin.scheme = upgrade_cut_scheme(&rest);
	known = origin.scheme.len > 0 && authority_parse(&origin.at, rest);
	web = known &&
	      (text_is_nocase(origin.scheme, "https") || (!secure && text_is_nocase(origin.scheme, "http")));
	for (size_t i = 0; i < n; i++) {
		struct text rule = text_of(rules[i]);

		if (text_is_nocase(rule, "any") || text_is(rule, "*"))
			return true;
		if (text_is_nocase(rule, "null")) {
			if (text_is_nocase(text, "null"))
				return true;
		} else if (text_is_nocase(rule, "same")) {
			if (web && upgrade_is_at(&origin, host, host_port))
				return true;
		} else if (known && upgrade_rule_matches(&origin, rule)) {
			return true;
		}
	}
	return false;
}
