"""How a program fails, each with its close code and every byte that it wrote: it ends, is killed, can't be started, does
not want to end, leaves somebody behind, closes one of its ends.

What is sent to whom in the meantime is in test_faults_delivery.py, output that is no UTF-8 in test_faults_utf8.py. The
plain form of most ends is in test_program.py; here each meets clients that are slow, or have stopped to read, with a MiB
and more on its way.
"""
import os
import random
import resource
import signal
import time
from pathlib import Path

import pytest
import wsraw
from gateway import Gateway, alive, process_state
from scripts import script
from wait import eventually, plateau, prompt
from wsraw import BINARY, CLOSE

MIB = 1 << 20
DATA = random.Random(14).randbytes(MIB)
CLIENTS = {"fast": 1, "slow": 1, "late": 1, "stalling": 5}  # MiB that it is sent; sockets alone take three of them


# Writes until nothing more is taken, says how much that was, and ends with the pipe full; PATH_INFO says how.
FILL = """#!/usr/bin/python3
import os, signal, subprocess, time
data, n, refused = open("{0}/data", "rb").read(), 0, 0
os.set_blocking(1, False)
while refused < 20:
    try:
        n += os.write(1, data[n % len(data):][:65536])
        refused = 0
    except BlockingIOError:
        refused += 1
        time.sleep(0.01)
_, how, end = os.environ["PATH_INFO"].split("/")
if how == "leaves":
    print(subprocess.Popen(["sleep", "1000"]).pid, file=open("{0}/pid", "w"))
print(n, file=open("{0}/filled", "w"))
if end.isdigit():
    os._exit(int(end))
os.kill(os.getpid(), getattr(signal, "SIG" + end))
"""


def GATEWAY(directory):
    routes = {}
    directory.mkdir(parents=True, exist_ok=True)
    data, lines = directory / "data", directory / "lines"
    data.write_bytes(DATA)
    lines.write_bytes("".join(line + "\n" for line in LINES).encode())

    def program(path, text, **keys):
        name = path.strip("/*").replace("/", "-") + ".sh"
        routes[f"route {path}"] = {"exec": script(directory, name, text), "framing": "stream", **keys}

    end = 'end=${PATH_INFO#/}\ncase $end in [0-9]*) exit "$end";; *) kill -"$end" $$; sleep 1000;; esac\n'
    say = f"n=$QUERY_STRING\nwhile [ $n -gt 0 ]; do cat '{data}'; n=$((n - 1)); done\n"
    program("/end/*", f"{say}\n{end}")
    program("/end-of-lines/*", f"cat '{lines}'\n{end}", framing="lines")
    (directory / "fill.py").write_text(FILL.format(directory))
    (directory / "fill.py").chmod(0o755)
    routes["route /fill/*"] = {"exec": directory / "fill.py", "framing": "stream", "closing_wait": "50ms"}
    program("/much", "exec cat" + f" '{data}'" * 40)
    program("/grandchild/*", f"{say}\nsleep 1000 &\necho $! >'{directory}/pid'\n{end}", closing_wait="50ms")
    program(
        "/grandchild-talks/*",
        f"{say}\n(i=0; while [ $i -lt 100000 ]; do echo $i; i=$((i + 1)); sleep 0.01; done) &\n"
        f"echo $! >'{directory}/pid'\n{end}",
        closing_wait="50ms",
    )
    program("/stdout-closed", f"echo $$ >'{directory}/pid'\n{say}\nexec >&-\nexec sleep 1000", closing_wait="50ms")
    program(
        "/stdin-closed/*",
        f"exec <&-\necho ready\nwhile [ ! -e '{directory}/go' ]; do sleep 0.01; done\ncat '{data}'\n{end}",
    )
    loop = "echo ready\nwhile :; do sleep 0.02; done"
    told = f"trap 'while read -r x; do :; done; read -r up _ </proc/uptime; echo $up >>{directory}/ladder; exit 5' TERM\n"
    program("/ladder/told", told + loop, closing_wait="1s", stop_grace="1h")
    program("/ladder/deaf", f"trap '' TERM\n{loop}", closing_wait="1s", stop_grace="1s")
    behind = "while read -r x; do :; done\necho behind the end\nread -r x\necho and more\nexit 3"
    program("/behind", behind, closing_wait="1h", stop_grace="1h")
    for name in ("plain", "directory", "loop"):
        program(f"/exec-{name}", "")
    (directory / "gone").mkdir()
    program("/exec-elsewhere", "", directory=directory / "gone")
    program("/exec-private", "", run_as="nobody")
    (directory / "exec-private.sh").chmod(0o700)
    return Gateway(directory, routes)


def lines_of(choice):
    """Lines of every length, 1 MiB in all."""
    size = 0
    while size < MIB:
        line = "".join(choice.choices("abcäöü€𝄞 ", k=choice.choice((0, 1, 80, 1000, 40000))))
        size += len(line.encode()) + 1
        yield line


LINES = list(lines_of(random.Random(15)))


# clients


def written_by(pid):
    """How many bytes a process has written, None when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return next(int(line.split()[1]) for line in lines if line.startswith("wchar"))


def stopped_amid(pid):
    """Stops a program, so that it writes no more; how much it has written."""
    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: process_state(pid) == "T", "it goes on")
    return written_by(pid)


def standstill(gw, window=0.1):
    """Waits until the programs can write no more, or are gone."""
    plateau(lambda: [written_by(pid) for pid in gw.programs()], window=window)


def listen(gw, path, client, begin=Gateway.ws):
    """A session with such a client, whose program says so many times DATA. One that is late begins to read when the
    program has exited, one that stalls when nothing moves any more."""
    ws = begin(gw, f"{path}?{CLIENTS[client]}", over=gw.connect(rcvbuf=None if client == "fast" else 4096))
    if client == "late":
        eventually(lambda: not gw.programs(), "the program does not end")
    if client == "stalling":
        standstill(gw)
        assert gw.programs(), "nothing has stopped the program"
    return ws


def hear(gw, ws, client, command=b""):
    """What the session says, up to its end: the payload behind the command of each message, the close code, its reason."""
    parts, types, n = [], set(), 0
    while (got := ws.recv()).opcode != CLOSE:
        assert got.payload.startswith(command), got.payload[:80]
        parts.append(got.payload[len(command) :])
        types.add(got.opcode)
        n += len(got.payload)
        if client == "slow" and n > 128 << 10:
            n = 0
            gw.counters()  # a pause as long as the gateway needs
    ws.answer_close(got)
    assert types <= {BINARY}, types
    return b"".join(parts), (got.code, got.reason)


def said_to(client):
    """What the program says to it."""
    return DATA * CLIENTS[client]


def end_of(name):
    """Close code and reason for an exit status or the name of a signal."""
    if not name.isdigit():
        return 4128 + getattr(signal, f"SIG{name}"), f"signal {name}"
    return (4000 + int(name), f"exit {name}") if name != "0" else (1000, "")


def each(*clients):
    return pytest.mark.parametrize("client", clients)


# it ends with a MiB behind it


@each("fast", "slow", "late", "stalling")
@pytest.mark.parametrize("end", ["0", "3", "SEGV", "KILL"])
def test_ends_with_a_mib_in_the_pipe(gw, end, client):
    with listen(gw, f"/end/{end}", client) as ws:
        payload, how = hear(gw, ws, client)
    assert payload == said_to(client) and how == end_of(end)
    assert gw.wait_log("session ended")["out_bytes"] == len(payload)


@pytest.mark.parametrize("how", ["leaves", "alone"])
@pytest.mark.parametrize("end", ["0", "3", "SEGV"])
def test_ends_with_a_full_pipe(gw, end, how):
    """It ends while nobody can read what it said last, and perhaps leaves somebody who holds its stdout: neither its end
    nor closing_wait take anything from what lies in the pipe."""
    filled = gw.dir / "filled"
    filled.unlink(missing_ok=True)
    with gw.ws(f"/fill/{how}/{end}", over=gw.connect(rcvbuf=4096)) as ws:
        (pid,) = gw.programs()
        eventually(lambda: process_state(pid) in ("", "Z"), "it does not end")
        standstill(gw)  # longer than closing_wait
        payload, got = hear(gw, ws, "fast")
    n = int(filled.read_text())
    assert len(payload) == n and payload == (DATA * (n // MIB + 1))[:n] and got == end_of(end)


@each("fast", "slow", "late")
def test_ends_with_a_mib_of_lines(gw, client):
    """Line by line, none of them cut, the last one too."""
    with listen(gw, "/end-of-lines/3", client) as ws:
        found = []
        for line in LINES:
            found.append(ws.recv_text())
            if client == "slow" and len(line) > 1000:
                gw.counters()
        ws.recv_close(4003, "exit 3")
    assert found == LINES


def test_killed_from_outside_while_it_writes(gw):
    """As the kernel does when memory is short: what had left it by then arrives, and the code says the rest."""
    with gw.ws("/much", over=gw.connect(rcvbuf=4096)) as ws:
        (pid,) = gw.programs()
        eventually(lambda: written_by(pid) > 64 << 10, "it writes nothing")
        standstill(gw)
        before = stopped_amid(pid)
        os.kill(pid, signal.SIGKILL)
        payload, how = hear(gw, ws, "fast")
    assert how == end_of("KILL")
    assert before <= len(payload) < before + MIB and payload == (DATA * 40)[: len(payload)]


# it can't be executed


def refusal(gw, path):
    """What is said of a program that can't be started: a 502, and the same words in the log."""
    answer = gw.refused(path)
    assert answer.status == 502, (answer.status, answer.text)
    return answer.text, str(gw.wait_log("request", path=path, status=502))


def test_exec_fails(gw):
    """The errno's text in the refusal and in the log; the next one is served. More of them are in test_program.py."""
    (gw.dir / "exec-plain.sh").chmod(0o644)
    (gw.dir / "exec-directory.sh").unlink(missing_ok=True)
    (gw.dir / "exec-directory.sh").mkdir(exist_ok=True)
    (gw.dir / "exec-loop.sh").write_text(f"#!{gw.dir}/exec-loop.sh\n")
    for name, words in (
        ("plain", "Permission denied"),
        ("directory", "Permission denied"),
        ("loop", "Too many levels of symbolic links"),
    ):
        assert all(words in said for said in refusal(gw, f"/exec-{name}"))
    with gw.ws("/end/0?0") as ws:
        ws.recv_close(1000)


def test_environment_is_too_large(gateway):
    """E2BIG: what the kernel takes is a quarter of the limit of the stack, which is the spawner's, but 128 KiB at least."""
    gw = gateway({"route /true": {"exec": "true"}}, environment={f"LC_{i}": "x" * 100000 for i in range(2)})
    limits = resource.prlimit(gw.spawner, resource.RLIMIT_STACK)
    resource.prlimit(gw.spawner, resource.RLIMIT_STACK, (64 << 10, limits[1]))
    assert all("Argument list too long" in said for said in refusal(gw, "/true"))
    resource.prlimit(gw.spawner, resource.RLIMIT_STACK, limits)
    with gw.ws("/true") as ws:
        ws.recv_close(1000)


def test_directory_is_gone(gw):
    """The client is told the errno, the log the step too."""
    (gw.dir / "gone").rmdir()
    try:
        told, logged = refusal(gw, "/exec-elsewhere")
        assert "No such file or directory" in told and "chdir: No such file or directory" in logged
    finally:
        (gw.dir / "gone").mkdir()
    with gw.ws("/exec-elsewhere") as ws:
        ws.recv_close(1000)


def test_user_who_may_not(gw):
    """The program's own user is asked, and it is not run as another."""
    assert all("Permission denied" in said for said in refusal(gw, "/exec-private"))


# it does not want to end


def test_ladder(gw):
    """End of its stdin, closing_wait, stop_signal. It looks at its stdin when it gets the signal, so the end was before."""
    log = gw.dir / "ladder"
    log.unlink(missing_ok=True)
    with gw.ws("/ladder/told") as ws:
        assert ws.recv_bytes(6) == b"ready\n"
        ws.send_text("a line\n")
        begin = float(Path("/proc/uptime").read_text().split()[0])  # a clock that nobody sets
        ws.send_close(1000)
        ws.recv_close(1000, answer=False)
        ws.ended()
    assert gw.wait_log("session ended", code_sent=1000)["end"] == "exit 5"
    (told,) = map(float, log.read_text().splitlines())
    assert told - begin > 0.95


