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

# Plays a check into a log; its count is in good and bad then. A check that gives no count has failed.
play() {
	"check_$(echo "$1" | tr - _)" >"$2" 2>&1
	status=$?
	count=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed.*/\1 \2/p' "$2" | tail -n 1)
	[ -n "$count" ] || count="0 1"
	good=${count% *} bad=${count#* }
	[ $status -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
}

# The words that have a check play only what failed in it; none when it can't.
failed_tests() {
	case $1 in
	unit*) awk '/^# build\// { program = $2 } /^not ok / || /^# status [1-9]/ { print program }' "$logs/$1.log" | sort -u ;;
	cost | bench | e2e*) echo --lf --lfnf=none -n0 ;;
	browser) sed -n 's/^FAILED  \([A-Za-z0-9]*\).*/\1/p' "$logs/$1.log" ;;
	esac
}

# A test that failed beside the others is played once more with nothing beside it, and what came of it is said: it stays
# a fault to be found, of the test or of the program, but no reason to refuse what it has nothing to do with. What a
# sanitizer or a broken invariant says is true however seldom it is said.
play_again() {
	again=$(failed_tests "$1")
	[ -n "$again" ] || return
	! grep -qE 'ERROR: [A-Za-z]+Sanitizer|WARNING: ThreadSanitizer|: runtime error: |wsluice: bug: ' "$logs/$1.log" || return
	read -r first_good first_bad <"$logs/$1.count"
	play "$1" "$logs/$1-again.log"
	if [ "$good" -gt 0 ] && [ "$bad" -eq 0 ]; then
		echo "$1: PASSED when played again, alone: see why in $logs/$1.log"
		echo "$((first_good + first_bad)) 0" >"$logs/$1.count"
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
