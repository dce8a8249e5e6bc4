/*
 * forwarded: takes the lists of proxies apart, from the right, one element at a time, and compares what the
 * two kinds of them say. Whether the peer may say anything is the caller's to ask. Holds nothing. Pure; any
 * thread.
 */
#include "http/forwarded.h"

#include "base/chars.h"

#include <string.h>

/* Where the headers of one name, which are one list, are being read. */
struct forwarded_list {
	const struct http_request *request;
	const char *name;
	size_t n_headers; /* of the request that are still to be looked at */
	struct text rest; /* of the header at hand */
	size_t n, len;	  /* elements and bytes that were taken */
	bool quotes;	  /* a comma may be within quotes */
};

/* What an element says. */
struct forwarded_hop {
	bool known; /* addr is there */
	struct addr addr;
	enum forwarded_scheme scheme;
};

/* Begins at the end of the list. */
static struct forwarded_list forwarded_list_of(
	const struct http_request *request, const char *name, bool quotes)
{
	return (struct forwarded_list){
		.request = request, .name = name, .n_headers = request->n_headers, .quotes = quotes
	};
}

/* Where the last element begins. Seen from the right, a quote that no backslash is in front of begins or ends
 * a string, and the last one of a string ends it, as it is from the left where all is well formed; and what
 * is on the left has no say in it. */
static size_t forwarded_find_last(struct text rest, bool quotes)
{
	bool within = false;
	size_t at = rest.len;

	for (; at > 0 && (within || rest.ptr[at - 1] != ','); at--) {
		bool escaped = within && at > 1 && rest.ptr[at - 2] == '\\';

		if (quotes && rest.ptr[at - 1] == '"' && !escaped)
			within = !within;
	}
	return at;
}

/* Goes to the header in front of the one at hand. */
static bool forwarded_list_back(struct forwarded_list *list)
{
	while (list->n_headers > 0) {
		const struct http_header *header = &list->request->headers[--list->n_headers];

		if (text_is_nocase(header->name, list->name) && header->value.len > 0) {
			list->rest = header->value;
			return true;
		}
	}
	return false;
}

/* Takes the last element off. Returns 1, 0 when there is none, or -1 when it is too much. */
static int forwarded_list_take(struct forwarded_list *list, struct text *out)
{
	do {
		if (list->rest.len == 0 && !forwarded_list_back(list))
			return 0;
		size_t at = forwarded_find_last(list->rest, list->quotes);

		*out = text_trim(text_slice(list->rest, at));
		list->len += list->rest.len - at + (at > 0);
		list->rest.len = at > 0 ? at - 1 : 0;
		if (list->len > FORWARDED_MAX)
			return -1;
	} while (out->len == 0);
	return ++list->n > FORWARDED_HOPS_MAX ? -1 : 1;
}

/* Reads a scheme. */
static bool forwarded_parse_scheme(enum forwarded_scheme *out, struct text in)
{
	if (text_is_nocase(in, "https") || text_is_nocase(in, "wss"))
		*out = FORWARDED_SECURE;
	else if (text_is_nocase(in, "http") || text_is_nocase(in, "ws"))
		*out = FORWARDED_PLAIN;
	else
		return false;
	return true;
}

/* Is it an underscore with a name behind it (RFC 7239 6.3)? */
static bool forwarded_is_obfuscated(struct text in)
{
	if (in.len < 2 || in.ptr[0] != '_')
		return false;
	for (size_t i = 1; i < in.len; i++) {
		if (in.ptr[i] != '-' && !chars_is(in.ptr[i], CHARS_HOST))
			return false;
	}
	return true;
}

/* Reads what is behind an address: nothing, or a colon with a port; an obfuscated one stays 0. */
static bool forwarded_parse_port(uint16_t *out, struct text in)
{
	struct text port = text_slice(in, 1);
	uint64_t number = 0;

	if (in.len > 0 &&
		(in.ptr[0] != ':' || (!forwarded_is_obfuscated(port) &&
					     (port.len > 5 || !text_to_u64(port, UINT16_MAX, &number)))))
		return false;
	*out = (uint16_t)number;
	return true;
}

