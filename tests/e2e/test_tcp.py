"""TCP and unix services: unreachable, resetting, half-closing, and every byte both ways."""
import asyncio
import os
import shutil
import socket
import subprocess
import time

import backends
import pytest
import websockets
import wsraw
from backends import black_hole, closed_port, echo, sends, service, sink
from wait import eventually, promptly
from wsraw import CLOSE, TEXT, close_frame, frame

MEGABYTE = os.urandom(1 << 20)


def route(uri, **keys):
    return {"route /tcp": {"connect": uri, **keys}}


def test_echo(gateway):
    with service(echo) as it:
        gw = gateway(route(it.uri))
        with gw.ws("/tcp") as ws:
            for n in (1, 100, 100000):
                ws.send_binary(MEGABYTE[:n])
                assert ws.recv_bytes(n) == MEGABYTE[:n]
            ws.close()
        line = gw.wait_log("session ended")
        assert it.uri.removeprefix("tcp://") in line["backend"]
        assert (line["in_bytes"], line["out_bytes"]) == (100101, 100101)


def test_lines_over_tcp(gateway):
    with service(echo) as it:
        gw = gateway(route(it.uri, framing="lines"))
        with gw.ws("/tcp") as ws:
            ws.send_text("one")
            assert ws.recv_text() == "one"
            ws.close()
    assert it.received == b"one\n"


# unreachable


def test_connection_refused(gateway):
    """502 at once, with the reason in the refusal and in the log."""
    gw = gateway(route(f"tcp://127.0.0.1:{closed_port()}", connect_timeout="1h"))
    answer = gw.refused("/tcp")
    assert answer.status == 502 and "Connection refused" in answer.text
    assert "Connection refused" in str(gw.wait_log("request", status=502))


def test_unix_socket_missing(gateway, tmp_path):
    gw = gateway(route(f"unix:{tmp_path}/nothing"))
    answer = gw.refused("/tcp")
    assert answer.status == 502 and "No such file or directory" in answer.text


def test_black_hole(gateway):
    """504 after connect_timeout, which is the route's own; others are served meanwhile."""
    with black_hole() as port, service(echo) as it:
        gw = gateway(
            {
                "route /hole": {"connect": f"tcp://127.0.0.1:{port}", "connect_timeout": "400ms"},
                "route /patient": {"connect": f"tcp://127.0.0.1:{port}", "connect_timeout": "1h"},
                "route /echo": {"connect": it.uri},
            },
            gateway={"workers": 1},
        )
        with gw.connect() as patient:
            patient.send(wsraw.upgrade("/patient", gw.host))
            eventually(lambda: gw.counters()["descriptors"] == gw.baseline["descriptors"] + 2, "no attempt")
            begin = time.monotonic()
            with gw.connect() as raw:
                raw.send(wsraw.upgrade("/hole", gw.host))
                with gw.ws("/echo") as ws:
                    ws.send_text("meanwhile")
                    assert ws.recv_bytes(9) == b"meanwhile"
                    ws.close()
                answer = raw.response()
                assert answer.status == 504 and time.monotonic() - begin > 0.35
                raw.ended()
            # Who came before and has more time has no line yet.
            assert gw.wait_log("request", status=504)["path"] == "/hole"


def test_client_leaves_while_connecting(gateway):
    with black_hole() as port:
        gw = gateway(route(f"tcp://127.0.0.1:{port}", connect_timeout="30s"))
        for how in ("drop", "reset"):
            raw = gw.connect()
            raw.send(wsraw.upgrade("/tcp", gw.host))
            eventually(lambda: gw.counters()["descriptors"] >= gw.baseline["descriptors"] + 2, "no attempt")
            getattr(raw, how)()
            eventually(lambda: gw.counters() == gw.baseline, lambda: f"the attempt goes on: {gw.counters()}")
        gw.wait_log("session ended", route="/tcp", reason="left before the backend was there")


@pytest.mark.parametrize("end", [b"", close_frame(1000)], ids=["vanishes", "closes"])
def test_everything_at_once(gateway, end):
    """Handshake, frames and the end of TCP in one segment: what was whole reaches the service all the same."""
    with service(sink) as it:
        gw = gateway(route(it.uri))
        with gw.connect() as raw:
            raw.send(wsraw.upgrade("/tcp", gw.host) + frame(TEXT, b"precious") + end)
            raw.shut()
            eventually(lambda: it.received == b"precious", lambda: f"got {it.received}")


def test_names(gateway):
    """localhost is found, v6 or v4; a name that does not exist is a 502."""
    with service(echo) as it:
        port = it.uri.rsplit(":", 1)[1]
        gw = gateway(
            {
                "route /tcp": {"connect": f"tcp://localhost:{port}"},
                "route /nobody": {"connect": "tcp://nobody.invalid:1", "connect_timeout": "3s"},
            }
        )
        with gw.ws("/tcp") as ws:
            ws.send_text("x")
            assert ws.recv_bytes(1) == b"x"
            ws.close()
        answer = gw.refused("/nobody")
        assert answer.status in (502, 504) and "nobody.invalid" not in str(answer.headers)


