/*
 * environ_headers: the headers of a request as variables of a program: which ones, under which name.
 *
 * The values come from a head that the strict parser let through, so they hold no control character but a
 * tab. Holds nothing.
 */
#include "gate/environ_internal.h"

#include "base/chars.h"

#include <ctype.h>
#include <string.h>

/* Is it all letters, digits and dashes? What else a name may hold would become "_" too, or would be no name
 * for a shell: "X_Y" would pass for "X-Y". */
static bool environ_headers_has_plain_name(struct text name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!isalnum((unsigned char)name.ptr[i]) && name.ptr[i] != '-')
			return false;
	return true;
}

/* Is this the first header of its name, and harmless under it, as are those that follow? "Proxy" would be
 * HTTP_PROXY, which programs believe. */
static bool environ_headers_tells(const struct http_request *request, size_t index)
{
	struct text name = request->headers[index].name;

	if (text_is_nocase(name, "Proxy") || !environ_headers_has_plain_name(name))
		return false;
	for (size_t i = 0; i < request->n_headers; i++) {
		if (!text_equal_nocase(request->headers[i].name, name))
			continue;
		if (i < index || environ_is_function(request->headers[i].value))
			return false;
	}
	return true;
}

/* HTTP_NAME=value, value of the same name ... */
static int environ_headers_add(struct evbuffer *out, const struct http_request *request, size_t index)
{
	struct text name = request->headers[index].name;
	const char *joint = "=";
	int error = evbuffer_add(out, "HTTP_", 5);

	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i] == '-' ? '_' : (char)toupper((unsigned char)name.ptr[i]);
		error |= evbuffer_add(out, &c, 1);
	}
	for (size_t i = index; i < request->n_headers; i++) {
		struct text value = request->headers[i].value;
		if (!text_equal_nocase(request->headers[i].name, name))
			continue;
		error |= evbuffer_add(out, joint, strlen(joint)) | evbuffer_add(out, value.ptr, value.len);
		joint = ", ";
	}
	return error | evbuffer_add(out, "", 1);
}

/* Every name once, where it came first. */
int environ_add_headers(struct evbuffer *out, const struct http_request *request)
{
	int error = 0;

	for (size_t i = 0; i < request->n_headers; i++)
		if (environ_headers_tells(request, i))
			error |= environ_headers_add(out, request, i);
	return error;
}
