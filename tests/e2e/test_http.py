"""HTTP on the wire: the strict parser, refusals, keep-alive, static files, the console."""
import os
import re
import socket
from urllib.parse import urljoin

import pytest
import wsraw
from gateway import ROOT, SECRET, Gateway
from wait import eventually

CANARY = b"outside-of-the-directory"
FILES = {
    "index.html": (b"<h1>index</h1>\n", "text/html"),
    "style.css": (b"b {}\n", "text/css"),
    "code.js": (b"1;\n", "text/javascript"),
    "data.json": (b"{}\n", "application/json"),
    "text.txt": ("tütüt\n".encode(), "text/plain"),
    "image.png": (b"\x89PNG\r\n\x1a\n\0", "image/png"),
    "image.svg": (b"<svg/>", "image/svg+xml"),
    "unknown": (b"\0\1\2", "application/octet-stream"),
    "empty.txt": (b"", "text/plain"),
    "a b+c%.txt": (b"odd name", "text/plain"),
    "sub/index.html": (b"<h1>sub</h1>\n", "text/html"),
}


def GATEWAY(directory):
    site = directory / "site"
    for name, (data, _) in FILES.items():
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (site / "plain").mkdir()
    (site / "plain/file").write_text("x")
    (site / ".git").mkdir()
    (site / ".git/config").write_bytes(CANARY)
    (directory / "secret.txt").write_bytes(CANARY)
    (directory / "site-other").mkdir()
    (directory / "site-other/x").write_bytes(CANARY)
    (site / "out").symlink_to(directory / "secret.txt")
    (site / "out-relative").symlink_to("../secret.txt")
    (site / "out-directory").symlink_to(directory)
    (site / "in").symlink_to("text.txt")
    (site / "dangling").symlink_to("nothing")
    os.mkfifo(site / "fifo")
    (site / "big").write_bytes(bytes(range(256)) * 20000)
    return Gateway(
        directory,
        {
            "route /ws": {"exec": "cat", "framing": "records"},
            "route /console": {"console": "yes"},
            "route /both": {"exec": "cat", "console": "yes"},
            "route /site/*": {"static": site},
            "route /head/*": {
                "static": site,
                "header": "X-All: a",
                "header_http": "X-Plain: p",
                "header_ws": "X-Socket: s",
            },
        },
        listen={"handshake_timeout": "120s"},  # for heads that come in single bytes
    )


def ask(gw, data, method="GET", chunk=None):
    """Sends bytes, gets one response, and then the end of file and nothing else."""
    with gw.connect() as raw:
        try:
            raw.send(data, chunk)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before the last byte
        answer = raw.response(method)
        raw.ended()
        return answer


def head(*lines, first="GET /console HTTP/1.1", host="Host: localhost"):
    """A head of raw lines, the connection to be closed."""
    return b"\r\n".join(
        line if isinstance(line, bytes) else line.encode("latin-1")
        for line in (first, *([host] if host else []), *lines, "Connection: close", "", "")
    )


def check_headers(answer):
    """What every response has, and has not."""
    assert re.fullmatch(
        r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", answer.header("Date")
    ), answer
    assert answer.header("Content-Length") is not None, answer
    assert answer.header("X-Content-Type-Options") == "nosniff", answer
    assert not re.search(r"\d", answer.header("Server") or ""), "the version is nobody's business"


def check_refusal(answer, *statuses):
    assert answer.status in statuses, (answer, answer.body)
    check_headers(answer)
    assert answer.header("Connection") == ("close, Upgrade" if answer.header("Upgrade") else "close")
    assert answer.header("Content-Type").startswith("text/plain")
    assert answer.header("Location") is None
    assert answer.phrase and len(answer.body.strip()) > 3, "a refusal says why"