/* Reads a node (RFC 7239 6): an address with a port or without, or the admission that it is not told. */
static bool forwarded_parse_node(struct forwarded_hop *out, struct text in)
{
	bool brackets = in.len > 0 && in.ptr[0] == '[';
	const char *end = in.len == 0 ? NULL : memchr(in.ptr, brackets ? ']' : ':', in.len);
	size_t len = end != NULL ? (size_t)(end - in.ptr) : in.len;
	struct text host = { in.ptr, len };
	uint16_t port;

	if (brackets && end == NULL)
		return false;
	if (brackets)
		host = text_slice(host, 1);
	if (!forwarded_parse_port(&port, text_slice(in, brackets ? len + 1 : len)))
		return false;
	out->known = addr_is_v6(host) == brackets && addr_set(&out->addr, host, port);
	return out->known ||
	       (!brackets && (text_is_nocase(host, "unknown") || forwarded_is_obfuscated(host)));
}

/* Reads a hop of X-Forwarded-For. */
static bool forwarded_parse_plain(struct forwarded_hop *out, struct text in)
{
	if (text_is(in, "unix:")) {
		out->known = true;
		out->addr.len = sizeof(sa_family_t);
		out->addr.u.sa.sa_family = AF_UNIX;
		return true;
	}
	if (addr_is_v6(in))
		return out->known = addr_set(&out->addr, in, 0);
	return forwarded_parse_node(out, in);
}

/* Takes a quoted string, which `rest` begins with; its text is put into `room`. */
static bool forwarded_take_quoted(struct text *rest, char room[FORWARDED_MAX], struct text *out)
{
	size_t at = 1, len = 0;

	for (; at < rest->len && rest->ptr[at] != '"'; at++) {
		if (rest->ptr[at] == '\\')
			at++;
		if (at == rest->len)
			return false;
		room[len++] = rest->ptr[at];
	}
	if (at >= rest->len)
		return false;
	*out = (struct text){ room, len };
	*rest = text_slice(*rest, at + 1);
	return true;
}

/* Takes a token. */
static bool forwarded_take_token(struct text *rest, struct text *out)
{
	*out = (struct text){ rest->ptr, chars_span(*rest, CHARS_TOKEN) };
	*rest = text_slice(*rest, out->len);
	return out->len > 0;
}

/* Uses a parameter; one that may come once is not there twice. Those of extensions mean nothing here. */
static bool forwarded_use(struct forwarded_hop *out, unsigned *seen, struct text name, struct text value)
{
	static const char *const names[] = { "for", "proto", "by", "host" };
	unsigned i = 0;

	while (i < 4 && !text_is_nocase(name, names[i]))
		i++;
	if (i == 4)
		return true;
	if (*seen & 1u << i)
		return false;
	*seen |= 1u << i;
	if (i == 0)
		return forwarded_parse_node(out, value);
	return i != 1 || forwarded_parse_scheme(&out->scheme, value);
}

/* Reads an element of Forwarded (RFC 7239 4): pairs, and semicolons between them. Spaces around those, which
 * the grammar has not, change nothing. */
static bool forwarded_parse_element(struct forwarded_hop *out, struct text rest)
{
	char room[FORWARDED_MAX];
	struct text name, value;
	unsigned seen = 0;

	for (;;) {
		rest = text_trim(rest);
		if (rest.len > 0 && rest.ptr[0] != ';') {
			if (!forwarded_take_token(&rest, &name) || rest.len < 2 || rest.ptr[0] != '=')
				return false;
			rest = text_slice(rest, 1);
			bool good = rest.ptr[0] == '"' ? forwarded_take_quoted(&rest, room, &value)
						       : forwarded_take_token(&rest, &value);
			if (!good || !forwarded_use(out, &seen, name, value))
				return false;
			rest = text_trim(rest);
		}
		if (rest.len == 0)
			return true;
		if (rest.ptr[0] != ';')
			return false;
		rest = text_slice(rest, 1);
	}
}

/*
 * Goes from hop to hop until one is not trusted. `out` begins as the peer. Returns how many elements were
 * believed, the client's among them, or -1 when the list is not to be believed.
 */
