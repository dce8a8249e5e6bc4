"""What a CGI program is told of its request (RFC 3875 section 4): each test names the section that it holds us to.

The program answers with its own environment, as the kernel has it, with its arguments, its directory and its input.
"""
import base64
import os
import random

import pytest
import wsraw
from gateway import Gateway, run
from scripts import script

TELL = """
input=$(base64 -w0)
told="$(base64 -w0 </proc/$$/environ)
$(base64 -w0 </proc/$$/cmdline)
$(pwd -P)
$input"
printf 'Content-Type: text/plain\\nX-Method: %s\\nContent-Length: %d\\n\\n%s' "$REQUEST_METHOD" ${#told} "$told"
"""
# Of the gateway's environment: nothing of it is for a program.
OURS = {
    "CONTENT_LENGTH": "99",
    "CONTENT_TYPE": "ours/x",
    "PATH_TRANSLATED": "/ours",
    "REMOTE_USER": "root",
    "REMOTE_IDENT": "root",
    "AUTH_TYPE": "Basic",
    "HTTP_PROXY": "http://evil",
    "SCRIPT_FILENAME": "/ours",
    "REDIRECT_STATUS": "200",
}
PASSED = {"TZ": "UTC", "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"}

plain_only = pytest.mark.plain_only("a program's variables but those of TLS have nothing to do with it")


def GATEWAY(directory):
    script(directory / "cgi", "tell", TELL)
    script(directory / "cgi/sub/deep", "tell.cgi", TELL)
    script(directory / "cgi", "a b%+\u00e9", TELL)
    (directory / "site").mkdir()
    return Gateway(
        directory,
        {
            "route /cgi/*": {"cgi": directory / "cgi"},
            "route /*": {"cgi": directory / "cgi", "static": directory / "site"},
            "route /set/*": {
                "cgi": directory / "cgi",
                "env": ["MINE=1", "REDIRECT_STATUS=200"],
                "pass_env": "CONTENT_* HTTP_* SCRIPT_* REMOTE_*",
            },
        },
        listen={"address": ["127.0.0.1:0", f"unix:{directory}/socket"]},
        environment={**OURS, **PASSED},
    )


class Told:
    """What the program said."""

    def __init__(self, answer):
        assert answer.status == 200, (answer, answer.body)
        env, args, self.directory, data = answer.body.decode().split("\n")
        strings = base64.b64decode(env).decode("latin-1").split("\0")[:-1]
        self.env = dict(string.split("=", 1) for string in strings)
        assert len(self.env) == len(strings), f"a name came twice: {sorted(strings)}"
        self.args = base64.b64decode(args).split(b"\0")[:-1]
        self.input = base64.b64decode(data)


def head(path, method="GET", headers=(), host=None, version="HTTP/1.1"):
    return wsraw.request(path, method, host, version, [*headers, ("Connection", "close")])


def tell(gw, path="/cgi/tell", method="GET", headers=(), body=b"", host=None, version="HTTP/1.1"):
    return Told(gw.http(head(path, method, headers, host or gw.host, version) + body))


def post(gw, body, headers=(), path="/cgi/tell"):
    return tell(gw, path, "POST", [("Content-Length", str(len(body))), *headers], body)


