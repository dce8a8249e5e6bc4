"""A client of ttyd's subprotocol `tty`, on a raw connection: what its page says and hears, without a screen."""
import json
import re

import wsraw
from wsraw import BINARY, CLOSE, PING, PONG

OUTPUT, TITLE, PREFERENCES = b"0", b"1", b"2"
INPUT, RESIZE, PAUSE, RESUME, SEEN = b"0", b"1", b"2", b"3", b"4"
OFFER = ("Sec-WebSocket-Protocol", "tty")


def hello(columns=80, rows=24, **more):
    """The first message."""
    return json.dumps({"AuthToken": "", "columns": columns, "rows": rows, **more}).encode()


def size(columns, rows):
    """The message about a new size."""
    return RESIZE + json.dumps({"columns": columns, "rows": rows}).encode()


class Tty:
    """A terminal's client. What it has heard of the output is `seen`; `greet` is its first message, None is none yet."""

    def __init__(self, gw, path="/", greet=hello(), greeted=True, headers=(), **options):
        self.raw = gw.ws(path, headers=[OFFER, *headers], **options)
        assert self.raw.answer.header("Sec-WebSocket-Protocol") == "tty"
        self.seen = b""
        self.title = self.preferences = None
        if greet is not None:
            self.send(greet)
            if greeted:
                self.greeting()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.raw.drop()

    # what it says

    def send(self, message, **options):
        self.raw.send_binary(message, **options)

    def type(self, data):
        self.send(INPUT + (data.encode() if isinstance(data, str) else data))

    def resize(self, columns, rows):
        self.send(size(columns, rows))

    def pause(self):
        self.send(PAUSE)

    def resume(self):
        self.send(RESUME)

    def seen_bytes(self, n):
        """Is done with so much more of the output."""
        self.send(SEEN + str(n).encode())

    # what it hears

    def greeting(self):
        """Title and preferences, which come before all output."""
        self.title = self.message(TITLE).decode()
        self.preferences = json.loads(self.message(PREFERENCES))

    def message(self, command):
        """The next message, which must be of that kind."""
        opcode, data = self.raw.recv_message()
        assert opcode == BINARY and data[:1] == command, (opcode, data[:80])
        return data[1:]

    def output(self):
        """The next message of output."""
        data = self.message(OUTPUT)
        self.seen += data
        return data

    def until(self, pattern, start=0):
        """Hears output until a regular expression (bytes, or text) is found in it from `start` on; returns the match."""
        wanted = re.compile(pattern.encode() if isinstance(pattern, str) else pattern)
        while not (found := wanted.search(self.seen, start)):
            self.output()
        return found

    def say(self, data, pattern):
        """Types, and hears output until what comes of it is there; returns the match."""
        start = len(self.seen)
        self.type(data)
        return self.until(pattern, start)

    def is_silent(self):
        """Does nothing come before the answer to a ping that is sent now?"""
        self.raw.send_frame(PING, b"silent?")
        before = len(self.seen)
        while (got := self.raw.recv_frame()).opcode != PONG:
            assert got.payload[:1] == OUTPUT, got
            self.seen += got.payload[1:]
        return len(self.seen) == before

    def rest(self):
        """All output up to the close frame: (what came of it, code, reason). Answers, and sees the end."""
        parts = []
        while (got := self.raw.recv()).opcode != CLOSE:
            assert got.fin and got.payload[:1] == OUTPUT, got
            parts.append(got.payload[1:])
        self.raw.answer_close(got)
        data = b"".join(parts)
        self.seen += data
        return data, got.code, got.reason

    def close(self, code=1000):
        """Says goodbye; returns the output up to the answer, and its code."""
        self.raw.send_close(code)
        parts = []
        while (got := self.raw.recv()).opcode != CLOSE:
            assert got.fin and got.payload[:1] == OUTPUT, got
            parts.append(got.payload[1:])
        self.raw.ended()
        return b"".join(parts), got.code
