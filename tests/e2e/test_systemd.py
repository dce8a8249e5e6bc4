"""As a service of systemd: sockets that are passed, what is told, restarts that nobody notices."""
import os
import pwd
import re
import signal
import socket
import ssl
import stat
import struct
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import certs
import gateway as gateway_module
import pytest
import seccomp
import wsraw
from activation import Activated, Notify, listening
from backends import echo, free_port, low_port, service
from conftest import counter
from gateway import ASAN, NO_LEAKS, alive, descriptors_of, looked_after, process_state
from scripts import script
from test_privileges import NONE, check_identity, program_status, status_of
from wait import eventually, promptly

CAT = {"route /ws": {"exec": "cat"}, "route /console": {"console": "yes"}}
BOUND = "no listener has an address for this socket of systemd's"


@pytest.fixture
def activated(tmp_path):
    """Starts gateways as the fixture `gateway` does."""
    with looked_after() as started:

        def start(*args, checked=True, place=None, **options):
            it = Activated(place or tmp_path / f"gateway{next(counter)}", *args, **options)
            it.checked = checked
            started.append(it)
            if checked:
                it.take_baseline()
            return it

        yield start


@pytest.fixture
def tcp():
    with listening() as sock:
        yield sock


@pytest.fixture
def notify(tmp_path):
    it = Notify(tmp_path / "notify")
    yield it
    it.close()


def named(*names):
    return {"address": [f"systemd:{name}" for name in names]}


def echoes(gw, address=None, path="/ws"):
    with gw.ws(path, over=gw.connect(address)) as ws:
        ws.send_text("x")
        assert ws.recv_text() == "x"
        ws.close()


# sockets


def test_tcp(activated, tcp):
    gw = activated(CAT, sockets=[("web", tcp)], listen=named("web"))
    assert gw.port == tcp.getsockname()[1]
    assert gw.logged("listening", since_mark=False)[0]["address"] == f"127.0.0.1:{gw.port} (systemd:web)"
    for _ in range(5):
        echoes(gw)
    assert gw.get("/console").status == 200


@pytest.mark.threads
def test_many_workers(activated, tcp):
    """One acceptor deals to all of them."""
    gw = activated(CAT, sockets=[("web", tcp)], listen=named("web"), gateway={"workers": 4})
    clients = [gw.ws("/ws") for _ in range(60)]
    for i, ws in enumerate(clients):
        ws.send_text(str(i))
    for i, ws in enumerate(clients):
        assert ws.recv_text() == str(i)
    for ws in clients:
        ws.close()
        ws.drop()


def test_sockets_of_one_name(activated, tcp, tmp_path):
    """TCP of both families and unix, as several ListenStream= of one unit; a program sees which one it was."""
    path = str(tmp_path / "s")
    show = script(tmp_path, "show", 'echo "$SERVER_PORT $REMOTE_ADDR"\n')
    with listening(socket.AF_INET6, ("::1", 0)) as v6, listening(socket.AF_UNIX, path) as unix:
        sockets = [("web", tcp), ("web", v6), ("web", unix)]
        gw = activated({**CAT, "route /show": {"exec": show}}, sockets=sockets, listen=named("web"))
        for address in (tcp.getsockname(), v6.getsockname()[:2], path):
            echoes(gw, address)
        with gw.ws("/show", over=gw.connect(v6.getsockname()[:2])) as ws:
            assert ws.recv_text() == f"{v6.getsockname()[1]} ::1"
            ws.recv_close(1000)
        address = gw.logged("listening", since_mark=False)[0]["address"]
        assert re.fullmatch(
            rf"127\.0\.0\.1:\d+ \(systemd:web\) \[::1\]:\d+ \(systemd:web\) unix:{path} \(systemd:web\)", address
        )
        gw.check_idle()
        gw.stop()
        assert stat.S_ISSOCK(os.stat(path).st_mode), "the socket file is systemd's"


def test_loopback_is_seen(activated, tcp):
    """DNS rebinding is guarded against on an inherited socket too (server_names)."""
    gw = activated(CAT, sockets=[("web", tcp)], listen=named("web"))
    assert gw.get("/console", host=f"evil.example:{gw.port}").status == 421
    assert gw.get("/console", host=f"localhost:{gw.port}").status == 200


