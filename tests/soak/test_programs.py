"""Programs, a thousand times: everything that they wrote arrives, then the right close code."""
import hashlib
import random

from scripts import script
from soak import Fitful, scaled, side_by_side
from wait import eventually
from wsraw import BINARY, CONTINUATION, TEXT, frame

SIZE = 10_000_000
RCVBUFS = (None, None, None, 4096, 16384, 65536)


def check_log(gw, n, **fields):
    """One line for each session, all with these fields."""
    eventually(lambda: len(gw.logged("session ended")) >= n, lambda: f"{len(gw.logged('session ended'))} of {n} lines")
    assert len(gw.logged("session ended", **fields)) == n


def test_last_line_without_newline(gateway, say):
    """printf ends at once: its output, its exit and the client's handshake meet in every order."""
    gw = gateway({"route /printf": {"exec": r"printf 'a\nb'"}})
    n = scaled(1000)

    def run(_):
        with gw.ws("/printf") as ws:
            assert [ws.recv_message(), ws.recv_message()] == [(TEXT, b"a"), (TEXT, b"b")]
            got = ws.recv_close(1000)
            assert got.reason == ""

    seconds = side_by_side(n, run)
    check_log(gw, n, code_sent=1000)
    say(f"printf 'a\\nb': {n} runs, both messages and 1000 each time, {seconds / n * 1000:.1f} ms a run")


def test_random_bytes_in_fits_and_starts(gateway, tmp_path, memory, say):
    """10 MB of /dev/urandom in stream framing; what the program wrote is kept in a file and compared."""
    program = script(tmp_path, "random.sh", f"head -c {SIZE} /dev/urandom | tee '{memory}'/$QUERY_STRING\n")
    gw = gateway({"route /random": {"exec": program, "framing": "stream"}})
    n = scaled(1000)

    def run(i):
        rcvbuf = random.Random(-i).choice(RCVBUFS)
        with gw.ws(f"/random?{i}", over=gw.connect(rcvbuf=rcvbuf)) as ws:
            payload, code, reason = Fitful(ws, i, size=SIZE).run()
        path = memory / str(i)
        expected = path.read_bytes()
        path.unlink()
        assert (len(payload), code, reason) == (SIZE, 1000, ""), f"run {i}, rcvbuf {rcvbuf}"
        assert payload == expected, f"run {i}, rcvbuf {rcvbuf}: wrong bytes"

    seconds = side_by_side(n, run)
    check_log(gw, n, code_sent=1000, out_bytes=SIZE)
    say(
        f"head -c {SIZE} /dev/urandom, stream: {n} runs, every byte and 1000 each time, {n * SIZE / seconds / 1e6:.0f} MB/s"
    )


FITFUL_READER = """#!/usr/bin/python3
import hashlib, os, random, time
digest, n = hashlib.sha256(), 0
while data := os.read(0, random.choice((1, 100, 4096, 65536, 1 << 20))):
    digest.update(data)
    n += 1
    if n % 50 == 0:
        time.sleep(random.random() / 100)
print(digest.hexdigest())
"""


def messages_of(data, choice):
    """Frames that carry the data: messages of every size, in fragments now and then."""
    at, fin = 0, True
    while at < len(data):
        n = choice.choice((0, 1, 125, 126, 4000, 65535, 65536, 300000, 1000000))
        opcode, fin = BINARY if fin else CONTINUATION, choice.random() < 0.8
        yield frame(opcode, data[at : at + n], fin)
        at += n
    if not fin:
        yield frame(CONTINUATION)


def test_uploads(gateway, tmp_path, say):
    """10 MB to a program that reads in fits and starts; it says what it got when the client has closed."""
    program = tmp_path / "reader.py"
    program.write_text(FITFUL_READER)
    program.chmod(0o755)
    gw = gateway({"route /upload": {"exec": program, "framing": "stream", "closing_wait": "60s"}})
    n = scaled(200)

    def run(i):
        choice = random.Random(i)
        data = choice.randbytes(SIZE)
        with gw.ws("/upload") as ws:
            ws.sock.settimeout(60)
            for wire in messages_of(data, choice):
                ws.send(wire)
            ws.send_close(1000)
            payload, code, _ = ws.recv_all()
        assert (payload.decode().strip(), code) == (hashlib.sha256(data).hexdigest(), 1000), f"run {i}"

    seconds = side_by_side(n, run)
    check_log(gw, n, code_sent=1000, in_bytes=SIZE)
    say(f"{SIZE} bytes to a program: {n} runs, every byte and 1000 each time, {n * SIZE / seconds / 1e6:.0f} MB/s")
