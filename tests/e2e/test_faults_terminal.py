"""How a program on a terminal fails, and what is promised meanwhile: by ttyd's protocol (tty) and as a plain stream.

What a program on pipes does wrong is in test_faults_program.py and test_faults_delivery.py, whose clients these are;
here is what is different on a terminal: its end is an error when the last who holds it is gone, it holds what nobody
reads, it is hung up, and whoever is on it ends with it.
"""
import hashlib
import os
import random
import signal
import threading
import time

import pytest
from gateway import Gateway, alive, process_state, rss_of
from scripts import script
from test_backpressure import BUFFER, KIB, SLACK, check_memory, push
from test_faults_program import DATA, FILL, MIB, each, end_of, listen, said_to, standstill, stopped_amid, written_by
from test_faults_program import hear as hear_messages
from ttyclient import INPUT, OFFER, OUTPUT, Tty, size
from wait import eventually
from wsraw import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_frame, frame, request

LINE = 32 * MIB
COMMANDS = {"tty": (INPUT, OUTPUT), "stream": (b"", b"")}  # before what is typed, before what comes of it
both = pytest.mark.parametrize("by", COMMANDS)
plain = pytest.mark.plain_only("the program does not know what carries its client")


def GATEWAY(directory):
    routes = {}
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "data").write_bytes(DATA)

    def program(path, text, **keys):
        name = path.strip("/*").replace("/", "-") + ".sh"
        text = f"echo $$ >>'{directory}/pids'\n{text}\n"
        keys = {"stop_grace": "100ms", "closing_wait": "50ms", **keys}
        routes[f"route {path}"] = {"exec": script(directory, name, text), "terminal": "yes", **keys}

    end = 'end=${PATH_INFO#/}\ncase $end in [0-9]*) exit "$end";; *) kill -"$end" $$; sleep 1000;; esac'
    say = f"n=$QUERY_STRING\nwhile [ $n -gt 0 ]; do cat '{directory}/data'; n=$((n - 1)); done"
    program("/end/*", f"{say}\n{end}")
    program("/little/*", f"head -c $QUERY_STRING '{directory}/data'\n{end}")
    program("/much", f"exec cat {40 * f' {directory}/data'}", stop_grace="1h")
    (directory / "fill.py").write_text(FILL.format(directory))
    (directory / "fill.py").chmod(0o755)
    routes["route /fill/*"] = {"exec": directory / "fill.py", "terminal": "yes", "closing_wait": "50ms"}
    program("/holds/*", f"trap '' HUP\n{say}\nsleep 1000 &\necho $! >>'{directory}/pids'\n{end}")
    program("/closes", f"{say}\nexec <&- >&- 2>&-\nexec sleep 1000")
    stays = f"trap '' HUP TERM INT QUIT CONT\nsleep 1000 &\necho $! >>'{directory}/pids'\necho ready"
    program("/stays", f"set -m\n{stays}\nwhile :; do sleep 1000; done")
    program("/stopped", f"set -m\nsh -c 'kill -STOP $$' &\necho $! >>'{directory}/pids'\n{stays}\ncat")
    program("/yes", "exec yes")
    raw = "stty raw -echo\nprintf ready"
    late = f"while [ ! -e '{directory}/go' ]; do sleep 0.01; done"
    program("/late/*", f"{raw}\n{late}\nhead -c ${{PATH_INFO#/}} | sha256sum")
    both_ways = f"{raw}\ncat {8 * f' {directory}/data'} &\n{late}\nhead -c ${{PATH_INFO#/}} | sha256sum >'{directory}/sum'"
    program("/both/*", f"{both_ways}\nwait")
    program("/bytes", f"{raw}\nhead -c ${{QUERY_STRING}} | od -An -v -tx1 | tr -d ' \\n'")
    program("/pieces", f"{raw}\nfor c in '\\342' '\\202' '\\254x\\377' '\\303'; do head -c 1 >/dev/null; printf \"$c\"; done")
    program("/keep", f"{raw}\nexec cat >'{directory}/kept'", closing_wait="1h")
    program("/leaves", f"{raw}\ncat '{directory}/data'\nexit 3")
    for path in ("/gone", "/denied", "/uninterpreted"):
        program(path, "exit 1")
    elsewhere = directory / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    program("/elsewhere", "exit 1", directory=elsewhere)
    program("/deaf", f"{raw}\nexec <&-\n{late}\ncat '{directory}/data'\nexit 3")
    program("/cat", f"{raw}\nexec cat")
    told = "".join(f"trap 'echo {name} >>{directory}/told; exit' {name}\n" for name in ("HUP", "TERM"))
    script(directory / "cgi", "stays", f"{told}printf 'Content-Type: text/plain\\n\\nready'\nwhile :; do sleep 0.02; done\n")
    program("/beside/*", "exec cat", cgi=directory / "cgi", stderr="merge", stop_grace="1h")
    program("/winch", f"exec python3 -u '{directory}/winch.py'")
    (directory / "winch.py").write_text(WINCH)
    bye = f"trap 'echo HUP >>{directory}/hups; echo bye; exit 3' HUP\necho ready\nwhile :; do sleep 0.02; done"
    program("/bye", bye, stop_grace="1h")
    return Gateway(directory, routes)


# Counts how often it is told that its size is another one; says so, and its size, for each line.
WINCH = """import os, signal
n = 0
def count(*_):
    global n
    n += 1
signal.signal(signal.SIGWINCH, count)
print("ready")
while True:
    input()
    print("told", n, *os.get_terminal_size(0))
"""


@pytest.fixture(autouse=True)
def nobody_survives(gw):
    """Whoever was on a terminal is gone when its session is."""
    pids = gw.dir / "pids"
    pids.unlink(missing_ok=True)
    yield
    left = [int(pid) for pid in pids.read_text().split()] if pids.exists() else []
    eventually(lambda: not any(alive(pid) for pid in left), lambda: f"alive: {[pid for pid in left if alive(pid)]}")


# clients


def begin(by):
    """How such a session begins: takes what Gateway.ws takes."""
    return Gateway.ws if by == "stream" else lambda *args, **options: Tty(*args, **options).raw


def hear(gw, ws, by, client="fast"):
    return hear_messages(gw, ws, client, COMMANDS[by][1])


def heard(ws, by, n):
    """The next n bytes of output, or more of the same message."""
    data = b""
    while len(data) < n:
        got = ws.recv()
        assert got.opcode == BINARY and got.payload.startswith(COMMANDS[by][1]), got
        data += got.payload[len(COMMANDS[by][1]) :]
    return data


def hear_ready(ws, by):
    """A shell that has job control says which of its jobs are stopped, too: before it, behind it, in the same message."""
    data = b""
    while b"ready\r\n" not in data:
        data += heard(ws, by, 1)


def typed(by, data, step=65536):
    """The frames of so much input."""
    return b"".join(
        frame(BINARY, COMMANDS[by][0] + data[at : at + step], mask=b"\0\0\0\0") for at in range(0, len(data), step)
    )


def shown(data):
    """What a terminal makes of output."""
    return data.replace(b"\n", b"\r\n")


# it can't be executed


def refusal(gw, by, path):
    """What a client is told of a program that can't be started: over tty the handshake is behind it."""
    if by == "stream":
        answer = gw.refused(path)
        assert answer.status == 502, (answer.status, answer.text)
        return answer.text
    with Tty(gw, path, greeted=False) as tty:
        return tty.raw.recv_close(1011).reason


@plain
@both
def test_exec_fails(gw, by):
    """The errno's text in a sentence, the same for both; the next one is served."""
    (gw.dir / "gone.sh").unlink(missing_ok=True)
    (gw.dir / "denied.sh").chmod(0o644)
    (gw.dir / "uninterpreted.sh").write_text("#!/no/such\n")
    if (gw.dir / "elsewhere").exists():
        (gw.dir / "elsewhere").rmdir()
    for path, words in (
        ("/gone", "No such file or directory"),
        ("/denied", "Permission denied"),
        ("/uninterpreted", "its first line names an interpreter that is not there"),
        ("/elsewhere", "No such file or directory"),
    ):
        assert refusal(gw, by, path).strip() == f"The program of this route could not be started: {words}."
    with begin(by)(gw, "/end/0?0") as ws:
        assert hear(gw, ws, by) == (b"", end_of("0"))


