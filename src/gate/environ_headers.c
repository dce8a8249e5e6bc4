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

/* Is it told by a variable of its own? */
static bool environ_headers_is_told(struct text name)
{
	return text_is_nocase(name, "Content-Type") || text_is_nocase(name, "Content-Length");
}

/* Is this the first header of its name, and harmless under it, as are those that follow? "Proxy" would be
 * HTTP_PROXY, which programs believe. */
static bool environ_headers_tells(const struct http_request *request, size_t index, bool all)
{
	struct text name = request->headers[index].name;

	if (text_is_nocase(name, "Proxy") || !environ_headers_has_plain_name(name) ||
		(!all && environ_headers_is_told(name)))
		return false;
	for (size_t i = 0; i < request->n_headers; i++) {
		if (!text_equal_nocase(request->headers[i].name, name))
			continue;
		if (i < index || environ_is_function(request->headers[i].value))
			return false;
	}
	return true;
}

/* HTTP_NAME, of letters, digits and dashes. */
static int environ_headers_add_name(struct environ_list *list, struct text name)
{
	int error = environ_put(list, text_of("HTTP_"));
	char *room = environ_room(list, name.len);

	for (size_t i = 0; room != NULL && i < name.len; i++) {
		char c = name.ptr[i];
		room[i] = (char)(c == '-' ? '_' : c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
	}
	return error;
}

/* HTTP_NAME=value, value of the same name ... */
static int environ_headers_add(struct environ_list *list, const struct http_request *request, size_t index)
{
	struct text name = request->headers[index].name;
	struct text joint = text_of("="), next = text_of(text_is_nocase(name, "Cookie") ? "; " : ", ");
	int error = environ_headers_add_name(list, name);

	for (size_t i = index; i < request->n_headers; i++) {
		if (!text_equal_nocase(request->headers[i].name, name))
			continue;
		error |= environ_put(list, joint) | environ_put(list, request->headers[i].value);
		joint = next;
	}
	return error | environ_put(list, (struct text){ "", 1 });
}

/* Every name once, where it came first. */
int environ_add_headers(struct environ_list *list, const struct http_request *request, bool all)
{
	int error = 0;

	for (size_t i = 0; i < request->n_headers; i++)
		if (environ_headers_tells(request, i, all))
			error |= environ_headers_add(list, request, i);
	return error;
}
