"""Started under the name websockify: what scripts and clients written for it expect. What is the same of the real one
(Debian's package websockify) is asked of both."""
import base64
import os
import signal
import socket
import ssl
import subprocess
from pathlib import Path

import certs
import pytest
import wsraw
from backends import closed_port, echo, free_port, sends, service
from gateway import EXIT, SECRET, START, Gateway, alive, binary, looked_after, run
from wait import eventually

pytestmark = pytest.mark.plain_only  # what is about TLS says so itself

JSON = "--set=gateway.log_format=json"
REAL = Path("/usr/bin/websockify")


def target(it):
    """HOST:PORT of a service."""
    return it.uri.removeprefix("tcp://")


@pytest.fixture
def there(tmp_path):
    """there(options...): a gateway of this name, on a free port of 127.0.0.1 unless told otherwise."""
    link = tmp_path / "websockify"
    link.symlink_to(binary())
    with looked_after() as started:

        def start(*argv, source=("127.0.0.1:0",), ends=False, **options):
            """ends: it ends by itself, and is not asked to."""
            it = Gateway(
                tmp_path / f"there{len(started)}", argv=[JSON, *source, *argv], program=link, tls=False, **options
            )
            it.checked = not ends
            started.append(it)
            if it.checked:
                it.take_baseline()
                it.mark()
            return it

        yield start


