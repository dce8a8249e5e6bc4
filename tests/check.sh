#!/bin/sh
# Runs the checks named (all of them when none is), each with its output in build/check/NAME.log, and ends with
# "N passed, N failed" over all. Installs first what is missing, so nothing is skipped.
#   tests/check.sh [format|shell|layers|options|systemd|install|gcc|clang|simd|unit|unit-tsan|coverage|cost|e2e|e2e-tls|e2e-tsan|fuzz|bench|browser|interop]...
# TIME is how many seconds each fuzz target looks for new inputs (0), by SEED; N how many messages, by lot, each run of
# interop has (100, always the same), AGAIN up to how many failed tests are played a second time (3; 0: none is).
# PYTEST_ADDOPTS, ASAN_OPTIONS and the like work as ever.
set -u
cd "$(dirname "$0")/.." || exit 1
logs=build/check
jobs=$(nproc)
san=build/san-address-undefined
tsan=build/san-thread

# In one directory one at a time, since checks that run beside each other may want the same.
build() {
	directory=build
	for word; do
		case $word in
		BUILD=* | SAN=*) directory=${word#*=} ;;
		coverage | fuzzers) directory=$word ;;
		esac
	done
	flock "$logs/$(echo "$directory" | tr / -).lock" make --no-print-directory -j"$jobs" "$@"
}

# A check that is one command: passed or failed.
one() {
	if "$@"; then echo "1 passed, 0 failed"; else echo "0 passed, 1 failed"; fi
}

c_files() {
	find src include tests -name node_modules -prune -o -name '*.[ch]' -print
}

check_format() {
	c_files | one xargs clang-format --dry-run -Werror
}

check_shell() {
	find .ci/run tests tools etc -name node_modules -prune -o \( -name '*.sh' -o -path .ci/run -o -path 'etc/completion/*' \) -type f -print | one xargs shellcheck
}

check_layers() {
	one tests/check-layers.sh
}

check_options() {
	build && one tests/check-options.sh
}

check_systemd() {
	build && one tests/check-systemd.sh
}

check_install() {
	build && one tests/check-install.sh
}

check_gcc() {
	one build CC=gcc all benches
}

# Only compiling warns, and clang does so before it optimises; the unit tests are not linked.
check_clang() {
	one build CC=clang BUILD=build/clang CFLAGS='-O0 -g0 -U_FORTIFY_SOURCE' all benches unit-objects
}

# What is written for some processors only: all of it that this machine has, then the rest, and less of each kind of
# input, on emulated ones: one with NEON, and an old one, where what is new must not be chosen.
check_simd() {
	paths=tests/simd/paths
	build build/$paths && build CC=aarch64-linux-gnu-gcc BUILD=build/aarch64 LDFLAGS=-static build/aarch64/$paths || return
	old='qemu-x86_64 -cpu core2duo'
	[ "$(uname -m)" = x86_64 ] || old=
	{
		build/$paths
		qemu-aarch64 build/aarch64/$paths 32 neon
		$old build/$paths 32
	} | awk '{ print }
		/^[0-9]+ passed, [0-9]+ failed$/ { passed += $1; failed += $3; n++ }
		END { printf "%d passed, %d failed\n", passed, failed + 3 - n }'
}

# Runs unit test programs, as many at once as there are CPUs, and adds up their TAP: a test that the plan promised and
# that gave no result failed.
run_units() {
	# shellcheck disable=SC2016,SC2086 # $0 and $@ are of the inner shell; wrap is words
	printf '%s\n' "$@" | CMOCKA_MESSAGE_OUTPUT=TAP xargs -P "$jobs" -I PROGRAM \
		sh -c '{ echo "# $0"; "$@" 2>&1; echo "# status $?"; } >"$0.tap"' PROGRAM $wrap timeout 300 PROGRAM
	for program; do
		cat "$program.tap" || echo "# $program"
		rm -f "$program.tap"
	done | awk '
		{ print }
		/^# build/ { plan = ok = bad = 0; begun++ }
		/^1\.\.[0-9]+/ { plan += substr($1, 4) }
		/^ok / { ok++ }
		/^not ok / { bad++ }
		/^# status / {
			if (plan > ok + bad) bad = plan - ok
			if ($3 != 0 && bad == 0) bad = 1
			if (ok + bad == 0) bad = 1
			passed += ok; failed += bad; ended++
		}
		END { printf "%d passed, %d failed\n", passed, failed + begun - ended }'
}

# The unit test programs of one build, those whose source matches a pattern.
unit_programs() {
	grep -lE "$2" tests/unit/test_*.c | sed "s|\(.*\)\.c|$1/\1|"
}

check_unit() {
	wrap=
	# shellcheck disable=SC2046,SC2086 # one word a program
	build SAN=address,undefined units && run_units ${again:-$(unit_programs $san .)}
}

