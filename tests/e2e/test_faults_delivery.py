"""What is promised while a program runs, whoever floods, stops, breaks off.

Every byte, in order, whole messages or none, a bounded memory. The ends of programs are in test_faults_program.py, one
side that floods alone is in test_backpressure.py with the bounds of memory, and what services say at the end in
test_tcp.py. That what came before a broken frame is done, and nothing after it, every case of the conformance suite that
breaks a rule sees as well.
"""
import errno
import hashlib
import os
import random
import select
import socket
import struct
import threading
from contextlib import contextmanager

import pytest
from backends import service
from gateway import Gateway, alive, rss_of
from scripts import notes, script
from test_backpressure import BUFFER, KIB, SLACK, push
from ttyclient import INPUT, Tty
from wait import eventually
from wsraw import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_frame, frame

MIB = 1 << 20
WHOLE = b"".join(random.Random(i).randbytes(MIB) for i in range(16))
UP, DOWN = WHOLE, WHOLE[8 * MIB :]


def GATEWAY(directory):
    routes = {}
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "down").write_bytes(DOWN)

    def program(path, text, **keys):
        routes[f"route {path}"] = {"exec": script(directory, path.strip("/") + ".sh", text), **keys}

    program("/leaves", f"head -c {MIB} '{directory}/down'\nexit 3", framing="stream")
    routes["route /sort"] = {"exec": "sort", "closing_wait": "20s"}
    routes["route /records"] = {"exec": "cat", "framing": "records"}
    exe = notes(directory, "notes", directory / "commands")
    routes["route /commands"] = {"exec": exe, "max_message": "1k", "closing_wait": "20s", "stop_grace": "1h"}
    return Gateway(directory, routes)


# both flood, and neither reads


@contextmanager
def program_that_floods(gateway, tmp_path):
    """A program that writes DOWN at once and reads only when it is let go: its gateway, how it is let go, what it read."""
    go, digest = tmp_path / "go", tmp_path / "digest"
    (tmp_path / "down").write_bytes(DOWN)
    text = f"cd '{tmp_path}'\ncat down &\nwhile [ ! -e go ]; do sleep 0.01; done\nsha256sum >digest\nwait\n"
    keys = {"exec": script(tmp_path, "both.sh", text)}
    yield gateway(
        {"route /both": {**keys, "framing": "stream", "closing_wait": "20s"}}, release=True
    ), go.touch, lambda: (digest.read_text().split()[0])


@contextmanager
def service_that_floods(gateway, _tmp_path):
    go, digest = threading.Event(), hashlib.sha256()

    def floods(_it, sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)  # the sockets before it take 14 MiB at most
        writer = threading.Thread(target=sock.sendall, args=(DOWN,))
        writer.start()
        go.wait(60)
        while data := sock.recv(1 << 16):
            digest.update(data)
        writer.join()
        sock.close()

    with service(floods) as it:
        yield gateway(
            {"route /both": {"connect": it.uri, "closing_wait": "20s"}}, release=True
        ), go.set, digest.hexdigest


def hear(ws, n=None):
    """Payload of what comes, up to n bytes or the close frame, and that."""
    parts, have = [], 0
    while n is None or have < n:
        got = ws.recv()
        if got.opcode == CLOSE:
            return b"".join(parts), got
        parts.append(got.payload)
        have += len(got.payload)
    return b"".join(parts), None


@pytest.mark.parametrize("first", ["client", "backend"])
@pytest.mark.parametrize("backend", [program_that_floods, service_that_floods])
def test_both_flood_and_neither_reads(gateway, tmp_path, backend, first):
    """All stands still within `buffer` for each direction. Whoever reads again first gets everything, though the other
    still does not read; then the other does."""
    wire = b"".join(frame(BINARY, UP[at : at + 65536], mask=b"\0\0\0\0") for at in range(0, len(UP), 65536))
    with backend(gateway, tmp_path) as (gw, let_go, digest):
        before = rss_of(gw.pid)
        with gw.ws("/both", over=gw.connect(rcvbuf=16384)) as ws:
            sent = push(ws, wire)
            assert sent < len(wire), "nothing stopped the client"
            grown = rss_of(gw.pid) - before
            assert grown <= 2 * (BUFFER + 64 * KIB) + SLACK, f"{grown // KIB} KiB"
            if first == "client":
                assert hear(ws, len(DOWN)) == (DOWN, None)
                let_go()
                ws.send(wire[sent:] + close_frame(1000))
                rest, end = hear(ws)
                assert rest == b""
            else:
                let_go()
                ws.send(wire[sent:] + close_frame(1000))
                rest, end = hear(ws)
                assert rest == DOWN
            assert end.code == 1000
            assert eventually(digest, "no digest") == hashlib.sha256(UP).hexdigest()


# the program never reads, and then the client leaves


