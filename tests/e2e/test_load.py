"""The load generator (tests/bench) finds what a gateway can do wrong: in each test there is one fault, which it must name."""
import json
import re
import socket
import subprocess
import threading

import pytest
from gateway import RELEASE
from liar import KINDS, liar
from wsraw import BINARY, CONTINUATION, TEXT

pytestmark = pytest.mark.plain_only("has TLS of its own")

LOAD = RELEASE.parent / "tests/bench/load"
AT = 3000  # bytes, before a fault
SIZE = 1000
PERIOD = 65521  # after so many bytes the pattern begins again
ALL = list(KINDS)
WEBSOCKET = ["ws", "wss"]
STALLED = "(after|for) 1 s"
LONG = "--seconds=30"  # for a fault that comes while it measures, however busy the machine is: it ends at that


def load(url, *options):
    """Runs it, with the patience that a busy machine asks for."""
    argv = [
        LOAD,
        f"--to={url}",
        f"--size={SIZE}",
        "--seconds=0.1",
        "--warmup=0.05",
        "--patience=30",
        "--json",
        *options,
    ]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)


def fails(url, why, *options):
    """It ends with status 1 and says why, which is a regular expression."""
    done = load(url, *options, *(["--patience=1"] if why == STALLED else []))
    assert done.returncode == 1 and re.search(why, done.stderr), done


def passes(url, *options):
    """It ends well; its report."""
    done = load(url, *options)
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def echo(peer, wrong=lambda data: data, at=AT):
    """Sends back what comes, but for `wrong` of the first piece that comes behind `at` bytes."""
    seen = 0
    for data in peer.pieces():
        peer.send(wrong(data) if seen <= at < seen + len(data) else data)
        seen += len(data)
    peer.end()


