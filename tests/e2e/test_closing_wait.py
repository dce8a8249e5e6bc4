"""A client that has closed gets its answer when closing_wait is over, whatever the program does with its signal then."""
import functools
import random
import signal
import time
from pathlib import Path

import pytest
from gateway import Gateway, alive, descriptors_of
from scripts import script
from wait import eventually, plateau, promptly
from wsraw import BINARY, CLOSE, PING, PONG, TEXT, close_frame, frame

FLOOD = random.Random(7).randbytes(1 << 16) * 400  # 25 MiB: more than pipes and sockets take
IDLE = 2  # seconds
LATE = 300000  # bytes that the program writes to both of its outputs after the signal; a pipe holds less

# Says that it is ready, does something, and then stays until it may leave, whatever signal comes.
STAYS = """#!/usr/bin/python3
import os, signal, sys, time
def on_term(signo, frame):
    with open("{0}/term", "w"):
        pass
signal.signal(signal.SIGTERM, on_term)
def write(fd, data):
    while data:
        data = data[os.write(fd, data):]
def wait(name):
    while not os.path.exists("{0}/" + name):
        time.sleep(0.01)
write(1, b"ready\\n")
{1}
wait("go")
os._exit(3)
"""
READ = "while os.read(0, 65536): pass\n"
ANSWER = READ + "write(1, b'behind the end\\n')\n"
TALK = (
    ANSWER
    + "wait('term')\ntime.sleep(0.3)\n"  # the gateway has looked what the pipe held at the signal
    + f"write(1, b'late\\n' * {LATE // 5})\nwrite(2, b'late\\n' * {LATE // 5})\nopen('{{0}}/said', 'w').close()\n"
)


def stays(directory, name, text):
    """The program that does this before it stays."""
    path = script(directory, f"{name}.py", "")
    path.write_text(STAYS.format(directory, text.replace("{0}", str(directory))))
    return path


def GATEWAY(directory):
    routes = {}

    def program(path, text, **keys):
        keys = {"stop_grace": "60s", "closing_wait": "1s", **keys}
        routes[f"route {path}"] = {"exec": stays(directory, path.strip("/"), text), **keys}

    program("/answers", ANSWER, max_sessions=1)
    program("/lazy", "", closing_wait="0")
    program("/idle", "", closing_wait="0", idle_timeout=f"{IDLE}s")
    program("/half", "n = 70000\nwhile n: n -= len(os.read(0, n))\n")
    for mode in ("log", "merge", "tagged", "discard"):
        program(f"/talks-{mode}", TALK, stderr=mode)
    program(
        "/floods",
        f"with open('{directory}/flood', 'rb') as file: write(1, file.read())\nopen('{directory}/said', 'w').close()\n",
        framing="stream",
        closing_wait="50ms",
    )
    program("/mute", "os.close(1)\n", closing_wait="50ms")
    program("/mute-and-waits", "os.close(1)\n")
    program(
        "/slow",
        "n = 0\nfor _ in range(8):\n    time.sleep(0.2)\n    n += len(os.read(0, 65536))\n"
        "while got := os.read(0, 65536): n += len(got)\nwrite(1, b'%d\\n' % n)\nos._exit(0)\n",
    )
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "flood").write_bytes(FLOOD)
    return Gateway(directory, routes)


def fresh(gw):
    """Without what was left before."""
    (gw.dir / "go").touch()
    gw.rest()
    for name in ("go", "term", "said"):
        (gw.dir / name).unlink(missing_ok=True)


def prompt(test):
    """For a test whose program has to say something, and be heard, before its closing_wait is over."""

    @functools.wraps(test)
    def run(gw, **others):
        def play():
            fresh(gw)
            test(gw, **others)

        promptly(play)

    return run


