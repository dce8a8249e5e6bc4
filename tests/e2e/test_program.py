"""Programs: framings, exit codes, signals, the ladder that ends them, and that nothing survives."""
import hashlib
import os
import random
import signal
import threading
import time

import pytest
import wsraw
from gateway import Gateway, alive, children_of, descriptors_of
from scripts import notes, script
from wait import eventually
from wsraw import BINARY, CLOSE, CONTINUATION, TEXT, frame

FLOOD = "".join(f"{i}\n" for i in range(1, 200001)).encode()  # what seq 1 200000 says


def GATEWAY(directory):
    routes = {}

    def route(path, command, **keys):
        routes[f"route {path}"] = {"exec": command, **keys}

    def program(path, text, **keys):
        route(path, script(directory, path.strip("/*").replace("/", "-") + ".sh", text), **keys)

    # framings
    route("/cat", "cat")
    route("/ab", r'printf "a\\nb"')
    route("/crlf", r'printf "a\\r\\n\\r\\nb\\rc\\r\\n\\n"')
    route("/nothing", "true")
    program("/slowly", "printf 'a\\r'\nread x\nprintf '\\nb\\r'\nread x\nprintf 'c\\n'\nread x\nprintf 'd\\r'")
    program("/long", "head -c 200000 /dev/zero | tr '\\0' x\necho\nhead -c 65536 /dev/zero | tr '\\0' y")
    route("/stream", "cat", framing="stream")
    route("/seq", "seq 1 200000", framing="stream")
    route("/seq-lines", "seq 1 200000")
    route("/text", "cat", framing="text-stream")
    program(
        "/character",
        "printf '\\303'\nread x\nprintf '\\251\\360\\235'\nread x\nprintf '\\204\\236'\nread x\nprintf '\\303'",
        framing="text-stream",
    )
    route("/bad-utf8", r'printf "a\\377b\\n\\303\\n\\355\\240\\200\\n"')
    route("/records", "cat", framing="records")
    program(
        "/record-parts", "printf 'T\\0\\0\\0\\003abct\\0\\0\\0\\001dB\\0\\0\\0\\0b\\0\\0\\0\\002ef'", framing="records"
    )
    for name, text in {
        "type": "x\\0\\0\\0\\0",
        "change": "T\\0\\0\\0\\001ab\\0\\0\\0\\001c",
        "header-cut": "t\\0\\0",
        "payload-cut": "t\\0\\0\\0\\005abc",
    }.items():
        program(
            f"/record-bad-{name}",
            f"printf '{text}'\n" + ("" if name.endswith("cut") else "read x\n"),
            framing="records",
        )
    program("/lines-out", "cat >'%s'" % (directory / "lines-out"), closing_wait="20s")
    # ends
    program("/exit/*", "exit ${PATH_INFO#/}")
    program("/killed/*", "kill -${PATH_INFO#/} $$\nexec sleep 1000")
    program("/last-words", "head -c 1000000 /dev/zero\nexit 7", framing="stream")
    script(directory, "vanishing", "")
    route("/vanished", directory / "vanishing")
    script(directory, "no-shebang", "").write_bytes(b"this is no program")
    route("/no-format", directory / "no-shebang")
    script(directory, "no-interpreter", "").write_text("#!/nonexistent/interpreter\n")
    route("/no-interpreter", directory / "no-interpreter")
    program("/stdout-closed", "echo a\nexec >&-\nexec sleep 1000", closing_wait="100ms")
    program(
        "/stdout-closed-stubborn",
        "trap '' TERM HUP INT\necho a\nexec >&-\nwhile :; do sleep 1; done",
        closing_wait="50ms",
        stop_grace="200ms",
    )
    program(
        "/stdin-closed",
        "exec <&-\necho ready\nwhile [ ! -e '%s' ]; do sleep 0.01; done\necho done" % (directory / "go"),
    )
    program("/good-bye", "cat\necho bye", closing_wait="20s")
    program("/stays", "echo $$\nexec sleep 1000", closing_wait="50ms", stop_grace="1h")
    program(
        "/stubborn", "trap '' TERM HUP INT\necho $$\nwhile :; do sleep 1; done", closing_wait="50ms", stop_grace="200ms"
    )
    program(
        "/stop-signal",
        "trap 'echo usr1; exit 9' USR1\necho ready\nwhile :; do sleep 0.01; done",
        closing_wait="50ms",
        stop_signal="USR1",
        stop_grace="1h",
    )
    program(
        "/tree", "sleep 1000 &\necho $!\nsh -c 'sleep 1000 & echo $!; wait'\n", closing_wait="50ms", stop_grace="200ms"
    )
    program("/background", "sleep 1000 &\necho $!", closing_wait="200ms")
    program(
        "/background-talks",
        "(while [ ! -e '%s' ]; do echo tick; sleep 0.01; done) &\necho $!" % (directory / "enough"),
        closing_wait="200ms",
    )
    route("/command", notes(directory, "command", directory / "command.log"), closing_wait="20s", stop_grace="1h")
    # what they are given
    route("/fds", "ls /proc/self/fd")
    route("/status", "cat /proc/self/status")
    route("/stat", "cat /proc/self/stat")
    program("/pipe", "yes | head -n 1\necho status $?")
    program("/identity", "ulimit -n\npwd\numask")
    # stderr
    program("/stderr", "echo 'first complaint' >&2\nprintf 'no newline' >&2\necho out")
    program("/stderr-flood", "head -c 10000000 /dev/zero | tr '\\0' e >&2\necho out", closing_wait="5s")
    program("/stderr-escape", "printf 'a\\033[31mred\\001\\r\\n' >&2")
    return Gateway(directory, routes)