def test_names_of_several_listeners(activated, tcp):
    """Each socket is its listener's, whatever their order; names may hold anything but a colon."""
    with listening() as other, listening() as third:
        text = """
[gateway]
log_format = json
[listen public]
address = systemd:a name/%%
address = 127.0.0.1:0
[listen inner]
address = systemd:wsluice.socket
[route /public]
listen = public
console = yes
[route /inner]
listen = inner
console = yes
"""
        sockets = [("wsluice.socket", tcp), ("a name/%", other), ("wsluice.socket", third)]
        gw = activated(text=text, sockets=sockets)
        ports = [int(address.rsplit(":", 1)[1]) for address in gw.addresses]
        assert ports[0] == other.getsockname()[1] and ports[2:] == [s.getsockname()[1] for s in (tcp, third)]
        for port, found in zip(ports, ["/public", "/public", "/inner", "/inner"]):
            for path in ("/public", "/inner"):
                with gw.connect(("127.0.0.1", port)) as raw:
                    raw.send(wsraw.request(path))
                    assert raw.response().status == (200 if path == found else 404), (port, path)


def test_without_names(activated, tcp):
    """Without LISTEN_FDNAMES they are all called "unknown" (sd_listen_fds_with_names)."""
    gw = activated(CAT, sockets=[("x", tcp)], names=False, listen=named("unknown"))
    echoes(gw)


def test_command_line(activated, tcp):
    gw = activated(
        sockets=[("web", tcp)],
        argv=["--set", "gateway.log_format=json", "--address=systemd:web", "--set", "framing=records", "cat"],
    )
    assert gw.port == tcp.getsockname()[1]
    echoes(gw)


def test_socket_that_blocks(activated, tcp):
    """systemd passes blocking sockets; a client that leaves the queue must not hang the main thread."""
    tcp.setblocking(True)
    gw = activated(CAT, sockets=[("web", tcp)], listen=named("web"))
    for _ in range(20):
        gw.connect().reset()
    echoes(gw)


# what is refused


def refused(activated, sockets, listen, **options):
    """The error of a start that must fail, which is one line."""
    log = activated(CAT, sockets=sockets, listen=listen, ready=False, checked=False, **options).failed()
    errors = [line for line in log if line.get("level") == "error"]
    assert len(errors) == 1, log
    assert errors[0]["msg"] == "cannot listen"
    return errors[0]


def test_unknown_name(activated, tcp):
    with listening() as other, listening() as third:
        error = refused(activated, [("web", tcp), ("adm in", other), ("web", third)], named("wbe"))
    assert error["address"] == "systemd:wbe"
    assert error["error"] == "systemd passed no socket of this name"
    assert error["passed"] == "web adm in"


def test_none_passed(activated):
    error = refused(activated, [], named("web"))
    assert "LISTEN_FDS" in error["error"] and "passed" not in error


def test_for_another_process(activated, tcp):
    """Variables that were meant for another process are none."""
    error = refused(
        activated, [("web", tcp)], named("web"), before=lambda: os.environ.update(LISTEN_PID=str(os.getppid()))
    )
    assert "LISTEN_FDS" in error["error"]


def test_one_name_for_two(activated, tcp):
    """Seen when the file is read, before any socket is."""
    listen = {"address": ["systemd:web", "systemd:web"]}
    gw = activated(CAT, sockets=[("web", tcp)], listen=listen, ready=False, checked=False)
    gw.failed()
    assert re.search(r":\d+: address: systemd:web is there already \(.*:\d+\)\n$", gw.log_text()), gw.log_text()


@pytest.mark.parametrize("kind", ["datagram", "not listening", "connected", "file", "netlink"])
def test_wrong_kind(activated, kind, tcp):
    """Each is one error; the right one beside it does not help."""
    if kind == "datagram":
        sock, words = listening(kind=socket.SOCK_DGRAM, listen=False), "not a stream socket"
    elif kind == "not listening":
        sock, words = listening(listen=False), "does not listen"
    elif kind == "connected":
        sock, words = socket.create_connection(tcp.getsockname()), "does not listen"
    elif kind == "netlink":
        sock, words = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW), "neither TCP nor unix"
    else:
        sock, words = open("/dev/null", "rb"), "Socket operation on non-socket"
    with sock:
        error = refused(activated, [("web", tcp), ("web", sock)], named("web"))
    assert words in error["error"], error


@pytest.mark.parametrize(
    "variables", [{"LISTEN_FDS": "x"}, {"LISTEN_FDS": "2"}, {"LISTEN_FDNAMES": "a:b"}, {"LISTEN_FDS": "99999"}]
)
def test_broken_variables(activated, tcp, variables):
    """Numbers that can't be, more names than sockets, sockets that are not there."""
    gw = activated(
        CAT,
        sockets=[("web", tcp)],
        listen=named("web"),
        ready=False,
        checked=False,
        before=lambda: os.environ.update(variables),
    )
    errors = [line for line in gw.failed() if line.get("level") == "error"]
    assert [line["step"] for line in errors] == ["take the sockets that systemd passes"]


