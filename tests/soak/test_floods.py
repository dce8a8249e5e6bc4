"""Floods each way against a side that has stopped: what is held stays within `buffer`, nobody is cut, every byte is right."""
import hashlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from backends import Service, sends, service
from scripts import script
from soak import SANITIZED, SCALE, anonymous_kib, scaled
from wait import eventually, plateau
from wsraw import CLOSE, PONG, close_frame

BUFFER = 256  # KiB, the default
EACH = BUFFER + 48  # a session's share: its queue, and what it is itself
SLACK = 768  # what the gateway grows by on its own: threads' arenas, its log
MANY = scaled(20, 5)
PATIENCE = 600  # seconds for all of a flood to go through, where much else runs or a sanitizer does
HOLD = 45 if SCALE >= 1 else 2  # seconds of standing still
STILL = "1h"  # send_timeout: who is to stand still may do so for longer than that, where much else runs
PINGED = b"\x89\x00"


def letters(n):
    """n random letters."""
    return os.urandom(n).translate(bytes(97 + i % 26 for i in range(256)))


def weave(n, *columns):
    """n rows of the columns, each a byte or n bytes."""
    rows = bytearray(n * len(columns))
    for i, column in enumerate(columns):
        rows[i :: len(columns)] = column if len(column) == n else column * n
    return bytes(rows)


def xor(a, b):
    return (int.from_bytes(a, "little") ^ int.from_bytes(b, "little")).to_bytes(len(a), "little")


# from the backend to the client


class Blocks:
    """Writes of 64 KiB in stream framing; how they are cut into frames is nobody's business."""

    name, framing, command = "64 KiB writes", "stream", "exec dd if='{0}' bs=64k status=none"

    def __init__(self):
        self.data = os.urandom(24_000_000)

    def check(self, wire):
        digest, at = hashlib.sha256(), 0
        view = memoryview(wire)
        while at < len(wire):
            n, size = wire[at + 1], 2
            if n > 125:
                size = 4 if n == 126 else 10
                n = int.from_bytes(wire[at + 2 : at + size], "big")
            if wire[at] == 0x82:
                digest.update(view[at + size : at + size + n])
            else:
                assert wire[at : at + 2] == PINGED, wire[at : at + 20]
            at += size + n
        assert digest.digest() == hashlib.sha256(self.data).digest(), "wrong bytes"


class Lines:
    """Lines of one byte, written as fast as possible: a frame each, so the whole wire is known."""

    name, framing, command, rows = "lines of one byte", "lines", "exec cat '{0}'", 3_000_000

    def __init__(self):
        text = letters(self.rows)
        self.data = weave(self.rows, text, b"\n")
        self.wire = weave(self.rows, b"\x81", b"\x01", text)

    def check(self, wire):
        assert wire.replace(PINGED, b"") == self.wire, "wrong bytes"


class SlowLines(Lines):
    """... each with a write of its own."""

    name, command, rows = "lines of one byte, a write each", "exec sed -u '' '{0}'", 2_000_000


def program_source(kind, path, tmp_path):
    path.write_bytes(kind.data)
    return {"exec": script(tmp_path, "flood.sh", kind.command.format(path) + "\n")}


def rest_of(ws):
    """Everything up to the close frame with 1000. Pongs without a ping answer those among the data."""
    answered = time.monotonic()
    wire = bytearray(ws.ahead)
    end = close_frame(1000, mask=False)
    ws.sock.settimeout(PATIENCE)
    while not wire.endswith(end):
        data = ws.sock.recv(1 << 20)
        if not data:
            raise AssertionError(f"end of file after {len(wire)} bytes, without a close frame: {bytes(wire[-20:])}")
        wire += data
        if time.monotonic() - answered > 5:
            ws.send_frame(PONG)
            answered = time.monotonic()
    del wire[-len(end) :]
    ws.send_close(1000)
    assert ws.sock.recv(1) == b""
    return bytes(wire)


def read_by(gw):
    """How many bytes the gateway has read."""
    return next(line for line in Path(f"/proc/{gw.pid}/io").read_text().splitlines() if line.startswith("rchar"))


