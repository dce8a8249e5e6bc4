/*
 * console: the bytes of the test page and of the terminal page, put into the binary by the assembler.
 *
 * The files are named by the query (?console.js), so that they are there whatever path the route has. Those
 * of the terminal page were bundled into CONSOLE_PAGE, or are one file that says that they were not. Owns
 * nothing that changes.
 */
#include "gate/console.h"

/* The bytes of one file or of several, one behind the other, between two symbols. The build runs in the root
 * of the tree. */
#define CONSOLE_FILE(file) ".incbin \"" file "\"\n"
#define CONSOLE_EMBED(symbol, files)                                                \
	__asm__(".pushsection .rodata\n"                                            \
		"console_" #symbol ":\n" files "console_" #symbol "_end:\n"         \
		".byte 0\n"                                                         \
		".popsection\n");                                                   \
	extern const char console_##symbol[] __attribute__((visibility("hidden"))); \
	extern const char console_##symbol##_end[] __attribute__((visibility("hidden")))

CONSOLE_EMBED(html, CONSOLE_FILE("src/gate/console.html"));
CONSOLE_EMBED(js, CONSOLE_FILE("page/ends.js") CONSOLE_FILE("src/gate/console.js"));
CONSOLE_EMBED(css, CONSOLE_FILE("src/gate/console.css"));
#ifdef CONSOLE_PAGE
CONSOLE_EMBED(terminal_html, CONSOLE_FILE(CONSOLE_PAGE "terminal.html"));
CONSOLE_EMBED(terminal_js, CONSOLE_FILE(CONSOLE_PAGE "terminal.js"));
CONSOLE_EMBED(terminal_js_gzip, CONSOLE_FILE(CONSOLE_PAGE "terminal.js.gz"));
CONSOLE_EMBED(terminal_css, CONSOLE_FILE(CONSOLE_PAGE "terminal.css"));
CONSOLE_EMBED(terminal_css_gzip, CONSOLE_FILE(CONSOLE_PAGE "terminal.css.gz"));
#else
CONSOLE_EMBED(terminal_html, CONSOLE_FILE("page/missing.html"));
#endif

#define CONSOLE_HTML "text/html; charset=utf-8"
#define CONSOLE_JS   "text/javascript; charset=utf-8"
#define CONSOLE_CSS  "text/css; charset=utf-8"

/* A file as it lies in the binary. */
struct console_entry {
	const char *name;	  /* the query that asks for it */
	const char *begin, *end;  /* its bytes */
	const char *gzip, *ender; /* the same as gzip has them; NULL: there is no such form */
	const char *type;
	bool terminal; /* of the terminal page */
};

static const struct console_entry console_entries[] = {
	{ "console", console_html, console_html_end, NULL, NULL, CONSOLE_HTML, false },
	{ "console.js", console_js, console_js_end, NULL, NULL, CONSOLE_JS, false },
	{ "console.css", console_css, console_css_end, NULL, NULL, CONSOLE_CSS, false },
	{ "terminal", console_terminal_html, console_terminal_html_end, NULL, NULL, CONSOLE_HTML, true },
#ifdef CONSOLE_PAGE
	{ "terminal.js", console_terminal_js, console_terminal_js_end, console_terminal_js_gzip,
		console_terminal_js_gzip_end, CONSOLE_JS, true },
	{ "terminal.css", console_terminal_css, console_terminal_css_end, console_terminal_css_gzip,
		console_terminal_css_gzip_end, CONSOLE_CSS, true },
#else
	{ "terminal.js", console_terminal_html, console_terminal_html_end, NULL, NULL, CONSOLE_HTML, true },
	{ "terminal.css", console_terminal_html, console_terminal_html_end, NULL, NULL, CONSOLE_HTML, true },
#endif
};
enum { CONSOLE_N = sizeof(console_entries) / sizeof(console_entries[0]), CONSOLE_TERMINAL = 3 };

/* What lies between two symbols. */
static struct text console_between(const char *begin, const char *end)
{
	return (struct text){ .ptr = begin, .len = (size_t)((uintptr_t)end - (uintptr_t)begin) };
}

/* Fills in one form of a file. The tag is of all files together: one that changes has been built with the
 * others. */
static void console_fill(struct console_file *out, const struct console_entry *entry, bool gzip)
{
	out->type = entry->type;
	out->encoding = gzip ? "gzip" : NULL;
	out->etag = gzip ? "\"" CONSOLE_STATE "-gzip\"" : "\"" CONSOLE_STATE "\"";
	out->bytes =
		gzip ? console_between(entry->gzip, entry->ender) : console_between(entry->begin, entry->end);
}

/* What has no other name is a page. */
bool console_find(struct console_file *out, struct text query, bool terminal, bool gzip)
{
	const struct console_entry *entry = &console_entries[terminal ? CONSOLE_TERMINAL : 0];

	for (size_t i = 0; i < CONSOLE_N; i++)
		if (text_is(query, console_entries[i].name))
			entry = &console_entries[i];
	if (entry->terminal && !terminal)
		return false;
	console_fill(out, entry, gzip && entry->gzip != NULL);
	return true;
}
