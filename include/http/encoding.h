/*
 * encoding: which content coding a client wants (RFC 9110 12.5.3). Pure; any thread.
 */
#ifndef HTTP_ENCODING_H
#define HTTP_ENCODING_H

#include "http/request.h"

/*
 * Shall a client be sent the gzip form of something rather than the bytes as they are? Only when it names
 * gzip (or x-gzip, or "*") with a weight above 0 that is not below that of identity. Elements that are not
 * well formed are passed over.
 */
bool encoding_prefers_gzip(const struct http_request *request);

#endif
