"""The load generator and its service (tests/bench), for soak tests."""
import json
import subprocess
from contextlib import contextmanager

from gateway import RELEASE, binary, descriptors_of

BENCH = next(
    path for path in (binary().parent / "tests/bench", RELEASE.parent / "tests/bench") if (path / "load").exists()
)


@contextmanager
def tcpd(*options):
    """The load generator's service; its address."""
    process = subprocess.Popen([BENCH / "tcpd", *options], stdout=subprocess.PIPE, text=True)
    try:
        yield "tcp://" + process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.wait()


def begin_load(gw, path, *options, url=None):
    """Starts the load generator against a route; at another of its addresses, if told."""
    argv = [BENCH / "load", f"--to={url or gw.url}{path}", f"--pid={gw.pid}", "--children", "--json", *options]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end_load(process):
    """Waits for it; its report."""
    out, err = process.communicate()
    assert process.returncode == 0, err
    return json.loads(out)


def load(gw, path, *options, **where):
    """Runs it; its report."""
    return end_load(begin_load(gw, path, *options, **where))


def n_descriptors(gw):
    """Of the gateway and its spawner."""
    return sum(len(descriptors_of(pid)) for pid in (gw.pid, gw.spawner) if pid)