def golden(gw, env, **more):
    """All of it, for /cgi/tell without a path behind it. Taken from env: what is different each time."""
    wanted = {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SERVER_SOFTWARE": f"wsluice/{run('--version')[1].split()[1]}",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": str(gw.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": "/cgi/tell",
        "SCRIPT_NAME": "/cgi/tell",
        "SCRIPT_FILENAME": f"{gw.dir}/cgi/tell",
        "PATH_INFO": "",
        "QUERY_STRING": "",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_HOST": "127.0.0.1",
        "REMOTE_PORT": env.get("REMOTE_PORT", "missing"),
        "UNIQUE_ID": env["WSLUICE_SESSION"],
        "WSLUICE_ROUTE": "/cgi/*",
        "WSLUICE_SESSION": env["WSLUICE_SESSION"],
        "HTTP_HOST": gw.host,
        "HTTP_CONNECTION": "close",
        "PATH": os.environ["PATH"],
        **PASSED,
        **more,
    }
    if gw.tls:
        wanted.update(
            HTTPS="on", SSL_PROTOCOL="TLSv1.3", SSL_CLIENT_VERIFY="NONE", SSL_CIPHER=env.get("SSL_CIPHER", "missing")
        )
    return wanted


# all of it


def test_all_of_a_get_4_1(gw):
    told = tell(gw)
    assert told.env == golden(gw, told.env)
    assert len(told.env["WSLUICE_SESSION"]) == 16
    assert 0 < int(told.env["REMOTE_PORT"]) < 65536


def test_all_of_a_post_4_1(gw):
    told = post(gw, b"a=1&b=2", [("Content-Type", "application/x-www-form-urlencoded"), ("Proxy", "evil")])
    more = {
        "REQUEST_METHOD": "POST",
        "CONTENT_LENGTH": "7",
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
    }
    assert told.env == golden(gw, told.env, **more)
    assert told.input == b"a=1&b=2"


@plain_only
def test_env_and_pass_env(gw):
    """What the route adds; a name of CGI is nobody's but the request's."""
    env = post(gw, b"x", path="/set/tell").env
    assert (env["MINE"], env["REDIRECT_STATUS"], env["CONTENT_LENGTH"]) == ("1", "200", "1")
    assert not env.keys() & {"CONTENT_TYPE", "HTTP_PROXY", "REMOTE_USER", "REMOTE_IDENT", "PATH", "LANG"}
    assert env["SCRIPT_FILENAME"] == f"{gw.dir}/cgi/tell"


# one after the other


@plain_only
def test_nobody_is_known_4_1_1_and_4_1_11(gw):
    """AUTH_TYPE and REMOTE_USER are the gateway's word for who it is, and it knows nobody; so what the client says
    of itself (4.1.18) is the program's to judge."""
    env = tell(gw, headers=[("Authorization", "Basic cm9vdDp4")]).env
    assert not env.keys() & {"AUTH_TYPE", "REMOTE_USER", "REMOTE_IDENT"}  # 4.1.10 too
    assert env["HTTP_AUTHORIZATION"] == "Basic cm9vdDp4"


@plain_only
@pytest.mark.parametrize("n", [0, 1, 4095, 4096, 70000])
def test_content_length_4_1_2(gw, n):
    """In decimal, and as much as there is to read."""
    body = random.Random(n).randbytes(n)
    told = post(gw, body)
    assert told.env["CONTENT_LENGTH"] == str(n)
    assert told.input == body


@plain_only
def test_content_length_is_normal_4_1_2(gw):
    told = tell(gw, "/cgi/tell", "POST", [("Content-Length", "007")], b"7 bytes")
    assert (told.env["CONTENT_LENGTH"], told.input) == ("7", b"7 bytes")


@plain_only
@pytest.mark.parametrize(
    "method, headers", [("GET", []), ("GET", [("Content-Length", "0")]), ("POST", [])], ids=["GET", "GET of 0", "POST"]
)
def test_no_content_length_without_a_body_4_1_2(gw, method, headers):
    told = tell(gw, method=method, headers=headers)
    assert not told.env.keys() & {"CONTENT_LENGTH", "HTTP_CONTENT_LENGTH"}
    assert told.input == b""


@plain_only
@pytest.mark.parametrize("value", ["text/plain", 'multipart/form-data; boundary="a b"', "x", "TEXT/X;CHARSET=\xe4"])
def test_content_type_4_1_3(gw, value):
    env = post(gw, b"x", [("Content-Type", value)]).env
    assert env["CONTENT_TYPE"] == value
    assert "HTTP_CONTENT_TYPE" not in env


@plain_only
def test_no_content_type_4_1_3(gw):
    assert "CONTENT_TYPE" not in post(gw, b"x").env


@plain_only
@pytest.mark.parametrize(
    "path, info",
    [
        ("", ""),
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("/a//b", "/a//b"),
        ("/a%20b/%25/%3f/%2B+;c=d", "/a b/%/?/++;c=d"),
        ("/%252e", "/%2e"),
        ("/%C3%A9%ff", "/\xc3\xa9\xff"),
        ("/tell", "/tell"),
    ],
)
def test_path_info_4_1_5(gw, path, info):
    """Decoded, once; what it comes from stands in the URL."""
    env = tell(gw, f"/cgi/sub/deep/tell.cgi{path}").env
    assert env["PATH_INFO"] == info
    assert env["REQUEST_URI"] == f"/cgi/sub/deep/tell.cgi{path}"


@plain_only
def test_path_info_of_two_meanings_is_none_4_1_5(gw):
    """An escaped slash would be one too many for who reads it; ".." leads nowhere."""
    for path in ("/cgi/tell/a%2fb", "/cgi/tell/../x", "/cgi/tell/%2e%2e/x", "/cgi/tell/a%00"):
        assert gw.get(path).status in (400, 404)


@plain_only
@pytest.mark.parametrize(
    "path, translated",
    [
        ("/cgi/tell", None),
        ("/cgi/tell/", "{dir}/cgi/"),
        ("/cgi/tell/a/b%20c", "{dir}/cgi/a/b c"),
        ("/tell", None),
        ("/tell/a", "{dir}/site/a"),
    ],
)
def test_path_translated_4_1_6(gw, path, translated):
    """Where PATH_INFO would be as a file: among the route's documents, if it has some."""
    assert tell(gw, path).env.get("PATH_TRANSLATED") == (translated and translated.format(dir=gw.dir))


@plain_only
@pytest.mark.parametrize("query", [None, "", "a=1&b=%20%2B+c", "a+b", "?a?", "%0a", "=;&'\"<>", "-s"])
def test_query_string_4_1_7(gw, query):
    """As it came; there and empty without one."""
    path = "/cgi/tell" if query is None else f"/cgi/tell?{query}"
    env = tell(gw, path).env
    assert env["QUERY_STRING"] == (query or "")
    assert env["REQUEST_URI"] == path


@plain_only
def test_remote_addr_and_host_4_1_8_and_4_1_9(gw):
    """The address stands for the name, which is not looked up."""
    env = tell(gw).env
    assert env["REMOTE_ADDR"] == env["REMOTE_HOST"] == "127.0.0.1"


@plain_only
def test_without_an_address_4_1_8_and_4_1_15(gw):
    """Over a unix socket there is none, and no port."""
    with gw.connect(f"{gw.dir}/socket") as raw:
        raw.send(head("/cgi/tell", host="a.example"))
        env = Told(raw.response()).env
    assert env["REMOTE_ADDR"] == env["REMOTE_HOST"] == "unix"
    assert "REMOTE_PORT" not in env
    assert (env["SERVER_NAME"], env["SERVER_PORT"]) == ("a.example", "80")


@plain_only
def test_request_method_4_1_12(gw):
    """And 4.3.3: to a HEAD the program may say what it likes, its document is left out."""
    for method in ("GET", "POST", "HEAD"):
        answer = gw.get("/cgi/tell", method)
        assert (answer.status, answer.header("X-Method")) == (200, method)
        assert (answer.body == b"") == (method == "HEAD")


@plain_only
@pytest.mark.parametrize(
    "path, name, info",
    [
        ("/cgi/tell", "/cgi/tell", ""),
        ("/tell/x", "/tell", "/x"),
        ("/cgi/sub/deep/tell.cgi/x", "/cgi/sub/deep/tell.cgi", "/x"),
        ("/cgi/s%75b/deep/tell.cgi/x", "/cgi/sub/deep/tell.cgi", "/x"),
        ("/cgi/a%20b%25+%C3%A9/x", "/cgi/a b%+\xc3\xa9", "/x"),
    ],
)
def test_script_name_4_1_13(gw, path, name, info):
    """What of the path, decoded, named the program; with PATH_INFO it is all of it (3.3)."""
    env = tell(gw, path).env
    assert (env["SCRIPT_NAME"], env["PATH_INFO"]) == (name, info)
    file = env["SCRIPT_FILENAME"].encode("latin-1").decode()
    assert os.access(file, os.X_OK) and file == f"{gw.dir}/cgi" + name.encode("latin-1").decode().removeprefix("/cgi")


@plain_only
@pytest.mark.parametrize("host, name", [("localhost", "localhost"), ("LocalHost:81", "LocalHost"), ("[::1]:9", "::1")])
def test_server_name_and_port_4_1_14_and_4_1_15(gw, host, name):
    """The host as the client has it, the port that it came to."""
    env = tell(gw, host=host).env
    assert (env["SERVER_NAME"], env["SERVER_PORT"], env["HTTP_HOST"]) == (name, str(gw.port), host)


@plain_only
def test_server_protocol_4_1_16(gw):
    """That of the request; HTTP/1.0 may do without a Host."""
    assert tell(gw, version="HTTP/1.1").env["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert tell(gw, version="HTTP/1.0").env["SERVER_PROTOCOL"] == "HTTP/1.0"
    env = Told(gw.http(b"GET /cgi/tell HTTP/1.0\r\n\r\n")).env
    assert (env["SERVER_NAME"], env["SERVER_PORT"]) == ("127.0.0.1", str(gw.port))
    assert "HTTP_HOST" not in env


@plain_only
def test_headers_4_1_18(gw):
    """Upper case, "_" for "-", several of a name as one, and nothing that would pass for something else."""
    sent = [
        ("X-One", "a"),
        ("x-two", "\t b \t c "),
        ("X-ONE", "d"),
        ("X-Empty", ""),
        ("Cookie", "a=1; b=2"),
        ("Cookie", "c=3"),
        ("Accept", "text/html, */*"),
        ("X-Latin", "caf\xe9"),
        ("Content-Type", "x/y"),
        ("Content-Length", "0"),
        ("X_One", "evil"),
        ("Content_Length", "5"),
        ("Proxy", "http://evil"),
        ("PROXY", "http://evil"),
        ("User-Agent", "() { :;}; evil"),
        ("X.Y", "evil"),
    ]
    env = tell(gw, "/cgi/tell", "POST", sent).env
    assert {name: value for name, value in env.items() if name.startswith("HTTP_")} == {
        "HTTP_HOST": gw.host,
        "HTTP_CONNECTION": "close",
        "HTTP_X_ONE": "a, d",
        "HTTP_X_TWO": "b \t c",
        "HTTP_X_EMPTY": "",
        "HTTP_COOKIE": "a=1; b=2; c=3",
        "HTTP_ACCEPT": "text/html, */*",
        "HTTP_X_LATIN": "caf\xe9",
    }
    assert "evil" not in str(env.values())


@plain_only
def test_the_body_and_no_more_4_2(gw):
    """What is behind the body is not the program's, and never a request."""
    told = tell(gw, "/cgi/tell", "POST", [("Content-Length", "5")], b"hello" + wsraw.request("/cgi/tell"))
    assert told.input == b"hello"
    gw.wait_log("request", path="/cgi/tell")
    assert len(gw.logged("request")) == 1


@plain_only
@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get", "X-ANY"])
def test_other_methods_4_3_4(gw, method):
    answer = gw.get("/cgi/tell", method)
    assert answer.status == 405
    assert {word.strip() for word in answer.header("Allow").split(",")} == {"GET", "HEAD", "POST"}


@plain_only
@pytest.mark.parametrize("query", ["a+b", "-s", "a", "%2ds+-d", ""])
def test_no_arguments_4_4(gw, query):
    """The RFC would have the words of a query without "=" as arguments (it is a SHOULD): PHP took some of them for its
    options (CVE-2012-1823), and no program needs them."""
    told = tell(gw, f"/cgi/tell?{query}")
    assert told.args == [b"/bin/sh", f"{gw.dir}/cgi/tell".encode()]


@plain_only
def test_the_directory_7_2(gw):
    """It is the program's own."""
    assert tell(gw).directory == f"{gw.dir}/cgi"
    assert tell(gw, "/cgi/sub/deep/tell.cgi").directory == f"{gw.dir}/cgi/sub/deep"
