/*
 * date: reads the dates of HTTP (RFC 9110 5.6.7). http_date() of http/response.h writes them. Pure; any
 * thread.
 */
#ifndef HTTP_DATE_H
#define HTTP_DATE_H

#include "base/text.h"

#include <time.h>

/*
 * Reads a date in one of the three forms: "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
 * "Sun Nov  6 08:49:37 1994". Letters count as they are written there; that the day of the week is the right
 * one is not asked for. A year of two digits is at most 50 years ahead of `now`, and else in the past. False
 * for everything else, days that no month has among it.
 */
bool date_parse(struct text in, time_t now, time_t *out);

#endif
