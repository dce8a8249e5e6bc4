#!/bin/bash
# The completion in bash offers what it should: every option of --help and no other, the values of each, the keys that
# the program has, and behind the options a command. With and without the functions of the package bash-completion.
set -u
cd "$(dirname "$0")/.." || exit 1
wsluice=${WSLUICE:-build/wsluice}
bad=0

# shellcheck source=etc/completion/wsluice
. etc/completion/wsluice

# answers LINE: what Tab at its end would offer, as readline gets it. Words are broken as bash breaks them.
answers() {
	local rest word
	COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDBREAKS=$' \t\n"\'><=;|&(:' COMP_WORDS=() COMPREPLY=()
	rest=$1
	while [[ $rest =~ ^([ ]*)([=:]+|[^ =:]+)(.*)$ ]]; do
		COMP_WORDS+=("${BASH_REMATCH[2]}")
		rest=${BASH_REMATCH[3]}
	done
	word=${COMP_WORDS[-1]}
	[[ $1 != *' ' ]] || COMP_WORDS+=('')
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	_wsluice wsluice "$word" ''
}

# offers LINE WORD...: exactly these, in any order.
offers() {
	local line=$1 got wanted
	shift
	answers "$line"
	got=$(printf '%s\n' "${COMPREPLY[@]}" | sort)
	wanted=$(printf '%s\n' "$@" | sort)
	[ "$got" = "$wanted" ] || {
		printf '%s: offered\n%s\nwanted\n%s\n' "$line" "$got" "$wanted" >&2
		bad=1
	}
}

# Every option of --help, with "=" behind it if it takes a value.
mapfile -t options < <("$wsluice" --help | sed -n 's/^  \(--[a-z-]*=\{0,1\}\).*/\1/p')
[ ${#options[@]} -gt 20 ] || { echo "--help has too few options" >&2; bad=1; }
offers "$wsluice --" "${options[@]}"
for option in "${options[@]}"; do
	[ -n "$(_wsluice_kind "${option%=}")" ] || { echo "$option: what is its value?" >&2; bad=1; }
done
offers "$wsluice --logl" --loglevel=
offers "$wsluice --dum" --dump
offers "$wsluice --nosuch"

# Values, behind "=" and as a word of their own; what is set already does not matter.
offers "$wsluice --loglevel=in" info
offers "$wsluice --loglevel in" info
offers "$wsluice -loglevel in" info
offers "$wsluice --port 80 --binary --origin " same any null
offers "$wsluice --port="
offers "$wsluice --connect=" tcp:// tls:// unix:
offers "$wsluice --connect=tc" tcp://
offers "$wsluice --address=sys" systemd:
offers "$wsluice --config=etc/demo.i" etc/demo.ini
offers "$wsluice --config etc/demo.i" etc/demo.ini
offers "$wsluice --staticdir=etc/d" etc/demo
offers "$wsluice --connect=unix:etc/demo.i" etc/demo.ini

# Keys of --set and their values, as --help-config has them.
mapfile -t keys < <("$wsluice" --help-config | sed -n 's/^#\([a-z_]*\) =.*/\1=/p' | sort -u)
[ ${#keys[@]} -gt 30 ] || { echo "--help-config has too few keys" >&2; bad=1; }
offers "$wsluice --set " "${keys[@]}"
offers "$wsluice --set=" "${keys[@]}"
mapfile -t sections < <("$wsluice" --help-config | awk '
	/^#?\[/ { section = $1; gsub(/[^a-z]/, "", section) }
	/^#[a-z_]+ =/ { print section "." substr($1, 2) "="; if (section == "route") print "defaults." substr($1, 2) "=" }')
[ ${#sections[@]} -gt ${#keys[@]} ] || { echo "--help-config has too few sections" >&2; bad=1; }
for config in "--config=a.ini" "--config a.ini" "-config=a.ini"; do
	offers "$wsluice $config --set " "${sections[@]}"
	offers "$wsluice $config --set=" "${sections[@]}"
done
offers "$wsluice --config=a.ini --set gateway.log_l" gateway.log_level=
offers "$wsluice --config=a.ini --set log_l"
offers "$wsluice --config=a.ini --set defaults.ping_" defaults.ping_interval= defaults.ping_timeout=
offers "$wsluice --config=a.ini --set listen.ping_"
offers "$wsluice --config=a.ini --set gateway.log_format=l" logfmt
offers "$wsluice --set defaults.console=" yes no
offers "$wsluice --set=listen.tls_client=" require accept
offers "$wsluice --set max_sess" max_sessions= max_sessions_per_ip=
offers "$wsluice --set=gateway.log_l" gateway.log_level=
offers "$wsluice --set=log_level=" error warning info debug trace
offers "$wsluice --set gateway.log_format=l" logfmt
offers "$wsluice --set console=" yes no
offers "$wsluice --set auth=" none
offers "$wsluice --set static=etc/d" etc/demo
offers "$wsluice --set tls_key=etc/demo.i" etc/demo.ini

# The command, and its own arguments; options of ours are none of its.
offers "$wsluice --binary mkfif" mkfifo
offers "$wsluice --port 80 -- mkfif" mkfifo
offers "$wsluice cat etc/demo.i" etc/demo.ini
offers "$wsluice --binary -- etc/demo/ru" etc/demo/run.sh
offers "$wsluice cat --logl"

# With the package, its function does that; it is told where the command begins.
_command_offset() { COMPREPLY=("offset=$1"); }
offers "$wsluice --port=80 --binary cat --lo" offset=5
offers "$wsluice --loglevel info -- cat " offset=4
exit $bad
