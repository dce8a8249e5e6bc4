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

# named PATTERN PAGE WORD...: the page, if it is there, has every word, put for WORD into the pattern.
named() {
	pattern=$1
	page=$2
	shift 2
	[ $# -gt 0 ] || { echo "$page: nothing to look for" >&2; bad=1; }
	[ -e "$page" ] || return 0
	for word; do
		sed 's/\\-/-/g' "$page" | grep -qE -e "$(echo "$pattern" | sed "s/WORD/$word/")" ||
			{ echo "$page: $word is missing" >&2; bad=1; }
	done
}

same --help-config etc/wsluice.ini
same --license LICENSE

# shellcheck disable=SC2046 # one word each
named '(^|[^a-z_])WORD([^a-z_]|$)' docs/wsluice.ini.5 $("$wsluice" --help-config | sed -n 's/^#\([a-z_]*\) =.*/\1/p')
# shellcheck disable=SC2046
named '--WORD([^a-z-]|$)' docs/wsluice.8 $("$wsluice" --help | sed -n 's/^  --\([a-z-]*\).*/\1/p')
exit $bad