def test_ipv6(gateway):
    with service(echo, host="::1") as it:
        gw = gateway(route(it.uri.replace("::1", "[::1]")))
        with gw.ws("/tcp") as ws:
            ws.send_text("x")
            assert ws.recv_bytes(1) == b"x"
            ws.close()


def test_unix_socket(gateway, tmp_path):
    with service(echo, path=tmp_path / "echo.sock") as it:
        gw = gateway(route(it.uri))
        with gw.ws("/tcp") as ws:
            ws.send_binary(MEGABYTE)
            assert ws.recv_bytes(len(MEGABYTE)) == MEGABYTE
            ws.close()


# how it ends


def test_service_closes(gateway):
    """Everything that it sent arrives, then 1000."""
    for data in (b"", b"x", MEGABYTE):
        with service(sends(data)) as it:
            gw = gateway(route(it.uri))
            with gw.ws("/tcp") as ws:
                got, code, reason = ws.recv_all()
                assert (got == data, code, reason) == (True, 1000, "")


@pytest.mark.threads
def test_service_closes_many_times(gateway):
    with service(sends(MEGABYTE)) as it:
        gw = gateway(route(it.uri))
        for _ in range(30):
            clients = [gw.ws("/tcp", over=gw.connect(rcvbuf=rcvbuf)) for rcvbuf in (4096, 65536, None)]
            for ws in clients:
                got, code, _ = ws.recv_all()
                assert (got == MEGABYTE, code) == (True, 1000)
                ws.drop()


def test_service_resets(gateway):
    """1011 and why; what was read before it is not lost."""

    def resets_after_being_told(it, sock):
        sock.sendall(b"x" * 5000)
        it.read(sock)
        backends.reset(sock)

    with service(resets_after_being_told) as it:
        gw = gateway(route(it.uri))
        with gw.ws("/tcp") as ws:
            assert ws.recv_bytes(5000) == b"x" * 5000
            ws.send_text("now")
            got = ws.recv()
            assert (got.opcode, got.code) == (CLOSE, 1011) and got.reason
            ws.answer_close(got)
        assert "reset" in str(gw.wait_log("session ended")["end"]).lower()


def test_service_resets_at_once(gateway):
    """Before the 101 a 502, after it 1011."""
    with service(sends(b"", then="reset")) as it:
        gw = gateway(route(it.uri))
        for _ in range(20):
            with gw.connect() as raw:
                raw.send(wsraw.upgrade("/tcp", gw.host))
                answer = raw.response()
                if answer.status == 101:
                    raw.recv_close(1011)
                else:
                    assert answer.status == 502 and "reset" in answer.text
                    raw.ended()


def test_service_ends_its_side_and_reads_on(gateway):
    """Our close frame goes out; what the client has on the way still arrives, up to its own close frame."""
    with service(sends(b"bye", then="half")) as it:
        gw = gateway(route(it.uri))
        with gw.ws("/tcp") as ws:
            assert ws.recv_bytes(3) == b"bye"
            got = ws.recv()
            assert (got.opcode, got.code) == (CLOSE, 1000)
            ws.send_binary(MEGABYTE)
            ws.send_close(1000)
            ws.ended()
        it.wait_received(MEGABYTE)
        eventually(lambda: it.at_eof == 1, "the service does not see the end")


def test_client_closes_and_hears_the_rest(gateway):
    """Its last bytes arrive, the service sees the end of file, and its answer to that still goes out."""

    def play():
        def answers_the_end(it, sock):
            while it.read(sock):
                pass
            sock.sendall(b"late" * 10000)
            sock.close()

        with service(answers_the_end) as it:
            gw = gateway(route(it.uri))
            with gw.ws("/tcp") as ws:
                ws.send(frame(TEXT, "last") + close_frame(1000))
                got, code, _ = ws.recv_all()
                assert (got, code) == (b"late" * 10000, 1000)
            assert it.received == b"last"

    promptly(play, late=0.8)  # a service that has heard the end has a second to begin to answer


def test_client_closes_and_hears_the_rest_slowly(gateway):
    """It takes longer than any service may go on after the end, and is told of a good end when it has all."""
    size = 24 << 20

    def answers(it, sock):
        sink_until_end(sock)
        for _ in range(size // len(MEGABYTE)):
            sock.sendall(MEGABYTE)
        sock.close()

    def sink_until_end(sock):
        while sock.recv(65536):
            pass

    with service(answers) as it:
        gw = gateway(route(it.uri))
        with gw.ws("/tcp", over=gw.connect(rcvbuf=65536)) as ws:
            ws.send_close(1000)
            begin, parts, have = time.monotonic(), [], 0
            while (got := ws.recv()).opcode != CLOSE:
                parts.append(got.payload)
                have += len(got.payload)
                eventually(lambda: time.monotonic() - begin > have / (3 << 20), "the clock has stopped")
            assert (have, got.code) == (size, 1000)
            assert b"".join(parts) == MEGABYTE * (size // len(MEGABYTE))


def test_service_ignores_the_end(gateway):
    """The client has its answer all the same, and the connection to the service is cut."""
    with service(backends.silent) as it:
        gw = gateway(route(it.uri))
        with gw.ws("/tcp") as ws:
            assert ws.close().code == 1000
        eventually(lambda: it.connections, "no connection")
        it.connections[0].settimeout(30)
        try:
            assert it.connections[0].recv(1) == b""
        except ConnectionResetError:
            pass


def test_vanishing_in_mid_message_is_no_clean_end(gateway):
    """The service has every byte of it, and then a reset, not an end of file."""
    with service(sink) as it:
        gw = gateway(route(it.uri))
        ws = gw.ws("/tcp")
        ws.send(frame(TEXT, "whole") + frame(TEXT, "half of it")[:-5])
        it.wait_received(b"wholehalf ")
        ws.reset()
        eventually(lambda: it.resets + it.at_eof, "the service is not told")
        assert (it.resets, it.at_eof) == (1, 0)


def test_both_end_at_once(gateway):
    with service(sends(b"x" * 1000)) as it:
        gw = gateway(route(it.uri))
        for _ in range(50):
            with gw.ws("/tcp", first=close_frame(1000)) as ws:
                got, code, _ = ws.recv_all()
                assert code == 1000 and got in (b"", b"x" * 1000)


def test_nagle_is_off(gateway):
    """A request and its answer, many times: they do not wait for a delayed acknowledgement, which takes 40 ms. On a busy
    machine some wait for other reasons."""
    with service(echo) as it:
        gw = gateway(route(it.uri))
        with gw.ws("/tcp") as ws:
            times = []
            for _ in range(200):
                begin = time.monotonic()
                ws.send(frame(TEXT, "a"))
                ws.send(frame(TEXT, "b"))
                assert ws.recv_bytes(2) == b"ab"
                times.append(time.monotonic() - begin)
            assert sorted(times[50:])[30] < 0.035, times  # the first ones are acknowledged at once
            ws.close()


def accepts(path):
    """Does somebody listen there? The file is there before that."""
    with socket.socket(socket.AF_UNIX) as sock:
        return sock.connect_ex(str(path)) == 0


def test_real_service(gateway, tmp_path):
    """redis, spoken to through python3-websockets."""
    path = tmp_path / "redis.sock"
    redis = subprocess.Popen(
        [shutil.which("redis-server"), "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: accepts(path), "redis does not start")
        gw = gateway(route(f"unix:{path}"))

        async def talk():
            url, patience = f"{gw.url}/tcp", {"open_timeout": 60, "ping_timeout": 60, "close_timeout": 60}
            async with websockets.connect(url, subprotocols=["binary"], **patience, **gw.for_websockets) as ws:
                for request, answer in (
                    (b"PING\r\n", b"+PONG\r\n"),
                    (b"SET k %s\r\n" % (b"v" * 60000), b"+OK\r\n"),
                    (b"GET k\r\n", b"$60000\r\n" + b"v" * 60000 + b"\r\n"),
                    (b"QUIT\r\n", b"+OK\r\n"),
                ):
                    await ws.send(request)
                    got = b""
                    while len(got) < len(answer):
                        got += await ws.recv()
                    assert got == answer
                await ws.wait_closed()
                assert ws.close_code == 1000

        asyncio.run(asyncio.wait_for(talk(), 60))
    finally:
        redis.terminate()
        redis.wait()


@pytest.mark.threads
def test_many_sessions(gateway):
    """Hundreds at once on few threads; memory of addresses and timers goes back."""
    with service(echo) as it:
        # The first ones answer no ping until the last one is there.
        gw = gateway(route(it.uri, ping_interval="1h"), gateway={"workers": 4})
        for _ in range(2):
            clients = [gw.ws("/tcp") for _ in range(300)]
            assert gw.counters()["sessions"] == 300
            for i, ws in enumerate(clients):
                ws.send_text(f"{i:05}")
            for i, ws in enumerate(clients):
                assert ws.recv_bytes(5) == f"{i:05}".encode()
            for ws in clients:
                ws.send_close(1000)
            for ws in clients:
                ws.recv_close(1000, answer=False)
                ws.drop()
            eventually(lambda: gw.counters() == gw.baseline, lambda: f"{gw.counters()}")
