"""The opening handshake: RFC 6455 4.2, who may connect from where, what is negotiated."""
import asyncio
import base64
import re
import shlex

import pytest
import websockets
import wsraw
from gateway import Gateway, run
from wait import eventually
from wsraw import frame

HOST = "localhost"  # without a port, so that of http


def GATEWAY(directory):
    cat = {"exec": "cat", "framing": "records"}
    return Gateway(
        directory,
        {
            "route /ws": cat,
            "route /any": {**cat, "origins": "any"},
            "route /star": {**cat, "origins": "*"},
            "route /null": {**cat, "origins": "null"},
            "route /list": {**cat, "origins": ["https://app.example.org", "*.example.net", "intern.example:8443"]},
            "route /list-and-same": {**cat, "origins": ["same", "https://app.example.org"]},
            "route /protocols": {**cat, "subprotocols": ["best", "good"]},
            "route /shown": {"exec": "printenv WEBSOCKET_PROTOCOL"},
            "route /head": {
                **cat,
                "header": ["X-All: a", "X-All-2: b: c"],
                "header_ws": "X-Socket: s",
                "header_http": "X-Plain: p",
            },
        },
    )


def opens(gw, path="/ws", **options):
    """A handshake that must succeed, and an echo over it; returns the response."""
    before = len(gw.logged("session ended"))
    with gw.ws(path, **{"host": HOST, **options}) as ws:
        ws.send_text("hello")
        assert ws.recv_text() == "hello"
        ws.close()
    eventually(lambda: len(gw.logged("session ended")) > before, "the session does not end")
    return ws.answer


def refuses(gw, status, path="/ws", **options):
    before = len(gw.logged("session ended"))
    answer = gw.refused(path, **{"host": HOST, **options})
    assert answer.status == status, (answer, answer.body)
    assert answer.header("Content-Type").startswith("text/plain")
    assert len(answer.body.strip()) > 3
    assert not gw.programs()
    assert len(gw.logged("session ended")) == before
    return answer


def origin(value):
    return [("Origin", value)]


def own(gw, value):
    """An http origin as this gateway's own would be: over TLS with https and its port."""
    return value.replace("http:", f"{gw.scheme}:").replace(":80", ":443") if gw.tls else value


def test_accept(gw):
    """The key of the RFC and others."""
    answer = opens(gw)
    assert answer.header("Sec-WebSocket-Accept") == wsraw.ACCEPT
    assert answer.header("Sec-WebSocket-Extensions") is None
    assert answer.header("Sec-WebSocket-Protocol") is None
    for byte in (0, 255):
        opens(gw, key=base64.b64encode(bytes([byte] * 16)).decode())


@pytest.mark.parametrize(
    "connection", ["Upgrade", "upgrade", "keep-alive, Upgrade", "Upgrade,keep-alive", " keep-alive ,\tUPGRADE"]
)
@pytest.mark.parametrize("protocol", ["websocket", "WebSocket"])
def test_tokens(gw, connection, protocol):
    opens(gw, connection=connection, protocol=protocol)


def test_two_connection_headers(gw):
    opens(gw, connection="keep-alive", headers=[("Connection", "Upgrade")])


@pytest.mark.parametrize(
    "key",
    [
        None,
        "",
        "x",
        wsraw.KEY[:-1],
        wsraw.KEY + "=",
        wsraw.KEY[:-2],
        "A" * 24,
        "dGhlIHNhbXBsZSBub25jZR==",
        wsraw.KEY.replace("=", "-"),
        "dGhlIHNhbXBsZSBub25j\tQ==",
        "A" * 1024,
        base64.b64encode(b"a" * 15).decode(),
        base64.b64encode(b"a" * 17).decode(),
    ],
)
def test_key(gw, key):
    refuses(gw, 400, key=key)


def test_key_twice(gw):
    refuses(gw, 400, headers=[("Sec-WebSocket-Key", wsraw.KEY)])


@pytest.mark.parametrize("version", [None, "", "12", "8", "0", "013", "13.0", "+13", "13, 8", "777"])
def test_version(gw, version):
    """Only 13; else 426 and what would do."""
    answer = refuses(gw, 426, version=version)
    assert answer.header("Sec-WebSocket-Version") == "13"


def test_version_twice(gw):
    assert gw.refused("/ws", host=HOST, headers=[("Sec-WebSocket-Version", "13")]).status in (400, 426)


