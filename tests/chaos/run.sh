#!/bin/sh
# Runs a command in which every process is late now and then, as on a machine that has too much to do (late.c):
#   tests/chaos/run.sh [RATES] COMMAND [ARGUMENT]...
# RATES are four numbers, PROGRAMS,GATEWAY,TESTS,MICROSECONDS; see late.c. As root: what is preloaded into all processes
# stands in /etc/ld.so.preload of a mount namespace of the command's own, since programs of a gateway do not inherit
# LD_PRELOAD.
set -eu
rates=200,40,10,40000
case ${1-} in
*[0-9],[0-9]*) rates=$1 && shift ;;
esac
here=$(dirname "$0")
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
chmod 755 "$made"

IFS=, read -r programs gateway tests microseconds <<RATES
$rates
RATES
"${CC:-cc}" -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -shared -fPIC -DPROGRAMS="$programs" -DGATEWAY="$gateway" -DTESTS="$tests" \
	-DMICROSECONDS="$microseconds" -o "$made/late.so" "$here/late.c"
echo "$made/late.so" >"$made/preload"

# A file to mount over must be there, and stays, since another run may have begun; an empty one says nothing.
[ -e /etc/ld.so.preload ] || : >/etc/ld.so.preload
export ASAN_OPTIONS="verify_asan_link_order=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
# shellcheck disable=SC2016 # of the inner shell
unshare --mount sh -c 'mount --bind "$0" /etc/ld.so.preload && exec "$@"' "$made/preload" "$@"
