"""The frame of the conformance suite: what a case is, and how it is played over a program and over a TCP service.

A file of cases has a list CASES and one test:

    CASES = [Case("5.6 text of 5 bytes", sends=frame(TEXT, "hello"), messages=[(TEXT, b"hello")]), ...]

    @each(CASES)
    def test_case(ground, case, backend):
        ground.play(case, backend)

`backend` is "program" (a records route to cat: type and boundary of every message come back) or "service" (a stream
route to a TCP echo: the payload of all messages, in a row). One gateway serves all cases of a file. At the end of the
file its descriptors, programs, sessions and memory must be where they were.

Where the gateway closes, or the client vanishes, the backend also keeps what it was given: all that came before, and
nothing of what came after. Every session must end as RFC 6455 7.1 says: a close frame each way, then the end of TCP
(after close_notify, under TLS), never a reset.
"""
import itertools
import re
import select
import socket
import struct
import threading
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import backends
import gateway
import pytest
import wsraw
from gateway import Gateway, rss_of
from wait import eventually, promptly
from wsraw import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT

BACKENDS = ("program", "service")
KEEP = Path(__file__).with_name("keep.pl")
PACED = 200  # up to so many writes the gateway is given time to read each by itself
IN_THE_KERNEL = 32768  # so much can be sent by who does not read
PATIENCE = 120  # seconds without a byte: 65536 records of one byte take their time on a busy machine
# By so much the memory of a gateway may grow in a whole file: its sanitizer keeps 16 MiB of what was freed, and gives no size of
# block back that was needed once (69 MiB were seen after messages of 16 MiB with zlib between). It finds leaks by itself.
MEMORY = 128 << 20

# A message of more than this goes to the program as it comes; what is shorter goes whole.
HELD = 65536


@dataclass(frozen=True)
class Case:
    """One case. Whatever is large may be given as a function that makes it."""

    name: str  # section of RFC 6455 (or "7692 ..."), and what is done: the id of the test
    sends: object  # bytes of the wire, or a list of writes
    messages: object = ()  # (opcode, payload) of every message that the backend gets whole, and sends back
    part: bytes = None  # payload of a message that began and never ends; None if there is none
    pongs: object = ()  # payload of each pong that must come
    skips: bool = False  # ... all but the last may be missing (5.5.3)
    code: int = None  # of the gateway's close frame; None: one without payload
    ends: str = ""  # see ENDS
    chop: int = None  # bytes of each write
    route: dict = field(default_factory=dict)  # keys of the route, beside exec, connect and framing
    headers: tuple = ()  # pairs, of the opening handshake
    inflate: object = None  # makes, for a connection, the function from a message with RSV1 to its payload
    orderly: bool = None  # does the backend see an orderly end? None: when both sides wanted it

    def __post_init__(self):
        assert re.match(r"\d+(\.\d+)* \S", self.name), f"{self.name!r} names no section"
        if not self.ends:
            object.__setattr__(self, "ends", "closes" if self.code is None else "fails")
        assert self.ends in ENDS, self.ends

    def writes(self):
        """The wire, as the client writes it."""
        wire = made(self.sends)
        if isinstance(wire, (bytes, bytearray)):
            step = self.chop or max(len(wire), 1)
            return [wire[at : at + step] for at in range(0, len(wire), step)]
        assert self.chop is None
        return list(wire)


ENDS = {
    "closes": "the client closes with 1000 when everything has come back; the gateway answers",
    "fails": "the gateway closes with `code`; the client answers",
    "closed": "a close frame is among what the client sends; the gateway answers with `code`",
    "drop": "the client's TCP ends without a close frame when all is sent and read",
    "reset": "... with a reset",
    "shut": "... in its direction only",
}


def made(value):
    return value() if callable(value) else value