def test_deaf_program_whose_client_leaves(gateway, tmp_path):
    """In the middle of a message of 64 MiB. It stood still within `buffer`; the program is signalled, and is gone."""
    trap = f"trap 'echo TERM >>{tmp_path}/log; exit' TERM\necho ready\n"
    deaf = script(tmp_path, "deaf.sh", trap + "while :; do sleep 0.01; done\n")
    keys = {"framing": "stream", "stop_grace": "6s", "ping_interval": "200ms"}  # it waits twice for so long
    keys |= {"ping_timeout": "3s", "send_timeout": "3s"}  # that it has left is behind what nobody reads
    gw = gateway({"route /deaf": {"exec": deaf, **keys}}, release=True)
    before = rss_of(gw.pid)
    with gw.ws("/deaf") as ws:
        assert ws.recv_bytes(6) == b"ready\n"
        (pid,) = gw.programs()
        sent = push(ws, frame(BINARY, bytes(64 * MIB), mask=b"\0\0\0\0"))
        assert sent < 64 * MIB
        assert rss_of(gw.pid) - before <= BUFFER + 64 * KIB + SLACK
        ws.reset()
    eventually(lambda: not alive(pid), "it lives on")
    assert (tmp_path / "log").read_text() == "TERM\n"
    gw.wait_log("session ended", code_received=1006)


def n_unacknowledged(sock):
    """Packets on their way (tcpi_unacked). A reset behind some that the other side has no room for is not heard."""
    return struct.unpack_from("I", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 24)[0]


def test_reset_while_nobody_reads(gateway, tmp_path):
    """No ping finds out, and nothing is written to the client: it is missed all the same, and its program goes."""
    keys = {"ping_interval": 0, "stop_grace": "300ms"}
    said = tmp_path / "said"
    pipes = script(tmp_path, "says.sh", f"until [ -e {said} ]; do sleep 0.05; done\necho something\nexec sleep 1000\n")
    pipes = {"exec": pipes, "framing": "stream", **keys}
    terminal = {"exec": "sh -c 'stty raw; echo ready; exec sleep 1000'", "terminal": "yes", **keys}
    gw = gateway({"route /pipes": pipes, "route /terminal": terminal})
    with gw.ws("/pipes") as pipes, Tty(gw, "/terminal") as tty, gw.ws("/terminal") as screen, gw.ws("/pipes") as rude:
        tty.until("ready")
        hear(screen, len("ready"))  # before that its terminal would take a line without end, and drop it
        programs = gw.programs()
        assert len(programs) == 4
        for ws, data in (pipes, b""), (tty.raw, INPUT), (screen, b""), (rude, b""):
            assert push(ws, frame(BINARY, data + bytes(32768)) * 256) < 8 * MIB, "nothing stopped the client"
        for ws in pipes, tty.raw, screen, rude:
            eventually(lambda ws=ws: n_unacknowledged(ws.sock) == 0, "the kernel takes and takes")
        for ws in pipes, tty.raw, screen:
            ws.reset()
        said.touch()
        assert select.select([rude.sock], [], [], 30)[0], "nothing came"
        rude.drop()  # with something unread, which makes it a reset
        eventually(lambda: not any(map(alive, programs)), lambda: f"{gw.programs()}")
        gw.wait_log("session ended", n=4, code_received=1006, reason=os.strerror(errno.ECONNRESET))


# a line without end

UNIT = "xäöü€𝄞"
N_UNITS = 64 * MIB // len(UNIT.encode())


