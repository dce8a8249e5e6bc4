"""The works whose cost is counted, each a session that repeats one step.

No piece that is sent is larger than what one read of the gateway takes; see wire.py.
"""
import zlib

from wire import BINARY, TEXT, Client, Wire, frame

PIECE = 32 << 10  # bytes of a flood's write; with its header less than one segment on the loopback interface
PATTERN = bytes(range(33, 127)) * 800  # has no newline


class Work:
    """Something to do again and again. unit: what its cost is given per; step() does `units` of them."""

    unit, units = "message", 1
    path, tls, extension = "/tcp", False, ""
    steps = 100  # of a batch that is counted
    starts = False  # does a step start a program? Then the spawner is counted too

    def __init__(self, name, size=64, **other):
        self.name, self.size = name, size
        self.payload = PATTERN[:size]
        self.client = self.service = None
        for key, value in other.items():
            setattr(self, key, value)

    def open(self, gateway):
        """A session."""
        self.client = Client(gateway, self.path, self.tls, self.extension)
        if self.path in gateway.services:
            self.service = Wire(gateway.services[self.path].accept()[0], gateway)
        self.client.upgraded()

    @property
    def piece(self):
        """A step in words."""
        return self.unit if self.units == 1 else f"{self.units} {self.unit}{'' if self.unit == 'KiB' else 's'}"

    def step(self, gateway):
        """One piece of the work, to the last byte."""
        raise NotImplementedError

    def close(self):
        """Ends the session."""
        self.client.close()
        if self.service:
            self.service.end()
            self.service.close()
        self.client.closed()
        self.client = self.service = None


class Echo(Work):
    """`units` messages to the service in one write, and their bytes back in one."""

    def step(self, gateway):
        self.client.wire.send(frame(self.payload) * self.units)
        self.service.take(self.size * self.units)
        self.service.send(self.payload * self.units)
        self.client.expect(self.payload * self.units)


class Large(Work):
    """A message in pieces, each of which arrives before the next one is sent; back likewise."""

    def step(self, gateway):
        whole = frame(self.payload)
        head = len(whole) - self.size
        for start in range(0, self.size, PIECE):
            self.client.wire.send(whole[start and head + start : head + start + PIECE])
            self.service.take(PIECE)
        for start in range(0, self.size, PIECE):
            self.service.send(self.payload[start : start + PIECE])
            self.client.expect(self.payload[start : start + PIECE])


class ToClient(Work):
    """Only from the service."""

    unit, units = "KiB", PIECE >> 10

    def step(self, gateway):
        self.service.send(self.payload)
        self.client.expect(self.payload)


class ToService(Work):
    """Only to the service."""

    unit, units = "KiB", PIECE >> 10

    def step(self, gateway):
        self.client.wire.send(frame(self.payload))
        assert self.service.take(self.size) == self.payload


class Session(Work):
    """All of a session, with one echo."""

    unit = "session"

    def open(self, gateway):
        """Each step has its own."""

    def step(self, gateway):
        super().open(gateway)
        Echo.step(self, gateway)
        super().close()

    def close(self):
        """Done."""


class Program(Work):
    """A message to a program that gives it back, as text where framing makes lines of it."""

    first = BINARY

    def step(self, gateway):
        self.client.wire.send(frame(self.payload, self.first))
        assert self.client.message() == (self.first, self.payload)


class Start(Work):
    """All of a session with a program, which says when it has begun and ends when it is told, by a line each. Counted is
    what the worker and the spawner do for it; and what a child calls until it executes its file."""

    unit, starts = "start", True

    def open(self, gateway):
        """Each step has its own."""

    def step(self, gateway):
        super().open(gateway)
        self.client.message()
        self.client.wire.send(frame(self.end, TEXT))
        while self.client.message()[0] != 0x88:
            continue
        self.client.close()
        self.client.wire.end()
        self.client.wire.close()
        self.client = None
        gateway.rest()

    def close(self):
        """Done."""


class Deflate(Work):
    """A compressed message to the service, which the gateway inflates, and one back, which it deflates."""

    extension = "permessage-deflate"

    def step(self, gateway):
        self.client.wire.send(frame(self.deflated, BINARY | 0x40))
        assert self.service.take(self.size) == self.payload
        self.service.send(self.payload)
        first, data = self.client.message()
        assert first == BINARY | 0x40
        assert zlib.decompressobj(-15).decompress(data + b"\0\0\xff\xff") == self.payload

    @property
    def deflated(self):
        """The payload as RFC 7692 has it."""
        packer = zlib.compressobj(1, zlib.DEFLATED, -15)
        return (packer.compress(self.payload) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


WORKS = [
    Echo("echo 64 B"),
    Echo("echo 1 KiB, 16 in flight", 1024, units=16),
    Large("echo 64 KiB", 64 << 10, steps=50),
    ToClient("flood to the client", PIECE, steps=100),
    ToService("flood to the service", PIECE, steps=100),
    Session("connect, echo, close", steps=50),
    Echo("TLS echo 64 B", tls=True),
    Echo("TLS echo 32 KiB", PIECE, tls=True, steps=50),
    Session("TLS connect, echo, close", tls=True, steps=10),
    Program("program 64 B, stream", path="/stream"),
    Program("program 64 B, lines", path="/lines", first=TEXT),
    Start("program start", path="/brief", end=b"", steps=20),
    Start("terminal start", path="/terminal", end=b"\n", steps=20),
    Deflate("deflate 4 KiB", 4096, path="/deflate", steps=50),
]
