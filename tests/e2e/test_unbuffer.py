"""unbuffer: programs that hold back what they print into a pipe print at once, and no byte is another one for it."""
import hashlib
import os
import shlex
import subprocess
from pathlib import Path

import pytest
from gateway import Gateway
from scripts import script
from wait import eventually
from wsraw import PING, PONG, TEXT, frame

pytestmark = pytest.mark.plain_only("how a program is started has nothing to do with how its client came")

MIB = hashlib.shake_256(b"unbuffer").digest(1 << 20)
EVERY_BYTE = bytes(range(256)) + b"a\r\nb\n\r\n\4\3\x1a\x11\x13\xff\xfe\n\n\t x\t\n"
UPPER = "[print(line.upper(), end='') for line in __import__('sys').stdin]"
COUNT = "import sys; [(print(i), sys.stdin.readline()) for i in range(3)]"
GOT = r"""
#include <stdio.h>
int main(void)
{
	char line[64];
	printf("ready\n");
	while (fgets(line, sizeof(line), stdin) != NULL)
		printf("got %s", line);
	printf("no newline");
	return 3;
}
"""
# What a line is made by each of these, which knows nothing of wsluice and says nothing of flushing.
FILTERS = {
    "python": (["/usr/bin/python3", "-c", UPPER], str.upper),
    "grep": (["grep", "a"], str),
    "sed": (["sed", "s/a/b/"], lambda line: line.replace("a", "b", 1)),
    "tr": (["tr", "a", "b"], lambda line: line.replace("a", "b")),
    "perl": (["perl", "-pe", "s/^/> /"], "> {}".format),
}


def GATEWAY(directory):
    routes = {}
    directory.mkdir(parents=True, exist_ok=True)

    def route(path, *argv, **keys):
        """The command with unbuffer, and at PATH-pipe without it."""
        keys = {"exec": shlex.join(map(str, argv)), "eof_message": "yes", **keys}
        routes[f"route {path}"] = {"unbuffer": "yes", **keys}
        routes[f"route {path}-pipe"] = keys

    def program(path, text, **keys):
        route(path, script(directory, path.strip("/"), text), **keys)

    for name, (argv, _) in FILTERS.items():
        route(f"/{name}", *argv)
    (directory / "got.c").write_text(GOT)
    subprocess.run(["cc", "-o", directory / "got", directory / "got.c"], check=True)
    route("/c", directory / "got")
    route("/count", "/usr/bin/python3", "-c", COUNT)
    os.mkfifo(directory / "go")
    route("/awk", "awk", 'BEGIN { print "first"; getline x < "%s"; print x }' % (directory / "go"))
    route("/mawk", "awk", "{ print $1 }")
    route("/mawk-interactive", "mawk", "-W", "interactive", "{ print $1 }")
    # bytes
    (directory / "mib").write_bytes(MIB)
    (directory / "bytes").write_bytes(EVERY_BYTE)
    route("/mib", "cat", directory / "mib", framing="stream")
    route("/bytes", "cat", directory / "bytes", framing="stream")
    route("/cat", "cat")
    route("/lines", "printf", r"a\r\nb\n\nc\377\n\303")
    # ends
    route("/sort", "sort")
    program("/exit", "echo out\nread -r x\nexit $x")
    program("/killed", "echo out\nread -r x\nkill -$x $$")
    program("/left", "sleep 1000 &\necho $!", closing_wait="200ms")
    # its world
    program(
        "/where",
        "for fd in 0 1 2; do [ -t $fd ] && echo $fd; done\n(: </dev/tty) 2>/dev/null && echo controls\necho end >&2",
    )
    program(
        "/merged",
        "[ -t 2 ] && echo 2\nprintf 'a\\n' >&2\necho b\nprintf 'c\\r\\n\\377' >&2",
        stderr="merge",
        framing="stream",
    )
    program("/tagged", "[ -t 2 ] || echo out\necho err >&2", stderr="tagged")
    route("/colour", "grep", "--color=auto", "a")
    route("/colour-with-term", "grep", "--color=auto", "a", env="TERM=xterm")
    program("/stty", "stty size <&1\nexec 3>&1\nstty -a <&3 | grep -Eo -- '-?(opost|echo|icanon|isig)\\b' | sort")
    script(directory / "bin", "x", "[ -t 1 ] && echo yes")
    routes["route /dir/*"] = {"dir": directory / "bin", "unbuffer": "yes"}
    return Gateway(directory, routes)


