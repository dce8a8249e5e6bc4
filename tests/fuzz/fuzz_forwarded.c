/*
 * fuzz_forwarded: what proxies and clients write into Forwarded, X-Forwarded-For and X-Forwarded-Proto. The
 * input's first byte chooses the peer, the rest are header lines, each line feed of which becomes CRLF.
 *
 * What is found is held against a second implementation, which goes by regular expressions and words: an
 * element of Forwarded is the shortest one that can stand at the end, wherever its quotes are. And a client
 * that was found stays the same whatever is written in front of it.
 */
#include "base/must.h"
#include "http/forwarded.h"

#include <arpa/inet.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SPACE	 "[ \t]*"
#define TOKEN	 "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
#define QUOTED	 "\"([]\t !#-[_-~\x80-\xff^]|\\\\[\t -~\x80-\xff])*\""
#define PAIR	 "(" TOKEN "=(" TOKEN "|" QUOTED "))?"
#define ELEMENT	 "^" SPACE PAIR "(" SPACE ";" SPACE PAIR ")*" SPACE "$"
#define HIDDEN	 "_[-._A-Za-z0-9]+"
#define NODE	 "^(\\[([0-9a-f:.]+)]|([0-9.]+)|unknown|" HIDDEN ")(:([0-9]{1,5}|" HIDDEN "))?$"
#define FUZZ_FOR "X-Forwarded-For"

/* What somebody says of a client. Nothing of it is known when it is all zero. */
struct fuzz_said {
	char host[ADDR_TEXT];
	unsigned port;
	char scheme; /* 's' of https, 'p' of http */
};

/* A list, read from its end: what is left of it. */
struct fuzz_list {
	const struct http_request *request;
	const char *name;
	size_t n_headers, len; /* headers left, bytes left of the last of them */
	size_t hops, bytes;    /* that were read */
	bool begun;
};

/* Compiled once; it takes longer than all the rest. */
static const regex_t *fuzz_regex(regex_t *regex, bool *compiled, const char *text)
{
	must(*compiled || regcomp(regex, text, REG_EXTENDED | REG_ICASE) == 0);
	*compiled = true;
	return regex;
}

/* Is it an element of Forwarded? */
static bool fuzz_is_element(const char *text)
{
	static regex_t regex;
	static bool compiled;

	return regexec(fuzz_regex(&regex, &compiled, ELEMENT), text, 0, NULL, 0) == 0;
}

/* Reads a node. */
static bool fuzz_node(struct fuzz_said *out, const char *text)
{
	static regex_t regex;
	static bool compiled;
	regmatch_t at[6];
	struct in6_addr any;
	char host[ADDR_TEXT] = "";

	if (regexec(fuzz_regex(&regex, &compiled, NODE), text, 6, at, 0) != 0)
		return false;
	for (int i = 2; i <= 3; i++) {
		if (at[i].rm_so < 0 || at[i].rm_eo - at[i].rm_so >= (int)sizeof(host))
			continue;
		memcpy(host, text + at[i].rm_so, (size_t)(at[i].rm_eo - at[i].rm_so));
	}
	if (at[2].rm_so >= 0 || at[3].rm_so >= 0) {
		if (inet_pton(at[2].rm_so >= 0 ? AF_INET6 : AF_INET, host, &any) != 1)
			return false;
		inet_ntop(at[2].rm_so >= 0 ? AF_INET6 : AF_INET, &any, out->host, sizeof(out->host));
	}
	if (strncmp(out->host, "::ffff:", 7) == 0 && strchr(out->host, '.') != NULL)
		memmove(out->host, out->host + 7, strlen(out->host + 7) + 1);
	out->port = at[5].rm_so < 0 || text[at[5].rm_so] == '_' ? 0 : (unsigned)atoi(text + at[5].rm_so);
	if (out->host[0] == '\0' && out->port <= UINT16_MAX)
		out->port = 0;
	return out->port <= UINT16_MAX;
}

/* Reads a scheme. */
static bool fuzz_scheme(struct fuzz_said *out, const char *text)
{
	if (strcasecmp(text, "https") == 0 || strcasecmp(text, "wss") == 0)
		out->scheme = 's';
	else if (strcasecmp(text, "http") == 0 || strcasecmp(text, "ws") == 0)
		out->scheme = 'p';
	else
		return false;
	return true;
}

