/*
 * fuzz_proxyhdr: any bytes as a PROXY header. A verdict stands from the byte on that makes it certain, and
 * until then all that came belongs to the header; a line is one by the grammar of its specification, read
 * slowly; what was decoded, encoded in either version, decodes to the same.
 */
#include "base/must.h"
#include "net/proxyhdr.h"
#include "net/proxyhdr_internal.h"

#include <arpa/inet.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Decodes one beginning of it, in memory of its own. */
static int fuzz_decode_part(const uint8_t *data, size_t have)
{
	struct proxyhdr header;
	uint8_t *part = malloc(have + !have);

	memcpy(part, data, have);
	int n = proxyhdr_decode(&header, part, have);
	must(n <= (int)have && (n > 0 || !header.relayed));
	free(part);
	return n;
}

/* Decodes its beginnings: all of the first bytes, some of the others. Returns the last verdict. */
static int fuzz_decode(const uint8_t *data, size_t size)
{
	int n = 0;

	for (size_t have = 0; have <= size; have += have < 20 || have == size ? 1
						    : have + 9 < size	      ? 9
									      : size - have) {
		int before = n;

		n = fuzz_decode_part(data, have);
		must(before == 0 || n == before);
	}
	must(n != 0 || size < PROXYHDR_MAX);
	must(n <= 0 || fuzz_decode_part(data, (size_t)n - 1) == 0);
	return n;
}

/* Is this a line of version 1, as its grammar has it? Addresses are left to inet_pton(). */
static bool fuzz_is_line(const char *line)
{
	static regex_t v1;
	static bool compiled;
	regmatch_t match[6];
	uint8_t ip[16];

	must(compiled || regcomp(&v1,
				 "^PROXY (UNKNOWN( [^\r\n]*)?|TCP[46] ([^ \r\n]+) ([^ \r\n]+)"
				 " (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4}))\r\n$",
				 REG_EXTENDED) == 0);
	compiled = true;
	if (regexec(&v1, line, 6, match, 0) != 0)
		return false;
	if (match[3].rm_so < 0)
		return true;
	for (int i = 3; i <= 4; i++) {
		char *word = strndup(line + match[i].rm_so, (size_t)(match[i].rm_eo - match[i].rm_so));
		bool good = inet_pton(line[9] == '4' ? AF_INET : AF_INET6, word, ip) == 1;

		free(word);
		if (!good)
			return false;
	}
	return atoi(line + match[5].rm_so) <= UINT16_MAX && atoi(strrchr(line, ' ')) <= UINT16_MAX;
}

/* What was taken for a line is one, and the other way round. */
static void fuzz_check_line(const uint8_t *data, size_t size, int verdict)
{
	size_t len = 0;
	char *line;

	while (len < size && data[len] != '\n')
		len++;
	if (len == size || memchr(data, '\0', len) != NULL)
		return;
	line = strndup((const char *)data, len + 1);
	must((verdict == (int)len + 1) == (len < PROXYHDR_V1_MAX && fuzz_is_line(line)));
	free(line);
}

/* Is it the same place? A port of a unix socket is none. */
static bool fuzz_same_place(const struct addr *a, const struct addr *b)
{
	char one[ADDR_TEXT], two[ADDR_TEXT];

	return strcmp(addr_format(a, one), addr_format(b, two)) == 0;
}

/* Written and read again it says the same: in version 1 only who relays for whom. */
static void fuzz_check_again(const struct proxyhdr *header, unsigned version)
{
	uint8_t *out = malloc(PROXYHDR_MAX);
	struct proxyhdr again;
	size_t len = proxyhdr_encode(header, version, out);
	bool untold = version == 1 && header->from.u.sa.sa_family == AF_UNIX;

	must(len <= (version == 1 ? PROXYHDR_V1_MAX : PROXYHDR_MAX));
	out = realloc(out, len);
	must(proxyhdr_decode(&again, out, len) == (int)len);
	must(again.relayed == (header->relayed && !untold));
	if (again.relayed)
		must(fuzz_same_place(&again.from, &header->from) && fuzz_same_place(&again.to, &header->to));
	if (again.relayed && version == 2) {
		must(text_equal(again.id, header->id) && text_equal(again.authority, header->authority));
		must(again.tls == header->tls && again.verified == header->verified);
		must(again.tls == 0 || (text_equal(again.tls_version, header->tls_version) &&
					       text_equal(again.tls_name, header->tls_name) &&
					       text_equal(again.tls_cipher, header->tls_cipher)));
	}
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxyhdr header;
	int n;

	if (size > PROXYHDR_MAX + 64)
		return 0;
	n = fuzz_decode(data, size);
	must(n >= PROXYHDR_BAD_SUM);
	if (size > 0 && data[0] == 'P')
		fuzz_check_line(data, size, n);
	must(proxyhdr_decode(&header, data, size) == n);
	if (n > 0) {
		fuzz_check_again(&header, 1);
		fuzz_check_again(&header, 2);
	}
	return 0;
}
