"""Fixtures: gateways that are checked when the test is over."""
import itertools
import os
import tempfile

import gateway as gateway_module
import pytest
from conformance import ground  # noqa: F401 (a fixture)
from gateway import RELEASE, Gateway, looked_after

counter = itertools.count()


def pytest_addoption(parser):
    parser.addoption("--tls", action="store_true", help="the gateways of the tests speak TLS")


def pytest_configure(config):
    os.umask(0o022)  # what tests write other users read, and run
    os.environ.update(LANG="C.UTF-8", LC_ALL="C.UTF-8", LANGUAGE="")  # the words of programs are looked for
    if len(tempfile.gettempdir()) > 20 or " " in tempfile.gettempdir():  # unix sockets' names, and words, are beneath it
        os.environ["TMPDIR"] = tempfile.tempdir = "/tmp"
    gateway_module.over_tls = config.getoption("--tls")


# The files that take longest, which begin first, so that none is left over when all else is done.
LONGEST = ("test_tls_data", "test_backpressure", "test_certificates", "test_systemd", "test_conformance_framing")
LONGEST += ("test_conformance_limits", "test_limits", "test_pending", "test_conformance_utf8", "test_tls")


def turn_of(item):
    """When the file of a test begins."""
    name = item.path.stem
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


def pytest_collection_modifyitems(config, items):
    """Over TLS, tests that are about its absence are left out."""
    items.sort(key=turn_of)
    if config.getoption("--tls"):
        without = [item for item in items if item.get_closest_marker("plain_only")]
        config.hook.pytest_deselected(items=without)
        items[:] = [item for item in items if item not in without]


@pytest.fixture
def gateway(tmp_path):
    """Starts gateways of this test's own: gateway(routes, ...). Each must be idle at the end and stop cleanly."""
    with looked_after() as started:

        def start(*args, checked=True, release=False, **options):
            it = Gateway(
                tmp_path / f"gateway{next(counter)}", *args, **options, **({"program": RELEASE} if release else {})
            )
            it.checked = checked
            started.append(it)
            if checked and it.process:
                it.take_baseline()
            return it

        yield start


class Shared:
    """The gateway of a module's GATEWAY(directory) function; started again when a test has broken it."""

    def __init__(self, make, tmp):
        self.make, self.tmp, self.gateway = make, tmp, None

    def get(self):
        if self.gateway is None or self.gateway.process is None or self.gateway.process.poll() is not None:
            self.gateway = self.make(self.tmp / f"gateway{next(counter)}")
            self.gateway.take_baseline()
        self.gateway.mark()
        return self.gateway


@pytest.fixture(scope="module")
def shared(request, tmp_path_factory):
    it = Shared(request.module.GATEWAY, tmp_path_factory.mktemp(request.module.__name__))
    try:
        yield it
        if it.gateway:
            it.gateway.stop()
    finally:
        if it.gateway:
            it.gateway.kill()


@pytest.fixture
def gw(shared):
    """The module's gateway; it must be idle again after each test."""
    it = shared.get()
    yield it
    try:
        it.check_idle()
    except BaseException:
        it.kill()
        raise
