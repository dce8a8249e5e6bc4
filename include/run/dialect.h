/*
 * dialect: how websocketd's log calls what our lines say. A sentence that is changed where it is logged is
 * changed here too; tests/unit/test_dialect.c finds those that nobody logs.
 */
#ifndef RUN_DIALECT_H
#define RUN_DIALECT_H

#include "base/logline_websocketd.h"

/* For log_speak_websocketd(). */
extern const struct logline_websocketd_word dialect_words[];

#endif
