/*
 * test_dialect: every sentence that has words of websocketd's is one that is logged: otherwise its lines
 * would go out in no category of their own, and nothing would say so.
 */
#include "run/dialect.h"

#include <glob.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Reads a source; the caller frees. */
static char *read_source(const char *path)
{
	FILE *in = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;

	assert_non_null(in);
	assert_true(getdelim(&text, &size, '\0', in) > 0);
	fclose(in);
	return text;
}

/* Is the sentence the first text of a call that logs, or one that is chosen for such a call? */
static bool is_logged(const glob_t *sources, const char *sentence)
{
	bool found = false;
	char pattern[256];
	regex_t regex;

	snprintf(pattern, sizeof(pattern),
		"log_(error|warning|info|debug|trace)\\([^\";]*\"%s\"|_session_log\\([^\";]*\"%s\"|"
		"sentence = [^;]*\"%s\"",
		sentence, sentence, sentence);
	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	for (size_t i = 0; i < sources->gl_pathc && !found; i++) {
		char *text = read_source(sources->gl_pathv[i]);

		found = regexec(&regex, text, 0, NULL, 0) == 0;
		free(text);
	}
	regfree(&regex);
	return found;
}

/* All of them, in the sources of the gateway; unit tests are started from the top of the tree. */
static void test_sentences_are_logged(void **state)
{
	glob_t sources;

	(void)state;
	assert_int_equal(glob("src/*/*.c", 0, NULL, &sources), 0);
	assert_false(is_logged(&sources, "no such sentence"));
	for (const struct logline_websocketd_word *word = dialect_words; word->sentence != NULL; word++) {
		if (!is_logged(&sources, word->sentence))
			fail_msg("nobody logs \"%s\"", word->sentence);
	}
	globfree(&sources);
}

/* Each says something: a message, or the field that has it. */
static void test_words_are_whole(void **state)
{
	(void)state;
	assert_non_null(dialect_words[0].sentence);
	for (const struct logline_websocketd_word *word = dialect_words; word->sentence != NULL; word++) {
		assert_true((word->message != NULL) != (word->field != NULL));
		assert_int_not_equal(word->level, LOG_WEBSOCKETD_OFF);
		assert_non_null(word->category);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sentences_are_logged),
		cmocka_unit_test(test_words_are_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
