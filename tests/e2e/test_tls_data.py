"""TLS once it is there: how data is cut into records, how a connection ends, and floods that only TLS has."""
import functools
import os
import signal
import socket
import threading
from pathlib import Path

import backends
import pytest
import wsraw
from backends import service, sink
from gateway import rss_of
from scripts import notes
from tlsclient import TLS13, VERSIONS, Calls, context, socket_of
from wait import eventually, promptly
from wsraw import BINARY, CLOSE, TEXT, close_frame, frame

KIB = 1024
SIZES = [1, 4095, 4096, 4097, 16383, 16384, 16385, 65536, 1 << 20]
RUNS = 20  # of each; tests/soak has the thousands


def tcp(uri, **keys):
    return {"route /tcp": {"connect": uri, **keys}}


ECHO = {"route /ws": {"exec": "cat", "framing": "records"}, "route /page": {"console": "yes"}}


@pytest.fixture(params=VERSIONS)
def version(request):
    return VERSIONS[request.param]


# records


def test_one_byte_a_record(gateway, version):
    gw = gateway(ECHO, tls=True)
    with gw.ws("/ws", over=gw.connect(tls=context(version))) as ws:
        for byte in frame(BINARY, b"x" * 1000) + frame(TEXT, "end"):
            ws.send(bytes([byte]))
        assert ws.recv_bytes(1000) == b"x" * 1000 and ws.recv_text() == "end"
        ws.close()


def test_many_records_of_one_byte_in_one_write(gateway, version):
    gw = gateway(ECHO, tls=True)
    data = os.urandom(3000)
    with gw.ws("/ws", over=gw.connect(tls=context(version))) as ws:
        for byte in frame(BINARY, data):
            ws.sock.encrypt(bytes([byte]))
        ws.sock.flush()
        assert ws.recv_bytes(len(data)) == data
        ws.close()


def test_one_byte_a_segment(gateway, version):
    gw = gateway(ECHO, tls=True)
    with gw.ws("/ws", over=gw.connect(tls=context(version))) as ws:
        ws.sock.encrypt(frame(BINARY, b"y" * 3000))
        for byte in ws.sock.goes.read():
            socket_of(ws).send(bytes([byte]))
        assert ws.recv_bytes(3000) == b"y" * 3000
        ws.close()


@pytest.mark.parametrize("piece", [1000, 4096, 16384])
def test_records_that_wait_for_room(gateway, tmp_path, version, piece):
    """What OpenSSL has read or decrypted and nobody took yet is not forgotten: no byte comes after it that would wake
    anybody up. The service has a unix socket: TCP that was stopped for long sleeps on as long again, in its kernel."""
    data, go = os.urandom(24 << 20), threading.Event()

    def handler(it, sock):
        assert go.wait(120)
        sink(it, sock)

    with service(handler, path=tmp_path / "service") as it:
        gw = gateway(tcp(it.uri, buffer="16k"), tls=True)
        with gw.ws("/tcp", over=gw.connect(tls=context(version))) as ws:
            wire, sent = memoryview(frame(BINARY, data)), 0
            ws.sock.settimeout(0.3)
            try:
                while sent < len(wire):
                    sent += ws.sock.send(wire[sent : sent + piece])
            except TimeoutError:
                pass
            assert 0 < sent < len(wire), "nothing stops the client"
            go.set()
            ws.sock.settimeout(wsraw.TIMEOUT)
            ws.sock.flush()
            it.wait_received(data[: sent - 14])
            ws.send(wire[sent:])
            it.wait_received(data)
            ws.close()


# the end


def rests(raw):
    """All that comes up to the end, which must be TLS's."""
    data = raw.rest()
    assert raw.sock.notified, f"TCP ended without close_notify, after {data[:200]!r}"
    return data


ANSWER = 5  # seconds that a client has to answer a close frame (VISITOR_CLOSE_MS)


def check_end(ws):
    """TLS's end came, unless our answer was so late that the client was cut."""
    assert ws.sock.notified or (ws.cut and ws.answered_after >= ANSWER - 0.5), f"answered after {ws.answered_after} s"