class Real:
    """The real one, as far as clients see it."""

    def __init__(self, directory, *argv):
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        directory.mkdir()
        with open(directory / "log", "wb") as log:
            self.process = subprocess.Popen(
                [REAL, self.host, *argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=directory,
                start_new_session=True,
            )
        eventually(self.listens, lambda: (directory / "log").read_text(), START)

    def listens(self):
        assert self.process.poll() is None
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def connect(self):
        return wsraw.connect(("127.0.0.1", self.port))

    def stop(self):
        """By KILL, its children too: what its handler of TERM raises gets lost where it is forking, and it goes on."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(EXIT)


@pytest.fixture(params=["wsluice", pytest.param("real", marks=pytest.mark.skipif(not REAL.exists(), reason="none"))])
def either(request, there, tmp_path):
    """The same options to ours and to the real one."""
    if request.param == "wsluice":
        yield there
        return
    started = []

    def start(*argv, ends=False):
        started.append(Real(tmp_path / f"real{len(started)}", *argv))
        return started[-1]

    yield start
    for it in started:
        it.stop()


def shake(gw, path="/", over=None, headers=(("Sec-WebSocket-Protocol", "binary"),), host="localhost"):
    """An open WebSocket connection to either of them."""
    raw = over or gw.connect()
    raw.send(wsraw.upgrade(path, host, headers=headers))
    answer = raw.response()
    assert answer.status == 101, answer
    raw.protocol = answer.header("Sec-WebSocket-Protocol")
    return raw


def check_echo(gw, data=b"hello", **options):
    with shake(gw, **options) as ws:
        ws.send_binary(data)
        assert ws.recv_bytes(len(data)) == data
        ws.close()


# the same there


def test_bytes(either):
    """Pages of any origin and any host; binary is agreed on; every byte, in messages of any size, both ways."""
    data = os.urandom(1 << 20)
    with service(echo) as it:
        gw = either(target(it))
        with shake(
            gw,
            "/websockify",
            headers=[("Sec-WebSocket-Protocol", "binary"), ("Origin", "http://evil.example")],
            host="any.example",
        ) as ws:
            assert ws.protocol == "binary"
            for at in range(0, len(data), 1 << 16):
                ws.send_binary(data[at : at + (1 << 16)])
                assert ws.recv_bytes(1 << 16) == data[at : at + (1 << 16)]
            ws.send_close(1000)
            got = ws.recv()
            assert (got.opcode, got.code) == (wsraw.CLOSE, 1000)
        eventually(lambda: it.at_eof == 1, "the service's connection stays")


def test_no_subprotocol(either):
    with service(echo) as it, shake(either(target(it)), headers=()) as ws:
        assert ws.protocol is None
        ws.send_binary(b"x")
        assert ws.recv_bytes(1) == b"x"
        ws.send_close(1000)
        assert ws.recv().opcode == wsraw.CLOSE


def test_target_closes(either):
    """What it sent arrives, then 1000."""
    with service(sends(b"x" * 100000)) as it, shake(either(target(it))) as ws:
        assert ws.recv_bytes(100000) == b"x" * 100000
        got = ws.recv()
        assert (got.opcode, got.code) == (wsraw.CLOSE, 1000)


def test_target_unreachable(either):
    """The handshake is answered, then the session is closed with a reason."""
    with shake(either(f"127.0.0.1:{closed_port()}")) as ws:
        got = ws.recv()
        assert got.opcode == wsraw.CLOSE and got.code in (1011, 1014) and got.reason


def test_plain_requests(either, tmp_path):
    """Files of --web, and 405 where there are none."""
    (tmp_path / "web").mkdir()
    (tmp_path / "web/vnc.html").write_text("<p>vnc")
    for argv, path, status in (
        ((f"--web={tmp_path}/web",), "/vnc.html?path=x", 200),
        ((f"--web={tmp_path}/web",), "/nothing", 404),
        ((), "/", 405),
    ):
        gw = either("127.0.0.1:1", *argv)
        with gw.connect() as raw:
            raw.send(wsraw.request(path, headers=[("Connection", "close")]))
            answer = raw.response()
            assert answer.status == status
            assert status != 200 or answer.body == b"<p>vnc"


def test_tokens(either, tmp_path):
    """Lines of a file pick the target; what is no token reaches none. The file is read again."""
    file = tmp_path / "tokens"
    with service(echo) as one, service(sends(b"two")) as two:
        file.write_text(f"# comment\none: {target(one)}\n")
        gw = either("--token-plugin", "TokenFile", "--token-source", str(file))
        check_echo(gw, path="/?token=one")
        for path in ("/", "/?token=two", "/one", f"/?token=../{SECRET}"):
            with gw.connect() as raw:
                raw.send(wsraw.upgrade(path, headers=[("Sec-WebSocket-Protocol", "binary")]))
                assert b" 101 " not in raw.rest().split(b"\r\n")[0]
        file.write_text(f"one: {target(one)}\ntwo: {target(two)}\n")
        with shake(gw, "/websockify?token=two") as ws:
            assert ws.recv_bytes(3) == b"two"
            assert ws.recv().code == 1000


def test_unix_target(either, tmp_path):
    with service(echo, path=tmp_path / "s") as it:
        check_echo(either(f"--unix-target={it.uri.removeprefix('unix:')}"))


def test_run_once(either, tmp_path):
    """It exits with 0 after one session; a plain request is none, and who comes after it finds nobody."""
    (tmp_path / "file").write_text("x")
    with service(echo) as it:
        gw = either("--run-once", f"--web={tmp_path}", target(it), ends=True)
        with gw.connect() as raw:
            raw.send(wsraw.request("/file", headers=[("Connection", "close")]))
            assert raw.response().status == 200
        with shake(gw) as ws:
            ws.send_binary(b"once")
            assert ws.recv_bytes(4) == b"once"
            ws.send_close(1000)
            assert ws.recv().opcode == wsraw.CLOSE
        assert gw.process.wait(EXIT) == 0
        with pytest.raises(ConnectionRefusedError):
            gw.connect()


# when it ends


def test_run_once_and_others(there):
    """Who comes meanwhile is told so; a target that is not there has had no session; and none is let in at the end."""
    gw = there("--run-once", f"127.0.0.1:{closed_port()}", ends=True)
    with shake(gw) as ws:
        assert ws.recv().code == 1014
    gw.wait_log("session ended")
    with service(echo) as it:
        gw = there("--run-once", target(it), ends=True)
        with shake(gw) as ws:
            with shake(gw) as other:
                got = other.recv()
                assert got.code == 1013 and got.reason.startswith("All sessions are taken")
            ws.send_binary(b"x")
            assert ws.recv_bytes(1) == b"x"
            ws.close()
        assert gw.exited() == 0
        assert "--run-once" in gw.log_text()


def test_run_once_is_once(there):
    """However many may be there at a time: when one was served nobody else is let in."""
    with service(echo) as it:
        gw = there("--run-once", "--set=gateway.max_sessions=9", target(it), ends=True)
        check_echo(gw)
        gw.wait_log("session ended")
        try:
            with shake(gw) as late:
                assert late.recv().code in (1013, 1001), "who is told the one may be met by the end"
        except (OSError, EOFError):
            pass  # nobody listens any more
        assert gw.exited() == 0
        assert len(it.connections) == 1


def test_timeout(there):
    """With nobody there it ends then; a session goes on, while nobody else comes in."""
    with service(echo) as it:
        alone = there("--timeout=3", target(it), ends=True)
        gw = there("--timeout=6", "--set=handshake_timeout=1h", target(it), ends=True)
        with shake(gw) as ws:
            idle = gw.connect()  # no session: it is not waited for
            gw.wait_log("ending")
            eventually(lambda: refused(gw), "it still lets somebody in")
            ws.send_binary(b"still here")
            assert ws.recv_bytes(10) == b"still here"
            idle.ended()  # though it had an hour
            assert gw.process.poll() is None
            ws.close()
        assert gw.exited() == 0
        assert alone.exited() == 0


def test_timeout_then_stopped(there):
    """One that only waits for its last session is stopped by a signal like any other."""
    with service(echo) as it:
        gw = there("--timeout=6", target(it), ends=True)
        with shake(gw) as ws:
            gw.wait_log("ending")
            gw.signal(signal.SIGTERM)
            assert ws.recv_close(1001)
        assert gw.exited() == 0


def refused(gw):
    """Does nobody listen any more?"""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", gw.port)) != 0


def test_idle_timeout(there):
    """After the last one it ends, with 0."""
    with service(echo) as it:
        gw = there("--idle-timeout=6", target(it), ends=True)
        check_echo(gw)
        assert gw.exited() == 0
        assert "--idle-timeout" in gw.log_text()


# TLS


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A certificate and its key in one file, as it is mostly done there."""
    path = tmp_path_factory.mktemp("cert") / "self.pem"
    made = certs.run_pair()
    path.write_text(made.certificate.read_text() + made.key.read_text())
    return path


def over_tls(gw, context=None):
    return wsraw.connect(("127.0.0.1", gw.port), tls=context or certs.run_context(), name="localhost")


def test_tls_and_plain_on_one_port(there, pair):
    with service(echo) as it:
        gw = there(f"--cert={pair}", target(it))
        check_echo(gw)
        check_echo(gw, over=over_tls(gw))
        check_echo(gw)


def test_default_certificate(there, pair, tmp_path):
    """self.pem, where it is started."""
    (tmp_path / "there0").mkdir()
    (tmp_path / "there0/self.pem").write_text(pair.read_text())
    with service(echo) as it:
        gw = there(target(it))
        check_echo(gw, over=over_tls(gw))
        check_echo(gw)


def test_ssl_only(there, pair):
    """A plain request gets no answer that could be taken for one."""
    with service(echo) as it:
        gw = there(f"--cert={pair}", "--ssl-only", target(it))
        check_echo(gw, over=over_tls(gw))
        with gw.connect() as raw:
            raw.send(wsraw.upgrade())
            assert b"101" not in raw.rest()


def test_verify_client(there, pair):
    """Only who shows a certificate of the authority, and nobody without TLS."""
    shown = certs.run_authority().issue("client of websockify", names=())
    with service(echo) as it:
        gw = there(f"--cert={pair}", "--verify-client", f"--cafile={certs.run_authority().certificate}", target(it))
        check_echo(gw, over=over_tls(gw, certs.client_context(pair=shown)))
        for raw in (gw.connect(), over_tls(gw)):
            with raw:
                assert b"101" not in answer_of(raw)


def answer_of(raw):
    """What comes until the end, also when that is an alert or a reset."""
    try:
        raw.send(wsraw.upgrade())
        return raw.rest()
    except OSError:
        return b""


def test_ssl_target(there, tmp_path):
    """Its certificate has to be valid, unless somebody says otherwise."""
    made = certs.run_pair()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.certificate, made.key)

    def handler(it, sock):
        try:
            with context.wrap_socket(sock, server_side=True) as tls:
                echo(it, tls)
        except OSError:
            pass

    with service(handler) as it:
        where = "localhost:" + it.uri.rsplit(":", 1)[1]
        gw = there("--ssl-target", where)
        with shake(gw) as ws:
            assert ws.recv().code == 1014
        check_echo(there("--ssl-target", f"--set=tls_ca={certs.run_authority().certificate}", where))
        check_echo(there("--ssl-target", "--set", "tls_verify=no", where))


