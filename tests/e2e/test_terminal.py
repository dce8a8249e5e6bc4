"""Terminals: ttyd's protocol, sizes, pauses, and that every byte of output comes before the close."""
import asyncio
import hashlib
import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest
import websockets
from gateway import Gateway, alive, children_of, process_state, rss_of
from scripts import script
from ttyclient import OFFER, PAUSE, RESUME, Tty, hello, size
from wait import eventually, plateau
from wsraw import BINARY, CLOSE, CONTINUATION, TEXT, frame, upgrade

WINDOW = 65536
TTY = 8192  # bytes that the kernel has of a terminal's output and does not forget at Ctrl-C, and some more
LINES = 140000
COUNTED = "".join(f"{i}\r\n" for i in range(1, LINES + 1)).encode()  # what seq says, about 1 MiB
PASTED = bytes(i * 31 + i // 251 & 0xFF for i in range(1 << 20))


# Says, for each line, how often it was told of another size, and how large its terminal is.
WINCH = """
import os, signal
n = 0
def told(*_):
    global n
    n += 1
signal.signal(signal.SIGWINCH, told)
print("ready", flush=True)
while True:
    input()
    print(n, os.get_terminal_size().columns, end=".", flush=True)
"""


def GATEWAY(directory):
    routes = {}

    def route(path, command, **keys):
        routes[f"route {path}"] = {"exec": command, "terminal": "yes", **keys}

    def program(path, text, **keys):
        route(path, script(directory, path.strip("/*") + ".sh", text), **keys)

    program("/size", "stty size\nread x\nstty size\n")
    program("/exit", 'echo bye\nexit "${QUERY_STRING:-0}"\n')
    program("/die", "kill -KILL $$\n")
    program("/cat", "stty -echo\necho ready\nexec cat\n")
    program("/raw", "stty raw -echo\necho ready\nexec cat\n")
    program("/deflate", "stty raw -echo\necho ready\nexec cat\n", deflate="yes")
    program("/sum", 'stty raw -echo\necho ready\nhead -c "$QUERY_STRING" | sha256sum\n')
    route("/seq", f"seq 1 {LINES}")
    heir = "trap '' HUP\nuntil grep -q '^State:.Z' /proc/$$/status; do sleep 0.01; done\necho heir"
    program("/heir", f"({heir}) &\nexec seq 1 {LINES}\n", closing_wait="1h")
    route("/yes", "yes")
    program("/flood", "trap : INT\necho ready\nyes\necho over\nexec cat\n")
    program("/idle", "exec yes\n", idle_timeout="3s")
    program("/hup", "trap 'echo hung up; exit 5' HUP\necho ready\nwhile :; do sleep 0.01; done\n", stop_grace="1h")
    program("/winch", f"exec /usr/bin/python3 -c '{WINCH}'\n")
    program("/show", "stty -echo\necho ready\nread x\necho got $x\n", write="no")
    program("/last", "stty -echo\necho ready\nread x\necho got $x\n", max_sessions=1)
    route("/named", "cat", subprotocols=["binary", "other"])
    route("/text", "cat", subprotocols="tty=text-stream")
    gone = script(directory, "gone.sh", "exit 0\n")
    route("/gone", gone)
    gw = Gateway(directory, routes=routes)
    gone.unlink()
    return gw


def ready(gw, path, **options):
    tty = Tty(gw, path, **options)
    tty.until("ready\r?\n")
    return tty


def written_by(pid):
    """How many bytes a process has written."""
    return int(re.search(r"wchar: (\d+)", Path(f"/proc/{pid}/io").read_text())[1])


def digest(data):
    return hashlib.sha256(data).hexdigest()


# a session


def test_session(gw):
    with Tty(gw, "/size", hello(132, 50)) as tty:
        assert (tty.title, tty.preferences) == ("size.sh", {})
        tty.until("50 132\r\n")
        tty.resize(100, 30)
        tty.type("\n")
        assert tty.rest() == (b"\r\n30 100\r\n", 1000, "")
    line = gw.wait_log("session ended")
    assert (line["protocol"], line["end"], line["code_sent"]) == ("tty", "exit 0", 1000)


@pytest.mark.parametrize("status", [1, 3, 255])
def test_exit_status(gw, status):
    with Tty(gw, f"/exit?{status}") as tty:
        assert tty.rest() == (b"bye\r\n", 4000 + status, f"exit {status}")


def test_signal(gw):
    with Tty(gw, "/die") as tty:
        assert tty.rest() == (b"", 4137, "signal KILL")


def test_end_of_file(gw):
    """Control-D ends the input of a program, as on any terminal."""
    with ready(gw, "/cat") as tty:
        tty.type("a\n\x04")
        assert tty.rest() == (b"a\r\n", 1000, "")


def test_client_closes(gw):
    """What the program says when it is hung up comes before the answer."""
    with ready(gw, "/hup") as tty:
        output, code = tty.close()
        # Its shell may say so too, of a sleep that was hung up with it; the answer does not wait for it.
        words = [before + b"hung up\r\n" for before in (b"", b"Hangup\r\n")]
        assert any(all_of_it.startswith(output) for all_of_it in words) and code == 1000, (output, code)
    assert gw.wait_log("session ended")["end"] == "exit 5"


@pytest.mark.plain_only("it is about what the program is told")
def test_client_vanishes(gw):
    tty = ready(gw, "/hup")
    tty.raw.reset()
    assert gw.wait_log("session ended")["end"] == "exit 5"


# the first message


@pytest.mark.parametrize(
    "first, columns, rows",
    [
        (b"{}", 80, 24),
        (hello(0, 0), 80, 24),
        (hello(65535, 65535), 65535, 65535),
        (hello(65536, 50), 80, 50),
        (b'{"columns":100}', 100, 24),
        (hello(132, 50, more=["x", {"y": None}]), 132, 50),
    ],
)
@pytest.mark.plain_only("what a message means does not depend on how it came")
def test_first_size(gw, first, columns, rows):
    with Tty(gw, "/size", first) as tty:
        tty.until(f"{rows} {columns}\r\n")


@pytest.mark.parametrize("cut", ["fragments", "bytes", "text", "with the head", "with the first keys"])
def test_first_message_in_parts(gw, cut):
    first = hello(132, 50)
    if cut == "with the head":
        tty = Tty(gw, "/size", None, first=frame(BINARY, first))
    else:
        tty = Tty(gw, "/size", None)
    with tty:
        if cut == "fragments":
            parts = [frame(CONTINUATION, first[i : i + 1], fin=False) for i in range(1, len(first))]
            tty.raw.send(frame(BINARY, first[:1], fin=False) + b"".join(parts) + frame(CONTINUATION))
        elif cut == "bytes":
            tty.raw.send(frame(BINARY, first), chunk=1)
        elif cut == "text":
            tty.raw.send(frame(TEXT, first))
        elif cut == "with the first keys":
            tty.raw.send(frame(BINARY, first) + frame(BINARY, b"0early\n"))
        tty.greeting()
        tty.until("50 132\r\n" if cut != "with the first keys" else "50 132\r\n(.|\n)*50 132\r\n")


@pytest.mark.parametrize(
    "wrong, code",
    [
        (b"0ls\n", 1008),
        (b"", 1008),
        (b"{", 1008),
        (b"[80, 24]", 1008),
        (size(80, 24), 1008),
        (b"{" + b" " * 4094 + b"}", None),
        (b"{" + b" " * 4095 + b"}", 1009),
        (b'{"AuthToken":"' + b"x" * (1 << 20), 1009),
    ],
    ids=["input", "empty", "half", "array", "size", "4096", "4097", "1 MiB"],
)
@pytest.mark.plain_only("what a message means does not depend on how it came")
def test_first_message_that_is_none(gw, wrong, code):
    with Tty(gw, "/cat", wrong, greeted=code is None) as tty:
        if code is None:
            tty.until("ready")
            return
        got = tty.raw.recv_close(code)
        assert got.reason == "message too big" or "JSON" in got.reason
    assert "backend" not in gw.wait_log("session ended")
    assert not gw.programs()


@pytest.mark.parametrize("way", ["close", "reset"])
def test_client_gone_before_its_first_message(gw, way):
    """No program is started, and the place is another one's at once."""
    tty = Tty(gw, "/last", None)
    assert gw.refused("/last", headers=[("Sec-WebSocket-Protocol", "tty")]).status == 503
    if way == "close":
        tty.raw.send_close(1000)
        tty.raw.recv_close(1000, answer=False)
        tty.raw.drop()
    else:
        tty.raw.reset()
    line = gw.wait_log("session ended")
    assert "backend" not in line and line["end"] == "left before its first message"
    eventually(lambda: gw.counters()["sessions"] == 0, "it keeps its place")
    with Tty(gw, "/last") as tty:
        tty.until("ready")


def test_program_that_cannot_be_started(gw):
    with Tty(gw, "/gone", greeted=False) as tty:
        tty.raw.recv_close(1011, "The program of this route could not be started: No such file or directory.")
    assert gw.wait_log("program could not be started")["reason"].endswith("gone.sh: No such file or directory")
    assert gw.wait_log("session ended")["end"] == "not started"


def test_limits_count_it(gateway):
    """max_processes and spawn_rate are asked before the handshake is answered."""
    keys = {"exec": "cat", "terminal": "yes"}
    gw = gateway(
        {"route /one": keys, "route /rate": {**keys, "spawn_rate": 1}}, gateway={"max_processes": 1, "workers": 1}
    )
    with Tty(gw, "/one", None):
        assert gw.refused("/one").status == 503
    gw.wait_log("session ended")
    with Tty(gw, "/rate"):
        pass
    gw.wait_log("session ended")

    def refused():
        with gw.connect() as raw:
            raw.send(upgrade("/rate", gw.host, headers=[OFFER]))
            answer = raw.response()
            return answer.status == 503 and answer.header("Retry-After") and gw.logged("request", reason="spawn_rate")

    eventually(refused, "it is let in however often")  # each second once


# without tty


@pytest.mark.parametrize(
    "path, offered, chosen",
    [
        ("/cat", "tty", "tty"),
        ("/cat", "binary, tty", "tty"),
        ("/cat", "binary", "binary"),
        ("/cat", None, None),
        ("/named", "tty, binary", "binary"),
        ("/named", "tty", None),
        ("/text", "tty", "tty"),
    ],
)
@pytest.mark.plain_only("it is chosen before a byte comes")
def test_subprotocol(gw, path, offered, chosen):
    headers = [("Sec-WebSocket-Protocol", offered)] if offered else []
    raw = gw.ws(path, headers=headers)
    assert raw.answer.header("Sec-WebSocket-Protocol") == chosen
    if chosen == "tty" and path == "/cat":
        raw.send_binary(hello())
        assert raw.recv_message() == (BINARY, b"1cat.sh")
    else:
        raw.send_binary(b"0x\n")
        assert raw.recv_message()[0] == (TEXT if path == "/text" else BINARY)
    raw.drop()


def test_plain_stream(gw):
    raw = gw.ws("/size")
    assert raw.recv_bytes(7) == b"24 80\r\n"
    raw.send_text("x\n")
    data, code, _ = raw.recv_all()
    assert (data, code) == (b"x\r\n24 80\r\n", 1000)


@pytest.mark.parametrize("plain", [False, True])
def test_only_to_be_seen(gw, plain):
    """With write = no nothing that is typed arrives, before the program runs and after; all else does."""
    if plain:
        raw = gw.ws("/show")
        raw.recv_bytes(len("ready\r\n"))
        raw.send_binary(b"typed\n")
        raw.send_close(1000)
        raw.recv_close(1000, answer=False)  # it waited for a line and was hung up
        raw.ended()
        return
    with Tty(gw, "/show", None) as tty:
        tty.raw.send(frame(BINARY, hello()) + frame(BINARY, b"0early\n") + frame(BINARY, PAUSE))
        tty.greeting()
        assert tty.preferences == {"disableStdin": True}
        tty.type("late\n")
        tty.resume()
        tty.until("ready\r\n")
        tty.resize(100, 30)
        assert tty.close()[1] == 1000
        assert b"got" not in tty.seen


# what it says


@pytest.mark.plain_only("what a message means does not depend on how it came")
def test_limit_of_messages(gw):
    """All but input are as long as 4 KiB; a client that says more has broken a rule, and its program is hung up."""
    for n in (4095, 4096):
        with ready(gw, "/raw") as tty:
            for command in (b"1", b"2", b"3", b"x"):
                tty.send(command + b" " * (n - 1))
            tty.say("here", "here")
    gw.wait_log("session ended", n=2)
    gw.mark()
    for command in (b"1", b"2", b"3", b"x", b"{"):
        with ready(gw, "/hup") as tty:
            tty.send(command + b" " * 4096)
            tty.raw.recv_close(1009, "message too big")
        assert gw.wait_log("session ended")["end"] == "exit 5"
        gw.mark()


@pytest.mark.plain_only("what a message means does not depend on how it came")
def test_what_nobody_knows(gw):
    with ready(gw, "/raw") as tty:
        for message in (b"", b"4", b"9x", b"{}", hello(), b"1", b"1{", size(0, 5), size(70000, 5), b"\xff"):
            tty.send(message)
        tty.raw.send_text("0text")
        tty.until("text")
        assert tty.seen == b"ready\ntext"


def test_keys_in_fragments(gw):
    with ready(gw, "/raw") as tty:
        parts = [frame(CONTINUATION, bytes([c]), fin=False) for c in b"0abc"]
        tty.raw.send(frame(BINARY, b"", fin=False) + b"".join(parts) + frame(CONTINUATION))
        tty.until("abc")
        tty.raw.send(frame(BINARY, b"0d", fin=False) + frame(CONTINUATION, b"e", fin=False))
        tty.until("de")
        assert tty.close()[1] == 1000
    assert gw.wait_log("session ended")["end"] == "signal HUP"


def test_one_message_of_any_length(gw):
    """20 MiB; it streams: all of it is never held."""
    data = PASTED * 20
    with ready(gw, f"/sum?{len(data)}") as tty:
        tty.raw.sock.settimeout(150)
        tty.raw.send(frame(BINARY, b"0" + data, mask=b"\0\0\0\0"))
        assert tty.until("[0-9a-f]{64}").group().decode() == digest(data)


@pytest.mark.plain_only("it is about what waits behind the transport")
def test_program_that_does_not_read(gateway, tmp_path):
    """What is typed waits within `buffer`, and then at the client."""
    deaf = script(tmp_path, "deaf.sh", "stty raw -echo\necho ready\nexec sleep 1000\n")
    gw = gateway({"route /": {"exec": deaf, "terminal": "yes"}}, release=True)
    with ready(gw, "/") as tty:
        before = rss_of(gw.pid)
        wire, sent = frame(BINARY, b"0" + PASTED * 64, mask=b"\0\0\0\0"), 0
        tty.raw.sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            while sent < 64 << 20:
                sent += tty.raw.sock.send(memoryview(wire)[sent : sent + (1 << 20)])
        assert rss_of(gw.pid) - before < (256 + 64 + 1024) * 1024
        os.kill(gw.programs()[0], signal.SIGKILL)
    gw.wait_log("session ended", end="signal KILL")


def test_size_storm(gw):
    """A thousand sizes: the program is told of few, and of the last one."""
    with ready(gw, "/winch") as tty:
        began = time.monotonic()
        tty.raw.send(b"".join(frame(BINARY, size(100 + i, 50)) for i in range(1000)))
        told = 0

        def is_last():
            nonlocal told
            found = tty.say("\n", rb"(\d+) (\d+)\.")
            told = int(found[1])
            return int(found[2]) == 1099

        eventually(is_last, "the last size did not arrive")
        assert 1 <= told <= 2 + 20 * (time.monotonic() - began)


# pauses


def pause(tty):
    """Pauses, and waits until nothing more comes."""
    tty.pause()
    eventually(tty.is_silent, "output goes on")


def test_pause(gw):
    """The program stands still: it has filled its terminal, and waits."""
    with Tty(gw, "/yes") as tty:
        tty.until("y\r\ny\r\n")
        pause(tty)
        [pid] = gw.programs()
        plateau(lambda: written_by(pid))
        assert tty.is_silent()
        tty.resume()
        tty.until("(y\r\n){1000}", len(tty.seen))
        assert re.fullmatch(b"(y\r\n)*(y\r?)?", tty.seen)
        pause(tty)
        tty.resize(100, 30)
        assert tty.close()[1] == 1000
    assert gw.wait_log("session ended")["end"] == "signal HUP"


@pytest.mark.parametrize("way", ["reset", "close", "idle", "stop", "exit"])
def test_end_of_a_paused_session(gateway, gw, way):
    """Whatever ends it, nothing is kept; and what the program has said before its exit is heard after the pause."""
    if way == "stop":
        gw = gateway({"route /yes": {"exec": "yes", "terminal": "yes"}}, checked=False)
    path = {"idle": "/idle", "exit": "/cat"}.get(way, "/yes")
    with Tty(gw, path, None, first=frame(BINARY, hello())) as tty:  # with the head: an idle one is not waited for
        tty.greeting()
        tty.until("y\r\n")
        if way == "exit":
            tty.pause()
            tty.type("last words\n\x04")
            [pid] = gw.programs()
            eventually(lambda: process_state(pid) in ("", "Z"), "it did not exit")
            eventually(tty.is_silent, "it speaks in its pause")
            tty.resume()
            assert tty.rest() == (b"last words\r\n", 1000, "")
            return
        if way == "idle":
            tty.pause()
            assert tty.rest()[1:] == (1001, "idle")
        else:
            pause(tty)
        if way == "reset":
            tty.raw.reset()
        elif way == "close":
            assert tty.close()[1] == 1000
        elif way == "stop":
            gw.signal(signal.SIGTERM)
            assert tty.rest()[1:] == (1001, "going away")
    if way == "stop":
        assert gw.exited() == 0
    assert gw.wait_log("session ended")["end"] == "signal HUP"


def is_let_in(gw, path):
    """Is there a place for one who does not begin?"""
    with gw.connect() as raw:
        raw.send(upgrade(path, gw.host, headers=[OFFER]))
        return raw.response().status == 101


@pytest.mark.parametrize("how", ["window", "pause"])
def test_place_of_a_held_program(gateway, how):
    """Who wants no output keeps a program that has exited, and its place, for send_timeout and no longer; all of the output
    is there for whoever reads then."""
    gw = gateway({"route /held": {"exec": "cat", "terminal": "yes", "send_timeout": "1s"}}, gateway={"max_processes": 1})
    with Tty(gw, "/held", hello(window=1)) if how == "window" else Tty(gw, "/held") as tty:
        if how == "pause":
            tty.pause()
        assert gw.refused("/held").status == 503
        begin = time.monotonic()
        tty.type("last words\n\x04")
        eventually(lambda: is_let_in(gw, "/held"), "its place is taken")
        assert time.monotonic() - begin > 0.99
        assert tty.rest() == (b"last words\r\n" * 2, 1000, "")
    gw.wait_log("session ended", n=2)
    with Tty(gw, "/held"):
        pass


@pytest.mark.plain_only("it is about what waits behind the transport")
def test_pause_before_much_input(gw):
    """The end of a pause is behind more input than waits for a program which waits for its output to be read."""
    with ready(gw, "/raw") as tty:
        tty.pause()
        wire = frame(BINARY, b"0" + PASTED * 4, mask=b"\0\0\0\0") + frame(BINARY, RESUME)
        sender = threading.Thread(target=tty.raw.send, args=(wire,))
        sender.start()
        start = len(tty.seen)
        while len(tty.seen) - start < 4 * len(PASTED):
            tty.output()
        sender.join()
        assert tty.seen[start:] == PASTED * 4


# windows


def test_window(gw):
    """Not a byte more is on its way than the client said."""
    with Tty(gw, "/yes", hello(window=10000)) as tty:
        for n, more in enumerate((10000, 1, 9999, 10000, 10000)):
            if n > 0:
                tty.seen_bytes(more)
            before = len(tty.seen)
            while len(tty.seen) < before + more:
                tty.output()
            assert len(tty.seen) == before + more and tty.is_silent()
        assert tty.seen == (b"y\r\n" * (len(tty.seen) // 3 + 1))[: len(tty.seen)]
        [pid] = gw.programs()
        plateau(lambda: written_by(pid))
        tty.seen_bytes(1 << 31)  # which is more than there was
        while len(tty.seen) < before + more + 10000:
            tty.output()
        assert len(tty.seen) == before + more + 10000 and tty.is_silent()
        assert tty.close()[1] == 1000
    assert gw.wait_log("session ended")["end"] == "signal HUP"


def test_interrupted_flood(gw):
    """Between Ctrl-C and what comes after the flood is no more than the window, however much the sockets would hold."""
    with ready(gw, "/flood", greet=hello(window=WINDOW)) as tty:
        while len(tty.seen) < 20 * WINDOW:
            tty.seen_bytes(len(tty.output()))
        [shell] = gw.programs()
        [flood] = children_of(shell)
        plateau(lambda: written_by(flood))
        tty.type("\x03")
        eventually(lambda: not alive(flood), "it goes on")  # as long as it does it may write into the room that we make
        before = len(tty.seen)
        while b"over" not in tty.seen[before:]:
            tty.seen_bytes(len(tty.output()))
        assert tty.seen.index(b"over", before) - before <= WINDOW + TTY


@pytest.mark.parametrize("by", ["tty", "stream"])
def test_interrupted_flood_without_window(gw, by, buffer=256 * 1024, unsent=128 * 1024, window=128 * 1024):
    """... nor is what our kernel would hold; what the client's has received is not ours to limit."""
    over = gw.connect(rcvbuf=window // 2)
    ws = Tty(gw, "/flood", over=over).raw if by == "tty" else gw.ws("/flood", over=over)
    size = 0
    while size < 2 << 20:
        size += len(ws.recv().payload)
    [shell] = gw.programs()
    [flood] = children_of(shell)
    plateau(lambda: written_by(flood))
    ws.send_binary(b"0\x03" if by == "tty" else b"\x03")
    eventually(lambda: not alive(flood), "it goes on")
    data = b""
    while b"over" not in data:
        data += ws.recv().payload[1 if by == "tty" else 0 :]
    assert data.index(b"over") <= buffer + unsent + window + TTY
    ws.drop()


# the end of the output


def hear(tty, how):
    """A session to its end, at once, late, or with pauses; returns the close code."""
    if how == "late":
        plateau(lambda: 0, 0.2)
    n = 0
    while (got := tty.raw.recv()).opcode != CLOSE:
        tty.seen += got.payload[1:]
        n += 1
        if how == "pausing" and n % 20 == 0:
            tty.pause()
            tty.resume()
    tty.raw.answer_close(got)
    return got.code


@pytest.mark.parametrize("how", ["fast", "late", "pausing"])
@pytest.mark.parametrize("path", ["/seq", "/heir"])
def test_all_output_comes(gw, path, how):
    """A program that prints a megabyte and is gone; one that leaves somebody behind who holds its terminal."""
    over = gw.connect(rcvbuf=4096) if how == "late" else None
    with Tty(gw, path, over=over) as tty:
        assert hear(tty, how) == 1000
        expected = COUNTED + (b"heir\r\n" if path == "/heir" else b"")
        assert digest(tty.seen) == digest(expected), (len(tty.seen), len(expected), tty.seen[-30:])


def test_compressed(gw):
    """permessage-deflate, both ways: the text of an editor, and keys."""
    text = "".join(f"line {i} of a text\n" for i in range(5000)).encode()

    async def talk():
        async with websockets.connect(f"{gw.url}/deflate", subprotocols=["tty"], **gw.for_websockets) as ws:
            assert [extension.name for extension in ws.extensions] == ["permessage-deflate"]
            await ws.send(hello())
            heard = b""
            while not heard.endswith(text):
                message = await ws.recv()
                heard += message[1:] if message[:1] == b"0" else b""
                if heard == b"ready\n":
                    await ws.send(b"0" + text)
                    await ws.send(RESUME)

    asyncio.run(talk())