ANSWERS = {
    "200": wsraw.request("/page", headers=[("Connection", "close")]),
    "404": wsraw.request("/nothing"),
    "400": b"GET  / HTTP/1.1\r\n\r\n",
    "405": wsraw.request("/page", "POST"),
    "426": wsraw.request("/ws"),
    "431": wsraw.request("/page", headers=[("X", "x" * 20000)]),
    "403": wsraw.upgrade("/ws", headers=[("Origin", "https://evil.example")]),
    "421": wsraw.request("/page", host="evil.example"),
}


@pytest.mark.parametrize("status", ANSWERS)
def test_answers_end_with_close_notify(gateway, version, status):
    gw = gateway(ECHO, tls=True)
    for _ in range(5):
        with gw.connect(tls=context(version)) as raw:
            raw.send(ANSWERS[status])
            assert rests(raw).startswith(f"HTTP/1.1 {status} ".encode())


@pytest.mark.parametrize("tcp_too", [False, True], ids=["close_notify", "close_notify and FIN"])
def test_close_notify_is_answered(gateway, version, tcp_too):
    """By a connection that is kept alive, by one without a request, and by a session."""
    gw = gateway(ECHO, tls=True)
    for data in (b"", wsraw.request("/page"), wsraw.upgrade("/ws")):
        with gw.connect(tls=context(version)) as raw:
            raw.send(data)
            if data:
                assert raw.response().status in (101, 200)
            raw.sock.shutdown(socket.SHUT_WR, tcp=tcp_too)
            rests(raw)


@pytest.mark.parametrize(
    "data",
    [close_frame(1000), close_frame(3001), close_frame(1005), frame(TEXT, b"\xff"), frame(3)],
    ids=["1000", "3001", "1005", "bad text", "opcode 3"],
)
def test_close_handshakes_end_with_close_notify(gateway, version, data):
    gw = gateway(ECHO, tls=True)
    with gw.ws("/ws", over=gw.connect(tls=context(version))) as ws:
        ws.send(data)
        got = ws.recv()
        assert got.opcode == CLOSE
        ws.answer_close(got)
        assert ws.sock.notified


def test_programs_that_end_and_close_notify(gateway, version):
    gw = gateway({"route /true": {"exec": "true"}, "route /false": {"exec": "false"}}, tls=True)
    for path, code in (("/true", 1000), ("/false", 4001)):
        with gw.ws(path, over=gw.connect(tls=context(version))) as ws:
            ws.recv_close(code)
            check_end(ws)


def test_times_that_end_with_close_notify(gateway, version):
    gw = gateway(ECHO, listen={"handshake_timeout": "1200ms"}, tls=True)

    def ask(data):
        with gw.connect(tls=context(version)) as raw:
            raw.send(data)
            assert rests(raw).startswith(b"HTTP/1.1 408 " if data else b"")

    for data in (b"", b"GET /page HT"):
        promptly(functools.partial(ask, data), late=1)
    gw = gateway({"route /ws": {"exec": "cat", "idle_timeout": "300ms"}}, tls=True)
    with gw.ws("/ws", over=gw.connect(tls=context(version))) as ws:
        ws.recv_close(1001)
        check_end(ws)


def test_stopping_gateway_says_close_notify(gateway, version):
    gw = gateway(ECHO, gateway={"shutdown_grace": "1h"}, tls=True, checked=False)
    ws, kept, silent = (gw.connect(tls=context(version)) for _ in range(3))
    gw.ws("/ws", over=ws)
    kept.send(wsraw.request("/page"))
    assert kept.response().status == 200
    eventually(lambda: gw.counters()["sessions"] == 1, "no session")
    gw.signal(signal.SIGTERM)
    ws.recv_close(1001)
    check_end(ws)
    rests(kept)
    silent.drop()
    gw.stop()


def frames_to_close(ws):
    """Payload up to the close frame of the gateway; nothing can be sent any more."""
    parts = []
    while (got := ws.recv_frame()).opcode != CLOSE:
        assert got.opcode in (0, BINARY), got
        parts.append(got.payload)
    return b"".join(parts), got.code


