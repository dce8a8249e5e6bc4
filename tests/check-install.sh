#!/bin/bash
# `make install` puts exactly the files that it should where packagers and operators expect them; the unit's command
# runs as it stands there, for a user without rights; no configuration of an operator is written over or taken away; and
# `make uninstall` leaves nothing else. Writes in a temporary directory only (and in BUILD, if there is still to build).
set -eu
cd "$(dirname "$0")/.."
unset MAKEFLAGS MFLAGS MAKELEVEL DESTDIR PREFIX
tmp=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid"; rm -rf "$tmp"' EXIT
chmod 755 "$tmp"

fail() {
	echo "$*" >&2
	exit 1
}

install() {
	make --no-print-directory "$@" >"$tmp/log" 2>&1 || { cat "$tmp/log" >&2; fail "make $*"; }
}

# contains ROOT: these files (mode, then path) and no other.
contains() {
	diff -u <(sort) <(cd "$1" && find . ! -type d -printf '%m %P\n' | sort) || fail "$1: not the files that should be there"
}

# The files that an installation has: PREFIX, sysconfdir, unitdir.
expected() {
	cat <<-END
		755 $1/bin/wsluice
		644 $1/share/man/man8/wsluice.8
		644 $1/share/man/man5/wsluice.ini.5
		644 $1/share/bash-completion/completions/wsluice
		644 $1/share/doc/wsluice/LICENSE
		644 $1/share/doc/wsluice/deployment.md
		644 $1/share/doc/wsluice/performance.md
		644 $1/share/doc/wsluice/performance.svg
		644 $1/share/doc/wsluice/services.md
		644 $1/share/doc/wsluice/terminals.md
		644 $1/share/doc/wsluice/examples/wsluice.ini
		644 $1/share/doc/wsluice/examples/wsluice.logrotate
		644 $1/share/doc/wsluice/examples/wspipe.py
		644 $1/share/doc/wsluice/examples/activated.conf
		644 $1/share/doc/wsluice/examples/backend-group.conf
		644 $1/share/doc/wsluice/examples/low-port.conf
		644 $1/share/doc/wsluice/examples/no-network.conf
		644 $1/share/doc/wsluice/examples/no-programs.conf
		644 $1/share/doc/wsluice/examples/port-443.conf
		644 $1/share/doc/wsluice/examples/run-as.conf
		644 $1/share/doc/wsluice/examples/terminals.conf
		644 $1/share/doc/wsluice/examples/tls-credentials.conf
		644 $1/share/doc/wsluice/examples/tls-group.conf
		644 $3/wsluice.service
		644 $3/wsluice.socket
		644 $3/wsluice-plain.socket
		644 $3/wsluice@.service
		644 $2/wsluice/wsluice.ini
	END
}

# As a package, into another root, in a path with a space; twice is the same as once.
root="$tmp/a root"
install install DESTDIR="$root" PREFIX=/usr
install install DESTDIR="$root" PREFIX=/usr
unitdir=$(pkg-config --variable=systemdsystemunitdir systemd)
expected usr etc "${unitdir#/}" | contains "$root"
install uninstall DESTDIR="$root" PREFIX=/usr
contains "$root" </dev/null
[ -z "$(find "$root" -name '*wsluice*')" ] || fail "uninstall left $(find "$root" -name '*wsluice*')"

# As it comes; and every directory can be chosen.
install install DESTDIR="$root"
expected usr/local usr/local/etc usr/local/lib/systemd/system | contains "$root"
install uninstall DESTDIR="$root"
contains "$root" </dev/null
install install DESTDIR="$root" prefix=/p bindir=/b mandir=/m docdir=/d bashcompletiondir=/c sysconfdir=/s unitdir=/u
expected /p /s /u | sed 's|/p/bin|b|; s|/p/share/man|m|; s|/p/share/bash-completion/completions|c|; s|/p/share/doc/wsluice|d|
	s| /| |' | contains "$root"
