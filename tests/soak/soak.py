"""What the soak tests share: the scale, runs side by side, memory, and a client that reads in fits and starts."""
import array
import fcntl
import os
import random
import termios
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gateway import binary
from wait import plateau
from wsraw import BINARY, CLOSE, PING, PONG, TEXT

SCALE = float(os.environ.get("SCALE", "1"))
THREADS = 4
SANITIZED = any(word in binary().read_bytes() for word in (b"__asan_init", b"__tsan_init"))  # they keep what was freed


def scaled(n, least=1):
    """That much of n."""
    return max(least, round(n * SCALE))


def side_by_side(n, work):
    """work(0) to work(n - 1), a few at a time; returns the seconds that it took. The first failure is raised."""
    begin = time.monotonic()
    with ThreadPoolExecutor(THREADS) as pool:
        runs = [pool.submit(work, i) for i in range(n)]
        try:
            for run in runs:
                run.result()
        finally:
            pool.shutdown(cancel_futures=True)
    return time.monotonic() - begin


def anonymous_kib(gw, pid=None):
    """Memory that the gateway has filled, without the pages of its program and libraries; that process's, if told."""
    text = Path(f"/proc/{pid or gw.pid}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("RssAnon:"))


def waiting(sock):
    """How many bytes can be read at once."""
    out = array.array("i", [0])
    fcntl.ioctl(sock.fileno(), termios.FIONREAD, out)
    return out[0]


class Fitful:
    """Takes a session's payload: reads of every size, and pauses until the other side has nothing more to give."""

    def __init__(self, raw, seed, pauses=5, size=10_000_000):
        self.raw = raw
        self.random = random.Random(seed)
        self.pauses = sorted(self.random.randrange(size) for _ in range(self.random.randrange(pauses + 1)))
        self.wire = bytearray(raw.ahead)
        self.payload = bytearray()
        self.types = set()

    def read(self):
        """One read; 1 byte, a part of a frame, or many frames."""
        if self.pauses and len(self.payload) >= self.pauses[0]:
            self.pauses.pop(0)
            plateau(lambda: waiting(self.raw.sock), window=0.015)
        n = self.random.choice((1, 14, 1000, 4096, 20000, 65536, 65550, 1 << 18, 1 << 20))
        data = self.raw.sock.recv(n)
        assert data, "it ended without a close frame"
        self.wire += data

    def need(self, n):
        while len(self.wire) < n:
            self.read()

    def take(self, n):
        self.need(n)
        data = bytes(self.wire[:n])
        del self.wire[:n]
        return data

    def take_payload(self, n):
        """The payload of a frame, as it comes."""
        while n:
            if not self.wire:
                self.read()
            part = self.wire[:n]
            self.payload += part
            n -= len(part)
            del self.wire[: len(part)]

    def run(self):
        """All there is: (payload, close code, reason). Answers pings and the close frame, sees the end."""
        while True:
            opcode, n = self.take(2)
            assert n < 128 and opcode & 0x70 == 0
            if n > 125:
                n = int.from_bytes(self.take(2 if n == 126 else 8), "big")
            opcode &= 0x0F
            if opcode < CLOSE:
                self.types |= {opcode} & {TEXT, BINARY}
                self.take_payload(n)
                continue
            data = self.take(n)
            if opcode == PING:
                self.raw.send_frame(PONG, data)
            elif opcode == CLOSE:
                self.raw.send_close(int.from_bytes(data[:2], "big"))
                assert not self.wire and self.raw.sock.recv(1) == b"", "bytes behind the close frame"
                return self.payload, int.from_bytes(data[:2], "big"), data[2:].decode()
