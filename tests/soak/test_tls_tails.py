"""10 MB each way, ended by either side at a random point, over TLS and without: no tail is lost, or it is said.

What was sent before an orderly end arrives whole on the other side; behind any other end it is a beginning of it, and
the end is reported as abnormal.
"""
import os
import random
import socket
import threading
import time
from collections import Counter

import certs
import pytest
from backends import service
from soak import scaled, side_by_side
from test_programs import RCVBUFS, check_log
from tlsclient import VERSIONS, context, socket_of
from wsraw import BINARY, CLOSE, close_frame, frame

SIZE = 10_000_000
NOISE = os.urandom(2 * SIZE)
PATIENCE = 120
DRAIN = 1  # seconds that a service may be silent after its client has closed: TCP_DRAIN_MS (backend/tcp.h)
DRAIN_MAX = 5  # ... and that its output counts: TCP_DRAIN_MAX_MS
CLIENT_ENDS = ("close", "close in one write", "truncated", "reset")
SERVICE_ENDS = ("half", "half", "close", "reset")  # close: at once, whatever it has not read; TCP may reset then


class Run:
    """One run: what each side sends, and who ends it how."""

    def __init__(self, i, seed):
        choice = random.Random(seed)
        self.i = i
        self.up, self.down = (choice.randrange(SIZE) for _ in range(2))  # where in NOISE its 10 MB begin
        self.who = choice.choice(("client", "service"))
        self.how = choice.choice(CLIENT_ENDS if self.who == "client" else SERVICE_ENDS)
        self.point = choice.choice((0, SIZE, *(choice.randrange(SIZE) for _ in range(4))))  # how much is sent before it
        self.rcvbuf = choice.choice(RCVBUFS)
        self.seed = choice.random()
        self.at_service = bytearray()
        self.orderly_at_service = False
        self.service_done = threading.Event()
        self.failure = None  # of who sends for the client
        self.closed_at = self.heard_at = None  # when the client began to say its close, and the end was there
        self.refused = False  # the service could not send all of it
        self.peer = None

    @property
    def n_up(self):
        return self.point if self.who == "client" else SIZE

    @property
    def n_down(self):
        return self.point if self.who == "service" else SIZE

    def upward(self):
        return memoryview(NOISE)[self.up : self.up + self.n_up]

    def downward(self):
        return memoryview(NOISE)[self.down : self.down + self.n_down]

    def __str__(self):
        return f"run {self.i}: {self.who}, {self.how} after {self.point}, rcvbuf {self.rcvbuf}"


# the service


def read_all(run, sock):
    """Takes what the client sends, up to the end."""
    try:
        while data := sock.recv(1 << 18):
            run.at_service += data
        run.orderly_at_service = True
    except (ConnectionResetError, TimeoutError):
        pass


def send_all(run, sock):
    """Sends its share and ends as the run says."""
    try:
        sock.sendall(run.downward())
        if run.who == "service" and run.how == "half":
            sock.shutdown(socket.SHUT_WR)
        elif run.who == "service":
            if run.how == "reset":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            sock.shutdown(socket.SHUT_RD)  # wakes who reads; close() follows
    except (ConnectionResetError, BrokenPipeError, TimeoutError):
        run.refused = True


def serve(runs):
    """A service's handler: the first eight bytes are the run's number."""

    def handler(_it, sock):
        sock.settimeout(PATIENCE)
        run = runs[int(b"".join(sock.recv(1) for _ in range(8)))]
        writer = threading.Thread(target=send_all, args=(run, sock))
        writer.start()
        read_all(run, sock)
        writer.join()
        sock.close()
        run.service_done.set()

    return handler


# the client


def send_up(run, ws):
    """Sends its share in messages of every size and ends as the run says."""
    choice, data, at = random.Random(run.seed), run.upward(), 0
    try:
        ws.send_binary(b"%8d" % run.i)
        while at < len(data):
            n = choice.choice((1, 126, 4096, 16000, 65536, 300000, 1000000))
            last = at + n >= len(data) and run.who == "client" and run.how == "close in one write"
            if last:
                run.closed_at = time.monotonic()
            ws.send(frame(BINARY, bytes(data[at : at + n])) + (close_frame(1000) if last else b""))
            at += n
        end(run, ws, at > 0)
    except OSError as error:
        run.failure = None if run.who == "service" else error