/* Reads an element of Forwarded, of which it is known that it is one. */
static bool fuzz_element(struct fuzz_said *out, const char *at)
{
	static const char *const names[] = { "for", "proto", "by", "host" };
	int seen[4] = { 0 };

	for (at += strspn(at, " \t;"); *at != '\0'; at += strspn(at, " \t;")) {
		char name[FORWARDED_MAX] = "", value[FORWARDED_MAX] = "", *end = value;
		size_t len = strcspn(at, "=");

		memcpy(name, at, len);
		at += len + 1;
		bool quoted = *at == '"';
		for (at += quoted; quoted ? *at != '"' : *at != '\0' && strchr(" \t;", *at) == NULL; at++) {
			at += quoted && *at == '\\';
			*end++ = *at;
		}
		at += quoted;
		for (int i = 0; i < 4; i++)
			if (strcasecmp(name, names[i]) == 0 && seen[i]++ > 0)
				return false;
		if (strcasecmp(name, "for") == 0 && !fuzz_node(out, value))
			return false;
		if (strcasecmp(name, "proto") == 0 && !fuzz_scheme(out, value))
			return false;
	}
	return true;
}

/* Reads a hop of X-Forwarded-For. */
static bool fuzz_hop(struct fuzz_said *out, const char *text)
{
	struct in6_addr v6;
	char with[FORWARDED_MAX + 8];

	if (strcmp(text, "unix:") == 0) {
		strcpy(out->host, "unix");
		return true;
	}
	snprintf(with, sizeof(with), inet_pton(AF_INET6, text, &v6) == 1 ? "[%s]" : "%s", text);
	return fuzz_node(out, with);
}

/* The value of the last header that is left, as far as it is. */
static char *fuzz_value(struct fuzz_list *list)
{
	for (; list->n_headers > 0; list->n_headers--, list->begun = false) {
		const struct http_header *header = &list->request->headers[list->n_headers - 1];

		if (!text_is_nocase(header->name, list->name))
			continue;
		if (!list->begun)
			list->len = header->value.len;
		list->begun = true;
		if (list->len > 0)
			return text_dup((struct text){ header->value.ptr, list->len });
	}
	return NULL;
}

/* Takes the last element, or what is behind the last comma when there is none that is one. Returns 1, 0, or
 * -1 when it is too much. */
static int fuzz_take(struct fuzz_list *list, char out[FORWARDED_MAX + 1], bool elements)
{
	char *value = fuzz_value(list);
	size_t end, at;

	if (value == NULL)
		return 0;
	for (end = list->len; end > 0 && strchr(" \t,", value[end - 1]) != NULL; end--)
		;
	value[end] = '\0';
	at = end;
	do {
		while (at > 0 && value[at - 1] != ',')
			at--;
	} while (elements && !fuzz_is_element(value + at) && at-- > 0);
	if (at > end) { /* there is none */
		free(value);
		return -1;
	}
	list->bytes += list->len - at + (at > 0 && end > 0);
	list->len = at > 0 ? at - 1 : 0;
	value += at;
	while (*value == ' ' || *value == '\t')
		value++, at++;
	bool many = list->bytes > FORWARDED_MAX;
	if (!many)
		strcpy(out, value);
	free(value - at);
	if (many)
		return -1;
	if (end == 0)
		return fuzz_take(list, out, elements);
	return ++list->hops > FORWARDED_HOPS_MAX ? -1 : 1;
}

/* Is it one of those in fuzz_trusted? */
static bool fuzz_is_trusted(const char *host)
{
	return strncmp(host, "10.", 3) == 0 || strncmp(host, "2001:db8:ffff:", 14) == 0 ||
	       strcmp(host, "unix") == 0;
}

/* Goes from hop to hop. Returns how many there were, or -1. */
static int fuzz_walk(struct fuzz_said *said, const struct http_request *request, const char *name)
{
	struct fuzz_list list = { .request = request, .name = name, .n_headers = request->n_headers };
	bool elements = strcmp(name, "Forwarded") == 0;
	char text[FORWARDED_MAX + 1];
	int n = 0, found;

	while (fuzz_is_trusted(said->host) && (found = fuzz_take(&list, text, elements)) != 0) {
		struct fuzz_said hop = { 0 };

		if (found < 0 || !(elements ? fuzz_element(&hop, text) : fuzz_hop(&hop, text)))
			return -1;
		n++;
		said->scheme = hop.scheme;
		if (hop.host[0] == '\0')
			break;
		*said = hop;
	}
	return n;
}

/* The nth scheme of X-Forwarded-Proto, from the right, or the only one. */
static char fuzz_find_scheme(const struct http_request *request, int n, bool *there)
{
	struct fuzz_list list = {
		.request = request, .name = "X-Forwarded-Proto", .n_headers = request->n_headers
	};
	char text[FORWARDED_MAX + 1];
	int i = 0, found = 0;
	struct fuzz_said said = { 0 };

	*there = false;
	while (i < n && (found = fuzz_take(&list, text, false)) != 0) {
		*there = true;
		if (found < 0 || !fuzz_scheme(&said, text))
			return 0;
		i++;
	}
	return i == n || i == 1 ? said.scheme : 0;
}

/* Who it is, of `peer`. */
static struct fuzz_said fuzz_find(const struct http_request *request, struct fuzz_said peer)
{
	struct fuzz_said standard = peer, plain = peer;
	bool there;
	int n = fuzz_walk(&standard, request, "Forwarded"), m = fuzz_walk(&plain, request, FUZZ_FOR);

