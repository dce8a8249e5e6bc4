#!/bin/sh
# Serves etc/demo.ini until it is interrupted: starts the TCP service behind /tcp, makes a private
# directory for the chat and the tokens of /desk, runs the gateway, and takes everything down again. Arguments go to the
# gateway.
#   BUILD=build   WSLUICE=$BUILD/wsluice   WSLUICE_DEMO_ADDRESS=127.0.0.1:8080   WSLUICE_DEMO_TCP_PORT=0
set -u
root=$(cd "$(dirname "$0")" && pwd) || exit 1
build=${BUILD:-$root/../../build}
gateway=${WSLUICE:-$build/wsluice}
service=
pid=

done_with() {
	trap '' INT TERM HUP
	[ -z "$service" ] || kill "$service" 2>/dev/null
	[ -z "$service" ] || wait "$service"
	rm -rf "$WSLUICE_DEMO_DIR"
	exit "$1"
}

for program in "$gateway" "$build/tests/bench/tcpd"; do
	[ -x "$program" ] || {
		echo "demo: there is no $program; make run builds it" >&2
		exit 1
	}
done

WSLUICE_DEMO_DIR=$(mktemp -d) || exit 1
WSLUICE_DEMO_ROOT=$root
WSLUICE_DEMO_ADDRESS=${WSLUICE_DEMO_ADDRESS:-127.0.0.1:8080}
case $WSLUICE_DEMO_ADDRESS in
127.*:* | localhost:* | '[::1]:'* | unix:*) WSLUICE_DEMO_TERMINALS=$root/terminals.ini ;;
*)
	WSLUICE_DEMO_TERMINALS=/dev/null
	echo "demo: /shell and /top are not there, since others may reach $WSLUICE_DEMO_ADDRESS" >&2
	;;
esac
trap 'done_with 1' INT TERM HUP

# Both get a session of their own, so that Ctrl+C reaches this script alone, which then ends them in order.
mkfifo "$WSLUICE_DEMO_DIR/said"
setsid "$build/tests/bench/tcpd" --mode=echo --port="${WSLUICE_DEMO_TCP_PORT:-0}" >"$WSLUICE_DEMO_DIR/said" &
service=$!
read -r said <"$WSLUICE_DEMO_DIR/said" || {
	echo "demo: no TCP service; WSLUICE_DEMO_TCP_PORT=PORT takes another port" >&2
	done_with 1
}
WSLUICE_DEMO_TCP_PORT=${said##*:}
echo "demo: tcp://127.0.0.1:$WSLUICE_DEMO_TCP_PORT" >"$WSLUICE_DEMO_DIR/targets"
export WSLUICE_DEMO_ADDRESS WSLUICE_DEMO_DIR WSLUICE_DEMO_ROOT WSLUICE_DEMO_TCP_PORT WSLUICE_DEMO_TERMINALS

# From before it is there, or a signal that comes when it has just begun would leave it behind.
told=
trap 'told=yes; [ -z "$pid" ] || kill -TERM "$pid" 2>/dev/null' INT TERM HUP
setsid "$gateway" --config="$root/../demo.ini" "$@" &
pid=$!
[ -z "$told" ] || kill -TERM "$pid" 2>/dev/null
echo "demo: once it listens, open http://localhost:${WSLUICE_DEMO_ADDRESS##*:}/ in a browser; Ctrl+C ends it" >&2
echo "demo: (WSLUICE_DEMO_ADDRESS=127.0.0.1:PORT takes another address)" >&2

# A signal ends the wait, not yet the gateway, which may still be telling its clients good-bye.
status=1
while :; do
	wait "$pid"
	ended=$?
	[ $ended -eq 127 ] || status=$ended # it had been waited for before the signal
	[ -n "$told" ] || break
	told=
done
done_with "$status"
