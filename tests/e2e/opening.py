"""Opening handshakes from their lines, and a gateway that must say the same to each of them however it is cut.

What a refused one leads to is counted once for a whole file: none of them may have reached the service behind the
gateway, and nothing that stood behind one of them may have been taken for a request.
"""
import re

import backends
import pytest
import wsraw
from gateway import Gateway
from wait import eventually
from wsraw import KEY

OWN = ["Date", "Upgrade", "Connection", "Sec-WebSocket-Accept"]  # the headers of an answer with nothing negotiated
FIELDS = {
    "Host": "localhost",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


def head(changes=(), first="GET /ws HTTP/1.1", order=tuple(FIELDS)):
    """A correct head (RFC 6455 4.1), but for `changes`: {name: value}; None leaves it out, a list gives several."""
    lines = [first]
    for name, value in {**{name: FIELDS[name] for name in order}, **dict(changes)}.items():
        values = value if isinstance(value, list) else [value]
        lines += [f"{name}: {one}" for one in values if one is not None]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def target(resource):
    """A head for that resource name (section 3)."""
    return head(first=f"GET {resource} HTTP/1.1")


WAYS = pytest.mark.parametrize("way", ["whole", "bytes"])


def chunk_of(data, way):
    """Writes of one byte; of more where there would be thousands of them."""
    return None if way == "whole" else 1 if len(data) < 1000 else 61


class Door:
    """A gateway with routes to a TCP service that echoes records, and what it was asked so far."""

    def __init__(self, directory, routes):
        self.service = backends.Service(backends.echo)
        records = {"framing": "records", "closing_wait": "60s"}
        sections = {"route /program": {"exec": "cat", "stop_grace": "60s", **records}}
        for path, keys in routes.items():
            sections[f"route {path}"] = {"connect": self.service.uri, **records, **keys}
        self.gw = Gateway(directory, sections)
        self.gw.take_baseline()
        self.n_opened = self.n_served = self.n_refused = 0  # n_served: by the service

    def own(self, origin):
        """An http origin as this gateway's own is: with https and its port when it speaks TLS."""
        return re.sub(":80$", ":443", re.sub("^http:", "https:", origin)) if self.gw.tls else origin

    def send(self, raw, data, chunk=None):
        """Sends as much as the gateway takes: it may have refused before the last byte."""
        try:
            raw.send(data, chunk)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def let_in(self, data):
        """Counts a head that was answered with 101."""
        self.n_opened += 1
        self.n_served += not data.startswith(b"GET /program ")

    def opens(self, data, chunk=None, key=KEY, names=OWN):
        """It must be let in with the answer that 4.2.2 says, and a message must come back; returns the answer."""
        with self.gw.connect() as raw:
            raw.send(data, chunk)
            answer = raw.response()
            assert (answer.status, answer.phrase) == (101, "Switching Protocols"), (answer, answer.body)
            self.let_in(data)
            assert sorted(name for name, _ in answer.headers) == sorted(names)
            assert answer.header("Upgrade") == "websocket"
            assert answer.header("Connection") == "Upgrade"
            assert answer.header("Sec-WebSocket-Accept") == wsraw.accept_of(key)
            raw.send_text("hello")
            assert raw.recv_text() == "hello"
            assert raw.close().code == 1000
            return answer

    def refuses(self, data, status, chunk=None):
        """It must be refused, once, with words; what is behind it is nothing (RFC 6455 4.2.1, 4.2.2)."""
        method = "HEAD" if data.startswith(b"HEAD") else "GET"
        with self.gw.connect() as raw:
            self.send(raw, data, chunk)
            self.send(raw, wsraw.request("/behind", host="localhost"))
            answer = raw.response(method)
            self.n_refused += 1
            assert answer.status == status, (answer, answer.body)
            raw.ended()
            assert not raw.cut, "a reset may destroy the answer"
        assert answer.header("Connection") == ("close, Upgrade" if status == 426 else "close")  # RFC 9110 7.8
        assert answer.header("Content-Type").startswith("text/plain")
        assert len(answer.body.strip()) > 3 or method == "HEAD", "a refusal says why"
        assert answer.header("Sec-WebSocket-Version") == ("13" if status == 426 else None)
        assert answer.header("Upgrade") == ("websocket" if status == 426 else None)
        assert answer.header("Sec-WebSocket-Accept") is None
        return answer

    def check(self):
        """Each that was let in was one connection of the service and one session; each refused one was one request."""
        gw = self.gw
        eventually(
            lambda: len(gw.logged("session ended", since_mark=False)) >= self.n_opened, "there are sessions that go on"
        )
        gw.check_idle()
        eventually(lambda: len(self.service.connections) >= self.n_served, "the service has not seen all of them")
        assert len(gw.logged("session ended", since_mark=False)) == self.n_opened
        assert len(self.service.connections) == self.n_served
        assert len(gw.logged("request", since_mark=False)) == self.n_refused
        assert "/behind" not in gw.log_text()
        gw.stop()

    def close(self):
        self.gw.kill()
        self.service.close()


def doors(directory, routes):
    """For a fixture: one door for a file."""
    door = Door(directory, routes)
    try:
        yield door
        door.check()
    finally:
        door.close()
