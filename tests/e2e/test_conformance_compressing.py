"""permessage-deflate, what the gateway sends (RFC 7692 6.1, 7.2.1) and when; memory of sessions that compress, and bombs.

Memory is that of the release build: sanitizers keep what was freed.
"""
import fcntl
import select
import struct
import termios
import threading
import zlib
from pathlib import Path

import backends
import pytest
from backends import service
from conformance import BACKENDS, Hearing, Sending, payload
from deflated import TAIL, Unpacker, agreed, cut, noise, offer, packed, zframe
from gateway import Gateway, rss_of
from wait import eventually, plateau, promptly
from wsraw import BINARY, CONTINUATION, PING, PONG, TEXT, frame

KIB = 1024
ON = {"deflate": "yes"}
ALL = {**ON, "deflate_threshold": "0"}
ROUTES = {
    "default": ON,
    **{f"from-{n}": {**ON, "deflate_threshold": str(n)} for n in (0, 1, 2, 100, 20000)},
    "context": {**ALL, "deflate_context": "yes"},
    "level-9": {**ALL, "deflate_level": "9"},
    "window-15": {**ALL, "deflate_window": "15"},
    "window-9": {**ALL, "deflate_window": "9"},
}
WORDS = payload(3000, True) + b"the gateway keeps nothing of this message. " * 100


def GATEWAY(directory):
    echo = backends.Service(backends.echo)
    sections = {
        f"route /program/{name}": {"exec": "cat", "framing": "records", **keys} for name, keys in ROUTES.items()
    }
    sections |= {f"route /service/{name}": {"connect": echo.uri, **keys} for name, keys in ROUTES.items()}
    return Gateway(directory, sections)


class Client:
    """A client that speaks the extension, and keeps the frames that it got."""

    def __init__(self, gw, path, *params):
        self.raw = gw.ws(path, headers=offer(*params))
        spoken = agreed(self.raw.answer)
        self.unpack = Unpacker(
            "server_no_context_takeover" not in spoken, int(spoken.get("server_max_window_bits", 15))
        )
        self.frames = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.raw.drop()

    def message(self):
        """The next message: (opcode, payload, was it compressed, bytes on the wire)."""
        self.frames = [self.raw.recv_frame(rsv=4)]
        while not self.frames[-1].fin:
            self.frames.append(self.raw.recv_frame())
            assert self.frames[-1].opcode == CONTINUATION
        first = self.frames[0]
        wire = b"".join(one.payload for one in self.frames)
        return first.opcode, self.unpack(wire) if first.rsv else wire, bool(first.rsv), len(wire)

    def echo(self, data, opcode=BINARY):
        """A message there and back: (was it compressed, bytes on the wire)."""
        self.raw.send_frame(opcode, data)
        got = self.message()
        assert got[:2] == (opcode, data)
        return got[2:]


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("name,n", [("default", 1024), *((f"from-{n}", n) for n in (0, 1, 2, 100, 20000))])
def test_threshold(gw, name, n, opcode):
    """Messages from so many bytes on are compressed (6: that is for every message to decide)."""
    with Client(gw, f"/program/{name}") as client:
        for length in (n - 1, n, n + 1, 0, 65536, n):
            if length >= 0:
                assert client.echo(payload(length, True), opcode)[0] == (length >= n), length
        client.raw.close()


@pytest.mark.parametrize("n", [0, 1, 2, 100, 20000])
def test_threshold_of_a_service(gw, n):
    """What came from it at once is a message; it may come in parts."""
    with Client(gw, f"/service/from-{n}") as client:
        for length in (n - 1, n, n + 1, 70000):
            data, got = payload(max(length, 0), True), b""
            client.raw.send_binary(data)
            while len(got) < len(data):
                opcode, part, compressed, _ = client.message()
                assert opcode == BINARY and compressed == (len(part) >= n), len(part)
                got += part
            assert got == data
        client.raw.close()


def test_an_empty_message_7_2_3_6(gw):
    with Client(gw, "/program/from-0") as client:
        for opcode in (TEXT, BINARY, TEXT):
            assert client.echo(b"", opcode) == (True, 1)
            assert client.frames[0].payload == b"\x00"
        client.raw.close()


@pytest.mark.parametrize("n", [65536, 65537, 200000, 1 << 20])
@pytest.mark.parametrize("make", [noise, bytes, lambda n: payload(n, True)], ids=["noise", "zeros", "text"])
def test_fragments_6_1(gw, make, n):
    """Only the first has RSV1 (message() looks), and what can't be compressed hardly grows."""
    with Client(gw, "/program/default") as client:
        data = make(n)
        compressed, wire = client.echo(data)
        assert compressed and wire <= n + n // 100 + 64, wire
        assert all(len(one.payload) <= 16 * KIB for one in client.frames)
        client.raw.close()