# gcc 12's runtime can't live with the address layouts of new kernels, so without randomisation where that is allowed.
tsan_wrap() {
	if setarch "$(uname -m)" -R true 2>/dev/null; then echo "setarch $(uname -m) -R"; fi
}

# Only those with threads have anything to show there; and the arena, which steps aside for ASan.
check_unit_tsan() {
	wrap=$(tsan_wrap)
	programs=$(unit_programs $tsan 'pthread_create|log_start|arena_')
	# shellcheck disable=SC2086
	build SAN=thread $programs && run_units ${again:-$programs}
}

check_coverage() {
	one build coverage
}

# Counts, not times, so it may run beside anything.
check_cost() {
	wrap=
	build && run_pytest build/wsluice 1 cost tests/cost
}

# run_pytest PROGRAM WORKERS NAME FILES OPTION...: end to end on one build, files side by side, since most tests wait for
# something: pytest's own words for the log, its XML for the count. A skipped test is a failed one. With statuses over 1
# it did not play all; 5 is that there are none, as in one half of what is played again.
run_pytest() {
	program=$1 workers=$2 xml=$logs/$3.xml files=${again:-$4}
	shift 4
	rm -f "$xml"
	# shellcheck disable=SC2086 # words
	WSLUICE=$program $wrap /usr/bin/python3 -m pytest -q -n "$workers" --dist loadfile --junitxml="$xml" "$@" $files
	status=$?
	[ $status -le 1 ] || [ "$status${again:+ again}" = "5 again" ] || return
	count=$(sed -n 's/.*<testsuite [^>]*errors="\([0-9]*\)" failures="\([0-9]*\)" skipped="\([0-9]*\)" tests="\([0-9]*\)".*/\1 + \2 + \3 \4/p' \
		"$xml")
	[ -n "$count" ] || return
	bad=$((${count% *}))
	echo "$((${count##* } - bad)) passed, $bad failed"
}

# Half of their time is waiting: twice as many at once as there are CPUs.
check_e2e() {
	wrap=
	build all benches && build SAN=address,undefined && node_packages tests/e2e/npm &&
		run_pytest $san/wsluice $((2 * jobs)) e2e tests/e2e
}

# The same tests, with gateways that speak TLS.
# All but the files whose gateways speak TLS of their own accord: they have had their turn in e2e.
check_e2e_tls() {
	wrap=
	build all benches && build SAN=address,undefined && node_packages tests/e2e/npm &&
		run_pytest $san/wsluice $((2 * jobs)) e2e-tls tests/e2e --tls \
		--ignore=tests/e2e/test_tls.py --ignore=tests/e2e/test_tls_handshake.py --ignore=tests/e2e/test_tls_data.py \
		--ignore=tests/e2e/test_certificates.py --ignore=tests/e2e/test_ssl_options.py
}

# The tests that make threads meet, without TLS and with it at the same time. Both counts are one. Each worker reads every
# file that it is given, so it is not given those without such tests.
check_e2e_tsan() {
	wrap=$(tsan_wrap)
	threads=$(grep -l 'mark\.threads' tests/e2e/test_*.py)
	build benches && build SAN=thread || return
	run_pytest $tsan/wsluice "$jobs" e2e-tsan-plain "$threads" -m threads >"$logs/e2e-tsan-plain.log" 2>&1 &
	run_pytest $tsan/wsluice "$jobs" e2e-tsan-tls "$threads" -m threads --tls >"$logs/e2e-tsan-tls.log" 2>&1
	wait $!
	cat "$logs/e2e-tsan-plain.log" "$logs/e2e-tsan-tls.log"
	sed -n 's/^\([0-9]* passed, [0-9]* failed\)$/\1/p' "$logs/e2e-tsan-plain.log" "$logs/e2e-tsan-tls.log" |
		awk '{ passed += $1; failed += $3 } END { if (NR < 2) failed++; printf "%d passed, %d failed\n", passed, failed }'
}

