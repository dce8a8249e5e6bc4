/*
 * dialect: the table of websocketd's words for our lines. Owns no form (base/logline_websocketd.h), and not
 * the lines that are its own from the beginning (run/announce.h). Constant; any thread.
 */
#include "run/dialect.h"

const struct logline_websocketd_word dialect_words[] = {
	{ "session began", LOG_WEBSOCKETD_ACCESS, "session", "CONNECT", NULL },
	{ "session ended", LOG_WEBSOCKETD_ACCESS, "session", "DISCONNECT", NULL },
	{ "request", LOG_WEBSOCKETD_ACCESS, "http", NULL, "words" },
	{ "upgrade refused", LOG_WEBSOCKETD_ACCESS, "session", NULL, "words" },
	{ "session refused", LOG_WEBSOCKETD_ERROR, "session", NULL, "words" },
	{ "limit reached", LOG_WEBSOCKETD_ERROR, "http", NULL, "words" },
	{ "stderr", LOG_WEBSOCKETD_ERROR, "stderr", NULL, "line" },
	{ "cannot start", LOG_WEBSOCKETD_FATAL, "server", "Can't start server", NULL },
	{ "cannot listen", LOG_WEBSOCKETD_FATAL, "server", "Can't start server: cannot listen", NULL },
	{ "cannot open the log", LOG_WEBSOCKETD_FATAL, "server", "Can't start server: cannot open the log",
		NULL },
	{ NULL, LOG_WEBSOCKETD_OFF, NULL, NULL, NULL },
};
