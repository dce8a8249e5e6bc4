/*
 * test_framing_base64: messages that are base64 text, decoded however they are cut, and refused as soon as a
 * quantum is broken; chunks of a backend as such messages.
 */
#include "framing_parts.h"

#include <openssl/evp.h>

static void test_from_backend(void **unused)
{
	struct heard heard = { 0 };
	struct guard guard = guard_new(64);
	/* RFC 4648 section 10, and each chunk by itself. */
	static const char *const wants[] = { "", "t[Zg==]", "t[Zm8=]", "t[Zm9v]", "t[Zm9vYg==]",
		"t[Zm9vYmE=]", "t[Zm9vYmFy]" };

	(void)unused;
	for (size_t len = 0; len < 7; len++) {
		assert_int_equal(
			decode_parts(&heard, rules_of(FRAMING_BASE64), &guard, "foobar", len, 9, 9), 0);
		heard_expect(&heard, wants[len], strlen(wants[len]));
	}
	assert_int_equal(
		decode_parts(&heard, rules_of(FRAMING_BASE64), &guard, "\0\xff\xfb\xf0", 4, 1, 2), 0);
	HEARD(&heard, "t[AA==]t[//s=]t[8A==]");
	/* They are text, whatever the route says of messages. */
	assert_int_equal(decode_parts(&heard,
				 rules_of(FRAMING_BASE64, .messages = MESSAGES_BINARY,
					 .invalid_utf8 = INVALID_UTF8_CLOSE),
				 &guard, "\xff", 1, 1, 1),
		0);
	HEARD(&heard, "t[/w==]");
	guard_free(&guard);
}

/* What a client must not be told is told to nobody: the callback's word is passed on. */
static void test_broken_off(void **unused)
{
	struct heard heard = { .fail_at = 1 };
	struct guard guard = guard_new(64);

	(void)unused;
	assert_int_equal(
		decode_parts(&heard, rules_of(FRAMING_BASE64), &guard, "abc", 3, 3, 3), HEARD_REFUSED);
	free(heard.text);
	guard_free(&guard);
}

static void test_to_backend(void **unused)
{
	(void)unused;
	ENCODED(FRAMING_BASE64, true, "", "");
	ENCODED(FRAMING_BASE64, true, "Zg==", "f");
	ENCODED(FRAMING_BASE64, false, "Zm8=", "fo");
	ENCODED(FRAMING_BASE64, true, "Zm9v", "foo");
	ENCODED(FRAMING_BASE64, true, "Zm9vYg==", "foob");
	ENCODED(FRAMING_BASE64, true, "Zm9vYmE=", "fooba");
	ENCODED(FRAMING_BASE64, false, "Zm9vYmFyZm9vYmFy", "foobarfoobar");
	ENCODED(FRAMING_BASE64, true, "AP/78A==", "\0\xff\xfb\xf0");
	ENCODED(FRAMING_BASE64, true, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
		"\x00\x10\x83\x10\x51\x87\x20\x92\x8b\x30\xd3\x8f\x41\x14\x93\x51\x55\x97\x61\x96\x9b\x71"
		"\xd7\x9f\x82\x18\xa3\x92\x59\xa7\xa2\x9a\xab\xb2\xdb\xaf\xc3\x1c\xb3\xd3\x5d\xb7\xe3\x9e"
		"\xbb\xf3\xdf\xbf");
}

/* Sends one message in parts of `step` bytes. Returns what the encoder says in the end. */
static int encode_bad(struct heard *heard, const char *message, size_t len, size_t step)
{
	struct framing_encoder encoder;
	int rc = 0;

	framing_encoder_init(&encoder, rules_of(FRAMING_BASE64));
	for (size_t at = 0; rc == 0 && at < len; at += step) {
		size_t n = step < len - at ? step : len - at;
		uint8_t *data = malloc(n);
		assert_non_null(data);
		memcpy(data, message + at, n);
		struct piece piece = { data, n, true, at == 0, at + n == len };
		rc = framing_encode(&encoder, &piece, heard_bytes, heard);
		free(data);
	}
	framing_encoder_done(&encoder);
	return rc;
}