def test_unused(activated, tcp, tmp_path):
    """One warning each, and it is not kept."""
    path = str(tmp_path / "s")
    with listening(socket.AF_UNIX, path) as unix, open("/dev/null", "rb") as null:
        sockets = [("other", unix), ("web", tcp), ("null", null)]
        gw = activated(CAT, sockets=sockets, listen=named("web"))
        warnings = gw.logged(BOUND, since_mark=False)
        assert [(line["level"], line["name"], line.get("bound")) for line in warnings] == [
            ("warning", "other", f"unix:{path}"),
            ("warning", "null", None),
        ]
        fds = descriptors_of(gw.pid)
        assert os.path.exists(path)
        assert f"socket:[{os.fstat(unix.fileno()).st_ino}]" not in fds.values()
        assert f"socket:[{os.fstat(tcp.fileno()).st_ino}]" in fds.values()
        echoes(gw)


def test_unused_without_any_use(activated, tcp):
    """A gateway whose configuration knows nothing of systemd says so too."""
    gw = activated(CAT, sockets=[("web", tcp)])
    assert len(gw.logged(BOUND, since_mark=False)) == 1
    echoes(gw)


# what programs get


def test_programs_see_nothing_of_it(activated, tcp, tmp_path, notify):
    show = script(tmp_path, "show", "env\nls -l /proc/self/fd\necho end\n")
    gw = activated(
        {"route /ws": {"exec": show}},
        sockets=[("web", tcp)],
        listen=named("web"),
        environment={"NOTIFY_SOCKET": notify.path, "CREDENTIALS_DIRECTORY": "/x", "JOURNAL_STREAM": "1:2"},
    )
    lines = []
    with gw.ws("/ws") as ws:
        while not lines or lines[-1] != "end":
            lines.append(ws.recv_text())
        ws.recv_close(1000)
    words = "\n".join(lines)
    assert not re.search("LISTEN|NOTIFY|CREDENTIALS|JOURNAL", words), words
    assert "socket:" not in words, words
    inode = f"socket:[{os.fstat(tcp.fileno()).st_ino}]"
    assert inode not in gw.spawner_fds.values()
    assert "LISTEN_FDS" not in os.environ


# systemd-socket-activate


def test_socket_activate(activated, tmp_path):
    """systemd's own: it waits for the first visitor, who is then served by the gateway that it becomes."""
    port, path = free_port(), str(tmp_path / "s")
    passed = ["ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"]
    gw = activated(
        CAT,
        listen=named("web", "inner"),
        wrapper=[
            "systemd-socket-activate",
            f"--listen=127.0.0.1:{port}",
            f"--listen={path}",
            "--fdname=web:inner",
            *(f"--setenv={name}" for name in passed),
        ],
        ready=False,
        checked=False,
    )
    eventually(lambda: f"{path}" in gw.log_text(), gw.log_text)
    with gw.connect(("127.0.0.1", port)) as first:
        first.send(wsraw.request("/console", host=f"127.0.0.1:{port}"))
        assert first.response().status == 200
    gw.wait_listening()
    assert gw.port == port
    eventually(lambda: gw.counters()["pending"] == 0, "the first visitor is still there")
    gw.take_baseline()
    echoes(gw)
    echoes(gw, path)
    gw.check_idle()
    gw.stop()
    assert os.path.exists(path)


# what is told


def test_notify(activated, notify, tcp):
    """READY when it serves, STATUS when the number of sessions changed, STOPPING when it drains."""
    gw = activated(
        CAT, sockets=[("web", tcp)], listen=named("web"), environment={"NOTIFY_SOCKET": notify.path}, checked=False
    )
    notify.wait("READY", "1")
    notify.wait("STATUS", "0 sessions")
    gw.take_baseline()
    with gw.ws("/ws") as one:
        notify.wait("STATUS", "1 session")
        with gw.ws("/ws") as two:
            notify.wait("STATUS", "2 sessions")
            gw.signal(signal.SIGTERM)
            told = one.recv(), two.recv()
            assert [got.code for got in told] == [1001] * 2
            notify.wait("STOPPING", "1")
            notify.wait("STATUS", "Stopping, 2 sessions")
            two.answer_close(told[1])
            one.answer_close(told[0])
    assert gw.exited() == 0
    gw.process = None
    order = [next(iter(message)) for message in notify.messages]
    assert order[:2] == ["READY", "STATUS"] and order.count("READY") == order.count("STOPPING") == 1
    said = notify.said("STATUS")
    assert said[:4] == ["0 sessions", "1 session", "2 sessions", "Stopping, 2 sessions"]
    assert all(a != b for a, b in zip(said, said[1:]))
    assert order[order.index("STOPPING") - 1 :][:2] == ["STATUS", "STOPPING"]