def messages(ws):
    """All text messages up to the close frame, and that."""
    found = []
    while True:
        got = ws.recv()
        if got.opcode == CLOSE:
            ws.answer_close(got)
            return found, got
        parts, last = [got.payload], got
        assert got.opcode == TEXT, got
        while not last.fin:
            last = ws.recv()
            assert last.opcode == CONTINUATION, last
            parts.append(last.payload)
        found.append(b"".join(parts).decode())


# framings


def test_lines_out(gw):
    """Each line is a message, a last one without newline too; CR LF ends a line as well."""
    for path, expected in (("/ab", ["a", "b"]), ("/crlf", ["a", "", "b\rc", ""]), ("/nothing", [])):
        with gw.ws(path) as ws:
            found, end = messages(ws)
            assert (found, end.code, end.reason) == (expected, 1000, "")


def test_lines_in(gw):
    """Each message gets its newline, binary ones too; a newline within one passes."""
    with gw.ws("/cat") as ws:
        ws.send_text("hello")
        assert ws.recv_text() == "hello"
        ws.send_binary(b"binary")
        assert ws.recv_text() == "binary"
        ws.send_text("two\nlines")
        assert (ws.recv_text(), ws.recv_text()) == ("two", "lines")
        ws.send_text("")
        assert ws.recv_text() == ""
        ws.send(frame(TEXT, "fra", fin=False) + frame(CONTINUATION, "gm", fin=False) + frame(CONTINUATION, "ents"))
        assert ws.recv_text() == "fragments"
        for n in (65534, 65535, 65536, 65537, 300000):
            ws.send_text("x" * n)
            assert ws.recv_text() == "x" * n
        assert ws.close().code == 1000


def test_lines_reach_the_file_as_they_are(gw):
    with gw.ws("/lines-out") as ws:
        ws.send(frame(TEXT, "one") + frame(TEXT, "") + frame(BINARY, b"\xff\n\0") + frame(TEXT, "ä"))
        ws.close()
    assert (gw.dir / "lines-out").read_bytes() == b"one\n\n\xff\n\0\n\xc3\xa4\n"