static void test_not_base64(void **unused)
{
	/* The message; what of it is delivered: the quanta before the broken one. */
	static const char *const bad[][2] = { { "Z", "" }, { "Zg", "" }, { "Zm8", "" }, { "Zm9vZ", "foo" },
		{ "Zm9vZg=", "foo" }, { "====", "" }, { "Z===", "" }, { "Zg=v", "" }, { "Zm9v====", "foo" },
		{ "Zg==Zm9v", "f" }, { "Zm8=Zg==", "fo" }, { "Zm9vZm9v\n", "foofoo" },
		{ "Zm9v\r\nZm9v", "foo" }, { " Zm9v", "" }, { "Zm9-", "" }, { "Zm9_", "" },
		{ "Zm9vZm\xc3\xa4", "foo" }, { "Zh==", "" }, { "Zm9=", "" }, { "Zm9vZm9*Zm9v", "foo" },
		{ "Zm9vZg==Z", "foof" } };

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		size_t len = strlen(bad[i][0]);
		for (size_t step = 1; step <= len; step++) {
			struct heard heard = { 0 };
			assert_int_equal(encode_bad(&heard, bad[i][0], len, step), FRAMING_NOT_BASE64);
			heard_expect(&heard, bad[i][1], strlen(bad[i][1]));
		}
	}
}

/* A NUL is no character of it either. */
static void test_nul(void **unused)
{
	struct heard heard = { 0 };

	(void)unused;
	assert_int_equal(encode_bad(&heard, "Zm9vZm9\0", 8, 8), FRAMING_NOT_BASE64);
	HEARD(&heard, "foo");
}

/* A quantum ends with its message: what is left of one is not completed by the next. */
static void test_messages_stand_alone(void **unused)
{
	struct framing_encoder encoder;
	struct heard heard = { 0 };

	(void)unused;
	framing_encoder_init(&encoder, rules_of(FRAMING_BASE64));
	encode_parts(&encoder, &heard, true, (const uint8_t *)"Zg==", 4, 4, 4);
	encode_parts(&encoder, &heard, true, (const uint8_t *)"Zm8=", 4, 3, 1);
	encode_parts(&encoder, &heard, true, (const uint8_t *)"", 0, 1, 1);
	encode_parts(&encoder, &heard, true, (const uint8_t *)"Zm9v", 4, 1, 1);
	HEARD(&heard, "ffofoo");
	framing_encoder_done(&encoder);
}

/* The backend breaks off: no byte more, and its word is passed on; in a seam and in the whole quanta. */
static void test_backend_refuses(void **unused)
{
	(void)unused;
	for (size_t fail_at = 1; fail_at <= 2; fail_at++) {
		struct heard heard = { .fail_at = fail_at };
		assert_int_equal(encode_bad(&heard, "Zm9vZm9vZm9v", 12, 5), HEARD_REFUSED);
		heard_note(&heard, "", 0);
		assert_int_equal(heard.len, fail_at == 1 ? 0 : 3);
		free(heard.text);
	}
}

/* A long message, in pieces of odd lengths, both ways, without anything that is held. */
static void test_long(void **unused)
{
	enum { LEN = 3 * 65536 + 1 };
	struct framing_encoder encoder;
	struct heard heard = { 0 };
	uint8_t *message = long_message(LEN), *text = malloc((LEN + 2) / 3 * 4 + 1);

	(void)unused;
	assert_non_null(text);
	int len = EVP_EncodeBlock(text, message, LEN);
	framing_encoder_init(&encoder, rules_of(FRAMING_BASE64));
	encode_parts(&encoder, &heard, true, text, (size_t)len, 65537, 4099);
	heard_expect(&heard, message, LEN);
	framing_encoder_done(&encoder);
	free(message);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_backend),
		cmocka_unit_test(test_broken_off),
		cmocka_unit_test(test_to_backend),
		cmocka_unit_test(test_not_base64),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_messages_stand_alone),
		cmocka_unit_test(test_backend_refuses),
		cmocka_unit_test(test_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
