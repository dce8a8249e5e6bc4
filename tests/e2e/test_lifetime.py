"""max_lifetime and idle_timeout: sessions end when their time is up, whatever both sides do then."""
import time

import pytest
from backends import Service, echo
from gateway import Gateway
from wait import eventually
from wsraw import CLOSE

pytestmark = pytest.mark.plain_only("the clock does not know what carries a session; its unit test has the milliseconds")


def GATEWAY(directory):
    bridge = Service(echo)
    it = Gateway(
        directory,
        {
            "route /life": {"connect": bridge.uri, "max_lifetime": "400ms", "send_timeout": "500ms"},
            "route /both": {"connect": bridge.uri, "max_lifetime": "700ms", "idle_timeout": "200ms"},
            "route /program": {"exec": "cat", "max_lifetime": "300ms"},
            "route /long": {"connect": bridge.uri, "max_lifetime": "1h", "idle_timeout": "1h"},
        },
    )
    it.bridge = bridge
    return it


def talk(ws):
    """Says something as long as it is answered; returns the close frame."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        ws.send_text("x")
        got = ws.recv()
        if got.opcode == CLOSE:
            return got
    raise AssertionError("it goes on for ever")


@pytest.mark.parametrize("path, ms", [("/life", 400), ("/program", 300), ("/both", 700)])
def test_lifetime(gw, path, ms):
    """A session that is never idle: 1001, not before its time."""
    with gw.ws(path) as ws:
        got = talk(ws)
        assert (got.code, got.reason) == (1001, "lifetime")
        ws.answer_close(got)
    line = gw.wait_log("session ended")
    assert int(line["code_sent"]) == 1001 and ms <= 1000 * float(line["duration"]) < ms + 5000, line


def test_idle_beside_it(gw):
    with gw.ws("/both") as ws:
        got = ws.recv()
        assert (got.opcode, got.code, got.reason) == (CLOSE, 1001, "idle")
        ws.answer_close(got)
    line = gw.wait_log("session ended")
    assert 200 <= 1000 * float(line["duration"]), line


def test_a_client_that_does_not_answer(gw):
    """It is cut; nothing of its session is left, also when it goes on talking or reads nothing."""
    silent, talks, deaf = gw.ws("/life"), gw.ws("/life"), gw.ws("/life", over=gw.connect(rcvbuf=4096))
    deaf.sock.setblocking(False)
    try:
        deaf.send(b"\x82\xfe\xff\xff\0\0\0\0" + bytes(65535))
        deaf.send(b"\x82\xfe\xff\xff\0\0\0\0" + bytes(65535))
    except BlockingIOError:
        pass
    for ws in (silent, talks):
        assert ws.recv().code == 1001

    def over():
        try:
            talks.send_text("and another thing")
        except OSError:
            pass
        return len(gw.logged("session ended")) == 3

    eventually(over, "a session is left", 20)
    for ws in (silent, talks, deaf):
        ws.drop()


def test_others_are_not_touched(gw):
    """Timers of a session that ends by itself go with it."""
    before = gw.counters()["timers"]
    with gw.ws("/long") as ws:
        assert gw.counters()["timers"] > before
        ws.close()
