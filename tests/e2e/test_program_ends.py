"""Where a session with a program ends: what of its input it still gets, and whose output still counts."""

import os
import random
import signal

import pytest
from backends import service
from deflated import offer, packed, zframe, zfragments
from gateway import Gateway, alive, process_state
from scripts import notes, script
from wait import eventually
from wsraw import BINARY, CLOSE, CONTINUATION, TEXT, frame


def GATEWAY(directory):
    routes = {}

    def program(path, text, **keys):
        name = path.strip("/*").replace("/", "-") + ".sh"
        routes[f"route {path}"] = {"exec": script(directory, name, text), **keys}

    wait = f"while [ ! -e '{directory}/go' ]; do sleep 0.01; done\n"
    program(
        "/reads-late",
        f"{wait}exec '{notes(directory, 'notes', directory / 'commands')}'\n",
        closing_wait="20s",
        stop_grace="1h",
    )
    program(
        "/half",
        f"trap 'echo TERM >>{directory}/commands; exit' TERM\necho $$\ncat >>'{directory}/half'\n"
        f"echo EOF >>'{directory}/commands'\n",
        closing_wait="20s",
        stop_grace="1h",
    )
    program("/never-reads", "exec sleep 1000", closing_wait="200ms", stop_grace="1h")
    program("/heir-floods", f"yes &\necho $! >'{directory}/pid'\nexit 3\n", closing_wait="400ms", framing="stream")
    for name in ("sort", "wc", "cat"):
        routes[f"route /{name}"] = {"exec": name, "eof_message": "yes", "deflate": "yes"}
        routes[f"route /{name}-stream"] = {"exec": name, "eof_message": "yes", "framing": "stream"}
    routes["route /cat-records"] = {"exec": "cat", "eof_message": "yes", "framing": "records"}
    program("/stays", "cat\nexec sleep 1000", eof_message="yes", closing_wait="50ms", stop_grace="1h")
    return Gateway(directory, routes)


@pytest.fixture(autouse=True)
def fresh(gw):
    """Without what the test before has left."""
    for name in ("go", "commands", "pid", "half"):
        (gw.dir / name).unlink(missing_ok=True)


# its input


def test_what_came_whole_is_read_before_the_signal(gw):
    """The client breaks off in a message: the commands before it are run though they lie unread in the pipe, half of
    one is not, and the signal follows as soon as they were read."""
    with gw.ws("/reads-late") as ws:
        ws.send(frame(TEXT, "one") + frame(TEXT, "two") + frame(TEXT, "x" * 5000) + frame(TEXT, "half")[:-2])
        (pid,) = gw.programs()
        ws.reset()
        (gw.dir / "go").touch()
        eventually(lambda: not alive(pid), "it is not told")
    assert (gw.dir / "commands").read_text() == "ran one\nran two\nran " + "x" * 5000 + "\nTERM\n"
    assert gw.wait_log("session ended")["end"] == "signal TERM"


def test_who_does_not_read_is_not_waited_for(gw):
    """No longer than closing_wait."""
    with gw.ws("/never-reads") as ws:
        ws.send(frame(TEXT, "one") + frame(TEXT, "half")[:-2])
        ws.reset()
    assert gw.wait_log("session ended")["end"] == "signal TERM"


@pytest.mark.parametrize("how", ["close", "reset", "protocol"])
def test_half_a_message_has_no_end(gw, how):
    """One that is too long to be held has reached the program in part when the client leaves, closing or not: its stdin
    does not end before the signal, so it can't take that part for the whole."""
    with gw.ws("/half") as ws:
        ws.recv_text()
        ws.send(frame(TEXT, "x" * 70000, fin=False))
        eventually(lambda: (gw.dir / "half").exists() and (gw.dir / "half").stat().st_size == 70000, "it is held")
        if how == "close":
            ws.send_close(1000)
            ws.recv_close(1000, answer=False)
        elif how == "protocol":
            ws.send(frame(TEXT, "a new message within this one"))
            ws.recv_close(1002)
        else:
            ws.reset()
    gw.wait_log("session ended")
    assert (gw.dir / "commands").read_text() == "TERM\n"


def test_half_a_message_that_was_held(gw):
    """Nothing of it reaches the program: after a close its stdin ends as ever."""
    with gw.ws("/half") as ws:
        ws.recv_text()
        ws.send(frame(TEXT, "whole") + frame(TEXT, "x" * 60000, fin=False))
        assert ws.close().code == 1000
    gw.wait_log("session ended")
    assert (gw.dir / "commands").read_text() == "EOF\n" and (gw.dir / "half").read_text() == "whole\n"


