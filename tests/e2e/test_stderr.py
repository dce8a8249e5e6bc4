"""Where a program's stderr goes: the log, its stdout, the client with a tag, or nowhere. The log's plain form is in
test_program.py."""
import json
import random
from pathlib import Path

import pytest
from gateway import Gateway, alive
from scripts import script
from wait import eventually, plateau
from wsraw import BINARY, CLOSE, TEXT, frame

LONG = 200000


# Closes its stdout, fills its stderr until nothing more is taken, and leaves one behind that holds it open.
FILL = """#!/usr/bin/python3
import os, subprocess, time
refused = 0
os.close(1)
os.set_blocking(2, False)
while refused < 20:
    try:
        os.write(2, (b"e" * 999 + b"\\n") * 64)
        refused = 0
    except BlockingIOError:
        refused += 1
        time.sleep(0.01)
print(os.getpid(), subprocess.Popen(["sleep", "1000"]).pid, file=open("{0}/pid", "w"))
os._exit(5)
"""


def GATEWAY(directory):
    routes = {}
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "lines").write_text("".join(line + "\n" for line in LINES))
    (directory / "odd").write_bytes(ODD)

    def program(path, text, stderr="tagged", **keys):
        name = path.strip("/*").replace("/", "-") + ".sh"
        routes[f"route {path}"] = {"exec": script(directory, name, text), "stderr": stderr, **keys}

    both = "echo one\necho two >&2\necho three\necho four >&2\nexit 3"
    for mode in ("log", "merge", "tagged", "discard"):
        program(f"/{mode}", both, mode)
    wait = f"while [ ! -e '{directory}/go' ]; do sleep 0.01; done\n"
    program("/noise", "(while :; do head -c 1000000 /dev/zero; done) >&2 &\ncat\n", "log")
    program("/answers", 'while read -r x; do echo "out $x"; echo "err $x" >&2; done')
    program("/odd", f"cat '{directory}/odd' >&2")
    program("/odd-out", f"cat '{directory}/odd'")
    program("/long", f"head -c {LONG} /dev/zero | tr '\\0' e >&2\necho >&2\necho short >&2")
    program("/no-newline", "printf 'the last words' >&2\nprintf out")
    program("/much", f"cat '{directory}/lines' >&2 &\ncat '{directory}/lines'\nwait\n")
    program("/much-stderr", f"cat '{directory}/lines' >&2\nexit 7")
    half = f"head -c {LONG} /dev/zero | tr '\\0' x\n"
    program("/between", f"{half}echo between >&2\n{wait}echo y\necho after >&2")
    program("/rest", "tr '\\0' x </dev/zero &\nyes e | head -n 15000 >&2")
    program("/stuck", f"{half}cat '{directory}/lines' >&2\necho y")
    program("/chunks", "head -c 100000 /dev/zero\necho err >&2\nread x", framing="stream")
    program(
        "/records",
        "printf 't\\0\\0\\0\\1\"b\\0\\0\\0\\1\\377T\\0\\0\\0\\1a'\nread x\necho err >&2\nread x\nprintf 't\\0\\0\\0\\1b'\n",
        framing="records",
    )
    program("/heir", f"sleep 1000 >/dev/null &\necho $! >'{directory}/pid'\necho bye >&2", closing_wait="60s")
    program("/heir-floods", f"yes >&2 &\necho $! >'{directory}/pid'\necho bye >&2", closing_wait="60s")
    program("/closed", "exec 2>&-\necho one\nread x\necho two")
    program("/stdout-closed", "exec >&-\necho late >&2\nread x\necho later >&2", closing_wait="60s")
    for framing, head in (("records", "t\\0\\1\\206\\240"), ("length32", "\\0\\1\\206\\240"), ("netstring", "100000:")):
        say = f"trap 'echo going >&2; exit 0' TERM\nprintf '{head}'\nhead -c 70000 /dev/zero | tr '\\0' x\n"
        loop = "while :; do sleep 0.02; done"
        program(f"/half-{framing}", say + loop, framing=framing, closing_wait="50ms", stop_grace="1h")
    (directory / "fill.py").write_text(FILL.format(directory))
    (directory / "fill.py").chmod(0o755)
    fill = {"exec": directory / "fill.py", "stderr": "tagged", "closing_wait": "60s"}
    routes |= {"route /fill/vanishes": fill}
    routes |= {f"route /fill/{how}": {**fill, "send_timeout": "5s"} for how in ("closes", "stalls")}
    program("/good-bye", "cat\necho bye >&2", closing_wait="60s")
    return Gateway(directory, routes)


