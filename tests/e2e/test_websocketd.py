"""Started under the name websocketd: what scripts written for it expect; and its options under both names."""
import json
import os
import re
import shutil
import socket
import ssl
import subprocess

import certs
import pytest
import wsraw
from backends import black_hole, free_port
from gateway import EXIT, SECRET, Gateway, binary, descriptors_of, looked_after, run
from scripts import script
from wait import eventually

pytestmark = pytest.mark.plain_only  # what differs over TLS has a test of its own

LINE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}"
    r" \| (ACCESS|INFO  |ERROR |FATAL |TRACE |DEBUG ) \| (.{10,}?) \| ((?:[a-z_]+:'[^']*'(?: |(?= \| )))*) \| (.*)"
)
MIB = 1 << 20


class There(Gateway):
    """A gateway under that name, by a symbolic link; its log is websocketd's."""

    def parse_line(self, line):
        match = LINE.fullmatch(line.decode("ascii"))
        assert match, line
        level, category, fields, message = match.groups()
        return {"level": level.strip(), "category": category.strip(), "msg": message} | dict(
            re.findall(r"([a-z_]+):'([^']*)'", fields)
        )

    def find_addresses(self):
        assert self.process.poll() is None, f"exit {self.process.returncode} at start:\n{self.log_text()}"
        whole = self.log_text().rpartition("\n")[0]
        starts = re.findall(r"Starting WebSocket server   : (?:unix socket at (.*)|wss?://(.*)/)", whole)
        self.addresses = [f"unix:{path}" if path else place for path, place in starts]
        return self.addresses

    def words(self, category=None):
        """The levels and messages that came after the mark, of a category."""
        return [
            (e["level"], e["msg"])
            for e in self.log_lines()[self.marked :]
            if category in (None, e["category"]) and e["msg"] != "counters"
        ]


@pytest.fixture
def there(tmp_path):
    """there(options...): started on a free port of 127.0.0.1, unless told otherwise."""
    link = tmp_path / "websocketd"
    link.symlink_to(binary())
    with looked_after() as started:

        def start(*argv, where=("--address=127.0.0.1:0",), **options):
            it = There(tmp_path / f"there{len(started)}", argv=[*where, *argv], program=link, **options)
            it.checked = True
            started.append(it)
            it.take_baseline()
            it.find_addresses()  # each has a line of its own, and that of the counters is behind all of them
            it.mark()
            return it

        yield start


@pytest.fixture(params=["wsluice", "websocketd"])
def either(request, gateway, there):
    """The same options under both names."""

    def ours(*argv, **options):
        words = ["--address=127.0.0.1:0", "--set=gateway.log_format=json", *argv]
        return gateway(argv=words, **options)

    return ours if request.param == "wsluice" else there


