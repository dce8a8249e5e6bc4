"""The opening handshake by the text of RFC 6455 4.1 and 4.2: what must be let in, and the answer to it.

Each case is a head, sent whole and in writes of one byte. What must be refused is in test_conformance_refusal.py,
origins in test_conformance_origin.py.
"""
import base64
import random

import pytest
from opening import FIELDS, OWN, WAYS, chunk_of, doors, head, target
from wait import prompt
from wsraw import BINARY, CLOSE, KEY, PING, PONG, TEXT, Frame, close_frame, frame

ROUTES = {
    "/ws": {},
    "/p/*": {},
    "/head": {"header": ["X-All: a", "X-All-2: b: c"], "header_ws": "X-Socket: s", "header_http": "X-Plain: p"},
}


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    yield from doors(tmp_path_factory.mktemp("handshake"), ROUTES)


def names_as(change):
    """A head whose header names are changed."""
    first, *lines = head().split(b"\r\n")[:-2]
    pairs = [line.split(b":", 1) for line in lines]
    return b"\r\n".join([first, *(change(name) + b":" + value for name, value in pairs), b"", b""])


CHROMIUM = {
    "Pragma": "no-cache",
    "Cache-Control": "no-cache",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Accept-Language": "en-US,en;q=0.9",
    "Cookie": "a=b; c=d",
    "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
}
FIREFOX = {
    "Accept": "*/*",
    "Accept-Encoding": "gzip, deflate",
    "Sec-WebSocket-Extensions": "permessage-deflate",
    "Connection": "keep-alive, Upgrade",
    "Sec-Fetch-Dest": "empty",
    "Sec-Fetch-Mode": "websocket",
    "Sec-Fetch-Site": "same-origin",
    "Pragma": "no-cache",
}
NAMES = """/ws? /ws?? /ws?a=b&c=d /ws?a=%20%41%ff /ws?//x /ws?/../ /%77s /w%73 /p/ /p/x/y /p/a%20b /p/%c3%a4?%c3%a4 /p//x
/p/;a=b,c /p/~!$&'()*+:@-._ /p/"<>[]^`{|}""".split()
HOSTS = "LocalHost localhost:80 localhost:1 localhost:65535 127.0.0.1 [::1] [::1]:9".split()
UPGRADES = "WebSocket|WEBSOCKET|wEbSoCkEt|,websocket|websocket,|, ,websocket ,\t,".split("|")
CONNECTIONS = """upgrade|UPGRADE|uPGRADE|keep-alive, Upgrade|keep-alive,Upgrade|Upgrade, keep-alive|keep-alive ,\tupgrade|,,Upgrade
Upgrade,|a, b, c, d, Upgrade, e|Upgrade, Upgrade|close, Upgrade|Upgrade, HTTP2-Settings|Upgrade-Insecure-Requests, Upgrade
Keep-Alive, Sec-WebSocket-Key, Upgrade""".replace(
    "\n", "|"
).split(
    "|"
)
ORDERS = [(*list(FIELDS)[i:], *list(FIELDS)[:i]) for i in range(1, 5)] + [tuple(FIELDS)[::-1]]

ACCEPTED = {
    "4.1 nothing but what must be there": head(),
    "4.1 as Chromium says it": head(CHROMIUM),
    "4.1 as Firefox says it": head(FIREFOX, order=[*FIELDS][::-1]),
    # the resource name, which a "?" without a query is no part of
    **{f"4.2.1-1 resource name {name}": target(name) for name in NAMES},
    "4.2.1-1 resource name of 7000": target("/p/" + "a" * 7000),
    **{f"4.2.1-2 Host: {value}": head({"Host": value}) for value in HOSTS},
    # in any case; an empty element of a list is none (RFC 9110 5.6.1)
    **{f"4.2.1-3 Upgrade: {value!r}": head({"Upgrade": value}) for value in UPGRADES},
    **{f"4.2.1-4 Connection: {value!r}": head({"Connection": value}) for value in CONNECTIONS},
    "4.2.1-4 Connection twice, the token first": head({"Connection": ["Upgrade", "keep-alive"]}),
    "4.2.1-4 Connection twice, the token last": head({"Connection": ["keep-alive", "Upgrade"]}),
    "4.2.1-4 Connection thrice, one empty": head({"Connection": ["", "x", "Upgrade"]}),
    # names in any case, white space around values (RFC 9110 5.1, 5.5), headers in any order
    "4.2.1 names in lower case": names_as(bytes.lower),
    "4.2.1 names in upper case": names_as(bytes.upper),
    "4.2.1 names in swapped case": names_as(bytes.swapcase),
    "4.2.1 no space behind the colon": head().replace(b": ", b":"),
    "4.2.1 a tab behind the colon": head().replace(b": ", b":\t"),
    "4.2.1 much white space behind the colon": head().replace(b": ", b": \t \t   "),
    **{f"4.2.1 white space behind the value of {name}": head({name: FIELDS[name] + " \t "}) for name in FIELDS},
    **{f"4.2.1 order {i}": head(order=order) for i, order in enumerate(ORDERS)},
    # other headers may be there
    "4.1 unknown headers": head({"X-One": "1", "Sec-WebSocket-Other": "x", "Sec-": "", "!#$%&'*+-.^_`|~": "~"}),
    "4.1 an unknown header twice": head({"X-One": ["1", "1"]}),
    "4.1 an empty unknown header": head({"X-One": ""}),
    "4.1 bytes above ASCII in an unknown header": head({"X-One": "\x80\xe4\xff"}),
    "4.1 cookies": head({"Cookie": ["a=b", "c=d"]}),
    "4.1 credentials": head({"Authorization": "Basic YTpi"}),
    "4.1 what only a server sends": head({"Sec-WebSocket-Accept": "x", "Server": "x"}),
    "4.1 keys of older drafts": head({"Sec-WebSocket-Key1": "1 2", "Sec-WebSocket-Key2": "3 4"}),
    "4.1 the origin of older drafts": head({"Sec-WebSocket-Origin": "https://evil.example"}),
    "4.1 64 headers": head({f"X-{i}": "x" for i in range(59)}),
    "4.1 8000 bytes in a header": head({"X-One": "x" * 8000}),
    "4.1 a length of nothing": head({"Content-Length": "0"}),
}


