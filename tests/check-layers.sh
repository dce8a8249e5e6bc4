#!/bin/sh
# What docs/CONTRIBUTING.md says of layers, headers and names is true.
# A file includes only headers of its own layer and of those to the left:
# base <- conf, http, ws <- net <- spawn <- backend <- gate <- run <- main; conf, http and ws do not know each other.
set -eu
cd "$(dirname "$0")/.."
bad=0
allow() {
	layer=$1
	shift
	for dir in "src/$layer" "include/$layer"; do
		for file in "$dir"/*.[ch]; do
			[ -e "$file" ] || continue
			# shellcheck disable=SC2013 # words of letters
			for used in $(sed -n 's|^#include "\([a-z]*\)/.*|\1|p' "$file" | sort -u); do
				case " $layer $* " in
				*" $used "*) ;;
				*)
					echo "$file: layer $layer may not include $used/" >&2
					bad=1
					;;
				esac
			done
			if grep -n '^#include "[^/]*"' "$file" >&2; then
				echo "$file: include as \"layer/name.h\"" >&2
				bad=1
			fi
		done
	done
}
allow base
allow conf base
allow http base
allow ws base
allow net base conf http ws
allow spawn base conf http ws net
allow backend base conf http ws net spawn
allow gate base conf http ws net spawn backend
allow run base conf http ws net spawn backend gate

# Every header stands alone and is guarded. It has a source of its own, and every source has a header, but for
# interfaces, and for the parts of a module (framing_lines.c), which have the header of the module.
# One a line, in alphabetical order.
interfaces="
include/backend/framing_internal.h
include/backend/process_internal.h
include/backend/tcp_internal.h
include/backend/terminal_internal.h
include/base/log_internal.h
include/base/logline_internal.h
include/base/piece.h
include/gate/answer_internal.h
include/gate/environ_internal.h
include/gate/exchange_internal.h
include/gate/gate.h
include/gate/session_internal.h
include/gate/targettable_internal.h
include/gate/visitor_internal.h
include/net/endpoint.h
include/net/proxyhdr_internal.h
include/net/resolver_internal.h
include/net/stream_internal.h
include/net/tls_internal.h
include/ws/frame_internal.h
include/ws/utf8_internal.h
"
# shellcheck disable=SC2016 # of the inner shell
printf '%s\n' include/*/*.h | xargs -P "$(nproc)" -I HEADER sh -c 'echo "#include \"${1#include/}\"" |
	'"${CC:-cc}"' -std=c11 -D_GNU_SOURCE -Iinclude -fsyntax-only -Wall -Wextra -Werror -x c -' check HEADER || bad=1
for header in include/*/*.h; do
	guard=$(echo "$header" | sed 's|include/||; s|[/.]|_|g' | tr "[:lower:]" "[:upper:]")
	grep -q "^#ifndef $guard\$" "$header" || { echo "$header: guard $guard is missing" >&2; bad=1; }
	source=${header#include/}
	source=src/${source%.h}.c
	case "$interfaces" in
	*"
$header
"*) [ ! -e "$source" ] || { echo "$header: is no mere interface, it has $source" >&2; bad=1; } ;;
	*) [ -e "$source" ] || { echo "$header: $source is missing" >&2; bad=1; } ;;
	esac
done

# What a source defines, static or not, is called after the file; requests and responses are http_*.
for source in src/*/*.c; do
	layer=$(basename "$(dirname "$source")")
	module=$(basename "$source" .c)
	[ -e "include/$layer/$module.h" ] || [ -e "include/$layer/${module%%_*}.h" ] ||
		{ echo "$source: include/$layer/$module.h is missing" >&2; bad=1; }
	prefix=${module%%_*}
	case $source in
	src/http/request.c | src/http/request_*.c | src/http/response.c) prefix="$prefix|http" ;;
	esac
	strangers=$(sed -nE 's/^(__attribute__\(\(.*\)\) )?[a-zA-Z_][a-zA-Z_0-9 *]*[ *]([a-z][a-z0-9_]*)\(.*/\2/p
		s/^(static |const |extern )+[a-z][a-z_0-9 *]*[ *]([a-z][a-z0-9_]*)(\[[^]]*\])* = .*/\2/p' "$source" |
		grep -vE "^($prefix)(_|\$)" | sort -u | tr "\n" " ")
	[ -z "$strangers" ] || { echo "$source: not named after the file: $strangers" >&2; bad=1; }
done
exit $bad