def tcp_listeners(pid):
    """How many TCP sockets a process listens on."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{pid}/net/{table}") as lines:
            inodes |= {f"socket:[{line.split()[9]}]" for line in lines if line.split()[3] == "0A"}
    return sum(target in inodes for target in descriptors_of(pid).values())


def echo(gw, text="hello", path="/", **options):
    """A line there and back."""
    with gw.ws(path, **options) as ws:
        ws.send_text(text)
        assert ws.recv_text() == text
        ws.close()


def output(gw, path="/", **options):
    """The lines of a program that ends by itself."""
    lines = []
    with gw.ws(path, **options) as ws:
        while (got := ws.recv()).opcode != wsraw.CLOSE:
            lines.append(got.payload.decode())
        ws.answer_close(got)
    return lines


# defaults


def test_dump():
    """Every default that can be seen without port 80."""

    def dump(*argv):
        status, out, err = run("--dump", *argv, "cat", name="/usr/local/bin/websocketd")
        assert (status, err) == (0, "")
        return out

    for line in (
        "address = *:80",
        "console = no",
        "origins = any",
        "max_message = 1M",
        "pass_env = PATH",
        "pass_env = LD_LIBRARY_PATH",
        "max_processes = 1024",
    ):
        assert f"\n{line}\n" in dump(), line
    assert "\naddress = *:443\n" in dump(*certs.run_pair().options)
    assert "\naddress = *:80\n" in dump("--port=0")
    assert "*" not in re.search("address = .*", dump("--unixsocket=/x"))[0]


def test_every_address(there):
    """All of them, in one line of the log; any page may connect; there is no test page."""
    port = free_port()
    gw = there(f"--port={port}", "cat", where=())
    assert gw.addresses == [f"{socket.gethostname()}:{port}"]
    for host in ("127.0.0.1", "127.0.0.2", "::1"):
        echo(gw, over=gw.connect((host, port)), host=f"localhost:{port}", headers=[("Origin", "http://evil.example")])
    answer = gw.get("/")
    assert answer.status == 404 and b"--devconsole" in answer.body


def test_unixsocket_alone(there, tmp_path):
    """No TCP port but one that is asked for."""
    gw = there(f"--unixsocket={tmp_path}/s", "cat", where=())
    assert gw.addresses == [f"unix:{tmp_path}/s"] and tcp_listeners(gw.pid) == 0
    echo(gw, over=gw.connect(f"{tmp_path}/s"))
    beside = there(f"--unixsocket={tmp_path}/t", "cat")
    assert len(beside.addresses) == 2 and tcp_listeners(beside.pid) > 0
    echo(beside)
    echo(beside, over=beside.connect(f"{tmp_path}/t"))


def test_largest_message(there):
    """1 MiB, unless --maxframesize says otherwise."""
    gw = there("--binary", "cat")
    for size in (MIB - 1, MIB):
        with gw.ws() as ws:
            ws.send_binary(b"x" * size)
            assert ws.recv_bytes(size) == b"x" * size
            ws.close()
    with gw.ws() as ws:
        ws.send(wsraw.frame(wsraw.BINARY, b"", length=MIB + 1, form=64, mask=b"abcd"))
        ws.recv_close(1009)


@pytest.mark.parametrize("limit, size, allowed", [(0, MIB + 1, True), (5, 5, True), (5, 6, False)])
def test_maxframesize(either, limit, size, allowed):
    gw = either(f"--maxframesize={limit}", "--binary", "cat")
    with gw.ws() as ws:
        ws.send_binary(b"x" * size)
        if allowed:
            assert ws.recv_bytes(size) == b"x" * size
            ws.close()
        else:
            ws.recv_close(1009)


# statuses


def test_maxforks(there):
    """429 for the program that is one too many, and a place once another has ended."""
    gw = there("--maxforks=1", "cat")
    with gw.ws("/first") as ws:
        answer = gw.refused("/second", headers=[("X", SECRET)])
        assert (answer.status, answer.header("Retry-After")) == (429, "1")
        ws.close()
    line = gw.wait_log("Max of possible forks already active, upgrade rejected")
    assert (line["level"], line["category"], line["url"]) == ("ERROR", "http", f"http://{gw.host}/second")
    eventually(lambda: not gw.programs(), "the program is there")
    eventually(lambda: gw.counters()["children"] == 0, "its place is taken")
    echo(gw)


def test_other_limit(there):
    """Another 429 does not speak of forks."""
    gw = there("--set=max_sessions_per_ip=1", "cat")
    with gw.ws("/first") as ws:
        assert gw.refused("/second").status == 429
        ws.close()
    gw.wait_log("Unable to Upgrade: max_sessions_per_ip")
    assert "Max of possible forks" not in gw.log_text()


@pytest.mark.parametrize("n", ["0", "-1"])
def test_no_maxforks(either, n):
    gw = either(f"--maxforks={n}", "cat")
    with gw.ws() as one, gw.ws() as two:
        for ws in (one, two):
            ws.send_text("x")
            assert ws.recv_text() == "x"
            ws.close()


def test_redirport(there):
    """302 to the host that was asked for, path and query too; with TLS and without."""
    for options, scheme in ((certs.run_pair().options, "https"), ([], "http")):
        port, redirport = free_port(), free_port()
        context = certs.run_context() if options else False
        gw = there(
            *options,
            f"--port={port}",
            f"--redirport={redirport}",
            "cat",
            where=("--address=127.0.0.1",),
            tls=context,
        )
        with gw.connect(("127.0.0.1", redirport), tls=None) as raw:
            raw.send(wsraw.request("/a/b?c=d", host=f"localhost:{redirport}"))
            answer = raw.response()
        assert (answer.status, answer.header("Location")) == (302, f"{scheme}://localhost:{port}/a/b?c=d")
        echo(gw)
        assert gw.wait_log("REDIRECT")["url"] == f"http://localhost:{redirport}/a/b?***"
        assert gw.wait_log("CONNECT")["url"] == f"{scheme}://{gw.host}/"


def test_origins(there):
    """--sameorigin, --origin, and both: then both hold."""
    port = free_port()
    here, there_too, other = f"http://localhost:{port}", f"http://127.0.0.1:{port}", "http://evil.example"
    for options, allowed in (
        ([], {here, there_too, other}),
        (["--sameorigin"], {here}),
        ([f"--origin=127.0.0.1:{port},localhost:{port}"], {here, there_too}),
        (["--sameorigin", f"--origin=127.0.0.1:{port},localhost:{port}"], {here}),
        (["--sameorigin", f"--origin=127.0.0.1:{port}"], set()),
    ):
        gw = there(*options, f"--port={port}", "cat", where=("--address=127.0.0.1",))
        for origin in (here, there_too, other):
            asked = {"host": f"localhost:{port}", "headers": [("Origin", origin)]}
            if origin in allowed:
                echo(gw, **asked)
            else:
                assert gw.refused("/", **asked).status == 403
        gw.stop()


def test_host(there):
    """A proxy may pass on the name that it was asked for. Where not every page may connect, no foreign name leads here."""
    echo(there("cat"), host="www.example.org", headers=[("Origin", "http://evil.example")])
    for options in (["--sameorigin"], ["--origin=a.example"]):
        gw = there(*options, "cat")
        assert gw.refused("/", host="www.example.org").status == 421
        echo(gw)


# exit statuses


@pytest.mark.parametrize(
    "status, argv, words",
    [
        (2, ["--prot=1", "cat"], "unknown option --prot; did you mean --port?"),
        (2, ["--port=x", "cat"], '--port: must be a port from 0 to 65535, not "x"'),
        (1, [], "nothing to serve: give a COMMAND, --dir=DIR, --staticdir=DIR or --cgidir=DIR (see --help)"),
        (1, ["--port=1"], "nothing to serve: give a COMMAND, --dir=DIR, --staticdir=DIR or --cgidir=DIR (see --help)"),
        (1, ["no-such-command"], "exec: no-such-command: command not found"),
        (1, ["--loglevel=loud", "cat"], None),
        (1, ["--ssl", "cat"], "--ssl: needs --sslcert=FILE and --sslkey=FILE"),
        (1, ["--dir=/etc", "cat"], "give a COMMAND or --dir=DIR, not both"),
        (1, ["--dir=/no/such"], "--dir: /no/such: No such file or directory"),
        (1, ["--binary", "--passstderr", "cat"], None),
        (1, ["--maxframesize=-1", "cat"], None),
        (3, ["--ssl", "--sslcert=/no/such", "--sslkey=/etc/passwd", "cat"], None),
        (4, ["--devconsole", "--staticdir=/etc", "cat"], "give --devconsole or --staticdir, not both"),
        (4, ["--devconsole", "--cgidir=/etc", "cat"], "give --devconsole or --cgidir, not both"),
    ],
)
def test_mistakes(status, argv, words):
    """One line on stderr."""
    got = run(*argv, name="websocketd")
    assert (got[0], got[1], got[2].count("\n")) == (status, "", 1), got
    assert got[2].startswith("websocketd: ")
    assert words is None or got[2] == f"websocketd: {words}\n"


def test_port_in_use():
    """It has an exit status of its own, and is in the log."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        status, out, err = run("--address=127.0.0.1", f"--port={port}", "cat", name="websocketd")
    assert (status, err) == (3, "")
    assert re.search(
        rf"\| FATAL  \| server     \| address:'127\.0\.0\.1:{port}' error:'Address already in use' \| Can't start server",
        out,
    )


