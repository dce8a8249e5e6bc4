#!/usr/bin/python3
"""measure: instructions and system calls of the gateway per message, KiB or session, for each work."""
import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import report
from works import WORKS

MORE = """
Instructions are those of user space, as callgrind counts them: our own and libevent's, which `make cost` holds, and
those of other libraries, which depend on their version and on the processor. The works are driven in lock-step, one
session, one worker (wire.py, works.py), and no time passes for it (still.c), so the counts are the same from run to run,
within half a percent, whatever else the machine does.

  tests/cost/measure.py --work='echo 64 B' --functions=30       what each function itself costs, per message
  tests/cost/measure.py --work=connect --calls                  and what our own code calls of other libraries

A name like 0x000000000001c7c0 is an address: that of a static function of libevent, since Debian's library comes
without their names. `make cost` counts them as one. Calls of libc have all their names where libc6-dbg is installed.

The profile with callers and callees: run the gateway under callgrind, give it work, annotate (without --dump-line=no,
callgrind_annotate --auto=yes has it line by line):

  valgrind --tool=callgrind --separate-threads=no --callgrind-out-file=/tmp/cg build/wsluice --port=8080 \\
      --connect=tcp://127.0.0.1:7000
  vgdb --pid=PID zero                          (when the warm-up is over: only what follows counts)
  build/tests/bench/load --to=ws://127.0.0.1:8080/ --seconds=5
  vgdb --pid=PID dump
  callgrind_annotate --inclusive=yes --tree=both /tmp/cg.1
"""


def listed(counts, least):
    """Counts on a line, the largest first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return "  ".join(f"{name} {n:.5g}" for name, n in ordered if n >= least)


def print_instructions(name, work, functions, calls):
    """One work's line, its costliest functions, its calls."""
    own = work["instructions"] + work["vector instructions"]
    print(f"{name:26} {own:9.1f} / {work['unit']:8} {listed(work['other libraries'], 0.5)}")
    for function, n in sorted(work["functions"].items(), key=lambda item: -item[1])[:functions]:
        print(f"{n:36.1f}  {function}")
    if calls:
        print(f"{'per ' + work['step']:>36}  {listed(work['library calls'], 0.01)}")


def refuse(why):
    """Ends with a sentence."""
    sys.exit(f"measure: {why}")


def check(binary):
    """Is that a gateway, and is there what counts?"""
    try:
        version = subprocess.run([binary, "--version"], capture_output=True, check=False).stdout
    except OSError as error:
        refuse(f"{binary}: {error.strerror}")
    if not version.startswith(b"wsluice "):
        refuse(f"{binary} is not a wsluice")
    for tool in ("valgrind", "strace"):
        if not shutil.which(tool):
            refuse(f"there is no {tool} here: tools/install.sh check")


def main():
    """Prints both tables, or writes them into a file."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=MORE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wsluice", default="build/wsluice", help="a release build")
    parser.add_argument("--work", action="append", help="only works whose name has this in it; repeatable")
    parser.add_argument("--functions", type=int, default=0, metavar="N", help="and the N costliest functions of each")
    parser.add_argument("--calls", action="store_true", help="and the calls of other libraries")
    parser.add_argument("--only", choices=("instructions", "system calls"), help="one of the two tables")
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the report of all works, print nothing")
    args = parser.parse_args()
    works = [work for work in WORKS if not args.work or any(word in work.name for word in args.work)]
    if not works:
        refuse("\n  ".join(["there is no such work; there are:", *(work.name for work in WORKS)]))
    check(args.wsluice)
    if args.save:
        if not args.save.parent.is_dir():
            refuse(f"{args.save.parent}: no such directory")
        report.save(report.measure(args.wsluice, WORKS), args.save)
        return
    tables = [args.only] if args.only else ["instructions", "system calls"]
    costs = report.measure(args.wsluice, works, tables)["works"]
    if "instructions" in tables:
        print("instructions: our own and libevent's; of other libraries")
        for name, work in costs.items():
            print_instructions(name, work, args.functions, args.calls)
    if "system calls" in tables:
        print("system calls")
        for work in works:
            called = costs[work.name]["system calls"]
            print(f"{work.name:26} {sum(called.values()):9.4g} / {work.piece:11} {listed(called, 0.01)}")


main()
