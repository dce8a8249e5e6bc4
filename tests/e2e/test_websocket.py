"""WebSocket on the wire: every rule of RFC 6455 sections 5 to 7 kept and broken, over a program and over TCP."""
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


LENGTHS = [0, 1, 2, 124, 125, 126, 127, 128, 4095, 4096, 65535, 65536, 65537, 131072, 1 << 20]


# messages


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("path", ["/echo", "/tcp"])
def test_lengths(gw, path, n):
    data = payload(n)
    with gw.ws(path) as ws:
        ws.send_binary(data)
        if path == "/echo":
            assert ws.recv_message() == (BINARY, data)
            text = "ä" * (n // 2)
            ws.send_text(text)
            assert ws.recv_text() == text
        else:
            assert ws.recv_bytes(n) == data
        assert ws.close().code == 1000


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 7])
def test_split_writes(gw, chunk):
    """Frames in writes of a few bytes each, several kinds of header among them."""
    with gw.ws("/echo") as ws:
        messages = [b"", b"x", payload(125), payload(126), payload(300)]
        ws.send(b"".join(frame(BINARY, data) for data in messages), chunk=chunk)
        for data in messages:
            assert ws.recv_message() == (BINARY, data)
        ws.send(
            frame(TEXT, "ä", fin=False) + frame(PING, b"p") + frame(CONTINUATION, "ö") + close_frame(1000), chunk=chunk
        )
        assert ws.recv_frame() == wsraw.Frame(PONG, b"p", True)
        assert ws.recv_text() == "äö"
        ws.recv_close(1000, answer=False)
        ws.ended()


def test_many_messages_in_one_write(gw):
    with gw.ws("/echo") as ws:
        ws.send(b"".join(frame(TEXT, str(i)) for i in range(1000)))
        assert [ws.recv_text() for _ in range(1000)] == [str(i) for i in range(1000)]
        ws.close()