def test_prints():
    """Each where it goes there."""
    status, out, err = run("--version", name="/opt/websocketd")
    assert (status, err) == (0, "")
    assert re.fullmatch(r"websocketd \d+\.\d+\.\d+ \(wsluice linux-\w+\) --\n", out)
    status, license, err = run("--license", name="websocketd")
    assert (status, err) == (0, "") and license.startswith(out) and license.endswith("SUCH DAMAGE.\n")
    status, out, err = run("--help", name="websocketd")
    assert (status, out) == (0, "") and "--port=PORT" in err and "port, 80 by default" in err


def test_other_names():
    """Only the last part counts, and all of it."""
    for name in ("websocketd/wsluice", "websocketd.sh", "xwebsocketd"):
        assert run("--version", name=name)[1].startswith("wsluice "), name


# the environment of programs


def environment(gw, **options):
    return dict(line.split("=", 1) for line in output(gw, **options))


def test_environment(there):
    """Who it is, and which of its own variables are passed on: two, or those that are named."""
    mine = {"LD_LIBRARY_PATH": "/nowhere", "MINE": "1", "HTTPS": "no"}
    env = environment(there("env", environment=mine))
    assert re.fullmatch(r"websocketd/\d+\.\d+\.\d+.*", env["SERVER_SOFTWARE"])
    assert env["GATEWAY_INTERFACE"].startswith(("websocketd-CGI/", "CGI/"))
    assert (env["LD_LIBRARY_PATH"], env["PATH"]) == ("/nowhere", os.environ["PATH"])
    assert not {"MINE", "HOME", "LANG", "HTTPS"} & set(env)