def test_no_timer_without_notify(activated):
    """Nobody listens: no event more than without."""
    assert activated(CAT).counters()["timers"] == activated(CAT, environment={"NOTIFY_SOCKET": ""}).counters()["timers"]


def test_notify_of_a_failed_start(activated, notify):
    refused(activated, [], named("web"), environment={"NOTIFY_SOCKET": notify.path})
    notify.wait("ERRNO", "2")
    assert notify.said("READY") == [] and notify.said("STATUS")[0].startswith("Cannot start")


def test_notify_of_a_log_that_cannot_be_opened(activated, notify):
    gw = activated(
        CAT,
        gateway={"log_target": "file:/nothing/here"},
        environment={"NOTIFY_SOCKET": notify.path},
        ready=False,
        checked=False,
    )
    assert [line["msg"] for line in gw.failed()] == ["cannot open the log"]
    notify.wait("ERRNO", "2")
    assert notify.said("STATUS") == ["Cannot start: No such file or directory (see the log)"]


def test_notify_to_nobody(activated, tmp_path):
    """A manager that is gone is no reason to stop."""
    gw = activated(CAT, environment={"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    echoes(gw)


def test_notify_to_one_that_does_not_read(activated, tmp_path):
    """Nothing waits for it: visitors and signals are served, and what is due is told when it reads again."""
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as other:
        with pytest.raises(BlockingIOError):
            while True:
                other.sendto(b"full", str(tmp_path / "notify"))
    gw = activated(CAT, environment={"NOTIFY_SOCKET": str(tmp_path / "notify")}, checked=False)
    echoes(gw)
    manager.settimeout(30)
    said = [manager.recv(4096)]
    while not said[-1].startswith(b"READY=1\nSTATUS="):
        said.append(manager.recv(4096))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as other:
        with pytest.raises(BlockingIOError):
            while True:
                other.sendto(b"full", str(tmp_path / "notify"))
    gw.signal(signal.SIGTERM)
    assert gw.exited() == 0
    gw.process = None
    manager.close()


def test_priorities(activated, tmp_path):
    """Under systemd each line begins with its level."""
    path = tmp_path / "journal"
    path.touch()
    at = os.stat(path)
    gw = activated(
        CAT,
        gateway={"log_format": "text"},
        environment={"JOURNAL_STREAM": f"{at.st_dev}:{at.st_ino}"},
        before=lambda: os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), 2),
        ready=False,
        checked=False,
    )
    eventually(lambda: "listening" in path.read_text(), path.read_text)
    gw.signal(signal.SIGHUP)
    gw.signal(signal.SIGTERM)
    assert gw.exited() == 0
    gw.process = None
    lines = path.read_text().splitlines()
    levels = {"ERROR": "<3>", "WARN": "<4>", "INFO": "<6>"}
    assert len(lines) >= 3 and all(line.startswith(levels[line[3:].split()[0]]) for line in lines), lines


# restarts


ASK = 1  # second that a client has to ask when the gateway stops (PREFACE_DRAIN_MS, EXCHANGE_DRAIN_MS)


def stopped(gw):
    """Stands still, so that connections wait in the kernel."""
    gw.signal(signal.SIGSTOP)
    eventually(lambda: process_state(gw.pid) == "T", "it does not stop")


@pytest.mark.plain_only("the requests are in the queue before anybody could shake hands")
@pytest.mark.parametrize("kind", ["tcp", "unix"])
@pytest.mark.threads
def test_own_queue_is_served(activated, kind, tmp_path):
    """Who is connected when the signal comes is answered, accepted or not: the kernel has told it that it is."""
    promptly(lambda: serve_queue(activated, kind, str(tmp_path / "s")), late=ASK / 4)