LINES = [f"{i} " + "x" * random.Random(i).choice((0, 1, 80, 500, 20000)) for i in range(1, 500)]
ODD = b'"quoted" \\ \ttab \x01\x1f\x7f\x00 \xc3\xa9 \xf0\x9d\x84\x9e \xff \xed\xa0\x80 \xe2\x80\xa8 cr\r in\r\n\r\n\n'
ODD_LINES = [line.removesuffix(b"\r").decode(errors="replace") for line in ODD.removesuffix(b"\n").split(b"\n")]


@pytest.fixture(autouse=True)
def fresh(gw):
    """Without what the test before has left."""
    for name in ("go", "pid"):
        (gw.dir / name).unlink(missing_ok=True)


def messages(ws):
    """All messages up to the close frame, and that."""
    found = []
    while (got := ws.recv()).opcode != CLOSE:
        first, parts = got, [got.payload]
        while not got.fin:
            got = ws.recv()
            parts.append(got.payload)
        found.append((first.opcode, b"".join(parts)))
    ws.answer_close(got)
    return found, (got.code, got.reason)


def tagged(ws):
    """What each of the streams said, a list of lines for each, and the close frame."""
    said = {"stdout": [], "stderr": []}
    found, end = messages(ws)
    for opcode, payload in found:
        assert opcode == TEXT
        said_by(said, payload)
    return said, end


def said_by(said, payload):
    message = json.loads(payload, object_pairs_hook=list)
    assert [key for key, _ in message] == ["stream", "data"]
    said[message[0][1]].append(message[1][1])


def logged(gw, n=None):
    """The lines of stderr in the log; waits for so many."""
    if n is not None:
        gw.wait_log("stderr", n=n)
    return [line["line"] for line in gw.logged("stderr")]


def test_log(gw):
    with gw.ws("/log") as ws:
        assert messages(ws) == ([(TEXT, b"one"), (TEXT, b"three")], (4003, "exit 3"))
    assert logged(gw, 2) == ["two", "four"]


def test_log_does_not_hold_the_program_up(gw):
    """Megabytes without a newline, while stdin and stdout go on as ever."""
    with gw.ws("/noise") as ws:
        for i in range(200):
            ws.send_text(f"{i}")
            assert ws.recv_text() == f"{i}"
        ws.drop()


def test_merge(gw):
    """In the order in which it was written, and not in the log."""
    with gw.ws("/merge") as ws:
        found, end = messages(ws)
        assert [payload for _, payload in found] == [b"one", b"two", b"three", b"four"] and end == (4003, "exit 3")
    gw.wait_log("session ended")
    assert not logged(gw)


def test_discard(gw):
    with gw.ws("/discard") as ws:
        assert messages(ws) == ([(TEXT, b"one"), (TEXT, b"three")], (4003, "exit 3"))
    gw.wait_log("session ended")
    assert not logged(gw)


def test_tagged(gw):
    """Both streams are told apart, in the form of websocketd's --passstderr; stderr is logged too."""
    with gw.ws("/tagged") as ws:
        found, end = messages(ws)
    assert {payload for _, payload in found} == {
        b'{"stream":"stdout","data":"one"}',
        b'{"stream":"stdout","data":"three"}',
        b'{"stream":"stderr","data":"two"}',
        b'{"stream":"stderr","data":"four"}',
    }
    assert len(found) == 4 and end == (4003, "exit 3")
    assert logged(gw, 2) == ["two", "four"]
    with gw.ws("/answers") as ws:
        for i in range(20):
            said = {"stdout": [], "stderr": []}
            ws.send_text(f"{i}")
            said_by(said, ws.recv_text())
            said_by(said, ws.recv_text())
            assert said == {"stdout": [f"out {i}"], "stderr": [f"err {i}"]}
        assert ws.close().code == 1000


