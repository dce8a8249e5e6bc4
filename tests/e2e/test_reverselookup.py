"""--reverselookup: REMOTE_HOST is what the client is called; the names are those of this machine's /etc/hosts."""
import socket

import pytest
import wsraw
from wait import eventually

WORDS = ["--port=0", "--set", "gateway.log_format=json", "--set", "framing=lines"]
PROGRAM = ["sh", "-c", "echo $REMOTE_ADDR $REMOTE_HOST; cat"]


def name_of(address):
    """What this machine calls an address of its own, if that leads back."""
    try:
        name = socket.getnameinfo((address, 0), socket.NI_NAMEREQD)[0]
        return name if address in {info[4][0] for info in socket.getaddrinfo(name, None)} else None
    except OSError:
        return None


def says(gw, **options):
    with gw.ws("/", **options) as ws:
        said = ws.recv_text()
        ws.send_text("still here")
        assert ws.recv_text() == "still here"
        ws.close()
    return said.split()


@pytest.mark.skipif(name_of("127.0.0.1") is None, reason="127.0.0.1 has no name here")
def test_name(gateway):
    """The first one asks, the others know; frames behind the request wait with it."""
    gw = gateway(argv=["--reverselookup", *WORDS, *PROGRAM])
    for _ in range(3):
        assert says(gw) == ["127.0.0.1", name_of("127.0.0.1")]
    with gw.ws("/", b"\x81\x85\0\0\0\0early") as ws:
        ws.recv_text()
        assert ws.recv_text() == "early"
        ws.close()


def test_without(gateway):
    """Digits, where nobody asked for more."""
    assert says(gateway(argv=[*WORDS, *PROGRAM])) == ["127.0.0.1", "127.0.0.1"]


def test_unix_socket(gateway, tmp_path):
    """No address, no name, no wait."""
    path = tmp_path / "socket"
    gw = gateway(argv=["--reverselookup", f"--unixsocket={path}", *WORDS, *PROGRAM])
    assert says(gw, over=gw.connect(str(path))) == ["unix", "unix"]


def test_client_leaves_meanwhile(gateway):
    """While its name is asked for: nothing stays, and nothing is started for nobody."""
    gw = gateway(argv=["--reverselookup", *WORDS, *PROGRAM])
    for _ in range(20):
        raw = gw.connect()
        raw.send(wsraw.upgrade("/", gw.host))
        raw.reset()
    eventually(lambda: gw.counters() == gw.baseline, lambda: f"{gw.counters()}")
