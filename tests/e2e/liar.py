"""Services with one fault each, over TCP, TLS, and WebSocket on either: what the load generator has to find."""
import socket
from contextlib import contextmanager

import backends
import tlsservice
import wsraw
from wsraw import BINARY, CLOSE, TEXT

SWITCHING = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Accept: {wsraw.ACCEPT}\r\n\r\n"
).encode()


class Bytes:
    """One connection that carries bytes: what is received comes in pieces, an end is the end of a stream."""

    def __init__(self, sock):
        self.sock = sock

    def pieces(self):
        while data := self.sock.recv(65536):
            yield data

    def send(self, data):
        self.sock.sendall(data)

    def end(self):
        """Ends our side as it should be."""
        self.sock.shutdown(socket.SHUT_WR)

    def cut(self):
        """Ends TCP without a word of the protocols above it."""
        getattr(self.sock, "sock", self.sock).shutdown(socket.SHUT_WR)
        self.wait()

    def wait(self):
        """Takes what comes until the other side has ended."""
        while self.sock.recv(65536):
            pass


class Messages(Bytes):
    """One connection that carries messages, after its handshake."""

    def __init__(self, sock, answer=SWITCHING):
        super().__init__(sock)
        self.raw = wsraw.Raw(sock)
        while b"\r\n\r\n" not in self.raw.ahead:
            if not self.raw.fill():
                return
        self.raw.ahead = self.raw.ahead.split(b"\r\n\r\n", 1)[1]
        self.opcode = BINARY
        sock.sendall(answer)

    def receive(self):
        """The next frame of a client: opcode and payload."""
        first, second = self.raw.take(2)
        n = second & 0x7F
        if n > 125:
            n = int.from_bytes(self.raw.take(2 if n == 126 else 8), "big")
        key = self.raw.take(4)
        return first & 0x0F, wsraw.mask_bytes(self.raw.take(n), key)

    def pieces(self):
        while True:
            opcode, payload = self.receive()
            if opcode == CLOSE:
                return
            if opcode in (TEXT, BINARY):
                self.opcode = opcode
                yield payload

    def send(self, data):
        self.frame(self.opcode, data)

    def frame(self, opcode, data=b"", **options):
        self.sock.sendall(wsraw.frame(opcode, data, **{"mask": False, **options}))

    def close(self, code=1000):
        self.sock.sendall(wsraw.close_frame(code, mask=False))

    def end(self):
        self.close()
        super().end()

    def wait(self):
        while self.raw.fill():
            self.raw.ahead = b""


KINDS = {"tcp": (Bytes, False), "tls": (Bytes, True), "ws": (Messages, False), "wss": (Messages, True)}


@contextmanager
def liar(kind, behaviour, version=None, answer=SWITCHING):
    """A service that does behaviour(peer) with each connection, then closes it; its URL. kind: tcp, tls, ws, wss."""
    make, tls = KINDS[kind]

    def handler(_it, sock):
        try:
            behaviour(make(sock) if make is Bytes else make(sock, answer))
        except EOFError:
            pass  # the load generator has seen enough
        sock.close()

    if tls:
        serving = tlsservice.tls_service(handler, context=tlsservice.server_context(version=version))
    else:
        serving = backends.service(handler)
    with serving as it:
        yield f"{kind}://{it.uri.split('://')[1]}"