def end(run, ws, told):
    """Ends the client's side, if that is its part."""
    if run.who != "client":
        return
    if run.how == "close" or (run.how == "close in one write" and not told):
        run.closed_at = time.monotonic()
        ws.send_close(1000)
    elif run.how == "truncated":
        socket_of(ws).shutdown(socket.SHUT_WR)
    elif run.how == "reset":
        socket_of(ws).shutdown(socket.SHUT_RD)  # wakes who reads; the reset follows


def read_down(run, ws):
    """Takes what comes: the payload, and the code of the close frame, None where the connection just ended."""
    got = bytearray()
    try:
        while True:
            one = ws.recv()
            if one.opcode == CLOSE:
                return got, one.code
            got += one.payload
    except (EOFError, OSError):
        return got, None


def shut_down(ws):
    """Wakes who still sends."""
    try:
        socket_of(ws).shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def check(run, got, code):
    """What the one and the other side must have seen."""
    assert run.service_done.wait(PATIENCE) and run.failure is None, (str(run), run.failure)
    n_up = len(run.at_service)
    assert run.at_service == memoryview(NOISE)[run.up : run.up + n_up], f"{run}: wrong bytes at the service"
    assert got == memoryview(NOISE)[run.down : run.down + len(got)], f"{run}: wrong bytes at the client"
    assert code is None or code in (1000, 1011), f"{run}: {code}"
    if run.who == "client" and run.how.startswith("close"):
        assert run.orderly_at_service and n_up == run.n_up, f"{run}: {n_up} arrived"
        late = run.heard_at - run.closed_at >= (DRAIN if run.refused else DRAIN_MAX)  # got no CPU, for instance
        assert code == 1000 and (len(got) == SIZE or late), f"{run}: {len(got)} arrived, then {code}"
    if run.who == "service" and run.how == "half":
        assert (len(got), code) == (run.n_down, 1000), f"{run}: {len(got)} arrived, then {code}"
    if run.who == "service" and code == 1000:
        assert len(got) == run.n_down, f"{run}: {len(got)} arrived, and all is well"


def check_abnormal(gw, runs):
    """Those whose client vanished are said to have."""
    left = Counter(run.peer for run in runs if run.who == "client" and not run.how.startswith("close"))
    vanished = Counter(line["peer"] for line in gw.logged("session ended", code_received=1006))
    assert left <= vanished, left - vanished


@pytest.mark.parametrize("tls", ["plain", *VERSIONS])
def test_tails(gateway, say, tls):
    """A third of the runs each: without TLS, with 1.2, with 1.3."""
    n, arrived = scaled(334, 3), []
    runs = [Run(i, f"{tls} {i}") for i in range(n)]
    with service(serve(runs)) as it:
        its_context = context(VERSIONS[tls]) if tls != "plain" else None
        gw = gateway(
            {"route /tcp": {"connect": it.uri, "ping_interval": "0"}},
            listen=certs.run_pair().keys if its_context else {},
            tls=its_context or False,
        )

        def play(i):
            run = runs[i]
            with gw.ws("/tcp", over=gw.connect(rcvbuf=run.rcvbuf)) as ws:
                ws.sock.settimeout(PATIENCE)
                run.peer = "%s:%d" % ws.sock.getsockname()
                writer = threading.Thread(target=send_up, args=(run, ws))
                writer.start()
                got, code = read_down(run, ws)
                run.heard_at = time.monotonic()
                if run.who == "service":
                    shut_down(ws)
                writer.join()
                if run.how == "reset" and run.who == "client":
                    ws.reset()
            check(run, got, code)
            arrived.append((len(got), len(run.at_service)))
            run.at_service = b""

        seconds = side_by_side(n, play)
        check_log(gw, n)
        check_abnormal(gw, runs)
    whole = sum(down == SIZE for down, _ in arrived), sum(up == SIZE for _, up in arrived)
    megabytes = sum(down + up for down, up in arrived) / 1e6
    say(
        f"{tls}: {n} runs of up to {SIZE} bytes each way, {megabytes:.0f} MB in {seconds:.0f} s; all of it came down "
        f"{whole[0]} times and up {whole[1]} times, and where it ended in order no tail was lost"
    )
