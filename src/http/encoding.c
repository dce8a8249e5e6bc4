/*
 * encoding: reads Accept-Encoding. A client that accepts nothing that there is gets the bytes as they are
 * all the same, not a 406: nobody is helped by an error page, which it would not accept either. No state, any
 * thread.
 */
#include "http/encoding.h"

#include "base/chars.h"

enum { ENCODING_UNNAMED = -1 };

/* The weights of what is looked for, in thousandths; ENCODING_UNNAMED when nothing was said of it. */
struct encoding_weights {
	int gzip, identity, any;
};

/* Reads a weight of 0 to 1 with three decimals at most (RFC 9110 12.4.2) into thousandths. */
static bool encoding_read_weight(struct text in, int *out)
{
	int scale = 100;

	if (in.len == 0 || in.len > 5 || (in.ptr[0] != '0' && in.ptr[0] != '1') ||
		(in.len > 1 && in.ptr[1] != '.'))
		return false;
	*out = (in.ptr[0] - '0') * 1000;
	for (size_t i = 2; i < in.len; i++, scale /= 10) {
		if (in.ptr[i] < '0' || in.ptr[i] > '9')
			return false;
		*out += (in.ptr[i] - '0') * scale;
	}
	return *out <= 1000;
}

/* Takes an element apart: a coding, and perhaps ";q=" and its weight. */
static bool encoding_read(struct text element, struct text *coding, int *weight)
{
	struct text rest = element, parameter;

	*weight = 1000;
	if (!text_next(&rest, ';', coding) || !chars_all(*coding, CHARS_TOKEN))
		return false;
	if (coding->ptr + coding->len == element.ptr + element.len)
		return true;
	parameter = text_trim(rest);
	return parameter.len > 2 && text_is_nocase((struct text){ parameter.ptr, 2 }, "q=") &&
	       encoding_read_weight(text_slice(parameter, 2), weight);
}

/* Keeps what an element says; of two that contradict each other the lower weight counts. */
static void encoding_note(struct encoding_weights *weights, struct text element)
{
	struct text coding;
	int weight, *slot;

	if (!encoding_read(element, &coding, &weight))
		return;
	if (text_is_nocase(coding, "gzip") || text_is_nocase(coding, "x-gzip"))
		slot = &weights->gzip;
	else if (text_is_nocase(coding, "identity"))
		slot = &weights->identity;
	else if (text_is(coding, "*"))
		slot = &weights->any;
	else
		return;
	if (*slot == ENCODING_UNNAMED || weight < *slot)
		*slot = weight;
}

/* "*" stands for gzip when that is not named; identity that is not named comes last. */
bool encoding_prefers_gzip(const struct http_request *request)
{
	struct encoding_weights weights = { ENCODING_UNNAMED, ENCODING_UNNAMED, ENCODING_UNNAMED };

	for (size_t i = 0; i < request->n_headers; i++) {
		struct text rest = request->headers[i].value, piece;

		if (!text_is_nocase(request->headers[i].name, "Accept-Encoding"))
			continue;
		while (text_next(&rest, ',', &piece))
			encoding_note(&weights, piece);
	}
	int gzip = weights.gzip != ENCODING_UNNAMED ? weights.gzip : weights.any;
	return gzip > 0 && gzip >= weights.identity;
}