# it ends


ENDS = [("0", "fast"), ("3", "fast"), ("SEGV", "fast"), ("KILL", "fast"), ("3", "slow"), ("3", "stalling")]


@both
@pytest.mark.parametrize("end,client", ENDS)
def test_ends_with_a_mib_behind_it(gw, by, end, client):
    with listen(gw, f"/end/{end}", client, begin(by)) as ws:
        payload, how = hear(gw, ws, by, client)
    assert payload == shown(said_to(client)) and how == end_of(end)


@both
def test_ends_before_it_is_read(gw, by, end="0", n=128 << 10):
    """The gateway and its kernel hold all of it, which is less than of a program's that is on no terminal."""
    with begin(by)(gw, f"/little/{end}?{n}", over=gw.connect(rcvbuf=4096)) as ws:
        eventually(lambda: not gw.programs(), "the program does not end")
        payload, how = hear(gw, ws, by)
    assert payload == shown(DATA[:n]) and how == end_of(end)


@both
@pytest.mark.parametrize("how", ["leaves", "alone"])
def test_ends_with_a_full_terminal(gw, by, how, end="3"):
    """It ends while nobody can read what it said last: nothing is taken from what its terminal holds."""
    (gw.dir / "filled").unlink(missing_ok=True)
    with begin(by)(gw, f"/fill/{how}/{end}", over=gw.connect(rcvbuf=4096)) as ws:
        (pid,) = eventually(gw.programs, "it does not begin")
        eventually(lambda: process_state(pid) in ("", "Z"), "it does not end")
        standstill(gw)  # longer than closing_wait
        payload, got = hear(gw, ws, by)
    n = int((gw.dir / "filled").read_text())
    assert payload == shown((DATA * (n // MIB + 1))[:n]) and got == end_of(end)


@plain
@both
def test_killed_from_outside_while_it_writes(gw, by):
    with begin(by)(gw, "/much", over=gw.connect(rcvbuf=4096)) as ws:
        (pid,) = eventually(gw.programs, "it does not begin")
        eventually(lambda: written_by(pid) > 64 << 10, "it writes nothing")
        standstill(gw)
        before = stopped_amid(pid)
        os.kill(pid, signal.SIGKILL)
        payload, how = hear(gw, ws, by)
    whole = shown(DATA * 40)
    assert how == end_of("KILL")
    assert before <= len(payload) < before + MIB and payload == whole[: len(payload)]


@plain
@both
@each("fast", "slow", "stalling")
def test_job_that_holds_the_terminal(gw, by, client):
    """All that was written arrives, then the program's own status; who was left on the terminal is ended with it."""
    with listen(gw, "/holds/3", client, begin(by)) as ws:
        payload, how = hear(gw, ws, by, client)
    assert payload == shown(said_to(client)) and how == end_of("3")


@plain
@both
@each("fast", "stalling")
def test_closes_its_terminal(gw, by, client):
    """As one on pipes that closes its stdout: all of it arrives, and its death is no failure."""
    with listen(gw, "/closes", client, begin(by)) as ws:
        payload, how = hear(gw, ws, by, client)
    assert payload == shown(said_to(client)) and how == (1000, "")


@plain
@both
def test_closes_its_stdin(gw, by):
    """Only that: what is typed waits for whoever reads the terminal, its output goes on, and its code is told."""
    (gw.dir / "go").unlink(missing_ok=True)
    with begin(by)(gw, "/deaf") as ws:
        heard(ws, by, 5)
        wire = typed(by, DATA * 16)
        sent = push(ws, wire)
        assert sent < len(wire), "nothing stopped the client"
        (gw.dir / "go").touch()
        said = heard(ws, by, MIB)
        ws.send(wire[sent:])  # for nobody: it has ended
        rest, how = hear(gw, ws, by)
    assert said + rest == DATA and how == end_of("3")


@plain
def test_cgi_program_beside_it(gw):
    """It is on pipes, and is not hung up when its client goes."""
    with gw.connect() as raw:
        raw.send(request("/beside/stays", host=gw.host))
        assert raw.response(body=False).status == 200 and raw.chunk() == b"ready"
        raw.reset()
    told = gw.dir / "told"
    assert eventually(lambda: told.exists() and told.read_text(), "it was told nothing") == "TERM\n"


@both
def test_program_ends_while_the_client_floods(gw, by):
    """What is typed for nobody is dropped, and what it said arrives, with its code."""
    with begin(by)(gw, "/leaves", over=gw.connect(rcvbuf=4096)) as ws:
        said = heard(ws, by, 5)  # before that the terminal would answer what is typed
        push(ws, typed(by, DATA * 8))
        rest, how = hear(gw, ws, by)
    assert said + rest == b"ready" + DATA and how == end_of("3")


# it does not want to end


@both
@pytest.mark.parametrize(
    "path,how", [("/stays", "close"), ("/stays", "drop"), ("/stays", "shut"), ("/stopped", "close"), ("/stopped", "reset")]
)
def test_ignores_every_signal(gw, by, path, how):
    """Jobs in the background too, those that are stopped included (the fixture looks for them)."""
    with begin(by)(gw, path) as ws:
        hear_ready(ws, by)
        if how == "close":
            ws.close(1000)
        else:
            getattr(ws, how)()
    gw.wait_log("session ended", code_received=1000 if how == "close" else 1006)


@plain
@both
def test_hung_up(gw, by):
    """Its client says goodbye, and is answered after closing_wait, in which it is heard; then it is hung up, once."""
    (gw.dir / "hups").unlink(missing_ok=True)
    with begin(by)(gw, "/bye") as ws:
        hear_ready(ws, by)
        ws.close(1000)
    gw.wait_log("session ended", code_received=1000, code_sent=1000)
    assert (gw.dir / "hups").read_text() == "HUP\n"


# floods


@both
def test_memory_of_those_that_nobody_reads(gateway, by, n=6):
    gw = gateway({"route /yes": {"exec": "yes", "terminal": "yes"}}, release=True)
    with begin(by)(gw, "/yes") as ws:
        heard(ws, by, MIB)
        ws.reset()
    gw.wait_log("session ended")
    before = rss_of(gw.pid)
    sessions = [begin(by)(gw, "/yes", over=gw.connect(rcvbuf=4096)) for _ in range(n)]
    standstill(gw)
    check_memory(gw, before, n)
    for ws in sessions:
        ws.reset()


@both
@pytest.mark.parametrize("then", ["reads", "drop", "reset"])
def test_floods_and_nobody_reads(gw, by, then):
    with begin(by)(gw, "/yes", over=gw.connect(rcvbuf=4096)) as ws:
        (pid,) = eventually(gw.programs, "it does not begin")
        standstill(gw)
        before = written_by(pid)
        if then == "reads":
            want = 2 * before
            data = heard(ws, by, want)
            assert data == (b"y\r\n" * (len(data) // 3 + 1))[: len(data)]
            ws.reset()
        else:
            getattr(ws, then)()
        gw.wait_log("session ended", code_received=1006)


@both
def test_never_reads_while_the_client_floods(gw, by):
    """The client is stopped; when the program reads, not a byte is missing."""
    (gw.dir / "go").unlink(missing_ok=True)
    data = DATA * 16
    with begin(by)(gw, f"/late/{len(data)}") as ws:
        heard(ws, by, 5)
        wire = typed(by, data)
        sent = push(ws, wire)
        assert sent < len(wire), "nothing stopped the client"
        (gw.dir / "go").touch()
        ws.send(wire[sent:])
        payload, how = hear(gw, ws, by)
    assert payload.decode().split()[0] == hashlib.sha256(data).hexdigest() and how == end_of("0")


@pytest.mark.parametrize("by,first", [("tty", "client"), ("tty", "program"), ("stream", "client")])
def test_both_flood_and_neither_reads(gw, by, first):
    """Whoever reads again first gets everything, though the other still does not; then the other does."""
    for name in ("go", "sum"):
        (gw.dir / name).unlink(missing_ok=True)
    data = DATA * 8
    wire = typed(by, data)
    with begin(by)(gw, f"/both/{len(data)}", over=gw.connect(rcvbuf=16384)) as ws:
        said = heard(ws, by, 5)
        sent = push(ws, wire)
        assert sent < len(wire), "nothing stopped the client"
        if first == "program":
            (gw.dir / "go").touch()
            ws.send(wire[sent:])
        said += heard(ws, by, 7 * MIB)
        if first == "client":
            (gw.dir / "go").touch()
            ws.send(wire[sent:])
        rest, how = hear(gw, ws, by)
    assert said + rest == b"ready" + DATA * 8 and how == end_of("0")
    assert (gw.dir / "sum").read_text().split()[0] == hashlib.sha256(data).hexdigest()


# bytes as they are


@plain
@both
def test_pieces_of_characters(gw, by):
    """Nothing waits for the rest of a character, and what is none passes too."""
    with begin(by)(gw, "/pieces") as ws:
        assert heard(ws, by, 5) == b"ready"
        for part in (b"\xe2", b"\x82", b"\xacx\xff", b"\xc3"):
            ws.send_binary(COMMANDS[by][0] + b".")
            assert heard(ws, by, len(part)) == part
        ws.recv_close(1000)


@plain
@both
def test_line_without_end(gateway, tmp_path, by):
    """It is bytes as any other: it comes as it is written, its memory within `buffer`."""
    keys = {"exec": script(tmp_path, "line.sh", f"stty raw\nhead -c {LINE} /dev/zero | tr '\\0' x\n"), "terminal": "yes"}
    gw = gateway({"route /line": keys}, release=True)
    before, most, n, messages = rss_of(gw.pid), 0, 0, 0
    with begin(by)(gw, "/line") as ws:
        while (got := ws.recv()).opcode != CLOSE:
            output = got.payload[len(COMMANDS[by][1]) :]
            assert got.fin and output == b"x" * len(output)
            n += len(output)
            messages += 1
            if messages % 50 == 0:
                most = max(most, rss_of(gw.pid) - before)
        ws.answer_close(got)
    assert (n, got.code) == (LINE, 1000)
    assert 0 < most <= BUFFER + 64 * KIB + SLACK


@both
def test_order(gw, by):
    """Keys in text and binary, in fragments, pings between them: bytes keep their order, pings theirs."""
    choice = random.Random(7)
    sent, wire, n_pings = b"", [], 0
    for i in range(100):
        opcode, size = choice.choice((TEXT, BINARY)), choice.choice((0, 1, 125, 126, 5000, 65536, 70000))
        keys = (b"%d " % i + b"x" * size)[: max(size, 4)]
        data, sent = COMMANDS[by][0] + keys, sent + keys
        cut = choice.randrange(len(data))
        if choice.random() < 0.5:
            wire.append(frame(opcode, data))
        else:
            wire.append(
                frame(opcode, data[:cut], fin=False) + frame(PING, b"%d" % n_pings) + frame(CONTINUATION, data[cut:])
            )
            n_pings += 1
    with begin(by)(gw, "/cat") as ws:
        heard(ws, by, 5)
        writer = threading.Thread(target=lambda: [ws.send(part) for part in wire])
        writer.start()
        said, pongs = b"", []
        while len(said) < len(sent) or len(pongs) == 0 or pongs[-1] < n_pings - 1:
            got = ws.recv_frame()
            if got.opcode == PONG:
                pongs.append(int(got.payload))
            elif got.opcode != PING:
                assert got.opcode == BINARY and got.payload.startswith(COMMANDS[by][1]), got
                said += got.payload[len(COMMANDS[by][1]) :]
        writer.join()
    assert said == sent and pongs == sorted(set(pongs))


@plain
@both
def test_every_byte_is_typed(gw, by):
    """In messages of one byte: halves of characters, NUL, what a terminal would take for itself."""
    with begin(by)(gw, "/bytes?256") as ws:
        heard(ws, by, 5)
        ws.send(typed(by, bytes(range(256)), step=1))
        payload, how = hear(gw, ws, by)
    assert payload.decode() == bytes(range(256)).hex() and how == end_of("0")


# what the client breaks


BROKEN = {"opcode": frame(3, "evil"), "unmasked": frame(BINARY, b"0evil", mask=False)}


@pytest.fixture
def kept(gw):
    """The program's file, which is not there yet."""
    (gw.dir / "kept").unlink(missing_ok=True)
    return gw.dir / "kept"


def end_of_kept(gw, kept, expected):
    """Waits until the program has read so much as was typed, ends it, and looks what that was."""
    eventually(lambda: kept.exists() and kept.stat().st_size >= len(expected), "it is not read")
    (pid,) = gw.programs()
    os.kill(pid, signal.SIGKILL)
    gw.wait_log("session ended")
    assert kept.read_bytes() == expected


@both
@pytest.mark.parametrize("name", BROKEN)
def test_what_came_before_a_broken_frame(gw, kept, by, name):
    """It is typed, and nothing of what comes after it."""
    with begin(by)(gw, "/keep") as ws:
        heard(ws, by, 5)
        ws.send(typed(by, b"before") + BROKEN[name] + typed(by, b"after"))
        ws.recv_close(1002)
        end_of_kept(gw, kept, b"before")


@both
def test_everything_before_the_close_is_typed(gw, kept, by):
    with begin(by)(gw, "/keep") as ws:
        heard(ws, by, 5)
        ws.send(typed(by, DATA) + close_frame(1000))
        end_of_kept(gw, kept, DATA)
        ws.recv_close(answer=False)


@pytest.mark.parametrize("how", ["drop", "reset", "shut"])
def test_vanishes_before_it_said_how_large(gw, how):
    with gw.ws("/yes", headers=[OFFER]) as ws:
        getattr(ws, how)()
        gw.wait_log("session ended", code_received=1006)
    assert not gw.programs()


# sizes


@plain
def test_storm_of_sizes(gw, n=10000):
    """Of 10,000 the program is told twenty times a second at most, and of the last one in any case."""
    with Tty(gw, "/winch") as tty:
        tty.until("ready")
        begun = time.monotonic()
        for i in range(0, n, 50):  # each time the gateway has seen them all before the next come
            tty.raw.send(b"".join(frame(BINARY, size(100 + j, 20 + i % 70)) for j in range(50)))
            tty.is_silent()  # the pong says so; the end of a line may come before it
        tty.resize(333, 77)
        found = eventually(
            lambda: (got := tty.say("\n", rb"told (\d+) (\d+) (\d+)\r")) and got[2] == b"333" and got, "not the last one"
        )
        most = 2 + 20 * (time.monotonic() - begun)
    assert found[3] == b"77" and 1 <= int(found[1]) <= most, (found, most)


# the gateway is killed


@plain
@both
@pytest.mark.parametrize("path", ["/stays", "/stopped"])
def test_gateway_is_killed(tmp_path, by, path):
    """With -9: nobody of a session survives it, not those that are stopped or ignore what they are sent."""
    gw = GATEWAY(tmp_path)
    try:
        with begin(by)(gw, path) as ws:
            hear_ready(ws, by)
            spawner, on_it = gw.spawner, [int(pid) for pid in (tmp_path / "pids").read_text().split()]
            assert len(on_it) == (2 if path == "/stays" else 3) and all(map(alive, on_it))
            gw.kill()
        eventually(lambda: not any(map(alive, [spawner, *on_it])), lambda: f"alive: {[*filter(alive, on_it)]}")
    finally:
        gw.kill()
