"""WebSocket on the wire beside its grammar, for which test_conformance_*.py is: keep-alive, closing, ends, the log."""
import os
import time

import backends
import pytest
import wsraw
from gateway import Gateway
from wait import eventually
from wsraw import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_frame, frame

service = None


def GATEWAY(directory):
    global service
    service = backends.Service(backends.echo)
    records = {"exec": "cat", "framing": "records"}
    return Gateway(
        directory,
        {
            "route /echo": records,
            "route /tcp": {"connect": service.uri},
            "route /small": {**records, "max_message": 1000},
            "route /keepalive": {**records, "ping_interval": "100ms", "ping_timeout": "400ms"},
            "route /idle": {**records, "idle_timeout": "400ms"},
            "route /slow-pings": {**records, "ping_interval": "30s"},
        },
    )


@pytest.fixture
def tcp(gw):
    """The TCP echo, its record of what came cleared."""
    eventually(
        lambda: service.at_eof + service.resets >= len(service.connections), "the last test's connection is still open"
    )
    service.received = b""
    return service


def payload(n):
    """n bytes with no short period."""
    return (bytes(range(251)) * (n // 251 + 1))[:n]


# control frames


def test_ping_flood_by_a_client_that_does_not_read(gw):
    """Its own window stops it; what it gets in the end is pongs."""
    ws = gw.ws("/slow-pings", over=gw.connect(rcvbuf=4096))
    ws.sock.settimeout(1)
    sent = 0
    try:
        while sent < 200000:
            sent += ws.sock.send(frame(PING, payload(125)) * 100) // 131
    except TimeoutError:
        pass
    ws.sock.settimeout(wsraw.TIMEOUT)
    for _ in range(100):
        assert ws.recv_frame().opcode == PONG
    ws.reset()


def test_keepalive(gw):
    """A silent client that answers pings lives; each ping comes after the silence."""
    with gw.ws("/keepalive") as ws:
        for _ in range(8):
            ping = ws.recv_frame()
            assert ping.opcode == PING
            ws.send_frame(PONG, ping.payload)
        ws.close()


def test_keepalive_ends_a_dead_client(gw):
    ws = gw.ws("/keepalive")
    begin = time.monotonic()
    assert ws.recv_frame().opcode == PING
    while True:
        try:
            got = ws.recv_frame()
        except EOFError:
            break
        if got.opcode == CLOSE:
            break
    assert 0.35 < time.monotonic() - begin < 3
    line = gw.wait_log("session ended", route="/keepalive")
    assert "ping" in str(line).lower()
    ws.drop()


def test_idle_timeout(gw):
    """Messages keep it open, pings don't; then 1001."""
    with gw.ws("/idle") as ws:
        begin = time.monotonic()
        for i in range(10):
            ws.send_text(str(i))
            assert ws.recv_text() == str(i)
            eventually(lambda: time.monotonic() - begin > 0.1 * i, "time stands still")
        ws.recv_close(1001, "idle")
        assert time.monotonic() - begin > 1.2
    assert gw.wait_log("session ended", route="/idle")["code_sent"] == 1001


# closing


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
)
def test_close_is_answered_with_its_code(gw, code):
    with gw.ws("/echo") as ws:
        assert ws.close(code, "bye").code == code
    line = gw.wait_log("session ended", code_received=code)
    assert line["code_sent"] == code


def test_close_without_a_code(gw):
    with gw.ws("/echo") as ws:
        assert ws.close(None).code in (None, 1000)
    line = gw.wait_log("session ended")
    assert line["code_received"] == 1005


def test_close_with_the_longest_reason(gw):
    with gw.ws("/echo") as ws:
        assert ws.close(1000, "ä" * 61 + "x").code == 1000


@pytest.mark.parametrize("code", [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
def test_close_with_a_code_that_may_not_be_sent(gw, code):
    with gw.ws("/echo") as ws:
        ws.send_close(code)
        ws.recv_close(1002)


def test_malformed_close(gw):
    for data, code in (
        (frame(CLOSE, b"\x03"), 1002),
        (close_frame(1000, b"\xc3\x28"), 1007),
        (close_frame(1000, b"\xe2\x82"), 1007),
        (frame(CLOSE, payload(126)), 1002),
        (frame(CLOSE, b"\x03\xe8", fin=False), 1002),
    ):
        with gw.ws("/echo") as ws:
            ws.send(data)
            ws.recv_close(code)


def test_nothing_after_close_is_heard(gw, tcp):
    with gw.ws("/tcp") as ws:
        ws.send(frame(BINARY, b"before") + close_frame(1000) + frame(BINARY, b"after") + b"\xff\xff")
        parts, code, _ = ws.recv_all()
        assert (parts, code) == (b"before", 1000)
    eventually(lambda: tcp.at_eof, "the service does not see the end")
    assert tcp.received == b"before"


def test_close_right_after_the_head(gw):
    for path in ("/echo", "/tcp"):
        with gw.ws(path, first=close_frame(1000)) as ws:
            ws.recv_close(1000, answer=False)
            ws.ended()


def test_close_is_not_answered(gw):
    """Neither silence nor pings extend the closing handshake; five seconds, then the connection is cut."""
    with gw.ws("/echo") as quiet, gw.ws("/echo") as loud:
        begin = time.monotonic()
        for ws in (quiet, loud):
            ws.send_frame(TEXT, "x", mask=False)
            got = ws.recv()
            assert (got.opcode, got.code) == (CLOSE, 1002)
        loud.sock.setblocking(False)

        def ended():
            try:
                loud.sock.send(frame(PING, b"x"))
            except (BrokenPipeError, ConnectionResetError):
                return True
            except BlockingIOError:
                pass
            return False

        eventually(ended, "pings keep it open", 10)
        quiet.ended()
        assert time.monotonic() - begin < 8
    gw.wait_log("session ended", n=2)


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


# UTF-8

VALID = ["", "a", "κόσμε", "\U0010ffff\u0000\ue000\ufffd\ud7ff", "𝄞" * 50, "\u0080\u07ff\u0800\uffff\U00010000"]
INVALID = [
    "ff",
    "fe",
    "80",
    "bf",
    "c0af",
    "c080",
    "c1bf",
    "c3",
    "c328",
    "e0809f",
    "e08080",
    "e28128",
    "eda080",
    "edbfbf",
    "f0808080",
    "f08fbfbf",
    "f4908080",
    "f5808080",
    "f8888080",
    "61ff62",
    "cebae1bdb9cf83cebcceb5eda080",
    "e282",
    "f09d84",
    "c3a4c3",
]


@pytest.mark.parametrize("path", ["/echo", "/tcp"])
def test_valid_utf8(gw, path):
    """However the characters are cut into fragments and writes."""
    with gw.ws(path) as ws:
        for text in VALID:
            data = text.encode()
            for cut in range(len(data) + 1) if len(data) < 40 else (1, 2, 3):
                ws.send(
                    frame(TEXT, data[:cut], fin=False) + frame(PING) + frame(CONTINUATION, data[cut:]),
                    chunk=None if cut % 2 else 3,
                )
                if path == "/echo":
                    assert ws.recv_text() == text
                else:
                    assert ws.recv_bytes(len(data)) == data
        ws.close()


@pytest.mark.parametrize("bad", INVALID)
def test_invalid_utf8(gw, tcp, bad):
    """1007, whole, in fragments, and byte by byte; binary messages may hold anything."""
    data = bytes.fromhex(bad)
    for wire, chunk in (
        (frame(TEXT, data), None),
        (
            b"".join(frame(TEXT if i == 0 else CONTINUATION, data[i : i + 1], fin=False) for i in range(len(data)))
            + frame(CONTINUATION),
            None,
        ),
        (frame(TEXT, data), 1),
    ):
        with gw.ws("/tcp") as ws:
            try:
                ws.send(wire, chunk=chunk)
            except (BrokenPipeError, ConnectionResetError):
                pass
            while (got := ws.recv()).opcode == BINARY:
                pass
            assert (got.opcode, got.code) == (CLOSE, 1007), got
            ws.answer_close(got)
    with gw.ws("/echo") as ws:
        ws.send_binary(data)
        assert ws.recv_message() == (BINARY, data)
        ws.close()


@pytest.mark.parametrize("bad", ["ff", "c328", "eda0", "f490", "e080"])
def test_invalid_utf8_is_noticed_at_the_first_bad_byte(gw, bad):
    """Long before the message ends."""
    with gw.ws("/echo") as ws:
        ws.send_frame(TEXT, b"good" + bytes.fromhex(bad), length=1000, mask=b"\0\0\0\0")
        ws.recv_close(1007)


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
    assert 0 <= float(line["duration"]) < 10
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
