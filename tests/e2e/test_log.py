"""The log: three formats, nothing of a peer's that could break a line, and never a reason to wait."""
import json
import os
import re
import signal

import backends
import pytest
import wsraw
from gateway import SECRET, START
from scripts import script
from wait import eventually

CAT = {"route /ws": {"exec": "cat"}, "route /console": {"console": "yes"}}
NASTY = '\x1b[31m\r\nFAKE "quoted" \\ \x00\x7f\x9b'


def lines(gw):
    return gw.log_path.read_bytes().splitlines()


@pytest.mark.parametrize("form", ["text", "logfmt", "json"])
def test_formats(gateway, form):
    """A line an event, ASCII only, fields that can be taken apart."""
    gw = gateway(CAT, gateway={"log_format": form}, checked=False)
    with gw.ws("/ws") as ws:
        ws.send_text("x")
        ws.recv_text()
        ws.close()
    gw.get("/nothing")
    eventually(
        lambda: any(b"/nothing" in line for line in lines(gw)) and any(b"session ended" in line for line in lines(gw)),
        "the lines don't come",
    )
    gw.stop()
    for line in lines(gw):
        assert re.fullmatch(rb"[\x20-\x7e]+", line), line
        text = line.decode()
        if form == "json":
            entry = json.loads(text)
            assert (
                re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["ts"])
                and entry["level"] == ("warning" if "run as root" in entry["msg"] else "info")
                and entry["msg"]
            )
        elif form == "logfmt":
            assert re.fullmatch(r'(\w+=("([^"\\]|\\.)*"|[^" ]*) ?)+', text), text
            assert text.startswith("ts=") and " level=" in text and " msg=" in text
        else:
            assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z \w+ ", text), text


def test_levels(gateway):
    """At `warning` requests and sessions are not told; where it listens always is."""
    gw = gateway(CAT, gateway={"log_level": "warning"}, checked=False)
    gw.get("/nothing")
    with gw.ws("/ws") as ws:
        ws.close()
    gw.stop()
    told = [line["msg"] for line in gw.log_lines()]
    assert [msg for msg in told if "run as root" not in msg] == ["listening"]


def test_peer_text_is_escaped(gateway, tmp_path):
    """Headers, paths, close reasons, programs: no byte of theirs ends a line or moves a cursor."""
    gw = gateway(
        {
            **CAT,
            "route /stderr": {"exec": script(tmp_path, "stderr", "printf '\\033[2J\\r\\001\\233\\302\\233x\\n' >&2\n")},
        }
    )
    gw.get("/" + "".join(f"%{ord(c):02x}" for c in NASTY if ord(c) < 128 and c not in "\0"))
    gw.get('/"quoted"\\n')
    gw.http(wsraw.request("/ws", host=gw.host, headers=[("X", "a\x1bb")]))
    gw.refused("/ws", headers=[("Origin", 'https://evil"\\\xe4')])
    with gw.ws("/stderr") as ws:
        ws.recv_close(1000)
    with gw.ws("/ws") as ws:
        ws.close(1000, "\x1b[31m\n\u009b\u2028")
    gw.wait_log("session ended", n=2)
    data = gw.log_path.read_bytes()
    assert not [byte for byte in set(data) if byte != 0x0A and not 0x20 <= byte <= 0x7E]
    for line in data.splitlines():
        json.loads(line)
    assert not [line for line in data.splitlines() if line.startswith(b"FAKE")]


def test_query_strings_are_never_logged(gateway):
    """Plain requests, refusals, sessions; at every level."""
    gw = gateway(CAT, gateway={"log_level": "trace"})
    query = f"?token={SECRET}&x=1"
    gw.get("/console" + query)
    gw.get("/nothing" + query)
    gw.refused("/ws" + query, version="8")
    gw.refused("/ws" + query, headers=[("Origin", "https://evil.example")])
    gw.http(wsraw.request("/console" + query, "POST", gw.host))
    gw.http(wsraw.request("/console" + query + "#x", host=gw.host))
    with gw.ws("/ws" + query, headers=[("Cookie", f"a={SECRET}"), ("Authorization", f"Bearer {SECRET}")]) as ws:
        ws.close()
    gw.wait_log("session ended")
    assert gw.logged("request", path="/console?***")
    assert SECRET not in gw.log_text()


def test_one_line_each(gateway):
    """For each plain request, each refusal, each session exactly one info line."""
    gw = gateway({**CAT, "route /down": {"connect": "tcp://127.0.0.1:1"}})
    gw.get("/console")
    gw.get("/nothing")
    gw.refused("/ws", version="8")
    gw.refused("/down")
    with gw.ws("/ws") as ws:
        ws.close()
    gw.wait_log("session ended")
    requests = eventually(lambda: len(gw.logged("request")) >= 4 and gw.logged("request"), "lines are missing")
    assert [(line["method"], line["path"], int(line["status"])) for line in requests] == [
        ("GET", "/console", 200),
        ("GET", "/nothing", 404),
        ("GET", "/ws", 426),
        ("GET", "/down", 502),
    ]
    assert all(line["level"] == "info" and line["peer"] and "bytes" in line for line in requests)
    assert all(line.get("reason") for line in requests[1:])
    assert len(gw.logged("session ended")) == 1