def test_passenv(either):
    """Those that are named instead of the others; one that is not there is left out."""
    gw = either("--passenv", "MINE,HTTPS,NOT_THERE", "/usr/bin/env", environment={"MINE": "a b", "HTTPS": "no"})
    env = environment(gw)
    assert env["MINE"] == "a b" and not {"PATH", "HOME", "HTTPS", "NOT_THERE"} & set(env)


def test_passenv_of_nothing(either):
    """Not even the default, nor a variable of the word that says so in a file."""
    env = environment(either("--passenv=", "/usr/bin/env", environment={"none": "x", "LD_LIBRARY_PATH": "/nowhere"}))
    assert env["REMOTE_ADDR"] and not {"PATH", "LD_LIBRARY_PATH", "none", ""} & set(env)


# the log


def test_log_of_a_session(there):
    """Its two lines, in between what the program says on stderr; the query is masked, the client can't forge."""
    gw = there("sh", "-c", 'echo hi; echo "it\'s | odd" >&2; read x')
    with gw.ws(f"/a/b?token={SECRET}", headers=[("Origin", "http://a.example' | x")]) as ws:
        assert ws.recv_text() == "hi"
        line = gw.wait_log("it's | odd")
        assert (line["level"], line["category"]) == ("ERROR", "stderr")
        ws.close()
    end = gw.wait_log("DISCONNECT")
    begin = gw.logged("CONNECT")[0]
    assert begin == {
        "level": "ACCESS",
        "category": "session",
        "msg": "CONNECT",
        "url": f"http://{gw.host}/a/b?***",
        "id": line["id"],
        "remote": "127.0.0.1",
        "command": shutil.which("sh"),
        "origin": "http://a.example\\u0027 \\u007c x",
    }
    assert end == begin | {"msg": "DISCONNECT", "pid": end["pid"]} and int(end["pid"]) > 0
    assert gw.words("session") == [("ACCESS", "CONNECT"), ("ACCESS", "DISCONNECT")]


