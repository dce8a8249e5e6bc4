"""What systemd does to a service that it starts, done by the test: sockets passed by number, a socket for sd_notify."""
import os
import shlex
import socket
import subprocess
import threading

from gateway import START, Gateway
from wait import eventually


def listening(family=socket.AF_INET, address=("127.0.0.1", 0), kind=socket.SOCK_STREAM, listen=True):
    """A socket as a .socket unit makes it."""
    sock = socket.socket(family, kind)
    sock.bind(address)
    if listen:
        sock.listen(4096)
    return sock


class Notify:
    """NOTIFY_SOCKET; keeps what is said, a dict for each message."""

    def __init__(self, path):
        self.path = str(path)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        self.messages = []
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        while data := self.sock.recv(4096):
            self.messages.append(dict(line.split("=", 1) for line in data.decode().splitlines()))

    def said(self, name):
        """The values of one variable, in order."""
        return [message[name] for message in list(self.messages) if name in message]

    def wait(self, name, value, timeout=30):
        eventually(
            lambda: value in self.said(name), lambda: f"{name}={value} was not said: {self.messages}", timeout
        )

    def close(self):
        """Reads what was said before; an empty message is the last one."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"", self.path)
        self.thread.join()
        self.sock.close()


def pass_sockets(sockets, env, names=True, before=None):
    """A preexec_fn: the sockets become 3 and up, LISTEN_* say so, and `before` is called last."""
    variables = {**env, "LISTEN_FDS": str(len(sockets))} if sockets else dict(env)
    if sockets and names:
        variables["LISTEN_FDNAMES"] = ":".join(name for name, _ in sockets)

    def preexec():
        # By way of high numbers: one socket may be where another one is to go.
        high = [os.dup2(sock.fileno(), 200 + i) for i, (_, sock) in enumerate(sockets)]
        for i, fd in enumerate(high):
            os.dup2(fd, 3 + i)
            os.close(fd)
        os.environ.clear()
        os.environ.update(variables)
        if sockets:
            os.environ["LISTEN_PID"] = str(os.getpid())
        if before:
            before()

    return preexec


class Activated(Gateway):
    """A gateway that is started as systemd starts it. sockets: (name, socket), which are the test's."""

    def __init__(self, tmp, *args, sockets=(), names=True, before=None, wrapper=(), ready=True, **options):
        self.sockets, self.names, self.before = list(sockets), names, before
        self.wrapper = [str(word) for word in wrapper]
        self.ready = ready
        super().__init__(tmp, *args, **options)

    def start(self):
        with open(self.log_path, "ab") as out:
            self.process = subprocess.Popen(
                [*self.wrapper, self.program, *self.argv],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=None,  # that of preexec
                cwd=self.dir,
                close_fds=False,  # ours are all close-on-exec
                preexec_fn=pass_sockets(self.sockets, self.env(), self.names, self.before),
            )
        if self.ready:
            self.wait_listening()
        return self

    def wait_listening(self):
        eventually(
            self.find_addresses,
            lambda: f"{shlex.join(map(str, self.argv))} does not listen:\n{self.log_text()}",
            START,
        )
        self.mark()

    def failed(self):
        """A start that must fail: its log."""
        assert self.exited() == 1, self.log_text()
        self.process = None
        self.check_sanitizer()
        self.mark()
        return self.logged(since_mark=False)