@pytest.mark.parametrize("offered", [False, True])
def test_extension_of_a_session(gateway, offered):
    """What was agreed on stands in the session's line with its parameters, as in the answer; a bare session has none."""
    gw = gateway({"route /ws": {"exec": "cat", "deflate": "yes"}})
    offer = ("Sec-WebSocket-Extensions", "permessage-deflate; server_max_window_bits=10")
    with gw.ws("/ws", headers=[offer] if offered else []) as ws:
        agreed = ws.answer.header("Sec-WebSocket-Extensions")
        ws.close()
    line = gw.wait_log("session ended")
    assert line.get("extensions") == agreed
    assert ("server_max_window_bits=10" in (agreed or "")) == offered


def test_a_long_path_makes_no_long_line(gateway):
    gw = gateway(CAT)
    gw.get("/" + "a" * 7000)
    line = gw.wait_log("request", status=404)
    assert line["path"].startswith("/aaa")
    assert max(map(len, lines(gw))) <= 4096


def hammer(gw, n):
    """n requests, each of which is a line."""
    for _ in range(n // 100):
        with gw.connect() as raw:
            raw.send(wsraw.request("/console", host=gw.host) * 100)
            for _ in range(100):
                assert raw.response().status == 200


def test_stuck_target(gateway):
    """Nobody reads the pipe: service goes on, what was lost is counted and said when the pipe moves again."""
    read_end, write_end = os.pipe()
    out = os.fdopen(write_end, "wb", 0)
    gw = gateway(CAT, checked=False, start=False, stderr=out)
    gw.start()
    seen = b""
    os.set_blocking(read_end, False)

    def listening():
        nonlocal seen
        try:
            seen += os.read(read_end, 65536)
        except BlockingIOError:
            pass
        return re.search(rb"127\.0\.0\.1:\d+", seen)

    gw.addresses = [eventually(listening, "it does not listen").group().decode()]
    hammer(gw, 10000)
    with gw.ws("/ws") as ws:
        for _ in range(50):
            ws.send_text("x")
            assert ws.recv_text() == "x"
        ws.close()

    def dropped():
        nonlocal seen
        try:
            seen += os.read(read_end, 1 << 20)
        except BlockingIOError:
            hammer(gw, 100)
        return re.search(rb"\b(dropped|lost)\b", seen)

    eventually(dropped, lambda: f"the loss is not said: {seen[-300:]!r}")
    gw.process.send_signal(signal.SIGTERM)
    assert gw.exited() == 0
    gw.process = None
    out.close()
    os.set_blocking(read_end, True)
    while data := os.read(read_end, 1 << 20):
        seen += data
    for line in seen.splitlines()[:-1]:
        json.loads(line)
    os.close(read_end)


def test_stuck_target_does_not_hold_the_end(gateway):
    """SIGTERM while the pipe is full: it still ends."""
    read_end, write_end = os.pipe()
    out = os.fdopen(write_end, "wb", 0)
    gw = gateway(CAT, checked=False, start=False, stderr=out)
    gw.start()
    said = b""
    while not re.search(rb"listening.*\n", said):
        said += os.read(read_end, 65536)
    gw.addresses = [re.search(rb"127\.0\.0\.1:\d+", said).group().decode()]
    hammer(gw, 2000)
    gw.signal(signal.SIGTERM)
    assert gw.exited() == 0
    gw.process = None
    out.close()
    os.close(read_end)


@pytest.mark.parametrize("target", ["/dev/full", "closed pipe"])
def test_full_target(gateway, target):
    """A full disk or a reader that has gone is no reason to stop."""
    if target == "/dev/full":
        out = open(target, "wb", 0)
    else:
        read_end, write_end = os.pipe()
        os.close(read_end)
        out = os.fdopen(write_end, "wb", 0)
    port = backends.free_port()
    gw = gateway(CAT, listen={"address": f"127.0.0.1:{port}"}, checked=False, start=False, stderr=out)
    gw.start()
    gw.addresses = [f"127.0.0.1:{port}"]

    def connects():
        try:
            gw.connect().drop()
            return True
        except ConnectionRefusedError:
            assert gw.process.poll() is None
            return False

    eventually(connects, "it does not listen", START)
    hammer(gw, 1000)
    with gw.ws("/ws") as ws:
        ws.send_text("x")
        assert ws.recv_text() == "x"
        ws.close()
    gw.process.terminate()
    assert gw.exited() == 0
    gw.process = None
    out.close()


@pytest.mark.threads
def test_lines_of_many_threads_are_whole(gateway):
    gw = gateway(CAT, gateway={"workers": 4})
    for _ in range(5):
        hammer(gw, 400)
    eventually(lambda: len(gw.logged("request")) == 2000, lambda: f"{len(gw.logged('request'))} lines")
    assert not [line for line in gw.log_lines() if "raw" in line]
