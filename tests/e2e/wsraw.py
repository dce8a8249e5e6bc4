"""A client of raw bytes: HTTP/1.1 and WebSocket as they are on the wire, so that every rule can be broken on purpose."""
import base64
import hashlib
import os
import socket
import struct
import time
from dataclasses import dataclass, field

from tlssock import TlsSocket

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 section 1.3
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
TIMEOUT = 60  # without a byte


def accept_of(key):
    """Sec-WebSocket-Accept for a key (RFC 6455 4.2.2)."""
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    return base64.b64encode(digest).decode()


def mask_bytes(data, key):
    """Masks or unmasks."""
    if not data or key == b"\0\0\0\0":
        return bytes(data)
    pad = (key * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "little") ^ int.from_bytes(pad, "little")).to_bytes(len(data), "little")


def frame(opcode, payload=b"", fin=True, rsv=0, mask=None, length=None, form=None):
    """One frame. mask: 4 bytes, None for a random key, False for none. length and form (7, 16, 64) lie if told to."""
    if isinstance(payload, str):
        payload = payload.encode()
    if mask is None:
        mask = os.urandom(4)
    n = len(payload) if length is None else length
    form = form or (7 if n < 126 else 16 if n < 65536 else 64)
    masked = 0x80 if mask is not False else 0
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    head += {
        7: bytes([masked | n & 0x7F]),
        16: bytes([masked | 126]) + struct.pack("!H", n & 0xFFFF),
        64: bytes([masked | 127]) + struct.pack("!Q", n),
    }[form]
    return head + (mask + mask_bytes(payload, mask) if mask is not False else payload)


def close_frame(code=None, reason=b"", **options):
    """A close frame; without a code its payload is empty."""
    if isinstance(reason, str):
        reason = reason.encode()
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason, **options)


def request(path="/", method="GET", host="localhost", version="HTTP/1.1", headers=()):
    """The head of a request. host None leaves the header out. headers: pairs, in order."""
    lines = [f"{method} {path} {version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def upgrade(
    path="/",
    host="localhost",
    key=KEY,
    version="13",
    headers=(),
    method="GET",
    http="HTTP/1.1",
    connection="Upgrade",
    protocol="websocket",
):
    """The head of an opening handshake. What is None is left out."""
    own = [
        ("Upgrade", protocol),
        ("Connection", connection),
        ("Sec-WebSocket-Key", key),
        ("Sec-WebSocket-Version", version),
    ]
    return request(path, method, host, http, [pair for pair in own if pair[1] is not None] + list(headers))


@dataclass
class Response:
    """One response, as it came."""

    status: int
    phrase: str
    headers: list
    body: bytes = b""
    head: bytes = b""

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name):
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None

    @property
    def text(self):
        return self.body.decode()


@dataclass
class Frame:
    """One frame of the server."""

    opcode: int
    payload: bytes
    fin: bool
    rsv: int = 0

    @property
    def code(self):
        assert self.opcode == CLOSE, self
        return struct.unpack("!H", self.payload[:2])[0] if self.payload else None

    @property
    def reason(self):
        return self.payload[2:].decode()


def silence(sock):
    """Seconds since the last data from the peer came, taken or not, as the kernel has it; before any came, since the
    connection was made. A unix socket does not know."""
    if sock.family == socket.AF_UNIX:
        return 0
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return struct.unpack_from("I", info, 52)[0] / 1000  # tcpi_last_data_recv of linux/tcp.h


