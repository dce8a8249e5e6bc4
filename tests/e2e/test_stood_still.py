"""The gateway stands still (is stopped, frozen, has no CPU) for longer than a time of its own: what came meanwhile came in
time, and who does nothing is ended all the same."""
import functools
import socket
import struct
import threading
import time
from contextlib import contextmanager

import certs
import pytest
import wsraw
from backends import full_listener, service
from gateway import process_state
from scripts import script
from tlsservice import run_server_context, tls_service
from tlssock import TlsSocket
from wait import eventually, plateau, promptly
from wsraw import CLOSE, PING, PONG

LIMIT = 1  # seconds, of every time that is short here
ONE = {"workers": 1}
STREAM = {"framing": "stream"}
PIECE = bytes(range(256)) * 200

# Waits for the file "go", and reads its stdin to the end, a pipe's worth at a time. A signal before that is noted.
READS_LATE = """#!/usr/bin/python3 -IS
import os, signal, time
n, over = 0, False
def on_term(signo, frame):
    if not over:
        open("{0}/early", "w").close()
signal.signal(signal.SIGTERM, on_term)
os.write(1, b"ready")
while not os.path.exists("{0}/go"): time.sleep(0.01)
open("{0}/went", "w").close()
while got := os.read(0, 65536):
    n += len(got)
    time.sleep(0.2)
over = True
with open("{0}/new", "w") as file: file.write(str(n))
os.rename("{0}/new", "{0}/read")
"""


@contextmanager
def stands_still(gw, seconds=LIMIT + 0.8):
    """For so long, or longer."""
    with gw.stopped():
        over = time.monotonic() + seconds
        yield
        eventually(lambda: time.monotonic() > over, "the clock has stopped, too")


def in_time(play):
    """play(gw), after which gw is at rest; what it does before the gateway stands still has a time of its own."""

    @functools.wraps(play)
    def run(gw, *args):
        def again():
            gw.rest()
            return play(gw, *args)

        return promptly(again)

    return run


def everything(ws):
    """Payload of all that comes up to the close frame, and that."""
    parts = []
    while (got := ws.recv()).opcode != CLOSE:
        parts.append(got.payload)
    return b"".join(parts), got


class Reader(threading.Thread):
    """Reads all that comes, up to the end of file."""

    def __init__(self, raw):
        super().__init__(daemon=True)
        self.raw, self.parts, self.n = raw, [raw.ahead], 0
        self.start()

    def run(self):
        while data := self.raw.read_some():
            self.parts.append(data)
            self.n += len(data)

    def result(self):
        self.join(60)
        assert not self.is_alive(), "no end"
        assert not self.raw.cut, "it was reset"
        return b"".join(self.parts)


def test_pong(gateway):
    gw = gateway({"route /": {"exec": "cat", "ping_interval": "300ms", "ping_timeout": f"{LIMIT}s"}}, gateway=ONE)

    @in_time
    def play(gw):
        with gw.ws() as ws, gw.ws() as dead:
            for one in (ws, dead):
                assert one.recv_frame().opcode == PING
            with stands_still(gw):
                ws.send_frame(PONG)
            gw.wait_log("session ended", reason="ping timeout")
            dead.rest()
            assert dead.cut
            ws.send_text("there")
            assert ws.recv_text() == "there"
            assert ws.close().code == 1000
        gw.wait_log("session ended", code_received=1000)

    play(gw)


@pytest.mark.parametrize("path", ["/program", "/service"])
def test_message(gateway, path):
    """Of the client, or of its service."""
    talk = threading.Event()

    def talks(it, sock):
        talk.wait()
        sock.sendall(b"there")
        while it.read(sock):
            pass
        sock.close()

    with service(talks) as one:
        idle = {"idle_timeout": f"{LIMIT}s"}
        gw = gateway({"route /program": {"exec": "cat", **idle}, "route /service": {"connect": one.uri, **idle}}, gateway=ONE)

        @in_time
        def play(gw):
            talk.clear()
            with gw.ws(path) as ws:
                with stands_still(gw):
                    if path == "/program":
                        ws.send_text("there")
                    talk.set()
                assert ws.recv().payload == b"there"
                ws.recv_close(1001, "idle")

        try:
            play(gw)
        finally:
            talk.set()