@pytest.mark.parametrize("path,stream", [("/odd", "stderr"), ("/odd-out", "stdout")])
def test_tagged_is_json(gw, path, stream):
    """Whatever is in the line; what is not UTF-8 is replaced."""
    with gw.ws(path) as ws:
        said, _ = tagged(ws)
    assert said[stream] == ODD_LINES


def test_tagged_long_lines(gw):
    """Nothing is cut for the client: more than 64 KiB are several messages. The log has the beginning."""
    with gw.ws("/long") as ws:
        said, end = tagged(ws)
    assert "".join(said["stderr"][:-1]) == "e" * LONG and said["stderr"][-1] == "short" and end[0] == 1000
    assert len(said["stderr"]) > 2 and max(map(len, said["stderr"])) <= 2 * 65536
    assert [len(line) for line in logged(gw, 2)] == [2048, 5]


def test_tagged_last_words(gw):
    """A last line without newline, on either stream, comes before the close frame."""
    for _ in range(20):
        with gw.ws("/no-newline") as ws:
            assert tagged(ws) == ({"stdout": ["out"], "stderr": ["the last words"]}, (1000, ""))


def written_by(pid):
    """How many bytes a process has written, None when it is gone."""
    try:
        text = Path(f"/proc/{pid}/io").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith("wchar")))


@pytest.mark.parametrize("rcvbuf", [None, 4096])
def test_tagged_much(gw, rcvbuf):
    """Two megabytes on both at once, also to a client that reads slowly: all lines of each, in order."""
    with gw.ws("/much", over=gw.connect(rcvbuf=rcvbuf)) as ws:
        if rcvbuf:
            gw.counters()
        said, end = tagged(ws)
    assert said == {"stdout": LINES, "stderr": LINES} and end == (1000, "")


def test_tagged_waits_for_a_slow_client(gateway, tmp_path):
    """A program that floods its stderr waits until the client reads it, as it would with its stdout."""
    gw = gateway({"route /": {"exec": script(tmp_path, "flood", "exec 3>&1\nexec yes >&2"), "stderr": "tagged"}})
    with gw.ws("/", over=gw.connect(rcvbuf=4096)) as ws:
        (pid,) = gw.programs()
        eventually(lambda: written_by(pid) > 64 << 10, "it does not fill more than its pipe")
        before = plateau(lambda: written_by(pid))
        assert before < 16 << 20
        while written_by(pid) == before:
            for _ in range(1000):
                assert ws.recv_text() == '{"stream":"stderr","data":"y"}'
        ws.drop()


def test_tagged_waits_for_the_end_of_a_message(gw):
    """A message of stderr never lands within one of stdout, and comes behind it."""
    with gw.ws("/between") as ws:
        got = ws.recv()
        assert (got.opcode, got.fin) == (TEXT, False)
        gw.counters()
        (gw.dir / "go").touch()
        parts = [got.payload]
        while not got.fin:
            got = ws.recv()
            parts.append(got.payload)
        assert json.loads(b"".join(parts)) == {"stream": "stdout", "data": "x" * LONG + "y"}
        assert tagged(ws) == ({"stdout": [], "stderr": ["between", "after"]}, (1000, ""))


def test_tagged_does_not_lock_up(gw):
    """A program that must be read on stderr before it ends its message on stdout is."""
    with gw.ws("/stuck") as ws:
        said, end = tagged(ws)
    assert said["stdout"] == ["x" * LONG, "y"] and said["stderr"] == LINES and end == (1000, "")


def test_tagged_beside_binary(gw):
    """Messages of text get their tag, binary ones pass as they are, so the client can tell these too."""
    with gw.ws("/chunks") as ws:
        data, said = b"", []
        while len(data) < 100000 or not said:
            opcode, payload = ws.recv_message()
            if opcode == BINARY:
                data += payload
            else:
                said.append(payload)
        assert said == [b'{"stream":"stderr","data":"err"}'] and data == bytes(100000)
        ws.send_binary(b"\n")
        assert messages(ws)[1] == (1000, "")
    with gw.ws("/records") as ws:
        assert ws.recv_message() == (TEXT, b'{"stream":"stdout","data":"\\""}')
        assert ws.recv_message() == (BINARY, b"\xff")
        ws.send(frame(TEXT, "\n"))
        gw.counters()
        ws.send(frame(TEXT, "\n"))
        found, end = messages(ws)
        assert found == [(TEXT, b'{"stream":"stdout","data":"ab"}'), (TEXT, b'{"stream":"stderr","data":"err"}')]
        assert end == (1000, "")