def silent(ws):
    """Nothing was sent before this: a ping is answered first."""
    ws.send_frame(PING, b"anything?")
    got = ws.recv_frame()
    assert (got.opcode, got.payload) == (PONG, b"anything?"), got


def reads(pid):
    """How much a program has read, once it waits for more of its stdin; None while it does something else."""
    try:
        call, fd = Path(f"/proc/{pid}/syscall").read_text().split()[:2]
        io = Path(f"/proc/{pid}/io").read_text()
    except (ValueError, FileNotFoundError, ProcessLookupError):
        return None
    return int(io.split()[1]) if (call, fd) == (str(READ), "0x0") else None


# The number of read(2) is not the same everywhere; a process that reads knows its own.
READ = Path("/proc/self/syscall").read_text().split()[0]


def waiting(gw, more_than=-1):
    """Waits until the one program has read more than that, and waits for more; how much it is."""
    return eventually(
        lambda: gw.programs() and (reads(gw.programs()[0]) or 0) > more_than and reads(gw.programs()[0]),
        lambda: f"{gw.programs()} read no more than {more_than}",
    )


@pytest.mark.parametrize("name", FILTERS)
def test_filters(gw, name):
    """What a line leads to is there before the next one is sent."""
    make = FILTERS[name][1]
    with gw.ws(f"/{name}") as ws:
        for line in ("one a", "a two", "aaa"):
            ws.send_text(line)
            assert ws.recv_text() == make(line)
        ws.send_text("")
        ws.recv_close(1000)


@pytest.mark.parametrize("name", FILTERS)
def test_filters_hold_back_otherwise(gw, name):
    """Without it they have read the line, wait for more, and have printed nothing; it comes at the end."""
    make = FILTERS[name][1]
    with gw.ws(f"/{name}-pipe") as ws:
        before = waiting(gw)
        ws.send_text("one a")
        waiting(gw, before)
        silent(ws)
        ws.send_text("")
        assert ws.recv_text() == make("one a")
        ws.recv_close(1000)


def test_print(gw):
    """python: print without flush."""
    with gw.ws("/count") as ws:
        for i in range(3):
            assert ws.recv_text() == str(i)
            ws.send_text("next")
        ws.recv_close(1000)
    with gw.ws("/count-pipe") as ws:
        waiting(gw)
        silent(ws)
        ws.send(frame(TEXT, "next") * 3)
        assert [ws.recv_text() for _ in range(3)] == ["0", "1", "2"]
        ws.recv_close(1000)


def test_printf(gw):
    """C: printf without fflush. What has no newline waits for the program's end, as on every terminal."""
    with gw.ws("/c") as ws:
        assert ws.recv_text() == "ready"
        for line in ("one", "two"):
            ws.send_text(line)
            assert ws.recv_text() == "got " + line
        ws.send_text("")
        assert ws.recv_text() == "no newline"
        ws.recv_close(4003, "exit 3")
    with gw.ws("/c-pipe") as ws:
        before = waiting(gw)
        ws.send_text("one")
        waiting(gw, before)
        silent(ws)
        ws.send_text("")
        assert [ws.recv_text() for _ in range(3)] == ["ready", "got one", "no newline"]
        ws.recv_close(4003, "exit 3")


@pytest.mark.parametrize("path", ["/awk", "/awk-pipe"])
def test_awk(gw, path):
    """What it prints; the other end of the FIFO can be opened once it has printed the first line."""
    with gw.ws(path) as ws:
        if path == "/awk":
            assert ws.recv_text() == "first"
        with open(gw.dir / "go", "wb") as go:
            silent(ws)
            go.write(b"second\n")
        if path == "/awk-pipe":
            assert ws.recv_text() == "first"
        assert ws.recv_text() == "second"
        ws.recv_close(1000)


def test_awk_holds_its_input(gw):
    """Debian's awk, mawk, also waits for more input than a line; that is not unbuffer's, and it has an option."""
    with gw.ws("/mawk-interactive") as ws:
        for line in ("one", "two"):
            ws.send_text(line + " more")
            assert ws.recv_text() == line
        ws.send_text("")
        ws.recv_close(1000)
    if "mawk" not in os.path.realpath("/usr/bin/awk"):
        return
    with gw.ws("/mawk") as ws:
        before = waiting(gw)
        ws.send_text("one more")
        waiting(gw, before)
        silent(ws)
        ws.send_text("")
        assert ws.recv_text() == "one"
        ws.recv_close(1000)


