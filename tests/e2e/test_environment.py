"""What a program is told about its session: the whole environment against golden ones, and what never gets into it."""
import os

import pytest
import wsraw
from gateway import SECRET, Gateway, binary, run

# What no program may see of the gateway's environment, beside PATH, LANG, LC_* and TZ, which it does.
OURS = {
    "SECRET_OF_THE_GATEWAY": "x",
    "LISTEN_FDS": "0",
    "LISTEN_FDNAMES": "a",
    "NOTIFY_SOCKET": "/nowhere",
    "INVOCATION_ID": "i",
    "JOURNAL_STREAM": "8:1",
    "CREDENTIALS_DIRECTORY": "/nowhere",
    "HTTP_PROXY": "http://evil",
    "HTTP_X_FOO": "ours",
    "REMOTE_USER": "root",
    "AUTH_TYPE": "Basic",
    "PATH_INFO": "/ours",
    "QUERY_STRING": "ours",
    "CONTENT_LENGTH": "5",
    "BASH_FUNC_x%%": "() { :; }",
    "BASH_ENV": "/nowhere",
    "LD_PRELOADED": "x",
    "PATHS": "x",
    "LC": "x",
    "LANGUAGE": "de",
}
PASSED = {"TZ": "UTC", "LC_ALL": "C.UTF-8", "LC_TIME": "C", "LANG": "C.UTF-8"}


def GATEWAY(directory):
    routes = {
        path: {"exec": "env -0", "framing": "stream"} for path in ("route /env/*", "route /env", "route /deep/er/*")
    }
    routes["route /set"] = {
        "exec": "env -0",
        "framing": "stream",
        "env": ["MINE=1", "MINE=2 = two", "EMPTY=", "TZ=Europe/Berlin"],
    }
    routes["route /passed"] = {
        "exec": "env -0",
        "framing": "stream",
        "env": "SECRET_OF_THE_GATEWAY=y",
        "pass_env": "SECRET_* HTTP_* QUERY* LISTEN_* NOTIFY* LC_T* PATHS NO_SUCH LAN",
    }
    return Gateway(
        directory,
        routes,
        listen={"address": ["127.0.0.1:0", f"unix:{directory}/socket"]},
        environment={**OURS, **PASSED},
    )


def dump(ws):
    """What the program wrote, as text that has a character for each byte."""
    data, code, _ = ws.recv_all()
    assert code == 1000
    assert data.endswith(b"\0")
    strings = data.decode("latin-1").split("\0")[:-1]
    env = dict(string.split("=", 1) for string in strings)
    assert len(env) == len(strings), f"a name came twice: {sorted(strings)}"
    return env


def environment(gw, path="/env", headers=(), **options):
    with gw.ws(path, headers=headers, **options) as ws:
        return dump(ws)


def version():
    return run("--version")[1].split()[1]