GOOD = {
    "plain": head(),
    "no white space": head("X:a"),
    "white space around a value": head("X: \t  a b \t "),
    "empty value": head("X:"),
    "high bytes in a value": head(b"X: \x80\xff"),
    "every token character": head("!#$%&'*+-.^_`|~09azAZ: x"),
    "lower case": head(host="host: localhost"),
    "query": head(first="GET /console?a=%20&b=/?;: HTTP/1.1"),
    "escaped path": head(first="GET /%63onsole HTTP/1.1"),
    "port": head(host="Host: localhost:12"),
    "IPv6 literal": head(host="Host: [::1]:8080"),
    "64 headers": head(*[f"X{i}: a" for i in range(62)]),
    "name of 64": head("X" * 64 + ": a"),
    "length 0": head("Content-Length: 0"),
    "a list": head("Accept: a", "Accept: b"),
    "large": head("X: " + "a" * 8000, "Y: " + "b" * 8000),
    "target of 8000": head(first="GET /console?" + "a" * 8000 + " HTTP/1.1"),
}

BAD = {
    # 1 line ends
    "bare LF": (b"GET /console HTTP/1.1\nHost: localhost\n\n", 400),
    "bare LF after one header": (b"GET /console HTTP/1.1\r\nHost: localhost\nX: a\r\n\r\n", 400),
    "bare CR": (b"GET /console HTTP/1.1\rHost: localhost\r\n\r\n", 400),
    "CR in a value": (head("X: a\rb"), 400),
    # 2, 3 request line
    "leading blank line": (b"\r\n" + head(), 400),
    "two spaces": (head(first="GET  /console HTTP/1.1"), 400),
    "tab": (head(first="GET\t/console HTTP/1.1"), 400),
    "leading space": (head(first=" GET /console HTTP/1.1"), 400),
    "trailing space": (head(first="GET /console HTTP/1.1 "), 400),
    "no version": (head(first="GET /console"), 400),
    "four words": (head(first="GET /console x HTTP/1.1"), 400),
    "no token": (head(first="G{T /console HTTP/1.1"), 400),
    "POST": (head(first="POST /console HTTP/1.1"), 405),
    "lower case method": (head(first="get /console HTTP/1.1"), 405),
    "OPTIONS *": (head(first="OPTIONS * HTTP/1.1"), 400, 405),
    "CONNECT": (head(first="CONNECT localhost:80 HTTP/1.1"), 400, 405),
    # 4 target
    "absolute form": (head(first="GET http://localhost/console HTTP/1.1"), 400),
    "no slash": (head(first="GET console HTTP/1.1"), 400),
    "asterisk": (head(first="GET * HTTP/1.1"), 400),
    "fragment": (head(first="GET /console#a HTTP/1.1"), 400),
    "escape cut": (head(first="GET /console%2 HTTP/1.1"), 400),
    "escape no hex": (head(first="GET /console%zz HTTP/1.1"), 400),
    "escaped NUL": (head(first="GET /console%00 HTTP/1.1"), 400),
    "high byte": (head(first=b"GET /console\xc3\xa4 HTTP/1.1"), 400),
    "DEL": (head(first=b"GET /console\x7f HTTP/1.1"), 400),
    "NUL": (head(first=b"GET /console\0 HTTP/1.1"), 400),
    "target of 9000": (head(first="GET /" + "a" * 9000 + " HTTP/1.1"), 414),
    # 5 version
    "HTTP/1.2": (head(first="GET /console HTTP/1.2"), 505),
    "HTTP/2.0": (head(first="GET /console HTTP/2.0"), 505),
    "HTTP/1.10": (head(first="GET /console HTTP/1.10"), 400),
    "http/1.1": (head(first="GET /console http/1.1"), 400),
    "HTTP/1": (head(first="GET /console HTTP/1"), 400),
    "h2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, 405, 505),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 50, 400),
    # 6, 7, 8 headers
    "space before the colon": (head("X : a"), 400),
    "empty name": (head(": a"), 400),
    "no colon": (head("X"), 400),
    "space in a name": (head("X Y: a"), 400),
    "name of 65": (head("X" * 65 + ": a"), 400, 431),
    "high byte in a name": (head(b"X\xe4: a"), 400),
    "fold": (head("X: a", " b"), 400),
    "fold with a tab": (head("X: a", "\tb"), 400),
    "fold before the first header": (head("X: a", host=" Host: localhost"), 400),
    "NUL in a value": (head(b"X: a\0b"), 400),
    "control character in a value": (head(b"X: a\x1bb"), 400),
    "DEL in a value": (head(b"X: a\x7fb"), 400),
    # 10 size
    "65 headers": (head(*[f"X{i}: a" for i in range(63)]), 431),
    "line of 9000": (head("X: " + "a" * 9000), 431),
    "17 KiB": (head(*["X: " + "a" * 5800] * 3), 431),
    # 11 Host
    "no Host": (head(host=None), 400),
    "two Hosts": (head("Host: localhost"), 400),
    "two different Hosts": (head("Host: evil.example"), 400),
    "empty Host": (head(host="Host:"), 400),
    "user in Host": (head(host="Host: a@localhost"), 400),
    "list in Host": (head(host="Host: localhost, localhost"), 400),
    "path in Host": (head(host="Host: localhost/a"), 400),
    "space in Host": (head(host="Host: local host"), 400),
    "port no number": (head(host="Host: localhost:a"), 400),
    "port too large": (head(host="Host: localhost:65536"), 400),
    "half a bracket": (head(host="Host: [::1"), 400),
    "markup in Host": (head(host='Host: "><x'), 400),
    # 12 Content-Length
    **{
        f"Content-Length: {value}": (head(f"Content-Length: {value}"), 400)
        for value in ("-1", "+5", "5,5", "0x5", "", "18446744073709551616", "5 5", "1e1")
    },
    "two equal lengths": (head("Content-Length: 0", "Content-Length: 0"), 400),
    "two lengths": (head("Content-Length: 0", "Content-Length: 5"), 400),
    # 13, 14 bodies
    "chunked": (head("Transfer-Encoding: chunked") + b"0\r\n\r\n", 501, 400),
    **{
        f"Transfer-Encoding: {value}": (head(f"Transfer-Encoding: {value}"), 501, 400)
        for value in ("", "chunked, chunked", "xchunked", "identity")
    },
    "length and coding": (head("Content-Length: 0", "Transfer-Encoding: chunked"), 400, 501),
    "a body with GET": (head("Content-Length: 5") + b"hello", 400),
    # the same with a method that may have a body
    **{
        f"POST, Content-Length: {value}": (head(f"Content-Length: {value}", first="POST /console HTTP/1.1"), 400)
        for value in ("-1", "+5", "5,5", "0x5", "", "18446744073709551621", "9007199254740993", "5 5")
    },
    "POST, two equal lengths": (
        head("Content-Length: 5", "Content-Length: 5", first="POST /console HTTP/1.1") + b"hello",
        400,
    ),
    "POST, two lengths": (head("Content-Length: 0", "Content-Length: 5", first="POST /console HTTP/1.1"), 400),
    "POST, chunked": (head("Transfer-Encoding: chunked", first="POST /console HTTP/1.1") + b"0\r\n\r\n", 501),
    "POST, length and coding": (
        head("Content-Length: 5", "Transfer-Encoding: chunked", first="POST /console HTTP/1.1") + b"0\r\n\r\n",
        400,
    ),
    "POST, length and Upgrade": (
        head("Content-Length: 5", "Upgrade: h2c", first="POST /console HTTP/1.1") + b"hello",
        400,
    ),
    "POST, two types": (head("Content-Type: a/b", "Content-Type: a/b", first="POST /console HTTP/1.1"), 400),
    "POST, Expect without a body": (head("Expect: 100-continue", first="POST /console HTTP/1.1"), 417),
    "POST, Expect something": (head("Expect: x", "Content-Length: 1", first="POST /console HTTP/1.1"), 417),
    # 16, 18
    "two Origins": (head("Origin: http://localhost", "Origin: http://localhost"), 400),
    "two Authorizations": (head("Authorization: Basic a", "Authorization: Basic a"), 400),
    "Expect": (head("Expect: 100-continue"), 417),
}


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("chunk", [None, 1], ids=["whole", "bytes"])
def test_accepts(gw, name, chunk):
    """Each rule of the parser has a head that just keeps it."""
    answer = ask(gw, GOOD[name], chunk=chunk)
    assert answer.status == 200, (answer, answer.body)
    check_headers(answer)


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("chunk", [None, 1], ids=["whole", "bytes"])
def test_refuses(gw, name, chunk):
    """Each rule of the parser has a head that breaks it; the answer is the same however it was split."""
    data, *statuses = BAD[name]
    check_refusal(ask(gw, data, chunk=chunk), *statuses)


