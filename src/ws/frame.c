/*
 * frame: bytes to header and back (RFC 6455 sections 5.2, 5.5); the mask is in frame_mask.c. Knows what one
 * frame may look like; what may follow what is for ws/message.c. Pure, on every thread.
 */
#include "ws/frame.h"

#include <string.h>

/* Says whether section 5.2 defines the opcode. */
static bool frame_opcode_valid(uint8_t opcode)
{
	return opcode <= FRAME_BINARY || (opcode >= FRAME_CLOSE && opcode <= FRAME_PONG);
}

/* Reads a big-endian number of n bytes. */
static uint64_t frame_load(const uint8_t *buf, size_t n)
{
	uint64_t value = 0;

	for (size_t i = 0; i < n; i++)
		value = value << 8 | buf[i];
	return value;
}

/* Says whether an extended length of n bytes, `have` of them here, can no longer become a legal one. */
static bool frame_length_bad(const uint8_t *buf, size_t n, size_t have)
{
	if (n == 2)
		return have >= 2 && frame_load(buf, 2) < 126;
	return (have >= 1 && (buf[0] & 0x80) != 0) || (have >= 6 && frame_load(buf, 6) == 0);
}

/* Decodes a header; the checks go byte by byte, so that the verdict does not depend on how many are here. */
int frame_decode(struct frame_header *out, const uint8_t *buf, size_t len)
{
	size_t n_length, n_key;

	if (len < 1)
		return 0;
	out->fin = (buf[0] & 0x80) != 0;
	out->rsv = buf[0] >> 4 & 7;
	out->opcode = buf[0] & 0xf;
	if (!frame_opcode_valid(out->opcode))
		return FRAME_BAD_OPCODE;
	if (frame_is_control(out->opcode) && !out->fin)
		return FRAME_BAD_CONTROL;
	if (len < 2)
		return 0;
	out->masked = (buf[1] & 0x80) != 0;
	out->len = buf[1] & 0x7f;
	if (frame_is_control(out->opcode) && out->len > FRAME_CONTROL_MAX)
		return FRAME_BAD_CONTROL;

	n_length = out->len == 127 ? 8 : out->len == 126 ? 2 : 0;
	n_key = out->masked ? sizeof(out->key) : 0;
	if (n_length > 0 && frame_length_bad(buf + 2, n_length, len - 2))
		return FRAME_BAD_LENGTH;
	if (len < 2 + n_length + n_key)
		return 0;
	if (n_length > 0)
		out->len = frame_load(buf + 2, n_length);
	if (out->masked)
		memcpy(out->key, buf + 2 + n_length, sizeof(out->key));
	else
		memset(out->key, 0, sizeof(out->key));
	return (int)(2 + n_length + n_key);
}

/* Encodes a header with the shortest form of the length. */
size_t frame_encode(const struct frame_header *h, uint8_t out[static FRAME_HEADER_MAX])
{
	size_t n_length = h->len > UINT16_MAX ? 8 : h->len > 125 ? 2 : 0;
	size_t n = 2;

	out[0] = (uint8_t)(h->fin << 7 | h->rsv << 4 | h->opcode);
	out[1] = (uint8_t)(h->masked << 7 | (n_length == 8 ? 127 : n_length == 2 ? 126 : (uint8_t)h->len));
	while (n < 2 + n_length) {
		out[n] = (uint8_t)(h->len >> 8 * (n_length + 1 - n));
		n++;
	}
	if (h->masked) {
		memcpy(out + n, h->key, sizeof(h->key));
		n += sizeof(h->key);
	}
	return n;
}
