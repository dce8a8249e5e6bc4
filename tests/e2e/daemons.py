"""Services of others, each with a configuration of its own in a directory that goes with it, on a free port of loopback.

A daemon is started in the foreground, waited for until it takes connections, and ended by its pid. Those that will not run
as root run as the user that their package has made.
"""
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from backends import free_port
from wait import eventually

START = 60  # seconds that a busy machine may take
TRIES = 5  # a free port may be taken by somebody else before the daemon has it
LOCALE = {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"}


class Daemon:
    """A running service: its port, its directory, its output."""

    def __init__(self, argv, port, directory, **options):
        self.port, self.dir = port, directory
        self.log = directory / "output"
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(
                list(map(str, argv)), stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=LOCALE, **options
            )

    @property
    def uri(self):
        """For `connect`."""
        return f"tcp://127.0.0.1:{self.port}"

    def text(self):
        return self.log.read_text("utf-8", "replace")

    def ready(self, words=""):
        """Does it take connections, and has said so? True too when it is dead."""
        if self.process.poll() is not None:
            return True
        if words not in self.text():
            return False
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self, signo=signal.SIGTERM):
        """Ends it, the hard way if need be."""
        if self.process.poll() is None:
            self.process.send_signal(signo)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def running(prepare, owner=None, stop=signal.SIGTERM, words=""):
    """The daemon whose prepare(directory, port) writes its configuration and returns its command line. words: what it
    says when it is ready, if it listens before that."""
    with tempfile.TemporaryDirectory(prefix="wsluice-daemon-") as name:
        directory = Path(name)
        if owner:
            shutil.chown(directory, owner)
        daemon = start(prepare, directory, owner, words)
        try:
            yield daemon
        finally:
            daemon.stop(stop)


def start(prepare, directory, owner, words):
    """Starts it on a free port; on another one when it ends at once."""
    for _ in range(TRIES):
        port = free_port()
        daemon = Daemon(prepare(directory, port), port, directory, **(as_user(owner) if owner else {}))
        try:
            complaint = "{0.process.args} does not listen:\n{1}".format
            eventually(lambda: daemon.ready(words), lambda: complaint(daemon, daemon.text()), START)
        except BaseException:
            daemon.stop()
            raise
        if daemon.process.poll() is None:
            return daemon
    raise AssertionError(f"{daemon.process.args} ends with {daemon.process.returncode}:\n{daemon.text()}")


def unprivileged(name):
    """The user for a daemon that refuses root; None when we are not root ourselves."""
    return name if os.getuid() == 0 else None


def us():
    """The name of the user who runs the tests, whatever the environment says."""
    return pwd.getpwuid(os.getuid()).pw_name


def as_user(name):
    """What subprocess is given to run something as that user."""
    entry = pwd.getpwnam(name)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def write(path, text):
    path.write_text(text)
    path.chmod(0o644)
    return path


def mosquitto(more=""):
    """An MQTT broker that anybody may use; `more` is for its listener."""

    def prepare(directory, port):
        directory.chmod(0o755)
        text = f"allow_anonymous true\npersistence false\nmax_queued_messages 0\nlistener {port} 127.0.0.1\n{more}"
        return ["mosquitto", "-c", write(directory / "mosquitto.conf", text)]

    return running(prepare)


def ngircd():
    """An IRC server with one channel, which lets its clients talk as fast as they like."""

    def prepare(directory, port):
        directory.chmod(0o755)
        text = f"""\
[Global]
Name = irc.example.net
Info = a server of the tests
Listen = 127.0.0.1
Ports = {port}
ServerUID = {unprivileged("nobody") or os.getuid()}
ServerGID = {unprivileged("nogroup") or os.getgid()}
MotdPhrase = wsluice
[Limits]
MaxConnectionsIP = 0
MaxPenaltyTime = 0
PingTimeout = 5
PongTimeout = 20
[Options]
DNS = no
Ident = no
PAM = no
"""
        return ["ngircd", "--nodaemon", "--config", write(directory / "ngircd.conf", text)]

    return running(prepare)


def postgres():
    """A PostgreSQL server whose superuser `postgres` needs no password; it listens on TCP only."""

    owner = unprivileged("postgres")

    def prepare(directory, port):
        data = directory / "data"
        if not data.exists():
            words = [
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--no-sync",
                "--no-instructions",
                "-D",
                data,
            ]
            subprocess.run(
                [postgres_program("initdb"), *map(str, words)],
                check=True,
                stdout=subprocess.DEVNULL,
                env=LOCALE,
                cwd=directory,
                **(as_user(owner) if owner else {}),
            )
        settings = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        settings.update({"shared_buffers": "16MB", "autovacuum": "off", "max_connections": 10})
        words = [f"--{key}={value}" for key, value in settings.items()]
        return [postgres_program("postgres"), "-D", data, *words]

    words = "database system is ready to accept connections"
    return running(prepare, owner, signal.SIGINT, words)  # SIGTERM would wait for its clients


def postgres_program(name):
    """A program that Debian keeps out of PATH, since several versions may be there; the newest one."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4]))
    return str(found[-1]) if found else shutil.which(name)


def sshd():
    """An SSH server that lets in the user who runs the tests, by the key in `dir`."""

    def prepare(directory, port):
        for name in ("host", "user"):
            if not (directory / name).exists():
                words = ["-q", "-t", "ed25519", "-N", "", "-C", "tests", "-f", str(directory / name)]
                subprocess.run(["ssh-keygen", *words], check=True)
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where it locks itself in; a start script makes it
        settings = {"Port": port, "ListenAddress": "127.0.0.1", "HostKey": directory / "host", "PidFile": "none"}
        settings.update({"AuthorizedKeysFile": directory / "user.pub", "StrictModes": "no", "UsePAM": "no"})
        settings.update({"PermitRootLogin": "prohibit-password", "PasswordAuthentication": "no", "UseDNS": "no"})
        settings.update({"KbdInteractiveAuthentication": "no", "Subsystem": "sftp internal-sftp"})
        settings["SetEnv"] = f"HOME={directory}"  # a user's own files may have a shell do slow things first
        text = "".join(f"{key} {value}\n" for key, value in settings.items())
        sshd_path = shutil.which("sshd", path=LOCALE["PATH"])  # it wants to be started by its whole path
        return [sshd_path, "-D", "-e", "-f", write(directory / "sshd_config", text)]

    return running(prepare)