def serve_queue(activated, kind, path):
    """Half of the clients have asked when the signal comes; the rest ask while the gateway, which is stopping, stands still
    before their time is up."""
    gw = activated(CAT, listen={} if kind == "tcp" else {"address": f"unix:{path}"}, checked=False)
    stopped(gw)
    clients = [wsraw.connect(path if kind == "unix" else ("127.0.0.1", gw.port)) for _ in range(200)]
    for raw in clients[::2]:
        raw.send(wsraw.request("/console"))
    gw.signal(signal.SIGTERM)
    gw.signal(signal.SIGCONT)
    gw.wait_log("stopping")
    time.sleep(ASK / 2)  # that they have as long is what this is about
    stopped(gw)
    for raw in clients[1::2]:
        raw.send(wsraw.request("/console"))
    gw.signal(signal.SIGCONT)
    for raw in clients:
        assert raw.response().status == 200
        raw.ended()
        raw.drop()
    assert gw.exited() == 0
    gw.process = None
    assert not os.path.exists(path)


@pytest.mark.plain_only("the requests are in the queue before anybody could shake hands")
def test_queue_of_systemd_is_left_to_the_next(activated, tcp):
    """Who was accepted is answered by the old one, the rest by the new one."""
    gw = activated(CAT, sockets=[("web", tcp)], listen=named("web"), checked=False)
    stopped(gw)
    clients = [wsraw.connect(tcp.getsockname()) for _ in range(200)]
    for raw in clients:
        raw.send(wsraw.request("/console", host=gw.host))
    gw.signal(signal.SIGTERM)
    gw.signal(signal.SIGCONT)
    assert gw.exited() == 0
    gw.process = None
    clients += [wsraw.connect(tcp.getsockname())]  # while there is none
    clients[-1].send(wsraw.request("/console", host=gw.host))
    again = activated(CAT, sockets=[("web", tcp)], listen=named("web"), checked=False)
    for raw in clients:
        assert raw.response().status == 200
        raw.drop()
    again.wait_log("request")
    again.stop()


ANSWER = 5  # seconds that it has to answer our close frame (VISITOR_CLOSE_MS)
SLOW = "had a second to ask, or five to answer, and did not"


class Timed:
    """A client's socket that knows how long the gateway had to wait for what it sends: each time from when the kernel had
    what came last, or from what was sent last."""

    def __init__(self, sock):
        self.sock, self.waits, self.sent = sock, [], 0.0

    def __getattr__(self, name):
        return getattr(self.sock, name)

    def timed(self, send, data):
        since = max(time.monotonic() - wsraw.silence(self.sock), self.sent)
        try:
            return send(data)
        finally:
            self.sent = time.monotonic()
            self.waits.append(self.sent - since)

    def send(self, data):
        return self.timed(self.sock.send, data)

    def sendall(self, data):
        return self.timed(self.sock.sendall, data)


def timed(raw):
    """Makes it one, before anything is sent."""
    if hasattr(raw.sock, "tls"):
        raw.sock.sock = it = Timed(raw.sock.sock)
    else:
        raw.sock = it = Timed(raw.sock)
    return it


class Load:
    """Sessions begun at a rate, each on a thread: connect, message, its echo, close. Not more than `most` at once: on a
    machine that is slower than the rate they would only be in each other's way, and too slow to ask in time."""

    def __init__(self, gw, rate, most):
        self.gw, self.rate = gw, rate
        self.room = threading.Semaphore(most)
        self.outcomes = Counter()
        self.stops = []  # when the gateway was told to
        self.slowest = 0.0
        self.lock = threading.Lock()
        self.going = True
        self.sessions = []
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def session(self, number):
        begin, answered, times = time.monotonic(), False, None
        try:
            with self.gw.connect(handshake=False) as ws:
                times = timed(ws)
                ws.send(wsraw.upgrade("/echo", self.gw.host))
                assert ws.response().status == 101
                answered = True
                ws.send_binary(b"%d" % number)
                got = ws.recv()
                if got.opcode == wsraw.CLOSE:
                    ws.answer_close(got)
                    assert not ws.cut or ws.answered_after >= ANSWER - 0.5, "cut though it has answered"
                    return f"told {got.code}"
                assert got.payload == b"%d" % number
                ws.close()
                return "echoed"
        except Exception as error:  # whatever it is, it is what this is about
            if isinstance(error, (EOFError, ConnectionResetError, BrokenPipeError, ssl.SSLError)) and times:
                # Of the second to ask the gateway may need a part itself.
                late = max(times.waits) >= ANSWER - 0.5 if answered else sum(times.waits) >= ASK / 4
                if late and any(begin <= stop for stop in self.stops):
                    return SLOW
            return f"{type(error).__name__}: {error}, after waits of {times and times.waits}"

    def timed(self, number):
        begin = time.monotonic()
        outcome = self.session(number)
        with self.lock:
            self.outcomes[outcome] += 1
            self.slowest = max(self.slowest, time.monotonic() - begin)
        self.room.release()

    def run(self):
        begin = time.monotonic()
        while self.going:
            if time.monotonic() - begin < len(self.sessions) / self.rate:
                time.sleep(0.001)  # the rate is what this is about
                continue
            self.room.acquire()
            thread = threading.Thread(target=self.timed, args=(len(self.sessions),))
            thread.start()
            self.sessions.append(thread)
        self.seconds = time.monotonic() - begin

    def stop(self):
        self.going = False
        self.thread.join()
        for thread in self.sessions:
            thread.join()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("backend", ["service", "program"])
