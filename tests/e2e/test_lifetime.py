"""max_lifetime and idle_timeout: sessions end when their time is up, whatever both sides do then."""
import socket
import time

import pytest
from backends import Service, echo
from gateway import Gateway
from wait import eventually, promptly
from wsraw import CLOSE

plain = pytest.mark.plain_only("the clock does not know what carries a session; its unit test has the milliseconds")


def gush(it, sock):
    """Says much at once, then nothing more."""
    sock.sendall(bytes(800000))
    it.read(sock)


def farewell(it, sock):
    """Says much at once, and ends."""
    sock.sendall(bytes(REST))
    sock.shutdown(socket.SHUT_WR)
    it.read(sock)


REST = 400000


def GATEWAY(directory):
    bridge, spring, leaving = Service(echo), Service(gush), Service(farewell)
    it = Gateway(
        directory,
        {
            "route /life": {"connect": bridge.uri, "max_lifetime": "400ms", "send_timeout": "500ms"},
            "route /both": {"connect": bridge.uri, "max_lifetime": "700ms", "idle_timeout": "200ms"},
            "route /either": {"connect": bridge.uri, "max_lifetime": "1h", "idle_timeout": "200ms"},
            "route /program": {"exec": "cat", "max_lifetime": "300ms"},
            "route /slow": {"connect": spring.uri, "max_lifetime": "300ms", "send_timeout": "600ms", "buffer": "1M"},
            "route /dull": {"connect": spring.uri, "idle_timeout": "300ms", "send_timeout": "600ms", "buffer": "1M"},
            "route /rest": {"connect": leaving.uri, "idle_timeout": "200ms", "send_timeout": "1s", "buffer": "1M"},
            "route /long": {"connect": bridge.uri, "max_lifetime": "1h", "idle_timeout": "1h"},
        },
    )
    it.bridge = bridge
    return it


def talk(ws):
    """Says something as long as it is answered; returns the close frame."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        ws.send_text("x")
        got = ws.recv()
        if got.opcode == CLOSE:
            return got
    raise AssertionError("it goes on for ever")


@plain
@pytest.mark.parametrize("path, ms", [("/life", 400), ("/program", 300), ("/both", 700)])
def test_lifetime(gw, path, ms):
    """A session that is never idle: 1001, not before its time."""

    def live():
        gw.rest()
        with gw.ws(path) as ws:
            got = talk(ws)
            assert (got.code, got.reason) == (1001, "lifetime")
            ws.answer_close(got)
        return gw.wait_log("session ended")

    line = promptly(live, late=0.15)
    assert (line["reason"], int(line["code_sent"])) == ("lifetime", 1001), line
    assert ms <= 1000 * float(line["duration"]) < ms + 20000, line


@plain
def test_idle_beside_it(gw):
    with gw.ws("/either") as ws:
        got = ws.recv()
        assert (got.opcode, got.code, got.reason) == (CLOSE, 1001, "idle")
        ws.answer_close(got)
    line = gw.wait_log("session ended")
    assert line["reason"] == "idle" and 200 <= 1000 * float(line["duration"]), line


@plain
def test_a_client_that_does_not_answer(gw):
    """It is cut; nothing of its session is left, also when it goes on talking or reads nothing."""
    silent, talks, deaf = gw.ws("/life"), gw.ws("/life"), gw.ws("/life", over=gw.connect(rcvbuf=4096))
    deaf.sock.setblocking(False)
    try:
        deaf.send(b"\x82\xfe\xff\xff\0\0\0\0" + bytes(65535))
        deaf.send(b"\x82\xfe\xff\xff\0\0\0\0" + bytes(65535))
    except OSError:
        pass
    for ws in (silent, talks):
        assert ws.recv().code == 1001

    def over():
        try:
            talks.send_text("and another thing")
        except OSError:
            pass
        return len(gw.logged("session ended")) == 3

    eventually(over, "a session is left")
    assert {line["reason"] for line in gw.logged("session ended")} == {"lifetime"}
    for ws in (silent, talks, deaf):
        ws.drop()


@plain
def test_others_are_not_touched(gw):
    """Timers of a session that ends by itself go with it."""
    before = gw.counters()["timers"]
    with gw.ws("/long") as ws:
        assert gw.counters()["timers"] > before
        ws.close()


@pytest.mark.parametrize("path, why", [("/slow", "lifetime"), ("/dull", "idle")])
def test_a_client_that_reads_slowly(gw, path, why):
    """Bytes that it takes do not put its end off: send_timeout after it began the client is cut, with a reset."""

    def read():
        gw.rest()
        slow = gw.ws(path, over=gw.connect(rcvbuf=4096))
        reads = [time.monotonic()]

        def was_reset():
            if time.monotonic() - reads[-1] > 0.05:
                reads.append(time.monotonic())
                assert slow.sock.recv(2048), "an end of file and no reset"

        with slow:
            with pytest.raises(ConnectionResetError):
                eventually(was_reset, "it stays as long as it likes")
            assert len(reads) > 4
        return gw.wait_log("session ended")

    line = promptly(read, late=0.15)
    assert line["reason"] == why and int(line["code_sent"]) == 1001, line
    assert 880 <= 1000 * float(line["duration"]) < 20000, line  # timers are some milliseconds coarse


def test_the_rest_is_read_slowly(gw):
    """A service that has ended leaves no idle session: what it said last may be read for longer than idle_timeout and
    send_timeout together."""

    def read():
        gw.rest()
        slow = gw.ws("/rest", over=gw.connect(rcvbuf=4096))
        begin = last = time.monotonic()
        got = b""

        def has_read_for_long():
            nonlocal last, got
            if time.monotonic() - last > 0.05:
                last = time.monotonic()
                got += slow.sock.recv(2048)
            return last - begin > 1.6

        eventually(has_read_for_long, "the end of a slow read")
        assert gw.logged("session ended") == []
        while got[-4:] != b"\x88\x02\x03\xe8":
            more = slow.sock.recv(65536)
            assert more, "the end came before the rest"
            got += more
        slow.drop()
        return got, gw.wait_log("session ended")

    got, line = promptly(read, late=0.8)
    assert int(line["code_sent"]) == 1000 and int(line["out_bytes"]) == REST and len(got) > REST / 2, line
