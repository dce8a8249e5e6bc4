/*
 * proxyhdr_line: decodes the header of version 1 of the PROXY protocol, a line (2.1).
 *
 * Nothing in it is read before its CRLF is there. Holds nothing. Any thread.
 */
#include "net/proxyhdr.h"
#include "net/proxyhdr_internal.h"

#include <arpa/inet.h>
#include <string.h>

/* Takes the next word off a line; exactly one space is between two. */
static bool proxyhdr_next_word(struct text *rest, struct text *word)
{
	const char *space = rest->len > 0 ? memchr(rest->ptr, ' ', rest->len) : NULL;

	word->ptr = rest->ptr;
	word->len = space != NULL ? (size_t)(space - rest->ptr) : rest->len;
	*rest = text_slice(*rest, word->len + (space != NULL));
	return word->len > 0;
}

/* Reads an address; inet_pton() would stop at a NUL. */
static bool proxyhdr_parse_address(uint8_t out[16], sa_family_t family, struct text word)
{
	char copy[INET6_ADDRSTRLEN];

	if (word.len >= sizeof(copy) || memchr(word.ptr, '\0', word.len) != NULL)
		return false;
	memcpy(copy, word.ptr, word.len);
	copy[word.len] = '\0';
	return inet_pton(family, copy, out) == 1;
}

/* Reads a port, which has no zeros in front. */
static bool proxyhdr_parse_port(uint16_t *out, struct text word)
{
	uint64_t port;

	if (!text_to_u64(word, UINT16_MAX, &port) || (word.len > 1 && word.ptr[0] == '0'))
		return false;
	*out = (uint16_t)port;
	return true;
}

/* Reads what follows "TCP4 " or "TCP6 ": two addresses, two ports, nothing else. Returns 0 or an error. */
static int proxyhdr_parse_pair(struct proxyhdr *out, sa_family_t family, struct text rest)
{
	struct text words[4];
	uint8_t from[16], to[16];
	uint16_t from_port, to_port;
	/* A space at the end would have an empty word behind it. */
	bool whole = rest.len > 0 && rest.ptr[rest.len - 1] != ' ';

	for (size_t i = 0; i < 4; i++)
		whole = whole && proxyhdr_next_word(&rest, &words[i]);
	if (!whole || rest.len > 0)
		return PROXYHDR_BAD_LINE;
	if (!proxyhdr_parse_address(from, family, words[0]) || !proxyhdr_parse_address(to, family, words[1]))
		return PROXYHDR_BAD_ADDRESS;
	if (!proxyhdr_parse_port(&from_port, words[2]) || !proxyhdr_parse_port(&to_port, words[3]))
		return PROXYHDR_BAD_PORT;
	out->relayed = true;
	proxyhdr_set_ip(&out->from, family, from, from_port);
	proxyhdr_set_ip(&out->to, family, to, to_port);
	return 0;
}

/* Reads a line without its CRLF. What is behind UNKNOWN does not count. Returns 0 or an error. */
static int proxyhdr_parse_line(struct proxyhdr *out, struct text line)
{
	struct text rest = text_slice(line, strlen(proxyhdr_word)), word;

	if (!proxyhdr_next_word(&rest, &word))
		return PROXYHDR_BAD_LINE;
	if (text_is(word, "TCP4"))
		return proxyhdr_parse_pair(out, AF_INET, rest);
	if (text_is(word, "TCP6"))
		return proxyhdr_parse_pair(out, AF_INET6, rest);
	return text_is(word, "UNKNOWN") ? 0 : PROXYHDR_BAD_LINE;
}

/* The line ends with CRLF, and neither CR nor LF is anywhere else in it. */
int proxyhdr_decode_v1(struct proxyhdr *out, const uint8_t *buf, size_t len)
{
	size_t have = len < PROXYHDR_V1_MAX ? len : PROXYHDR_V1_MAX;
	const uint8_t *lf = memchr(buf, '\n', have), *cr = memchr(buf, '\r', have);

	if (cr != NULL ? lf != NULL && lf != cr + 1 : lf != NULL)
		return PROXYHDR_BAD_LINE;
	if (cr != NULL && lf == NULL && cr + 1 < buf + have)
		return PROXYHDR_BAD_LINE;
	if (lf == NULL)
		return have < PROXYHDR_V1_MAX ? 0 : PROXYHDR_LONG;
	int error = proxyhdr_parse_line(out, (struct text){ (const char *)buf, (size_t)(cr - buf) });
	return error != 0 ? error : (int)(lf + 1 - buf);
}
