/*
 * conditional: compares what a client knows of a representation with what it is now. Decides no more than
 * that; where validators come from, and what is sent, is for those who answer. No state, any thread.
 */
#include "http/conditional.h"

#include "http/date.h"

/* An entity tag as it stands in a header. */
struct conditional_tag {
	struct text opaque; /* with its quotes */
	bool weak;
};

/* May this byte be within the quotes of a tag? */
static bool conditional_is_tag_byte(char c)
{
	unsigned char byte = (unsigned char)c;

	return byte == 0x21 || (byte >= 0x23 && byte != 0x7f);
}

/* Takes the entity tag that the text begins with (8.8.3); commas may be within it. */
static bool conditional_take_tag(struct text *in, struct conditional_tag *out)
{
	struct text rest = *in;
	size_t len = 1;

	out->weak = text_starts_with(rest, "W/");
	if (out->weak)
		rest = text_slice(rest, 2);
	if (!text_starts_with(rest, "\""))
		return false;
	while (len < rest.len && conditional_is_tag_byte(rest.ptr[len]))
		len++;
	if (len == rest.len || rest.ptr[len] != '"')
		return false;
	out->opaque = (struct text){ rest.ptr, len + 1 };
	*in = text_slice(rest, len + 1);
	return true;
}

/* Takes commas and white space off the beginning: elements of a list may be empty. Returns whether a comma
 * was among them. */
static bool conditional_skip_commas(struct text *in)
{
	bool comma = false;

	*in = text_trim(*in);
	while (text_starts_with(*in, ",")) {
		comma = true;
		*in = text_trim(text_slice(*in, 1));
	}
	return comma;
}

/* Is `etag` in this list? Ours is strong, so a weak one in the list equals it in the weak comparison only
 * (8.8.3.2). A list is read up to what is no tag. */
static bool conditional_list_has(struct text list, const char *etag, bool strong)
{
	struct conditional_tag tag;

	conditional_skip_commas(&list);
	while (conditional_take_tag(&list, &tag)) {
		if (text_is(tag.opaque, etag) && !(strong && tag.weak))
			return true;
		if (!conditional_skip_commas(&list))
			break;
	}
	return false;
}

/* Does any header of that name have the tag in its list, or is it "*"? */
static bool conditional_matches(
	const struct http_request *request, const char *name, const char *etag, bool strong)
{
	for (size_t i = 0; i < request->n_headers; i++) {
		const struct http_header *header = &request->headers[i];

		if (text_is_nocase(header->name, name) &&
			(text_is(header->value, "*") || conditional_list_has(header->value, etag, strong)))
			return true;
	}
	return false;
}

/* The only header of that name, or NULL: what may come once and came twice is not valid. */
static const struct http_header *conditional_only(const struct http_request *request, const char *name)
{
	const struct http_header *found = NULL;

	for (size_t i = 0; i < request->n_headers; i++) {
		if (!text_is_nocase(request->headers[i].name, name))
			continue;
		if (found != NULL)
			return NULL;
		found = &request->headers[i];
	}
	return found;
}

/* Reads the date of a header. */
static bool conditional_date(const struct http_request *request, const char *name, time_t now, time_t *out)
{
	const struct http_header *header = conditional_only(request, name);

	return header != NULL && date_parse(header->value, now, out);
}

/* Steps 1 and 2: does the client want this state only, and is it another? */
static bool conditional_fails(
	const struct http_request *request, const struct conditional_validators *validators, time_t now)
{
	time_t date;

	if (http_request_header(request, "If-Match") != NULL)
		return !conditional_matches(request, "If-Match", validators->etag, true);
	return conditional_date(request, "If-Unmodified-Since", now, &date) && validators->modified > date;
}

/* Steps 3 and 4: has the client got it? A date that is still to come says that its clock is wrong, or ours
 * was; changes up to then would never be seen. */
static bool conditional_is_known(
	const struct http_request *request, const struct conditional_validators *validators, time_t now)
{
	time_t date;

	if (http_request_header(request, "If-None-Match") != NULL)
		return conditional_matches(request, "If-None-Match", validators->etag, false);
	return conditional_date(request, "If-Modified-Since", now, &date) && date <= now &&
	       validators->modified <= date;
}

/* In the order of 13.2.2. */
enum conditional_verdict conditional_check(
	const struct http_request *request, const struct conditional_validators *validators, time_t now)
{
	if (conditional_fails(request, validators, now))
		return CONDITIONAL_FAILED;
	return conditional_is_known(request, validators, now) ? CONDITIONAL_NOT_MODIFIED : CONDITIONAL_SEND;
}

/* A date of this very second is no proof: more may be written before the second is over. */
bool conditional_allows_range(
	const struct http_request *request, const struct conditional_validators *validators, time_t now)
{
	const struct http_header *header = conditional_only(request, "If-Range");
	struct conditional_tag tag;
	time_t date;

	if (header == NULL)
		return http_request_header(request, "If-Range") == NULL;
	struct text rest = header->value;
	if (conditional_take_tag(&rest, &tag))
		return rest.len == 0 && !tag.weak && text_is(tag.opaque, validators->etag);
	return date_parse(header->value, now, &date) && date == validators->modified && date < now;
}