def swapped(data):
    """Two bytes that differ have changed places."""
    i = next(i for i in range(len(data) // 2, len(data)) if data[i] != data[i - 1])
    return data[: i - 1] + data[i : i + 1] + data[i - 1 : i] + data[i + 1 :]


MIDDLE = SIZE // 2
WRONG = {
    "lost": lambda data: data[:MIDDLE] + data[MIDDLE + 1 :],
    "doubled": lambda data: data[:MIDDLE] + data[MIDDLE - 1 :],
    "swapped": swapped,
    "foreign": lambda data: data[:MIDDLE] + bytes([data[MIDDLE] ^ 1]) + data[MIDDLE + 1 :],
    "first": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "last": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "earlier": lambda data: data[:MIDDLE] * 2,
}


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("mode", ["echo", "connect", "idle"])
def test_honest(kind, mode):
    """Nothing is wrong, so that what the other tests find is their fault."""
    with liar(kind, echo) as url:
        report = passes(url, f"--mode={mode}", "--sessions=2", *(["--boundaries"] if kind in WEBSOCKET else []))
    assert report.get("cut", 0) == 0


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("fault", list(WRONG))
def test_wrong_bytes(kind, fault):
    with liar(kind, lambda peer: echo(peer, WRONG[fault])) as url:
        fails(url, "wrong byte", LONG)


@pytest.mark.parametrize("kind", ALL)
def test_a_byte_too_many_at_the_end(kind):
    """Behind all that was sent, when the client has ended already; it is the one that would have come next."""

    def behaviour(peer):
        first = b""
        for data in peer.pieces():
            first = first or data[:1]
            peer.send(data)
        peer.send(first)
        peer.end()

    with liar(kind, behaviour) as url:
        fails(url, "more came back than was sent", f"--size={PERIOD}")


@pytest.mark.parametrize("kind", ALL)
def test_the_last_byte_is_lost(kind):
    """Nothing is wrong with what comes."""
    with liar(kind, lambda peer: echo(peer, lambda data: data[:-1], at=0)) as url:
        fails(url, STALLED, "--mode=connect")


@pytest.mark.parametrize("kind", ALL)
def test_a_stall(kind):
    """All is taken and nothing comes back."""
    with liar(kind, lambda peer: [None for _ in peer.pieces()]) as url:
        fails(url, STALLED)


@pytest.mark.parametrize("kind", ALL)
def test_no_end(kind):
    """All comes back, but the service does not end when the client has."""
    over = threading.Event()

    def behaviour(peer):
        for data in peer.pieces():
            peer.send(data)
        over.wait(60)

    with liar(kind, behaviour) as url:
        fails(url, STALLED)
        over.set()


@pytest.mark.parametrize("kind", ALL)
def test_an_end_too_early(kind):
    def behaviour(peer):
        peer.send(next(peer.pieces()))
        peer.end()

    with liar(kind, behaviour) as url:
        fails(url, "closed with 1000" if kind in WEBSOCKET else "closed by the peer")


@pytest.mark.parametrize("kind", WEBSOCKET)
@pytest.mark.parametrize("code", [1001, 1011, None])
def test_close_codes(kind, code):
    """The answer to 1000 must be 1000."""

    def behaviour(peer):
        for data in peer.pieces():
            peer.send(data)
        peer.close(code)

    with liar(kind, behaviour) as url:
        fails(url, f"closed with {code or 1005}")


@pytest.mark.parametrize("kind", WEBSOCKET)
def test_no_close_frame(kind):
    """All has come, and only TCP ends."""

    def behaviour(peer):
        for data in peer.pieces():
            peer.send(data)
        peer.cut()

    with liar(kind, behaviour) as url:
        fails(url, "without a close frame")


FRAMES = {
    "masked": (lambda peer, data: peer.frame(BINARY, data, mask=b"abcd"), "broken frame"),
    "reserved bit": (lambda peer, data: peer.frame(BINARY, data, rsv=4), "broken frame"),
    "long form": (lambda peer, data: peer.frame(BINARY, data, form=64), "broken frame"),
    "no beginning": (lambda peer, data: peer.frame(CONTINUATION, data), "broken frame"),
    "another type": (lambda peer, data: peer.frame(TEXT, data), "another type"),
    "two messages": (
        lambda peer, data: [peer.send(half) for half in (data[:MIDDLE], data[MIDDLE:])],
        "a message of 500",
    ),
    "behind the end": (lambda peer, data: [peer.send(data), peer.close(), peer.send(data)], "closed with 1000"),
}


@pytest.mark.parametrize("kind", WEBSOCKET)
@pytest.mark.parametrize("fault", list(FRAMES))
def test_frames(kind, fault):
    send, why = FRAMES[fault]
    with liar(kind, lambda peer: [send(peer, data) for data in peer.pieces()]) as url:
        fails(url, why, "--boundaries", LONG)


def test_data_after_the_close_frame():
    def behaviour(peer):
        for data in peer.pieces():
            peer.send(data)
        peer.close()
        peer.send(b"A")

    with liar("ws", behaviour) as url:
        fails(url, "data after close")


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 404 Not Found\r\n\r\n", b"HTTP/1.1 101 Fine\r\nUpgrade: websocket\r\n\r\n"]
)
def test_no_upgrade(answer):
    with liar("ws", echo, answer=answer) as url:
        fails(url, "not upgraded")


# Programs and sources: what comes ends by itself.


def says(text, end="end"):
    def behaviour(peer):
        peer.send(text)
        getattr(peer, end)()
        peer.wait()

    return behaviour


@pytest.mark.parametrize("kind", WEBSOCKET)
def test_programs(kind):
    run = ("--mode=run", "--bytes=5", "--sessions=2", "--count=6")
    with liar(kind, says(b"12345")) as url:
        assert passes(url, *run)["messages"] == 6
    with liar(kind, says(b"1234")) as url:
        fails(url, "closed with 1000", *run)
    with liar(kind, says(b"123456")) as url:
        fails(url, "too much", *run)
    with liar(kind, says(b"12345", "cut")) as url:
        fails(url, "closed by the peer", *run)
        assert passes(url, *run, "--bare-end")["messages"] == 6
    with liar(kind, says(b"1234", "cut")) as url:
        fails(url, "before all had come", *run, "--bare-end")
    with liar(kind, lambda peer: [peer.send(b"12345"), peer.close(1011)]) as url:
        fails(url, "closed with 1011", *run, "--bare-end")
        assert passes(url, *run, "--any-end")["messages"] == 6
    with liar(kind, lambda peer: [peer.send(b"1234"), peer.close(1011)]) as url:
        fails(url, "closed with 1011", *run, "--any-end")
    with liar(kind, says(b"1234", "cut")) as url:
        fails(url, "closed by the peer", *run, "--any-end")


@pytest.fixture(scope="module")
def pattern():
    """What a source sends, its first bytes."""
    argv = [LOAD.with_name("tcpd"), "--mode=source", f"--bytes={3 * SIZE}"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as tcpd:
        host, port = tcpd.stdout.readline().split()[-1].rsplit(":", 1)
        with socket.create_connection((host, int(port))) as sock:
            data = b"".join(iter(lambda: sock.recv(65536), b""))
        tcpd.terminate()
    assert len(data) == 3 * SIZE
    return data


@pytest.mark.parametrize("kind", ALL)
def test_sources(kind, pattern):
    source = ("--mode=flood-from", f"--bytes={len(pattern)}", "--sessions=2")
    with liar(kind, says(pattern)) as url:
        assert passes(url, *source)["bytes"] == 2 * len(pattern)
    with liar(kind, says(pattern[:-1])) as url:
        fails(url, "closed with 1000" if kind in WEBSOCKET else "before all had come", *source)
    with liar(kind, says(pattern + b"A")) as url:
        fails(url, "too much|wrong byte", *source)
    for fault in ("lost", "swapped", "last"):
        with liar(kind, says(WRONG[fault](pattern))) as url:
            fails(url, "wrong byte", *source)


def test_a_source_is_cut(pattern):
    """Within TLS only close_notify says that this was all; where we end first, its absence is counted."""
    with liar("tls", says(pattern, "cut")) as url:
        fails(url, "without close_notify", "--mode=flood-from", f"--bytes={len(pattern)}")

    def behaviour(peer):
        for data in peer.pieces():
            peer.send(data)
        peer.cut()

    with liar("tls", behaviour) as url:
        assert passes(url, "--sessions=3")["cut"] == 3


@pytest.mark.parametrize("kind", ALL)
def test_sinks(kind):
    """One k for each 64 KiB that has arrived."""

    def behaviour(units, ack):
        def sink(peer):
            seen = done = 0
            for data in peer.pieces():
                seen += len(data)
                while seen // 65536 + units > done and (seen >= 65536 or units < 0):
                    peer.send(ack)
                    done += 1
            peer.end()

        return sink

    with liar(kind, behaviour(0, b"k")) as url:
        assert any(passes(url, "--mode=flood-to", f"--seconds={n}")["bytes"] > 0 for n in (0.1, 0.5, 2, 10, 30))
    with liar(kind, behaviour(0, b"l")) as url:
        fails(url, "wrong byte", "--mode=flood-to", LONG)
    with liar(kind, behaviour(-1, b"k")) as url:
        fails(url, STALLED, "--mode=flood-to")


# TLS.


@pytest.mark.parametrize("options, version", [((), "TLSv1.3"), (("--tls1.2",), "TLSv1.2")])
def test_tls_versions(options, version):
    """Each connection speaks the version that was asked for, and is a full handshake unless told."""
    seen = []

    def behaviour(peer):
        seen.append((peer.sock.tls.version(), peer.sock.tls.session_reused))
        echo(peer)

    with liar("wss", behaviour) as url:
        report = passes(url, "--mode=connect", "--count=3", *options)
        assert set(seen) == {(version, False)} and report["resumed"] == 0
        seen.clear()
        report = passes(url, "--mode=connect", "--count=6", "--resume", *options)
        assert {it[0] for it in seen} == {version}
        assert 0 < report["resumed"] == sum(reused for _, reused in seen)
    with liar("tls", echo, version={"TLSv1.3": "1.2", "TLSv1.2": "1.3"}[version]) as url:
        fails(url, "TLS handshake: ", *options)


@pytest.mark.parametrize("kind", ["tls", "wss"])
def test_a_broken_record(kind):
    """Bytes that are not those which the service encrypted."""

    def behaviour(peer):
        for _ in peer.pieces():
            peer.sock.sock.sendall(b"\x17\x03\x03\x00\x40" + b"A" * 64)

    with liar(kind, behaviour) as url:
        fails(url, "recv: ", LONG)


def test_no_tls():
    """Something else answers."""
    with liar("tcp", says(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as url:
        fails(url.replace("tcp:", "tls:"), "TLS handshake: ")


# What others have spent.


def test_children(gateway):
    """The time of programs is apart from the gateway's own."""
    burn = "i=0; while [ $i -lt 40000 ]; do i=$((i+1)); done"
    gw = gateway({"route /burn": {"exec": f"sh -c '{burn}'"}, "route /true": {"exec": "true"}}, release=True)
    watch = ("--mode=run", "--count=20", f"--pid={gw.pid}", "--children")
    burnt, idle = (passes(gw.url + path, *watch) for path in ("/burn", "/true"))
    assert burnt["children_cpu_seconds"] > max(0.2, 2 * idle["children_cpu_seconds"]), (burnt, idle)
    assert burnt["cpu_seconds"] < burnt["children_cpu_seconds"], burnt
