"""A thousand sessions to services that never read, a thousand whose clients never read: all of them stand still within
`buffer`, and who else is there does not notice."""
import resource
import socket
from contextlib import ExitStack
from statistics import median

import backends
import certs
import pytest
from bench import load, tcpd
from soak import SANITIZED, anonymous_kib, scaled, side_by_side
from tlsservice import TlsService
from wait import eventually, plateau
from wsraw import BINARY, frame

BUFFER = 256  # KiB, the default
READ = 64  # what one read may bring past the mark
FIXED = {"plain": 32, "tls": 160}  # what a session is itself: with TLS two connections' records and keys
SLACK = 4096  # what the gateway grows by on its own: tables, arenas of its threads
FILES = 20000
N = scaled(1000, 20)
TURNS, SECONDS = 5, 2  # of measuring
RATIO = 2  # by which p99 may differ; a run differs from the next by as much
CHUNK = bytes(65536)
MESSAGE = frame(BINARY, b"", mask=bytes(4), length=1 << 40, form=64)  # its head; it has no end


def deaf(_it, sock):
    """Reads nothing for as long as there is a connection."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)


def spout(_it, sock):
    """Says more than anybody reads."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
    while True:
        sock.sendall(CHUNK)


class Pushing:
    """A client that sends whatever is taken."""

    def __init__(self, ws):
        self.sock, self.n = ws.sock, 0
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
        self.sock.sendall(MESSAGE)
        self.sock.settimeout(0)

    def push(self):
        """As much as is taken now; how much that was in all."""
        try:
            while sent := self.sock.send(CHUNK):
                self.n += sent
        except BlockingIOError:
            pass
        return self.n


def p99(gw, url):
    """Of an echo's answers at a steady rate, in ms: the median of some runs, and all of them."""
    options = ("--mode=echo", "--sessions=8", "--rate=1000", f"--seconds={SECONDS}")
    runs = [load(gw, "/echo", *options, url=url)["p99_us"] / 1000 for _ in range(TURNS)]
    return median(runs), " ".join(f"{run:.2f}" for run in runs)


@pytest.mark.parametrize("kind", FIXED)
def test_stalled_sessions(gateway, say, kind):
    """Clients and services of both kinds; the others are on a plain listener of the same gateway."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    make = {"plain": backends.Service, "tls": TlsService}[kind]
    with tcpd() as echo, ExitStack() as stack:
        routes = {"listen plain": {"address": "127.0.0.1:0"}, "route /echo": {"connect": echo}}
        services = [make(deaf), make(spout)]
        for handler, it in zip((deaf, spout), services):
            stack.callback(it.close)
            keys = {"tls_ca": certs.run_authority().certificate} if kind == "tls" else {}
            routes[f"route /{handler.__name__}"] = {"connect": it.uri, "send_timeout": "1h", **keys}
        secure = {"listen": certs.run_pair().keys, "tls": certs.run_context()} if kind == "tls" else {}
        gw = gateway(routes, files=FILES, **secure)
        url = f"ws://{gw.addresses[1]}"
        p99(gw, url)  # what is only allocated once
        before, quiet = anonymous_kib(gw), p99(gw, url)

        clients = [None] * (2 * N)

        def open_one(i):
            clients[i] = gw.ws("/spout" if i % 2 else "/deaf", over=gw.connect(rcvbuf=4096))

        seconds = side_by_side(len(clients), open_one)
        pushing = [Pushing(ws) for ws in clients[::2]]
        pushed = plateau(lambda: sum(one.push() for one in pushing), window=3, timeout=300)
        memory = plateau(lambda: anonymous_kib(gw), window=1)
        busy, peak = p99(gw, url), anonymous_kib(gw)
        assert gw.counters()["sessions"] == 2 * N
        for sock in services[0].connections:
            sock.close()  # a client that leaves behind what a service does not take is found by send_timeout
        for ws in clients:
            ws.reset()
        eventually(lambda: gw.counters()["sessions"] == 0, "sessions are left", 120)
        free, after = p99(gw, url), anonymous_kib(gw)
        each, bound = (max(memory, peak) - before) / len(clients), BUFFER + READ + FIXED[kind]
        say(
            f"{kind}, {N} whose service and {N} whose client never reads, opened in {seconds:.1f} s: {each:.0f} KiB each, "
            f"allowed {bound}, 2 x buffer + fixed {2 * BUFFER + FIXED[kind]}; memory {before} KiB before, {memory} stalled, "
            f"{peak} after others' work, {after} in the end; taken of a client {pushed / N / 1024:.0f} KiB "
            f"on average; p99 of an echo in ms {quiet[0]:.2f} before ({quiet[1]}), {busy[0]:.2f} beside them ({busy[1]}), "
            f"{free[0]:.2f} after ({free[1]})"
        )
        if not SANITIZED:
            assert max(memory, peak) - before <= len(clients) * bound + SLACK
            assert busy[0] <= RATIO * max(quiet[0], free[0]), "the others notice"