def test_log_of_requests(there, tmp_path):
    """Who answered them, and why an upgrade was not."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "page.html").write_text("page")
    for options, path, status, words in (
        (["cat"], "/x?y", 404, "NOT FOUND"),
        (["--devconsole", "cat"], "/x?y", 200, "DEVCONSOLE"),
        ([f"--staticdir={site}"], "/page.html", 200, "STATIC"),
        ([f"--staticdir={site}"], "/other", 404, "NOT FOUND"),
    ):
        gw = there(*options)
        assert gw.get(path).status == status
        url = f"http://{gw.host}{path}".replace("?y", "?***")
        assert gw.wait_log(words) == {"level": "ACCESS", "category": "http", "url": url, "msg": words}
        gw.stop()
    gw = there("--sameorigin", "cat")
    assert gw.refused("/", headers=[("Origin", "http://evil.example")]).status == 403
    line = gw.wait_log("Unable to Upgrade: origin not allowed: http://evil.example")
    assert (line["level"], line["category"]) == ("ACCESS", "session")


def test_log_of_a_program_that_cannot_start(there, tmp_path):
    """An error, with the reason."""
    path = script(tmp_path, "gone", "echo\n")
    gw = there(path)
    os.unlink(path)
    assert gw.refused("/").status == 502
    line = eventually(lambda: [e for e in gw.logged() if e["msg"].startswith("Unable to Upgrade: ")], gw.log_text)[0]
    assert (line["level"], line["category"]) == ("ERROR", "session") and "No such file" in line["msg"]


@pytest.mark.parametrize(
    "level, words",
    [
        ("access", {"CONNECT", "err", "DISCONNECT"}),
        ("info", {"err"}),
        ("error", {"err"}),
        ("fatal", set()),
        ("none", set()),
    ],
)
def test_loglevel(tmp_path, level, words):
    """Its levels in its order, on stdout; nothing is on stderr. What it begins with are lines of info."""
    link, sock = tmp_path / "websocketd", tmp_path / "s"
    link.symlink_to(binary())
    options = [f"--unixsocket={sock}", f"--loglevel={level}", "sh", "-c", "echo err >&2; echo out"]
    done = subprocess.Popen([link, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        eventually(lambda: sock.is_socket(), "no socket")
        with eventually(lambda: try_connect(sock), "no connection") as raw:
            raw.send(wsraw.upgrade("/"))
            assert raw.response().status == 101
            raw.recv_all()
        done.terminate()
        out, err = done.communicate(timeout=EXIT)
    finally:
        done.kill()
        done.wait()
    lines = [LINE.fullmatch(line) for line in out.decode().splitlines()]
    assert (done.returncode, err) == (0, b"") and all(lines), out
    said = [line.group(4) for line in lines]
    assert {word for word in said if word in ("CONNECT", "err", "DISCONNECT")} == words
    assert any(word.startswith("Starting WebSocket server") for word in said) == (level in ("access", "info"))
    assert said == [] or level not in ("fatal", "none")


def try_connect(path):
    """A connection, None as long as nobody listens."""
    try:
        return wsraw.connect(str(path))
    except ConnectionRefusedError:
        return None


def test_log_of_ours(tmp_path):
    """A format that is asked for is ours again, on stderr."""
    sock = tmp_path / "s"
    options = [f"--unixsocket={sock}", "--set=log_format=json", "cat"]
    done = subprocess.Popen(
        ["websocketd", *options], executable=binary(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        eventually(lambda: sock.is_socket(), "no socket")
        eventually(lambda: try_connect(sock), "no connection").sock.close()
        done.terminate()
        out, err = done.communicate(timeout=EXIT)
    finally:
        done.kill()
        done.wait()
    assert (done.returncode, out) == (0, b"")
    assert "listening" in [json.loads(line)["msg"] for line in err.splitlines()]


def test_log_of_a_name(there):
    """The client's, where it is looked up."""
    gw = there("--reverselookup", "cat")
    echo(gw)
    name = socket.getnameinfo(("127.0.0.1", 0), 0)[0]
    assert [gw.wait_log(words)["remote"] for words in ("CONNECT", "DISCONNECT")] == [name, name]


def test_log_of_who_left_before(there):
    """No session came of it, so none has ended."""
    with black_hole() as port:
        gw = there(f"--connect=tcp://127.0.0.1:{port}", "--set=connect_timeout=60s")
        raw = gw.connect()
        raw.send(wsraw.upgrade("/", host=gw.host))
        eventually(lambda: len(descriptors_of(gw.pid)) == len(gw.fds) + 2, "it connects to nobody")
        raw.drop()
        eventually(lambda: len(descriptors_of(gw.pid)) == len(gw.fds), "it is there still")
        assert gw.words("session") == []