@pytest.mark.parametrize("key", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\1\2\3\4"])
def test_masks(gw, key):
    with gw.ws("/echo") as ws:
        for n in (0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33, 1000):
            ws.send_binary(payload(n), mask=key)
            assert ws.recv_message() == (BINARY, payload(n))
        ws.close()


def test_fragments(gw, tcp):
    """Fragments of any size make one message; empty ones count as nothing."""
    parts = [b"", b"a", b"", payload(200), payload(70000), b""]
    for path in ("/echo", "/tcp"):
        with gw.ws(path) as ws:
            ws.send_binary(parts[0], fin=False)
            for part in parts[1:-1]:
                ws.send_frame(CONTINUATION, part, fin=False)
                ws.send_frame(PING, b"between")
            ws.send_frame(CONTINUATION, parts[-1])
            whole = b"".join(parts)
            if path == "/echo":
                assert ws.recv_message() == (BINARY, whole)
            else:
                assert ws.recv_bytes(len(whole)) == whole
            ws.close()


def test_fragments_stream_through(gw):
    """A long message is passed on while it is still being sent."""
    with gw.ws("/tcp") as ws:
        ws.send_binary(payload(100000), fin=False)
        assert ws.recv_bytes(100000) == payload(100000)
        ws.send_frame(CONTINUATION, b"end")
        assert ws.recv_bytes(3) == b"end"
        ws.close()
    with gw.ws("/tcp") as ws:
        ws.send_frame(BINARY, payload(5000), length=1 << 40, mask=b"\0\0\0\0")
        assert ws.recv_bytes(5000) == payload(5000)
        ws.drop()


def test_fragment_flood(gw):
    """Thousands of empty and tiny fragments are one message."""
    with gw.ws("/echo") as ws:
        ws.send(
            frame(BINARY, b"", fin=False)
            + frame(CONTINUATION, b"", fin=False) * 5000
            + frame(CONTINUATION, b"x", fin=False) * 5000
            + frame(CONTINUATION, b"")
        )
        assert ws.recv_message() == (BINARY, b"x" * 5000)
        ws.close()


# control frames


def test_pings_are_answered_in_order(gw):
    with gw.ws("/echo") as ws:
        ws.send(b"".join(frame(PING, bytes([i])) for i in range(10)))
        assert [ws.recv_frame() for _ in range(10)] == [wsraw.Frame(PONG, bytes([i]), True) for i in range(10)]
        for data in (b"", payload(125)):
            ws.send_frame(PING, data)
            assert ws.recv_frame() == wsraw.Frame(PONG, data, True)
        ws.send_frame(PONG, b"unasked")
        ws.send_text("still here")
        assert ws.recv_text() == "still here"
        ws.close()


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
    "not masked, empty": (frame(BINARY, b"", mask=False), 1002),
    "ping not masked": (frame(PING, b"", mask=False), 1002),
    "close not masked": (close_frame(1000, mask=False), 1002),
    **{f"opcode {opcode}": (frame(opcode, b""), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    **{f"rsv {rsv}": (frame(TEXT, b"", rsv=rsv), 1002) for rsv in (1, 2, 3, 4, 5, 6, 7)},
    "rsv on a ping": (frame(PING, b"", rsv=4), 1002),
    "rsv on a continuation": (frame(TEXT, b"", fin=False) + frame(CONTINUATION, b"", rsv=4), 1002),
    "continuation of nothing": (frame(CONTINUATION, b""), 1002),
    "continuation of nothing, not the last": (frame(CONTINUATION, b"", fin=False), 1002),
    "continuation after the end": (
        frame(TEXT, "a", fin=False) + frame(CONTINUATION, "b") + frame(CONTINUATION, "c"),
        1002,
    ),
    "text within text": (frame(TEXT, "a", fin=False) + frame(TEXT, "b"), 1002),
    "binary within text": (frame(TEXT, "a", fin=False) + frame(BINARY, b"b"), 1002),
    "fragment of a ping": (frame(PING, b"", fin=False), 1002),
    "fragment of a pong": (frame(PONG, b"", fin=False), 1002),
    "ping of 126": (frame(PING, payload(126)), 1002),
    "pong of 126": (frame(PONG, payload(126)), 1002),
    "5 in 16 bits": (frame(BINARY, payload(5), form=16), 1002),
    "125 in 16 bits": (frame(BINARY, payload(125), form=16), 1002),
    "5 in 64 bits": (frame(BINARY, payload(5), form=64), 1002),
    "65535 in 64 bits": (frame(BINARY, payload(65535), form=64), 1002),
    "top bit of 64": (frame(BINARY, b"", length=1 << 63, form=64), 1002),
    "all bits of 64": (frame(BINARY, b"", length=(1 << 64) - 1, form=64), 1002),
    "HTTP": (b"GET / HTTP/1.1\r\n\r\n", 1002),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("chunk", [None, 1], ids=["whole", "bytes"])
def test_broken_protocol(gw, tcp, name, chunk):
    """The right code, and nothing of it or after it reaches the backend."""
    data, code = BROKEN[name]
    if len(data) > 1000:
        chunk = chunk and 1000
    with gw.ws("/tcp") as ws:
        try:
            ws.send(data + frame(BINARY, b"after"), chunk=chunk)
        except (BrokenPipeError, ConnectionResetError):
            pass
        while (got := ws.recv()).opcode == BINARY:
            pass
        assert (got.opcode, got.code) == (CLOSE, code), got
        ws.answer_close(got)
    line = gw.wait_log("session ended")
    assert line["code_sent"] == code
    assert b"after" not in tcp.received and b"hello" not in tcp.received


def test_others_notice_nothing(gw):
    with gw.ws("/echo") as ws:
        for data, code in list(BROKEN.values())[::5]:
            with gw.ws("/echo") as bad:
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


# limits


def test_max_message(gw):
    with gw.ws("/small") as ws:
        for n in (999, 1000):
            ws.send_binary(payload(n))
            assert ws.recv_message() == (BINARY, payload(n))
        ws.send(frame(BINARY, payload(500), fin=False) + frame(PING, payload(125)) + frame(CONTINUATION, payload(500)))
        assert ws.recv_message() == (BINARY, payload(500) * 2)
        ws.send_binary(payload(1001))
        ws.recv_close(1009)
    for data in (
        frame(BINARY, b"", length=1001),
        frame(BINARY, b"", length=(1 << 63) - 1),
        frame(BINARY, payload(999), fin=False) + frame(PING, b"x") + frame(CONTINUATION, b"", length=2),
        frame(BINARY, payload(999), fin=False) + frame(CONTINUATION, b"", length=(1 << 63) - 1, fin=False),
        frame(BINARY, b"x", fin=False) + frame(CONTINUATION, payload(100), fin=False) * 10,
    ):
        with gw.ws("/small") as ws:
            ws.send(data)
            ws.recv_close(1009)


def test_no_max_message(gw, tcp):
    """Without a limit a frame of any length is passed on as it comes."""
    with gw.ws("/tcp") as ws:
        ws.send_frame(BINARY, b"x" * 100, length=(1 << 63) - 1, mask=b"\0\0\0\0")
        assert ws.recv_bytes(100) == b"x" * 100
        ws.drop()


# the end of a connection


@pytest.mark.parametrize("path", ["/echo", "/tcp"])
@pytest.mark.parametrize("how", ["drop", "reset", "shut"])
@pytest.mark.parametrize(
    "data",
    [b"", frame(BINARY, b"whole"), frame(BINARY, b"half")[:-2], frame(BINARY, b"part", fin=False)],
    ids=["idle", "whole", "half", "fragment"],
)
def test_client_vanishes(gw, path, how, data):
    ws = gw.ws(path)
    ws.send(data)
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