def test_405_names_the_methods(gw):
    answer = ask(gw, head(first="POST /console HTTP/1.1"))
    assert {word.strip() for word in answer.header("Allow").split(",")} == {"GET", "HEAD"}


BODY = wsraw.request("/admin", host="localhost")


@pytest.mark.parametrize(
    "lines, first, status",
    [
        ([f"Content-Length: {len(BODY)}"], "POST /console HTTP/1.1", 405),
        ([f"Content-Length: {len(BODY)}", "Expect: 100-continue"], "POST /console HTTP/1.1", 405),
        ([f"Content-Length: {len(BODY)}", "Connection: keep-alive"], "POST /console HTTP/1.0", 405),
        ([f"Content-Length: {len(BODY)}"], "POST /nothing HTTP/1.1", 0),
        ([f"Content-Length: {len(BODY)}"], "POST /site/ HTTP/1.1", 405),
        ([f"Content-Length: {len(BODY)}"], "PUT /console HTTP/1.1", 405),
        ([f"Content-Length: {len(BODY)}"], "GET /console HTTP/1.1", 400),
        (["Transfer-Encoding: chunked"], "POST /console HTTP/1.1", 501),
        (["Content-Length: 0", "Transfer-Encoding: chunked"], "POST /console HTTP/1.1", 400),
        (["Upgrade: websocket", f"Content-Length: {len(BODY)}"], "POST /ws HTTP/1.1", 400),
        ([], "POST /console HTTP/1.1", 405),
    ],
    ids=str,
)
def test_a_body_is_no_request(gw, lines, first, status):
    """What nobody reads is thrown away with its connection, whatever it looks like."""
    data = "\r\n".join([first, "Host: localhost", *lines, "", ""]).encode() + BODY
    for chunk in (None, 7):
        gw.mark()
        answer = ask(gw, data, chunk=chunk)
        check_refusal(answer, *([status] if status else [404, 405]))
        gw.wait_log("request")
        gw.get("/console")
        gw.wait_log("request", path="/console", status=200)
        assert len(gw.logged("request")) == 2
        assert not gw.logged("request", path="/admin")


