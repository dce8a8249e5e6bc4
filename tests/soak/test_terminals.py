"""Programs on terminals, ten thousand times: everything that they wrote arrives, then their status; and what a terminal costs
that is idle, or whose client has stopped to read, or has asked for a pause."""
import hashlib
import random
import resource
import time
from collections import Counter

import pytest
from gateway import descriptors_of
from scripts import script
from soak import SANITIZED, SCALE, Fitful, anonymous_kib, scaled, side_by_side
from test_programs import check_log
from ttyclient import OUTPUT, Tty
from wait import eventually, plateau
from wsraw import BINARY

MIB = 1 << 20
BUFFER, READ, FIXED, SLACK = 256, 64, 48, 2048  # KiB: the default, one read past the mark, a session itself, the gateway
FILES = 20000
SIZES = (0, 1, 4095, 4096, 4097, 65535, 65536, MIB)
CLIENTS = {"fast": (0, (None,)), "slow": (0, (4096, 16384)), "stalling": (5, (None, 4096, 16384))}  # pauses, receive buffers
MANY = {"max_processes": 10000}
both = pytest.mark.parametrize("by", ["tty", "stream"])


class FitfulTty(Fitful):
    """... behind the command of each message."""

    def take_payload(self, n):
        assert self.take(1) == OUTPUT
        super().take_payload(n - 1)


def shown(data):
    """What a terminal makes of output."""
    return data.replace(b"\n", b"\r\n")


def begin(gw, by, path, **options):
    """A session whose program has begun: its connection, nothing of its output read."""
    return Tty(gw, path, **options).raw if by == "tty" else gw.ws(path, **options)


def test_ends(gateway, memory, say):
    """Up to a MiB and any status, with clients that read at once, through small windows, in fits and starts."""
    data = random.Random(9).randbytes(MIB)
    (memory / "data").write_bytes(data)
    text = f"head -c ${{QUERY_STRING%,*}} '{memory}/data'\nexit ${{QUERY_STRING#*,}}\n"
    gw = gateway({"route /ends": {"exec": script(memory, "ends.sh", text), "terminal": "yes"}}, gateway=MANY)
    n, bytes_in_all = scaled(10000), [0] * scaled(10000)

    def run(i):
        choice = random.Random(i)
        size = choice.choice(SIZES) if choice.random() < 0.2 else choice.randrange(MIB + 1)
        by, client, status = choice.choice(("tty", "stream")), choice.choice(list(CLIENTS)), choice.randrange(256)
        pauses, rcvbufs = CLIENTS[client]
        with begin(gw, by, f"/ends?{size},{status}", over=gw.connect(rcvbuf=choice.choice(rcvbufs))) as ws:
            fitful = (FitfulTty if by == "tty" else Fitful)(ws, i, pauses, max(size, 1))
            payload, code, reason = fitful.run()
        what = f"run {i}: {size} bytes, status {status}, {by}, {client} client"
        assert (code, reason) == ((4000 + status, f"exit {status}") if status else (1000, "")), what
        assert payload == shown(data[:size]), f"{what}: {len(payload)} came"
        bytes_in_all[i] = len(payload)

    seconds = side_by_side(n, run)
    check_log(gw, n)
    say(f"a program on a terminal: {n} runs, every byte and its status each time, {sum(bytes_in_all) / seconds / 1e6:.0f} MB/s")


@both
def test_a_minute_of_silence(gateway, say, by, n=8):
    """The clients of `yes` read nothing for a minute, by tty after they have asked for a pause: each costs `buffer`.

    Nobody is pinged: a ping reaches who paused before the window was full, and who reads nothing answers none.
    """
    gw = gateway({"route /yes": {"exec": "yes", "terminal": "yes", "send_timeout": "1h", "ping_interval": "0"}}, gateway=MANY)
    with begin(gw, by, "/yes") as ws:
        while ws.recv().payload == b"":
            pass
        ws.reset()
    eventually(lambda: gw.counters()["sessions"] == 0, "a session is left")
    before, most, seconds = anonymous_kib(gw), 0, 60 * SCALE
    sessions = [begin(gw, by, "/yes", over=gw.connect(rcvbuf=4096)) for _ in range(n)]
    if by == "tty":
        for ws in sessions:
            ws.send_binary(b"2")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        most = max(most, anonymous_kib(gw))
        time.sleep(0.1)
    each = (most - before) / n
    say(f"{by}: {n} clients of yes that read nothing for {seconds:.0f} s: {each:.0f} KiB each, buffer is {BUFFER}")
    assert gw.counters()["sessions"] == n
    if not SANITIZED:
        assert most - before <= n * (BUFFER + READ + FIXED) + SLACK
    if by == "tty":
        for ws in sessions:
            ws.send_binary(b"3")
    for ws in sessions:  # it goes on where it was
        data = b""
        while len(data) < 8 * MIB // n:
            got = ws.recv()
            assert got.opcode == BINARY, got
            data += got.payload[by == "tty" :]
        assert data == (b"y\r\n" * (len(data) // 3 + 1))[: len(data)]
        ws.reset()


@both
def test_idle_terminals(gateway, say, by):
    """A thousand that do nothing: what each costs, and that every pseudo-terminal is given back."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    n = scaled(1000, 20)
    gw = gateway({"route /cat": {"exec": "cat", "terminal": "yes"}}, gateway=MANY, files=FILES)

    def masters():
        return Counter(descriptors_of(gw.pid).values())["/dev/pts/ptmx"] + Counter(descriptors_of(gw.pid).values())["/dev/ptmx"]

    begin(gw, by, "/cat").reset()
    eventually(lambda: gw.counters()["sessions"] == 0, "a session is left")
    sessions, memory = [None] * n, [anonymous_kib(gw)]

    def open_one(i):
        sessions[i] = begin(gw, by, "/cat")
        sessions[i].send_binary(b"0x\n" if by == "tty" else b"x\n")
        heard = b""
        while b"x\r\n" not in heard:
            heard += sessions[i].recv().payload[by == "tty" :]

    for _ in range(2):
        seconds = side_by_side(n, open_one)
        assert masters() == n
        memory.append(plateau(lambda: anonymous_kib(gw), window=1))
        for ws in sessions:
            ws.reset()
        eventually(lambda: gw.counters()["sessions"] == 0, "sessions are left", 120)
        eventually(lambda: masters() == 0, lambda: f"{masters()} masters are left", 60)
        eventually(lambda: not gw.programs(), "programs are left", 60)
        memory.append(anonymous_kib(gw))
    each = (memory[1] - memory[0]) / n
    say(f"{by}: {n} idle terminals, opened in {seconds:.1f} s, twice: {each:.1f} KiB each; memory in KiB {memory}")
    if not SANITIZED:
        assert each <= FIXED + SLACK / n and memory[4] - memory[2] <= SLACK, memory


@both
def test_100_mb(gateway, memory, say, by, n=100_000_000):
    """One program that prints so much, not a byte of it missing, and the gateway's memory within `buffer`."""
    with open(memory / "data", "wb") as file:
        for i in range(100):
            file.write(random.Random(i).randbytes(n // 100))
    gw = gateway({"route /much": {"exec": f"cat {memory}/data", "terminal": "yes"}})
    digest, size, most, before, begun = hashlib.sha256(), 0, 0, anonymous_kib(gw), time.monotonic()
    with begin(gw, by, "/much") as ws:
        while (got := ws.recv()).opcode == BINARY:
            part = got.payload[by == "tty" :]
            digest.update(part)
            size += len(part)
            if size % 50 == 0:
                most = max(most, anonymous_kib(gw))
        ws.answer_close(got)
    seconds = time.monotonic() - begun
    data = shown((memory / "data").read_bytes())
    assert (got.code, size) == (1000, len(data)) and digest.digest() == hashlib.sha256(data).digest()
    say(f"{by}: {size} bytes of output, every one, {size / seconds / 1e6:.0f} MB/s, memory grew by {most - before} KiB")
    if not SANITIZED:
        assert most - before <= BUFFER + READ + SLACK