def hold(gw, n, seconds=HOLD):
    """Nothing may end while nothing moves."""
    until = time.monotonic() + seconds
    most = 0
    while time.monotonic() < until:
        assert not gw.logged("session ended"), gw.logged("session ended")
        most = max(most, anonymous_kib(gw))
        time.sleep(0.1)
    assert gw.counters()["sessions"] == n
    return most


def check_memory(grown, sessions, what):
    if not SANITIZED:
        bound = sessions * EACH + SLACK
        assert grown <= bound, f"{what}: {sessions} sessions hold {grown} KiB, {bound} are allowed"


def all_at_once(work, items):
    """All clients move again at the same time."""
    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(work, items))


STOPPED = [(Blocks, "program"), (Lines, "program"), (SlowLines, "program"), (Blocks, "service"), (Lines, "service")]


@pytest.mark.parametrize("kind, backend", STOPPED)
def test_client_stops_reading(gateway, tmp_path, memory, say, kind, backend):
    """The flood stands still until the clients read; then all of it arrives."""
    flood = kind()
    it = None
    grown = {}
    try:
        if backend == "service":
            it = Service(lambda _it, sock: (sock.sendall(flood.data), sock.close()))
            keys = {"connect": it.uri}
        else:
            keys = program_source(flood, memory / "data", tmp_path)
        for sessions in (1, MANY):
            gw = gateway({"route /flood": {"framing": flood.framing, "send_timeout": STILL, **keys}})
            before = anonymous_kib(gw)
            clients = [gw.ws("/flood", over=gw.connect(rcvbuf=4096)) for _ in range(sessions)]
            plateau(lambda: read_by(gw), window=0.5, timeout=120)
            grown[sessions] = hold(gw, sessions, HOLD if sessions == MANY else 0.5) - before
            seconds = time.monotonic()
            all_at_once(lambda ws: flood.check(rest_of(ws)), clients)
            seconds = time.monotonic() - seconds
            gw.wait_log("session ended", n=sessions)
            assert len(gw.logged("session ended", code_sent=1000)) == sessions
            for ws in clients:
                ws.drop()
        say(
            f"client stops reading, {backend} floods with {flood.name}: gateway grows by {grown[1]} KiB with 1 session, {grown[MANY]} with {MANY}, "
            f"{(grown[MANY] - grown[1]) / (MANY - 1):.0f} each (buffer {BUFFER}); {HOLD} s later {MANY} x {len(flood.data)} bytes right, {MANY * len(flood.data) / seconds / 1e6:.0f} MB/s"
        )
        for sessions, kib in grown.items():
            check_memory(kib, sessions, flood.name)
    finally:
        if it:
            it.close()


# from the client to the backend


class Messages:
    """Messages of 64 KiB."""

    name, framing = "64 KiB messages", "stream"

    def __init__(self):
        wire, data = [], []
        for _ in range(900):
            key, payload = os.urandom(4), os.urandom(65536)
            wire.append(b"\x82\xff" + (65536).to_bytes(8, "big") + key + xor(payload, key * 16384))
            data.append(payload)
        self.wire, self.data = b"".join(wire), b"".join(data)


class Bytes:
    """Messages of one byte in stream framing."""

    name, framing, rows = "messages of one byte, stream", "stream", 8_000_000

    def __init__(self):
        keys = [os.urandom(self.rows) for _ in range(4)]
        text = letters(self.rows)
        self.wire = weave(self.rows, b"\x82", b"\x81", *keys, xor(text, keys[0]))
        self.data = self.expected(text)

    def expected(self, text):
        return text


class LineBytes(Bytes):
    """... in lines framing: each with its newline."""

    name, framing = "messages of one byte, lines", "lines"

    def expected(self, text):
        return weave(self.rows, text, b"\n")


def push(ws, wire, rounds=1):
    """Sends it, so many times, until nothing has been taken for a while; returns how much went out."""
    sent = 0
    ws.sock.settimeout(1)
    try:
        while sent < rounds * len(wire):
            at = sent % len(wire)
            sent += ws.sock.send(memoryview(wire)[at : at + (1 << 18)])
    except TimeoutError:
        pass
    ws.sock.settimeout(PATIENCE)
    return sent


