#!/bin/sh
# The units of systemd/: systemd finds nothing to say about them, and their exposure (systemd-analyze security, 0 to
# 10) stays what it is, with and without the drop-ins; every drop-in is in docs/deployment.md, which prints no other, and
# whose configurations have no mistake.
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
		"$work/units/wsluice.socket" "$work/units/wsluice-plain.socket" "$work/units/wsluice@one.service" 2>&1) || bad=1
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

# No directory of a unit's is in another unit's, which would take it away or find a link in its place; and those of an
# instance are its own.
grep -nE '^(Runtime|State|Cache|Logs|Configuration)Directory=.*/' systemd/*.service && { echo "a directory in another"; bad=1; }
grep -nE '^(Runtime|State|Cache|Logs|Configuration)Directory=' systemd/wsluice@.service | grep -v -- '=wsluice-%i$' && bad=1

# What the manual prints of units is a program's own, and systemd finds nothing in it; all else is in files, each named.
# What it prints of wsluice.ini has no mistake. Each is in a block of its own between fences, to be copied as it stands.
text=docs/deployment.md
for file in systemd/*.d/*.conf; do
	grep -q "sudo cp .*\b${file##*/}.* /etc/systemd/system/$(basename "${file%/*}")/\$" "$text" ||
		{ echo "$file: not in $text"; bad=1; }
done
units
mkdir "$work/ini"
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout "$work/ini/key" -out "$work/ini/certificate" 2>"$work/said" ||
	{ cat "$work/said"; bad=1; }
awk -v dir="$work/units" -v ini="$work/ini" -v me="$(id -un)" '
	/^ / && !fenced { print "indented, so not to be copied as it stands: " $0; bad = 1 }
	/^```/ { fenced = !fenced; out = ""; next }
	!fenced { next }
	/^# \/etc\/systemd\/system\/[^ ]*$/ { out = dir substr($0, length("# /etc/systemd/system/")); unit = 1; next }
	/^# \/etc\/wsluice\/wsluice.ini$/ { out = ini "/" ++inis ".ini"; unit = 0; next }
	out && unit { sub("/usr/local/bin/report", "/bin/cat") }
	out && !unit {
		sub("/etc/wsluice/tls/fullchain.pem|%d/certificate", ini "/certificate")
		sub("/etc/wsluice/tls/privkey.pem|%d/key", ini "/key")
		sub("/var/(log|lib)/wsluice", ini)
		sub("/usr/local/bin/report", "/bin/cat")
		if (/^(user|run_as) = /)
			sub("= .*", "= " me)
	}
	out { print >out; next }
	/^([A-Z][A-Za-z]+=|\[(Unit|Service|Socket|Install)\])/ { print "printed, and in no file: " $0; bad = 1 }
	/^(\[(gateway|listen|route)|(address|tls_[a-z]+|log_target|connect) = )/ { print "in which file: " $0; bad = 1 }
	END { if (fenced) print "a fence without an end"; exit bad || fenced || inis < 5 }' "$text" || bad=1
for file in "$work"/ini/*.ini; do
	grep -q '^\[route ' "$file" || printf '\n[route /]\nconsole = yes\n' >>"$file" # the operator's own
	words=$("$wsluice" --config="$file" --check 2>&1) || { echo "$text: $words"; cat "$file"; bad=1; }
done
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
exposure wsluice.service 21 run-as
exposure wsluice.service 11 terminals
exposure wsluice.service 2 no-programs no-network
exit $bad