# One fuzz target: the committed inputs, one after another, so that it is the same everywhere and each time. With TIME
# also others, by a seed; those that reach more go to build/fuzz/corpus/NAME. What fails goes to build/fuzz/found/NAME;
# that nothing did is the file fuzz-NAME.ok.
fuzz_one() {
	target=$1
	inputs=$logs/fuzz-$target.inputs new=build/fuzz/corpus/$target found=build/fuzz/found/$target
	rm -f "$logs/fuzz-$target.ok"
	mkdir -p "$found"
	fuzz="build/fuzz/fuzz_$target -artifact_prefix=$found/ -rss_limit_mb=1024"
	set -- tests/fuzz/corpus/"$target"/*
	# shellcheck disable=SC2086 # words, here and below
	$fuzz -timeout=100 "$@" || return
	if [ "$TIME" != 0 ]; then
		rm -rf "$new" # by the seed alone, not by what was found before; that stays until here
		mkdir -p "$new"
		(IFS=, && printf %s "$*" >"$inputs") # a directory has an order of its own
		# shellcheck disable=SC2086
		$wrap $fuzz -seed="$SEED" -max_total_time="$TIME" -seed_inputs="@$inputs" -reload=0 -timeout=10 \
			-print_final_stats=1 "$new" || return
	fi
	: >"$logs/fuzz-$target.ok"
}

# As many at once as there are CPUs. What libFuzzer tries next goes by what was compared, addresses too, so those are the
# same each time, where that is allowed.
check_fuzz() {
	build fuzzers || return
	passed=0 failed=0 begun=0
	wrap=$(tsan_wrap)
	SEED=${SEED:-$(($(od -An -N3 -tu4 /dev/urandom) + 1))}
	targets=$(printf '%s\n' tests/fuzz/fuzz_*.c | sed 's|.*/fuzz_\(.*\)\.c|\1|')
	for target in $targets; do
		fuzz_one "$target" >"$logs/fuzz-$target.log" 2>&1 &
		begun=$((begun + 1))
		[ $((begun % jobs)) -gt 0 ] || wait
	done
	wait
	for target in $targets; do
		if [ -e "$logs/fuzz-$target.ok" ]; then
			passed=$((passed + 1))
		else
			failed=$((failed + 1))
			tail -n 60 "$logs/fuzz-$target.log"
		fi
		echo "$target: inputs $(grep -c '^Executed ' "$logs/fuzz-$target.log")" \
			"$(sed -n 's/^stat::number_of_executed_units: */runs /p' "$logs/fuzz-$target.log")"
	done
	[ "$TIME" = 0 ] || echo "to play it again: make fuzz TIME=$TIME SEED=$SEED"
	echo "$passed passed, $failed failed"
}

# The packages that a directory's lock file names, when they are not there yet.
node_packages() {
	{
		flock 9
		[ -n "$(find "$1/node_modules/.package-lock.json" -newer "$1/package-lock.json" 2>/dev/null)" ] ||
			npm ci --no-audit --no-fund --prefix "$1"
	} 9>"$logs/npm.lock"
}

check_browser() {
	# shellcheck disable=SC2086 # a word a test
	build all benches && node_packages tests/browser && (cd tests/browser && node run.mjs $again)
}

check_interop() {
	# shellcheck disable=SC2086 # words
	build all && node_packages tests/browser && node_packages tests/interop && tests/interop/run.py -n ${N:-100 --seed 1}
}

# Does what compares costs count right, and does it leave nothing behind?
check_bench() {
	wrap=
	build all benches && run_pytest build/wsluice 1 bench tests/bench
}

# shellcheck source=tests/play.sh
. tests/play.sh

unset MAKEFLAGS MFLAGS MAKELEVEL
every='format shell layers options systemd install gcc clang simd unit unit-tsan coverage cost e2e e2e-tls e2e-tsan fuzz bench browser interop'
for check; do
	case " $every " in
	*" $check "*) ;;
	*)
		echo "check.sh: there is no check $check; there are: $every" >&2
		exit 2
		;;
	esac
done
# shellcheck disable=SC2086 # one word a check
[ $# -gt 0 ] || set -- $every
TIME=${TIME:-0}
tools/install.sh check && tools/page.sh || exit 1
mkdir -p $logs
# pytest keeps what it makes of the tests' files when Python may keep anything; beside them it would be in the way.
unset PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX="$PWD/build/pycache"

# Gateways and browsers are waited for more than they compute, so two rows of checks run beside each other: end to end in
# one, in the other with what is left of the CPUs all that compiles. Fuzzing comes after both: with TIME, its seconds are CPU time.
for check; do rm -f "$logs/$check.count" "$logs/$check.log" "$logs/$check-again.log"; done
for check; do
	case $check in e2e*) run "$check" ;; esac
done &
(
	read -r this _ </proc/self/stat && renice -n 5 -p "$this" >/dev/null
	for check; do
		case $check in
		e2e* | fuzz) ;;
		browser) run "$check" & ;; # and Chromium beside these
		*) run "$check" ;;
		esac
	done
	wait
)
wait
for check; do
	case $check in fuzz) run "$check" ;; esac
done
all=$(count_all "$@")
for check; do
	read -r _ bad <"$logs/$check.count" || bad=1
	[ "$bad" -eq 0 ] || say_failures "$check"
	[ "$bad" -eq 0 ] || [ ! "${all#* }" -le "${AGAIN:-3}" ] || play_again "$check" "$bad"
done
all=$(count_all "$@")
echo "${all% *} passed, ${all#* } failed"
[ "${all#* }" -eq 0 ]