def payload(n, text=False):
    """n bytes with no short period; of text: characters of one byte."""
    period = bytes(range(32, 127)) * 2 + b"\n" if text else bytes(range(251))
    return (period * (n // len(period) + 1))[:n]


def fragments(opcode, parts, between=b"", **options):
    """A message in these parts, with the same bytes after each but the last."""
    frames = [
        wsraw.frame(CONTINUATION if i else opcode, part, fin=i == len(parts) - 1, **options)
        for i, part in enumerate(parts)
    ]
    return between.join(frames)


def backends_of(case):
    """Over which of them it is played: both, but with --tls one, since neither knows what carries the client's bytes. Nor
    does who reads the frames: of cases that come in one write, and end as most do, one in three is played over TLS."""
    if not gateway.over_tls:
        return BACKENDS
    number = zlib.crc32(case.name.encode())
    like_most = case.ends in ("closes", "fails") and case.chop is None and isinstance(case.sends, bytes)
    return () if like_most and number // 2 % 3 else (BACKENDS[number % 2],)


def each(cases):
    """Makes a test of each case over each backend."""
    names = [case.name for case in cases]
    twice = {name for name in names if names.count(name) > 1}
    assert not twice, f"the same name twice: {twice}"
    return pytest.mark.parametrize(
        "case,backend",
        [
            pytest.param(case, backend, id=f"{backend}-{case.name}")
            for backend in BACKENDS
            for case in cases
            if backend in backends_of(case)
        ],
    )


class Kept:
    """What a TCP service got on one connection."""

    def __init__(self):
        self.data, self.end = bytearray(), None


class Echo(backends.Service):
    """A TCP echo that keeps what came, by connection."""

    def __init__(self):
        self.kept = {}  # by connection
        super().__init__(Echo.echo)

    def echo(self, sock):
        kept, writes, end = Kept(), True, "EOF"
        self.kept[sock] = kept
        try:
            while data := sock.recv(1 << 18):
                kept.data += data
                try:
                    if writes:
                        sock.sendall(data)
                except BrokenPipeError:  # the end has come already, and we are too late for the gateway
                    writes = False
                except ConnectionResetError:  # what came before the reset can still be read
                    writes, end = False, "reset"
            kept.end = end
        except ConnectionResetError:
            kept.end = "reset"
        sock.close()

    def next(self):
        """A function that returns what comes on the next connection, None as long as there is none. Sessions of before may
        have left without anybody here having accepted theirs, so one more is made, of which it is known."""
        known = len(self.connections)
        with socket.create_connection(self.listener.getsockname()) as last:
            peer = last.getsockname()
            eventually(lambda: peer in self.peers[known:], "the service accepts nobody")
        n = self.peers.index(peer, known) + 1
        return lambda: self.kept.get(self.connections[n]) if len(self.connections) > n else None


def records(data):
    """What a program got: (messages, the type and payload of one that never ended, or None)."""
    messages, parts, at = [], [], 0
    while at < len(data):
        assert len(data) - at >= 5, f"half a record at {at}: {data[at:]!r}"
        kind, n = struct.unpack_from("!cI", data, at)
        assert kind in b"tbTB", kind
        assert at + 5 + n <= len(data), f"{len(data) - at - 5} bytes in a record of {n}"
        parts.append((TEXT if kind in b"tT" else BINARY, data[at + 5 : at + 5 + n]))
        at += 5 + n
        if kind in b"tb":
            messages.append(joined(parts))
            parts = []
    return messages, joined(parts) if parts else None


def joined(parts):
    opcodes = {opcode for opcode, _ in parts}
    assert len(opcodes) == 1, "a message changes its type"
    return opcodes.pop(), b"".join(part for _, part in parts)


class Hearing:
    """What comes from the gateway: every frame must keep the rules that hold for a server (5.1, 5.2, 5.4, 5.5)."""

    def __init__(self, raw, inflate=None):
        self.raw, self.inflate = raw, inflate
        self.data, raw.ahead = bytearray(raw.ahead), b""
        self.messages, self.pongs, self.close = [], [], None
        self.open = None  # [opcode, rsv, payload] of a message that has not ended
        self.n_bytes = 0  # of payload, that of the open message included

    def header(self):
        """Decodes one: (opcode, fin, rsv, where its payload begins, its length), None when it is not here yet."""
        data = self.data
        if len(data) < 2:
            return None
        n, at = data[1] & 0x7F, 2
        assert not data[1] & 0x80, "a server's frame is masked"
        if n >= 126:
            form, least, at = ("!H", 126, 4) if n == 126 else ("!Q", 65536, 10)
            if len(data) < at:
                return None
            (n,) = struct.unpack_from(form, data, 2)
            assert n >= least, "not the shortest form"
        return data[0] & 0x0F, bool(data[0] & 0x80), data[0] >> 4 & 7, at, n

    def take(self):
        """Takes one frame off what is here, if it is whole."""
        head = self.header()
        if head is None or len(self.data) < head[3] + head[4]:
            return False
        opcode, fin, rsv, at, n = head
        body = bytes(memoryview(self.data)[at : at + n])
        del self.data[: at + n]
        assert self.close is None, f"a frame after the close frame: {opcode:x}"
        if opcode >= 8:
            assert fin and rsv == 0 and n <= 125, (opcode, fin, rsv, n)
            self.hear_control(opcode, body)
        else:
            self.hear_data(opcode, fin, rsv, body)
        return True

    def hear_control(self, opcode, body):
        assert opcode in (CLOSE, PING, PONG), opcode
        if opcode == PONG:
            self.pongs.append(body)
        elif opcode == CLOSE:
            self.close = wsraw.Frame(CLOSE, body, True)
            assert not body or len(body) >= 2 and self.close.code not in (1004, 1005, 1006, 1015), body
            self.close.reason  # valid UTF-8

    def hear_data(self, opcode, fin, rsv, body):
        if opcode == CONTINUATION:
            assert self.open and rsv == 0, (self.open and self.open[0], rsv)
        else:
            assert opcode in (TEXT, BINARY) and self.open is None, opcode
            assert rsv == 0 or rsv == 4 and self.inflate, rsv
            self.open = [opcode, rsv, []]
        self.open[2].append(body)
        self.n_bytes += len(body)
        if fin:
            opcode, rsv, parts = self.open
            whole = self.inflate(b"".join(parts)) if rsv else b"".join(parts)
            if rsv:
                self.n_bytes += len(whole) - sum(map(len, parts))
            if opcode == TEXT:
                whole.decode()
            self.messages.append((opcode, whole))
            self.open = None

    def until(self, enough):
        """Reads until enough() or until the gateway's close frame."""
        while not enough() and self.close is None:
            while self.close is None and self.take():
                pass
            if enough() or self.close is not None:
                return
            data = self.raw.read_some()
            assert data, f"end of TCP after {self}"
            self.data += data

    def look(self):
        """Takes what is here; has the gateway closed?"""
        while self.close is None and select.select([self.raw.sock], [], [], 0)[0]:
            data = self.raw.read_some()
            self.data += data
            while self.close is None and self.take():
                pass
            if not data:
                break
        return self.close is not None

    def ended(self):
        """Reads the end, of which nothing may be missing."""
        self.raw.ahead, self.data = bytes(self.data), bytearray()
        self.raw.ended()
        assert not self.raw.cut, "a reset instead of an end"

    @property
    def stream(self):
        """The payload of everything so far."""
        return b"".join([body for _, body in self.messages] + (self.open[2] if self.open else []))

    def __str__(self):
        return f"{len(self.messages)} messages, {self.n_bytes} bytes, {len(self.pongs)} pongs, close {self.close}"


class Sending(threading.Thread):
    """Writes while somebody else reads; what goes wrong is raised by done()."""

    def __init__(self, raw, writes):
        super().__init__(daemon=True)
        self.raw, self.writes, self.error = raw, writes, None
        self.start()

    def run(self):
        try:
            for data in self.writes:
                self.raw.send(data)
        except OSError as error:
            self.error = error

    def done(self):
        self.join(PATIENCE)
        assert not self.is_alive(), "the gateway does not read on"
        if self.error:
            raise self.error


class Ground:
    """What the cases of a file are played on: a gateway with a pair of routes for each set of route keys."""

    def __init__(self, directory, cases):
        self.directory = directory
        self.kept = directory / "kept"
        self.kept.mkdir()
        self.numbers = itertools.count()
        self.echo = Echo()
        self.sets = []
        for case in cases:
            if case.route not in self.sets:
                self.sets.append(case.route)
        sections = {"defaults": {"ping_interval": "1h"}, "route /beacon": {"exec": "cat"}}
        # A busy machine must not make an end of the program's input, or the end of its output, look like another one.
        program = {"framing": "records", "closing_wait": "60s", "stop_grace": "60s"}
        for i, keys in enumerate(self.sets):
            sections[f"route /program/{i}"] = {"exec": "cat", **program, **keys}
            sections[f"route /kept/{i}/*"] = {"exec": f"{KEEP} {self.kept}", **program, **keys}
            sections[f"route /service/{i}"] = {"connect": self.echo.uri, **keys}
        # One worker: what it read before it answered the beacon, it read by itself.
        self.gateway = Gateway(directory / "gateway", sections, gateway={"workers": 1})
        self.gateway.take_baseline()
        self.beacon = self.gateway.ws("/beacon")
        self.memory = rss_of(self.gateway.pid)

    def done(self):
        """Everything is back where it was."""
        self.beacon.close()
        self.beacon.drop()
        self.gateway.check_idle()
        grown = rss_of(self.gateway.pid) - self.memory
        assert grown < MEMORY, f"memory has grown by {grown} bytes"
        self.gateway.stop()
        self.echo.close()

    def pace(self):
        """When this returns, the gateway has read what was written before."""
        self.beacon.send_frame(PING, b"")
        assert self.beacon.recv_frame().opcode == PONG

    def play(self, case, backend):
        """Plays one case."""
        promptly(lambda: self.once(case, backend))

    def once(self, case, backend):
        keeps = case.ends != "closes"
        n = str(next(self.numbers))
        place = f"/{'kept' if keeps and backend == 'program' else backend}/{self.sets.index(case.route)}"
        connection = self.echo.next() if backend == "service" else None
        with self.gateway.ws(place + f"/{n}" * place.startswith("/kept"), headers=case.headers) as raw:
            raw.sock.settimeout(PATIENCE)
            hearing = Hearing(raw, case.inflate and case.inflate())
            if keeps and backend == "program":
                eventually((self.kept / n).exists, "the program does not begin")
            expected = [(opcode, bytes(body)) for opcode, body in made(case.messages)]
            self.converse(case, backend, raw, hearing, expected)
        if keeps and backend == "program":
            self.check_kept_by_program(case, self.kept / n, expected)
        elif backend == "service":
            kept = eventually(connection, "the service was not reached")
            self.check_kept_by_service(case, kept, expected)
            kept.data.clear()

    def converse(self, case, backend, raw, hearing, expected):
        """The client's side of it, up to the end of TCP."""
        pongs = list(made(case.pongs))
        stream = b"".join(body for _, body in expected) + (case.part or b"")
        whole_parts = backend == "service"

        def all_came():
            here = hearing.n_bytes >= len(stream) if whole_parts else len(hearing.messages) >= len(expected)
            return here and (
                pongs == [] or hearing.pongs[-1:] == pongs[-1:] and (case.skips or len(hearing.pongs) >= len(pongs))
            )

        sending = self.send(raw, case.writes(), hearing)
        if case.ends in ("fails", "closed"):
            hearing.until(lambda: False)
        else:
            hearing.until(all_came)
            assert hearing.close is None, hearing.close
        if sending:
            sending.done()
        if case.ends in ("drop", "reset", "shut"):
            self.pace()
            getattr(raw, case.ends)()
            if case.ends == "shut":
                raw.rest()
            return
        if case.ends == "closes":
            raw.send_close(1000)
            hearing.until(lambda: False)
        elif case.ends == "fails":
            raw.send_close(case.code)
        hearing.ended()
        self.check_heard(case, backend, hearing, expected, stream)

    def send(self, raw, writes, hearing):
        """Writes it; by a thread, which is returned, if it could be too much for who does not read. What comes behind the
        gateway's close frame is not waited for by it any longer than it takes to write it."""
        if sum(map(len, writes)) > IN_THE_KERNEL:
            return Sending(raw, writes)
        paced = len(writes) <= PACED
        for i, data in enumerate(writes):
            if paced and i > 0:
                self.pace()
                paced = not hearing.look()
            raw.send(data)
        return None

    @staticmethod
    def check_heard(case, backend, hearing, expected, stream):
        """Did the client get what it must?"""
        assert hearing.close.code == (1000 if case.ends == "closes" else case.code), hearing.close
        complete = case.ends == "closes"
        complete = complete or case.ends == "closed" and backend == "program"
        if backend == "service":
            assert all(opcode == BINARY for opcode, _ in hearing.messages)
            got = hearing.stream
            assert got == stream if complete else stream.startswith(got), (len(got), len(stream))
        else:
            got = hearing.messages
            assert got == expected if complete else got == expected[: len(got)], short(got)
            assert case.ends != "closes" or hearing.open is None, hearing.open
        pongs = list(made(case.pongs))
        if case.skips:
            rest = iter(pongs)
            assert all(pong in rest for pong in hearing.pongs), "pongs that answer nothing, or in another order"
            assert hearing.pongs[-1:] == pongs[-1:], hearing.pongs[-1:]
        else:
            assert hearing.pongs == pongs, (hearing.pongs[:20], pongs[:20])

    @staticmethod
    def orderly(case):
        return case.ends in ("closes", "closed") if case.orderly is None else case.orderly

    def check_kept_by_program(self, case, path, expected):
        """Every whole message, and no end of file where one is missing its end."""
        ending = path.with_name(path.name + ".end")
        eventually(ending.exists, lambda: f"the program does not end: {path.exists() and path.read_bytes()[:200]!r}")
        messages, rest = records(path.read_bytes())
        assert messages == expected, short(messages)
        if rest is not None:
            assert case.part is not None and case.part.startswith(rest[1]), rest[1][:200]
        told = case.part is not None and len(case.part) > HELD  # of half a message, which has no end then
        whole = case.part is None or (self.orderly(case) and not told)
        assert ending.read_text() == ("EOF" if whole else "TERM")
        path.unlink()
        ending.unlink()

    def check_kept_by_service(self, case, kept, expected):
        """Every byte; an end of file only after an orderly end."""
        eventually(lambda: kept.end, "the service sees no end")
        whole = b"".join(body for _, body in expected) + (case.part or b"")
        assert kept.data == whole, (len(kept.data), len(whole), bytes(kept.data[:200]), whole[:200])
        assert kept.end == ("EOF" if self.orderly(case) else "reset")


def short(messages):
    return [(opcode, len(body), body[:80]) for opcode, body in messages[:20]]


@pytest.fixture(scope="module")
def ground(request, tmp_path_factory):
    """For the CASES of the file."""
    it = Ground(tmp_path_factory.mktemp(request.module.__name__), request.module.CASES)
    try:
        yield it
        it.done()
    finally:
        it.gateway.kill()