def test_restarts_are_not_noticed(activated, tcp, capsys, backend):
    """200 connects a second (over TLS 60), over restarts: none refused, none cut before its answer; each is echoed or told 1001."""
    restarts = 4 if gateway_module.over_tls else 10
    with service(echo) as it:
        routes = {"route /echo": {"connect": it.uri} if backend == "service" else {"exec": "cat"}}
        # A machine with other things to do may take its time; to be refused is another matter.
        listen = {**named("web"), "handshake_timeout": "60s"}
        gw = activated(routes, sockets=[("web", tcp)], listen=listen, checked=False)
        load = Load(gw, *((60, 20) if gw.tls else (200, 100)))  # handshakes by Python take their time on a busy machine
        try:
            for i in range(restarts):
                eventually(lambda: load.outcomes["echoed"] >= 100 * (i + 1), lambda: str(load.outcomes), 90)
                gw.signal(signal.SIGTERM)
                load.stops.append(time.monotonic())
                assert gw.exited() == 0
                gw.check_sanitizer()
                gw.start()
                eventually(lambda: len(gw.logged("listening", since_mark=False)) == i + 2, gw.log_text)
        finally:
            load.stop()
        eventually(lambda: gw.counters()["sessions"] == 0, "sessions stay")
        gw.stop()
    with capsys.disabled():
        print(
            f"\n{backend}, {restarts} restarts: {dict(load.outcomes)}, "
            f"{len(load.sessions) / load.seconds:.0f} connects a second, the slowest session took {load.slowest:.2f} s"
        )
    assert set(load.outcomes) <= {"echoed", "told 1001", SLOW}
    assert load.outcomes[SLOW] <= len(load.sessions) / 10


# the sandbox of the units


GROUP, CAP_NET_BIND_SERVICE = 12345, 10
PR_SET_KEEPCAPS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 8, 47, 2


def become_nobody(groups=(), low_port=False):
    """As DynamicUser does: no group but those of SupplementaryGroups, no capability but perhaps the one of low ports."""
    if os.getuid() != 0:
        assert not groups and not low_port, "for this the tests must be run by root"
        return
    libc = seccomp.libc
    os.setgroups(groups)
    os.setresgid(65534, 65534, 65534)
    if low_port:
        assert libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0
    os.setresuid(65534, 65534, 65534)
    if low_port:
        mask = 1 << CAP_NET_BIND_SERVICE
        assert libc.capset(struct.pack("=Ii", 0x20080522, 0), struct.pack("=6I", mask, mask, mask, 0, 0, 0)) == 0
        assert libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0) == 0


CAPABILITIES = {"CAP_KILL": 5, "CAP_SETGID": 6, "CAP_SETUID": 7}
PR_CAPBSET_READ, PR_CAPBSET_DROP = 23, 24


def stay_root(bounding_set):
    """As User=root does: root, but of what root may only these capabilities."""
    assert os.getuid() == 0, "for this the tests must be run by root"
    kept = [CAPABILITIES[name] for name in bounding_set.split()]
    for i in range(64):
        if i not in kept and seccomp.libc.prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1:
            assert seccomp.libc.prctl(PR_CAPBSET_DROP, i, 0, 0, 0) == 0
    os.setgroups([])


@pytest.fixture
def open_dir():
    """A directory for the user nobody; pytest's own are closed to it."""
    with tempfile.TemporaryDirectory(prefix="wsluice-e2e-") as path:
        os.chmod(path, 0o777)
        yield Path(path)


def certificates(directory):
    """Those of this run as keys of a listener, in files that the user nobody can read; none without TLS."""
    if not gateway_module.over_tls:
        return {}
    keys = {}
    for key, path in certs.run_pair().keys.items():
        copy = directory / path.name
        copy.write_bytes(path.read_bytes())
        copy.chmod(0o644)
        keys[key] = copy
    return keys


