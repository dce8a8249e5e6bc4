/*
 * range: which part of a representation a Range header asks for (RFC 9110 section 14). Pure; any thread.
 */
#ifndef HTTP_RANGE_H
#define HTTP_RANGE_H

#include "http/request.h"

enum range_kind {
	RANGE_WHOLE, /* no Range, or one that is not understood: 200 with all of it */
	RANGE_PART,  /* 206 with these bytes */
	RANGE_BEYOND /* 416: it begins behind the end */
};

struct range {
	uint64_t first, len; /* of RANGE_PART: len is not 0, and first + len not more than the whole */
};

/*
 * Decides about a representation of `whole` bytes. One range of bytes is answered: FIRST-LAST, FIRST- or
 * -LENGTH; numbers of any size are understood. Several ranges, or anything else, mean the whole, as RFC 9110
 * 14.2 allows. Does not look at If-Range.
 */
enum range_kind range_select(struct range *out, const struct http_request *request, uint64_t whole);

#endif