def test_line_of_64_mib(gateway, tmp_path):
    """One message, its memory within `buffer`; the next line is the next message."""
    text = f"yes '{UNIT}' | head -n {N_UNITS} | tr -d '\\n'\necho\necho short\n"
    gw = gateway({"route /line": {"exec": script(tmp_path, "line.sh", text)}}, release=True)
    before, most, turn = rss_of(gw.pid), 0, 0
    digest = hashlib.sha256()
    with gw.ws("/line") as ws:
        got = ws.recv()
        assert (got.opcode, got.fin) == (TEXT, False)
        while not got.fin:
            digest.update(got.payload)
            got = ws.recv()
            assert got.opcode == CONTINUATION
            turn += 1
            if turn % 50 == 0:
                most = max(most, rss_of(gw.pid) - before)
        digest.update(got.payload)
        assert ws.recv_text() == "short"
        ws.recv_close(1000)
    expected = hashlib.sha256()
    for _ in range(64):
        expected.update((UNIT * (N_UNITS // 64)).encode())
    expected.update((UNIT * (N_UNITS % 64)).encode())
    assert digest.digest() == expected.digest()
    assert 0 < most <= BUFFER + 64 * KIB + SLACK


def test_message_of_64_mib(gateway):
    """The other way: a line for the program, which is not held."""
    gw = gateway({"route /sum": {"exec": "sha256sum", "closing_wait": "20s"}}, release=True)
    before = rss_of(gw.pid)
    message = DOWN * 8
    with gw.ws("/sum") as ws:
        ws.send(frame(BINARY, message, mask=b"\0\0\0\0"))
        assert rss_of(gw.pid) - before <= BUFFER + 64 * KIB + SLACK
        ws.send_close(1000)
        assert ws.recv_text().split()[0] == hashlib.sha256(message + b"\n").hexdigest()
        ws.recv_close(1000, answer=False)


# what came before a break is done, nothing of what came after

# How the program hears of it: in the middle of a message by a signal first.
BREAKS = {
    "unmasked": (frame(TEXT, "evil", mask=False), 1002, "EOF "),
    "opcode": (frame(3, "evil"), 1002, "EOF "),
    "rsv": (frame(TEXT, "evil", rsv=4), 1002, "EOF "),
    "utf8": (frame(TEXT, b"evil\xff\n"), 1007, "TERM"),
    "too-long": (frame(TEXT, "evil" * 257), 1009, "TERM"),
    "continuation": (frame(CONTINUATION, "evil"), 1002, "EOF "),
}
COMMANDS = frame(TEXT, "one") + frame(TEXT, "t", fin=False) + frame(CONTINUATION, "wo")


def ran(gw):
    gw.wait_log("session ended")
    return (gw.dir / "commands").read_text().splitlines()


@pytest.mark.parametrize("name", BREAKS)
def test_messages_before_a_broken_one(gw, name):
    """They come with the handshake, in one write."""
    (gw.dir / "commands").unlink(missing_ok=True)
    broken, code, end = BREAKS[name]
    with gw.ws("/commands", first=COMMANDS + broken + frame(TEXT, "three")) as ws:
        ws.recv_close(code)
    assert ran(gw) == ["ran one", "ran two", end]


@pytest.mark.parametrize("how", ["drop", "shut", "reset"])
def test_messages_before_the_client_vanished(gw, how):
    """Between two messages: nothing is cut off, so the program ends as its input does."""
    (gw.dir / "commands").unlink(missing_ok=True)
    with gw.ws("/commands", first=COMMANDS) as ws:
        getattr(ws, how)()
        assert ran(gw) == ["ran one", "ran two", "EOF "]


HALVES = {"payload": frame(TEXT, "three")[:-1], "message": frame(TEXT, "three", fin=False)}


@pytest.mark.parametrize("how", ["drop", "shut", "reset"])
@pytest.mark.parametrize("half", HALVES)
def test_half_a_command_is_not_run(gw, how, half):
    """In the middle of a message: those before it are run, then the program is signalled, its input is never ended."""
    (gw.dir / "commands").unlink(missing_ok=True)
    with gw.ws("/commands", first=COMMANDS + HALVES[half]) as ws:
        getattr(ws, how)()
        assert ran(gw) == ["ran one", "ran two", "TERM"]


# the program ends while the client floods


@pytest.mark.parametrize("n", [1, 64])
def test_program_ends_while_the_client_floods(gw, n):
    """What is sent to nobody is dropped, and what the program said arrives, with its code: no reset destroys it."""
    wire = frame(BINARY, WHOLE[:65536]) * n
    with gw.ws("/leaves", first=wire, over=gw.connect(rcvbuf=4096)) as ws:
        payload, end = hear(ws)
        assert payload == DOWN[:MIB] and (end.code, end.reason) == (4003, "exit 3")
        ws.send(wire)
        ws.answer_close(end)


# the client closes, and hears what the program makes of it


def test_sort_answers_the_close(gw):
    """Five MB that a program can only write when its input has ended."""
    choice = random.Random(4)
    lines = [f"{choice.random()} {'x' * 80}" for _ in range(50000)]
    wire = b"".join(frame(TEXT, line) for line in lines) + close_frame(1000)
    with gw.ws("/sort", over=gw.connect(rcvbuf=4096)) as ws:
        ws.send(wire)
        for line in sorted(lines):
            assert ws.recv_text() == line
        ws.recv_close(1000, answer=False)
        ws.ended()


# order


def test_order(gw):
    """Text, binary and pings in every mixture, in fragments: messages keep their order, pings theirs."""
    choice = random.Random(7)
    sent, wire, n_pings = [], [], 0
    for i in range(400):
        opcode, size = choice.choice((TEXT, BINARY)), choice.choice((0, 1, 125, 126, 5000, 65536, 70000))
        data = (b"%d " % i + b"x" * size)[: max(size, 4)]
        sent.append((opcode, data))
        cut = choice.randrange(len(data))
        if choice.random() < 0.5:
            wire.append(frame(opcode, data))
        else:
            wire.append(
                frame(opcode, data[:cut], fin=False) + frame(PING, b"%d" % n_pings) + frame(CONTINUATION, data[cut:])
            )
            n_pings += 1
    with gw.ws("/records") as ws:
        writer = threading.Thread(target=lambda: [ws.send(part) for part in wire])
        writer.start()
        found, pongs, parts = [], [], None
        while len(found) < len(sent) or len(pongs) == 0 or pongs[-1] < n_pings - 1:
            got = ws.recv_frame()
            if got.opcode == PONG:
                pongs.append(int(got.payload))
            elif got.opcode != PING:
                opcode, parts = (
                    (opcode, parts + got.payload) if got.opcode == CONTINUATION else (got.opcode, got.payload)
                )
                assert got.opcode != CLOSE, got
                if got.fin:
                    found.append((opcode, parts))
        writer.join()
        assert found == sent
        assert pongs == sorted(set(pongs))
        ws.close()
