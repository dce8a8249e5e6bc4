"""Programs that print and exit, ten thousand times: 0 bytes to 1 MiB, to clients that are fast, slow or stall; nothing is lost."""
import random
import time
from collections import Counter

import certs
import pytest
from scripts import script
from soak import scaled, side_by_side, waiting
from test_programs import check_log
from tlsclient import VERSIONS, context
from wait import plateau
from wsraw import BINARY, CLOSE, CONTINUATION, TEXT

MIB = 1 << 20
RUNS = 2500  # of each kind
STATUSES = (0, 0, 0, 1, 3, 255)


def noise():
    """1 MiB of bytes."""
    return random.Random(1).randbytes(MIB)


def text():
    """1 MiB of lines: empty, short, longer than what is held, with CR LF now and then; characters of every length."""
    choice, parts, size = random.Random(2), [], 0
    while size < MIB:
        line = "".join(choice.choices("abcxyzäö€𝄞", k=choice.choice((0, 1, 10, 80, 1000, 30000))))
        parts.append((line + choice.choice(("\n", "\n", "\r\n"))).encode())
        size += len(parts[-1])
    return b"".join(parts)[-MIB:].decode("utf-8", "replace").encode()[-MIB:]


def as_messages(data):
    """The messages that these lines are; a character that was cut at their beginning is replaced."""
    lines = data.split(b"\n")
    whole = [line.removesuffix(b"\r") for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    return [line.decode("utf-8", "replace").encode() for line in whole]


class Messages:
    """Takes a session whole: its messages, close code and reason."""

    def __init__(self, ws, client, choice):
        self.ws, self.client, self.choice = ws, client, choice
        self.found, self.types, self.due = [], set(), choice.choice((0, choice.randrange(MIB)))

    def wait(self, n):
        """A slow client pauses after each so many bytes, one that stalls once, until nothing moves any more."""
        self.due -= n
        if self.due > 0 or self.client == "fast":
            return
        if self.client == "slow":
            self.due = self.choice.randrange(1, 100_000)
            time.sleep(self.choice.random() / 200)
        else:
            self.due = 2 * MIB
            plateau(lambda: waiting(self.ws.sock), window=0.02)

    def take(self):
        while True:
            self.wait(0)
            got = self.ws.recv()
            if got.opcode == CLOSE:
                self.ws.answer_close(got)
                return self.found, got.code, got.reason
            if got.opcode == CONTINUATION:
                self.found[-1] += got.payload
            else:
                self.types.add(got.opcode)
                self.found.append(got.payload)
            self.wait(len(got.payload))


def pick(choice):
    """How much a program prints: edges of pipes, reads and buffers, and anything."""
    edges = (0, 1, 4095, 4096, 4097, 65535, 65536, 65537, 262144, MIB - 1, MIB)
    return choice.choice(edges) if choice.random() < 0.2 else choice.randrange(MIB + 1)


@pytest.mark.parametrize("framing", ["stream", "lines"])
@pytest.mark.parametrize("tls", ["plain", *list(VERSIONS)[-1:]])
def test_print_and_exit(gateway, memory, tmp_path, say, framing, tls):
    """The last n bytes of a file, and an exit status."""
    data = noise() if framing == "stream" else text()
    (memory / "data").write_bytes(data)
    program = script(tmp_path, "print.sh", f"tail -c ${{QUERY_STRING%,*}} '{memory}/data'\nexit ${{QUERY_STRING#*,}}\n")
    its_context = context(VERSIONS[tls]) if tls != "plain" else None
    gw = gateway(
        {"route /print": {"exec": program, "framing": framing}},
        listen=certs.run_pair().keys if its_context else {},
        tls=its_context or False,
    )
    n, clients, sizes = scaled(RUNS, 20), Counter(), []

    def run(i):
        choice = random.Random(f"{framing} {tls} {i}")
        size, status, client = pick(choice), choice.choice(STATUSES), choice.choice(("fast", "slow", "stalling"))
        rcvbuf = None if client == "fast" else choice.choice((4096, 16384, 65536))
        with gw.ws(f"/print?{size},{status}", over=gw.connect(rcvbuf=rcvbuf)) as ws:
            ws.sock.settimeout(60)
            it = Messages(ws, client, choice)
            found, code, reason = it.take()
        what = f"run {i}: {size} bytes, exit {status}, {client} client, rcvbuf {rcvbuf}"
        expected = data[MIB - size :]
        if framing == "stream":
            assert len(b"".join(found)) == size, what
            assert b"".join(found) == expected and it.types <= {BINARY}, what
        else:
            assert sum(map(len, found)) == sum(map(len, as_messages(expected))), what
            assert found == as_messages(expected) and it.types <= {TEXT}, what
        assert (code, reason) == ((4000 + status, f"exit {status}") if status else (1000, "")), what
        clients[client] += 1
        sizes.append(size)

    seconds = side_by_side(n, run)
    check_log(gw, n)
    say(
        f"print and exit, {framing}, {tls}: {n} runs of 0 to {max(sizes)} bytes ({dict(clients)}), {sum(sizes) / 1e6:.0f} MB, none lost, "
        f"the right code each time, {seconds / n * 1000:.1f} ms a run"
    )
