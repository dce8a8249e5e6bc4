"""The opening handshake, as its operator and other clients see it; its rules are in test_conformance_handshake.py,
_refusal.py, _origin.py and _offers.py."""
import asyncio
import re
import shlex

import pytest
import websockets
from gateway import Gateway, run
from wait import eventually

HOST = "localhost"  # without a port, so that of http


def GATEWAY(directory):
    cat = {"exec": "cat", "framing": "records"}
    return Gateway(
        directory,
        {
            "route /ws": cat,
            "route /shown": {"exec": "printenv WEBSOCKET_PROTOCOL"},
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


def test_origin_refusal_says_what_to_do(gw):
    answer = refuses(gw, 403, headers=origin("https://evil.example"))
    assert "https://evil.example" in answer.text and "origins" in answer.text
    line = gw.wait_log("request", status=403)
    assert "origin" in line["reason"].lower()


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


def test_subprotocol_reaches_the_program(gw):
    with gw.ws("/shown", headers=offered("chat.v2")) as ws:
        assert ws.recv_text() == "chat.v2"
        ws.recv_close(1000)


def test_other_client(gw):
    """python3-websockets opens, talks and closes."""

    async def talk():
        options = {"subprotocols": ["chat"], "origin": gw.origin, "open_timeout": 60, "close_timeout": 60}
        options |= {"ping_interval": None, **gw.for_websockets}
        async with websockets.connect(f"{gw.url}/ws", **options) as ws:
            assert ws.subprotocol == "chat"
            for message in ("hello", b"\0\xff", "", "ä" * 100000, b"x" * 900000):
                await ws.send(message)
                assert await ws.recv() == message
            await asyncio.wait_for(await ws.ping(), 60)
        assert ws.close_code == 1000

    asyncio.run(talk())
