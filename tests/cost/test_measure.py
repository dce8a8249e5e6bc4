"""What the command line of measure.py refuses, in sentences; and how compilers are named."""
import os
import subprocess
from pathlib import Path

import pytest
import report
from works import WORKS

MEASURE = Path(__file__).with_name("measure.py")
WSLUICE = os.environ.get("WSLUICE", "build/wsluice")


def refused(*words):
    """What it says on standard error."""
    run = subprocess.run([MEASURE, *words], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (1, "")
    return run.stderr


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--wsluice=/proc/nonexistent"], "/proc/nonexistent: No such file or directory"),
        (["--wsluice=/dev/null"], "/dev/null: Permission denied"),
        (["--wsluice=/bin/true"], "/bin/true is not a wsluice"),
        ([f"--wsluice={WSLUICE}", "--save=/proc/nonexistent/file"], "/proc/nonexistent: no such directory"),
    ],
)
def test_refused_in_a_sentence(words, why):
    assert refused(*words) == f"measure: {why}\n"


def test_the_works_that_there_are_stand_on_lines_of_their_own():
    lines = refused("--work=other").splitlines()
    assert lines == ["measure: there is no such work; there are:", *(f"  {work.name}" for work in WORKS)]


@pytest.mark.parametrize(
    ("comment", "names"),
    [
        ("  [     0]  GCC: (Debian 12.2.0-14+deb12u1) 12.2.0\n  [    27]  GCC: (Debian 12.2.0-14) 12.2.0\n",
         ["GCC: (Debian 12.2.0) 12.2.0"]),
        ("  [     0]  GCC: (Ubuntu 11.4.0-1ubuntu1~22.04) 11.4.0\n", ["GCC: (Ubuntu 11.4.0) 11.4.0"]),
        ("  [     0]  Debian clang version 14.0.6\n", ["Debian clang version 14.0.6"]),
    ],
)  # fmt: skip
def test_a_compiler_is_named_without_the_revision_of_its_package(monkeypatch, comment, names):
    monkeypatch.setattr(report, "output", lambda *command: comment)
    assert report.compiler("wsluice") == names
