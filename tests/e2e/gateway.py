"""A gateway under test: its process, its port, its ini file, its log, and what must hold after every test."""
import json
import os
import re
import resource
import shlex
import signal
import socket
import ssl
import subprocess
from contextlib import contextmanager
from pathlib import Path

import certs
import wsraw
from wait import eventually

ROOT = Path(__file__).resolve().parents[2]
SAN = ROOT / "build/san-address-undefined/wsluice"
RELEASE = Path(os.environ.get("WSLUICE_RELEASE", ROOT / "build/wsluice"))
COUNTERS = ("sessions", "descriptors", "events", "timers", "children", "pending")
SECRET = "s3cr3t-token"  # tests put it into query strings; it must never be in a log

ASAN = "detect_leaks=1:verify_asan_link_order=0"  # tests/chaos preloads a library
# A process that became another user is none of that user's to look at, and so LeakSanitizer can't look at itself; the same
# when descriptors have run out.
NO_LEAKS = {"ASAN_OPTIONS": f"{ASAN}:detect_leaks=0:exitcode=86"}

START = 60  # seconds that a busy machine may take until a gateway listens
EXIT = 90  # ... and until one that was told to end is gone

over_tls = False  # every gateway whose test does not say otherwise (pytest --tls)


def binary():
    """The program under test."""
    return Path(os.environ.get("WSLUICE", SAN)).resolve()


def ini(sections):
    """An ini file of {"section": {"key": value or [values]}} or of text."""
    if isinstance(sections, str):
        return sections
    lines = []
    for section, keys in sections.items():
        lines.append(f"[{section}]")
        for key, value in keys.items():
            lines += [f"{key} = {one}" for one in (value if isinstance(value, (list, tuple)) else [value])]
        lines.append("")
    return "\n".join(lines)


def ini_with_tls(text, pair):
    """The ini file with the certificate in every [listen] section that has none of its own."""
    sections = re.split(r"^(?=\[)", text, flags=re.M)
    if not any(section.startswith("[listen") for section in sections):
        sections.append("\n[listen main]\naddress = 127.0.0.1:8080\n")
    keys = ini({"": pair.keys}).partition("\n")[2]
    return "".join(
        section.replace("\n", "\n" + keys, 1)
        if section.startswith("[listen") and not re.search("^(tls_certificate|redirect_to)", section, re.M)
        else section
        for section in sections
    )


def process_state(pid):
    """The state letter of a process, "" when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def alive(pid):
    return process_state(pid) not in ("", "Z", "X")


def children_of(pid):
    """The pids of the children of every thread of a process."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(word) for word in task.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def descriptors_of(pid):
    """What the descriptors of a process are: {number: target}."""
    found = {}
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found[int(link.name)] = os.readlink(link)
        except FileNotFoundError:
            pass
    return found