	if (n < 0)
		standard = peer;
	if (m < 0)
		plain = peer;
	char scheme = fuzz_find_scheme(request, m > 0 ? m : 1, &there);
	if (m >= 0)
		plain.scheme = scheme;
	if (n == 0)
		return plain;
	if (m == 0 && !there)
		return standard;
	if (strcmp(standard.host, plain.host) != 0)
		return peer;
	if (standard.port != plain.port && standard.port != 0 && plain.port != 0)
		return peer;
	if (standard.scheme != plain.scheme && standard.scheme != 0 && plain.scheme != 0)
		return peer;
	if (standard.port != plain.port)
		standard.port = 0;
	if (standard.scheme != plain.scheme)
		standard.scheme = 0;
	return standard;
}

/* The same of the implementation. */
static struct fuzz_said fuzz_ask(const struct http_request *request, const struct addr *peer)
{
	static struct cidr trusted[3];
	struct fuzz_said said = { 0 };
	struct forwarded out;

	must(cidr_parse(&trusted[0], text_of("10.0.0.0/8")));
	must(cidr_parse(&trusted[1], text_of("2001:db8:ffff::/48")));
	must(cidr_parse(&trusted[2], text_of("unix")));
	memset(&out, 0x5a, sizeof(out));
	forwarded_find(&out, request, peer, trusted, 3);
	addr_format_host(&out.addr, said.host);
	said.port = addr_port(&out.addr);
	said.scheme = out.scheme == FORWARDED_SECURE ? 's' : out.scheme == FORWARDED_PLAIN ? 'p' : 0;
	return said;
}

/* Is there a list of that name, with something in it? */
static bool fuzz_has(const struct http_request *request, const char *name)
{
	struct fuzz_list list = { .request = request, .name = name, .n_headers = request->n_headers };
	char text[FORWARDED_MAX + 1];

	return fuzz_take(&list, text, false) != 0;
}

/* Nobody hides, and nobody is somebody else, by what is written left of what proxies wrote. */
static void fuzz_check_front(
	const struct http_request *request, const struct addr *peer, struct fuzz_said said)
{
	static const char *const junk[] = { "", "\"", "for=\"", "10.0.0.7", "for=10.0.0.7;proto=https",
		",,\\\"," };
	struct http_request more = *request;

	if (fuzz_is_trusted(said.host) || more.n_headers == HTTP_HEADERS_MAX)
		return;
	memmove(&more.headers[1], &more.headers[0], more.n_headers * sizeof(more.headers[0]));
	more.n_headers++;
	bool plain = fuzz_has(request, FUZZ_FOR);
	for (size_t i = 0; i < 6; i++) {
		struct fuzz_said other;

		more.headers[0].name = text_of(plain ? FUZZ_FOR : "Forwarded");
		more.headers[0].value = text_of(junk[i]);
		other = fuzz_ask(&more, peer);
		must(strcmp(other.host, said.host) == 0 && other.port == said.port);
	}
}

/* Makes a head of header lines; the caller frees. */
static char *fuzz_head(const char *lines, size_t size, size_t *len)
{
	static const char start[] = "GET / HTTP/1.0\r\n";
	char *head = malloc(sizeof(start) + 2 * size + 2), *at = head;

	must(head != NULL);
	at = mempcpy(at, start, sizeof(start) - 1);
	for (size_t i = 0; i < size; i++) {
		if (lines[i] == '\n')
			*at++ = '\r';
		*at++ = lines[i];
	}
	at = mempcpy(at, "\r\n", 2);
	*len = (size_t)(at - head);
	return head;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const peers[] = { "10.0.0.1", "2001:db8:ffff::1", "192.0.2.1" };
	struct fuzz_said peer = { .port = 1000 }, said, wanted;
	struct http_request request;
	struct addr addr = { .len = sizeof(sa_family_t), .u.sa.sa_family = AF_UNIX };
	size_t len;

	if (size == 0)
		return 0;
	char *head = fuzz_head((const char *)data + 1, size - 1, &len);
	if (data[0] % 4 < 3)
		addr_set(&addr, text_of(peers[data[0] % 4]), 1000);
	addr_format_host(&addr, peer.host);
	peer.port = addr_port(&addr);
	if (http_request_parse(&request, head, len) == 0) {
		said = fuzz_ask(&request, &addr);
		wanted = fuzz_find(&request, peer);
		must(strcmp(said.host, wanted.host) == 0);
		must(said.port == wanted.port && said.scheme == wanted.scheme);
		if (data[0] % 4 != 2)
			fuzz_check_front(&request, &addr, said);
		else
			must(strcmp(said.host, peer.host) == 0);
	}
	free(head);
	return 0;
}
