#!/usr/bin/python3
"""mutate: do the unit tests of src/ws notice when its code is wrong?

Makes small changes to the sources, one at a time (mutants): another operator, another constant, a condition turned
round, a statement left out. Each is compiled and linked with the unit tests; a mutant that fails one of them is killed,
by a crash, a sanitizer's word or a time-out too. What no test notices on the plain build gets a second chance with the
file's own tests under ASan and UBSan, for that is how `make check` runs them. Mutants that do not compile, or that the
compiler makes the same code of as of the original or of another mutant, don't count; nor do those of
tools/mutate.equivalent, which nobody could tell from the original, each with the reason why.

Run by `make mutate`, which builds what is needed. How to compile and link is asked of make, so it is said only there.
"""
import argparse
import concurrent.futures
import glob
import hashlib
import os
import random
import resource
import shlex
import subprocess
import sys
import time

import mutants

EQUIVALENT = "tools/mutate.equivalent"
SAN = "address,undefined"


def run(command, **options):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, check=True, **options).stdout


class Build:
    """One way to build: the commands of make for an object and for a test program, with places to be filled in."""

    def __init__(self, directory, *variables):
        self.directory = directory
        self.make = ["make", "-s", "--no-print-directory", "V=1", "BUILD=" + directory,
                     "SOURCES=" + " ".join(sorted(glob.glob("src/base/*.c") + glob.glob("src/ws/*.c"))), *variables]
        self.cpu = {}  # seconds that each test may take

    def _command(self, source, target):
        lines = run([*self.make, "-n", "-W", source, target]).splitlines()
        return shlex.split([line for line in lines if " -o " + target + " " in line][-1])

    def compile_command(self, path):
        """Compiles the text of `path` from the standard input to a place that is appended."""
        command = self._command(path, os.path.join(self.directory, path[:-2] + ".o"))
        at = command.index("-o")
        del command[at:at + 2]
        return [word for word in command if word not in ("-MMD", "-MP", path)] + ["-x", "c", "-", "-o"]

    def link_command(self, test):
        """Links with objects, put in front of the library, to a place that is appended."""
        target = os.path.join(self.directory, "tests/unit", test)
        command = self._command(target + ".o", target)
        at = command.index("-o")
        command[at:at + 2] = []
        at = command.index(os.path.join(self.directory, "libwsluice.a"))
        return command[:at], command[at:] + ["-o"]

    def prepare(self, paths, tests):
        """Builds what is not changed, and learns how."""
        subprocess.run([*self.make, *(os.path.join(self.directory, "tests/unit", test) for test in tests)], check=True)
        self.compile = {path: self.compile_command(path) for path in paths}
        self.link = {test: self.link_command(test) for test in tests}

    def concerns(self, test, obj):
        """Says whether the library's part of that name is in the test program."""
        here = names(os.path.join(self.directory, "tests/unit", test))
        return not names(obj).isdisjoint(here)

    def object(self, path, text, out):
        """Compiles; says whether it went well."""
        text = '# 1 "%s"\n%s' % (path, text)
        return subprocess.run([*self.compile[path], out], input=text, text=True, stderr=subprocess.DEVNULL).returncode == 0

    def passes(self, test, obj):
        """Runs one test with the object in place of the library's."""
        program = obj[:-2] + "." + test
        front, back = self.link[test]
        run([*front, obj, *back, program])
        # Seconds of CPU, so that a loop without end ends however busy the machine is; of the clock, if it waits.
        limit = self.cpu.get(test, 60)
        command = ["prlimit", "--cpu=%d" % limit, "--core=0", program]
        options = dict(os.environ, CMOCKA_TEST_ABORT="1", ASAN_OPTIONS="hard_rss_limit_mb=512")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        try:
            status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=options,
                                    stderr=subprocess.DEVNULL, timeout=30 * limit).returncode
        except subprocess.TimeoutExpired:
            status = -1
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        os.unlink(program)
        self.cpu.setdefault(test, 1 + int(3 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)))
        return status == 0


class Hunt:
    """All mutants of some files against some tests."""

    def __init__(self, paths, tests):
        self.tests = tests
        self.plain = Build("build/mutate", "CFLAGS=-g0", "WARNINGS=-Werror=return-type")
        self.san = Build("build/mutate/san", "SAN=" + SAN, "CFLAGS=-g0", "WARNINGS=-Werror=return-type")
        self.text = {path: open(path).read() for path in paths}
        for build in self.plain, self.san:
            build.prepare(paths, tests)
        self.seen, self.order = {}, {}  # by file: what was compiled; the tests, which first
        for path in paths:
            self._check_unchanged(path)

    def _check_unchanged(self, path):
        """What is not changed passes; and this is how long that takes."""
        for build in self.plain, self.san:
            obj = os.path.join(build.directory, "unchanged.o")
            if not build.object(path, self.text[path], obj):
                sys.exit("mutate: %s does not compile" % path)
            if build is self.plain:
                self.seen[path] = {digest(obj)}
            for test in self.tests:
                if test not in build.cpu and not build.passes(test, obj):
                    sys.exit("mutate: %s fails as it is, in %s" % (test, build.directory))
            if build is self.plain:
                self.order[path] = self._in_order(path, obj)

    def _in_order(self, path, obj):
        """The tests that it is in, those of the file itself first, then the shortest."""
        return sorted((test for test in self.tests if self.plain.concerns(test, obj)),
                      key=lambda test: (-len(words(path) & words(test + ".c")), self.plain.cpu[test], test))

    def _own(self, path):
        """Those that have a word in common with the file; all when none has."""
        order = self.order[path]
        return [test for test in order if words(path) & words(test + ".c")] or order

    def try_one(self, mutant):
        """Sets the mutant's fate."""
        mutant.fate = self._fate(mutant)
        return mutant

    def _fate(self, mutant):
        text = self.text[mutant.path]
        text = text[:mutant.start] + mutant.new + text[mutant.end:]
        base = os.path.join(self.plain.directory, "%d-%d" % (os.getpid(), mutant.number))
        objects = [(self.plain, base + ".o"), (self.san, base + ".san.o")]
        try:
            for build, obj in objects:
                if not build.object(mutant.path, text, obj):
                    return "does not compile"
                if build is self.plain:
                    code = digest(obj)
                    if code in self.seen[mutant.path]:
                        return "same code"
                    self.seen[mutant.path].add(code)
                for test in self._own(mutant.path) if build is self.san else self.order[mutant.path]:
                    if not build.passes(test, obj):
                        return "killed"
            return "survived"
        finally:
            for _, obj in objects:
                if os.path.exists(obj):
                    os.unlink(obj)


