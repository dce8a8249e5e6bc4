#!/bin/sh
# A file may include only headers of its own layer and of those to the left (docs/CONTRIBUTING.md).
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
# Every header stands alone, is guarded, and has a source of its own or is an interface only.
for header in include/*/*.h; do
	guard=$(echo "$header" | sed 's|include/||; s|[/.]|_|g' | tr "[:lower:]" "[:upper:]")
	grep -q "^#ifndef $guard\$" "$header" || { echo "$header: guard $guard is missing" >&2; bad=1; }
	echo "#include \"${header#include/}\"" | ${CC:-cc} -std=c11 -D_GNU_SOURCE -Iinclude -fsyntax-only -Wall -Wextra -Werror -x c - || bad=1
done
exit $bad