def test_tagged_rest_beside_an_heir(gw):
    """While what lies in stderr is still on its way, nothing more of stdout counts, however much an heir says there."""
    most, n, lines = 500 << 20, 0, 0
    with gw.ws("/rest") as ws:
        while (got := ws.recv()).opcode != CLOSE:
            n += len(got.payload)
            lines += got.payload == b'{"stream":"stderr","data":"e"}'
            assert n < most, "it never ends"
        ws.answer_close(got)
    assert (lines, got.code) == (15000, 1000)


@pytest.mark.parametrize("path", ["/heir", "/heir-floods"])
def test_tagged_ends_with_the_program(gw, path):
    """Who has nothing but stderr left is not waited for, whatever it says."""
    with gw.ws(path) as ws:
        said, end = tagged(ws)
    assert said["stdout"] == [] and "bye" in said["stderr"] and end == (1000, "")
    eventually(lambda: not alive(int((gw.dir / "pid").read_text())), "it lives on")


def test_tagged_closed_stderr(gw):
    with gw.ws("/closed") as ws:
        assert ws.recv_text() == '{"stream":"stdout","data":"one"}'
        gw.counters()
        ws.send_text("")
        assert tagged(ws) == ({"stdout": ["two"], "stderr": []}, (1000, ""))


def test_tagged_without_stdout(gw):
    """The program that closes it sees the end of its stdin; until it ends its stderr is heard."""
    with gw.ws("/stdout-closed") as ws:
        assert tagged(ws) == ({"stdout": [], "stderr": ["late", "later"]}, (1000, ""))


def test_tagged_after_the_clients_close(gw):
    """What it says in closing_wait is heard, on stderr too."""
    with gw.ws("/good-bye") as ws:
        ws.send_close(1000)
        assert ws.recv_text() == '{"stream":"stderr","data":"bye"}'
        ws.recv_close(1000, answer=False)


@pytest.mark.parametrize("framing", ["records", "length32", "netstring"])
def test_tagged_end_within_a_record(gw, framing):
    """A program that is told to end leaves half a record: the client's close is answered, and the log has the rest."""
    with gw.ws(f"/half-{framing}") as ws:
        n = 0
        while n < 70000:
            got = ws.recv()
            assert got.opcode != CLOSE and not got.fin
            n += got.payload.count(b"x")
        assert ws.close().code == 1000 and n == 70000
    eventually(lambda: "going" in logged(gw), lambda: f"{logged(gw)}")


@pytest.mark.parametrize("client", ["closes", "vanishes", "stalls"])
def test_tagged_end_with_a_full_pipe(gw, client):
    """What a program has left in its stderr is waited for no longer than the client takes anything."""
    pids = gw.dir / "pid"
    with gw.ws(f"/fill/{client}", over=gw.connect(rcvbuf=4096)) as ws:
        eventually(lambda: pids.exists() and pids.read_text().endswith("\n"), "it never fills")
        program, heir = map(int, pids.read_text().split())
        eventually(lambda: not alive(program), "the program does not end")
        assert client != "vanishes" or not gw.logged("session ended")
        if client == "closes":
            ws.send_close(1000)
        elif client == "vanishes":
            ws.reset()
        gw.wait_log("session ended")
    eventually(lambda: not alive(heir), "it lives on")


def test_tagged_when_the_client_vanishes(gw):
    """It is read for the log, so that the program does not wait for us."""
    with gw.ws("/much-stderr", over=gw.connect(rcvbuf=4096)) as ws:
        plateau(lambda: [written_by(pid) for pid in gw.programs()])
        ws.reset()
    assert gw.wait_log("session ended")["end"] in ("exit 7", "signal TERM")