@pytest.mark.parametrize("tcp_too", [False, True], ids=["close_notify", "close_notify and FIN"])
def test_close_and_close_notify_with_data_queued(gateway, version, tcp_too):
    """In one segment, from a client that has read nothing yet: all up to our close frame is still for it."""
    data, sent = os.urandom(200 * KIB), []

    def handler(it, sock):
        sock.sendall(data)
        sent.append(True)
        sink(it, sock)

    with service(handler) as it:
        gw = gateway(tcp(it.uri), tls=True)
        for _ in range(3):
            sent.clear()
            with gw.ws("/tcp", over=gw.connect(tls=context(version), rcvbuf=4096)) as ws:
                eventually(lambda: sent, "the service can't send")
                ws.sock.encrypt(close_frame(1000))
                ws.sock.shutdown(socket.SHUT_WR, tcp=tcp_too)
                assert frames_to_close(ws) == (data, 1000)
                rests(ws)
            line = gw.wait_log("session ended")
            assert (line["code_sent"], line["code_received"], line["out_bytes"]) == (1000, 1000, len(data))
            gw.mark()


@pytest.mark.parametrize("size", SIZES)
def test_tail_of_the_client(gateway, version, size):
    """Data, Close and close_notify in one write: the service has every byte, and then the end."""
    tls = context(version)
    with service(sink) as it:
        gw = gateway(tcp(it.uri), tls=True)
        for i in range(RUNS if size < 1 << 20 else 3):
            data, it.received, it.at_eof = os.urandom(size), b"", 0
            with gw.ws("/tcp", over=gw.connect(tls=tls)) as ws:
                ws.sock.sendall_and_shutdown(frame(BINARY, data) + close_frame(1000))
                it.wait_received(data)
                eventually(lambda: it.at_eof == 1, "no end")
                assert frames_to_close(ws) == (b"", 1000)
                rests(ws)
        assert it.resets == 0


@pytest.mark.parametrize("size", SIZES)
def test_tail_of_the_service(gateway, version, size):
    tls, data = context(version), os.urandom(size)
    with service(backends.sends(data)) as it:
        gw = gateway(tcp(it.uri), tls=True)
        for _ in range(RUNS if size < 1 << 20 else 3):
            with gw.ws("/tcp", over=gw.connect(tls=tls)) as ws:
                assert ws.recv_all() == (data, 1000, "")
                check_end(ws)


def truncate(ws):
    """TCP ends, TLS does not."""
    socket_of(ws).shutdown(socket.SHUT_WR)


def truncate_a_record(ws):
    ws.sock.encrypt(frame(TEXT, "more of it")[:-1])
    socket_of(ws).sendall(ws.sock.goes.read()[:-3])
    truncate(ws)


def corrupt_a_record(ws):
    ws.sock.encrypt(frame(TEXT, "more of it")[:-1])
    record = bytearray(ws.sock.goes.read())
    record[-1] ^= 1
    socket_of(ws).sendall(record)


def end_tls(ws):
    ws.sock.shutdown(socket.SHUT_WR, tcp=False)


def speak_plain(ws):
    socket_of(ws).sendall(frame(TEXT, "not encrypted"))


@pytest.mark.parametrize("how", [truncate, truncate_a_record, corrupt_a_record, end_tls, speak_plain])
@pytest.mark.parametrize("begun", [b"", frame(TEXT, "rm -rf /tmp/x")[:-6]], ids=["between messages", "in a message"])
def test_ends_without_a_close_frame(gateway, tmp_path, version, how, begun):
    """WebSocket's close is what counts: without one the end is abnormal, and half a command is never run."""
    log = tmp_path / "said"
    program = notes(tmp_path, "command", log)
    gw = gateway({"route /ws": {"exec": program, "closing_wait": "20s", "stop_grace": "20s"}}, tls=True)
    with gw.ws("/ws", over=gw.connect(tls=context(version))) as ws:
        ws.send(frame(TEXT, "whole") + begun)
        eventually(lambda: log.exists() and log.read_text() == "ran whole\n", "the command does not arrive")
        how(ws)
        assert gw.wait_log("session ended")["code_received"] == 1006
    assert log.read_text() == "ran whole\n" + ("TERM\n" if begun else "EOF \n")


def test_truncation_is_no_clean_end_for_a_service(gateway, version):
    with service(sink) as it:
        gw = gateway(tcp(it.uri), tls=True)
        with gw.ws("/tcp", over=gw.connect(tls=context(version))) as ws:
            ws.send(frame(BINARY, "whole") + frame(BINARY, "half of it")[:-5])
            it.wait_received(b"wholehalf ")
            truncate(ws)
            eventually(lambda: it.resets + it.at_eof, "the service is not told")
        assert (it.resets, it.at_eof) == (1, 0)


