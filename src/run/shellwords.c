/*
 * shellwords: looks at the words of commands. Holds nothing. For the main thread, at start.
 */
#include "run/shellwords.h"

#include <string.h>

/* Is this a pipe, a list's or the beginning of a comment or redirection? `;` is not among them: find wants
 * it. */
static bool shellwords_has(const char *word)
{
	static const char *const whole[] = { "|", "|&", "||", "&", "&&", "<", "<<" };

	for (size_t i = 0; i < sizeof(whole) / sizeof(*whole); i++)
		if (strcmp(word, whole[i]) == 0)
			return true;
	if (*word == '#')
		return true;
	word += *word == '1' || *word == '2' || *word == '&';
	return *word == '>';
}

/* The first one of a command; NULL when there is none. */
static const char *shellwords_find(const struct conf_list *command)
{
	for (size_t i = 1; i < command->n; i++)
		if (shellwords_has(command->items[i]))
			return command->items[i];
	return NULL;
}

/* One line for each route. */
void shellwords_warn(struct log *log, const struct config *config)
{
	for (size_t i = 0; i < config->n_routes && !config->command_line; i++) {
		const struct route_conf *route = &config->routes[i];
		const char *word = shellwords_find(&route->exec);

		if (word != NULL)
			log_warning(log,
				"no shell reads exec, so the program gets this word as it is; "
				"sh -c \"...\" is a shell",
				LOG_STR("route", route->pattern), LOG_STR("word", word));
	}
}