def test_tail_of_a_service(gateway):
    """It is left when it is silent after its end, but not when it was not heard."""
    go, said = threading.Event(), threading.Event()

    def answers(it, sock):
        while it.read(sock):
            pass
        go.wait()
        sock.sendall(PIECE)
        said.set()
        sock.close()

    with service(answers) as one:
        gw = gateway({"route /": {"connect": one.uri}}, gateway=ONE)

        @in_time
        def play(gw):
            go.clear()
            said.clear()
            n = one.at_eof
            with gw.ws() as ws:
                ws.send_close(1000)
                eventually(lambda: one.at_eof > n, "the service is not told")
                over = time.monotonic() + 0.3
                eventually(lambda: time.monotonic() > over, "the clock has stopped")  # it has looked, and found that
                with stands_still(gw):
                    go.set()
                    eventually(said.is_set, "it can't say it")
                data, end = everything(ws)
                assert data == PIECE and end.code == 1000
                ws.ended()

        try:
            play(gw)
        finally:
            go.set()


def test_connect(gateway):
    with full_listener() as listener:
        port = listener.getsockname()[1]
        gw = gateway({"route /": {"connect": f"tcp://127.0.0.1:{port}", "connect_timeout": f"{LIMIT}s"}}, gateway=ONE)
        accepted = []

        def accept():
            while True:
                try:
                    accepted.append(listener.accept()[0])
                except OSError:
                    return

        before = gw.counters()["descriptors"]
        with gw.connect() as raw:
            raw.send(wsraw.upgrade("/", host=gw.host))
            eventually(lambda: gw.counters()["descriptors"] >= before + 2, "it does not begin to connect")
            thread = threading.Thread(target=accept, daemon=True)
            with stands_still(gw, 3.8):  # the kernel tries again after one second, and after two more
                thread.start()
            assert raw.response().status == 101
            assert raw.close().code == 1000
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(60)
        for sock in accepted:
            sock.close()


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_tls_of_a_service(gateway, version):
    """The one takes a way there and back after what came meanwhile."""
    came, go = threading.Event(), threading.Event()

    def shakes(sock):
        sock.recv(1, socket.MSG_PEEK)
        came.set()
        go.wait()
        tls = TlsSocket(sock, run_server_context(version), server=True)
        while data := tls.recv(65536):
            tls.sendall(data)
        tls.close()

    with tls_service() as one:
        one.plain = shakes
        keys = {"connect": one.uri, "connect_timeout": f"{LIMIT}s", "tls_ca": certs.run_pair().certificate}
        gw = gateway({"route /": keys}, gateway=ONE)

        @in_time
        def play(gw):
            came.clear()
            go.clear()
            with gw.connect() as raw:
                raw.send(wsraw.upgrade("/", host=gw.host))
                eventually(came.is_set, "no hello")
                with stands_still(gw):
                    go.set()
                assert raw.response().status == 101
                raw.send_binary(b"there")
                assert raw.recv().payload == b"there"
                assert raw.close().code == 1000

        try:
            play(gw)
        finally:
            go.set()


def cgi_gateway(gateway, tmp_path, name, text, **keys):
    script(tmp_path / "cgi", name, text)
    return gateway({"route /cgi/*": {"cgi": tmp_path / "cgi", **keys}}, gateway=ONE)


def test_body(gateway, tmp_path):
    """Of a request, for a program."""
    gw = cgi_gateway(
        gateway, tmp_path, "reads", "printf 'Content-Type: text/plain\\n\\n'; exec cat\n", send_timeout=f"{LIMIT}s"
    )

    @in_time
    def play(gw):
        with gw.connect() as raw:
            raw.send(wsraw.request("/cgi/reads", "POST", gw.host, headers=[("Content-Length", "10")]) + b"first")
            assert raw.response(body=False).status == 200
            assert raw.chunk() == b"first"
            with stands_still(gw):
                raw.send(b"other")
            assert b"".join(iter(raw.chunk, b"")) == b"other"

    play(gw)


def test_document(gateway, tmp_path):
    """Of a program."""
    go = tmp_path / "go"
    text = f"printf 'Content-Type: text/plain\\n\\nfirst'\nuntil [ -e {go} ]; do sleep 0.01; done\nprintf other\n"
    gw = cgi_gateway(gateway, tmp_path, "says", text, idle_timeout=f"{LIMIT}s", stop_grace="200ms")

    @in_time
    def play(gw):
        go.unlink(missing_ok=True)
        with gw.connect() as raw:
            raw.send(wsraw.request("/cgi/says", host=gw.host))
            answer = raw.response(body=False)
            assert raw.chunk() == b"first"
            (program,) = gw.programs()
            with stands_still(gw):
                go.touch()
                eventually(lambda: process_state(program) in ("Z", ""), "the program goes on")
            assert answer.status == 200 and b"".join(iter(raw.chunk, b"")) == b"other"

    play(gw)


