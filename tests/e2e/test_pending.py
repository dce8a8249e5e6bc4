"""max_pending holds whatever the socket, from the accept on: our own TCP, unix and those that systemd passes."""
import socket

import certs
import pytest
import wsraw
from activation import Activated, listening
from conftest import counter
from wait import eventually

MAX = 4
CONSOLE = {"route /console": {"console": "yes"}}
KINDS = ["tcp", "unix", "activated tcp", "activated unix"]
HALF_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


class Crowd:
    """A gateway with one listening socket, and clients of it who say half of something."""

    def __init__(self, directory, kind, tls, workers):
        self.path = str(directory / "s") if "unix" in kind else None
        self.sock = None
        if "activated" in kind:
            self.sock = listening(socket.AF_UNIX, self.path) if self.path else listening()
            address = "systemd:web"
        else:
            address = f"unix:{self.path}" if self.path else "127.0.0.1:0"
        listen = {"address": address, "handshake_timeout": "1h", **(certs.run_pair().keys if tls else {})}
        self.tls = tls
        self.gw = Activated(
            directory / f"gateway{next(counter)}",
            CONSOLE,
            sockets=[("web", self.sock)] if self.sock else [],
            gateway={"max_pending": MAX, "workers": workers},
            listen=listen,
            tls=certs.run_context() if tls else False,
        )
        self.gw.take_baseline()
        self.here = []

    @property
    def address(self):
        return self.path or ("127.0.0.1", self.gw.port)

    def come(self, n):
        """They connect, and begin a request or a handshake that they don't end."""
        for _ in range(n):
            raw = wsraw.connect(self.address)
            raw.send(HALF_HELLO if self.tls else b"GET /console HTTP/1.1\r\n")
            self.here.append(raw)

    def is_held(self, n):
        """So many are let in and no more: a worker that had more to open would have done so before it is asked again.
        (When some have just left there are fewer for a moment.)"""
        for _ in range(5):
            eventually(lambda: self.counted() == n, lambda: f"not {n}: {self.gw.counters()}")

    def counted(self):
        """Those that are pending: all that are here, and never too many. Connections are added up worker by worker: while some
        leave and others come there may seem to be more, which is no count."""
        pending = self.gw.counters()["pending"]
        line = self.gw.logged("counters", since_mark=False)[-1]
        assert pending <= MAX, line
        return pending if int(line["connections"]) <= MAX else None

    def leave(self, n):
        for _ in range(n):
            self.here.pop(0).drop()

    def is_served(self):
        with self.gw.connect(self.address) as raw:
            raw.send(wsraw.request("/console", host="localhost", headers=[("Connection", "close")]))
            assert raw.response().status == 200
            raw.ended()

    def close(self):
        try:
            self.leave(len(self.here))
            self.gw.check_idle()
            self.gw.stop()
        finally:
            self.gw.kill()
            if self.sock:
                self.sock.close()


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def crowd(tmp_path, kind):
    """Makes one."""
    made = []

    def make(tls=False, workers=2):
        made.append(Crowd(tmp_path, kind, tls, workers))
        return made[-1]

    yield make
    for it in made:
        it.close()


@pytest.mark.threads
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_one_by_one(crowd, tls):
    """One less than max_pending, all of them, one more; who leaves makes room for one."""
    it = crowd(tls)
    it.come(MAX - 1)
    it.is_held(MAX - 1)
    it.is_served()
    it.come(1)
    it.is_held(MAX)
    it.come(1)
    it.is_held(MAX)
    it.leave(1)
    it.is_held(MAX)
    it.leave(1)
    it.is_held(MAX - 1)
    it.is_served()


@pytest.mark.threads
@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_crowd_at_once(crowd, tls, workers):
    """Hundreds in the queue: no more than max_pending are let in, then the others as there is room."""
    it = crowd(tls, workers)
    it.come(300)
    it.is_held(MAX)
    it.leave(MAX)
    it.is_held(MAX)
    it.leave(300 - 2 * MAX)
    it.is_held(MAX)
    it.leave(1)
    it.is_served()
