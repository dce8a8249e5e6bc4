"""A gateway that runs under a tool, and when it is at rest."""
import os
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from wire import PATIENCE


def make_pair(directory):
    """A certificate and its key, in files."""
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


def eventually(what, ask):
    """Asks until the answer is true; that answer."""
    deadline = time.monotonic() + PATIENCE
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.0002)


def children(pid):
    """The processes that a process started."""
    return [int(pid) for task in Path(f"/proc/{pid}/task").iterdir() for pid in (task / "children").read_text().split()]


def preloaded(directory, name):
    """One of the libraries of this directory, built."""
    library = directory / f"{name}.so"
    source = Path(__file__).with_name(f"{name}.c")
    how = ["-D_GNU_SOURCE", "-O", "-shared", "-fPIC", "-ftls-model=initial-exec"]
    subprocess.run([os.environ.get("CC", "cc"), *how, "-o", library, source], check=True)
    return library


def answer_pidfds(path):
    """Answers pidfd.c there, until the tests end."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve():
        while True:
            with listener.accept()[0] as peer:
                try:
                    fd = os.pidfd_open(struct.unpack("i", peer.recv(4))[0])
                except OSError:
                    continue
                socket.send_fds(peer, [b"f"], [fd])
                os.close(fd)

    threading.Thread(target=serve, daemon=True).start()


def environment(directory, child):
    """That of a tool and its gateway: no time passes for it, and under valgrind it has pidfd_open()."""
    libraries = [preloaded(directory, "still")]
    place = directory / "pidfd"
    if not child:
        answer_pidfds(place)
        libraries.append(preloaded(directory, "pidfd"))
    # Programs are given what the gateway has of some variables, which are not the same everywhere: no others, then.
    return {"PATH": os.defpath, "LD_PRELOAD": ":".join(map(str, libraries)), "COST_PIDFD": str(place)}


def raise_descriptors():
    """As many descriptors as may be had: then the gateway asks for no more, and programs are not given what was before."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def by_age(pid, threads):
    """The ids of a process's threads, the oldest first, which has the process's. Numbers begin again after the largest."""
    return sorted(threads, key=lambda thread: (thread < pid, thread))


def alive(pid):
    """Is there such a process, and not only its status?"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Gateway:
    """A gateway that runs under a tool, and the services behind it, by the path of their route."""

    PLACES = {"/tcp": {}, "/deflate": {"deflate": "yes"}}
    # Each end has a turn of its own: stderr's before it says anything, stdout's when it is told so, then stdin's.
    BRIEF = "sh -c 'exec 2>&-; echo; read x; exec >&-; read x'"
    PROGRAMS = {
        "/stream": {"exec": "cat", "framing": "stream"},
        "/lines": {"exec": "cat"},
        "/brief": {"exec": BRIEF, "closing_wait": "1m"},
        "/terminal": {"exec": "sh -c 'echo; read x'", "terminal": "yes"},
    }

    def __init__(self, directory):
        self.directory, self.log = directory, directory / "log"
        self.process = self.pid = None  # the tool's process; the gateway's, which the tool has made or has become
        self.spawner = None  # the pid of the process that starts programs
        self.services, self.ports = {}, {}
        for path in self.PLACES:
            self.services[path] = listener = socket.create_server(("127.0.0.1", 0))
            listener.settimeout(PATIENCE)

    def ini(self, pair):
        """Its configuration: one worker, and timers that would run at once if time passed for it (still.c)."""
        text = "[gateway]\nworkers = 1\n[defaults]\n"
        text += "".join(f"{key} = 1ms\n" for key in ("ping_interval", "ping_timeout", "send_timeout", "connect_timeout"))
        listener = "address = 127.0.0.1:0\nhandshake_timeout = 1ms\n"
        text += f"[listen plain]\n{listener}"
        text += f"[listen tls]\n{listener}tls_certificate = {pair[0]}\ntls_key = {pair[1]}\n"
        for path, listener in self.services.items():
            text += f"[route {path}]\nconnect = tcp://127.0.0.1:{listener.getsockname()[1]}\n"
            text += "".join(f"{key} = {value}\n" for key, value in self.PLACES[path].items())
        for path, keys in self.PROGRAMS.items():
            text += f"[route {path}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
        return text

    def address(self, tls):
        """Where the plain listener is, or that with TLS."""
        return "127.0.0.1", self.ports["tls" if tls else "plain"]

    def close(self):
        """The services."""
        for listener in self.services.values():
            listener.close()

    def threads(self):
        """The ids of its threads, the oldest first."""
        return by_age(self.pid, [int(task.name) for task in Path(f"/proc/{self.pid}/task").iterdir()])

    def workers(self):
        """The threads that serve, by what their id is in threads(). The first has only timers; the log's waits for these
        others, and whether it writes one line at once or several is a matter of time."""
        waits = {thread: Path(f"/proc/{self.pid}/task/{thread}/wchan").read_text() for thread in self.threads()}
        return [thread for thread in self.threads()[1:] if re.search("e(p_)?poll", waits[thread])]

    def resting(self):
        """Does each thread wait for an event, or for another thread, and the spawner too?"""
        for thread in [*self.threads(), self.spawner]:
            task = Path(f"/proc/{thread}")
            if task.joinpath("stat").read_text().rpartition(")")[2].split()[0] != "S":
                return False
            if not re.search("e(p_)?poll|futex", task.joinpath("wchan").read_text()):
                return False
        return True

    def rest(self):
        """Waits until it has done all that there was to do."""
        eventually("the gateway does not rest", lambda: self.resting() and self.resting())


@contextmanager
def running(binary, tool, child):
    """A gateway under a tool: the words before its own command line, with {dir} for a directory of its own. child: the
    gateway is the tool's child, not the tool's own process."""
    directory = Path(tempfile.mkdtemp(prefix="wsluice-cost-"))
    gateway = Gateway(directory)
    spawned = []
    try:
        (directory / "ini").write_text(gateway.ini(make_pair(directory)))
        command = [word.replace("{dir}", str(directory)) for word in tool]
        program = shutil.copy(binary, directory / "wsluice")  # by that name its functions are known as ours
        with gateway.log.open("wb") as log:
            gateway.process = subprocess.Popen(
                [*command, str(program), f"--config={directory / 'ini'}"], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, env=environment(directory, child), preexec_fn=raise_descriptors,
            )  # fmt: skip
        eventually("the gateway does not listen", lambda: listening(gateway))
        gateway.pid = children(gateway.process.pid)[0] if child else gateway.process.pid
        (gateway.spawner,) = spawned = children(gateway.pid)
        yield gateway
        subprocess.run(["kill", str(gateway.pid)], check=True)
        assert gateway.process.wait(PATIENCE) == 0, gateway.log.read_text()
    finally:
        if gateway.process and gateway.process.poll() is None:
            gateway.process.send_signal(signal.SIGKILL)
            gateway.process.wait()
        gateway.close()
        eventually("the spawner does not end", lambda: not any(map(alive, spawned)))  # it may write its own counts
        shutil.rmtree(directory)


def listening(gateway):
    """Reads from the log which ports it has; in the order of the configuration."""
    assert gateway.process.poll() is None, gateway.log.read_text()
    said = re.search(r"listening address=.*", gateway.log.read_text())
    ports = re.findall(r"127\.0\.0\.1:(\d+)", said[0]) if said else []
    gateway.ports = dict(zip(("plain", "tls"), map(int, ports)))
    return len(ports) == 2