# options, under both names


def test_dir(either, tmp_path):
    """Programs by their path."""
    script(tmp_path / "bin/sub", "tell", 'echo "$SCRIPT_NAME" "$PATH_INFO"\n')
    gw = either(f"--dir={tmp_path}/bin")
    assert output(gw, "/sub/tell/more") == ["/sub/tell /more"]
    assert gw.refused("/sub").status == 404
    assert gw.refused("/other").status == 404


def test_log_of_dir(there, tmp_path):
    """The program's file; what is not there."""
    script(tmp_path / "bin", "tell", "echo\n")
    gw = there(f"--dir={tmp_path}/bin")
    assert f"Serving from directory      : {tmp_path}/bin" in gw.log_text()
    output(gw, "/tell")
    assert gw.wait_log("CONNECT")["command"] == f"{tmp_path}/bin/tell"
    assert gw.refused("/other").status == 404
    assert gw.wait_log("NOT FOUND: script not found")["category"] == "session"


def test_passstderr(either):
    """Both outputs, tagged; stderr is in the log too."""
    gw = either("--passstderr", "sh", "-c", 'echo out; echo "e\\"r" >&2')
    got = [json.loads(line) for line in output(gw)]
    assert sorted(got, key=str) == [{"stream": "stderr", "data": 'e"r'}, {"stream": "stdout", "data": "out"}]
    eventually(lambda: 'e"r' in gw.log_text() or 'e\\"r' in gw.log_text(), gw.log_text)


def test_reverselookup(either):
    """REMOTE_HOST is a name; without it, and with =false, an address."""
    name = socket.getnameinfo(("127.0.0.1", 0), 0)[0]
    for options, host in (([], "127.0.0.1"), (["--reverselookup=false"], "127.0.0.1"), (["--reverselookup"], name)):
        env = environment(either(*options, "env"))
        assert (env["REMOTE_ADDR"], env["REMOTE_HOST"]) == ("127.0.0.1", host)


@pytest.mark.parametrize("ms, seconds, said", [("0", 60, "term"), ("20000", 0.5, "done")])
def test_closems(either, tmp_path, ms, seconds, said):
    """So much longer until the signal."""
    path = script(
        tmp_path,
        "slow",
        f'trap "echo term >{tmp_path}/said; kill $!; exit" TERM\n'
        f"echo ready\ncat >/dev/null\nsleep {seconds} & wait\necho done >{tmp_path}/said\n",
    )
    gw = either(f"--closems={ms}", "--set=stop_grace=60s", path)
    with gw.ws() as ws:
        assert ws.recv_text() == "ready"
        ws.close()
    eventually(lambda: not gw.programs(), "the program is there")
    assert (tmp_path / "said").read_text() == f"{said}\n"


def test_pingms(either):
    """A client that answers no ping is cut."""
    gw = either("--pingms=100", "cat")
    with gw.ws() as ws:
        assert ws.recv_frame().opcode == wsraw.PING
        ws.rest()
    eventually(lambda: not gw.programs(), "the program is there")


def test_binary(either):
    """Bytes as they are; =false is lines."""
    gw = either("--binary", "cat")
    with gw.ws() as ws:
        ws.send_binary(b"\0a\n\xff")
        assert ws.recv_bytes(4) == b"\0a\n\xff"
        ws.close()
    echo(either("--binary=false", "cat"))


def test_sslca(there, tmp_path):
    """Clients need a certificate."""
    authority = certs.Authority(tmp_path / "people", "People")
    context = certs.client_context(pair=authority.issue("alice", names=()))
    gw = there(*certs.run_pair().options, f"--sslca={authority.certificate}", "cat", tls=context)
    echo(gw)
    with pytest.raises((ssl.SSLError, ConnectionError, EOFError, AssertionError)):
        echo(gw, over=gw.connect(tls=certs.run_context()))