@pytest.mark.parametrize("name", ACCEPTED)
@WAYS
def test_accepted(door, name, way):
    door.opens(ACCEPTED[name], chunk_of(ACCEPTED[name], way))


# 4.2.2: the answer


@pytest.mark.parametrize("n", range(20))
def test_accept_4_2_2_5_4(door, n):
    """Sec-WebSocket-Accept of random keys."""
    key = base64.b64encode(random.Random(n).randbytes(16)).decode()
    door.opens(head({"Sec-WebSocket-Key": key}), key=key)


@pytest.mark.parametrize("last", "AQgw")
@pytest.mark.parametrize("first", "Az09+/")
def test_key_of_every_form_4_2_1_5(door, first, last):
    """The four ways in which 16 bytes can end, and every kind of letter."""
    key = first * 21 + last + "=="
    assert base64.b64encode(base64.b64decode(key)).decode() == key
    door.opens(head({"Sec-WebSocket-Key": key}), key=key)


def test_accept_of_the_text_1_3(door):
    answer = door.opens(head())
    assert answer.header("Sec-WebSocket-Accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_headers_of_the_route_are_added(door):
    answer = door.opens(head(first="GET /head HTTP/1.1"), names=[*OWN, "X-All", "X-All-2", "X-Socket"])
    assert [answer.header(name) for name in ("X-All", "X-All-2", "X-Socket")] == ["a", "b: c", "s"]


# 4.1: what follows the head


LONG = b"0123456789abcdef" * 2500  # more than a read, and more than is held before the answer
BEHIND = {
    "a message": (frame(TEXT, "one"), [Frame(TEXT, b"one", True)]),
    "two messages": (frame(TEXT, "1") + frame(BINARY, b"2"), [Frame(TEXT, b"1", True), Frame(BINARY, b"2", True)]),
    "a ping": (frame(PING, b"p"), [Frame(PONG, b"p", True)]),
    "a close frame": (close_frame(1000), [Frame(CLOSE, b"\x03\xe8", True)]),
    "a message and a close frame": (
        frame(TEXT, "1") + close_frame(1001),
        [Frame(TEXT, b"1", True), Frame(CLOSE, b"\x03\xe9", True)],
    ),
    "a frame without mask": (frame(TEXT, "x", mask=False), [1002]),
    "bad text": (frame(TEXT, b"\xff"), [1007]),
    "a second head": (head(), [1002]),
    "line ends": (b"\r\n", [1002]),
}


BACKENDS = pytest.mark.parametrize("path", ["/ws", "/program"], ids=["service", "program"])


@pytest.mark.parametrize("name", BEHIND)
@pytest.mark.parametrize("cut", ["one write", "two writes", "bytes"])
@BACKENDS
@prompt
def test_bytes_behind_the_head_4_1(door, name, cut, path):
    """They are frames, whenever they come."""
    first, (data, expected) = target(path), BEHIND[name]
    with door.gw.connect() as raw:
        if cut == "one write":
            raw.send(first + data)
        else:
            raw.send(first)
            door.send(raw, data, 1 if cut == "bytes" else None)
        assert raw.response().status == 101
        door.let_in(first)
        for one in expected:
            got = raw.recv_frame()
            assert got == one or (got.opcode, got.code) == (CLOSE, one)
        if got.opcode == CLOSE:
            raw.answer_close(got)
        else:
            raw.close()


def places():
    """How far it is from the frame behind a head to where both are cut: in the head, all around the frame's header, and
    in its payload."""
    return [-200, -150, -60, *range(-4, 14), 16384, len(LONG)]


@pytest.mark.parametrize("place", places())
@BACKENDS
def test_head_and_frame_in_two_parts_4_1(door, place, path):
    """The gateway has seen the first part before the second one is there."""
    first = target(path)
    data, at = first + frame(BINARY, LONG, mask=b"abcd"), len(first) + place
    with door.gw.connect() as raw:
        raw.send(data[:at])
        door.gw.counters()
        raw.send(data[at:])
        assert raw.response().status == 101
        door.let_in(first)
        assert raw.recv_bytes(len(LONG)) == LONG
        raw.close()
