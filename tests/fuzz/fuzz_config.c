/*
 * fuzz_config: any bytes as a configuration file. It is refused with at least one line, or what --dump says
 * of it reads back and says the same again. Includes are left out: they would read whatever is on the disk.
 */
#include "base/must.h"
#include "conf/config.h"
#include "conf/dump.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads bytes as a file; every mistake is one line of text. */
static const struct config *fuzz_read(const void *data, size_t size)
{
	struct conf_errors errors = { 0 };
	FILE *stream = fmemopen((void *)(uintptr_t)data, size, "r");
	const struct config *config;

	must(stream != NULL);
	config = config_read_stream(stream, "fuzz.ini", NULL, &errors);
	fclose(stream);
	must((config == NULL) == (errors.lines.n > 0));
	for (size_t i = 0; i < errors.lines.n; i++)
		must(errors.lines.items[i][0] && !strchr(errors.lines.items[i], '\n'));
	errors_done(&errors);
	return config;
}

/* Dumps into memory. */
static char *fuzz_dump(const struct config *config, size_t *len)
{
	char *bytes = NULL;
	FILE *out = open_memstream(&bytes, len);

	must(out != NULL);
	must(dump_config(config, out) == 0);
	must(fclose(out) == 0);
	return bytes;
}

/* Reads, dumps, reads, dumps. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct config *config;
	char *dump, *again;
	size_t len, len_again;

	if (size == 0 || memmem(data, size, "include", 7))
		return 0;
	config = fuzz_read(data, size);
	if (!config)
		return 0;
	dump = fuzz_dump(config, &len);
	config_unref(config);
	config = fuzz_read(dump, len);
	must(config != NULL);
	again = fuzz_dump(config, &len_again);
	config_unref(config);
	must(len == len_again && memcmp(dump, again, len) == 0);
	free(dump);
	free(again);
	return 0;
}