# an empty message as its end


def answer(ws):
    """All messages up to the close frame, each as bytes, and that."""
    found = []
    while (got := ws.recv()).opcode != CLOSE:
        parts = [got.payload]
        while not got.fin:
            got = ws.recv()
            parts.append(got.payload)
        found.append(b"".join(parts))
    ws.answer_close(got)
    return found, got.code


EMPTY = {
    "text": frame(TEXT, ""),
    "binary": frame(BINARY, b""),
    "fragments": frame(TEXT, "", fin=False) + frame(CONTINUATION, "", fin=False) + frame(CONTINUATION, ""),
}
EMPTY_PACKED = {
    "packed": zframe(TEXT, packed(b"")),
    "packed-fragments": zfragments(TEXT, [packed(b""), b""]),
}


@pytest.mark.parametrize("kind", EMPTY)
def test_sort_and_wc_answer(gw, kind):
    """What they say only at the end of their input; what is sent behind that is dropped, the session ends as they do."""
    more = frame(TEXT, "too late") + EMPTY[kind] + frame(TEXT, "much too late")
    with gw.ws("/sort") as ws:
        ws.send(frame(TEXT, "b") + frame(TEXT, "c") + frame(TEXT, "a") + EMPTY[kind] + more)
        assert answer(ws) == ([b"a", b"b", b"c"], 1000)
    with gw.ws("/wc") as ws:
        ws.send(frame(TEXT, "one two") + frame(TEXT, "", fin=False) + frame(CONTINUATION, "three") + EMPTY[kind])
        (line,), code = answer(ws)
        assert (line.split(), code) == ([b"2", b"3", b"14"], 1000)
    with gw.ws("/cat") as ws:
        ws.send(EMPTY[kind])
        assert answer(ws) == ([], 1000)


@pytest.mark.parametrize("kind", EMPTY_PACKED)
def test_empty_when_inflated(gw, kind):
    with gw.ws("/sort", headers=offer()) as ws:
        ws.send(frame(TEXT, "b") + frame(TEXT, "a") + EMPTY_PACKED[kind])
        assert answer(ws) == ([b"a", b"b"], 1000)


def test_end_of_a_stream_and_of_records(gw):
    """In every framing; an empty record reaches nobody."""
    for payload in (b"", b"x", random.Random(1).randbytes(300000)):
        with gw.ws("/cat-stream") as ws:
            ws.send(frame(BINARY, payload) if payload else b"")
            ws.send(EMPTY["binary"])
            found, code = answer(ws)
            assert (b"".join(found), code) == (payload, 1000)
        with gw.ws("/cat-records") as ws:
            ws.send(frame(BINARY, payload) if payload else b"")
            ws.send(EMPTY["text"])
            assert answer(ws) == ([payload] if payload else [], 1000)


def test_sort_of_a_megabyte(gw):
    """More than pipes and buffers hold, to a client that reads slowly."""
    choice = random.Random(2)
    lines = [f"{choice.randrange(10**9):09}{'x' * choice.randrange(100)}".encode() for _ in range(16000)]
    with gw.ws("/sort-stream", over=gw.connect(rcvbuf=4096)) as ws:
        ws.send(frame(BINARY, b"".join(line + b"\n" for line in lines)) + EMPTY["binary"])
        found, code = answer(ws)
    assert (b"".join(found).splitlines(), code) == (sorted(lines), 1000)


@pytest.mark.parametrize("how", ["close", "reset", "mid-message"])
def test_end_and_then_the_client_leaves(gw, how):
    """The program that goes on without its input is ended as ever."""
    with gw.ws("/stays") as ws:
        ws.send(frame(TEXT, "a") + EMPTY["text"])
        assert ws.recv_text() == "a"
        (pid,) = gw.programs()
        if how == "close":
            assert ws.close().code == 1000
        else:
            ws.send(frame(TEXT, "half")[:-2] if how == "mid-message" else b"")
            ws.reset()
        eventually(lambda: not alive(pid), "it lives on")


