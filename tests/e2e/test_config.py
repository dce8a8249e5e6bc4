"""The command line and the ini file: mistakes named one by one, nothing half-started, what --dump prints reads back."""
import re
import socket
import subprocess

import backends
import pytest
import wsraw
from gateway import ROOT, START, binary, run
from scripts import script
from wait import eventually


@pytest.fixture
def ini(tmp_path):
    """Writes an ini file and returns its path."""

    def write(text, name="test.ini"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def one_line(text):
    assert text.endswith("\n") and text.count("\n") == 1, text
    return text


# command line


@pytest.mark.parametrize(
    "argv,words",
    [
        ([], "COMMAND"),
        (["--port=8080"], "COMMAND"),
        (["--nonsense", "cat"], "--nonsense"),
        (["--prot=80", "cat"], "--port"),
        (["--port=http", "cat"], "http"),
        (["--port=65536", "cat"], "65536"),
        (["--port=-1", "cat"], "-1"),
        (["--port", "", "cat"], "port"),
        (["--port"], "--port"),
        (["--connect=127.0.0.1:1"], "127.0.0.1:1"),
        (["--connect=ftp://localhost:1"], "ftp"),
        (["--connect=tcp://localhost"], "tcp://localhost"),
        (["--connect=tcp://127.0.0.1:1", "cat"], "connect"),
        (["--set", "framing=nonsense", "cat"], "nonsense"),
        (["--set", "farming=lines", "cat"], "framing"),
        (["--set", "framing", "cat"], "framing"),
        (["--set", "nowhere.max_sessions=1", "cat"], "nowhere"),
        (["--loglevel=loud", "cat"], "loud"),
        (["--config=a", "cat"], "a COMMAND does not go with --config"),
        (["--config=a", "--port=1"], "--port"),
        (["--origin=http://", "cat"], "http://"),
        (["--header=nonsense", "cat"], "nonsense"),
    ],
)
def test_mistakes(argv, words):
    """One line on stderr that names what is wrong, exit 2."""
    status, out, err = run(*argv)
    assert (status, out) == (2, ""), err
    assert words in one_line(err)


def test_a_missing_program_is_named():
    status, out, err = run("--port=0", "no-such-program-here", "x")
    assert status in (1, 2) and out == ""
    assert "no-such-program-here" in one_line(err)


def test_a_program_that_may_not_run(tmp_path):
    path = tmp_path / "plain"
    path.write_text("#!/bin/sh\n")
    status, _, err = run("--port=0", path)
    assert status in (1, 2) and str(path) in one_line(err)
    status, _, err = run("--port=0", tmp_path)
    assert status in (1, 2) and str(tmp_path) in one_line(err)


def test_help():
    for option in ("--help", "--help-config", "--version", "--license"):
        status, out, err = run(option)
        assert (status, err) == (0, "")
        assert len(out) > 5
    assert "--connect" in run("--help")[1] and "--port" in run("--help")[1]
    assert re.match(r"wsluice \d+\.\d+", run("--version")[1])
    license = run("--license")[1]
    assert "Redistribution and use" in license
    for key in ("max_sessions", "handshake_timeout", "stop_grace"):
        assert key in run("--help-config")[1]


def test_help_does_not_need_the_rest_to_be_right():
    assert run("--help", "--port=x")[0] in (0, 2)


def test_full_stdout_is_an_error():
    with open("/dev/full", "w") as full:
        done = subprocess.run([binary(), "--help-config"], stdout=full, stderr=subprocess.PIPE, timeout=START)
    assert done.returncode == 1 and b"No space" in done.stderr


def serves(gateway, *argv, **options):
    """A gateway of a command line."""
    return gateway(argv=["--set", "gateway.log_format=json", *argv], **options)


def test_command(gateway):
    """Everything after the command is its own; every path is served."""
    gw = serves(gateway, "--port=0", "printf", "%s|", "--port=1", "a b", "$HOME", "${HOME}", "*")
    for path in ("/", "/any/path?x=1"):
        with gw.ws(path) as ws:
            assert ws.recv_text() == "--port=1|a b|$HOME|${HOME}|*|"
            ws.recv_close(1000)


def test_words_after_two_dashes(gateway):
    gw = serves(gateway, "--port", "0", "--", "printf", "--", "x")
    with gw.ws("/") as ws:
        assert ws.recv_text() == "x"
        ws.recv_close(1000)


def test_defaults_of_the_command_line(gateway):
    """Loopback, the console for a plain request, same origin, lines."""
    gw = serves(gateway, "--port=0", "cat")
    assert len(gw.addresses) == 1 and gw.addresses[0].startswith("127.0.0.1:")
    assert gw.get("/").body == (ROOT / "src/gate/console.html").read_bytes()
    assert gw.refused("/", headers=[("Origin", "https://evil.example")]).status == 403
    with gw.ws("/websockify", headers=[("Origin", gw.origin)]) as ws:
        ws.send_text("x")
        assert ws.recv_text() == "x"
        ws.close()


def test_path_info_of_the_command_line(gateway):
    gw = serves(gateway, "--port=0", "printenv", "PATH_INFO")
    with gw.ws("/a/b") as ws:
        assert ws.recv_text() == "/a/b"
        ws.recv_close(1000)


def test_connect(gateway):
    with backends.service(backends.echo) as it:
        gw = serves(gateway, "--port=0", f"--connect={it.uri}")
        with gw.ws("/mqtt") as ws:
            ws.send_text("x")
            assert ws.recv_message() == (wsraw.BINARY, b"x")
            ws.close()


def test_set(gateway):
    """A route key, a listener's, the gateway's, a list that grows."""
    gw = serves(
        gateway,
        "--port=0",
        "--set",
        "framing=records",
        "--set=max_header=2k",
        "--set",
        "gateway.max_sessions=1",
        "--set",
        "subprotocols=b",
        "--set",
        "subprotocols=a",
        "cat",
    )
    with gw.ws("/", headers=[("Sec-WebSocket-Protocol", "a, b")]) as ws:
        assert ws.answer.header("Sec-WebSocket-Protocol") == "b"
        ws.send_binary(b"\n")
        assert ws.recv_message() == (wsraw.BINARY, b"\n")
        assert gw.refused("/").status == 503
        assert gw.get("/" + "a" * 2048).status == 431
        ws.close()


def test_options_of_websocketd(gateway, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site/page.html").write_text("page")
    gw = serves(
        gateway,
        "--port=0",
        "--address=127.0.0.1",
        "--address",
        "[::1]",
        f"--unixsocket={tmp_path}/s",
        "--origin=https://a.example,b.example:81",
        f"--staticdir={tmp_path}/site",
        "--header=X-A: 1",
        "--header-ws=X-B: 2",
        "--header-http=X-C: 3",
        "--loglevel=debug",
        "--binary",
        "cat",
    )
    assert len(gw.addresses) == 3, gw.addresses
    page = gw.get("/page.html")
    assert (page.body, page.header("X-A"), page.header("X-B"), page.header("X-C")) == (b"page", "1", None, "3")
    assert gw.refused("/", headers=[("Origin", gw.origin)]).status == 403
    for origin in ("https://a.example", "http://b.example:81"):
        with gw.ws("/", over=gw.connect(f"{tmp_path}/s"), headers=[("Origin", origin)]) as ws:
            assert (ws.answer.header("X-A"), ws.answer.header("X-B"), ws.answer.header("X-C")) == ("1", "2", None)
            ws.send_binary(b"\0\n")
            assert ws.recv_bytes(2) == b"\0\n"
            ws.close()


def test_sameorigin(gateway):
    gw = serves(gateway, "--port=0", "--sameorigin", "cat")
    assert gw.refused("/", headers=[("Origin", "https://evil.example")]).status == 403


# the start


def test_port_in_use():
    """Said in one line, exit 1; also when it is another gateway that has it."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        status, out, err = run(f"--port={port}", "cat")
    assert (status, out) == (1, "") and str(port) in err and "Address already in use" in err


def test_port_of_another_gateway(gateway):
    gw = serves(gateway, "--port=0", "cat")
    status, _, err = run(f"--port={gw.port}", "cat")
    assert status == 1 and str(gw.port) in err and "Address already in use" in err
    with gw.ws("/") as ws:
        ws.close()


def test_nothing_half_started(ini, tmp_path):
    """One address of two can't be had: no listener, no socket file, no process."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        taken = sock.getsockname()[1]
        path = ini(f"[listen main]\naddress = unix:{tmp_path}/s\naddress = 127.0.0.1:{taken}\n[route /*]\nexec = cat\n")
        status, _, err = run(f"--config={path}")
    assert status == 1 and str(taken) in err
    with pytest.raises(OSError):
        wsraw.connect(f"{tmp_path}/s")


@pytest.mark.parametrize("workers", [1, 4])
def test_nothing_stays_of_a_failed_start(workers):
    """The spawner is there before the sockets; it goes when they can't be had, or run() would wait for its stderr."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        status, _, err = run(
            f"--port={sock.getsockname()[1]}", "--set", f"gateway.workers={workers}", "cat"
        )
    assert status == 1 and "Address already in use" in err


def test_address_that_is_not_ours():
    status, _, err = run("--address=192.0.2.1", "--port=0", "cat")
    assert status == 1 and "192.0.2.1" in err


def test_no_such_config():
    status, out, err = run("--config=/nonexistent.ini")
    assert (status, out) == (1, "") and "/nonexistent.ini" in err and "No such file" in err


# the ini file

MISTAKES = """\
[gateway]
max_sesions = 5
workers = many
shutdown_grace = 30
max_pending = -1
max_pending = 5

[listen main]
address = 127.0.0.1
mode = 999

[listne x]
address = 127.0.0.1:0

[route /a]
exec = no-such-program-here
framing = line
origins = http://
stop_signal = NONSENSE
max_message = 5x

[route /b]
exec = cat
connect = tcp://localhost:1

[route /c]

[route /b]
exec = cat

[route d]
exec = cat

[route /e]
exec = cat
max_message = 100 # bytes
nonsense
"""


def test_all_mistakes_at_once(ini):
    """Each as FILE:LINE: message with the key and, where there is one, the name that was meant."""
    path = ini(MISTAKES)
    for options in ([], ["--check"]):
        status, out, err = run(f"--config={path}", *options)
        text = out + err
        assert status == 1
        found = {}
        for line in text.splitlines():
            match = re.fullmatch(re.escape(str(path)) + r":(\d+): (.+)", line)
            assert match, line
            found.setdefault(int(match[1]), []).append(match[2])
        expected = {
            2: ["max_sesions", "max_sessions"],
            3: ["workers", "many"],
            4: ["shutdown_grace", "30"],
            5: ["max_pending", "-1"],
            6: ["max_pending"],
            9: ["address", "127.0.0.1"],
            10: ["mode", "999"],
            12: ["listne", "listen"],
            16: ["exec", "no-such-program-here"],
            17: ["framing", "lines"],
            18: ["origins"],
            19: ["stop_signal", "NONSENSE"],
            20: ["max_message", "5x"],
            22: ["exec", "connect"],
            26: ["/c"],
            28: ["/b"],
            31: ["d"],
            36: ["max_message", "100 # bytes"],
            37: [],
        }
        for number, words in expected.items():
            assert any(all(word in message for word in words) for message in found.pop(number, [])), (
                number,
                words,
                text,
            )
        assert not found


@pytest.mark.parametrize(
    "text,words",
    [
        ("[route /*]\nexec = cat\n[gateway]\nuser = no-such-user\n", "no-such-user"),
        ("[route /*]\nexec = cat\ntls_certificate = x\n", "tls_certificate"),
        ("[route /*]\nexec = cat\n[listen a]\naddress = unix:" + "/x" * 60 + "\n", "address"),
        ("[route /*]\nexec = cat\nheader = no colon here\n", "header"),
        ("[gateway]\ndeflate = yes\n[route /*]\nexec = cat\n", "it belongs in [route] or [defaults]"),
        ("[route /*]\nexec = cat\nheader = X: a\\r\n[route /*]\nexec = cat\n", "route"),
        ("[route /*]\nexec = ${NO_SUCH_VARIABLE}\n", "NO_SUCH_VARIABLE"),
        ('[route /*]\nexec = "cat\n', "exec"),
        ("[route /*]\nstatic = /nonexistent/directory\n", "/nonexistent/directory"),
        ("[route /*]\nexec = cat\nlisten = nobody\n", "nobody"),
        ("exec = cat\n", "exec"),
        ("[listen main]\n[route /*]\nexec = cat\n", "address"),
        ("[route /*\nexec = cat\n", "a section is [NAME]"),
    ],
)
def test_single_mistakes(ini, text, words):
    path = ini(text)
    status, out, err = run(f"--config={path}", "--check")
    assert status == 1, (out, err)
    said = (out + err).replace(str(path), "")  # which has much of `text` in it
    assert words in said and len(said) < len(out + err)


def test_set_over_a_file_names_the_section(ini):
    """A key of routes without a section is refused, and what is said instead can be typed."""
    path = ini("[route /a]\nexec = cat\n[route /b]\nexec = cat\ndeflate = no\n")
    status, out, err = run(f"--config={path}", "--set", "deflate=yes", "--check")
    assert (status, out) == (2, "")
    assert '--set "route /a.deflate=VALUE"' in one_line(err) and "--set defaults.deflate=VALUE" in err
    status, out, err = run(f"--config={path}", "--set", "defaults.deflate=yes", "--dump")
    assert (status, err) == (0, "")
    assert re.findall(r"^deflate = (\w+)$", out, re.M) == ["yes", "no"]
    assert run(f"--config={path}", "--set", "route /a.deflate=yes", "--check")[0] == 0


def test_check_says_ok(ini):
    path = ini("[route /*]\nexec = cat\n")
    assert run(f"--config={path}", "--check")[:2] == (0, "ok\n")


def test_long_and_odd_values(ini, tmp_path):
    """What the packaged inih would cut: 60 KiB, ` ; ` within a value, a section name of 200, an empty section."""
    long = "x" * 60000
    name = "/" + "n" * 199
    path = ini(
        f"; comment\n# comment\n[gateway]\n[listen main]\naddress = 127.0.0.1:0\n[route {name}]\nexec = printf '%s' 'a ; b # c' {long}\n[route /more]\nexec = printf %s\n  continued\n  twice\n"
    )
    status, out, err = run(f"--config={path}", "--dump")
    assert status == 0, err
    assert long in out and "a ; b # c" in out and name in out
    assert re.search(r"^exec = printf %s continued twice$", out, re.M)


def test_long_value_reaches_the_program(gateway, tmp_path):
    long = "x" * 60000
    gw = gateway({"route /" + "n" * 199: {"exec": f"printf %s ' ; {long}'"}})
    with gw.ws("/" + "n" * 199) as ws:
        assert ws.recv_text() == f" ; {long}"
        ws.recv_close(1000)


FULL = """\
[gateway]
workers = 3
log_level = warning
log_format = json
max_sessions = 77
max_sessions_per_ip = 6
max_pending = 5
shutdown_grace = 1500ms

[listen one]
address = 127.0.0.1:0
address = [::1]:0
server_names = example.org
server_names = *.example.net
backlog = 10
handshake_timeout = 3s
max_header = 8k

[listen two]
address = unix:two.sock
mode = 0600

[defaults]
idle_timeout = 1h
origins = https://a.example

[route example.org/exact]
exec = sh -c 'echo "a b" \\; ; echo $${HOME}'
framing = text-stream
listen = one
stop_signal = HUP
stop_grace = 0
closing_wait = 1m
header = X-A: 1
header = X-B: 2: 3
header_ws = X-C: 4
header_http = X-D: 5

[route /prefix/*]
connect = tcp://[::1]:80
subprotocols = b
subprotocols = a
origins = same
origins = null
max_message = 1M
buffer = 64k
send_timeout = 5s
ping_interval = 1s
ping_timeout = 2s
connect_timeout = 100ms

[route /site/*]
static = .
console = yes
"""


def test_dump_reads_back(ini, tmp_path):
    """Every key; what it prints gives the same snapshot."""
    path = ini(FULL)
    status, first, err = run(f"--config={path}", "--dump", cwd=tmp_path)
    assert status == 0, err
    for words in (
        "workers = 3",
        "shutdown_grace = 1500ms",
        "max_sessions = 77",
        "*.example.net",
        "X-B: 2: 3",
        "framing = text-stream",
        "idle_timeout = 1h",
        "https://a.example",
        "stop_signal = HUP",
    ):
        assert words in first, words
    again = ini(first, "again.ini")
    status, second, err = run(f"--config={again}", "--dump", cwd=tmp_path)
    assert (status, second) == (0, first), err


def test_times_by_default(ini):
    """Those of most tests' gateways are others, since a busy machine has to be done with something before they are up."""
    path = ini("[listen one]\naddress = 127.0.0.1:0\n[route /a]\nexec = cat\n[route /b]\nconnect = tcp://127.0.0.1:9\n")
    status, out, err = run(f"--config={path}", "--dump")
    assert (status, err) == (0, "")
    assert dict(re.findall(r"^(\w+_(?:timeout|grace|wait|interval|lifetime)) = (\S+)$", out, re.M)) == {
        "shutdown_grace": "30s",
        "handshake_timeout": "10s",
        "stop_grace": "5s",
        "closing_wait": "100ms",
        "connect_timeout": "5s",
        "send_timeout": "1m",
        "idle_timeout": "0",
        "max_lifetime": "0",
        "ping_interval": "30s",
        "ping_timeout": "20s",
    }


def test_dump_of_a_command_line():
    status, out, err = run("--port=0", "--set", "framing=stream", "--dump", "printf", "a b", "$x", "'", "${y}")
    if status != 0:  # --dump goes with --config
        assert status == 2 and "--dump" in err


def test_defaults_and_overrides(gateway):
    """[defaults] holds for the routes after it, a route's list replaces it, --set wins over the file."""
    gw = gateway(
        text="[gateway]\nlog_format = json\n[listen main]\naddress = 127.0.0.1:0\n[route /before]\nexec = cat\n[defaults]\norigins = https://a.example\nframing = records\n[route /after]\nexec = cat\n[route /own]\nexec = cat\norigins = https://b.example\n",
        start=False,
    )
    gw.argv += ["--set", "gateway.max_sessions=1"]
    gw.start()
    gw.take_baseline()
    for path, origin, status in (
        ("/before", "https://a.example", 403),
        ("/after", "https://b.example", 403),
        ("/own", "https://a.example", 403),
    ):
        assert gw.refused(path, headers=[("Origin", origin)]).status == status
    with gw.ws("/after", headers=[("Origin", "https://a.example")]) as ws:
        ws.send_binary(b"x")
        assert ws.recv_message() == (wsraw.BINARY, b"x")
        assert gw.refused("/before").status == 503
        ws.close()


def test_routes(gateway):
    """A host wins over none, exact over prefix, longer over shorter; /x/* answers /x/ too; paths are decoded once."""

    def says(word):
        return {"exec": f"printf {word}"}

    gw = gateway(
        {
            "route /a": says("exact"),
            "route /a/*": says("prefix"),
            "route /a/b/*": says("longer"),
            "route localhost/a": says("host-exact"),
            "route localhost/*": says("host-any"),
            "route /sp ace": says("space"),
        }
    )
    host = gw.host
    for path, at, word in (
        ("/a", host, "exact"),
        ("/a/", host, "prefix"),
        ("/a/x", host, "prefix"),
        ("/a/b/", host, "longer"),
        ("/a/b/c/d", host, "longer"),
        ("/a", "localhost", "host-exact"),
        ("/a/b/c", "LOCALHOST:99", "host-any"),
        ("/x", "localhost", "host-any"),
        ("/%61", host, "exact"),
        ("/sp%20ace", host, "space"),
        ("/a?/a/b/", host, "exact"),
    ):
        with gw.ws(path, host=at) as ws:
            assert ws.recv_text() == word, (path, at)
            ws.recv_close(1000)
    for path in ("/A", "/a%2561", "/b", "/ab"):
        assert gw.refused(path, host=host).status == 404


def test_listeners_of_routes(gateway, tmp_path):
    """A route answers only on the listeners that it names."""
    gw = gateway(
        text=f"[gateway]\nlog_format = json\n[listen a]\naddress = 127.0.0.1:0\n[listen b]\naddress = unix:{tmp_path}/b\n[route /both]\nexec = cat\n[route /b]\nexec = cat\nlisten = b\n"
    )
    assert gw.refused("/b").status == 404
    for path in ("/both", "/b"):
        with gw.ws(path, over=gw.connect(f"{tmp_path}/b")) as ws:
            ws.close()


def test_include(ini, gateway, tmp_path):
    (tmp_path / "conf.d").mkdir()
    for name in ("a", "b"):
        (tmp_path / f"conf.d/{name}.ini").write_text(f"[route /{name}]\nexec = printf {name}\n")
    path = ini("[gateway]\nlog_format = json\ninclude = conf.d/*.ini\n[listen main]\naddress = 127.0.0.1:0\n")
    gw = gateway(argv=[f"--config={path}"])
    for name in ("a", "b"):
        with gw.ws(f"/{name}") as ws:
            assert ws.recv_text() == name
            ws.recv_close(1000)
    (tmp_path / "conf.d/b.ini").write_text("[route /b]\nexce = x\n")
    status, out, err = run(f"--config={path}", "--check")
    assert status == 1 and "conf.d/b.ini:2: " in out + err and "exec" in out + err


def test_environment_variables(ini):
    path = ini("[route /*]\nexec = printf ${WORD} $${WORD}\n")
    out = run(f"--config={path}", "--dump", environment={"WORD": "expanded"})[1]
    assert re.search(r"^exec = printf expanded '?\$\$\{WORD\}'?$", out, re.M), out


def test_programs_are_found_when_the_configuration_is_read(gateway, tmp_path):
    """PATH at the start decides; a relative name with a slash is that file."""
    script(tmp_path / "bin", "own-program", "echo found\n")
    gw = gateway({"route /*": {"exec": "own-program"}}, environment={"PATH": f"{tmp_path}/bin:/usr/bin:/bin"})
    with gw.ws("/") as ws:
        assert ws.recv_text() == "found"
        ws.recv_close(1000)


def test_shipped_files(tmp_path):
    """etc/wsluice.ini holds every option at its default, and needs but a route. service.ini has one."""
    file = f"{ROOT}/etc/wsluice.ini"
    wrong = "there is no [route PATH] section, so nothing would be answered"
    for argv in ([], ["--check"], ["--dump"]):
        assert run(f"--config={file}", *argv) == (1, "", f"{file}: {wrong}\n")
    (tmp_path / "x.ini").write_text(f"[gateway]\ninclude = {file}\n[route /]\nconsole = yes\n")
    for file in (tmp_path / "x.ini", ROOT / "etc/service.ini"):
        assert run(f"--config={file}", "--check") == (0, "ok\n", "")


def test_address_twice(tmp_path):
    """One line for each, before anything is opened."""
    (tmp_path / "x.ini").write_text("[listen a]\naddress = *:80\n[listen b]\naddress = *:80\n[route /]\nexec = cat\n")
    file = f"{tmp_path}/x.ini"
    for argv in ([], ["--check"]):
        assert run(f"--config={file}", *argv) == (1, "", f"{file}:4: address: *:80 is there already ({file}:2)\n")


def test_start_says_where_it_listens(gateway):
    gw = gateway({"route /*": {"exec": "cat"}}, listen={"address": ["127.0.0.1:0", "[::1]:0", "127.0.0.2:0"]})
    assert len({address.rsplit(":", 1)[0] for address in gw.addresses}) == 3
    assert all(int(address.rsplit(":", 1)[1]) for address in gw.addresses)
    eventually(lambda: gw.logged("listening", since_mark=False), "it does not say so")


def test_every_address(gateway):
    gw = gateway({"route /*": {"exec": "cat"}}, listen={"address": "*:0"})
    for address in ("127.0.0.1", "::1"):
        with gw.ws("/", over=gw.connect((address, gw.port))) as ws:
            ws.close()


def test_address_whose_host_is_unknown():
    """It says that there is no such name, not what the kernel says of addresses."""
    status, out, err = run("--address=nosuch.invalid", "--port=0", "cat")
    (line,) = [line for line in err.splitlines() if "cannot listen" in line]
    assert (status, out) == (1, "") and "address=nosuch.invalid:0" in line, err
    assert any(words in line for words in ("Name or service not known", "name resolution")), err