def names(program):
    """What the object or the program has for others."""
    return {line.split()[-1] for line in run(["nm", "--defined-only", "-g", program]).splitlines()}


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).digest()


def words(path):
    """src/ws/frame_mask.c and tests/unit/test_mask.c are about a mask, both."""
    return set(os.path.basename(path)[:-2].removeprefix("test_").split("_"))


def find_tests():
    """The unit tests of what is in src/ws."""
    about = set().union(*map(words, glob.glob("src/ws/*.c")))
    return [os.path.basename(path)[:-2] for path in sorted(glob.glob("tests/unit/test_*.c"))
            if os.path.basename(path)[:-2].split("_")[1] in about]


def read_equivalent():
    """The list of those that can't be told from the original: file and function, -line, +line, the reason indented."""
    entries = {}
    lines = [line.rstrip("\n") for line in open(EQUIVALENT) if line.strip() and not line.startswith("#")]
    path = old = None
    for line in lines:
        if line.startswith("-"):
            old = line[1:].strip()
        elif line.startswith("+"):
            entry = (path, old, line[1:].strip())
            entries[entry] = ""
        elif line[0].isspace():
            entries[entry] += line.strip()
        else:
            path = line
    for entry, reason in entries.items():
        if not reason:
            sys.exit("mutate: %s: no reason is given for: %s" % (EQUIVALENT, entry[2]))
    return entries


def show(mutant, args, listed):
    """Says at once what survives; of every mutant what became of it, when that is asked for."""
    if mutant.fate == "survived" and mutant.key in listed:
        mutant.fate = "equivalent"
    if mutant.fate == "survived":
        print("survived, line %d: %s\n-%s\n+%s" % (mutant.line, *mutant.key), flush=True)
    elif args.all:
        print("%s: %s:%d: %s" % (mutant.fate, mutant.path, mutant.line, mutant.key[2]), flush=True)


def summary(tried):
    """Prints the figures by file and returns the ratio over all."""
    print("\n%-20s %7s %7s %10s   not counted: same code, equivalent, no code" % ("", "killed", "of", ""))
    for path in sorted({mutant.path for mutant in tried}) + ["all"]:
        fates = [mutant.fate for mutant in tried if path in (mutant.path, "all")]
        killed, counted = fates.count("killed"), fates.count("killed") + fates.count("survived")
        print("%-20s %7d %7d %8.1f %%   %d, %d, %d" % (path, killed, counted, 100 * killed / max(counted, 1), *map(
            fates.count, ("same code", "equivalent", "does not compile"))))
    return 100 * killed / max(counted, 1)


def check_list(tried, listed):
    """Says whether each of the list is there and survives."""
    holds = True
    for entry in listed:
        fates = {mutant.fate for mutant in tried if mutant.key == entry}
        if "equivalent" not in fates and any(mutant.path == entry[0].split()[0] for mutant in tried):
            holds = False
            why = " and ".join(sorted(fates)) or "no such change"
            print("%s is wrong about %s: %s\n-%s\n+%s" % (EQUIVALENT, entry[0], why, *entry[1:]))
    return holds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1, help="how many at a time")
    parser.add_argument("--sample", type=int, help="only so many of the mutants, chosen by --seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--least", type=float, default=85, help="percent to be killed")
    parser.add_argument("--all", action="store_true", help="say of each mutant what became of it")
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    os.nice(19)
    began = time.monotonic()
    for name in "MAKEFLAGS", "MFLAGS", "MAKELEVEL":
        os.environ.pop(name, None)
    hunt = Hunt(args.files, find_tests())
    todo = [mutant for path in args.files for mutant in mutants.make(path, hunt.text[path])]
    if args.sample and args.sample < len(todo):
        todo = sorted(random.Random(args.seed).sample(todo, args.sample), key=lambda mutant: (mutant.path, mutant.start))
    for number, mutant in enumerate(todo):
        mutant.number = number
    listed = read_equivalent()
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for mutant in pool.map(hunt.try_one, todo):
            show(mutant, args, listed)
    ratio = summary(todo)
    holds = args.sample or check_list(todo, listed)
    print("%d changes against %s in %d s" % (len(todo), " ".join(hunt.tests), time.monotonic() - began))
    return 0 if ratio >= args.least and holds else 1


if __name__ == "__main__":
    sys.exit(main())
