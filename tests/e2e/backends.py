"""TCP and unix services for tests, each connection served by a function on a thread of its own."""
import errno
import functools
import random
import socket
import struct
import threading
import time
from contextlib import contextmanager

from wait import eventually


def end(connections):
    """Ends them, so that whoever is at work on one hears of it."""
    for sock in connections:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has ended


class Service:
    """Listens, and serves each connection with handler(service, socket). What handlers raise is kept and shown at the end."""

    def __init__(self, handler, path=None, host="127.0.0.1"):
        self.handler = handler
        self.connections, self.peers, self.handlers = [], [], []
        self.gathered = bytearray()
        self.at_eof = 0  # connections whose peer has ended its side
        self.resets = 0
        self.errors = []
        self.lock = threading.Lock()
        family = socket.AF_UNIX if path else socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listener = socket.socket(family, socket.SOCK_STREAM)
        self.listener.bind(str(path) if path else (host, 0))
        self.twin = None
        while host == "127.0.0.1" and not path and not self.take_twin():
            self.listener.close()
            self.listener = socket.socket()
            self.listener.bind((host, 0))
        self.listener.listen(512)
        self.uri = f"unix:{path}" if path else f"tcp://{host}:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def take_twin(self):
        """Keeps the same port of ::1 from others: who is told to go to localhost tries that first. False when somebody
        has it."""
        try:
            self.twin = socket.socket(socket.AF_INET6)
            self.twin.bind(("::1", self.listener.getsockname()[1]))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
        return True

    def serve(self):
        while True:
            try:
                sock, peer = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self.handle, args=(sock,), daemon=True)
            with self.lock:  # one that can't be joined yet is not to be seen
                self.peers.append(peer)
                self.connections.append(sock)
                self.handlers.append(thread)
                thread.start()

    def handle(self, sock):
        try:
            self.handler(self, sock)
        except (ConnectionResetError, BrokenPipeError):
            self.resets += 1
        except OSError as error:
            if error.errno == errno.ENOTCONN:  # shutdown() of one that was reset
                self.resets += 1
            elif sock.fileno() >= 0:
                self.errors.append(error)

    def read(self, sock, n=65536):
        """One read whose bytes are kept."""
        data = sock.recv(n)
        with self.lock:
            self.gathered += data
            self.at_eof += not data
        return data

    @property
    def received(self):
        """What has come so far, on all connections; may be set back."""
        return bytes(self.gathered)

    @received.setter
    def received(self, data):
        self.gathered = bytearray(data)

    def wait_received(self, data):
        eventually(
            lambda: len(self.gathered) >= len(data), lambda: f"{len(self.gathered)} of {len(data)} bytes arrived"
        )
        assert self.gathered == data

    def dismiss(self):
        """Ends the connections that there are, and waits until nobody is at work on them: none counts for what follows."""
        with self.lock:
            connections, handlers = self.connections, self.handlers
            self.connections, self.peers, self.handlers = [], [], []
        end(connections)
        for thread in handlers:
            thread.join(60)
            assert not thread.is_alive(), "a handler does not end"
        for sock in connections:
            sock.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()  # whoever gets the number of the closed descriptor must not be accepted for
        self.listener.close()
        if self.twin:
            self.twin.close()
        end(self.connections)
        over = time.monotonic() + 1
        for thread in self.handlers:
            thread.join(max(0, over - time.monotonic()))
        if not any(thread.is_alive() for thread in self.handlers):  # who gets the number would get what they send
            for sock in self.connections:
                sock.close()
        assert not self.errors, self.errors


@contextmanager
def service(handler, **options):
    it = Service(handler, **options)
    try:
        yield it
    finally:
        it.close()


def echo(it, sock):
    """Sends back what comes, ends when the peer ends."""
    while data := it.read(sock):
        sock.sendall(data)
    sock.close()


def sink(it, sock):
    """Reads, says nothing."""
    while it.read(sock):
        pass
    sock.close()


def silent(_it, _sock):
    """Never reads, never writes."""


def sends(data, then="close"):
    """Sends data, then closes, ends its side and reads on ("half"), or resets."""

    def handler(it, sock):
        sock.sendall(data)
        if then == "reset":
            reset(sock)
        elif then == "half":
            sock.shutdown(socket.SHUT_WR)
            sink(it, sock)
        elif then == "close":
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(65536):
                pass
            sock.close()

    return handler


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


given = {}  # ports, and for each a name that only one process can have


def take_port(port):
    """Is it ours until this process ends? Others of these tests, which may run at the same time, ask the same way."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0wsluice-tests-port-{port}")
        with socket.socket() as sock:
            sock.bind(("", port))
    except OSError:
        name.close()
        return False
    given[port] = name
    return True


def free_port(ports=range(10000, 30000)):
    """A port for somebody to listen on who can't choose one: below those that the kernel gives away, and nobody else's,
    so that nobody gets it meanwhile."""
    while not take_port(port := random.choice(ports)):
        pass
    return port


def low_port():
    """One for which rights are needed."""
    return free_port(range(600, 1024))


@functools.cache
def closed_socket():
    """Bound as long as the tests run, and never listening."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock


def closed_port():
    """A port of 127.0.0.1 that refuses connections, and that nobody else can take."""
    return closed_socket().getsockname()[1]


@contextmanager
def full_listener():
    """A listening socket whose backlog is full: a connect to it gets no answer before somebody accepts."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        stuffing = []
        address = listener.getsockname()
        while True:
            sock = socket.socket()
            sock.settimeout(0.3)
            stuffing.append(sock)
            try:
                sock.connect(address)
            except TimeoutError:
                break
        yield listener
        for sock in stuffing:
            sock.close()


@contextmanager
def black_hole():
    """A port that says nothing to a connect."""
    with full_listener() as listener:
        yield listener.getsockname()[1]
