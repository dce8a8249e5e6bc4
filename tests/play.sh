# shellcheck shell=sh
# How tests/check.sh plays its checks, each a function check_NAME, and counts what came of them: NAME.log has a check's
# words, NAME.count how many passed and failed. Read by it, not run.
# shellcheck disable=SC2154 # logs is check.sh's

# What failed in a check, by name, as far as its log has names: TAP's, pytest's, the browser tests'.
say_failures() {
	awk '
		/^# build\// { program = $2 }
		/^# status [1-9]/ { print program ": ended with", $3; n++ }
		/^# not ok/ { next }
		/^not ok / { print program ": " $0; n++; more = 3; next }
		/^(FAILED|ERROR) / { print; n++; more = 4; next }
		!/^(#|E|  ) / { more = 0 }
		more > 0 { print; more-- }
		{ last[NR % 8] = $0 }
		END {
			for (i = NR + 1; n == 0 && i <= NR + 8; i++)
				if (i % 8 in last) print last[i % 8]
		}' "$logs/$1.log" | head -n 40 | sed "s/^/$1: /"
}

# The count that a log ends with, without words.
count_in() {
	sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed.*/\1 \2/p' "$1" | tail -n 1
}

# Plays a check into a log; its count is in good and bad then. A check that gives no count has failed.
play() {
	"check_$(echo "$1" | tr - _)" >"$2" 2>&1
	status=$?
	count=$(count_in "$2")
	[ -n "$count" ] || count="0 1"
	good=${count% *} bad=${count#* }
	[ $status -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
}

# Where each failure of a check that can play a part of itself was, a line each: programs, files, the browser's tests.
failed_in() {
	case $1 in
	unit*) awk '/^# build\// { program = $2 } /^not ok / { print program }' "$logs/$1.log" ;;
	cost | bench | e2e*) sed -nE 's/^(FAILED|ERROR) (tests\/[^ :]*)::.*/\2/p' "$logs/$1.log" ;;
	browser) sed -n 's/^FAILED  \([A-Za-z0-9]*\).*/\1/p' "$logs/$1.log" ;;
	esac
}

# What is true however seldom it is said: sanitizers, must(), the C library, deaths by signals.
GRAVE='Sanitizer: |: runtime error: |wsluice: bug: |it died: -|exit (86|-[0-9])|stack smashing|(malloc|realloc|free)\(\): |SIG(SEGV|ABRT)|Segmentation'

# When tests failed beside the others, all of their files are played once more with nothing beside them, and what came of
# it is said: it stays a fault to be found, of the test or of the program, but no reason to refuse what it has nothing to
# do with. Only where each failure has a name, so that none is forgiven with another, and the check came to its end.
play_again() {
	again=$(failed_in "$1")
	[ "$(echo "$again" | grep -c .)" -eq "$2" ] && [ -n "$(count_in "$logs/$1.log")" ] || return
	! grep -qE "$GRAVE" "$logs/$1.log" || return
	again=$(echo "$again" | sort -u)
	all_of=$(cat "$logs/$1.count")
	play "$1" "$logs/$1-again.log"
	if [ "$good" -gt 0 ] && [ "$bad" -eq 0 ]; then
		echo "$1: PASSED when played again, alone: see why in $logs/$1.log"
		echo "$((${all_of% *} + $2)) 0" >"$logs/$1.count"
	else
		echo "$1: failed again, alone: $logs/$1-again.log"
	fi
}

# Runs one check, says how it went, leaves its count in NAME.count.
run() {
	name=$1
	log=$logs/$name.log
	begin=$(date +%s)
	again=
	play "$name" "$log"
	echo "$good $bad" >"$logs/$name.count"
	word=ok
	if [ "$bad" -gt 0 ]; then
		word=FAILED
		tail -n 60 "$log" | sed 's/^/    /'
	fi
	printf '%-7s %-10s %4d passed %4d failed %4d s   %s\n' $word "$name" "$good" "$bad" $(($(date +%s) - begin)) "$log"
}

# How many passed and failed in all; a check without a count is a failure.
count_all() {
	for check; do
		cat "$logs/$check.count" || echo 0 1
	done | awk '{ passed += $1; failed += $2 } END { print passed + 0, failed + 0 }'
}