static int forwarded_walk(struct forwarded *out, struct forwarded_list *list,
	bool (*parse)(struct forwarded_hop *, struct text), const struct cidr *trusted, size_t n_trusted)
{
	struct text element;
	int n = 0, found;

	while (cidr_has(trusted, n_trusted, &out->addr)) {
		struct forwarded_hop hop = { 0 };

		found = forwarded_list_take(list, &element);
		if (found == 0)
			break;
		if (found < 0 || !parse(&hop, element))
			return -1;
		n++;
		out->scheme = hop.scheme;
		if (!hop.known)
			break;
		out->addr = hop.addr;
	}
	return n;
}

/* The scheme that X-Forwarded-Proto gives to the nth hop from the right: its own, or the only one. */
static enum forwarded_scheme forwarded_find_scheme(const struct http_request *request, int n)
{
	struct forwarded_list list = forwarded_list_of(request, "X-Forwarded-Proto", false);
	enum forwarded_scheme scheme = FORWARDED_UNSAID;
	struct text element;
	int i = 0, found = 1;

	while (i < n && (found = forwarded_list_take(&list, &element)) > 0) {
		if (!forwarded_parse_scheme(&scheme, element))
			return FORWARDED_UNSAID;
		i++;
	}
	return i == n || (i == 1 && found == 0) ? scheme : FORWARDED_UNSAID;
}

/* Reads Forwarded. Returns whether it is there; what it says is `out`, which begins as the peer. */
static bool forwarded_read_standard(struct forwarded *out, const struct http_request *request,
	const struct cidr *trusted, size_t n_trusted)
{
	struct forwarded_list list = forwarded_list_of(request, "Forwarded", true);
	struct forwarded peer = *out;
	int n = forwarded_walk(out, &list, forwarded_parse_element, trusted, n_trusted);

	out->told = n > 0;
	if (n < 0)
		*out = peer;
	return n != 0;
}

/* Has the request such a list? */
static bool forwarded_has(const struct http_request *request, const char *name)
{
	struct forwarded_list list = forwarded_list_of(request, name, false);
	struct text element;

	return forwarded_list_take(&list, &element) != 0;
}

/* Reads X-Forwarded-For and -Proto the same way. */
static bool forwarded_read_plain(struct forwarded *out, const struct http_request *request,
	const struct cidr *trusted, size_t n_trusted)
{
	struct forwarded_list list = forwarded_list_of(request, "X-Forwarded-For", false);
	struct forwarded peer = *out;
	int n = forwarded_walk(out, &list, forwarded_parse_plain, trusted, n_trusted);

	if (n < 0)
		*out = peer;
	else
		out->scheme = forwarded_find_scheme(request, n > 0 ? n : 1);
	out->told = n > 0 || out->scheme != FORWARDED_UNSAID;
	return n != 0 || forwarded_has(request, "X-Forwarded-Proto");
}

/* Do both say something, and not the same? */
static bool forwarded_differ(unsigned a, unsigned b)
{
	return a != b && a != 0 && b != 0;
}

/* Keeps what both kinds say. An address has to be the same, whatever else is said. */
static void forwarded_agree(struct forwarded *out, const struct forwarded *a, const struct forwarded *b)
{
	char host[2][ADDR_TEXT];
	unsigned port = addr_port(&a->addr);

	if (forwarded_differ(a->scheme, b->scheme) || forwarded_differ(port, addr_port(&b->addr)) ||
		strcmp(addr_format_host(&a->addr, host[0]), addr_format_host(&b->addr, host[1])) != 0)
		return;
	out->addr = port == 0 ? a->addr : b->addr;
	out->scheme = a->scheme == b->scheme ? a->scheme : FORWARDED_UNSAID;
	out->told = a->told && b->told;
}

/* Reads both kinds. */
bool forwarded_find(struct forwarded *out, const struct http_request *request, const struct addr *peer,
	const struct cidr *trusted, size_t n_trusted)
{
	struct forwarded standard = { .addr = *peer }, plain = standard;
	bool has_standard = forwarded_read_standard(&standard, request, trusted, n_trusted);
	bool has_plain = forwarded_read_plain(&plain, request, trusted, n_trusted);

	*out = (struct forwarded){ .addr = *peer };
	if (has_standard && has_plain)
		forwarded_agree(out, &standard, &plain);
	else
		*out = has_standard ? standard : plain;
	return out->told || (!has_standard && !has_plain);
}
