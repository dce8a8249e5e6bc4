/*
 * chars: the table of byte classes that the parsers of requests and of the configuration share, so that what
 * is a token or a host name is said once. No state, any thread.
 */
#include "base/chars.h"

/* clang-format off */
#define CTL 0                                                      /* control characters: nowhere */
#define TAB CHARS_VALUE
#define SPC (CHARS_VALUE | CHARS_LINE)
#define OBS CHARS_VALUE                                            /* obs-text, UTF-8 mostly */
#define VIS (CHARS_VALUE | CHARS_LINE | CHARS_TARGET)              /* delimiters: visible, no token */
#define SLA (VIS | CHARS_BASE64)                                   /* the slash */
#define HSH (CHARS_VALUE | CHARS_LINE | CHARS_TOKEN)               /* "#" begins a fragment, which is never sent */
#define TOK (VIS | CHARS_TOKEN)
#define PLU (TOK | CHARS_BASE64)
#define HST (TOK | CHARS_HOST)
#define ALP (TOK | CHARS_HOST | CHARS_BASE64)
#define HEX (ALP | CHARS_HEX)

const unsigned char chars_table[256] = {
	CTL, CTL, CTL, CTL, CTL, CTL, CTL, CTL, CTL, TAB, CTL, CTL, CTL, CTL, CTL, CTL,
	CTL, CTL, CTL, CTL, CTL, CTL, CTL, CTL, CTL, CTL, CTL, CTL, CTL, CTL, CTL, CTL,
	/*    !    "    #    $    %    &    '    (    )    *    +    ,    -    .    / */
	SPC, TOK, VIS, HSH, TOK, TOK, TOK, TOK, VIS, VIS, TOK, PLU, VIS, HST, HST, SLA,
	/* 0 to 9                                             :    ;    <    =    >    ? */
	HEX, HEX, HEX, HEX, HEX, HEX, HEX, HEX, HEX, HEX, VIS, VIS, VIS, VIS, VIS, VIS,
	/* @  A to O */
	VIS, HEX, HEX, HEX, HEX, HEX, HEX, ALP, ALP, ALP, ALP, ALP, ALP, ALP, ALP, ALP,
	/* P to Z                                                  [    \    ]    ^    _ */
	ALP, ALP, ALP, ALP, ALP, ALP, ALP, ALP, ALP, ALP, ALP, VIS, VIS, VIS, TOK, HST,
	/* `  a to o */
	TOK, HEX, HEX, HEX, HEX, HEX, HEX, ALP, ALP, ALP, ALP, ALP, ALP, ALP, ALP, ALP,
	/* p to z                                                  {    |    }    ~  DEL */
	ALP, ALP, ALP, ALP, ALP, ALP, ALP, ALP, ALP, ALP, ALP, VIS, TOK, VIS, TOK, CTL,
	OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS,
	OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS,
	OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS,
	OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS,
	OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS,
	OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS,
	OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS,
	OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS, OBS,
};
/* clang-format on */

/* Counts up to the first byte of another class; four at a time as long as all of them share one. */
size_t chars_span(struct text text, unsigned class)
{
	const unsigned char *at = (const unsigned char *)text.ptr;
	size_t n = 0;

	while (text.len - n >= 4 && (chars_table[at[n]] & chars_table[at[n + 1]] & chars_table[at[n + 2]] &
					    chars_table[at[n + 3]] & class) != 0)
		n += 4;
	while (n < text.len && chars_is(text.ptr[n], class))
		n++;
	return n;
}

/* Whether the span is the whole. */
bool chars_all(struct text text, unsigned class)
{
	return text.len > 0 && chars_span(text, class) == text.len;
}
