/*
 * framing_base64: a stream whose messages are base64 text (RFC 4648 section 4) both ways, as clients have it
 * that can't send bytes. What comes from the client is decoded as it comes, quantum by quantum, so that no
 * more than three characters wait; what comes from the backend in one read is a message. Pure, on every
 * thread.
 */
#include "backend/framing_internal.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMING_BASE64_QUANTUM = 4 }; /* characters that say up to three bytes */

/* The six bits of a character, or -1. */
static int framing_base64_bits(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decodes a quantum; out may be where it lies. Returns how many bytes it says, or FRAMING_NOT_BASE64. Bits
 * that reach no byte must be zero (3.5): else two texts would say the same. */
static int framing_base64_decode_quantum(const uint8_t *in, uint8_t *out)
{
	static const uint32_t unused[] = { 0, 0xffff, 0xff, 0 };
	int n = in[3] != '=' ? 3 : in[2] != '=' ? 2 : 1;
	uint32_t all = 0;

	for (int i = 0; i < FRAMING_BASE64_QUANTUM; i++) {
		int bits = i <= n ? framing_base64_bits(in[i]) : 0;
		if (bits < 0)
			return FRAMING_NOT_BASE64;
		all = all << 6 | (uint32_t)bits;
	}
	if ((all & unused[n]) != 0)
		return FRAMING_NOT_BASE64;
	for (int i = 0; i < n; i++)
		out[i] = (uint8_t)(all >> (16 - 8 * i));
	return n;
}

/* Decodes the next quantum of a message. Behind one with padding none may follow. */
static int framing_base64_take(struct framing_encoder *encoder, const uint8_t *in, uint8_t *out)
{
	int n = encoder->padded ? FRAMING_NOT_BASE64 : framing_base64_decode_quantum(in, out);

	encoder->padded = n < FRAMING_BASE64_QUANTUM - 1;
	return n;
}

/* Completes the quantum that waits with the first characters of a piece. Returns how many of them it took, or
 * an error. */
static int framing_base64_join(
	struct framing_encoder *encoder, const struct piece *piece, const struct framing_bytes_sink *sink)
{
	uint8_t bytes[FRAMING_BASE64_QUANTUM];
	size_t used = 0;

	while (encoder->n_quantum < FRAMING_BASE64_QUANTUM && used < piece->len)
		encoder->quantum[encoder->n_quantum++] = piece->data[used++];
	if (encoder->n_quantum < FRAMING_BASE64_QUANTUM)
		return (int)used;
	encoder->n_quantum = 0;
	int n = framing_base64_take(encoder, encoder->quantum, bytes);
	int rc = n < 0 ? n : framing_put_bytes(sink, bytes, (size_t)n);
	return rc < 0 ? rc : (int)used;
}

/* Passes on what the whole quanta of a piece say, from where they lay; those before a broken one too. The
 * rest waits. */
static int framing_base64_pass(
	struct framing_encoder *encoder, uint8_t *data, size_t len, const struct framing_bytes_sink *sink)
{
	size_t at = 0, n_out = 0;
	int n = 0;

	while (n >= 0 && len - at >= FRAMING_BASE64_QUANTUM) {
		n = framing_base64_take(encoder, data + at, data + n_out);
		n_out += n < 0 ? 0 : (size_t)n;
		at += FRAMING_BASE64_QUANTUM;
	}
	int rc = framing_put_bytes(sink, data, n_out);
	if (rc != 0 || n < 0)
		return rc != 0 ? rc : n;
	encoder->n_quantum = (uint8_t)(len - at);
	memcpy(encoder->quantum, data + at, len - at);
	return 0;
}

/* Decodes what the client sends; a message ends with a quantum. */
static int framing_base64_encode(
	struct framing_encoder *encoder, const struct piece *piece, const struct framing_bytes_sink *sink)
{
	size_t used = 0;
	int rc = 0;

	if (encoder->n_quantum > 0) {
		rc = framing_base64_join(encoder, piece, sink);
		used = rc < 0 ? 0 : (size_t)rc;
	}
	if (rc >= 0 && used < piece->len)
		rc = framing_base64_pass(encoder, piece->data + used, piece->len - used, sink);
	if (rc < 0 || !piece->last)
		return rc < 0 ? rc : 0;
	encoder->padded = false;
	return encoder->n_quantum > 0 ? FRAMING_NOT_BASE64 : 0;
}

/* Makes a message of a chunk. */
static int framing_base64_decode(
	struct framing_decoder *decoder, uint8_t *data, size_t len, const struct framing_piece_sink *sink)
{
	uint8_t *text = malloc((len + 2) / 3 * FRAMING_BASE64_QUANTUM + 1);

	if (text == NULL)
		return FRAMING_NO_MEMORY;
	int n = EVP_EncodeBlock(text, data, (int)len);
	int rc = framing_put_piece(decoder, text, (size_t)n, true, sink);
	free(text);
	return rc;
}

/* Holds nothing back. */
static int framing_base64_end(struct framing_decoder *decoder, const struct framing_piece_sink *sink)
{
	(void)decoder;
	(void)sink;
	return 0;
}

const struct framing_ops framing_base64_ops = {
	.encode = framing_base64_encode,
	.decode = framing_base64_decode,
	.end = framing_base64_end,
};
