"""The library websockets of Python: fragments cut between characters, pings that wait for their pongs."""
import asyncio
import json
import sys

import websockets
from messages import Messages
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

PATIENT = {"open_timeout": None, "ping_timeout": None, "close_timeout": 60}  # who runs this has the patience
OFFERS = {
    "no": {"compression": None},
    "yes": {"compression": "deflate"},
    "narrow": {"compression": None, "extensions": [ClientPerMessageDeflateFactory(True, True, 9, 10)]},
}


class Exchange:
    """Sends the messages of a seed, as many at a time as each allows, and compares what comes back."""

    def __init__(self, socket, n, seed, stream):
        self.socket, self.n, self.stream = socket, n, stream
        self.messages = Messages(n, seed)
        self.waiting = asyncio.Queue()  # sent and not back yet
        self.under_way = 0
        self.room = asyncio.Condition()
        self.figures = {"messages": 0, "bytes": 0, "fragments": 0, "pings": 0}

    async def run(self):
        receiver = asyncio.create_task(self.receive())
        sender = asyncio.create_task(self.send())
        done, _ = await asyncio.wait({receiver, sender}, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
        return self.figures

    async def send(self):
        pong = None
        for message in self.messages:
            async with self.room:
                await self.room.wait_for(lambda window=message.window: self.under_way < window)
                self.under_way += 1
            self.waiting.put_nowait(message.data)
            await self.socket.send(self.fragments(message) if message.cuts else message.data)
            if message.ping:
                pong = await self.socket.ping(b"ping %d" % self.figures["pings"])
                self.figures["pings"] += 1
        if pong:
            await pong

    def fragments(self, message):
        """The pieces of a message, of which each goes out as a frame."""
        cuts = [0, *(int(cut * len(message.data)) for cut in message.cuts), len(message.data)]
        self.figures["fragments"] += len(message.cuts)
        return [message.data[first:last] for first, last in zip(cuts, cuts[1:])]

    async def receive(self):
        read = self.next_bytes if self.stream else self.next_message
        self.rest = b""
        for i in range(self.n):
            expected = await self.waiting.get()
            if self.stream and isinstance(expected, str):
                expected = expected.encode()
            got = await read(len(expected))
            if got != expected:
                raise AssertionError(f"message {i}: {describe(got, expected)}")
            self.figures["messages"] += 1
            self.figures["bytes"] += len(got.encode()) if isinstance(got, str) else len(got)
            async with self.room:
                self.under_way -= 1
                self.room.notify()
        assert not self.rest, f"{len(self.rest)} bytes more than were sent"

    async def next_message(self, _):
        return await self.socket.recv()

    async def next_bytes(self, n):
        """The next n bytes of the stream, whatever messages they come in."""
        parts = [self.rest]
        missing = n - len(self.rest)
        while missing > 0:
            parts.append(await self.socket.recv())
            missing -= len(parts[-1])
        data = b"".join(parts)
        self.rest = data[n:]
        return data[:n]


def describe(got, expected):
    """How two messages differ."""
    if type(got) is not type(expected) or len(got) != len(expected):
        return f"{type(got).__name__} of {len(got)}, not {type(expected).__name__} of {len(expected)}"
    at = next(i for i, (one, other) in enumerate(zip(got, expected)) if one != other)
    return f"{type(got).__name__} of {len(got)} differs at {at}: {got[at]!r}, not {expected[at]!r}"


async def main(url, n, seed, offer, framing):
    """The arguments: URL N SEED no|yes|narrow (what is offered, OFFERS) records|stream (what comes back)."""
    socket = await websockets.connect(url, max_size=None, **PATIENT, **OFFERS[offer])
    figures = await Exchange(socket, int(n), int(seed), framing == "stream").run()
    await socket.close(1000, "that is all")
    assert socket.close_code == 1000, f"closed with {socket.close_code}"
    extensions = ", ".join(extension.name for extension in socket.extensions)
    print(json.dumps({**figures, "close": socket.close_code, "extensions": extensions}))


asyncio.run(main(*sys.argv[1:]))