@prompt
def test_top_of_the_ladder(gw):
    """stop_grace, and KILL: after both waits, and before either could have been half as long again."""
    with gw.ws("/ladder/deaf") as ws:
        assert ws.recv_bytes(6) == b"ready\n"
        begin = time.monotonic()
        ws.send_close(1000)
        ws.recv_close(1000, answer=False)
        ws.ended()
    assert gw.wait_log("session ended", code_sent=1000)["end"] == "signal KILL"
    took = time.monotonic() - begin
    assert 1.95 < took < 2.5, took


def test_heard_in_closing_wait(gw):
    """What a program says when its stdin has ended arrives, and then the answer; its end is its own."""
    with gw.ws("/behind") as ws:
        ws.send_text("a line\n")
        ws.send_close(1000)
        assert ws.recv_bytes(24) == b"behind the end\nand more\n"
        ws.recv_close(1000, answer=False)
        ws.ended()
    assert gw.wait_log("session ended", code_sent=1000)["end"] == "exit 3"


# it leaves somebody behind who holds its stdout


@each("fast", "slow", "stalling")
@pytest.mark.parametrize("end", ["0", "3"])
def test_grandchild_keeps_stdout(gw, end, client):
    """All that was written arrives, then the program's own status; who was left is ended with it."""
    with listen(gw, f"/grandchild/{end}", client) as ws:
        payload, how = hear(gw, ws, client)
        assert payload == said_to(client) and how == end_of(end)
    eventually(lambda: not alive(int((gw.dir / "pid").read_text())), "the grandchild lives on")


@each("fast", "slow", "stalling")
def test_grandchild_that_talks(gw, client):
    """It is heard until it has nothing to say for a moment, and closing_wait is over; nothing is missing in between."""
    with listen(gw, "/grandchild-talks/KILL", client) as ws:
        payload, how = hear(gw, ws, client)
    said = said_to(client)
    talk = payload[len(said) :]
    assert payload.startswith(said) and how == end_of("KILL")
    assert "".join(f"{i}\n" for i in range(len(talk))).encode().startswith(talk)
    eventually(lambda: not alive(int((gw.dir / "pid").read_text())), "the grandchild lives on")


# it closes one of its ends


@each("fast", "slow", "stalling")
def test_stdout_closed(gw, client):
    """All of it arrives, however long that takes; then it is told, and its death is no failure."""
    with listen(gw, "/stdout-closed", client) as ws:
        payload, how = hear(gw, ws, client)
        assert payload == said_to(client) and how == (1000, "")
    eventually(lambda: not alive(int((gw.dir / "pid").read_text())), "it lives on")


@pytest.mark.parametrize("end", ["0", "3"])
def test_stdin_closed(gw, end):
    """What the client sends is dropped, however much it is; the output is whole."""
    (gw.dir / "go").unlink(missing_ok=True)
    with gw.ws(f"/stdin-closed/{end}") as ws:
        assert ws.recv_bytes(6) == b"ready\n"
        for _ in range(64):
            ws.send_binary(DATA[:65536])
        (gw.dir / "go").touch()
        ws.send_binary(b"and more")
        payload, how = hear(gw, ws, "fast")
    assert payload == DATA and how == end_of(end)


# the gateway is killed; more of it is in test_program.py and tests/soak/test_kill.py


def test_starts_that_nobody_waits_for(gateway, tmp_path, n=30):
    """What the gateway had asked for and is not started yet when it dies is not left behind, should it be started."""
    started = tmp_path / "started"
    mark = script(tmp_path, "mark.sh", f"echo $$ >>'{started}'\nexec sleep 1000\n")
    gw = gateway({"route /mark": {"exec": mark}}, checked=False)
    spawner = gw.spawner
    os.kill(spawner, signal.SIGSTOP)
    try:
        clients = [gw.connect() for _ in range(n)]
        for raw in clients:
            raw.send(wsraw.upgrade("/mark", gw.host))
        eventually(lambda: gw.counters()["children"] == n, "not everything is asked for")
        gw.kill()
    finally:
        os.kill(spawner, signal.SIGCONT)
    eventually(lambda: not alive(spawner), "the spawner lives on")
    pids = started.read_text().split() if started.exists() else []
    eventually(lambda: not any(alive(int(pid)) for pid in pids), lambda: f"programs live on: {pids}")
    for raw in clients:
        raw.drop()
