"""Both ends of a session, in lock-step with the gateway: a WebSocket client, over TLS or not, and a service.

Whoever sends, connects or closes waits until the gateway rests, and each piece is one write. So what it reads, and in
how many turns, does not depend on how fast anybody is.
"""
import socket
import ssl
import struct

PATIENCE = 300  # seconds for anything to arrive, on a machine that may have much else to do
MASK = b"\x37\xfa\x21\x3d"
TEXT, BINARY = 0x81, 0x82


def masked(data):
    """A payload as a client sends it."""
    key = (MASK * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "little") ^ int.from_bytes(key, "little")).to_bytes(len(data), "little")


def frame(payload, first=BINARY):
    """A client's frame."""
    n = len(payload)
    form = ("B", n) if n < 126 else ("BH", 126, n) if n <= 0xFFFF else ("BQ", 127, n)
    return struct.pack(f"!B{form[0]}", first, 0x80 | form[1], *form[2:]) + MASK + masked(payload)


class Wire:
    """A connection that gives exactly as many bytes as are asked for."""

    def __init__(self, sock, gateway):
        self.sock, self.gateway = sock, gateway
        self.sock.settimeout(PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.kept = bytearray()

    def receive(self):
        """Some bytes, b"" at the end."""
        return self.sock.recv(1 << 18)

    def send(self, data):
        """One write."""
        self.gateway.rest()
        assert self.sock.send(data) == len(data)

    def take(self, n):
        """n bytes."""
        while len(self.kept) < n:
            data = self.receive()
            assert data, "the connection ended"
            self.kept += data
        taken = bytes(self.kept[:n])
        del self.kept[:n]
        return taken

    def until(self, mark):
        """Everything up to and with the mark."""
        while mark not in self.kept:
            self.kept += self.receive()
        return self.take(self.kept.index(mark) + len(mark))

    def end(self):
        """Waits for the end of what the peer sends: there must be nothing left."""
        assert not self.kept and not self.receive()

    def close(self):
        """Ours."""
        self.gateway.rest()
        self.sock.close()


class TlsWire(Wire):
    """The same over TLS: what is sent at once goes out in one write, whatever records it has."""

    def __init__(self, sock, gateway):
        super().__init__(sock, gateway)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.come, self.gone = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.come, self.gone)
        self.asked(self.tls.do_handshake)
        self.flush()

    def flush(self):
        """Sends the records that there are."""
        data = self.gone.read()
        if data:
            super().send(data)

    def asked(self, call, *args):
        """Calls until it does not want more of what the peer sends."""
        while True:
            try:
                return call(*args)
            except ssl.SSLWantReadError:
                self.flush()
                data = super().receive()
                self.come.write(data) if data else self.come.write_eof()

    def receive(self):
        return self.asked(self.tls.read, 1 << 18)

    def send(self, data):
        self.tls.write(data)
        self.flush()


class Client:
    """A WebSocket client."""

    def __init__(self, gateway, path, tls=False, extension=""):
        gateway.rest()
        self.wire = (TlsWire if tls else Wire)(socket.create_connection(gateway.address(tls)), gateway)
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        head += "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        head += f"Sec-WebSocket-Extensions: {extension}\r\n" if extension else ""
        self.wire.send(head.encode() + b"\r\n")

    def upgraded(self):
        """Waits for the answer."""
        answer = self.wire.until(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 101 "), answer

    def message(self):
        """The next frame: its first byte and its payload."""
        first, n = self.wire.take(2)
        if n > 125:
            n = struct.unpack("!H" if n == 126 else "!Q", self.wire.take(2 if n == 126 else 8))[0]
        return first, self.wire.take(n)

    def expect(self, payload):
        """Takes messages until they make up this payload."""
        come = b""
        while len(come) < len(payload):
            come += self.message()[1]
        assert come == payload

    def close(self):
        """The closing handshake: ours first."""
        self.wire.send(frame(struct.pack("!H", 1000), 0x88))

    def closed(self):
        """The gateway's part of it, and the end of the connection."""
        assert self.message() == (0x88, struct.pack("!H", 1000))
        self.wire.end()
        self.wire.close()