@pytest.mark.parametrize(
    "options",
    [
        {"connection": None},
        {"connection": "keep-alive"},
        {"connection": "notUpgrade"},
        {"connection": "Upgrade-Insecure"},
        {"connection": "close"},
    ],
)
def test_connection_must_name_upgrade(gw, options):
    refuses(gw, 400, **options)


def test_method_and_version_of_http(gw):
    assert gw.refused("/ws", host=HOST, method="POST").status == 405
    assert gw.http(wsraw.upgrade("/ws", HOST, method="HEAD"), "HEAD").status in (400, 405, 426)
    refuses(gw, 400, http="HTTP/1.0")


def test_other_upgrades(gw):
    """What asks for something else is a plain request; a list is refused."""
    assert gw.refused("/ws", host=HOST, protocol="h2c").status == 426
    assert gw.refused("/ws", host=HOST, protocol=None).status == 426
    refuses(gw, 400, protocol="websocket, h2c")


@pytest.mark.parametrize(
    "headers", [[("Content-Length", "5")], [("Transfer-Encoding", "chunked")], [("Content-Length", "-1")]]
)
def test_no_body(gw, headers):
    assert gw.http(wsraw.upgrade("/ws", HOST, headers=headers) + b"hello").status in (400, 501)


def test_bytes_after_the_head_are_the_first_frames(gw):
    second = frame(wsraw.TEXT, "two")
    with gw.ws("/ws", host=HOST, first=frame(wsraw.TEXT, "one") + second[:5]) as ws:
        assert ws.recv_text() == "one"
        ws.send(second[5:])
        assert ws.recv_text() == "two"
        ws.close()
    head = wsraw.upgrade("/ws", HOST) + frame(wsraw.BINARY, b"x" * 3000, mask=b"abcd")
    for cut in (1, 20, len(head) - 3010, len(head) - 3008, len(head) - 3007, len(head) - 3000, len(head) - 1):
        with gw.connect() as raw:
            raw.send(head[:cut])
            gw.counters()  # it has had the time to read what is there
            raw.send(head[cut:])
            assert raw.response().status == 101
            assert raw.recv_bytes(3000) == b"x" * 3000
            raw.close()


def test_bytes_after_a_refused_head_reach_nobody(gw):
    with gw.connect() as raw:
        raw.send(wsraw.upgrade("/ws", HOST, headers=origin("https://evil.example")) + frame(wsraw.TEXT, "hello"))
        assert raw.response().status == 403
        raw.ended()
    assert not gw.logged("session ended")


# origins


@pytest.mark.parametrize("value", ["http://localhost", "http://localhost:80", "http://LOCALHOST"])
def test_origin_same(gw, value):
    opens(gw, headers=origin(own(gw, value)))


def test_origin_same_with_a_port(gw):
    opens(gw, host=gw.host, headers=origin(gw.origin))
    refuses(gw, 403, host=gw.host, headers=origin(f"{gw.scheme}://127.0.0.1"))
    refuses(gw, 403, host=gw.host, headers=origin(f"{gw.scheme}://127.0.0.1:{gw.port ^ 1}"))
    refuses(gw, 403, host=gw.host, headers=origin(f"{gw.scheme}://localhost:{gw.port}"))
    opens(gw, host=f"[::1]:{gw.port}", headers=origin(f"{gw.scheme}://[::1]:{gw.port}"))


FOREIGN = """https://evil.example http://localhost:90000 http://localhost:8080 http://localhost.evil.com http://evillocalhost http://localhost@evil
http://evil@localhost http://localhost/ http://localhost/path http://localhost?x http://localhost#x null http:// localhost //localhost http:localhost
http://localhost: http://localhost. http://localho file:// http://localhost,http://evil.example""".split()


@pytest.mark.parametrize("value", FOREIGN)
def test_origin_foreign(gw, value):
    refuses(gw, 403, headers=origin(value.replace("http:", f"{gw.scheme}:")))


def test_origin_refusal_says_what_to_do(gw):
    answer = refuses(gw, 403, headers=origin("https://evil.example"))
    assert "https://evil.example" in answer.text and "origins" in answer.text
    line = gw.wait_log("request", status=403)
    assert "origin" in line["reason"].lower()


def test_origin_absent_is_no_browser(gw):
    opens(gw)


def test_origin_twice(gw):
    refuses(gw, 400, headers=origin("http://localhost") * 2)


@pytest.mark.parametrize("value", ["null", "https://evil.example", "http://localhost", "anything at all"])
def test_origin_any(gw, value):
    opens(gw, "/any", headers=origin(value))
    opens(gw, "/star", headers=origin(value))