def readable_key(directory, owner, group, modes):
    """The certificate and the key of this run in a directory for them, which is returned."""
    directory.mkdir()
    for name, path in {"certificate": certs.run_pair().certificate, "key": certs.run_pair().key}.items():
        copy = directory / name
        copy.write_bytes(path.read_bytes())
        os.chown(copy, owner, group)
        copy.chmod(modes[1])
    os.chown(directory, owner, group)
    directory.chmod(modes[0])
    return str(directory)


def second_listener(unit, directory):
    """What a drop-in is about, as keys of a listener of its own, and variables of the environment: a low port, a key for a
    group or one of systemd's credentials."""
    keys, variables = {"address": "127.0.0.1:0"}, {}
    if unit["AmbientCapabilities"][-1]:
        keys["address"] = f"127.0.0.1:{low_port()}"
    if "LoadCredential" in unit:
        assert [line.split(":")[0] for line in unit["LoadCredential"]] == ["certificate", "key"]
        variables["CREDENTIALS_DIRECTORY"] = readable_key(directory / "keys", 65534, 65534, (0o500, 0o400))
        keys.update(tls_certificate="%d/certificate", tls_key="%d/key")
    elif "ssl-cert" in unit.get("SupplementaryGroups", []):
        place = readable_key(directory / "keys", 0, GROUP, (0o750, 0o640))
        keys.update(tls_certificate=f"{place}/certificate", tls_key=f"{place}/key")
    return keys, variables


def check_run_as(gw, bounding_set):
    """The spawner is root with these rights, its programs are nobody without any."""
    mask = sum(1 << CAPABILITIES[name] for name in bounding_set.split())
    spawner = status_of(Path(f"/proc/{gw.spawner}/status").read_text())
    assert spawner["Uid"] == ["0"] * 4 and int(spawner["CapEff"][0], 16) == mask, spawner
    check_identity(program_status(gw), 65534, 65534, [65534])
    assert program_status(gw)["CapEff"] == [NONE]


# Opens the terminal that it is on by each of its names, and says whose it is; and that of unbuffer.
ON_TERMINAL = """sh -c ': >/dev/tty && : <"$(tty)" && stat -c %U "$(tty)"; exec cat'"""
UNBUFFERED = """sh -c '[ -t 1 ] && [ ! -t 0 ] && echo yes'"""


