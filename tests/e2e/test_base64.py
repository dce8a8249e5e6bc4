"""base64: what clients say and hear as text, where the service has bytes."""
import base64
import random

import pytest
from backends import Service, echo, sends
from gateway import Gateway
from wait import eventually
from wsraw import BINARY, CLOSE, CONTINUATION, TEXT, frame

IRC = "text.ircv3.net=lines, binary.ircv3.net=stream"
BYTES = bytes(range(256)) + random.Random(64).randbytes(200_000)


def GATEWAY(directory):
    """A service that echoes, behind what subprotocols and framing may say; one that only talks."""
    bridge, talker = Service(echo), Service(sends(BYTES))
    it = Gateway(
        directory,
        {
            "route /any": {"connect": bridge.uri},
            "route /named": {"connect": bridge.uri, "subprotocols": "binary base64 old=base64"},
            "route /other": {"connect": bridge.uri, "subprotocols": "base64=lines", "framing": "stream"},
            "route /lines": {"connect": bridge.uri, "framing": "lines"},
            "route /framed": {"connect": bridge.uri, "framing": "base64"},
            "route /program": {"exec": "cat", "framing": "stream"},
            "route /irc": {"connect": bridge.uri, "subprotocols": IRC},
            "route /talks": {"connect": talker.uri, "framing": "base64", "buffer": "16k"},
        },
    )
    it.bridge, it.talker = bridge, talker
    return it


def coded(data):
    return base64.b64encode(data).decode()


def offer(*names):
    return {"headers": [("Sec-WebSocket-Protocol", ", ".join(names))]}


def decoded(ws, n):
    """Messages until they say n bytes; each is base64 by itself."""
    got = b""
    while len(got) < n:
        got += base64.b64decode(ws.recv_text(), validate=True)
    return got


def test_both_ways(gw):
    """Every byte and every length of the last quantum, in one frame, in fragments, in TCP segments of one byte."""
    gw.bridge.received = b""
    with gw.ws("/framed") as ws:
        for n in (1, 2, 3, 256, 4096, 200_000):
            text = coded(BYTES[:n])
            ws.send_text(text)
            assert decoded(ws, n) == BYTES[:n]
        text = coded(BYTES[:10]).encode()
        ws.send(
            frame(TEXT, text[:1], fin=False)
            + frame(CONTINUATION, text[1:6], fin=False)
            + frame(CONTINUATION, b"", fin=False)
            + frame(CONTINUATION, text[6:]),
            chunk=1,
        )
        assert decoded(ws, 10) == BYTES[:10]
        ws.send_binary(text)
        assert decoded(ws, 10) == BYTES[:10]
        ws.send_text("")
        ws.close()


@pytest.mark.plain_only("TLS cuts what it carries as it likes, and the framing does not know it")
@pytest.mark.parametrize(
    "path, offered, answer, is_text",
    [
        ("/any", ("base64",), "base64", True),
        ("/any", ("base64", "binary"), "base64", True),
        ("/any", ("binary", "base64"), "binary", False),
        ("/any", (), None, False),
        ("/named", ("base64", "binary"), "binary", False),
        ("/named", ("base64",), "base64", True),
        ("/named", ("old",), "old", True),
        ("/named", ("Base64",), None, False),
        ("/program", ("base64",), "base64", False),
    ],
)
def test_by_subprotocol(gw, path, offered, answer, is_text):
    """A service's clients that ask for base64 have it; a program knows no such thing."""
    with gw.ws(path, **(offer(*offered) if offered else {})) as ws:
        assert ws.answer.header("Sec-WebSocket-Protocol") == answer
        ws.send_text("aGk=")
        if is_text:
            assert ws.recv_text() == "aGk="
        else:
            assert ws.recv_bytes(4) == b"aGk="
        ws.close()


@pytest.mark.plain_only("it is chosen before a byte comes")
def test_what_the_route_says_wins(gw):
    """A framing given with the name, and one of the route that is no stream."""
    for path in ("/other", "/lines"):
        with gw.ws(path, **offer("base64")) as ws:
            assert ws.answer.header("Sec-WebSocket-Protocol") == "base64"
            ws.send_text("*")
            assert ws.recv_text() == "*"
            ws.close()


@pytest.mark.plain_only("it is chosen before a byte comes")
@pytest.mark.parametrize(
    "offered, answer, heard",
    [
        (("text.ircv3.net",), "text.ircv3.net", (TEXT, b"PING x")),
        (("binary.ircv3.net",), "binary.ircv3.net", (BINARY, b"PING x\r\n\n")),
        (("binary.ircv3.net", "text.ircv3.net"), "text.ircv3.net", (TEXT, b"PING x")),
        (("other",), None, (BINARY, b"PING x\r\n\n")),
    ],
)
def test_framing_by_name_in_a_list(gw, offered, answer, heard):
    """A list with commas: each name with its framing, the best one first. Lines get their newline and lose it again."""
    gw.bridge.received = b""
    with gw.ws("/irc", **offer(*offered)) as ws:
        assert ws.answer.header("Sec-WebSocket-Protocol") == answer
        ws.send_text("PING x\r" if heard[0] == TEXT else "PING x\r\n\n")
        assert ws.recv_message() == heard
        ws.close()
    assert gw.bridge.received == (b"PING x\r\n" if heard[0] == TEXT else b"PING x\r\n\n")


@pytest.mark.plain_only("the framing does not know what carries it")
@pytest.mark.parametrize("text, delivered", [("aGkhKg", b"hi!"), ("aGk=aGk=", b"hi"), ("aGkh\naGkh", b"hi!"), ("*", b"")])
def test_not_base64(gw, text, delivered):
    """1007 and why; the service has the quanta before, no byte of the broken one, and no orderly end."""
    gw.bridge.dismiss()
    gw.bridge.received = b""
    resets = gw.bridge.resets
    with gw.ws("/framed") as ws:
        ws.send_text(text)
        ws.send_text("aGkh")
        while (got := ws.recv()).opcode != CLOSE:
            assert base64.b64decode(got.payload) in delivered
        assert (got.code, got.reason) == (1007, "not base64")
    eventually(lambda: gw.bridge.resets > resets, "the service sees no reset")
    assert gw.bridge.received == delivered
    assert gw.wait_log("session ended")["code_sent"] in (1007, "1007")
    assert gw.bridge.resets == resets + 1


def test_bytes_of_a_service_that_ends(gw):
    """All of them, then 1000; with the smallest buffer and a client that reads nothing at first."""
    with gw.ws("/talks", over=gw.connect(rcvbuf=4096)) as ws:
        got = b""
        while (message := ws.recv()).opcode == TEXT:
            got += base64.b64decode(message.payload, validate=True)
        assert (got == BYTES, message.code) == (True, 1000)
        ws.answer_close(message)
