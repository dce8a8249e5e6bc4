/*
 * fuzz_upgrade: headers that anybody may send, behind a good start, through the parser, the handshake and the
 * negotiation of extensions; and an Origin against rules. The input's first line is the Origin, the second
 * the Host, the rest headers; each line feed in there becomes CRLF, so that the mutations stay behind the
 * parser's first gate.
 *
 * The grammar of extensions is held against a regular expression; lists are cut at their commas into several
 * headers, which must say the same; an answer is taken for an offer, to which it must be the answer again.
 */
#include "base/authority.h"
#include "base/chars.h"
#include "base/must.h"
#include "http/extension.h"
#include "http/permessage.h"
#include "http/upgrade.h"

#include <openssl/evp.h>
#include <regex.h>
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

static const char fuzz_extensions[] = "Sec-WebSocket-Extensions";

#define SPACE  "[ \t]*"
#define TOKEN  "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
#define QUOTED "\"([]\t !#-[_-~\x80-\xff^]|\\\\[\t -~\x80-\xff])*\""
#define PARAM  SPACE ";" SPACE TOKEN "(" SPACE "=" SPACE "(" TOKEN "|" QUOTED "))?"
#define OFFER  TOKEN "(" PARAM ")*"
#define LIST   "^[ \t,]*(" OFFER "(" SPACE ",[ \t,]*" OFFER ")*" SPACE "(,[ \t,]*)?)?$"

/* Whether a header's value is a list of extensions, as RFC 6455 9.1 says it. */
static bool fuzz_is_list(struct text value)
{
	static regex_t list; /* compiled once; it takes longer than all the rest */
	static bool compiled;
	char *copy = text_dup(value);
	bool is;

	must(copy != NULL);
	must(compiled || regcomp(&list, LIST, REG_EXTENDED | REG_NOSUB) == 0);
	compiled = true;
	is = regexec(&list, copy, 0, NULL, 0) == 0;
	free(copy);
	return is;
}

/* Reads a list; returns how many offers it has, or -1. */
static int fuzz_count(struct text value)
{
	struct extension extension;
	struct extension_param param;
	int found, more, n = 0;

	while ((found = extension_next(&value, &extension)) > 0) {
		must(chars_all(extension.name, CHARS_TOKEN));
		while ((more = extension_next_param(&extension.params, &param)) > 0) {
			must(chars_all(param.name, CHARS_TOKEN));
			must(param.has_value || param.value[0] == '\0');
			must(strlen(param.value) < EXTENSION_VALUE);
		}
		must(more == 0 && extension.params.len == 0);
		n++;
	}
	return found < 0 ? -1 : n;
}

/* Negotiates about one header. */
static bool fuzz_negotiate(struct permessage *out, struct text value, unsigned window_bits, bool context)
{
	struct http_request request = { .n_headers = 1 };

	request.headers[0] = (struct http_header){ text_of(fuzz_extensions), value };
	return permessage_negotiate(out, &request, window_bits, context);
}

/* The answer, taken for an offer, has itself for an answer, and one only. */
static void fuzz_check_answer(const struct permessage *agreed)
{
	char answer[PERMESSAGE_TEXT], again[PERMESSAGE_TEXT];
	struct text text = text_of(permessage_format(agreed, answer));
	struct permessage same;

	must(fuzz_is_list(text) && fuzz_count(text) == 1);
	must(fuzz_negotiate(&same, text, PERMESSAGE_WINDOW_MAX, true));
	must(strcmp(permessage_format(&same, again), answer) == 0);
}

/* What was agreed is within what the offer's parameters and ours allow. */
static void fuzz_check_terms(
	const struct permessage *agreed, struct text params, unsigned window_bits, bool context)
{
	struct extension_param param;
	struct text names[4];
	unsigned client_max = PERMESSAGE_WINDOW_MAX, n = 0;

	must(agreed->on && agreed->server_max_window_bits >= PERMESSAGE_WINDOW_MIN);
	must(agreed->server_max_window_bits <= window_bits);
	must(context || (agreed->server_no_context_takeover && agreed->client_no_context_takeover));
	while (extension_next_param(&params, &param) > 0) {
		unsigned value = (unsigned)atoi(param.value);

		must(n < 4);
		for (unsigned i = 0; i < n; i++)
			must(!text_equal(names[i], param.name));
		names[n++] = param.name;
		if (text_is(param.name, "server_no_context_takeover"))
			must(!param.has_value && agreed->server_no_context_takeover);
		else if (text_is(param.name, "client_no_context_takeover"))
			must(!param.has_value && agreed->client_no_context_takeover);
		else if (text_is(param.name, "server_max_window_bits"))
			must(agreed->server_bits_offered && agreed->server_max_window_bits <= value);
		else if (text_is(param.name, "client_max_window_bits"))
			client_max = param.has_value && value < window_bits ? value : window_bits;
		else
			must(false); /* an unknown parameter was agreed to */
	}
	must(agreed->client_max_window_bits == client_max && client_max >= 8);
}

