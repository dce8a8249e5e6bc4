/*
 * manners: in what the gateway behaves otherwise under another program's name, where no key says it: what
 * scripts and clients that were written for it see. Every other difference is a default of a key
 * (conf/websocketd.h, conf/websockify.h) or in the log.
 */
#ifndef CONF_MANNERS_H
#define CONF_MANNERS_H

#include <stdbool.h>

struct manners {
	/* Of --dump: the name, and what a file would not have of it. NULL: nothing. */
	const char *name, *lost;
	int status_busy;     /* of HTTP: max_processes is reached */
	int status_redirect; /* redirect_to */
	int status_plain;    /* a plain request where only WebSockets are answered */
	int status_program;  /* a CGI program can't be started, or what it writes is no answer */
	/* On a loopback address a Host of any name is answered, if pages of any origin may connect anyway. */
	bool any_host;
	/* A program's variables, where RFC 3875 would have others: SERVER_PORT is that of the Host,
	 * SCRIPT_NAME never empty, PATH_TRANSLATED the path of the URL; what there is none of is there, and
	 * empty. A CGI program's Location is always for the client. */
	bool loose_cgi;
	const char *gateway_interface, *server_software; /* variables too */
	int exit_cannot_start;
	/* What a refusal advises where there is no file: an option that lets an origin in, and one by which
	 * a path has files (the name websockify) or a page of ours. */
	const char *origin_option, *page_option;
};

extern const struct manners manners_own, manners_websocketd, manners_websockify;

#endif