def check_terminal(gw):
    """The terminal is the program's user's, who can open it; it ends with its session."""
    with gw.ws("/terminal") as ws:
        said = b""
        while not said.endswith(b"\n"):
            said += ws.recv_message()[1]
        assert said.decode() == ("nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name) + "\r\n"
        pid = gw.programs()[0]
        ws.reset()
    eventually(lambda: not alive(pid), "the program lives on")
    with gw.ws("/unbuffered") as ws:
        assert ws.recv_text() == "yes"
        ws.recv_close(1000)


UNIT = "wsluice.service"
NO_PROGRAMS, NO_NETWORK = "wsluice.service.d/no-programs.conf", "wsluice.service.d/no-network.conf"
EVERY = sorted(
    f"wsluice.service.d/{path.name}" for path in (gateway_module.ROOT / "systemd/wsluice.service.d").iterdir()
)


@pytest.mark.parametrize(
    "units, limits",
    [
        ([UNIT], True),
        (["wsluice@.service"], True),
        ([UNIT], False),
        ([UNIT, NO_PROGRAMS, NO_NETWORK], True),
        *(([UNIT, drop_in], True) for drop_in in EVERY if drop_in != NO_NETWORK),
        *((["wsluice@.service", drop_in], True) for drop_in in EVERY if "low-port" in drop_in),
    ],
    ids=lambda value: "+".join(Path(name).stem for name in value) if isinstance(value, list) else str(value),
)
def test_system_calls_of_the_unit(activated, tcp, open_dir, units, limits):
    """Under the unit's filter and without any right the gateway does all of what the unit, or the drop-in, is for."""
    notify = Notify(open_dir / "notify")
    os.chmod(notify.path, 0o777)
    site = open_dir / "site"  # apart from keys, which the gateway would not serve
    site.mkdir()
    (site / "hello.txt").write_text("hello")
    place = open_dir / "gateway"
    place.mkdir()
    place.chmod(0o777)
    # The sanitizer's own wants: to trace itself when it looks for leaks, and to set a limit.
    asan = f"{ASAN}:log_path={place}/sanitizer:exitcode=86:detect_leaks=0:disable_coredump=0"
    unit = seccomp.directives(*units)
    enter = seccomp.filtered(*units, limits=limits)
    programs = NO_PROGRAMS not in units
    network = NO_NETWORK not in units
    as_root = unit.get("User") == ["root"]
    groups = [GROUP] if "SupplementaryGroups" in unit else []
    path = f"{open_dir}/backend"
    with service(echo, path=path) as unix, service(echo) as plain:
        os.chmod(path, 0o777)
        if "wsluice-backends" in unit.get("SupplementaryGroups", []):
            os.chown(path, 0, GROUP)
            os.chmod(path, 0o660)
        routes = {
            "route /static/*": {"static": site},
            "route /unix": {"connect": unix.uri},
            **({"route /tcp": {"connect": plain.uri.replace("127.0.0.1", "localhost")}} if network else {}),
            **(CAT if programs else {}),
        }
        listen = {**named("web"), **certificates(open_dir)}
        variables = {}
        if network:
            listen["address"] += ["127.0.0.1:0", f"unix:{open_dir}/own"]
            binder = [65534, 65534] if os.getuid() == 0 and not as_root else [os.getuid(), os.getgid()]
            listen["owner"] = "{}:{}".format(*binder)  # as it is
            routes["listen second"], variables = second_listener(unit, open_dir)

        gateway, run_as = {}, {"run_as": "nobody"} if as_root else {}
        if programs:
            routes["route /terminal"] = {"exec": ON_TERMINAL, "terminal": "yes", **run_as}
            routes["route /unbuffered"] = {"exec": UNBUFFERED, "unbuffer": "yes", **run_as}
        if as_root:
            gateway["user"] = "daemon"
            routes["route /ws"] = {"exec": "cat", "run_as": "nobody", "limit_files": "64", "limit_processes": "1000"}
            routes["route /status"] = {"exec": "cat /proc/self/status", "run_as": "nobody", "framing": "stream"}

        def before():
            if as_root:
                stay_root(unit["CapabilityBoundingSet"][-1])
            else:
                become_nobody(groups, bool(unit["AmbientCapabilities"][-1]))
            enter()

        gw = activated(
            routes, gateway=gateway, sockets=[("web", tcp)], listen=listen, before=before, checked=False,
            environment={"NOTIFY_SOCKET": notify.path, "ASAN_OPTIONS": asan, **variables}, place=place,
            tls=certs.run_context() if gateway_module.over_tls else None,
        )  # fmt: skip
        gw.take_baseline()
        for task in Path(f"/proc/{gw.pid}/task").iterdir():
            status = (task / "status").read_text()
            assert re.search(r"^Seccomp:\s2$", status, re.M)
            assert all(re.search(rf"^Cap{which}:\s0+$", status, re.M) for which in ("Eff", "Prm", "Inh", "Amb")), status
        notify.wait("READY", "1")
        ways = [(tcp.getsockname(), gw.context)]
        if network:
            _, own, second = (("127.0.0.1", int(a.rsplit(":", 1)[1])) for a in gw.addresses if "127.0.0.1" in a)
            has_key = "tls_key" in routes["listen second"]
            ways += [(own, gw.context), (second, certs.run_context() if has_key else None)]
        for way, tls in ways:
            with gw.connect(way, tls=tls) as raw:
                raw.send(wsraw.request("/static/hello.txt", host=f"{way[0]}:{way[1]}"))
                assert raw.response().body == b"hello"
        with gw.ws("/unix") as ws:
            ws.send_binary(b"x")
            assert ws.recv_bytes(1) == b"x"
            ws.close()
        if network:
            with gw.ws("/tcp", over=gw.connect(f"{open_dir}/own")) as ws:
                ws.send_binary(b"x")
                assert ws.recv_bytes(1) == b"x"
                ws.close()
        if as_root:
            check_run_as(gw, unit["CapabilityBoundingSet"][-1])
        if programs:
            echoes(gw)
            check_terminal(gw)
            ws = gw.ws("/ws")
            pid = gw.programs()[0]
            ws.reset()
            eventually(lambda: not alive(pid), "the program lives on")
        gw.check_idle()
        gw.stop()
    notify.close()


def test_owner_under_the_unit(activated, open_dir):
    """Nobody else's socket file is made there; the line says who can make one."""
    place = open_dir / "gateway"
    place.mkdir()
    place.chmod(0o777)
    enter = seccomp.filtered("wsluice.service")

    def before():
        become_nobody()
        enter()

    listen = {"address": f"unix:{open_dir}/own", "owner": "12345"}
    environment = NO_LEAKS
    error = refused(activated, [], listen, before=before, environment=environment, place=place, tls=False)
    assert "SocketUser=" in error["error"], error
    assert not (open_dir / "own").exists()