class Late:
    """A backend that reads nothing until it is let go, and then keeps all of it in a file for each session."""

    def __init__(self, backend, directory):
        self.directory = directory / "late"
        self.directory.mkdir()
        self.go, self.it, self.n = threading.Event(), None, 0
        if backend == "service":
            self.it = Service(self.serve)
            self.keys = {"connect": self.it.uri}
        else:
            text = (
                f"while [ ! -e '{self.directory}/go' ]; do sleep 0.1; done\ncat >'{self.directory}'/$WSLUICE_SESSION\n"
            )
            self.keys = {"exec": script(directory, "late.sh", text)}

    def serve(self, _it, sock):
        self.go.wait()
        path = self.directory / str(id(sock))
        with open(path, "wb") as file:
            while data := sock.recv(1 << 16):
                file.write(data)
        sock.close()

    def release(self):
        self.go.set()
        (self.directory / "go").touch()

    def check(self, sessions, data):
        """Every session's file has all of it."""
        (self.directory / "go").unlink()
        paths = list(self.directory.iterdir())
        assert len(paths) == sessions
        for path in paths:
            eventually(
                lambda p=path: p.stat().st_size >= len(data), lambda p=path: f"{p.stat().st_size} of {len(data)} bytes"
            )
            assert path.read_bytes() == data, "wrong bytes"
            path.unlink()
        self.go.clear()

    def close(self):
        self.release()
        if self.it:
            self.it.close()


@pytest.mark.parametrize("backend", ["program", "service"])
@pytest.mark.parametrize("kind", [Messages, Bytes, LineBytes], ids=lambda kind: kind.__name__)
def test_backend_stops_reading(gateway, memory, say, kind, backend):
    """The clients stand still until it reads; then it gets all of it."""
    flood = kind()
    late = Late(backend, memory)
    grown = {}
    try:
        for sessions in (1, MANY):
            gw = gateway({"route /late": {"framing": flood.framing, "closing_wait": "10m", "send_timeout": STILL, **late.keys}})
            before = anonymous_kib(gw)
            clients = [gw.ws("/late") for _ in range(sessions)]
            sent = all_at_once(lambda ws: push(ws, flood.wire), clients)
            assert max(sent) < len(flood.wire), "nothing stopped the client"
            grown[sessions] = hold(gw, sessions, HOLD if sessions == MANY else 0.5) - before
            late.release()
            seconds = time.monotonic()

            def finish(one):
                ws, n = one
                ws.send(memoryview(flood.wire)[n:])
                assert ws.close().code == 1000

            all_at_once(finish, zip(clients, sent))
            seconds = time.monotonic() - seconds
            gw.wait_log("session ended", n=sessions)
            assert len(gw.logged("session ended", code_sent=1000)) == sessions
            late.check(sessions, flood.data)
            for ws in clients:
                ws.drop()
        say(
            f"{backend} stops reading, client floods with {flood.name}: gateway grows by {grown[1]} KiB with 1 session, {grown[MANY]} with {MANY}, "
            f"{(grown[MANY] - grown[1]) / (MANY - 1):.0f} each (buffer {BUFFER}); {HOLD} s later {MANY} x {len(flood.data)} bytes right, {MANY * len(flood.data) / seconds / 1e6:.0f} MB/s"
        )
        for sessions, kib in grown.items():
            check_memory(kib, sessions, flood.name)
    finally:
        late.close()


def echo(_it, sock):
    """Sends back what comes, and remembers none of it."""
    while data := sock.recv(1 << 16):
        sock.sendall(data)
    sock.close()