def test_all_of_a_piece_is_there(gateway):
    """Nothing waits in zlib for the end of a message."""
    parts = [b"Hello" * 300, b"a", b"", b"bc" * 2000, b"end"]
    heard = [threading.Event() for _ in parts]

    def tells(it, sock):
        for i, part in enumerate(parts):
            sock.sendall(struct.pack("!cI", b"t" if i == len(parts) - 1 else b"T", len(part)) + part)
            heard[i].wait(120)
        backends.sink(it, sock)

    with service(tells) as it:
        gw = gateway({"route /": {"connect": it.uri, "framing": "records", **ON}})
        with gw.ws("/", headers=offer()) as raw:
            unpack = zlib.decompressobj(-12)
            for i, part in enumerate(parts[:-1]):
                got = b""
                while len(got) < len(part):
                    one = raw.recv_frame(rsv=0 if i else 4)
                    assert one.opcode == (CONTINUATION if i else TEXT) and not one.fin
                    got += unpack.decompress(one.payload)
                assert got == part
                heard[i].set()
            last = raw.recv_frame()
            assert last.fin and unpack.decompress(last.payload + TAIL) == b"end"
            heard[-1].set()
            raw.close()


def test_control_frames_between_6_1(gw):
    """Pongs between the frames of a compressed message, themselves never compressed."""
    with gw.ws("/program/from-0", headers=offer()) as raw:
        data, hearing = noise(300000), Hearing(raw, Unpacker())
        raw.send_frame(BINARY, data[:1000], fin=False)
        for part in cut(data[1000:], 20000):
            raw.send_frame(PING, b"ping")
            raw.send_frame(CONTINUATION, part, fin=False)
        raw.send_frame(CONTINUATION, b"")
        raw.send_frame(PING, b"last")
        hearing.until(lambda: hearing.messages and hearing.pongs[-1:] == [b"last"])
        assert hearing.messages == [(BINARY, data)]
        raw.close()


@pytest.mark.parametrize("backend", BACKENDS)
def test_context_7_1_1(gw, backend):
    """Taken over a message costs next to nothing the second time; not taken over it costs the same."""
    for path, params, kept in [
        ("context", (), True),
        ("context", ("server_no_context_takeover",), False),
        ("from-0", (), False),
    ]:
        with Client(gw, f"/{backend}/{path}", *params) as client:
            first = client.echo(noise(1000))[1]
            second = client.echo(noise(1000))[1]
            assert first > 990 and (second < 50 if kept else second == first), (first, second)
            client.raw.close()


def test_level_and_window(gw):
    """The keys do what they say."""
    sizes = {}
    for name in ("from-0", "level-9", "window-9", "window-15"):
        with Client(gw, f"/program/{name}") as client:
            sizes[name] = [client.echo(data)[1] for data in (WORDS, noise(3000) * 2, noise(20000) * 2)]
            client.raw.close()
    assert sizes["level-9"][0] < sizes["from-0"][0]
    assert sizes["window-9"][1] > 5900 > 3500 > sizes["from-0"][1], sizes
    assert sizes["from-0"][2] > 39000 > 21000 > sizes["window-15"][2], sizes


# Memory and bombs

STALLED = 4
SLACK = 1536 * KIB  # what the process itself may grow by: its allocator, its loops
BUFFER = 256 * KIB


def bomb(n):
    """n MiB of zeros, compressed once and then said again and again: each MiB is a KiB and refers to nothing before it."""
    it = zlib.compressobj(9, zlib.DEFLATED, -15)
    one = it.compress(bytes(1 << 20)) + it.flush(zlib.Z_FULL_FLUSH)
    return one * n + b"\x00"


def warm(gw, path):
    """One session with a message each way, so that what is only allocated once is there; returns the memory then."""
    with gw.ws(path, headers=offer()) as raw:
        raw.send(zframe(BINARY, packed(bytes(100000))))
        raw.recv_frame(rsv=4)
    gw.wait_log("session ended")
    return plateau(lambda: rss_of(gw.pid))


def has_data(sock):
    """Has something come that was not read?"""
    return bool(select.select([sock], [], [], 0)[0])


def unsent(sock):
    """How many bytes the other end's kernel has not taken."""
    return struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)))[0]


def sleeps(pid):
    """Do all its threads wait for something? One that only waits for a CPU does not."""
    states = [task.read_text().rsplit(")", 1)[1].split()[0] for task in Path(f"/proc/{pid}/task").glob("*/stat")]
    return set(states) == {"S"}


