/*
 * inherited: what systemd passes, kept by name.
 *
 * Owns the descriptors until they are taken. Looks at none of them: what a listener can use is net/bind.h's
 * business. Runs on the main thread, before there are others.
 */
#include "run/inherited.h"

#include "net/bind.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

/* Asks libsystemd, which also sees whether the variables are for this process. */
int inherited_read(struct inherited *inherited)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names);

	*inherited = (struct inherited){ 0 };
	if (n > 0)
		inherited->sockets = calloc((size_t)n, sizeof(*inherited->sockets));
	if (n <= 0 || inherited->sockets == NULL) {
		for (char **name = names; name != NULL && *name != NULL; name++)
			free(*name);
		free(names);
		return n <= 0 ? n : -ENOMEM;
	}
	for (; inherited->n < (size_t)n; inherited->n++)
		inherited->sockets[inherited->n] = (struct inherited_socket){ .name = names[inherited->n],
			.fd = SD_LISTEN_FDS_START + (int)inherited->n };
	free(names);
	return 0;
}

/* Gives one away. */
int inherited_take(struct inherited *inherited, const char *name, size_t *at)
{
	for (; *at < inherited->n; (*at)++) {
		struct inherited_socket *socket = &inherited->sockets[*at];
		int fd = socket->fd;
		if (fd < 0 || strcmp(socket->name, name) != 0)
			continue;
		socket->fd = -1;
		(*at)++;
		return fd;
	}
	return -1;
}

/* Looks for a name among the first n. */
static bool inherited_find(const struct inherited *inherited, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(inherited->sockets[i].name, name) == 0)
			return true;
	}
	return false;
}

/* Lists the names for a message. */
char *inherited_names(const struct inherited *inherited)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return NULL;
	for (size_t i = 0; i < inherited->n; i++) {
		const char *name = inherited->sockets[i].name;
		if (!inherited_find(inherited, i, name))
			fprintf(out, "%s%s", i == 0 ? "" : " ", name);
	}
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

/* Whoever connects there waits for nothing: that is worth a line. */
void inherited_drop(struct inherited *inherited, struct log *log)
{
	for (size_t i = 0; i < inherited->n; i++) {
		struct inherited_socket *socket = &inherited->sockets[i];
		struct addr at;
		char text[ADDR_TEXT] = "";
		if (socket->fd < 0)
			continue;
		if (bind_adopt(socket->fd, &at) == NULL)
			addr_format(&at, text);
		log_warning(log, "no listener has an address for this socket of systemd's",
			LOG_STR("name", socket->name), LOG_STR("bound", text));
		close(socket->fd);
		socket->fd = -1;
	}
}

/* Forgets the names, and closes what is left. */
void inherited_done(struct inherited *inherited)
{
	for (size_t i = 0; i < inherited->n; i++) {
		free(inherited->sockets[i].name);
		if (inherited->sockets[i].fd >= 0)
			close(inherited->sockets[i].fd);
	}
	free(inherited->sockets);
	*inherited = (struct inherited){ 0 };
}