@pytest.mark.parametrize("backend", ["program", "service"])
def test_both_directions_stand_still(gateway, say, backend):
    """An echo whose clients only write at first: all of it stops, within `buffer` each way, and all of it comes back."""
    flood, grown = Messages(), {}
    with service(echo) as it:
        keys = {"exec": "cat", "framing": "stream"} if backend == "program" else {"connect": it.uri}
        keys["send_timeout"] = STILL
        for sessions in (1, MANY):
            gw = gateway({"route /echo": keys})
            before = anonymous_kib(gw)
            clients = [gw.ws("/echo", over=gw.connect(rcvbuf=4096)) for _ in range(sessions)]
            rounds = 10  # the kernel alone may hold a hundred megabytes for an echo that has been fast
            sent = all_at_once(lambda ws, n=rounds: push(ws, flood.wire, n), clients)
            assert max(sent) < rounds * len(flood.wire), "nothing stopped the client"
            grown[sessions] = hold(gw, sessions, HOLD if sessions == MANY else 0.5) - before
            for ws in clients:
                ws.reset()
            gw.wait_log("session ended", n=sessions)
    each = (grown[MANY] - grown[1]) / (MANY - 1)
    say(
        f"both directions of an echo ({backend}) stand still: {grown[1]} KiB with 1 session, {grown[MANY]} with {MANY}, {each:.0f} each (buffer 2 x {BUFFER})"
    )
    for sessions, kib in grown.items():
        check_memory(kib, 2 * sessions, "both ways")


# pauses longer than the timers


@pytest.mark.parametrize("backend", ["program", "service"])
def test_backend_stalls_longer_than_every_timer(gateway, memory, say, backend):
    """A client whose flood we don't read can't answer a ping; its TCP does. A program has no timer, a service send_timeout."""
    flood = Messages()
    late = Late(backend, memory)
    send_timeout = STILL if backend == "service" else "2s"
    try:
        gw = gateway(
            {
                "route /late": {
                    "framing": "stream",
                    "closing_wait": "10m",
                    "ping_interval": "1s",
                    "ping_timeout": "5s",
                    "send_timeout": send_timeout,
                    **late.keys,
                }
            }
        )
        with gw.ws("/late") as ws:
            sent = push(ws, flood.wire)
            hold(gw, 1, 20)
            late.release()
            ws.send(flood.wire[sent:] + close_frame(1000))  # behind the flood no ping is waited for
            while (got := ws.recv()).opcode != CLOSE:
                pass
            assert got.code == 1000
            ws.ended()
        gw.wait_log("session ended", code_sent=1000)
        late.check(1, flood.data)
    finally:
        late.close()
    say(f"{backend} stops reading for 20 s, pings each second, send_timeout {send_timeout}: {len(flood.data)} bytes right")


PAUSED = [
    (size, backend, closed)
    for size in (30_000, 300_000, 6_000_000)
    for backend in ("program", "service")
    for closed in (False, True)
]
PAUSED.remove((6_000_000, "service", True))  # a service's output counts only for a while after the client's close


@pytest.mark.parametrize("size, backend, closes_first", PAUSED)
def test_client_pauses_behind_the_end(gateway, memory, say, size, backend, closes_first):
    """All was said, and waits in the kernel, in the gateway, or in the backend; the client sends something and reads late."""
    data, it, pause = os.urandom(size), None, 14
    if backend == "service":
        it = Service(sends(data))
        keys = {"connect": it.uri}
    else:
        (memory / "data").write_bytes(data)
        keys = {"exec": f"cat '{memory}/data'"}
    try:
        gw = gateway({"route /data": {"framing": "stream", "closing_wait": "10m", "send_timeout": STILL, **keys}})
        with gw.ws("/data", over=gw.connect(rcvbuf=4096)) as ws:
            plateau(lambda: read_by(gw), window=0.5)
            if closes_first:
                ws.send_close(1000)
                time.sleep(pause)  # whether the session is over for the gateway by then is its business
            else:
                hold(gw, 1, pause)
                ws.send_text("still here")
            parts = []
            while (got := ws.recv()).opcode != CLOSE:
                parts.append(got.payload)
            assert (b"".join(parts) == data, got.code) == (True, 1000)
            if not closes_first:
                ws.send_close(1000)
            ws.ended()
    finally:
        if it:
            it.close()
    say(
        f"client pauses {pause} s behind the {backend}'s end{', closed itself' if closes_first else ''}: {size} bytes right"
    )
