/*
 * site: HTTP of static files: which representation, whether the client has it already, which part of it.
 *
 * The rules are those of http/encoding.c, http/conditional.c and http/range.c; here they meet a file. Sends
 * nothing; the file that it found is open. Runs on its loop's thread.
 */
#include "gate/site.h"

#include "http/conditional.h"
#include "http/encoding.h"
#include "http/range.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Answers in words instead of bytes of the file. The route's headers are not for those: they may tell caches
 * how long to keep what they are on. */
static void site_say(struct site *site, int status, const char *reason, const char *words)
{
	site->reason = reason;
	site->reply = (struct reply){
		.status = status,
		.type = "text/plain; charset=utf-8",
		.body = words,
		.len = strlen(words),
		.is_file = true,
	};
}

/* The client has it: what a cache needs to keep its copy, and no body. */
static void site_say_known(struct site *site)
{
	site->reason = "not modified";
	site->reply.status = 304;
	site->reply.type = site->reply.encoding = NULL;
	site->reply.len = 0;
}

/* Narrows the reply to the part that was asked for, if one was and may be given. */
static void site_cut(struct site *site, const struct http_request *request,
	const struct conditional_validators *validators, time_t now)
{
	uint64_t whole = site->facts.len;
	struct range range;

	if (!conditional_allows_range(request, validators, now))
		return;
	switch (range_select(&range, request, whole)) {
	case RANGE_WHOLE:
		return;
	case RANGE_BEYOND:
		site_say(site, 416, "range beyond the end", "The range begins behind the end of the file.\n");
		snprintf(site->range, SITE_RANGE_SIZE, "bytes */%" PRIu64, whole);
		break;
	case RANGE_PART:
		site->reason = "part of a file";
		site->reply.status = 206;
		site->reply.len = range.len;
		site->file.at = range.first;
		site->file.end = range.first + range.len;
		snprintf(site->range, SITE_RANGE_SIZE, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, range.first,
			range.first + range.len - 1, whole);
	}
	site->reply.range = site->range;
}

/* Applies the conditions, and what they leave of the request to the reply. A HEAD has no Range (14.2). */
static void site_judge(struct site *site, const struct http_request *request, time_t now)
{
	struct conditional_validators validators = { .etag = site->facts.etag,
		.modified = site->facts.modified };

	switch (conditional_check(request, &validators, now)) {
	case CONDITIONAL_FAILED:
		site_say(site, 412, "precondition failed", "The file is not what it was.\n");
		return;
	case CONDITIONAL_NOT_MODIFIED:
		site_say_known(site);
		return;
	case CONDITIONAL_SEND:
		if (text_is(request->method, "GET"))
			site_cut(site, request, &validators, now);
	}
}

/* The reply with the whole file. */
static void site_describe(struct site *site, const struct route_conf *route, time_t now)
{
	/* A time that is still to come must not be told (8.8.2.1). */
	if (site->facts.modified > now)
		site->facts.modified = now;
	site->reason = "file";
	site->reply = (struct reply){
		.status = 200,
		.type = site->facts.type,
		.encoding = site->facts.gzip ? "gzip" : NULL,
		.etag = site->facts.etag,
		.modified = http_date(site->facts.modified, site->modified),
		.len = site->facts.len,
		.is_file = true,
		.route = route,
	};
}

/* Opens, describes, judges; what has no body to be sent is closed. */
int site_find(struct site *site, const struct http_request *request, const struct route_conf *route,
	struct text path)
{
	time_t now = time(NULL);
	int error =
		file_open(&site->file, &site->facts, route->static_dir, path, encoding_prefers_gzip(request));

	if (error != 0)
		return error;
	site_describe(site, route, now);
	site_judge(site, request, now);
	bool file = site->reply.status == 200 || site->reply.status == 206;
	if (text_is(request->method, "HEAD"))
		site->reply.body = NULL;
	if (!file || site->reply.len == 0 || text_is(request->method, "HEAD"))
		file_close(&site->file);
	return 0;
}
