/*
 * console: the bytes of console.html, .js and .css, put into the binary by the assembler.
 *
 * The files are named by the query (?console.js), so that they are there whatever path the route has. Owns
 * nothing that changes.
 */
#include "gate/console.h"

/* The file's bytes between two symbols. The build runs in the root of the tree. */
#define CONSOLE_EMBED(symbol, file)                                                 \
	__asm__(".pushsection .rodata\n"                                            \
		"console_" #symbol ":\n"                                            \
		".incbin \"src/gate/" file "\"\n"                                   \
		"console_" #symbol "_end:\n"                                        \
		".byte 0\n"                                                         \
		".popsection\n");                                                   \
	extern const char console_##symbol[] __attribute__((visibility("hidden"))); \
	extern const char console_##symbol##_end[] __attribute__((visibility("hidden")))

CONSOLE_EMBED(html, "console.html");
CONSOLE_EMBED(js, "console.js");
CONSOLE_EMBED(css, "console.css");

/* What lies between two symbols. */
static struct text console_between(const char *begin, const char *end)
{
	return (struct text){ .ptr = begin, .len = (size_t)((uintptr_t)end - (uintptr_t)begin) };
}

/* The page is the last of the three: what has no other name. */
struct console_file console_find(struct text query)
{
	const struct console_file files[] = {
		{ "console.js", "text/javascript; charset=utf-8",
			console_between(console_js, console_js_end) },
		{ "console.css", "text/css; charset=utf-8", console_between(console_css, console_css_end) },
		{ "", "text/html; charset=utf-8", console_between(console_html, console_html_end) },
	};
	if (text_is(query, files[0].name))
		return files[0];
	return text_is(query, files[1].name) ? files[1] : files[2];
}