@pytest.mark.plain_only
def test_a_body_is_no_request_where_all_is_elsewhere(gateway):
    """A redirect keeps a connection, but not one with a body on it."""
    gw = gateway({"route /ws": {"exec": "cat"}}, listen={"redirect_to": "https://*"}, tls=False)
    post = "POST /x HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
    with gw.connect() as raw:
        raw.send((post % "Content-Length: 0\r\n").encode())
        assert raw.response().status == 308
        raw.send((post % f"Content-Length: {len(BODY)}\r\n").encode() + BODY)
        assert (answer := raw.response()).status == 308 and answer.header("Connection") == "close"
        raw.ended()
    gw.wait_log("request", n=2)
    assert len(gw.logged("request", path="/x")) == len(gw.logged("request")) == 2


def test_nothing_after_a_refusal_is_parsed(gw):
    """A second request behind a refused one is never answered, logged or run."""
    for first in (
        b"GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        wsraw.upgrade("/ws", gw.host, version="777"),
        wsraw.upgrade("/ws", gw.host, headers=[("Origin", "https://evil.example")]),
        wsraw.request("/nothing", host=gw.host),
    ):
        gw.mark()
        with gw.connect() as raw:
            raw.send(first + wsraw.request("/admin", host=gw.host) + wsraw.upgrade("/ws", gw.host))
            assert raw.response().status >= 400
            raw.ended()
        gw.wait_log("request")
    gw.get("/console")
    gw.wait_log("request", path="/console")
    assert "/admin" not in gw.log_text()


