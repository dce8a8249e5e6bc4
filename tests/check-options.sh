#!/bin/sh
# What is written down about the options is what the program knows: etc/wsluice.ini is its --help-config, LICENSE
# its --license, and the manual pages, as far as they are there, name every key and every option.
set -eu
cd "$(dirname "$0")/.."
wsluice=${WSLUICE:-build/wsluice}
bad=0

same() {
	"$wsluice" "$1" | diff -u "$2" - || { echo "$2: not what $wsluice $1 prints" >&2; bad=1; }
}

# named PATTERN PAGE: every word of standard input, put for WORD into the pattern, is in the page.
named() {
	[ -e "$2" ] || return 0
	while read -r word; do
		sed 's/\\-/-/g' "$2" | grep -qE "$(echo "$1" | sed "s/WORD/$word/")" ||
			{ echo "$2: $word is missing" >&2; bad=1; }
	done
}

same --help-config etc/wsluice.ini
same --license LICENSE

"$wsluice" --help-config | sed -n 's/^#\([a-z_]*\) =.*/\1/p' >build/options.keys
"$wsluice" --help | sed -n 's/^  --\([a-z-]*\).*/\1/p' >build/options.words
[ -s build/options.keys ] && [ -s build/options.words ] || { echo "no keys or no options are printed" >&2; bad=1; }
named '(^|[^a-z_])WORD([^a-z_]|$)' docs/wsluice.ini.5 <build/options.keys
named '\-\-WORD([^a-z-]|$)' docs/wsluice.8 <build/options.words
exit $bad
