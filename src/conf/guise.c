/*
 * guise: the table of names. Constant; any thread.
 */
#include "conf/guise.h"

#include "conf/forms.h"
#include "conf/help.h"
#include "conf/optparse.h"
#include "conf/own.h"
#include "conf/websocketd.h"
#include "conf/websockify.h"

#include <string.h>

const struct guise guise_own = {
	.name = "wsluice",
	.options = own_options,
	.usage = help_usage_own,
	.address = "127.0.0.1",
	.port = "8080",
	.port_tls = "8443",
	.scan = argv_scan,
	.complete = forms_complete,
};

const struct guise guise_websocketd = {
	.name = "websocketd",
	.options = own_options,
	.usage = help_usage_websocketd,
	.help_to_stderr = true, /* where its mistakes go */
	.address = "*",
	.port = "80",
	.port_tls = "443",
	.scan = argv_scan,
	.complete = forms_complete,
	.status = websocketd_status,
};

const struct guise guise_websockify = {
	.name = "websockify",
	.options = websockify_options,
	.usage = help_usage_websockify,
	.address = "*",
	.scan = optparse_scan,
	.complete = websockify_complete,
};

/* Compares the last part. */
const struct guise *guise_find(const char *path)
{
	static const struct guise *const others[] = { &guise_websocketd, &guise_websockify };
	const char *slash = path != NULL ? strrchr(path, '/') : NULL;
	const char *name = slash != NULL ? slash + 1 : path;

	for (size_t i = 0; name != NULL && i < sizeof(others) / sizeof(others[0]); i++) {
		if (strcmp(name, others[i]->name) == 0)
			return others[i];
	}
	return &guise_own;
}