def test_no_such_route(gw):
    check_refusal(gw.get("/nothing"), 404)
    check_refusal(gw.get("/"), 404)
    check_refusal(gw.get("/ws/more"), 404)
    check_refusal(gw.refused("/nothing"), 404)


def test_plain_request_where_only_an_upgrade_is_served(gw):
    answer = gw.get("/ws")
    check_refusal_426(answer)


def check_refusal_426(answer):
    assert answer.status == 426, answer
    check_headers(answer)
    assert answer.header("Sec-WebSocket-Version") == "13"
    assert answer.header("Upgrade").lower() == "websocket"
    assert len(answer.body.strip()) > 3


def test_upgrade_where_only_plain_requests_are_served(gw):
    for path in ("/console", "/site/"):
        answer = gw.refused(path)
        assert 400 <= answer.status < 500
        check_headers(answer)


def test_head_has_no_body(gw):
    for path, status in (("/console", 200), ("/nothing", 404), ("/site/index.html", 200)):
        with gw.connect() as raw:
            raw.send(wsraw.request(path, "HEAD", gw.host, headers=[("Connection", "close")]))
            answer = raw.response("HEAD")
            raw.ended()
        assert answer.status == status
        assert answer.header("Content-Length") == gw.get(path).header("Content-Length")


def test_keep_alive(gw):
    """Several requests on one connection, one after another and in one write; then an upgrade."""
    with gw.connect() as raw:
        for _ in range(3):
            raw.send(wsraw.request("/site/text.txt", host=gw.host))
            assert raw.response().body == FILES["text.txt"][0]
        raw.send(
            wsraw.request("/site/text.txt", host=gw.host)
            + wsraw.request("/site/style.css", host=gw.host)
            + wsraw.request("/site/index.html", "HEAD", host=gw.host)
            + wsraw.request("/site/code.js", host=gw.host)
        )
        assert raw.response().body == FILES["text.txt"][0]
        assert raw.response().body == FILES["style.css"][0]
        assert raw.response("HEAD").status == 200
        assert raw.response().body == FILES["code.js"][0]
        gw.ws("/ws", over=raw)
        raw.send_text("hello")
        assert raw.recv_text() == "hello"
        raw.close()


def test_connection_close(gw):
    with gw.connect() as raw:
        raw.send(
            wsraw.request("/console", host=gw.host, headers=[("Connection", "close")])
            + wsraw.request("/site/text.txt", host=gw.host)
        )
        answer = raw.response()
        assert answer.status == 200 and answer.header("Connection").lower() == "close"
        raw.ended()


def test_http_1_0(gw):
    """Answered once, as 1.1, and closed; never upgraded."""
    with gw.connect() as raw:
        raw.send(wsraw.request("/site/text.txt", host=gw.host, version="HTTP/1.0"))
        assert raw.response().body == FILES["text.txt"][0]
        raw.ended()
    assert gw.refused("/ws", http="HTTP/1.0").status == 400


def test_client_that_only_ends_its_side_gets_its_answer(gw):
    with gw.connect() as raw:
        raw.send(wsraw.request("/site/big", host=gw.host))
        raw.shut()
        assert len(raw.response().body) == 256 * 20000


def test_connections_without_a_request(gw):
    """Closed at once, after half a head, reset: no answer, no session, no line about a request."""
    for data in (b"", b"GET / HT", wsraw.upgrade("/ws", gw.host)[:-2]):
        with gw.connect() as raw:
            raw.send(data)
            raw.shut()
            raw.rest()
        raw = gw.connect()
        raw.send(data)
        raw.reset()
    eventually(lambda: gw.counters()["pending"] == 0, "connections stay")
    assert not gw.logged("session ended")