def test_bomb_and_max_message(gateway):
    """A GiB of zeros: cut at the limit, and nothing of it is held."""
    with service(backends.echo) as echo:
        gw = gateway({"route /bomb": {"connect": echo.uri, "max_message": "1M", **ON}}, release=True)
        before = warm(gw, "/bomb")

        def play():
            with gw.ws("/bomb", headers=offer()) as raw:
                raw.send(zframe(BINARY, bomb(1000)))
                hearing = Hearing(raw, Unpacker())
                hearing.until(lambda: False)
                assert hearing.close.code == 1009
                assert sum(len(body) for _, body in hearing.messages) <= 1 << 20
                raw.send_close(1009)
                hearing.ended()

        for _ in range(STALLED):
            promptly(play)
        assert rss_of(gw.pid) - before < SLACK


def test_bomb_and_nobody_reads(gateway):
    """Without a limit: what is held stays within `buffer`, whatever the message becomes."""
    go, socks = threading.Event(), []

    def waits(_it, sock):
        socks.append(sock)
        go.wait(120)
        backends.reset(sock)

    with service(waits) as it, service(backends.echo) as echo:
        routes = {"route /bomb": {"connect": it.uri, **ON}, "route /warm": {"connect": echo.uri, **ON}}
        gw = gateway(routes, release=True)
        before = warm(gw, "/warm")
        clients = [gw.ws("/bomb", headers=offer()) for _ in range(STALLED)]
        wire = zframe(BINARY, bomb(1000))
        for raw in clients:
            Sending(raw, [wire])  # as much as goes
        # It has begun with each, and goes on with none.
        eventually(lambda: len(socks) == STALLED and all(map(has_data, socks)), "the bombs do not come out")
        eventually(lambda: sleeps(gw.pid), "the gateway goes on")
        # The state of zlib, and what was read and waits.
        bound = STALLED * (BUFFER + 64 * KIB + 64 * KIB) + SLACK
        grown = plateau(lambda: rss_of(gw.pid)) - before
        print(f"{STALLED} bombs that nobody takes: {grown // KIB} KiB, bound {bound // KIB} KiB")
        assert grown <= bound
        assert all(unsent(raw.sock) > 0 for raw in clients), "a whole bomb was taken"
        go.set()
        for raw in clients:
            raw.rest()
            raw.drop()


def test_bomb_that_is_taken(gateway):
    """Without a limit, and with who reads it comes through whole; others are served in its midst."""
    n, total = 16, [0]
    there, go = threading.Event(), threading.Event()

    def counts(it, sock):
        while data := sock.recv(1 << 18):
            assert not data.strip(b"\0")
            total[0] += len(data)
            there.set()
            go.wait(120)
        sock.close()

    with service(counts) as it, service(backends.echo) as echo:
        gw = gateway(
            {"route /bomb": {"connect": it.uri, **ON}, "route /echo": {"connect": echo.uri}},
            gateway={"workers": 1},
            release=True,
        )
        with gw.ws("/bomb", headers=offer()) as raw, gw.ws("/echo") as other:
            raw.send(zframe(BINARY, bomb(n)))
            assert there.wait(60)
            other.send_frame(PING, b"")
            assert other.recv_frame().opcode == PONG
            go.set()
            while (before := total[0]) < n << 20:
                eventually(lambda before=before: total[0] > before, f"no more than {before} bytes")
            assert total[0] == n << 20
            raw.close()
            other.close()


@pytest.mark.parametrize("context,bound", [("no", 8 * KIB), ("yes", 56 * KIB)])
def test_memory_of_idle_sessions(gateway, context, bound):
    """After a message each way a session holds nothing for the next one; with a context its window and 38 KiB."""
    n, grown = 100, {}
    with service(backends.echo) as echo:
        routes = {
            "/plain": {"connect": echo.uri},
            "/deflate": {"connect": echo.uri, "deflate_context": context, **ON},
        }
        for path, keys in routes.items():
            gw = gateway({f"route {path}": keys}, gateway={"workers": 1}, release=True)
            send, rsv = (
                (zframe(BINARY, packed(noise(8000))), 4) if path == "/deflate" else (frame(BINARY, noise(8000)), 0)
            )
            before = rss_of(gw.pid)
            clients = [gw.ws(path, headers=offer()) for _ in range(n)]
            for raw in clients:
                raw.send(send)
                assert raw.recv_frame(rsv=4).rsv == rsv
            grown[path] = plateau(lambda gw=gw: rss_of(gw.pid)) - before
            for raw in clients:
                raw.reset()
    extra = (grown["/deflate"] - grown["/plain"]) // n
    print(f"context {context}: {extra} bytes for a session, beside one that does not compress")
    assert extra < bound, grown
