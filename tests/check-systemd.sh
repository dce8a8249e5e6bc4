#!/bin/sh
# The units of systemd/: systemd finds nothing to say about them, and their exposure (systemd-analyze security, 0 to
# 10) stays what it is, with and without the drop-ins; every drop-in is in docs/deployment.md, which prints no other.
set -eu
cd "$(dirname "$0")/.."
wsluice=${WSLUICE:-$PWD/build/wsluice}
[ -x "$wsluice" ] || { echo "$wsluice: not there, run make" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0

# Units that begin with the program under test, which is not where the units say; drop-ins are named by the caller.
units() {
	rm -rf "$work/units"
	mkdir -p "$work/units/wsluice.service.d" "$work/units/wsluice.socket.d"
	for file in systemd/*.service systemd/*.socket; do
		sed "s|=/usr/bin/wsluice |=$wsluice |" "$file" >"$work/units/${file##*/}"
	done
	cp "$work/units/wsluice@.service" "$work/units/wsluice@one.service"
	for part; do
		file=$(echo systemd/*.d/"$part.conf")
		cp "$file" "$work/units/${file#systemd/}"
	done
}

# verify NAME...: with these drop-ins there is not a word; an instance of the template stands for all.
verify() {
	units "$@"
	words=$(SYSTEMD_UNIT_PATH="$work/units:" systemd-analyze verify --man=no --recursive-errors=one "$work/units/wsluice.service" \
		"$work/units/wsluice.socket" "$work/units/wsluice@one.service" 2>&1) || bad=1
	[ -z "$words" ] || { echo "verify $*: $words"; bad=1; }
}

# exposure UNIT MOST NAME...: with these drop-ins the figure is at most MOST tenths.
exposure() {
	unit=$1
	most=$2
	shift 2
	units "$@"
	SYSTEMD_UNIT_PATH="$work/units:" systemd-analyze security --no-pager --offline=true --threshold="$most" "$unit" \
		>"$work/said" 2>&1 || { grep -v '^[✓ ] ' "$work/said"; bad=1; }
	figure=$(sed -n 's/.*Overall exposure level for .*: \([0-9.]*\) .*/\1/p' "$work/said")
	echo "$unit${*:+ with $*}: ${figure:-no figure}"
	[ -n "$figure" ] || bad=1
}

# Each directive has its reason in a comment above it; only those that go together share one.
for file in systemd/*.service systemd/*.socket systemd/*/*.conf; do
	awk -v file="$file" -F= '
		/^#[A-Z][A-Za-z]*=/ { next } # one to be switched on
		/^#/ { reason = 1; next }
		/^(\[|$)/ { reason = 0; last = ""; next }
		$1 ~ /^(Description|Documentation|WantedBy)$/ { next }
		{
			together = $1 == last || last $1 ~ /^(ExecStartPreExecStart|CapabilityBoundingSetAmbientCapabilities)$/
			if (!reason && !together) { print file ": " $1 " without a reason"; bad = 1 }
			reason = 0
			last = $1
		}
		END { exit bad }' "$file" || bad=1
done

# What the manual prints of units is a program's own, and systemd finds nothing in it; all else is in files, each named.
text=docs/deployment.md
for file in systemd/*.d/*.conf; do
	grep -q "sudo cp .*\b${file##*/}.* /etc/systemd/system/$(basename "${file%/*}")/\$" "$text" ||
		{ echo "$file: not in $text"; bad=1; }
done
units
awk -v dir="$work/units" '
	/^    # \/etc\/systemd\/system\/[^ ]*$/ { out = dir substr($0, length("    # /etc/systemd/system/")); next }
	/^    # / || !/^(    .*)?$/ { out = "" }
	out { sub("/usr/local/bin/report", "/bin/cat"); print substr($0, 5) >out; next }
	/^    ([A-Z][A-Za-z]+=|\[(Unit|Service|Socket|Install)\])/ { print "printed, and in no file: " $0; bad = 1 }
	END { exit bad }' "$text" || bad=1
[ -s "$work/units/report@.service" ] || { echo "$text: no example of a program"; bad=1; }
words=$(SYSTEMD_UNIT_PATH="$work/units:" systemd-analyze verify --man=no --recursive-errors=one \
	"$work/units/report.socket" 2>&1) || bad=1
[ -z "$words" ] || { echo "verify report.socket: $words"; bad=1; }

verify
for file in systemd/*.d/*.conf; do
	verify "$(basename "$file" .conf)"
done
verify no-programs no-network
verify activated port-443 tls-group backend-group
exposure wsluice.service 11
exposure wsluice@one.service 11
exposure wsluice.service 11 no-programs
exposure wsluice.service 15 low-port
exposure wsluice.service 2 no-programs no-network
exit $bad