# static files


@pytest.mark.parametrize("name", FILES)
def test_static_file(gw, name):
    data, kind = FILES[name]
    answer = gw.get("/site/" + "".join(c if c.isalnum() or c in "/." else f"%{ord(c):02x}" for c in name))
    assert answer.status == 200 and answer.body == data
    assert answer.header("Content-Type").split(";")[0] == kind
    if kind == "text/plain":
        assert answer.header("Content-Type").lower().endswith("charset=utf-8")
    check_headers(answer)


def test_static_index(gw):
    assert gw.get("/site/").body == FILES["index.html"][0]
    assert gw.get("/site/sub/").body == FILES["sub/index.html"][0]
    answer = gw.get("/site/sub")
    if answer.status in (301, 302, 307, 308):
        assert answer.header("Location") == "/site/sub/"
    else:
        assert answer.status in (200, 404)


def test_static_misses(gw):
    """What is no file within the directory: not there, a directory without index, a special file, a dangling link."""
    for name in ("nothing", "plain/", "text.txt/", "text.txt/x", "fifo", "dangling", "INDEX.HTML"):
        check_refusal(gw.get(f"/site/{name}"), 404)
    assert gw.get("/site/plain").status in (301, 302, 307, 308, 404)


def test_static_large_file(gw):
    """A reader in fits and starts gets every byte."""
    with gw.connect(rcvbuf=4096) as raw:
        raw.send(wsraw.request("/site/big", host=gw.host))
        answer = raw.response()
    assert answer.body == bytes(range(256)) * 20000
    for _ in range(3):  # and one that leaves is no trouble
        raw = gw.connect(rcvbuf=4096)
        raw.send(wsraw.request("/site/big", host=gw.host))
        raw.take(1000)
        raw.reset()


ESCAPES = """
/site/../secret.txt /site/%2e%2e/secret.txt /site/..%2fsecret.txt /site/%2e%2e%2fsecret.txt /site/.%2e/secret.txt
/site/sub/../../secret.txt /site/sub/%2e%2e/%2e%2e/secret.txt /site/..%5csecret.txt /site/..\\secret.txt /site/%252e%252e/secret.txt
/site/%c0%ae%c0%ae/secret.txt /site/%c0%af..%c0%afsecret.txt /site/....//secret.txt /site/.../secret.txt /site//../secret.txt
/site/./../secret.txt /site/%2e/%2e%2e/secret.txt /site-other/x /site/../site-other/x /site%2f../secret.txt /site/..;/secret.txt
/site/..%00/secret.txt /site/secret.txt%00.html /site/out /site/out-relative /site/out-directory/secret.txt /site/out-directory/
/site/.git/config /site/%2egit/config /../secret.txt /%2e%2e/secret.txt //secret.txt /site//etc/passwd /site/%2fetc/passwd /site/%2Fetc/passwd
/site//etc/hostname /site/text.txt%2f..%2f..%2fsecret.txt /site/%ff%fe /site/text.txt%0a /site/~root/ /site/sub/..%2f..%2fsecret.txt
""".split()


@pytest.mark.parametrize("path", ESCAPES)
def test_static_never_leaves_its_directory(gw, path):
    answer = gw.get(path)
    assert answer.status in (400, 404), (answer, answer.body)
    assert CANARY not in answer.body and b"root:" not in answer.body


def test_static_symlink_inside(gw):
    assert gw.get("/site/in").body == FILES["text.txt"][0]


def test_no_redirect_to_another_host(gw):
    for path in (
        "//example.com/%2f..",
        "//example.com/..",
        "/site//example.com/%2f..",
        "//example.com",
        "/\\example.com",
    ):
        answer = gw.get(path)
        assert answer.status in (400, 404)
        assert answer.header("Location") is None