/* Finds the first offer of a list that is agreed to when it is alone: it must be what the list came to. */
static bool fuzz_check_first(
	const struct permessage *agreed, struct text rest, unsigned window_bits, bool context)
{
	struct extension extension;

	while (extension_next(&rest, &extension) > 0) {
		struct text alone = { extension.name.ptr,
			(size_t)(extension.params.ptr - extension.name.ptr) + extension.params.len };
		struct permessage same;

		if (!fuzz_negotiate(&same, alone, window_bits, context))
			continue;
		must(memcmp(&same, agreed, sizeof(same)) == 0);
		fuzz_check_terms(agreed, extension.params, window_bits, context);
		fuzz_check_answer(agreed);
		return true;
	}
	return false;
}

/* Negotiates, with each kind of settings that a route may have. */
static void fuzz_negotiation(const struct http_request *request)
{
	for (unsigned i = 0; i < 4; i++) {
		unsigned window_bits = i < 2 ? PERMESSAGE_WINDOW_MAX : i == 2 ? 12 : PERMESSAGE_WINDOW_MIN;
		bool context = i % 2 == 0, found = false;
		struct permessage agreed;

		must(permessage_negotiate(&agreed, request, window_bits, context) == agreed.on);
		for (size_t j = 0; j < request->n_headers && !found; j++) {
			if (text_is_nocase(request->headers[j].name, fuzz_extensions))
				found = fuzz_check_first(
					&agreed, request->headers[j].value, window_bits, context);
		}
		must(found == agreed.on);
	}
}

/* The header at `i` in two, cut at the comma at `comma`: verdict and agreement must stay the same. */
static void fuzz_check_cut(const struct http_request *request, size_t i, size_t comma, int verdict)
{
	struct http_request cut = *request;
	struct text whole = cut.headers[i].value;
	struct permessage one, two;
	struct upgrade up;

	memmove(&cut.headers[i + 1], &cut.headers[i], (cut.n_headers - i) * sizeof(cut.headers[0]));
	cut.n_headers++;
	cut.headers[i].value = text_trim((struct text){ whole.ptr, comma });
	cut.headers[i + 1].value = text_trim(text_slice(whole, comma + 1));
	must(upgrade_check(&up, &cut) == verdict);
	if (verdict == 1) {
		must(permessage_negotiate(&one, request, 12, true) ==
			permessage_negotiate(&two, &cut, 12, true));
		must(memcmp(&one, &two, sizeof(one)) == 0);
	}
}

/* Cuts a header at each comma that no quotes are around. */
static void fuzz_cut(const struct http_request *request, size_t i, int verdict)
{
	struct text value = request->headers[i].value;
	bool quoted = false;

	for (size_t at = 0; at < value.len && request->n_headers < HTTP_HEADERS_MAX; at++) {
		if (quoted && value.ptr[at] == '\\')
			at++;
		else if (value.ptr[at] == '"')
			quoted = !quoted;
		else if (value.ptr[at] == ',' && !quoted)
			fuzz_check_cut(request, i, at, verdict);
	}
}

/* What the handshake says of the extensions is what their grammar says. */
static void fuzz_extension_headers(const struct http_request *request, int verdict)
{
	bool asked = false, good = true;
	int offers = 0;

	for (size_t i = 0; i < request->n_headers; i++) {
		int n;

		if (!text_is_nocase(request->headers[i].name, fuzz_extensions))
			continue;
		asked = true;
		n = fuzz_count(request->headers[i].value);
		must((n >= 0) == fuzz_is_list(request->headers[i].value));
		good = good && n >= 0;
		offers += n > 0 ? n : 0;
		fuzz_cut(request, i, verdict);
	}
	must(verdict != 1 || (good && asked == (offers > 0)));
	must(verdict != UPGRADE_BAD_EXTENSIONS || (asked && (!good || offers == 0)));
	if (verdict == 1)
		fuzz_negotiation(request);
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
		must(verdict <= 1 && verdict >= UPGRADE_BAD_EXTENSIONS);
		must(verdict >= 0 || (upgrade_status(verdict) >= 400 && upgrade_reason(verdict) != NULL));
		if (verdict == 1)
			fuzz_check_upgrade(&up);
		fuzz_extension_headers(&request, verdict);
	}
	free(head);
	return 0;
}