def test_line_that_comes_in_parts(gw):
    """A CR at the end of a chunk waits for what follows."""
    with gw.ws("/slowly") as ws:
        ws.send_text("")
        assert ws.recv_text() == "a"
        ws.send_text("")
        assert ws.recv_text() == "b\rc"
        ws.send_text("")
        found, end = messages(ws)
        assert ("".join(found).rstrip("\r"), end.code) == ("d", 1000)


def test_long_lines(gw):
    """A line is one message however long it is; past 64 KiB in fragments."""
    with gw.ws("/long") as ws:
        first = ws.recv()
        assert (first.opcode, first.fin) == (TEXT, False)
        parts = [first.payload]
        while not (last := ws.recv()).fin:
            parts.append(last.payload)
        parts.append(last.payload)
        assert b"".join(parts) == b"x" * 200000
        assert max(map(len, parts)) <= 3 * 65536
        assert ws.recv_text() == "y" * 65536
        ws.recv_close(1000)


def test_stream(gw):
    """Payload as it is, both ways; what comes out is binary."""
    with gw.ws("/stream") as ws:
        for data in (b"a\nb", b"\0\xff", random.Random(27).randbytes(200000)):
            ws.send_binary(data)
            assert ws.recv_bytes(len(data)) == data
        ws.send_text("text")
        assert ws.recv_message() == (BINARY, b"text")
        ws.send_text("")
        ws.close()


def test_text_stream(gw):
    """Chunks as text; a character is never split between messages."""
    with gw.ws("/text") as ws:
        ws.send_text("grüße\n")
        assert ws.recv_text() == "grüße\n"
        ws.close()
    with gw.ws("/character") as ws:
        text = ""
        ws.send_text("\n")
        text += ws.recv_text()
        ws.send_text("\n")
        text += ws.recv_text()
        ws.send_text("\n")
        found, end = messages(ws)
        assert (text + "".join(found), end.code) == ("é𝄞\ufffd", 1000)


def test_invalid_utf8_is_replaced(gw):
    with gw.ws("/bad-utf8") as ws:
        found, end = messages(ws)
        assert (found, end.code) == (["a\ufffdb", "\ufffd", "\ufffd\ufffd\ufffd"], 1000)


def test_records(gw):
    """Type and boundary of every message are kept, both ways."""
    with gw.ws("/records") as ws:
        for data in (b"", b"t", b"a\nb\0c", *(random.Random(n).randbytes(n) for n in (65536, 65537, 500000))):
            ws.send_binary(data)
            assert ws.recv_message() == (BINARY, data)
        for text in ("", "ä", "x" * 65536, "ö" * 100000):
            ws.send_text(text)
            assert ws.recv_message() == (TEXT, text.encode())
        ws.close()
    with gw.ws("/record-parts") as ws:
        assert [ws.recv_message() for _ in range(2)] == [(TEXT, b"abcd"), (BINARY, b"ef")]
        ws.recv_close(1000)


@pytest.mark.parametrize("name", ["type", "change", "header-cut", "payload-cut"])
def test_bad_records(gw, name):
    """1011, and a line in the log."""
    with gw.ws(f"/record-bad-{name}") as ws:
        while (got := ws.recv()).opcode != CLOSE:
            pass
        assert got.code == 1011 and "record" in got.reason
        ws.answer_close(got)
    gw.wait_log("session with a program failed", reason=got.reason)


# every byte


def test_reading_in_fits_and_starts(gw):
    with gw.ws("/seq", over=gw.connect(rcvbuf=4096)) as ws:
        parts = []
        while True:
            got = ws.recv()
            if got.opcode == CLOSE:
                ws.answer_close(got)
                break
            parts.append(got.payload)
            if len(parts) % 50 == 0:
                gw.counters()  # a pause as long as the gateway needs
        assert b"".join(parts) == FLOOD and got.code == 1000
    with gw.ws("/seq-lines") as ws:
        found, end = messages(ws)
        assert "".join(line + "\n" for line in found).encode() == FLOOD and end.code == 1000