def test_static_file_that_grows_and_shrinks(gw):
    """The length is what the file had when it was opened; a body that can't be finished ends with the connection."""
    path = gw.dir / "site/shrinks"
    path.write_bytes(b"x" * 8000000)
    with gw.connect(rcvbuf=4096) as raw:
        raw.send(wsraw.request("/site/shrinks", host=gw.host))
        raw.take(10)
        os.truncate(path, 0)
        data = raw.rest()
    assert data.count(b"\0") == 0 and len(data) <= 8001000
    path.unlink()


def test_added_headers(gw):
    answer = gw.get("/head/text.txt")
    assert (answer.header("X-All"), answer.header("X-Plain"), answer.header("X-Socket")) == ("a", "p", None)


# the console


def test_console(gw):
    """Static bytes with a strict policy; the same whatever is asked."""
    page = gw.get("/console")
    assert page.status == 200
    assert page.header("Content-Type").lower() == "text/html; charset=utf-8"
    assert page.body == (ROOT / "src/gate/console.html").read_bytes()
    policy = {
        words[0]: words[1:]
        for words in (part.split() for part in page.header("Content-Security-Policy").split(";") if part.strip())
    }
    assert policy["default-src"] == ["'none'"]
    for directive in ("script-src", "style-src", "connect-src"):
        assert "'unsafe-inline'" not in policy[directive] and "*" not in policy[directive]
    assert policy["frame-ancestors"] == ["'none'"]
    assert policy["base-uri"] == ["'none'"]
    assert page.header("Referrer-Policy") == "no-referrer"
    check_headers(page)
    odd = gw.get(
        f'/console?"><script>alert(1)</script>&token={SECRET}'.replace("<", "%3C")
        .replace(">", "%3E")
        .replace('"', "%22")
    )
    assert (odd.status, odd.body) == (200, page.body)
    assert gw.get("/both").body == page.body


def test_console_parts(gw):
    """Everything that the page refers to is served, as what it is, and is nothing but its files."""
    files = {"css": ["src/gate/console.css"], "js": ["page/ends.js", "src/gate/console.js"]}
    page = gw.get("/console")
    found = [
        one
        for one in re.findall(r'<(?:link|script)[^>]*(?:href|src)="([^"]+)"', page.text)
        if not one.startswith("data:")
    ]
    assert len(found) == 2, found
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=", page.text), "nothing inline"
    for reference in found:
        url = urljoin(f"{gw.origin}/console", reference)
        assert url.startswith(f"{gw.origin}/")
        answer = gw.get(url.removeprefix(gw.origin))
        assert answer.status == 200, (reference, answer)
        suffix = "css" if "css" in reference else "js"
        assert answer.body == b"".join((ROOT / file).read_bytes() for file in files[suffix])
        assert answer.header("Content-Type").split(";")[0] == {"css": "text/css", "js": "text/javascript"}[suffix]
        check_headers(answer)


def test_console_route_still_upgrades(gw):
    with gw.ws("/both") as ws:
        ws.send_text("x")
        assert ws.recv_text() == "x"
        ws.close()


# the log


def test_request_line(gw):
    answer = gw.get(f"/console?token={SECRET}")
    line = gw.wait_log("request", path="/console?***")
    assert line["method"] == "GET" and int(line["status"]) == 200
    assert int(line["bytes"]) >= len(answer.body)
    assert line["peer"].startswith("127.0.0.1:")
    ask(gw, head(first="GET  / HTTP/1.1"))
    line = gw.wait_log("request", status=400)
    assert line["reason"]


def test_unread_requests_do_not_pile_up(gw):
    """A client that pipelines without reading is stopped by its own window."""
    with gw.connect(rcvbuf=4096) as raw:
        raw.sock.settimeout(1)
        with pytest.raises((TimeoutError, socket.timeout)):
            while True:
                raw.sock.send(wsraw.request("/site/big", host=gw.host) * 50)
        raw.reset()
