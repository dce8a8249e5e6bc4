"""What a service that keeps silent costs: before it is connected, and when it takes nothing any more."""
import threading
import time
from contextlib import ExitStack, contextmanager

import pytest
import wsraw
from backends import black_hole, closed_port, echo, service
from gateway import Gateway
from test_backpressure import push
from wait import eventually
from wsraw import BINARY, PING, PONG, frame

pytestmark = pytest.mark.plain_only("what a service does is the same for every client")

PATIENCE = 0.3  # connect_timeout, seconds
grounds = ExitStack()


def GATEWAY(directory):
    """A few ports that do not answer, one that refuses, a service, and lists of them."""
    holes = [f"tcp://127.0.0.1:{grounds.enter_context(black_hole())}" for _ in range(2)]
    places = {
        "silent": holes[0],
        "mute": holes[1],
        "refuses": f"tcp://127.0.0.1:{closed_port()}",
        "live": grounds.enter_context(service(echo)).uri,
    }
    lists = ["silent", "silent-live", "refuses-live", "silent-mute-live", "silent-mute", "silent-refuses"]
    lists += ["refuses-silent"]
    routes = {}
    for words in lists:
        wait = "1h" if words == "refuses-live" else f"{int(PATIENCE * 1000)}ms"  # nobody in there who has to be waited for
        keys = {"connect": [places[word] for word in words.split("-")], "connect_timeout": wait}
        routes |= {f"route /{words}": keys, f"route /close/{words}": {**keys, "refuse_as": "close"}}
    patient = {"connect": [places["silent"], places["mute"]], "connect_timeout": "1h"}
    routes["route /patient"] = patient
    routes["route /live"] = {"connect": places["live"], "ping_interval": "50ms"}
    return Gateway(directory, routes, gateway={"log_level": "debug"})


@pytest.fixture(scope="module", autouse=True)
def over():
    yield
    grounds.close()


def tries_for_an_hour(gw):
    """A client that waits for a service which does not answer, and will not be told so soon."""
    raw = gw.connect()
    raw.send(wsraw.upgrade("/patient", gw.host))
    eventually(lambda: gw.counters()["descriptors"] >= gw.baseline["descriptors"] + 2, "no attempt")
    return raw


@contextmanager
def costs(gw, n):
    """As many times connect_timeout, which is the route's own: who came before and has more time waits on."""
    with tries_for_an_hour(gw):
        begin = time.monotonic()
        yield
        assert time.monotonic() - begin > n * PATIENCE - 0.05
        assert not gw.logged(route="/patient")


def check_echo(ws):
    with ws:
        ws.send_text("x")
        assert ws.recv_bytes(1) == b"x"
        ws.close()


@pytest.mark.parametrize("words, n_silent", [("silent-live", 1), ("refuses-live", 0), ("silent-mute-live", 2)])
def test_one_is_live(gw, words, n_silent):
    """Each that keeps silent costs connect_timeout, one that refuses nothing; and only the first session."""
    with costs(gw, n_silent):
        check_echo(gw.ws("/" + words))
    check_echo(gw.ws("/" + words))
    gw.wait_log("session ended", n=2, route="/" + words)
    tried = words.split("-")[:-1]
    assert len(gw.logged("service not reached", route="/" + words)) == len(tried)
    assert len(gw.logged("service can't be reached, others are tried first", route="/" + words)) == len(tried)


@pytest.mark.parametrize(
    "words, status, n_silent",
    [("silent", 504, 1), ("silent-mute", 504, 2), ("silent-refuses", 502, 1), ("refuses-silent", 502, 1)],
)
def test_none_is(gw, words, status, n_silent):
    """504 when all kept silent, else 502; with refuse_as = close 1014. The log tells of each."""
    why = "Connection timed out" if status == 504 else "Connection refused"
    with costs(gw, n_silent):
        answer = gw.refused("/" + words)
        gw.wait_log("request", path="/" + words)
    assert answer.status == status and answer.text == f"What this route leads to could not be reached: {why}.\n"
    with gw.ws("/close/" + words) as ws:
        ws.recv_close(1014, f"What this route leads to could not be reached: {why}.")
    line = gw.wait_log("request", path="/" + words, status=status)
    assert line["reason"] == gw.wait_log("session ended", route="/close/" + words)["reason"]
    assert line["reason"].count("connect to 127.0.0.1:") == len(words.split("-"))
    assert line["reason"].count("Connection timed out") == n_silent


def test_leaves_between_two(gw):
    """A client that does not wait takes its attempt with it."""
    raw = tries_for_an_hour(gw)
    raw.drop()
    eventually(lambda: gw.counters() == gw.baseline, "the attempt goes on")
    gw.wait_log("session ended", route="/patient", reason="left before the backend was there")


def test_stall(gateway):
    """A service that takes nothing for send_timeout is reset, and its client told why."""
    over = threading.Event()

    def reads_when_all_is_over(it, sock):
        over.wait(60)
        while it.read(sock):
            pass

    with service(reads_when_all_is_over) as it:
        gw = gateway({"route /tcp": {"connect": it.uri, "send_timeout": "1s"}})
        with gw.ws("/tcp") as ws:
            wire, sent = memoryview(frame(BINARY, bytes(64 << 20), mask=b"\0\0\0\0")), 0

            def stalled():
                nonlocal sent
                try:
                    sent += push(ws, wire[sent:])
                except (ConnectionResetError, BrokenPipeError):
                    pass  # a client that is told so has some seconds to listen
                return gw.logged("service takes nothing any more")

            eventually(stalled, "it takes and takes")
            got = ws.recv()
            assert (got.code, got.reason) == (1011, "stalled")
            ws.drop()
        line = gw.wait_log("service takes nothing any more")
        assert line["level"] == "warning" and line["undelivered"] > 0
        assert gw.wait_log("session ended", route="/tcp")["end"] == "stalled"
        over.set()
        eventually(lambda: it.resets + it.at_eof, "the service is not told")
        assert (it.resets, it.at_eof) == (1, 0)


def test_silent_service(gw):
    """One that says nothing is none of our business as long as the client answers pings."""
    with gw.ws("/live") as ws:
        for _ in range(20):
            ping = ws.recv_frame()
            assert ping.opcode == PING
            ws.send_frame(PONG, ping.payload)
        check_echo(ws)