@pytest.mark.parametrize("framing", ["stream", "lines"])
def test_end_for_a_service(gateway, tmp_path, framing):
    """A half-close behind all that was sent before; its answer comes whole, and its end is the session's."""

    def sort(it, sock):
        while it.read(sock):
            pass
        sock.sendall(bytes(sorted(it.received)) * 2)
        sock.close()

    with service(sort) as it:
        gw = gateway({"route /": {"connect": it.uri, "framing": framing, "eof_message": "yes"}})
        data = random.Random(3).randbytes(300000).replace(b"\n", b"")
        with gw.ws() as ws:
            ws.send(frame(BINARY, data) + EMPTY["binary"] + frame(BINARY, b"too late"))
            found, code = answer(ws)
        sent = data + b"\n" * (framing == "lines")
        assert (len(it.received), code, it.at_eof) == (len(sent), 1000, 1)
        if framing == "stream":
            assert b"".join(found) == bytes(sorted(sent)) * 2
        assert not it.resets


def test_without_the_key_an_empty_message_is_one(gw):
    with gw.ws("/reads-late") as ws:
        (gw.dir / "go").touch()
        ws.send(EMPTY["text"] + frame(TEXT, "a"))
        eventually(
            lambda: (gw.dir / "commands").exists() and (gw.dir / "commands").read_text() == "ran \nran a\n", "it is lost"
        )


# its output


@pytest.mark.parametrize("rcvbuf", [None, 4096])
def test_heir_that_never_stops_talking(gw, rcvbuf):
    """Who inherited stdout and floods it is heard for closing_wait, by a slow client too, and then ended."""
    with gw.ws("/heir-floods", over=gw.connect(rcvbuf=rcvbuf)) as ws:
        n = 0
        while (got := ws.recv()).opcode != CLOSE:
            assert got.opcode == BINARY and set(got.payload) <= set(b"y\n")
            n += len(got.payload)
            if rcvbuf and n % 8 == 0:
                gw.counters()  # a pause
        ws.answer_close(got)
        assert (got.code, got.reason) == (4003, "exit 3") and n > 0
        eventually(lambda: not alive(int((gw.dir / "pid").read_text())), "it lives on")


# whoever keeps it


@pytest.mark.parametrize("holder", ["", "trap '' TERM\nsleep 1000 &\n"], ids=["alone", "with an heir"])
def test_spawner_is_killed(gateway, tmp_path, holder):
    """Its programs die with it, and nobody knows how. What they had said arrives, and their clients hear why it ends:
    not of a program that failed."""
    reason = "the process that starts programs died"
    program = script(tmp_path, "says.sh", f"{holder}echo one\necho two\nexec sleep 1000")
    gw = gateway({"route /": {"exec": program, "closing_wait": "20s"}}, checked=False)
    clients = [gw.ws() for _ in range(8)]
    for ws in clients:
        assert (ws.recv_text(), ws.recv_text()) == ("one", "two")
    programs = gw.programs()
    os.kill(gw.spawner, signal.SIGKILL)
    for ws in clients:
        got = ws.recv()
        assert (got.opcode, got.code, got.reason) == (CLOSE, 1011, reason)
        ws.drop()
    assert gw.exited() == 1
    eventually(lambda: not any(map(alive, programs)), "programs live on")
    gw.process = None
    ends = [(line["end"], line["code_sent"]) for line in gw.logged("session ended")]
    assert ends == [(reason, 1011)] * len(clients)


@pytest.mark.parametrize("terminal, signo", [("no", signal.SIGTERM), ("yes", signal.SIGHUP)])
def test_death_that_is_heard_of_late(gateway, terminal, signo):
    """Somebody killed it, and closing_wait is over before the gateway hears how it died: that was not our signal, though
    ours is on its way."""
    keys = {"exec": "cat", "terminal": terminal, "framing": "stream", "closing_wait": "1ms", "stop_grace": "1h"}
    gw = gateway({"route /": keys}, gateway={"workers": 1})
    with gw.ws() as ws:
        (pid,) = gw.programs()
        os.kill(gw.spawner, signal.SIGSTOP)
        try:
            os.kill(pid, signo)
            eventually(lambda: process_state(pid) == "Z", "it lives")
            for _ in range(5):  # turns of the worker, who finds its output closed, and closing_wait over
                gw.counters()
        finally:
            os.kill(gw.spawner_pid, signal.SIGCONT)
        ws.recv_close(4128 + signo, f"signal {signo.name.removeprefix('SIG')}")
    gw.wait_log("session ended", end=f"signal {signo.name.removeprefix('SIG')}", code_sent=4128 + signo)
