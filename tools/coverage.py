#!/usr/bin/python3
"""coverage: which lines of some directories did the tests of a build with --coverage run?

    tools/coverage.py BUILD LEAST DIRECTORY...

Asks gcov for what was counted in BUILD, prints for each source in the directories how many of its lines were run and
which were not, and fails when over all it is less than LEAST percent. Run by `make coverage`.
"""
import glob
import json
import os
import subprocess
import sys


def count(build, directories):
    """{source: {line: how often}}; what was compiled and never run counts too."""
    lines = {}
    for notes in sorted(path for directory in directories for path in glob.glob(os.path.join(build, directory, "*.gcno"))):
        said = subprocess.run(["gcov", "--json-format", "--stdout", notes], check=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL).stdout
        for file in json.loads(said)["files"]:
            # Notes of a source that is gone may still lie about.
            if os.path.dirname(file["file"]) in directories and os.path.exists(file["file"]):
                of_file = lines.setdefault(file["file"], {})
                for line in file["lines"]:
                    of_file[line["line_number"]] = of_file.get(line["line_number"], 0) + line["count"]
    return lines


def main():
    build, least, directories = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
    covered = total = 0
    for path, lines in sorted(count(build, directories).items()):
        missed = sorted(number for number, times in lines.items() if times == 0)
        covered, total = covered + len(lines) - len(missed), total + len(lines)
        print("%-28s %4d of %4d  %5.1f %%" % (path, len(lines) - len(missed), len(lines),
                                              100 * (1 - len(missed) / len(lines))))
        source = open(path).read().split("\n") if missed else []
        for number in missed:
            print("  %5d  %s" % (number, source[number - 1].strip()))
    ratio = 100 * covered / max(total, 1)
    print("%-28s %4d of %4d  %5.1f %%" % ("all", covered, total, ratio))
    return 0 if total and ratio >= least else 1


if __name__ == "__main__":
    sys.exit(main())