def read_by(pid):
    """How many bytes a process has read."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("rchar")).split()[1])


def may_leave(gw, **ended):
    """Lets the program go; its session ends only with it."""
    assert not gw.logged("session ended") and gw.counters()["sessions"] == 1
    (gw.dir / "go").touch()
    gw.wait_log("session ended", **ended)


@prompt
def test_answered_before_the_program_is_gone(gw):
    """With what it said in closing_wait before; its place is free again only when it is gone."""
    with gw.ws("/answers") as ws:
        assert ws.recv_text() == "ready"
        (pid,) = gw.programs()
        ws.send_close(1000)
        assert ws.recv_text() == "behind the end"
        ws.recv_close(1000, answer=False)
        ws.ended()
    eventually((gw.dir / "term").exists, "it is not told")
    assert alive(pid) and gw.refused("/answers").status == 503
    may_leave(gw, end="exit 3", code_sent=1000, code_received=1000)
    eventually(lambda: gw.counters()["sessions"] == 0, "its session lives on")
    (gw.dir / "go").unlink()
    with gw.ws("/answers") as ws:
        assert ws.recv_text() == "ready"
        (gw.dir / "go").touch()
        ws.send_close(1001)
        assert ws.recv_text() == "behind the end"
        ws.recv_close(1001, answer=False)


@pytest.mark.parametrize("mode", ["log", "merge", "tagged", "discard"])
@prompt
def test_what_it_says_later_goes_nowhere(gw, mode):
    """More than pipes hold, on stdout and on stderr; that never makes it wait."""
    with gw.ws(f"/talks-{mode}") as ws:
        assert "ready" in ws.recv_text()
        ws.send_close(1000)
        assert "behind the end" in ws.recv_text()
        ws.recv_close(1000, answer=False)
        ws.ended()
        eventually((gw.dir / "said").exists, "it waits for somebody to read")
    may_leave(gw, end="exit 3", code_sent=1000)
    assert ("late" in [line.get("line") for line in gw.logged("stderr")]) == (mode in ("log", "tagged"))


@prompt
def test_slow_client_gets_what_was_said_in_time(gw):
    """What the pipe held at the signal, after what was on the way; the rest goes nowhere, and the program is free."""
    before = read_by(gw.pid)
    with gw.ws("/floods", over=gw.connect(rcvbuf=4096)) as ws:
        heard = bytearray(ws.recv_message()[1])
        eventually(lambda: read_by(gw.pid) > before + (1 << 20), "it says no more")
        plateau(lambda: read_by(gw.pid), window=1)  # everything is full
        ws.send_close(1000)
        eventually((gw.dir / "term").exists, "it is not told")
        assert not (gw.dir / "said").exists()
        while (got := ws.recv()).opcode != CLOSE:
            assert got.opcode == BINARY
            heard += got.payload
        assert got.code == 1000 and ws.ended()
        assert 0 < len(heard) < len(FLOOD) and (b"ready\n" + FLOOD).startswith(heard)
        eventually((gw.dir / "said").exists, "it waits for somebody to read")
    may_leave(gw, end="exit 3", code_sent=1000, out_bytes=len(heard))


@prompt
def test_input_on_its_way_is_no_closing_wait(gw):
    """As long as its stdin takes what the client has sent, which here is longer, its time has not begun."""
    with gw.ws("/slow") as ws:
        assert ws.recv_text() == "ready"
        ws.send(frame(BINARY, b"x" * 700000) + close_frame(1000))
        assert ws.recv_text() == "700001"
        ws.recv_close(1000, answer=False)
    assert gw.wait_log("session ended")["end"] == "exit 0"


@prompt
def test_no_closing_wait(gw):
    with gw.ws("/lazy") as ws:
        assert ws.recv_text() == "ready"
        assert ws.close(1000).code == 1000
    may_leave(gw, end="exit 3", code_sent=1000)


def test_client_that_keeps_its_connection(gw):
    """It is closed long before the program is gone; that the session is idle then changes nothing."""

    def begin():
        fresh(gw)
        ws = gw.ws("/idle")
        assert ws.recv_text() == "ready"
        held = len(descriptors_of(gw.pid))
        assert ws.close(1000).code == 1000
        return ws, held

    ws, held = promptly(begin, late=IDLE / 4)
    with ws:
        closed = time.monotonic()
        eventually(lambda: len(descriptors_of(gw.pid)) == held - 2, "the connection or stdin is still there")
        eventually(lambda: time.monotonic() - closed > 1.5 * IDLE, "time stands still")
        may_leave(gw, end="exit 3", code_sent=1000, code_received=1000)


@prompt
def test_message_that_has_no_end(gw):
    """A close frame between fragments: stdin stays open, the signal comes, and with it the answer."""
    with gw.ws("/half") as ws:
        assert ws.recv_text() == "ready"
        ws.send(frame(TEXT, "x" * 70000, fin=False))
        assert ws.close(1000).code == 1000
        eventually((gw.dir / "term").exists, "it is not told")
    may_leave(gw, end="exit 3", code_sent=1000)


@prompt
def test_stdout_closed_and_nobody_left(gw):
    """The client that stays hears of the end when the program is gone."""
    with gw.ws("/mute") as ws:
        assert ws.recv_text() == "ready"
        eventually((gw.dir / "term").exists, "it is not told")
        ws.send_frame(PING, b"?")
        assert ws.recv_frame().opcode == PONG
        (gw.dir / "go").touch()
        ws.recv_close(4003, "exit 3")


@prompt
def test_stdout_closed_and_then_the_client_closes(gw):
    """When closing_wait is over long since."""
    with gw.ws("/mute") as ws:
        assert ws.recv_text() == "ready"
        eventually((gw.dir / "term").exists, "it is not told")
        assert ws.close(1000).code == 1000
    may_leave(gw, end="exit 3", code_sent=1000)


@prompt
def test_stdout_closed_while_the_client_closes(gw):
    """It closes before the signal."""
    with gw.ws("/mute-and-waits") as ws:
        assert ws.recv_text() == "ready"
        ws.send_close(1000)
        ws.recv_close(1000, answer=False)
        eventually((gw.dir / "term").exists, "it is not told")
    may_leave(gw, end="exit 3", code_sent=1000)


def drained(gateway, directory, grace):
    """A gateway that was told to stop when one client had closed already; the other one is told 1001."""
    program = stays(directory, "lazy", "")
    gw = gateway({"route /": {"exec": program, "closing_wait": "0", "stop_grace": grace}}, checked=False)
    with gw.ws() as one, gw.ws() as other:
        assert (one.recv_text(), other.recv_text()) == ("ready", "ready")
        assert one.close().code == 1000
        gw.signal(signal.SIGTERM)
        other.recv_close(1001)
    return gw


def ends(gw):
    """How the sessions ended, when the gateway has."""
    assert gw.exited() == 0
    gw.process = None
    return sorted((line.get("end"), line["code_sent"]) for line in gw.logged("session ended"))


def test_drained(gateway, tmp_path):
    """The gateway waits for the programs, ..."""
    gw = drained(gateway, tmp_path, "60s")
    assert len(gw.programs()) == 2 and not gw.logged("session ended")
    (tmp_path / "go").touch()
    assert ends(gw) == [("exit 3", 1000), ("exit 3", 1001)]


def test_drained_but_not_for_ever(gateway, tmp_path):
    """... no longer than stop_grace, ..."""
    gw = drained(gateway, tmp_path, "200ms")
    assert ends(gw) == [("signal KILL", 1000), ("signal KILL", 1001)]


def test_drained_and_cut(gateway, tmp_path):
    """... and not when it is told again."""
    gw = drained(gateway, tmp_path, "60s")
    pids = gw.programs()
    gw.signal(signal.SIGTERM)
    assert ends(gw) == [(None, 1000), (None, 1001)]
    eventually(lambda: not any(map(alive, pids)), "the programs live on")
