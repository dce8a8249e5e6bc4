"""Fixtures of the soak tests. The gateway under test is $WSLUICE, the release build unless told; $SCALE is how much of it all."""
import itertools
import os
import sys
import tempfile
from pathlib import Path

import pytest

E2E = Path(__file__).resolve().parents[1] / "e2e"
sys.path.insert(0, str(E2E))

from gateway import RELEASE, Gateway, looked_after  # noqa: E402 (found by the line above)

os.environ.setdefault("WSLUICE", str(RELEASE))
counter = itertools.count()


@pytest.fixture
def memory():
    """A directory in memory, for data that is written and read back by the gigabyte."""
    with tempfile.TemporaryDirectory(prefix="wsluice-soak-", dir="/dev/shm") as path:
        yield Path(path)


@pytest.fixture
def gateway(tmp_path):
    """Starts gateways: gateway(routes, ...). Each must be idle at the end and stop cleanly; checked=False leaves that out."""
    with looked_after() as started:

        def start(*args, checked=True, **options):
            it = Gateway(tmp_path / f"gateway{next(counter)}", *args, **options)
            it.checked = checked
            started.append(it)
            if checked:
                it.take_baseline()
            return it

        yield start


@pytest.fixture
def say(request):
    """Prints a line of figures at once, whatever pytest captures."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    build = Path(os.environ["WSLUICE"]).resolve().parent.name

    def write(line):
        with capture.global_and_fixture_disabled():
            print(f"\n{build}: {line}", flush=True)

    return write