# floods


def test_key_update_flood(gateway, tmp_path):
    """Each asks for one back, and the client reads none of them: memory stays, and the connection ends. On a unix socket,
    which takes some thousands of them; TCP would take 200,000, each with a lot to compute."""
    path = f"{tmp_path}/s"
    with service(backends.silent) as it:
        gw = gateway(tcp(it.uri), listen={"address": f"unix:{path}"}, tls=True, release=True)
        gw.ws("/tcp", over=gw.connect(path, tls=context(TLS13))).drop()
        gw.wait_log("session ended")
        gw.mark()
        before = rss_of(gw.pid)
        with gw.ws("/tcp", over=gw.connect(path, tls=context(TLS13))) as ws:
            calls = Calls(ws.sock.tls)
            ws.sock.settimeout(0.5)
            while not gw.logged("session ended"):
                try:
                    ws.sock.flush()  # what an earlier one left
                    for _ in range(1000):
                        calls.update_keys()
                    ws.sock.flush()
                except TimeoutError:
                    pass
                except (BrokenPipeError, ConnectionResetError):
                    break
                assert rss_of(gw.pid) - before < 1024 * KIB
            assert gw.wait_log("session ended")["code_received"] == 1006
            assert rss_of(gw.pid) - before < 1024 * KIB


def test_key_update_flood_ends_the_program(gateway, tmp_path):
    """At once: a client whose records drop what was queued for it is not one that may go on talking."""
    path = f"{tmp_path}/s"
    gw = gateway({"route /yes": {"exec": "yes", "framing": "stream"}}, listen={"address": f"unix:{path}"}, tls=True)
    with gw.ws("/yes", over=gw.connect(path, tls=context(TLS13))) as ws:
        calls = Calls(ws.sock.tls)
        eventually(lambda: gw.programs(), "no program")
        try:
            while not gw.logged("session ended"):
                for _ in range(100):
                    calls.update_keys()
                ws.send(frame(BINARY, "x"))
        except (BrokenPipeError, ConnectionResetError):
            pass
        line = gw.wait_log("session ended")
        assert line["reason"] == "No buffer space available"
        assert line["in_messages"] < 200  # 64 KiB and what a socket takes, not 5 s more, as who is lost would have
        ws.reset()


def test_key_updates_of_a_client_that_reads(gateway):
    """A few are nobody's harm, in the middle of messages too."""
    gw = gateway(ECHO, tls=True)
    with gw.ws("/ws", over=gw.connect(tls=context(TLS13))) as ws:
        calls = Calls(ws.sock.tls)
        for i in range(200):
            data = frame(BINARY, bytes([i]) * 100)
            ws.send(data[:50])
            calls.update_keys()
            ws.send(data[50:])
            assert ws.recv_bytes(100) == bytes([i]) * 100
        ws.close()


def anonymous(pid):
    """Memory that a process has filled."""
    text = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("RssAnon:"))


def test_idle_sessions_hold_no_buffers(gateway):
    """What OpenSSL needs for a connection that says nothing, and no records."""
    n, limit = 300, {True: 24, False: 4}

    def swallow(it, sock):
        while data := sock.recv(65536):
            with it.lock:
                it.swallowed += len(data)
        sock.close()

    with service(swallow) as it:
        for tls in (False, True):
            gw = gateway(tcp(it.uri), tls=tls, release=True, files=4096)
            warm = [gw.ws("/tcp") for _ in range(20)]
            for ws in warm:
                ws.reset()
            eventually(lambda: gw.counters()["sessions"] == 0, "sessions stay")
            before, it.swallowed = anonymous(gw.pid), 0
            clients = [gw.ws("/tcp") for _ in range(n)]
            for ws in clients:
                ws.send_binary(b"x" * 100000)
            eventually(lambda: it.swallowed == n * 100000, lambda: f"{it.swallowed} bytes arrived", 60)
            each = lambda: (anonymous(gw.pid) - before) / n
            eventually(lambda: each() <= limit[tls], lambda: f"{each()} KiB for each")  # the last turn may still be on
            print(f"{'wss' if tls else 'ws'}: {each():.1f} KiB for each of {n} idle sessions")
            for ws in clients:
                ws.reset()