# bytes


@pytest.mark.parametrize("path", ["/bytes", "/mib"])
def test_bytes(gw, path):
    """Every byte as it was written: no CR before LF, no tabs as spaces, no control character that does something."""
    expected = EVERY_BYTE if path == "/bytes" else MIB
    with gw.ws(path) as ws:
        data, code, _ = ws.recv_all()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (len(expected), hashlib.sha256(expected).hexdigest())
        assert code == 1000


def test_lines(gw):
    """CR LF ends a line as ever, what is no UTF-8 is replaced, a last line needs no end."""
    with gw.ws("/lines") as ws:
        data = [ws.recv_text() for _ in range(5)]
        assert data == ["a", "b", "", "c\ufffd", "\ufffd"]
        ws.recv_close(1000)


def test_no_echo(gw):
    """Only what the program prints comes back, and control characters are bytes to it."""
    with gw.ws("/cat") as ws:
        for line in ("hello", "\3\4\x1a\x7f\x15", "a\rb", "\x11\x13"):
            ws.send_text(line)
            assert ws.recv_text() == line
        silent(ws)
        ws.close()


# ends


def test_end_of_input(gw):
    with gw.ws("/sort") as ws:
        for line in ("b", "a"):
            ws.send_text(line)
        silent(ws)
        ws.send_text("")
        assert [ws.recv_text(), ws.recv_text()] == ["a", "b"]
        ws.recv_close(1000)


def test_status(gw):
    ends = (("/exit", "0", 1000, ""), ("/exit", "7", 4007, "exit 7"), ("/killed", "KILL", 4137, "signal KILL"))
    for path, told, code, reason in ends:
        with gw.ws(path) as ws:
            assert ws.recv_text() == "out"
            ws.send_text(told)
            ws.recv_close(code, reason)


def test_close(gw):
    """The client goes: the program's input ends, and its group."""
    with gw.ws("/cat") as ws:
        ws.send_text("x")
        assert ws.recv_text() == "x"
        ws.close()
    eventually(lambda: not gw.programs(), "it is still there")


def test_background(gw):
    """Who holds the output open after the program has ended is given closing_wait."""
    with gw.ws("/left") as ws:
        pid = int(ws.recv_text())
        ws.recv_close(1000)
    eventually(lambda: not Path(f"/proc/{pid}").exists(), f"{pid} is left")


# what the program finds


def test_where(gw):
    """stdout alone is a terminal, and not the controlling one; stderr is the log's."""
    with gw.ws("/where") as ws:
        assert ws.recv_text() == "1"
        ws.recv_close(1000)
    gw.wait_log("stderr", line="end")


def test_modes(gw):
    """80 columns, and nothing that makes one byte of another."""
    with gw.ws("/stty") as ws:
        assert [ws.recv_text() for _ in range(5)] == ["24 80", "-echo", "-icanon", "-isig", "-opost"]
        ws.recv_close(1000)


def test_merged(gw):
    """stderr = merge: the same terminal, in the order of writing, byte for byte."""
    with gw.ws("/merged") as ws:
        assert ws.recv_all()[:2] == (b"2\na\nb\nc\r\n\xff", 1000)


def test_tagged(gw):
    with gw.ws("/tagged") as ws:
        said = {ws.recv_text(), ws.recv_text()}
        assert said == {'{"stream":"stdout","data":"out"}', '{"stream":"stderr","data":"err"}'}
        ws.recv_close(1000)


def test_colour(gw):
    """There is no TERM, so grep --color=auto has no colours to use; who wants them gives it one."""
    for path, said in (("/colour", "a"), ("/colour-with-term", "\x1b[01;31m\x1b[Ka\x1b[m\x1b[K")):
        with gw.ws(path) as ws:
            ws.send_text("a")
            assert ws.recv_text() == said
            ws.close()


def test_directory(gw):
    with gw.ws("/dir/x") as ws:
        assert ws.recv_text() == "yes"
        ws.recv_close(1000)