def rss_of(pid):
    """Resident memory in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


class Gateway:
    """One running gateway. Its sections are those given; log format and listener have defaults fit for tests."""

    def __init__(
        self,
        tmp,
        routes=None,
        gateway=None,
        listen=None,
        text=None,
        argv=None,
        program=None,
        environment=None,
        files=None,
        start=True,
        stderr=None,
        tls=None,
    ):
        """tls: True gives it the certificate of this run, an SSLContext is for clients of certificates that it is given
        by the test, False is plain; None is what the run is about, plain when the test gives certificates."""
        self.dir = Path(tmp)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.program = program or binary()
        self.log_path = self.dir / "log"
        self.stderr = stderr  # somewhere else than log_path
        self.sanitizer = self.dir / "sanitizer"
        self.ini = self.dir / "wsluice.ini"
        self.files = files
        self.environment = environment
        self.process = None
        self.addresses = []
        self.log_at = 0
        self.log_seen = []
        self.context = None  # of its clients
        if tls is None:
            tls = over_tls and not self.has_tls(listen, text, argv)
        if isinstance(tls, ssl.SSLContext):
            self.context, tls = tls, False
        if tls:
            self.context = certs.run_context()
        if argv is not None:
            self.argv = [str(word) for word in argv]
            if tls:
                self.argv = self.argv_with_tls(self.argv)
        else:
            if text is None:
                sections = {"gateway": {"log_format": "json", "log_level": "info", "workers": 2, **(gateway or {})}}
                sections["listen main"] = {"address": "127.0.0.1:0", "handshake_timeout": "60s", **(listen or {})}
                text = ini(sections) + "\n" + ini(routes or {})
            if tls:
                text = ini_with_tls(text, certs.run_pair())
            self.ini.write_text(text)
            self.argv = [f"--config={self.ini}"]
        if start:
            self.start()

    @staticmethod
    def has_tls(listen, text, argv):
        """Does the test itself say what it is to be?"""
        return (
            any(key in (listen or {}) for key in ("tls_certificate", "redirect_to"))
            or "tls_certificate" in str(text)
            or any("ssl" in str(word) or "tls_certificate" in str(word) for word in argv or ())
        )

    @staticmethod
    def argv_with_tls(argv):
        """The command line with the certificate; a file that it names gets it instead."""
        files = [Path(word.split("=", 1)[1]) for word in argv if word.startswith("--config=")]
        for file in files:
            file.write_text(ini_with_tls(file.read_text(), certs.run_pair()))
        return argv if files else [*certs.run_pair().options, *argv]

    # process

    def env(self):
        """A small environment of our own; sanitizers write beside the log."""
        options = f"log_path={self.sanitizer}:exitcode=86"
        env = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        env["ASAN_OPTIONS"] = f"{options}:{ASAN}:detect_stack_use_after_return=1:quarantine_size_mb=16"
        env["UBSAN_OPTIONS"] = f"{options}:print_stacktrace=1"
        env["TSAN_OPTIONS"] = f"{options}:halt_on_error=0:second_deadlock_stack=1"
        env.update(self.environment or {})
        return env

    def limit(self):
        if self.files:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.files, self.files))

    def start(self):
        """Starts it and waits until it says where it listens; one that does not is gone afterwards."""
        out = self.stderr if self.stderr is not None else open(self.log_path, "ab")
        try:
            self.process = subprocess.Popen(
                [self.program, *self.argv],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=self.env(),
                cwd=self.dir,
                preexec_fn=self.limit,
            )
        finally:
            if self.stderr is None:
                out.close()
        if self.stderr is None:
            try:
                eventually(
                    self.find_addresses,
                    lambda: f"{shlex.join(map(str, self.argv))} does not listen:\n{self.log_text()}",
                    START,
                )
            except BaseException:  # who made it has nothing yet to end it by
                self.kill()
                raise
            self.mark()
        return self

    def find_addresses(self):
        if self.process.poll() is not None:
            self.check_sanitizer()
            raise AssertionError(f"exit {self.process.returncode} at start:\n{self.log_text()}")
        whole = self.log_text().rpartition("\n")[0]
        self.addresses = re.findall(
            r"(?:\d+\.\d+\.\d+\.\d+|\[[0-9a-f:.]+\]):\d+|unix:[^\s\"\\,]+",
            "\n".join(line for line in whole.splitlines() if "listening" in line),
        )
        return self.addresses

    @property
    def pid(self):
        return self.process.pid

    @property
    def port(self):
        return int(next(a for a in self.addresses if not a.startswith("unix:")).rsplit(":", 1)[1])

    @property
    def host(self):
        return f"127.0.0.1:{self.port}"

    @property
    def tls(self):
        """Does it speak TLS?"""
        return self.context is not None

    @property
    def scheme(self):
        return "https" if self.tls else "http"

    @property
    def origin(self):
        """Of its own pages."""
        return f"{self.scheme}://{self.host}"

    @property
    def url(self):
        return f"{'wss' if self.tls else 'ws'}://{self.host}"

    @property
    def for_websockets(self):
        """What websockets.connect() is given besides the URL."""
        return {"ssl": self.context} if self.tls else {}

    def signal(self, signo):
        self.process.send_signal(signo)

    @contextmanager
    def stopped(self):
        """It does nothing meanwhile: what changes in there it finds changed all at once."""
        self.signal(signal.SIGSTOP)
        try:
            eventually(lambda: process_state(self.pid) == "T", "it does not stop")
            yield
        finally:
            self.signal(signal.SIGCONT)

    def exited(self, timeout=EXIT):
        """Waits for its end and returns the status."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.check_sanitizer()
            raise AssertionError(f"still running:\n{self.log_text()}") from None

    def stop(self, status=0):
        """SIGTERM, and a clean end. Idempotent."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        got = self.exited()
        self.process = None
        self.check_sanitizer()
        assert got == status, f"exit {got}:\n{self.log_text()}"

    def kill(self):
        """Whatever state it is in, it is gone afterwards."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    @property
    def spawner(self):
        """The pid of the helper that owns the programs; None where no route has one."""
        found = children_of(self.pid)
        assert len(found) <= 1, found
        return found[0] if found else None

    def programs(self):
        """The pids of the programs that run."""
        return children_of(self.spawner) if self.spawner else []

    # log

    def log_text(self):
        return self.log_path.read_text("utf-8", "backslashreplace") if self.log_path.exists() else ""

    def log_lines(self):
        """Every whole line so far as a dict; a line that is no JSON becomes {"raw": line}."""
        with open(self.log_path, "rb") as file:
            file.seek(self.log_at)
            data = file.read()
        whole = data.rfind(b"\n") + 1
        self.log_at += whole
        self.log_seen += [self.parse_line(line) for line in data[:whole].split(b"\n")[:-1]]
        return self.log_seen

    def parse_line(self, line):
        try:
            return json.loads(line)
        except ValueError:
            return {"raw": line.decode("latin-1")}

    def mark(self):
        """What is waited for from here on comes after this line."""
        self.marked = len(self.log_lines())

    def logged(self, sentence=None, since_mark=True, **fields):
        """The lines with that sentence and those fields (as text)."""
        lines = self.log_lines()[self.marked if since_mark else 0 :]
        return [
            e
            for e in lines
            if (sentence is None or e.get("msg") == sentence)
            and all(str(e.get(k)) == str(v) for k, v in fields.items())
        ]

    def wait_log(self, sentence=None, timeout=60, n=1, **fields):
        """Waits for the n-th such line and returns it."""
        return eventually(
            lambda: len(self.logged(sentence, **fields)) >= n and self.logged(sentence, **fields)[n - 1],
            lambda: f"no log line {n} of {sentence!r} {fields}:\n" + self.log_text()[-3000:],
            timeout,
        )

    # counters

    def counters(self):
        """What SIGUSR2 says."""
        seen = len(self.logged("counters", since_mark=False))
        self.signal(signal.SIGUSR2)
        line = eventually(
            lambda: self.logged("counters", since_mark=False)[seen:], lambda: "no counters:\n" + self.log_text()[-2000:]
        )[0]
        return {name: int(line[name]) for name in COUNTERS}

    def take_baseline(self):
        """What must be the same at the end of each test."""
        self.baseline = self.counters()
        self.fds = descriptors_of(self.pid)
        self.spawner_pid = self.spawner
        self.spawner_fds = eventually(self.spawners_descriptors, "the spawner keeps its pipe") if self.spawner_pid else {}
        for name in ("sessions", "children", "pending"):
            assert self.baseline[name] == 0, self.baseline

    def spawners_descriptors(self):
        """Those of one that waits for work; None as long as the pipe is there by which it tells that it was started."""
        found = descriptors_of(self.spawner_pid)
        return None if any(fd > 2 and target.startswith("pipe:") for fd, target in found.items()) else found

    def rest(self):
        """Waits for the end of the sessions that there are; what is waited for in the log comes after that."""
        eventually(lambda: self.counters()["sessions"] == 0, lambda: f"a session does not end:\n{self.log_text()[-2000:]}")
        self.mark()

    def check_idle(self):
        """Alive, and everything back at the start: sessions, descriptors, events, timers, children; no zombies, no report."""
        self.check_sanitizer()
        assert self.process.poll() is None, f"it died: {self.process.returncode}\n{self.log_text()[-3000:]}"
        eventually(
            lambda: len(descriptors_of(self.pid)) == len(self.fds),
            lambda: f"descriptors {descriptors_of(self.pid)} from {self.fds}",
        )
        assert self.spawner == self.spawner_pid
        if self.spawner_pid:
            eventually(
                lambda: len(descriptors_of(self.spawner_pid)) == len(self.spawner_fds),
                lambda: f"the spawner's {descriptors_of(self.spawner_pid)} from {self.spawner_fds}",
            )
        eventually(lambda: not self.programs(), lambda: f"programs left: {self.programs()}")
        eventually(lambda: self.counters() == self.baseline, lambda: f"{self.counters()} from {self.baseline}")
        self.check_sanitizer()
        assert SECRET not in self.log_text(), "a query string was logged"

    def check_sanitizer(self):
        reports = [path.read_text("utf-8", "replace") for path in sorted(self.dir.glob("sanitizer.*"))]
        assert not reports, "\n".join(reports)
        assert "runtime error:" not in self.log_text(), self.log_text()

    # clients

    def connect(self, address=None, **options):
        """A connection to it, to another of its addresses if told: (host, port) or the path of a unix socket."""
        options.setdefault("tls", self.context)
        return wsraw.connect(address or ("127.0.0.1", self.port), **options)

    def http(self, data, method="GET"):
        """Sends bytes on a connection of their own, returns the first response; the connection must then end."""
        with self.connect() as raw:
            raw.send(data)
            answer = raw.response(method)
            assert answer.status != 101, "it was upgraded"
            raw.ended()
            return answer

    def get(self, path="/", method="GET", headers=(), host=None):
        return self.http(
            wsraw.request(path, method, host or self.host, headers=[*headers, ("Connection", "close")]), method
        )

    def refused(self, path="/", **options):
        """An opening handshake that must not succeed."""
        return self.http(wsraw.upgrade(path, **{"host": self.host, **options}))

    def ws(self, path="/", first=b"", over=None, headers=(), **options):
        """An open WebSocket connection. `first` goes out in the same write as the head."""
        raw = over or self.connect()
        options.setdefault("host", "localhost" if raw.sock.family == socket.AF_UNIX else self.host)
        raw.send(wsraw.upgrade(path, headers=headers, **options) + first)
        raw.answer = raw.response()
        assert raw.answer.status == 101, (raw.answer, raw.answer.body)
        assert raw.answer.header("Sec-WebSocket-Accept") == wsraw.accept_of(options.get("key", wsraw.KEY))
        assert raw.answer.header("Upgrade").lower() == "websocket"
        assert raw.answer.header("Connection").lower() == "upgrade"
        return raw


@contextmanager
def looked_after():
    """A list for the gateways of a test. At its end each that is `checked` must be idle and stop cleanly; none is left."""
    started = []
    try:
        yield started
        for it in started:
            if it.process and it.checked:
                it.check_idle()
                it.stop()
            it.check_sanitizer()
    finally:
        for it in started:
            it.kill()


def run(*argv, timeout=START, environment=None, program=None, name="wsluice", cwd=None, stdin=subprocess.DEVNULL):
    """Runs the program to its end: (status, stdout, stderr)."""
    env = {
        "PATH": os.environ["PATH"],
        "ASAN_OPTIONS": f"{ASAN}:exitcode=86",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        **(environment or {}),
    }
    done = subprocess.run(
        [name, *map(str, argv)],
        executable=str(program or binary()),
        capture_output=True,
        timeout=timeout,
        env=env,
        cwd=cwd,
        stdin=stdin,
        text=True,
    )
    assert "Sanitizer" not in done.stderr and "runtime error:" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr
