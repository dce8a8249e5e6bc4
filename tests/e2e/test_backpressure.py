"""Floods each way with a peer that has stopped: memory stays within `buffer`, and every byte is right when it resumes.

Memory is that of the release build: sanitizers keep what was freed.
"""
import hashlib
import threading
import time
from pathlib import Path

import backends
import pytest
import wsraw
from backends import service
from gateway import rss_of
from scripts import script
from wait import eventually, plateau, promptly
from wsraw import BINARY, CLOSE, CONTINUATION, TEXT, frame

KIB = 1024
BUFFER = 256 * KIB
STALLED = 6  # sessions at once, so that what each holds shows
SLACK = 1536 * KIB  # what the process itself may grow by: its allocator, its loops
NUMBERS = "".join(f"{i}\n" for i in range(1, 400001)).encode()


def written_by(pid):
    """How many bytes a process has written; None when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("wchar")), None)


def check_memory(gw, before, sessions, directions=1):
    """At most `buffer` for each direction of each session, and the read that may go past the mark."""
    grown = rss_of(gw.pid) - before
    bound = sessions * directions * (BUFFER + 64 * KIB) + SLACK
    print(f"{sessions} stalled sessions: {grown // KIB} KiB, bound {bound // KIB} KiB")
    assert grown <= bound, f"grew by {grown // KIB} KiB, {bound // KIB} KiB are allowed"


def warm(gw, path):
    """One session, so that what is only allocated once is there; returns the memory then."""
    gw.ws(path).reset()
    gw.wait_log("session ended")
    return rss_of(gw.pid)


def late_program(directory, then):
    """A program that reads nothing until the file "go" is there, which it is at first, for warm()."""
    (directory / "go").touch()
    return script(directory, "late.sh", f"while [ ! -e '{directory}/go' ]; do sleep 0.01; done\n{then}\n")


def push(raw, data):
    """Sends until nothing more is taken for a while, twice: once it may be that the gateway is not given the CPU. Returns
    how much went out."""
    view, sent, stuck_at = memoryview(data), 0, None
    raw.sock.settimeout(0.25)
    while sent < len(data):
        try:
            sent += raw.sock.send(view[sent : sent + (1 << 18)])
        except TimeoutError:
            if sent == stuck_at:
                break
            stuck_at = sent
    raw.sock.settimeout(60)
    return sent


PROGRAM_FLOODS = {
    "64 KiB writes": ("head -c 30000000 /dev/zero", "stream", b"\0" * 30000000),
    "numbers as lines": ("seq 1 400000", "lines", NUMBERS),
    "lines of one byte": ("sh -c 'yes | head -n 1000000'", "lines", b"y\n" * 1000000),
    "text": ("seq 1 400000", "text-stream", NUMBERS),
}


@pytest.mark.parametrize("name", PROGRAM_FLOODS)
def test_program_floods_and_clients_do_not_read(gateway, name):
    command, framing, expected = PROGRAM_FLOODS[name]
    gw = gateway({"route /flood": {"exec": command, "framing": framing}}, release=True)
    before = warm(gw, "/flood")
    clients = [gw.ws("/flood", over=gw.connect(rcvbuf=4096)) for _ in range(STALLED)]
    programs = gw.programs()
    plateau(lambda: [written_by(pid) for pid in programs])
    check_memory(gw, before, STALLED)
    assert gw.counters()["sessions"] == STALLED
    first, *others = clients
    for ws in others:
        ws.reset()
    digest, n, end = hashlib.sha256(), 0, b"\n" if framing == "lines" else b""
    while True:
        got = first.recv()
        if got.opcode == CLOSE:
            break
        data = got.payload + (end if got.fin else b"")
        digest.update(data)
        n += len(data)
    assert got.code == 1000 and n == len(expected)
    first.answer_close(got)  # before anything else: it has 5 s for that
    assert digest.digest() == hashlib.sha256(expected).digest()
    first.drop()


CLIENT_FLOODS = {
    "64 KiB messages": [frame(BINARY, bytes([i]) * 65536) for i in range(200)],
    "messages of one byte": [frame(BINARY, bytes([i & 0xFF])) * 1000 for i in range(1000)],
    "one message of 16 MiB": [frame(BINARY, b"x" * (1 << 24), mask=b"abcd")],
    "fragments of 100 bytes": [frame(BINARY, b"", fin=False)]
    + [frame(CONTINUATION, bytes([i & 0xFF]) * 100, fin=False) * 100 for i in range(1000)]
    + [frame(CONTINUATION)],
    "empty messages": [frame(BINARY, b"") * 300000],
}


def payload_of(wire):
    """What a flood of frames carries."""
    out, at = [], 0
    while at < len(wire):
        n, size = wire[at + 1] & 0x7F, 2
        if n == 126:
            n, size = int.from_bytes(wire[at + 2 : at + 4], "big"), 4
        elif n == 127:
            n, size = int.from_bytes(wire[at + 2 : at + 10], "big"), 10
        key = wire[at + size : at + size + 4]
        out.append(wsraw.mask_bytes(wire[at + size + 4 : at + size + 4 + n], key))
        at += size + 4 + n
    return b"".join(out)


@pytest.mark.parametrize("name", CLIENT_FLOODS)
def test_clients_flood_and_the_program_does_not_read(gateway, tmp_path, name):
    wire = b"".join(CLIENT_FLOODS[name])
    expected = payload_of(wire)
    late = late_program(tmp_path, f"cat >'{tmp_path}/out-'$$")
    gw = gateway({"route /late": {"exec": late, "framing": "stream", "closing_wait": "20s"}}, release=True)
    before = warm(gw, "/late")
    (tmp_path / "go").unlink()
    clients = [gw.ws("/late") for _ in range(STALLED)]
    sent = [push(ws, wire) for ws in clients]
    if len(expected) > 4 << 20:
        assert all(n < len(wire) for n in sent), "nothing stopped the client"
    check_memory(gw, before, STALLED)
    assert gw.counters()["sessions"] == STALLED
    (tmp_path / "go").touch()
    first, *others = clients
    for ws in others:
        ws.reset()
    first.send(wire[sent[0] :])
    assert first.close().code == 1000
    first.drop()
    gw.wait_log("session ended", n=1 + STALLED)
    whole = [path for path in tmp_path.glob("out-*") if path.stat().st_size == len(expected)]
    assert whole, [path.stat().st_size for path in tmp_path.glob("out-*")]
    assert any(path.read_bytes() == expected for path in whole)


def test_lines_flood_into_a_program_that_does_not_read(gateway, tmp_path):
    """Messages of lines are held until they are whole; that memory counts as well."""
    late = late_program(tmp_path, "exec wc -c")
    gw = gateway({"route /late": {"exec": late, "closing_wait": "20s"}}, release=True)
    before = warm(gw, "/late")
    (tmp_path / "go").unlink()
    wire = (frame(TEXT, "x" * 60000, fin=False) + frame(CONTINUATION, "y")) * 200
    clients = [gw.ws("/late") for _ in range(STALLED)]
    sent = [push(ws, wire) for ws in clients]
    check_memory(gw, before, STALLED)
    (tmp_path / "go").touch()
    for ws in clients[1:]:
        ws.reset()
    clients[0].send(wire[sent[0] :])
    clients[0].send_close(1000)
    assert int(clients[0].recv_text()) == 60002 * 200
    clients[0].recv_close(1000, answer=False)
    clients[0].drop()


@pytest.mark.parametrize("framing", ["stream", "records", "lines"])
def test_both_sides_flood(gateway, framing):
    """An echo whose client writes and writes before it reads: everything stops, and goes on when it reads."""
    gw = gateway({"route /echo": {"exec": "cat", "framing": framing, "ping_interval": "1h"}}, release=True)
    before = warm(gw, "/echo")
    messages = [bytes([97 + i % 26]) * 50000 for i in range(400)]
    wire = b"".join(frame(TEXT, data) for data in messages)
    ws = gw.ws("/echo", over=gw.connect(rcvbuf=4096))
    sent = push(ws, wire)
    assert sent < len(wire)
    check_memory(gw, before, 1, 2)
    writer = threading.Thread(target=ws.send, args=(wire[sent:],))
    writer.start()
    digest, n, expected = hashlib.sha256(), 0, b"".join(messages)
    while n < len(expected):
        data = ws.recv().payload
        digest.update(data)
        n += len(data)
    writer.join()
    assert digest.digest() == hashlib.sha256(expected).digest()
    ws.close()
    ws.drop()


def test_service_floods_and_the_client_does_not_read(gateway):
    data = bytes(range(256)) * 80000
    with service(backends.sends(data)) as it:
        gw = gateway({"route /tcp": {"connect": it.uri}}, release=True)
        before = warm(gw, "/tcp")
        clients = [gw.ws("/tcp", over=gw.connect(rcvbuf=4096)) for _ in range(STALLED)]
        plateau(lambda: rss_of(gw.pid))
        check_memory(gw, before, STALLED)
        for ws in clients[1:]:
            ws.reset()
        got, code, _ = clients[0].recv_all()
        assert (got == data, code) == (True, 1000)
        clients[0].drop()


def test_client_floods_and_the_service_does_not_read(gateway):
    """The service sees every byte once it reads."""
    go = threading.Event()

    def waits(it, sock):
        go.wait(120)
        backends.sink(it, sock)

    wire = b"".join(CLIENT_FLOODS["64 KiB messages"])
    with service(waits) as it, service(backends.echo) as other:
        gw = gateway(
            {"route /tcp": {"connect": it.uri, "closing_wait": "20s"}, "route /warm": {"connect": other.uri}},
            release=True,
        )
        before = warm(gw, "/warm")
        with gw.ws("/tcp") as ws:
            sent = push(ws, wire)
            assert sent < len(wire)
            check_memory(gw, before, 1)
            go.set()
            ws.send(wire[sent:])
            ws.close()
        it.wait_received(payload_of(wire))


@pytest.mark.parametrize("buffer", ["16k", "1M"])
def test_buffer_is_what_is_held(gateway, buffer):
    """The option moves the bound."""
    gw = gateway({"route /flood": {"exec": "cat /dev/zero", "framing": "stream", "buffer": buffer}}, release=True)
    before = warm(gw, "/flood")
    clients = [gw.ws("/flood", over=gw.connect(rcvbuf=4096)) for _ in range(STALLED)]
    programs = gw.programs()
    plateau(lambda: [written_by(pid) for pid in programs])
    size = {"16k": 16 * KIB, "1M": 1 << 20}[buffer]
    assert rss_of(gw.pid) - before <= STALLED * (size + 64 * KIB) + SLACK
    for ws in clients:
        ws.reset()


# send_timeout; these need no exact memory, so the sanitizers watch


def test_send_timeout(gateway):
    """A client that accepts nothing for so long is cut, and its program with it."""
    gw = gateway({"route /flood": {"exec": "cat /dev/zero", "framing": "stream", "send_timeout": "700ms"}})
    begin = time.monotonic()
    ws = gw.ws("/flood", over=gw.connect(rcvbuf=4096))
    line = gw.wait_log("session ended")
    assert 0.6 < time.monotonic() - begin < 20  # of the 60 s that it has by default
    assert "send" in str(line).lower()
    ws.drop()


def test_slow_reader_is_not_cut(gateway):
    """One that takes a little now and then lives past send_timeout, unanswered pings and all."""
    gw = gateway(
        {
            "route /flood": {
                "exec": "cat /dev/zero",
                "framing": "stream",
                "send_timeout": "700ms",
                "ping_interval": "100ms",
                "ping_timeout": "300ms",
            }
        }
    )

    def read_slowly():
        gw.rest()
        with gw.ws("/flood", over=gw.connect(rcvbuf=4096)) as ws:
            begin = time.monotonic()

            def read_some():
                assert ws.sock.recv(20000), "it is cut"
                return time.monotonic() - begin > 2.5

            eventually(read_some, "time stands still")
            assert not gw.logged("session ended") and gw.counters()["sessions"] == 1
            ws.reset()

    promptly(read_slowly, late=0.5)


def test_stalled_sessions_do_not_disturb_others(gateway):
    gw = gateway(
        {"route /flood": {"exec": "cat /dev/zero", "framing": "stream"}, "route /echo": {"exec": "cat"}},
        gateway={"workers": 1},
    )
    stalled = [gw.ws("/flood", over=gw.connect(rcvbuf=4096)) for _ in range(5)]
    with gw.ws("/echo") as ws:
        begin = time.monotonic()
        for i in range(100):
            ws.send_text(str(i))
            assert ws.recv_text() == str(i)
        assert time.monotonic() - begin < 20  # one that waits for who is stalled waits for send_timeout
        ws.close()
    for one in stalled:
        one.reset()


def test_closing_handshake_passes_a_full_pipe(gateway, tmp_path):
    """A client closes behind data that the program does not take: after the ladder everything is gone."""
    deaf = script(tmp_path, "deaf.sh", "exec sleep 1000 <&0\n")
    gw = gateway({"route /deaf": {"exec": deaf, "framing": "stream", "closing_wait": "100ms", "stop_grace": "300ms"}})
    with gw.ws("/deaf") as ws:
        ws.send_binary(b"x" * 200000)
        assert ws.close().code == 1000


@pytest.mark.parametrize("how", ["close", "reset"])
def test_program_that_prints_and_never_reads_is_ended(gateway, tmp_path, how):
    """Output is no progress of the input that the ladder waits for."""
    tick = script(tmp_path, "tick.sh", "while :; do echo tick; sleep 0.1; done\n")
    gw = gateway({"route /tick": {"exec": tick, "framing": "stream", "closing_wait": "100ms", "stop_grace": "400ms"}})
    ws = gw.ws("/tick")
    ws.send_binary(b"x" * 200000)
    if how == "close":
        ws.send_close(1000)
    else:
        ws.reset()
    eventually(lambda: gw.counters()["sessions"] == 0, "the program is not ended")
    ws.drop()


def test_closing_handshake_passes_a_full_socket(gateway):
    """The same with a service that does not read: closing_wait after it took the last byte, the connection is cut."""
    with service(backends.silent) as it:
        gw = gateway({"route /deaf": {"connect": it.uri, "closing_wait": "300ms"}})
        with gw.ws("/deaf") as ws:
            wire = frame(BINARY, b"x" * (1 << 24))
            push(ws, wire)
            ws.reset()
        ws = gw.ws("/deaf")
        ws.send_binary(b"x" * 100000)
        assert ws.close().code == 1000
        ws.drop()


def test_client_that_stalls_while_the_program_ends(gateway):
    """The last bytes wait for it, up to send_timeout; they arrive when it reads."""
    gw = gateway({"route /seq": {"exec": "seq 1 400000", "framing": "stream", "send_timeout": "30s"}})
    with gw.ws("/seq", over=gw.connect(rcvbuf=4096)) as ws:
        programs = gw.programs()
        plateau(lambda: [written_by(pid) for pid in programs])
        got, code, _ = ws.recv_all()
        assert (got == NUMBERS, code) == (True, 1000)


def test_many_floods_end_with_the_gateway(gateway):
    """SIGTERM in the middle of it all: no byte of the flood keeps it."""
    gw = gateway(
        {"route /flood": {"exec": "cat /dev/zero", "framing": "stream"}},
        gateway={"shutdown_grace": "500ms"},
        checked=False,
    )
    clients = [gw.ws("/flood", over=gw.connect(rcvbuf=4096)) for _ in range(10)]
    programs = gw.programs()
    gw.stop()
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in programs), "programs live on")
    for ws in clients:
        ws.drop()