def test_origin_null(gw):
    opens(gw, "/null", headers=origin("null"))
    refuses(gw, 403, "/null", headers=origin("http://localhost"))
    refuses(gw, 403, "/null", headers=origin("https://evil.example"))


@pytest.mark.parametrize(
    "value",
    [
        "https://app.example.org",
        "https://APP.example.org",
        "https://app.example.org:443",
        "https://a.example.net",
        "http://a.b.example.net",
        "https://intern.example:8443",
        "http://intern.example:8443",
    ],
)
def test_origin_list(gw, value):
    opens(gw, "/list", headers=origin(value))


@pytest.mark.parametrize(
    "value",
    [
        "http://localhost",
        "http://app.example.org",
        "https://app.example.org:444",
        "https://xapp.example.org",
        "https://app.example.org.evil",
        "https://example.net",
        "https://evilexample.net",
        "https://a.example.net.evil",
        "https://intern.example",
        "https://intern.example:84430",
        "null",
    ],
)
def test_origin_not_in_the_list(gw, value):
    refuses(gw, 403, "/list", headers=origin(value))


def test_origin_list_with_same(gw):
    opens(gw, "/list-and-same", headers=origin(f"{gw.scheme}://localhost"))
    opens(gw, "/list-and-same", headers=origin("https://app.example.org"))
    refuses(gw, 403, "/list-and-same", headers=origin("https://evil.example"))


# DNS rebinding


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:1", "LocalHost", "127.0.0.1", "127.0.0.1:8080", "[::1]", "[::1]:8080", "192.0.2.1"]
)
def test_host_of_a_loopback_listener(gw, host):
    opens(gw, host=host)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evillocalhost",
        "0x7f.1",
        "a.localhost.b",
    ],
)
def test_host_rebound(gw, host):
    """The Origin is the Host, and yet it is nobody's."""
    answer = refuses(gw, 421, host=host, headers=origin(f"{gw.scheme}://{host}"))
    assert "server_names" in answer.text
    assert gw.get("/ws", host=host).status == 421


def test_server_names(gateway):
    gw = gateway(
        {"route /ws": {"exec": "cat", "framing": "records"}}, listen={"server_names": ["example.org", "*.example.net"]}
    )
    for host in ("example.org", "EXAMPLE.org", "example.org:99", "a.example.net", "a.b.example.net"):
        opens(gw, host=host)
    for host in ("localhost", "127.0.0.1", "example.net", "xexample.net", "a.example.org", "example.org.evil"):
        refuses(gw, 421, host=host)


# what a refusal advises, done as it says


def advised(text):
    """The options or the line of an ini file in "To allow it: ...", and the section that the line is for."""
    how = re.search("To allow it: (.*)[.]\n", text)[1]
    line = re.fullmatch(r"(?:add a line )?(.* = .*) (?:to|in) \[(.*)\]", how)
    return line.groups() if line else shlex.split(how.removesuffix(" on the command line"))


def still_lets_in(gw):
    """Whoever was let in before, and now the name too."""
    for host in ("localhost", "127.0.0.1", "[::1]", "new.example"):
        opens(gw, "/", host=host)
    assert gw.get("/", host="other.example").status == 421


@pytest.mark.parametrize("words", [[], ["--set", "server_names=localhost 127.0.0.1 [::1]"]])
def test_name_advice_on_the_command_line(gateway, words):
    argv = ["--set=gateway.log_format=json", "--port=0", *words, "cat"]
    text = gateway(argv=argv).get("/", host="new.example").text
    still_lets_in(gateway(argv=[*argv[:-1], *advised(text), "cat"]))


def changed(gateway, gw, section, line):
    """A gateway with the file of another one and a line more."""
    path = gw.ini.with_name("changed.ini")
    old = gw.ini.read_text()
    assert f"[{section}]\n" in old
    path.write_text(old.replace(f"[{section}]\n", f"[{section}]\n{line}\n"))
    return gateway(argv=[f"--config={path}"])


def test_name_advice_for_a_file(gateway):
    """In the section of the listener."""
    for names in ({}, {"server_names": "localhost 127.0.0.1 [::1]"}):
        gw = gateway({"route /": {"exec": "cat"}}, listen=names)
        line, section = advised(gw.get("/", host="new.example").text)
        still_lets_in(changed(gateway, gw, section, line))