CGI = "printf 'Content-Type: text/plain\\nContent-Length: 4\\n\\ncgi\\n'\n"


@pytest.fixture
def places(tmp_path):
    """A directory of CGI programs and one of files, with a name in common."""
    for name, text in {
        "both": CGI,
        "sub/tell": CGI,
        "env": "printf 'Status: 200\\n\\n'; env\n",
        "silent": "exit 0\n",
        "words": "echo hello\n",
        "local": "printf 'Location: /both\\n\\n'\n",
        "wait": "printf 'Status: 200\\n\\n'; read x\n",
    }.items():
        script(tmp_path / "cgi" / os.path.dirname(name), os.path.basename(name), text)
    script(tmp_path / "cgi", "lost", "").write_text("#!/no/such/interpreter\n")
    (tmp_path / "cgi/data").write_text("no program")
    (tmp_path / "site/sub").mkdir(parents=True)
    for name in ("both", "page", "data"):
        (tmp_path / "site" / name).write_text("file\n")
    return [f"--cgidir={tmp_path}/cgi", f"--staticdir={tmp_path}/site"]


def test_cgidir_before_staticdir(either, places):
    """A path that leads to a program is run, any other is a file's; an upgrade is the command's."""
    gw = either(*places, "cat")
    for path, body in (("/both", b"cgi\n"), ("/both?x", b"cgi\n"), ("/sub/tell", b"cgi\n"), ("/page", b"file\n")):
        assert (answer := gw.get(path)).status == 200 and answer.body == body
    for path in ("/nothing", "/sub/nothing", "/../cgi/both"):
        assert gw.get(path).status in (400, 404)
    assert gw.get("/data").body == b"file\n"
    echo(gw, path="/both")


def test_cgidir_and_origins(there, places):
    """Pages of any origin may send something to a program, unless an option says otherwise."""
    for options, status in (([], 200), (["--origin=a.example"], 403), (["--sameorigin"], 403)):
        gw = there(*places, *options)
        for headers, wanted in (([("Origin", "http://evil.example")], status), ([], 200)):
            sent = wsraw.request("/both", "POST", gw.host, headers=[*headers, ("Connection", "close")])
            assert gw.http(sent).status == wanted
        gw.stop()


def test_cgidir_alone(either, places):
    """Nothing but programs: no page, no file, no WebSocket."""
    gw = either(places[0])
    assert gw.get("/both").body == b"cgi\n"
    for path in ("/", "/page", "/data", "/sub"):
        assert gw.get(path).status == 404
    assert gw.refused("/both").status == 404


def test_cgidir_and_console(either, places):
    """Under our name the console is there for what is no program; under that name not."""
    gw = either(places[0], "cat")
    there = isinstance(gw, There)
    assert gw.get("/both").body == b"cgi\n"
    assert gw.get("/").status == (404 if there else 200)


def test_cgidir_statuses(there, gateway, places):
    """What is no answer is the server's error there; a path in Location is the client's to follow."""
    ours = gateway(argv=["--address=127.0.0.1:0", "--set=gateway.log_format=json", *places])
    for gw, broken in ((there(*places), 500), (ours, 502)):
        for path in ("/silent", "/words", "/lost"):
            assert gw.get(path).status == broken, path
        answer = gw.get("/local")
        if gw is ours:
            assert (answer.status, answer.body) == (200, b"cgi\n")
        else:
            assert (answer.status, answer.header("Location")) == (302, "/both")


def test_cgidir_and_maxforks(there, places):
    """They count as programs."""
    gw = there(*places, "--maxforks=1", "cat")
    with gw.connect() as raw:
        raw.send(wsraw.request("/wait", "POST", gw.host, headers=[("Content-Length", "1")]))
        eventually(lambda: len(gw.programs()) == 1, "it runs")
        assert gw.get("/both").status == 429
        assert gw.refused("/").status == 429
        assert gw.get("/page").status == 200
        raw.send(b"x")
        assert raw.response().status == 200
    eventually(lambda: gw.counters()["children"] == 0, "its place is taken")
    assert gw.get("/both").status == 200


