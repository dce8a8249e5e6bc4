"""Clients that are packages of npm (tests/e2e/npm)."""
import os
import shutil
import subprocess

import certs
from gateway import ROOT

PROGRAMS = ROOT / "tests/e2e/npm"


def node(script, *words):
    """Runs a script of tests/e2e/npm, which trusts the certificates of this run; it must exit 0."""
    return run(PROGRAMS / script, *words)


def node_text(code):
    """Runs the text of a module as if it lay there; it must exit 0."""
    return run("--input-type=module", "--eval", code)


def run(*words, timeout=150):
    """Its output."""
    assert (PROGRAMS / "node_modules").exists(), f"run: npm ci --prefix {PROGRAMS}"
    done = subprocess.run(
        [shutil.which("node"), *map(str, words)],
        cwd=PROGRAMS,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={"PATH": os.environ["PATH"], "NODE_EXTRA_CA_CERTS": str(certs.run_authority().certificate)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