def golden(gw, env, port, route="/env", script="/env", info="", query=None, uri=None, headers=(), protocol=""):
    """All of it. What is different each time is taken from env: the session's name and what TLS agreed on."""
    wanted = {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SERVER_SOFTWARE": f"wsluice/{version()}",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": str(gw.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": uri or script + info + ("" if query is None else f"?{query}"),
        "SCRIPT_NAME": script,
        "PATH_INFO": info,
        "QUERY_STRING": query or "",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_HOST": "127.0.0.1",
        "REMOTE_PORT": str(port),
        "UNIQUE_ID": env["WSLUICE_SESSION"],
        "WEBSOCKET_PROTOCOL": protocol,
        "WSLUICE_ROUTE": route,
        "WSLUICE_SESSION": env["WSLUICE_SESSION"],
        "HTTP_HOST": gw.host,
        "HTTP_UPGRADE": "websocket",
        "HTTP_CONNECTION": "Upgrade",
        "HTTP_SEC_WEBSOCKET_KEY": wsraw.KEY,
        "HTTP_SEC_WEBSOCKET_VERSION": "13",
        "PATH": os.environ["PATH"],
        **PASSED,
        **dict(headers),
    }
    if gw.tls:
        wanted.update(
            HTTPS="on", SSL_PROTOCOL="TLSv1.3", SSL_CLIENT_VERIFY="NONE", SSL_CIPHER=env.get("SSL_CIPHER", "missing")
        )
    return wanted


def check(gw, path, sent=(), **wanted):
    """The program of this path sees exactly this."""
    with gw.ws(path, headers=sent) as ws:
        port = ws.sock.getsockname()[1]
        env = dump(ws)
    assert env == golden(gw, env, port, **wanted)
    assert len(env["WSLUICE_SESSION"]) == 16
    gw.wait_log("session ended", id=env["WSLUICE_SESSION"])
    return env


# golden


def test_plain(gw):
    check(gw, "/env")


def test_path_and_query(gw):
    """PATH_INFO is decoded once; the query and the URI are as they came."""
    query = f"x=1&y=%41+%7A?/&token={SECRET}"
    path = "/env/a%20b/%252e/%2e%2e%2Fc;d=1/%C3%A9/%ff"
    check(
        gw,
        f"{path}?{query}",
        route="/env/*",
        info="/a b/%2e/../c;d=1/\xc3\xa9/\xff",
        query=query,
        uri=f"{path}?{query}",
    )


def test_what_is_empty(gw):
    """A slash is a PATH_INFO, and a question mark without a query is none."""
    check(gw, "/env/", route="/env/*", info="/")
    check(gw, "/env?", query="", uri="/env?")
    check(gw, "/deep/er/x?", route="/deep/er/*", script="/deep/er", info="/x", uri="/deep/er/x?")


def test_headers(gw):
    """Repeated ones are one, empty ones are there, bytes are what they were, tabs within too."""
    sent = [
        ("Cookie", "a=b; c=d"),
        ("X-Twice", "1"),
        ("x-one-more", "="),
        ("X-TWICE", ""),
        ("x-twice", "2, 3"),
        ("X-Empty", ""),
        ("X-Space", " \t a \t b\t "),
        ("X-Latin", "caf\xe9 \xff\x80"),
        ("X-UTF-8", "caf\xc3\xa9"),
        ("X-9", "$(id) `id` ; | & > < \\ ' \" %n %s ${IFS}"),
        ("-", "dash"),
        ("User-Agent", "x () { :;}; id"),
        ("Content-Type", "text/x"),
        ("Sec-WebSocket-Protocol", "chat, superchat"),
        ("Origin", gw.origin),
    ]
    check(
        gw,
        "/env",
        sent,
        protocol="chat",
        headers={
            "HTTP_COOKIE": "a=b; c=d",
            "HTTP_X_TWICE": "1, , 2, 3",
            "HTTP_X_ONE_MORE": "=",
            "HTTP_X_EMPTY": "",
            "HTTP_X_SPACE": "a \t b",
            "HTTP_X_LATIN": "caf\xe9 \xff\x80",
            "HTTP_X_UTF_8": "caf\xc3\xa9",
            "HTTP_X_9": "$(id) `id` ; | & > < \\ ' \" %n %s ${IFS}",
            "HTTP__": "dash",
            "HTTP_USER_AGENT": "x () { :;}; id",
            "CONTENT_TYPE": "text/x",
            "HTTP_SEC_WEBSOCKET_PROTOCOL": "chat, superchat",
            "HTTP_ORIGIN": gw.origin,
        }.items(),
    )


def test_unix_socket(gw):
    """There is no address, and a client names the server as it likes."""
    path = next(address for address in gw.addresses if address.startswith("unix:"))[5:]
    with gw.connect(path) as raw:
        env = dump(gw.ws("/env", over=raw))
    wanted = golden(gw, env, 0)
    wanted.update(
        SERVER_NAME="localhost",
        SERVER_PORT="443" if gw.tls else "80",
        REMOTE_ADDR="unix",
        REMOTE_HOST="unix",
        HTTP_HOST="localhost",
    )
    del wanted["REMOTE_PORT"]
    assert env == wanted


def test_env(gw):
    """What the route sets, the last word on a name."""
    headers = {"MINE": "2 = two", "EMPTY": "", "TZ": "Europe/Berlin"}
    check(gw, "/set", route="/set", script="/set", headers=headers.items())


def test_pass_env(gw):
    """Only what is named, and never what has an owner: the session, or the service manager."""
    sent = [("X-Foo", "theirs")]
    with gw.ws("/passed", headers=sent) as ws:
        port = ws.sock.getsockname()[1]
        env = dump(ws)
    wanted = golden(gw, env, port, route="/passed", script="/passed")
    for name in ("PATH", "TZ", "LANG", "LC_ALL"):
        del wanted[name]
    wanted.update(SECRET_OF_THE_GATEWAY="y", PATHS="x", HTTP_X_FOO="theirs")
    assert env == wanted
    assert "HTTP_X_FOO" not in environment(gw, "/passed")


@pytest.mark.plain_only
def test_websocketd(gateway, tmp_path):
    """Under that name, as that has it: SCRIPT_NAME of a command, and what it has no value for is empty."""
    name = tmp_path / "websocketd"
    name.symlink_to(binary())
    gw = gateway(
        program=name,
        argv=[
            *("--set", "gateway.log_format=json", "--set", "framing=stream", "--passenv=LANG,NO_SUCH"),
            *(f"--unixsocket={tmp_path}/socket", "env", "-0"),
        ],
        environment={**OURS, **PASSED},
    )
    with gw.connect(f"{tmp_path}/socket") as raw:
        env = dump(gw.ws("/a%20b/c?x=%20", over=raw, host="far.example:81"))
    assert env == {
        "GATEWAY_INTERFACE": "websocketd-CGI/0.1",
        "SERVER_SOFTWARE": f"websocketd/{version()}",
        "SERVER_NAME": "far.example",
        "SERVER_PORT": "81",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": "/a%20b/c?x=%20",
        "SCRIPT_NAME": "/",
        "PATH_INFO": "/a b/c",
        "PATH_TRANSLATED": "/a b/c",
        "QUERY_STRING": "x=%20",
        "REMOTE_ADDR": "unix",
        "REMOTE_HOST": "unix",
        "REMOTE_PORT": "0",
        "AUTH_TYPE": "",
        "CONTENT_LENGTH": "",
        "CONTENT_TYPE": "",
        "REMOTE_IDENT": "",
        "REMOTE_USER": "",
        "UNIQUE_ID": env["WSLUICE_SESSION"],
        "WEBSOCKET_PROTOCOL": "",
        "WSLUICE_ROUTE": "/*",
        "WSLUICE_SESSION": env["WSLUICE_SESSION"],
        "HTTP_HOST": "far.example:81",
        "HTTP_UPGRADE": "websocket",
        "HTTP_CONNECTION": "Upgrade",
        "HTTP_SEC_WEBSOCKET_KEY": wsraw.KEY,
        "HTTP_SEC_WEBSOCKET_VERSION": "13",
        "LANG": "C.UTF-8",
    }


# left out


@pytest.mark.parametrize(
    "name",
    ["Proxy", "PROXY", "pRoxy", "X_Forwarded_For", "Host_", "_", "X.Y", "X!Y", "BASH_FUNC_x%%", "BASH-FUNC-x%%", "X'Y"],
)
def test_names_that_are_left_out(gw, name):
    check(gw, "/env", [(name, "evil"), ("X-Proxy", "kept")], headers={"HTTP_X_PROXY": "kept"}.items())


@pytest.mark.parametrize(
    "sent",
    [
        [("User-Agent", "() { :;}; echo evil")],
        [("Cookie", "\t () { :;}; echo evil")],
        [("Referer", "() { _; } >_[$($())] { echo evil; }")],
        [("X-A", "() {evil")],
        [("X-A", "() { evil"), ("X-A", "good")],
        [("X-A", "good"), ("X-A", "() { evil")],
        [("X-A", ""), ("x-a", "() { evil")],
    ],
    ids=str,
)
def test_functions_are_left_out(gw, sent):
    """Whatever the bash (CVE-2014-6271)."""
    check(gw, "/env", [*sent, ("X-Kept", "1")], headers={"HTTP_X_KEPT": "1"}.items())


@pytest.mark.parametrize("byte", [*range(0, 9), *range(10, 32), 127])
def test_control_characters_come_nowhere(gw, byte):
    """Not in a header, not in the path; in the query only as they were sent, encoded."""
    raw = wsraw.upgrade("/env", host=gw.host, headers=[("X-A", "a@b")]).replace(b"@", bytes([byte]))
    answer = gw.http(raw)
    assert answer.status == 400
    assert gw.refused(f"/env/a%{byte:02x}b").status == 400
    if byte != 0:
        assert environment(gw, f"/env?a%{byte:02x}b")["QUERY_STRING"] == f"a%{byte:02x}b"


def test_the_gateways_own(gw):
    """Golden environments above have none of it; here is that it was there to be seen."""
    with open(f"/proc/{gw.spawner}/environ", "rb") as file:
        own = dict(string.split("=", 1) for string in file.read().decode().split("\0")[:-1])
    assert {name: own.get(name) for name in OURS} == OURS
    env = check(gw, "/env", [("X-Foo", "theirs")], headers={"HTTP_X_FOO": "theirs"}.items())
    assert not set(env) & (set(OURS) - {"PATH_INFO", "QUERY_STRING", "HTTP_X_FOO"})


# sizes


def head_of(gw, size, path="/env"):
    """An opening handshake of so many bytes, and what the filling is to be in the environment."""
    filling, wanted = [], {}
    room = size - len(wsraw.upgrade(path, host=gw.host))
    while room > 0:
        name = f"X-{len(filling):04}"
        line = min(room, 8000)
        if 0 < room - line < 32:
            line -= 32
        filling.append((name, "v" * (line - len(f"{name}: \r\n"))))
        wanted[f"HTTP_X_{name[2:]}"] = filling[-1][1]
        room -= line
    head = wsraw.upgrade(path, host=gw.host, headers=filling)
    assert len(head) == size
    return head, wanted


@pytest.mark.parametrize("limit", [1024, 16384, 40000])
def test_head_of_any_size_that_is_allowed(gateway, limit):
    """All of it comes through up to max_header; one byte more is 431."""
    gw = gateway({"route /env": {"exec": "env -0", "framing": "stream"}}, listen={"max_header": limit})
    for size in (limit - 1, limit):
        head, wanted = head_of(gw, size)
        with gw.connect() as raw:
            raw.send(head)
            assert raw.response().status == 101
            env = dump(raw)
        assert {name: env.get(name) for name in wanted} == wanted
    assert gw.http(head_of(gw, limit + 1)[0]).status == 431


def test_head_that_no_program_can_take(gateway):
    """With a large max_header: a clear refusal, nothing is started; a service has no environment and takes it."""
    gw = gateway(
        {
            "route /env": {"exec": "env -0", "framing": "stream"},
            "route /service": {"connect": "tcp://127.0.0.1:1"},
        },
        listen={"max_header": "1M"},
    )
    for size in (80000, 400000):
        answer = gw.http(head_of(gw, size)[0])
        assert answer.status == 431
        assert "more than a program can be given" in answer.text
        assert gw.wait_log("request", status=431)["reason"]
        gw.mark()
        assert gw.http(head_of(gw, size, "/service")[0]).status == 502
    assert not gw.logged("session ended", since_mark=False)
    head, wanted = head_of(gw, 60000)
    with gw.connect() as raw:
        raw.send(head)
        assert raw.response().status == 101
        env = dump(raw)
    assert {name: env.get(name) for name in wanted} == wanted


# who it is


def test_session_names_are_unique(gw):
    names = {environment(gw)["WSLUICE_SESSION"] for _ in range(5)}
    assert len(names) == 5
    gw.wait_log("session ended", n=5)
    assert {line["id"] for line in gw.logged("session ended")} == names


def test_a_shell_makes_nothing_of_it(gateway, tmp_path):
    """A bash script whose environment is full of what once was code runs none of it."""
    canary = tmp_path / "canary"
    script = tmp_path / "script"
    script.write_text("#!/bin/bash\nbash -c 'echo \"$HTTP_X_A\"'\n")
    script.chmod(0o755)
    gw = gateway({"route /*": {"exec": script}})
    evil = f"() {{ :; }}; touch {canary}"
    with gw.ws(f"/{evil.replace(' ', '%20')}?$(touch${{IFS}}{canary})", headers=[("X-A", f"$(touch {canary})")]) as ws:
        assert ws.recv_text() == f"$(touch {canary})"
        ws.recv_close(1000)
    assert not canary.exists()
