"""A relay between one client and the gateway, which sees what goes by: what was agreed, bytes, compressed frames."""
import socket
import struct
import threading
from contextlib import contextmanager

SECONDS = 600  # no connection is silent for longer
SHORT = 1024


class Direction:
    """One way of a WebSocket connection: the head, then frames, of which only the headers are looked at."""

    def __init__(self):
        self.head = b""
        self.bytes = 0  # after the head
        self.messages = 0  # data frames that begin one
        self.compressed = 0  # those of them with RSV1 (RFC 7692 section 6)
        self.samples = []  # payloads of short compressed messages
        self.pending = b""  # of a header that is not whole yet
        self.skip = 0  # of a payload

    def feed(self, data):
        if not self.head.endswith(b"\r\n\r\n"):
            head, end, data = (self.head + data).partition(b"\r\n\r\n")
            self.head = head + end
            if not end:
                return
        self.bytes += len(data)
        if self.is_websocket:
            self.frames(data)

    @property
    def is_websocket(self):
        """Requests for pages go the same way."""
        return b"\r\nupgrade: websocket\r\n" in self.head.lower()

    def frames(self, data):
        at = self.skip
        if self.pending:
            data, self.pending = self.pending + data, b""
        while at < len(data):
            head = data[at : at + 14]
            length = head[1] & 0x7F if len(head) > 1 else 0
            size = 2 + {126: 2, 127: 8}.get(length, 0) + (4 if len(head) > 1 and head[1] & 0x80 else 0)
            if len(head) < size:
                self.pending, at = data[at:], len(data)
                break
            if length > 125:
                length = struct.unpack_from("!H" if length == 126 else "!Q", head, 2)[0]
            if head[0] & 0x0F in (1, 2):
                self.messages += 1
                self.compressed += bool(head[0] & 0x40)
            if head[0] & 0xC0 == 0xC0 and length < SHORT and at + size + length <= len(data):
                self.samples.append(data[at + size : at + size + length])
            at += size + length
        self.skip = at - len(data)


class Relay:
    """Listens on a port of its own; `up` and `down` are of the WebSocket connection that came by it."""

    def __init__(self, port, encrypted):
        self.port_of_gateway = port
        self.encrypted = encrypted  # then only bytes are counted
        self.up, self.down = Direction(), Direction()
        self.downs = []  # of all connections
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    @property
    def bytes_down(self):
        """What came from the gateway: of the WebSocket's frames, or of all connections where that can't be told."""
        return sum(down.bytes for down in self.downs) if self.encrypted else self.down.bytes

    @property
    def agreed(self):
        """What Sec-WebSocket-Extensions of the response says: parameters of the one extension, None without one."""
        for line in self.down.head.decode("latin-1").split("\r\n"):
            name, _, value = line.partition(":")
            if name.lower() == "sec-websocket-extensions":
                return [word.strip() for word in value.split(";")]
        return None

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            gateway = socket.create_connection(("127.0.0.1", self.port_of_gateway))
            up, down = Direction(), Direction()
            self.downs.append(down)
            for sock in (client, gateway):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(SECONDS)
            threading.Thread(target=self.copy, args=(client, gateway, up, True), daemon=True).start()
            threading.Thread(target=self.copy, args=(gateway, client, down, False), daemon=True).start()

    def copy(self, source, target, direction, from_client):
        """One way, until it ends."""
        try:
            while data := source.recv(65536):
                if self.encrypted:
                    direction.bytes += len(data)
                else:
                    self.look(direction, data, from_client)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            for sock in (source, target):
                sock.close()

    def look(self, direction, data, from_client):
        direction.feed(data)
        if direction.is_websocket and from_client:
            self.up = direction
        elif direction.is_websocket:
            self.down = direction


@contextmanager
def relay(port, encrypted):
    it = Relay(port, encrypted)
    try:
        yield it
    finally:
        it.listener.close()