# what else there is


def test_unix_listen(there, tmp_path):
    with service(echo) as it:
        gw = there(f"--unix-listen={tmp_path}/s", target(it), source=())
        assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600
        check_echo(gw, over=wsraw.connect(f"{tmp_path}/s"))


@pytest.mark.parametrize(
    "offered, answered",
    [("base64, binary", "binary"), ("base64", "base64"), ("mqtt", None)],
)
def test_subprotocols(there, offered, answered):
    """binary before base64, whose messages are text; no other."""
    with service(echo) as it, shake(there(target(it)), headers=[("Sec-WebSocket-Protocol", offered)]) as ws:
        assert ws.protocol == answered
        if answered == "base64":
            ws.send_text(base64.b64encode(b"\0\xff").decode())
            assert base64.b64decode(ws.recv_text()) == b"\0\xff"
            assert it.received == b"\0\xff"
        ws.close()


def test_no_listing(there, tmp_path):
    (tmp_path / "web/sub").mkdir(parents=True)
    (tmp_path / "web/sub/secret.txt").write_text("x")
    with there("127.0.0.1:1", f"--web={tmp_path}/web").connect() as raw:
        raw.send(wsraw.request("/sub/", headers=[("Connection", "close")]))
        answer = raw.response()
        assert answer.status == 404 and b"secret" not in answer.body


