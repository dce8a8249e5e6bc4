/*
 * heads: a GET with some header lines, through the real parser, at the end of a readable page.
 */
#ifndef TESTS_UNIT_HEADS_H
#define TESTS_UNIT_HEADS_H

#include "guard.h"
#include "http/request.h"

#include <stdio.h>

enum { HEADS_ROOM = 16384 };

/* Parses a head that is right but for what its lines mean; each line ends with "\r\n". They are the only
 * ones, so the first and the last of them are those of the request: HTTP/1.0 needs no Host. */
static inline void heads_parse(const struct guard *guard, struct http_request *request, const char *lines)
{
	char head[HEADS_ROOM];
	int len = snprintf(head, sizeof(head), "GET / HTTP/1.0\r\n%s\r\n", lines);

	if (len < 0 || len >= HEADS_ROOM ||
		http_request_parse(request, (const char *)guard_put(guard, head, (size_t)len), (size_t)len) !=
			0)
		_exit(98);
}

#endif