@dataclass
class Raw:
    """A connection to the gateway and what was read ahead from it."""

    sock: socket.socket
    ahead: bytes = b""
    frames: list = field(default_factory=list)
    cut: bool = False  # it ended with a reset
    answered_after: float = 0.0  # seconds that the gateway's close frame was here before our answer was sent

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.drop()

    # bytes

    def send(self, data, chunk=None):
        """Sends all of it; in writes of `chunk` bytes if told so."""
        step = chunk or max(len(data), 1)
        for at in range(0, len(data), step):
            self.sock.sendall(data[at : at + step])

    def read_some(self):
        """One read, b"" at the end of file. A reset counts as one."""
        try:
            return self.sock.recv(65536)
        except ConnectionResetError:
            self.cut = True
            return b""

    def fill(self):
        data = self.read_some()
        self.ahead += data
        return bool(data)

    def take(self, n):
        """Exactly n bytes."""
        parts, have = [self.ahead], len(self.ahead)
        while have < n:
            data = self.read_some()
            if not data:
                raise EOFError(f"end of file after {have} of {n} bytes: {b''.join(parts)[:200]!r}")
            parts.append(data)
            have += len(data)
        whole = b"".join(parts)
        self.ahead = whole[n:]
        return whole[:n]

    def rest(self):
        """Everything up to the end of file."""
        while self.fill():
            pass
        data, self.ahead = self.ahead, b""
        return data

    def ended(self):
        """Reads the end of file; nothing may come before it."""
        data = self.rest()
        assert data == b"", f"bytes after the end: {data[:200]!r}"
        assert self.cut or getattr(self.sock, "notified", True), "TCP ended without close_notify"
        return True

    def shut(self):
        """Ends our side only."""
        self.sock.shutdown(socket.SHUT_WR)

    def drop(self):
        """Closes without a word."""
        self.sock.close()

    def reset(self):
        """Closes with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    # HTTP

    def chunk(self):
        """The next chunk of a body in chunks (RFC 9112 7.1); b"" is the last one."""
        while b"\r\n" not in self.ahead:
            if not self.fill():
                raise EOFError(f"no chunk: {self.ahead[:200]!r}")
        size, self.ahead = self.ahead.split(b"\r\n", 1)
        assert size == b"%x" % int(size, 16), size
        data = self.take(int(size, 16))
        assert self.take(2) == b"\r\n"
        return data

    def response(self, method="GET", body=True):
        """The next response. Its body is as long as Content-Length says, or comes in chunks; without these the answer
        must be bodiless. body: False leaves it to the caller."""
        while b"\r\n\r\n" not in self.ahead:
            if not self.fill():
                raise EOFError(f"no response: {self.ahead[:200]!r}")
        head, self.ahead = self.ahead.split(b"\r\n\r\n", 1)
        assert b"\n" not in head.replace(b"\r\n", b"") and b"\r" not in head.replace(b"\r\n", b""), head
        first, *lines = head.decode("latin-1").split("\r\n")
        version, status, phrase = first.split(" ", 2)
        assert version == "HTTP/1.1", first
        headers = []
        for line in lines:
            name, value = line.split(":", 1)
            assert name and name.strip() == name, line
            headers.append((name, value.strip()))
        answer = Response(int(status), phrase, headers, head=head)
        length = answer.header("Content-Length")
        if not body or method == "HEAD" or answer.status in (101, 204, 304):
            return answer
        if answer.header("Transfer-Encoding") == "chunked":
            assert length is None
            answer.body = b"".join(iter(self.chunk, b""))
        elif length is not None:
            answer.body = self.take(int(length))
        return answer

    # WebSocket

    def send_frame(self, opcode, payload=b"", chunk=None, **options):
        self.send(frame(opcode, payload, **options), chunk)

    def send_text(self, text, **options):
        self.send_frame(TEXT, text, **options)

    def send_binary(self, data, **options):
        self.send_frame(BINARY, data, **options)

    def send_close(self, code=None, reason=b"", **options):
        self.send(close_frame(code, reason, **options))

    def recv_frame(self, rsv=0):
        """The next frame; it must keep the rules that hold for every server. rsv: the bits that it may have."""
        first, second = self.take(2)
        assert not second & 0x80, "a server's frame is masked"
        n = second & 0x7F
        if n == 126:
            (n,) = struct.unpack("!H", self.take(2))
            assert n > 125, "not the shortest form"
        elif n == 127:
            (n,) = struct.unpack("!Q", self.take(8))
            assert n > 65535, "not the shortest form"
        got = Frame(first & 0x0F, self.take(n), bool(first & 0x80), first >> 4 & 7)
        assert got.rsv & ~rsv == 0, got
        if got.opcode >= 8:
            assert got.fin and n <= 125 and got.rsv == 0, got
        if got.opcode == CLOSE and n:
            assert n >= 2 and got.code not in (1004, 1005, 1006, 1015), got
            got.reason  # valid UTF-8
        return got

    def recv(self):
        """The next frame that is neither ping nor pong; pings are answered."""
        while True:
            got = self.recv_frame()
            if got.opcode == PING:
                self.send_frame(PONG, got.payload)
            elif got.opcode != PONG:
                return got

    def recv_message(self):
        """A whole message: its opcode and its payload."""
        first = self.recv()
        assert first.opcode in (TEXT, BINARY), first
        parts, last = [first.payload], first
        while not last.fin:
            last = self.recv()
            assert last.opcode == CONTINUATION, last
            parts.append(last.payload)
        payload = b"".join(parts)
        if first.opcode == TEXT:
            payload.decode()
        return first.opcode, payload

    def recv_text(self):
        opcode, payload = self.recv_message()
        assert opcode == TEXT, payload[:80]
        return payload.decode()

    def recv_bytes(self, n):
        """Payload of binary messages until there are n bytes of it."""
        parts, have = [], 0
        while have < n:
            opcode, payload = self.recv_message()
            assert opcode == BINARY, payload[:80]
            parts.append(payload)
            have += len(payload)
        data = b"".join(parts)
        assert len(data) == n, f"{len(data)} bytes instead of {n}"
        return data

    def recv_all(self):
        """Payload of all messages up to the close frame: (payload, code, reason). Answers the close frame, sees the end."""
        parts = []
        while True:
            got = self.recv()
            if got.opcode == CLOSE:
                self.answer_close(got)
                return b"".join(parts), got.code, got.reason
            parts.append(got.payload)

    def recv_close(self, code=None, reason=None, answer=True):
        """The next frame must be a close frame; it is answered and the end of file must follow."""
        got = self.recv()
        assert got.opcode == CLOSE, got
        if code is not None:
            assert got.code == code, got
        if reason is not None:
            assert got.reason == reason, got
        if answer:
            self.answer_close(got)
        return got

    def answer_close(self, got):
        came = time.monotonic() - silence(self.sock)
        try:
            self.send_close(got.code)
        except (BrokenPipeError, ConnectionResetError):
            pass
        self.answered_after = time.monotonic() - came
        self.ended()

    def close(self, code=1000, reason=b""):
        """Closes as a client should; returns the gateway's close frame. Messages on the way are dropped."""
        self.send_close(code, reason)
        while True:
            got = self.recv()
            if got.opcode == CLOSE:
                self.ended()
                return got


def connect(address, rcvbuf=None, source=None, tls=None, handshake=True, name=None, session=None):
    """Connects to (host, port) or to the path of a unix socket. tls: the SSLContext of a client; handshake: at once,
    else what is sent waits until something is read; name: the server's, else the address."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.settimeout(TIMEOUT)
    if rcvbuf is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    if source is not None:
        sock.bind((source, 0))
    sock.connect(address)
    if family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls is None:
        return Raw(sock)
    name = name or ("localhost" if family == socket.AF_UNIX else address[0])
    return Raw(TlsSocket(sock, tls, name, session, handshake))
