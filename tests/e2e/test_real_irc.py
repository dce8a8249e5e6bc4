"""irc-framework against ngIRCd, as docs/services.md says; and what the two subprotocols make of bytes that are no UTF-8."""
import socket

import daemons
import pytest
from backends import Service, echo
from gateway import Gateway
from node import node, node_text
from recipes import gateway_words, module_text
from wsraw import BINARY, TEXT

LATIN = "grüße".encode("latin-1")
SUBPROTOCOLS = {"text.ircv3.net": TEXT, "binary.ircv3.net": BINARY}
NAMES = [  # keys of a route, which subprotocol is asked for, what type the messages are, and what the service reads
    ({}, "text.ircv3.net", TEXT, b"hi\n"),
    ({}, "binary.ircv3.net", BINARY, b"hi\n"),
    ({}, "irc", BINARY, b"hi"),
    ({"framing": "lines"}, "binary.ircv3.net", BINARY, b"hi\n"),
    ({"framing": "netstring"}, "text.ircv3.net", BINARY, b"2:hi,"),
    ({"messages": "text"}, "binary.ircv3.net", TEXT, b"hi\n"),
    ({"messages": "binary"}, "text.ircv3.net", BINARY, b"hi\n"),
    ({"subprotocols": "binary.ircv3.net=stream"}, "binary.ircv3.net", BINARY, b"hi"),
    ({"subprotocols": "binary.ircv3.net=text-stream"}, "binary.ircv3.net", TEXT, b"hi"),
    ({"subprotocols": "text.ircv3.net=lines binary.ircv3.net=lines"}, "binary.ircv3.net", BINARY, b"hi\n"),
    ({"subprotocols": "text.ircv3.net binary.ircv3.net"}, "binary.ircv3.net", BINARY, b"hi\n"),
]


def GATEWAY(directory):
    """An echo behind routes /0, /1 and so on."""
    it = Service(echo)
    gw = Gateway(directory, {f"route /{i}": {"connect": it.uri, **keys} for i, (keys, *_) in enumerate(NAMES)})
    gw.service = it
    return gw


@pytest.fixture(scope="module")
def server():
    with daemons.ngircd() as it:
        yield it


def test_irc(gateway, server):
    """Two register, join, talk, are pinged, and leave; every message is a line."""
    gw = gateway(argv=gateway_words("IRC", server))
    node("irc.mjs", f"{gw.url}/webirc")
    for n in (1, 2):
        line = gw.wait_log("session ended", n=n)
        assert line["code_sent"] in (1000, 1005), line  # the server's end, or the answer to a client's that has no code


@pytest.mark.plain_only("the URL of the page is ws://")
def test_irc_of_the_page(gateway, server):
    """The page's own lines make a client that registers and leaves."""
    gw = gateway(argv=gateway_words("IRC", server))
    leaves = """
        process.exitCode = 1;
        client.on('registered', () => { process.exitCode = 0; client.quit(); });
        client.on('close', () => process.exit());
    """
    node_text(module_text("IRC", gw) + leaves)
    gw.wait_log("session ended")


class Legacy:
    """A client of the old kind, on TCP."""

    def __init__(self, port, nick):
        self.sock = socket.create_connection(("127.0.0.1", port), 30)
        self.lines = self.sock.makefile("rb")
        self.say(f"NICK {nick}\r\nUSER {nick} 0 * :{nick}".encode())
        self.hear(b" 001 ")

    def say(self, line):
        self.sock.sendall(line + b"\r\n")

    def hear(self, part):
        """The next line that has that in it."""
        return next(line for line in self.lines if part in line).removesuffix(b"\r\n")

    def close(self):
        self.lines.close()
        self.sock.close()


@pytest.mark.parametrize("name", SUBPROTOCOLS)
def test_bytes(gateway, server, name):
    """What an old client says in Latin-1 is whole where messages are binary, and readable where they are text."""
    gw = gateway({"route /": {"connect": server.uri}})
    kind = SUBPROTOCOLS[name]
    me, other = (f"{nick}{list(SUBPROTOCOLS).index(name)}".encode() for nick in ("new", "old"))  # others may be there yet
    old = Legacy(server.port, other.decode())
    with gw.ws(headers=[("Sec-WebSocket-Protocol", name)]) as ws:
        assert ws.answer.header("Sec-WebSocket-Protocol") == name

        def hear(part):
            while True:
                opcode, payload = ws.recv_message()
                assert opcode == kind and not payload.endswith((b"\r", b"\n"))
                if part in payload:
                    return payload

        ws.send_frame(kind, b"NICK " + me)
        ws.send_frame(kind, b"USER new 0 * :new")
        hear(b" 001 ")
        old.say(b"PRIVMSG " + me + b" :" + LATIN)
        said = hear(b" PRIVMSG " + me + b" :").partition(b" :")[2]
        assert said == (LATIN if kind == BINARY else LATIN.decode("utf-8", "replace").encode())
        answer = "schöne Grüße".encode("latin-1" if kind == BINARY else "utf-8")
        ws.send_frame(kind, b"PRIVMSG " + other + b" :" + answer)
        assert old.hear(b" PRIVMSG " + other + b" :").partition(b" :")[2] == answer
        ws.close()
    old.close()


@pytest.mark.plain_only("it is chosen before a byte comes")
@pytest.mark.parametrize("i", range(len(NAMES)))
def test_names(gw, i):
    """IRC's names mean lines of one type or the other, where the route does not say otherwise."""
    _, name, kind, sent = NAMES[i]
    gw.service.received = b""
    with gw.ws(f"/{i}", headers=[("Sec-WebSocket-Protocol", name)]) as ws:
        assert ws.answer.header("Sec-WebSocket-Protocol") == name
        ws.send_text("hi")
        assert ws.recv_message() == (kind, b"hi")
        ws.close()
    assert gw.service.received == sent
