"""The gateway as it was when the baseline was committed, built here: where the compiler or a library is another one,
the file's counts say nothing. Only then is git asked."""
import os
import shutil
import subprocess

import report


class Unknown(Exception):
    """There is none, and why."""


def git(root, *words):
    """What git prints."""
    try:
        run = subprocess.run(["git", "-C", str(root), *words], capture_output=True, check=False)
    except FileNotFoundError:
        raise Unknown("there is no git here") from None
    if run.returncode:
        raise Unknown(f"git {words[0]}: {run.stderr.decode(errors='replace').strip()}")
    return run.stdout


def commit(root, path):
    """The last one that changed a file. In a shallow clone the first one there is seems to have made all files."""
    found = git(root, "log", "-1", "--format=%H", "--", str(path)).decode().strip()
    if not found:
        raise Unknown(f"no commit has {path.name}")
    shallow = root / git(root, "rev-parse", "--git-path", "shallow").decode().strip()
    if shallow.exists() and found in shallow.read_text().split():
        raise Unknown("this clone is shallow and begins after the baseline's commit: git fetch --unshallow")
    return found


def build(root, path, made):
    """The gateway of that commit. made: what the compiler has to be, as report.compiler has it; one built by another is
    built anew."""
    found = commit(root, path)
    directory = root / "build/cost" / found
    binary = directory / "build/wsluice"
    if binary.exists() and report.compiler(binary) == made:
        return binary
    shutil.rmtree(directory.parent, ignore_errors=True)
    directory.mkdir(parents=True)
    subprocess.run(["tar", "-x", "-C", str(directory)], input=git(root, "archive", found), check=True)
    # A newer compiler may warn of what it did not when that was written.
    make = ["make", "-s", "-C", str(directory), f"-j{os.cpu_count()}", "WERROR=", "SAN=", "BUILD=build"]
    run = subprocess.run(make, check=False, capture_output=True, text=True)
    if run.returncode:
        raise Unknown(f"commit {found[:12]} can't be built here: {run.stderr[-1000:].strip()}")
    return binary
