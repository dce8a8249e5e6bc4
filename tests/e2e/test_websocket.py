"""WebSocket on the wire beside its grammar, for which test_conformance_*.py is: keep-alive, the log, many at once."""
import os
import time

import backends
import pytest
import wsraw
from gateway import Gateway
from wait import eventually, promptly
from wsraw import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame


def GATEWAY(directory):
    service = backends.Service(backends.echo)
    records = {"exec": "cat", "framing": "records"}
    return Gateway(
        directory,
        {
            "route /echo": records,
            "route /tcp": {"connect": service.uri},
            "route /small": {**records, "max_message": 1000},
            "route /keepalive": {**records, "ping_interval": "100ms", "ping_timeout": "600ms"},
            "route /idle": {**records, "idle_timeout": "600ms"},
            "route /slow-pings": {**records, "ping_interval": "30s"},
        },
    )


def payload(n):
    """n bytes with no short period."""
    return (bytes(range(251)) * (n // 251 + 1))[:n]


# control frames


def test_ping_flood_by_a_client_that_does_not_read(gw):
    """Its own window stops it; what it gets in the end is pongs."""
    ws = gw.ws("/slow-pings", over=gw.connect(rcvbuf=4096))
    ws.sock.settimeout(1)
    wire, sent = frame(PING, payload(125)) * 100, 0
    try:
        while sent < 2000 * len(wire):
            sent += ws.sock.send(wire[sent % len(wire) :])  # of a write the kernel may take a part, up to within a frame
    except TimeoutError:
        pass
    ws.sock.settimeout(wsraw.TIMEOUT)
    for _ in range(100):
        assert ws.recv_frame().opcode == PONG
    ws.reset()


def test_keepalive(gw):
    """A silent client that answers pings lives; each ping comes after the silence."""

    def answer():
        with gw.ws("/keepalive") as ws:
            for _ in range(8):
                ping = ws.recv_frame()
                assert ping.opcode == PING
                ws.send_frame(PONG, ping.payload)
            ws.close()

    promptly(answer, late=0.5)


def test_keepalive_ends_a_dead_client(gw):
    begin = time.monotonic()
    ws = gw.ws("/keepalive")
    assert ws.recv_frame().opcode == PING
    while True:
        try:
            got = ws.recv_frame()
        except EOFError:
            break
        if got.opcode == CLOSE:
            break
    assert 0.55 < time.monotonic() - begin < 15  # of the 20 s that it has by default
    line = gw.wait_log("session ended", route="/keepalive")
    assert "ping" in str(line).lower()
    ws.drop()


def test_idle_timeout(gw):
    """Messages keep it open, pings don't; then 1001."""

    def talk():
        gw.rest()
        with gw.ws("/idle") as ws:
            begin = time.monotonic()
            for i in range(10):
                ws.send_text(str(i))
                assert ws.recv_text() == str(i)
                eventually(lambda: time.monotonic() - begin > 0.1 * i, "time stands still")
            ws.recv_close(1001, "idle")
            assert time.monotonic() - begin > 1.35

    promptly(talk, late=0.4)
    gw.wait_log("session ended", route="/idle", code_sent=1001, code_received=1001, reason="idle")


# breaking the rules

BROKEN = {
    "not masked": (frame(TEXT, "hello", mask=False), 1002),
    "opcode": (frame(3), 1002),
    "in 16 bits": (frame(BINARY, payload(5), form=16), 1002),
    "continuation": (frame(CONTINUATION), 1002),
    "UTF-8": (frame(TEXT, b"\xff"), 1007),
    "too much": (frame(BINARY, length=1001), 1009),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_protocol_is_logged(gw, name):
    """What is sent for which violation is for test_conformance_*.py."""
    data, code = BROKEN[name]
    with gw.ws("/small") as ws:
        ws.send(data)
        ws.recv_close(code)
    assert gw.wait_log("session ended")["code_sent"] == code


def test_others_notice_nothing(gw):
    with gw.ws("/echo") as ws:
        for data, code in BROKEN.values():
            with gw.ws("/small") as bad:
                bad.send(data)
                while (got := bad.recv()).opcode != CLOSE:
                    pass
                assert got.code == code
            ws.send_text("mine")
            assert ws.recv_text() == "mine"
        ws.close()


# the end of a connection


@pytest.mark.parametrize("path", ["/echo", "/tcp"])
@pytest.mark.parametrize("how", ["drop", "reset", "shut"])
def test_client_vanishes(gw, path, how):
    """In the middle of a frame; what a backend sees of it, and elsewhere, is for test_conformance_fragments.py."""
    ws = gw.ws(path)
    ws.send(frame(BINARY, b"half")[:-2])
    getattr(ws, how)()
    line = gw.wait_log("session ended")
    assert line["code_received"] == 1006
    ws.drop()


def test_session_line(gw):
    with gw.ws("/echo") as ws:
        for data in (b"", b"abc", payload(200)):
            ws.send_binary(data)
            ws.recv_message()
        ws.close(1000)
    line = gw.wait_log("session ended")
    assert line["route"] == "/echo" and line["peer"].startswith("127.0.0.1:") and line["id"] and line["backend"]
    assert (line["in_bytes"], line["in_messages"], line["out_bytes"], line["out_messages"]) == (203, 3, 203, 3)
    assert 0 <= float(line["duration"]) < 60
    assert (line["code_sent"], line["code_received"]) == (1000, 1000)


@pytest.mark.threads
def test_many_clients_at_once(gw):
    """Each gets its own bytes."""
    clients = [gw.ws(path) for path in ("/echo", "/tcp") for _ in range(50)]
    data = [os.urandom(1 + i * 97) for i in range(len(clients))]
    for _ in range(3):
        for ws, mine in zip(clients, data):
            ws.send_binary(mine)
        for ws, mine in zip(clients, data):
            assert ws.recv_bytes(len(mine)) == mine
    for ws in clients:
        ws.send_close(1000)
    for ws in clients:
        ws.recv_close(1000, answer=False)
        ws.drop()