grep -q '^ExecStart=/b/wsluice --config=/s/wsluice/wsluice.ini' "$root/u/wsluice.service" || fail "the unit starts something else"
install uninstall DESTDIR="$root" prefix=/p bindir=/b mandir=/m docdir=/d bashcompletiondir=/c sysconfdir=/s unitdir=/u
contains "$root" </dev/null

# Stripped when asked for.
install install-strip DESTDIR="$root"
readelf -S "$root/usr/local/bin/wsluice" | grep -q '\.symtab' && fail "install-strip did not strip"
install uninstall DESTDIR="$root"

# For real, below a directory of our own: everything that is said there is true there.
prefix=$tmp/prefix
install install PREFIX="$prefix"
"$prefix/bin/wsluice" --config="$prefix/etc/wsluice/wsluice.ini" --check | grep -qx ok || fail "the first configuration has a mistake"
for unit in "$prefix"/lib/systemd/system/*; do
	words=$(SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no "$unit" 2>&1) || fail "$unit: $words"
	[ -z "$words" ] || fail "$unit: $words"
done
grep -rnE '(^|[^a-z/])/(usr|etc)/(bin/|share/doc/)?wsluice' "$prefix" --include='*.[58]' --include='*.service' --include='*.socket' \
	--include='*.ini' --include='*.md' && fail "these files still speak of another place"
grep -ohwE 'docs/[a-z]+\.md' "$prefix"/share/doc/wsluice/*.md | sort -u | while read -r page; do
	[ -e "$prefix/share/doc/wsluice/${page#docs/}" ] || fail "the texts speak of $page, which is not there"
done
for page in "$prefix"/share/man/man?/*; do
	words=$(mandoc -T lint -W warning "$page"; groff -mandoc -Tutf8 -ww -rCHECKSTYLE=0 "$page" 2>&1 >/dev/null)
	[ -z "$words" ] || fail "$page: $words"
done

# The operator changes the file; another installation keeps it.
ini=$prefix/etc/wsluice/wsluice.ini
sed -i 's/^address = .*/address = 127.0.0.1:0/' "$ini"
cp "$ini" "$tmp/mine"
install install PREFIX="$prefix"
cmp "$ini" "$tmp/mine" || fail "install changed a configuration that was there"

# What the unit starts answers, run by nobody in particular.
command=$(sed -n 's/^ExecStart=//p' "$prefix/lib/systemd/system/wsluice.service")
nobody=
[ "$(id -u)" -ne 0 ] || nobody='setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs'
mkfifo "$tmp/said"
# shellcheck disable=SC2086 # words of a unit
(cd / && exec $nobody $command) 2>"$tmp/said" &
pid=$!
exec 3<"$tmp/said"
port=
while [ -z "$port" ]; do
	read -r -t 60 -u 3 line || fail "$command: does not listen"
	port=$(sed -n 's/.*listening.*address=127\.0\.0\.1:\([0-9]*\).*/\1/p' <<<"$line")
	[ -n "$port" ] || echo "$line" >&2
done
curl -fsS --noproxy "*" --max-time 60 "http://127.0.0.1:$port/" | grep -qi '<html' || fail "no test page"
/usr/bin/python3 - "$port" <<-'END' || fail "no echo"
	import asyncio, sys, websockets

	async def main():
	    async with websockets.connect(f"ws://127.0.0.1:{sys.argv[1]}/", open_timeout=60, close_timeout=60) as ws:
	        await ws.send("as installed")
	        assert await asyncio.wait_for(ws.recv(), 60) == "as installed"

	asyncio.run(main())
END
kill "$pid"
wait "$pid" || fail "$command: ended with $?"
pid=

# What was changed stays, and that is said; nothing else does.
install uninstall PREFIX="$prefix"
grep -q "left, since it was changed: $ini" "$tmp/log" || fail "uninstall does not say what it left"
echo '644 etc/wsluice/wsluice.ini' | contains "$prefix"