@pytest.mark.threads
def test_last_words_many_times(gw):
    """Every byte and the right code, each time, many at once."""
    failures = []

    def visit():
        try:
            for _ in range(10):
                with gw.ws("/ab") as ws:
                    found, end = messages(ws)
                    assert (found, end.code) == (["a", "b"], 1000)
                with gw.ws("/last-words") as ws:
                    data, code, reason = ws.recv_all()
                    assert (len(data), code, reason) == (1000000, 4007, "exit 7")
        except BaseException as error:  # shown by the main thread
            failures.append(error)

    threads = [threading.Thread(target=visit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]


# how they end


@pytest.mark.parametrize("status", [0, 1, 3, 126, 127, 128, 255])
def test_exit_status(gw, status):
    with gw.ws(f"/exit/{status}") as ws:
        if status:
            ws.recv_close(4000 + status, f"exit {status}")
        else:
            ws.recv_close(1000, "")
    assert gw.wait_log("session ended")["end"] == f"exit {status}"


@pytest.mark.parametrize("name", ["KILL", "TERM", "SEGV", "HUP", "USR1"])
def test_death_by_signal(gw, name):
    with gw.ws(f"/killed/{name}") as ws:
        ws.recv_close(4000 + 128 + getattr(signal, f"SIG{name}"), f"signal {name}")
    assert gw.wait_log("session ended")["end"] == f"signal {name}"


@pytest.mark.parametrize(
    "path,words,logged",
    [
        ("/vanished", "No such file or directory", "vanishing: No such file or directory"),
        ("/no-format", "Exec format error", "no-shebang: Exec format error: it has no #! line"),
        ("/no-interpreter", "an interpreter that is not there", "no-interpreter: the interpreter that its #! line names"),
    ],
)
def test_program_that_cannot_be_started(gw, path, words, logged):
    """502 and the errno's text in the refusal; in the log what is wrong with which file."""
    vanishing = gw.dir / "vanishing"
    if vanishing.exists():
        vanishing.unlink()
    answer = gw.refused(path)
    assert answer.status == 502 and words in answer.text
    assert logged in gw.wait_log("request", status=502)["reason"]
    with gw.ws("/cat") as ws:  # and the next one is served
        ws.close()


def test_stdout_closed(gw):
    """The program is given closing_wait and then the ladder; a death by our signal is no failure."""
    for path in ("/stdout-closed", "/stdout-closed-stubborn"):
        with gw.ws(path) as ws:
            assert ws.recv_text() == "a"
            ws.recv_close(1000)


def test_stdin_closed(gw):
    """What the client sends is dropped, the output goes on."""
    (gw.dir / "go").unlink(missing_ok=True)
    with gw.ws("/stdin-closed") as ws:
        assert ws.recv_text() == "ready"
        for _ in range(50):
            ws.send_text("nobody reads this" * 1000)
        ws.send_frame(wsraw.PING, b"all of it was taken")
        assert ws.recv_frame().opcode == wsraw.PONG
        (gw.dir / "go").touch()
        assert ws.recv_text() == "done"
        ws.recv_close(1000)


def test_client_closes_and_hears_the_rest(gw):
    """The program sees the end of its input; what it says then still comes, and then our close frame."""
    with gw.ws("/good-bye") as ws:
        ws.send(frame(TEXT, "last") + wsraw.close_frame(1000))
        assert (ws.recv_text(), ws.recv_text()) == ("last", "bye")
        ws.recv_close(1000, answer=False)
        ws.ended()


@pytest.mark.parametrize("path", ["/stays", "/stubborn"])
def test_client_closes_and_the_program_stays(gw, path):
    """closing_wait, the signal, stop_grace, KILL."""
    with gw.ws(path) as ws:
        pid = int(ws.recv_text())
        begin = time.monotonic()
        assert ws.close().code == 1000
        eventually(lambda: not alive(pid), "the program lives on")
        assert time.monotonic() - begin > 0.04


def test_stop_signal(gw):
    with gw.ws("/stop-signal") as ws:
        assert ws.recv_text() == "ready"
        ws.drop()
    assert gw.wait_log("session ended")["end"] == "exit 9"


@pytest.mark.parametrize("how", ["close", "drop", "reset"])
def test_the_whole_group_ends(gw, how):
    with gw.ws("/tree") as ws:
        pids = [int(ws.recv_text()), int(ws.recv_text())]
        assert all(alive(pid) for pid in pids)
        getattr(ws, how)()
        eventually(lambda: not any(alive(pid) for pid in pids), "grandchildren live on")


def test_background_process_that_keeps_stdout(gw):
    """The program exited; who inherited its stdout is given closing_wait from the first silence, then the group ends."""
    with gw.ws("/background") as ws:
        pid = int(ws.recv_text())
        ws.recv_close(1000)
        eventually(lambda: not alive(pid), "it lives on")
    (gw.dir / "enough").unlink(missing_ok=True)
    with gw.ws("/background-talks") as ws:
        got = ws.recv_text()
        while got == "tick":
            got = ws.recv_text()
        pid = int(got)
        while (end := ws.recv()).opcode != CLOSE:
            assert end.payload == b"tick"
        assert end.code == 1000
        ws.answer_close(end)
        eventually(lambda: not alive(pid), "it lives on")


def test_vanishing_in_mid_message_signals_first(gw):
    """Half a command is never run."""
    log = gw.dir / "command.log"
    log.unlink(missing_ok=True)
    with gw.ws("/command") as ws:
        ws.send(frame(TEXT, "echo whole") + frame(TEXT, "rm -rf /tmp/x")[:-6])
        eventually(lambda: log.exists() and "ran echo whole\n" == log.read_text(), "the command does not arrive")
        ws.drop()
    eventually(lambda: log.read_text() != "ran echo whole\n", "the program is not told")
    gw.wait_log("session ended")
    assert log.read_text() == "ran echo whole\nTERM\n"


def test_closing_lets_the_program_end_by_itself(gw):
    log = gw.dir / "command.log"
    log.unlink(missing_ok=True)
    with gw.ws("/command") as ws:
        ws.send_text("echo whole")
        assert ws.close().code == 1000
    assert log.read_text() == "ran echo whole\nEOF \n"


def test_kill_of_the_gateway_leaves_nothing(gateway, tmp_path, n=20):
    """SIGKILL, half of the programs ignoring TERM: none is left alive."""
    stubborn = script(
        tmp_path, "stubborn.sh", "trap '' TERM HUP INT\nsleep 1000 &\necho $$ $!\nwhile :; do sleep 1; done\n"
    )
    gw = gateway({"route /stays": {"exec": "sleep 1000"}, "route /stubborn": {"exec": stubborn}}, checked=False)
    clients = [gw.ws("/stubborn" if i % 2 else "/stays") for i in range(n)]
    pids = [int(word) for ws in clients[1::2] for word in ws.recv_text().split()]
    programs = gw.programs()
    assert len(programs) == n
    pids += programs + [gw.spawner]
    gw.process.kill()
    gw.exited()
    gw.process = None
    eventually(lambda: not any(map(alive, pids)), lambda: f"alive: {[pid for pid in pids if alive(pid)]}")
    for ws in clients:
        ws.drop()


def test_death_of_the_spawner_is_said(gateway):
    """Its programs die with it; the gateway says so and exits 1."""
    gw = gateway({"route /stays": {"exec": "sleep 1000"}}, checked=False)
    with gw.ws("/stays"):
        programs = gw.programs()
        os.kill(gw.spawner, signal.SIGKILL)
        assert gw.exited() == 1
        eventually(lambda: not any(alive(pid) for pid in programs), "programs live on")
    gw.process = None
    assert [line for line in gw.log_lines() if line.get("level") == "error"]


# what they are given


def test_no_descriptor_leaks_into_a_program(gw):
    others = [gw.ws("/cat") for _ in range(20)]
    with gw.ws("/fds") as ws:
        found, _ = messages(ws)
        assert found == ["0", "1", "2", "3"]  # 3 is ls's own
    eventually(lambda: len(gw.programs()) == len(others), "ls is not reaped")
    for pid in gw.programs():  # which may still be opening its libraries
        eventually(lambda: sorted(descriptors_of(pid)) == [0, 1, 2], lambda: f"it has {descriptors_of(pid)}")
    for ws in others:
        ws.close()
        ws.drop()


def test_signals_and_session_of_a_program(gw):
    """Default dispositions, empty mask, a group and a session of its own, no way to more privilege."""
    with gw.ws("/status") as ws:
        status = dict(line.split(":\t", 1) for line in messages(ws)[0] if ":\t" in line)
    for name in ("SigBlk", "SigIgn", "SigCgt"):
        assert int(status[name], 16) == 0, name
    assert status["NoNewPrivs"] == "1"
    with gw.ws("/stat") as ws:
        pid, rest = messages(ws)[0][0].split(" ", 1)
        _, _, group, session = rest.rsplit(")", 1)[1].split()[:4]
        assert pid == group == session
    with gw.ws("/pipe") as ws:
        assert messages(ws)[0] == ["y", "status 0"]


def test_descriptor_limit_of_a_program(gateway, tmp_path):
    """What the gateway was given, whatever it made of it."""
    gw = gateway({"route /limit": {"exec": script(tmp_path, "limit", "ulimit -Sn\nulimit -Hn\n")}}, files=300)
    with gw.ws("/limit") as ws:
        assert messages(ws)[0] == ["300", "300"]


# stderr


def said(gw, words):
    """The log line that carries what a program said."""
    return eventually(
        lambda: [line for line in gw.log_lines()[gw.marked :] if any(words in str(value) for value in line.values())],
        lambda: f"{words!r} is not logged:\n" + gw.log_text()[-2000:],
    )[0]


def test_stderr_goes_to_the_log(gw):
    with gw.ws("/stderr") as ws:
        assert messages(ws)[0] == ["out"]
    ended = gw.wait_log("session ended")
    for words in ("first complaint", "no newline"):
        line = said(gw, words)
        assert ended["id"] in line.values(), line


def test_stderr_flood(gw):
    """Ten megabytes without a newline don't hold stdout up, and don't fill the log."""
    before = len(gw.log_text())
    with gw.ws("/stderr-flood") as ws:
        assert messages(ws)[0] == ["out"]
    gw.wait_log("session ended")
    assert len(gw.log_text()) - before < 30 << 20


def test_stderr_is_escaped(gw):
    with gw.ws("/stderr-escape") as ws:
        messages(ws)
    said(gw, "red")
    raw = gw.log_path.read_bytes()
    assert not [byte for byte in set(raw) if not 0x20 <= byte <= 0x7E and byte != 0x0A]


def test_many_programs(gw):
    """A hundred at once, then none."""
    clients = [gw.ws("/cat") for _ in range(100)]
    assert len(gw.programs()) == 100
    for i, ws in enumerate(clients):
        ws.send_text(str(i))
    for i, ws in enumerate(clients):
        assert ws.recv_text() == str(i)
    for ws in clients:
        ws.send_close(1000)
    for ws in clients:
        ws.recv_close(1000, answer=False)
        ws.drop()


def test_a_checksum_of_a_long_upload(gw):
    digest = hashlib.sha256()
    with gw.ws("/stream") as ws:
        for i in range(30):
            data = random.Random(i).randbytes(100000)
            digest.update(data)
            ws.send_binary(data)
            assert hashlib.sha256(ws.recv_bytes(len(data))).digest() == hashlib.sha256(data).digest()
        ws.close()


def test_children_are_reaped_while_others_run(gw):
    with gw.ws("/cat"):
        for _ in range(20):
            with gw.ws("/nothing") as ws:
                ws.recv_close(1000)
        eventually(lambda: len(children_of(gw.spawner)) == 1, "zombies")
