/*
 * manners: those that there are. Constant; any thread.
 */
#include "conf/manners.h"

const struct manners manners_own = {
	.status_busy = 503,
	.status_redirect = 308,
	.status_plain = 426,
	.status_program = 502,
	.gateway_interface = "CGI/1.1",
	.server_software = "wsluice/" WSLUICE_VERSION,
	.exit_cannot_start = 1,
	.origin_option = "--origin=",
	.page_option = "--devconsole",
};

const struct manners manners_websocketd = {
	.name = "websocketd",
	.lost = "statuses, variables and log",
	.status_busy = 429,
	.status_redirect = 302,
	.status_plain = 404,
	.status_program = 500,
	.any_host = true,
	.loose_cgi = true,
	.gateway_interface = "websocketd-CGI/0.1",
	.server_software = "websocketd/" WSLUICE_VERSION,
	.exit_cannot_start = 3,
	.origin_option = "--origin=",
	.page_option = "--devconsole",
};

const struct manners manners_websockify = {
	.name = "websockify",
	.lost = "statuses, and which hosts are answered,",
	.status_busy = 503,
	.status_redirect = 308,
	.status_plain = 405,
	.status_program = 502,
	.any_host = true,
	.gateway_interface = "CGI/1.1",
	.server_software = "wsluice/" WSLUICE_VERSION,
	.exit_cannot_start = 1,
	.origin_option = "--set origins=",
	.page_option = "--web=DIR",
};