def test_response(gateway, tmp_path):
    """A client reads all that it can have while nothing more is sent."""
    size = 40 << 20
    text = f"printf 'Content-Type: text/plain\\nContent-Length: {size}\\n\\n'\nhead -c {size} /dev/zero\n"
    gw = cgi_gateway(gateway, tmp_path, "long", text, send_timeout="3s")

    @in_time
    def play(gw):
        eventually(lambda: not gw.programs(), "one is left")
        with gw.connect() as raw:
            raw.send(wsraw.request("/cgi/long", host=gw.host, headers=[("Connection", "close")]))
            (program,) = eventually(gw.programs, "no program")
            plateau(lambda: open(f"/proc/{program}/stat").read().split()[13:15])
            with stands_still(gw, 3.8):
                reader = Reader(raw)
                plateau(lambda: reader.n)
            head, _, body = reader.result().partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ") and len(body) == size

    play(gw)


def test_input_of_a_program(gateway, tmp_path):
    """It reads on, and is given no signal before it has read all."""
    program = script(tmp_path, "reads", "")
    program.write_text(READS_LATE.format(tmp_path))
    keys = {**STREAM, "buffer": "4M", "closing_wait": "1s", "stop_grace": f"{LIMIT}s"}
    gw = gateway({"route /": {"exec": program, **keys}}, gateway=ONE)
    data = PIECE * 20

    @in_time
    def play(gw):
        for name in ("go", "went", "early", "read"):
            (tmp_path / name).unlink(missing_ok=True)
        with gw.ws() as ws:
            assert ws.recv().payload == b"ready"
            ws.send_binary(data)
            ws.send_frame(PING)
            assert ws.recv_frame().opcode == PONG
            ws.send_close(1000)
            for _ in range(2):  # turns of the worker
                gw.counters()
            with stands_still(gw):
                (tmp_path / "go").touch()
                eventually((tmp_path / "went").exists, "it does not go on")
            assert everything(ws)[1].code == 1000
        eventually((tmp_path / "read").exists, "it has not read all")
        assert int((tmp_path / "read").read_text()) == len(data)
        assert not (tmp_path / "early").exists()

    play(gw)


def test_last_frames(gateway):
    """max_lifetime is over, and a client that reads gets all that was said before, and is told why."""

    def floods(it, sock):
        while True:
            sock.sendall(PIECE)

    with service(floods) as one:
        keys = {"connect": one.uri, "max_lifetime": f"{LIMIT}s", "send_timeout": "3s"}
        gw = gateway({"route /": keys}, gateway=ONE)

        @in_time
        def play(gw):
            ws = gw.ws(over=gw.connect(rcvbuf=65536))
            over = time.monotonic() + LIMIT + 0.5
            eventually(lambda: time.monotonic() > over, "the clock has stopped")
            with ws:
                with stands_still(gw, 3.8):
                    reader = Reader(ws)
                    plateau(lambda: reader.n)
                last = b"\x88\x0a" + struct.pack("!H", 1001) + b"lifetime"
                eventually(lambda: not reader.is_alive() or b"".join(reader.parts[-2:]).endswith(last), "no end")
                ws.send_close(1001)
                assert reader.result().endswith(last)

        play(gw)


def test_answers_at_the_end(gateway):
    """The gateway stops: who has answered in time ends in order."""
    gw = gateway({"route /": {"exec": "cat"}}, gateway={**ONE, "shutdown_grace": f"{LIMIT}s"}, checked=False)
    with gw.ws() as ws, gw.ws() as deaf:
        gw.process.terminate()
        assert [one.recv().code for one in (ws, deaf)] == [1001, 1001]
        with stands_still(gw):
            ws.send_close(1001)
        ws.ended()
        assert not ws.cut
        ws.drop()
        assert gw.exited() == 0
    gw.process = None
    ends = {int(line["code_received"]): line.get("reason", "") for line in gw.logged("session ended")}
    assert ends == {1001: "the gateway stops", 1006: "cut"}