def test_cgidir_environment(there, places, tmp_path):
    """As Go's CGI has it."""
    gw = there(*places, "--passenv=MINE", environment={"MINE": "mine", "HTTPS": "on"})
    body = gw.get("/env?a=b", headers=[("X-A", "1"), ("Proxy", "evil")]).text
    env = dict(line.split("=", 1) for line in body.splitlines())
    for name in ("PWD", "UNIQUE_ID", "WSLUICE_SESSION", "REMOTE_PORT"):
        assert env.pop(name)
    assert env == {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SERVER_SOFTWARE": f"websocketd/{run('--version')[1].split()[1]}",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": str(gw.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": "/env?a=b",
        "SCRIPT_NAME": "",
        "SCRIPT_FILENAME": f"{tmp_path}/cgi/env",
        "PATH_INFO": "/env",
        "QUERY_STRING": "a=b",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_HOST": "127.0.0.1",
        "HTTP_HOST": gw.host,
        "HTTP_CONNECTION": "close",
        "HTTP_X_A": "1",
        "WSLUICE_ROUTE": "/*",
        "MINE": "mine",
    }


def test_log_of_cgi(there, places):
    """Who answered."""
    gw = there(*places)
    assert gw.get("/both?x").status == 200
    url = f"http://{gw.host}/both?***"
    assert gw.wait_log("CGI") == {"level": "ACCESS", "category": "http", "url": url, "msg": "CGI"}
    for path, why in (("/silent", "the program printed nothing"), ("/words", "what the program printed is no head")):
        assert gw.get(path).status == 500
        assert gw.wait_log(f"CGI: {why}")["url"] == f"http://{gw.host}{path}"


@pytest.mark.parametrize("name", ["wsluice", "websocketd"])
def test_cgidir_apart_from_staticdir(name, tmp_path):
    """Else anybody could read the programs; no start, either way round."""
    inner = tmp_path / "site/cgi-bin"
    script(inner, "tell", CGI)
    for cgi, site in ((inner, tmp_path / "site"), (tmp_path / "site", inner), (inner, inner)):
        options = ("--port=0", "--address=127.0.0.1", f"--cgidir={cgi}", f"--staticdir={site}")
        for argv in (options, ("--check", *options)):
            status, out, err = run(*argv, name=name)
            cannot_start = 3 if name == "websocketd" and argv is options else 1
            assert status == cannot_start and "anybody could download programs" in out + err, (argv, out, err)


def test_all_together(there, tmp_path):
    """A command line with most of them."""
    site, port = tmp_path / "site", free_port()
    site.mkdir()
    (site / "index.html").write_text("page")
    script(tmp_path / "bin", "tell", 'echo "$MINE"; echo err >&2; read x\n')
    gw = there(
        f"--port={port}",
        f"--unixsocket={tmp_path}/s",
        "--origin=a.example",
        "--passenv=MINE,PATH",
        "--passstderr",
        "--reverselookup=false",
        f"--dir={tmp_path}/bin",
        f"--staticdir={site}",
        "--maxforks",
        "1",
        "--maxframesize=10",
        "--closems=1",
        "--pingms=60000",
        "--header=X-A: 1",
        "--header-ws=X-B: 2",
        "--header-http=X-C: 3",
        "--loglevel=access",
        where=("--address=127.0.0.1",),
        environment={"MINE": "mine"},
    )
    page = gw.get("/")
    assert (page.body, page.header("X-A"), page.header("X-B"), page.header("X-C")) == (b"page", "1", None, "3")
    headers = [("Origin", "http://a.example")]
    with gw.ws("/tell", over=gw.connect(f"{tmp_path}/s"), headers=headers) as ws:
        assert (ws.answer.header("X-A"), ws.answer.header("X-B"), ws.answer.header("X-C")) == ("1", "2", None)
        got = [json.loads(ws.recv_text())["data"] for _ in range(2)]
        assert sorted(got) == ["err", "mine"]
        assert gw.refused("/tell", headers=headers).status == 429
        ws.send_text("x" * 11)
        ws.recv_close(1009)
    assert gw.refused("/tell", headers=[("Origin", "http://b.example")]).status == 403