def test_name_advice_for_a_file_without_listener(tmp_path):
    """Nobody wrote a section that the line could go to."""
    (tmp_path / "x.ini").write_text("[route /]\nexec = cat\n")
    words = ["--set", "listen default.server_names=localhost 127.0.0.1 [::1] new.example"]
    status, out, err = run(f"--config={tmp_path}/x.ini", "--dump", *words)
    assert (status, err) == (0, "") and "\nserver_names = new.example\n" in out


@pytest.mark.parametrize("words", [[], ["--origin=one.example"], ["--origin=same", "--origin=one.example"]])
def test_origin_advice_on_the_command_line(gateway, words):
    argv = ["--set=gateway.log_format=json", "--port=0", *words, "cat"]
    before = gateway(argv=argv)
    text = refuses(before, 403, "/", headers=origin("https://new.example")).text
    gw = gateway(argv=[*argv[:-1], *advised(text), "cat"])
    opens(gw, "/", headers=origin("https://new.example"))
    if "--origin=one.example" not in words or "--origin=same" in words:
        opens(gw, "/", host=gw.host, headers=origin(gw.origin))
    if words:
        opens(gw, "/", headers=origin("https://one.example"))


def test_origin_advice_for_a_file(gateway):
    """A line of the route itself, which takes nothing away that [defaults] gave."""
    gw = gateway({"defaults": {"origins": "same one.example"}, "route /": {"exec": "cat"}})
    line, section = advised(refuses(gw, 403, "/", headers=origin("https://new.example")).text)
    assert section == "route /"
    gw = changed(gateway, gw, section, line)
    for page in ("https://new.example", "https://one.example", gw.origin):
        opens(gw, "/", host=gw.host, headers=origin(page))


# subprotocols and headers


def offered(*values):
    return [("Sec-WebSocket-Protocol", value) for value in values]


@pytest.mark.parametrize(
    "path,offer,answer",
    [
        ("/ws", [], None),
        ("/ws", ["mqtt"], "mqtt"),
        ("/ws", ["a, b"], "a"),
        ("/ws", ["a,b,c"], "a"),
        ("/ws", ["a", "b"], "a"),
        ("/protocols", [], None),
        ("/protocols", ["good"], "good"),
        ("/protocols", ["good, best"], "best"),
        ("/protocols", ["good", "x, best"], "best"),
        ("/protocols", ["other"], None),
        ("/protocols", ["Best"], None),
    ],
)
def test_subprotocol(gw, path, offer, answer):
    assert opens(gw, path, headers=offered(*offer)).header("Sec-WebSocket-Protocol") == answer


@pytest.mark.parametrize("value", ["a b", "a, a", "a;b", '"a"', "a/b", ",".join(f"p{i}" for i in range(33))])
def test_subprotocol_malformed(gw, value):
    refuses(gw, 400, headers=offered(value))


def test_subprotocol_reaches_the_program(gw):
    with gw.ws("/shown", headers=offered("chat.v2")) as ws:
        assert ws.recv_text() == "chat.v2"
        ws.recv_close(1000)


def test_extensions_are_declined(gw):
    for value in (
        "permessage-deflate; client_max_window_bits",
        "x-webkit-deflate-frame",
        'a; b="c\\"d"',
        "constructor",
        "permessage-deflate; server_max_window_bits=99, bogus",
    ):
        assert opens(gw, headers=[("Sec-WebSocket-Extensions", value)]).header("Sec-WebSocket-Extensions") is None


def test_added_headers(gw):
    answer = opens(gw, "/head")
    assert [answer.header(name) for name in ("X-All", "X-All-2", "X-Socket", "X-Plain")] == ["a", "b: c", "s", None]


def test_long_lists_cost_nothing(gw):
    refuses(gw, 400, headers=offered("b" + " " * 7000 + "x"))
    refuses(gw, 400, headers=[("Sec-WebSocket-Extensions", 'a; b="' + "\\c" * 3000)])
    opens(gw, headers=[("Sec-WebSocket-Extensions", 'a; b="' + "\\c" * 3000 + '"')])


def test_other_client(gw):
    """python3-websockets opens, talks and closes."""

    async def talk():
        options = {"subprotocols": ["chat"], "origin": gw.origin, **gw.for_websockets}
        async with websockets.connect(f"{gw.url}/ws", **options) as ws:
            assert ws.subprotocol == "chat"
            for message in ("hello", b"\0\xff", "", "ä" * 100000, b"x" * 900000):
                await ws.send(message)
                assert await ws.recv() == message
            await asyncio.wait_for(await ws.ping(), 5)
        assert ws.close_code == 1000

    asyncio.run(talk())