def test_advice(there):
    """A refusal names options that there are under this name."""
    gw = there("127.0.0.1:1", "--set=origins=same")
    assert "--web=DIR on the command line" in gw.get("/").text
    answer = gw.refused(headers=[("Origin", "http://evil.example")])
    assert answer.status == 403 and "--set origins=same --set origins=http://evil.example on" in answer.text


def test_host_token(there, tmp_path):
    with service(echo) as it:
        (tmp_path / "tokens").write_text(f"desk.example: {target(it)}\n")
        gw = there("--target-config", tmp_path / "tokens")
        by_host = there("--token-plugin=TokenFile", f"--token-source={tmp_path}/tokens", "--host-token")
        check_echo(gw, path="/?token=desk.example")
        check_echo(by_host, host="desk.example:6080")
        assert by_host.refused(host="else.example").status == 404


# the background


def processes_of(directory):
    """The pids of the processes whose working directory that is."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.readlink(entry / "cwd") == str(directory) and alive(int(entry.name)):
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            pass
    return found


def test_daemon(tmp_path):
    """Whoever starts it goes on when it serves; it has no terminal and no stream of theirs, and a signal stops it."""
    port = free_port()
    words = ("-D", f"127.0.0.1:{port}", "--log-file=log")
    with service(echo) as it:
        status, out, err = run(*words, target(it), name="websockify", cwd=tmp_path)
        assert (status, out) == (0, "") and "listening" in err
        (pid,) = processes_of(tmp_path)
        try:
            with shake(None, over=wsraw.connect(("127.0.0.1", port))) as ws:
                ws.send_binary(b"x")
                assert ws.recv_bytes(1) == b"x"
                ws.close()
            for fd in range(3):
                assert os.readlink(f"/proc/{pid}/fd/{fd}") == "/dev/null"
            assert os.getsid(pid) not in (pid, os.getsid(0))
            second = run(*words, target(it), name="websockify", cwd=tmp_path)
            assert second[0] == 1, "the port is taken"
            eventually(lambda: processes_of(tmp_path) == [pid], lambda: f"{processes_of(tmp_path)} instead of {pid}")
        finally:
            os.kill(pid, signal.SIGTERM)
            eventually(lambda: not alive(pid), "it does not stop")
    assert "stopped" in (tmp_path / "log").read_text()


def test_daemon_that_can_not_start(tmp_path):
    """The status and the words of what is wrong reach who started it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        status, _, err = run("--daemon", address, "127.0.0.1:1", name="websockify", cwd=tmp_path)
    assert status == 1 and "cannot listen" in err and address in err
    eventually(lambda: not processes_of(tmp_path), lambda: f"{processes_of(tmp_path)} are left")


def test_mistakes():
    """In one line, with status 2."""
    for argv, words in (
        (("6080",), "something is missing"),
        (("6080", "--", "Xvnc"), "no program is wrapped"),
        (("--record=x", "6080", "h:1"), "--record: is refused"),
    ):
        status, out, err = run(*argv, name="/usr/bin/websockify")
        assert (status, out) == (2, "") and err.startswith("websockify: ") and words in err
        assert err.count("\n") == 1
