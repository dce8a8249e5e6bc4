#!/bin/sh
# Bundles page/ into build/page: the terminal page, its script and its style, these two also as gzip has them. Installs
# first what page/package-lock.json names, when that is not there. Does nothing when nothing has changed since.
set -eu
cd "$(dirname "$0")/.."
out=build/page
mkdir -p $out
exec 9>$out/lock
flock 9

# newer MADE FILE...: is one of the files newer than what was made of them, or is that not there?
newer() {
	[ -e "$1" ] || return 0
	made=$1
	shift
	[ -n "$(find "$@" -newer "$made")" ]
}

newer $out/terminal.js.gz tools/page.sh page/package-lock.json page/*.js page/*.css page/*.html || exit 0

command -v npm >/dev/null || {
	echo "page: npm is not there, and the terminal page is bundled by what it installs" >&2
	exit 1
}
if newer page/node_modules/.package-lock.json page/package-lock.json; then
	npm ci --no-audit --no-fund --ignore-scripts --prefix page || {
		echo "page: npm could not fetch what it needs; a build without the page works" >&2
		exit 1
	}
fi

rm -rf $out/new
page/node_modules/.bin/esbuild page/terminal.js page/terminal.css --bundle --minify --format=iife --target=es2022 \
	--legal-comments=eof --log-level=warning --outdir=$out/new
# What the licences of the parts ask for.
{
	echo '/*'
	for part in page/node_modules/@xterm/*/LICENSE page/node_modules/js-base64/LICENSE*; do
		printf '\n%s\n\n' "${part#page/node_modules/}"
		sed 's|\*/|* /|g' "$part"
	done
	echo '*/'
} >>$out/new/terminal.js
cp page/terminal.html $out/new
gzip -9nk $out/new/terminal.js $out/new/terminal.css
mv $out/new/* $out
rmdir $out/new
# The script's gzip form is the last one, since it says that all are there.
touch $out/terminal.js.gz
echo "page: $(wc -c <$out/terminal.js) bytes of script, $(wc -c <$out/terminal.js.gz) as gzip has them"
