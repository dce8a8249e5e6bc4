#!/bin/sh
# What is written down about the options is what the program knows: etc/wsluice.ini is its --help-config, LICENSE
# its --license, docs/wsluice.ini.5 what tools/man.sh makes of its keys; docs/wsluice.8 and the completion have every
# option and no other, and docs/wsluice.8 every variable that a program gets. The pages are such that neither mandoc nor
# groff has anything to say about them.
set -eu
cd "$(dirname "$0")/.."
wsluice=${WSLUICE:-build/wsluice}
bad=0

complain() {
	echo "$*" >&2
	bad=1
}

same() {
	"$wsluice" "$1" | diff -u "$2" - || complain "$2: not what $wsluice $1 prints"
}

# What a page looks like: without bold and underlined letters.
rendered() {
	mandoc -Tascii -Owidth=100 "$1" | sed 's/.\x08//g'
}

# lint PAGE: no warning of any reader.
lint() {
	mandoc -T lint -W warning "$1" || complain "$1: mandoc"
	words=$(groff -mandoc -Tutf8 -ww -rCHECKSTYLE=0 "$1" 2>&1 >/dev/null) || complain "$1: groff"
	[ -z "$words" ] || complain "$1: $words"
}

same --help-config etc/wsluice.ini
same --license LICENSE
WSLUICE=$wsluice tools/man.sh | diff -u docs/wsluice.ini.5 - || complain "docs/wsluice.ini.5: make man"
lint docs/wsluice.ini.5
lint docs/wsluice.8

options=$("$wsluice" --help | sed -n 's/^  \(--[a-z-]*\).*/\1/p' | sort)
keys=$("$wsluice" --help-config | sed -n 's/^#\([a-z0-9_]*\) =.*/\1/p' | sort -u)
[ "$(echo "$options" | wc -l)" -gt 20 ] || complain "--help has too few options"
[ "$(echo "$keys" | wc -l)" -gt 30 ] || complain "--help-config has too few keys"

described=$(rendered docs/wsluice.8 | sed -n 's/^     \(--[a-z-]*\).*/\1/p' | sort)
# shellcheck disable=SC2086 # one line
[ "$options" = "$described" ] || complain "docs/wsluice.8 describes" $described ", but --help has" $options
page=$(rendered docs/wsluice.8)

# Under the name websockify: its section names each option, but for those that there are under every name.
links=$(mktemp -d)
trap 'rm -r "$links"' EXIT
ln -s "$(realpath "$wsluice")" "$links/websockify"
section=$(echo "$page" | sed -n '/^WEBSOCKIFY/,/^CLOSE CODES/p')
theirs=$("$links/websockify" --help | sed -n 's/^  \(-., \)\{0,1\}\(--[a-z0-9-]*\).*/\2/p' | sort)
[ "$(echo "$theirs" | wc -l)" -gt 40 ] || complain "websockify --help has too few options"
for option in $theirs; do
	echo "$options" | grep -qxF -e "$option" || echo "$section" | grep -qE -e "(^|[ (])$option([=,.; )]|\$)" ||
		complain "docs/wsluice.8, WEBSOCKIFY: $option is missing"
done

variables=$(grep -oE '"[A-Z_]{4,}"' src/gate/environ.c | tr -d '"')
[ "$(echo "$variables" | wc -l)" -gt 20 ] || complain "src/gate/environ.c has too few variables"
for variable in $variables; do
	echo "$page" | grep -qwF "$variable" || complain "docs/wsluice.8: $variable is missing"
done
page=$(rendered docs/wsluice.ini.5)
for key in $keys; do
	echo "$page" | grep -qE "^ +$key( =|  |\$)" || complain "docs/wsluice.ini.5: $key is missing"
done

WSLUICE=$wsluice tests/check-completion.sh || complain "etc/completion/wsluice"
exit $bad
