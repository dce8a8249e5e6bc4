"""Opening handshakes that must be refused: RFC 6455 4.1, 4.2 and 4.4, and RFC 9110 and 9112 where they are meant by it.

Each case is a head, sent whole and in writes of one byte, with another request behind it that must come to nothing.
"""
import base64

import pytest
import wsraw
from opening import WAYS, chunk_of, doors, head, target
from wsraw import KEY, TEXT, frame

ROUTES = {"/ws": {}, "/p/*": {}}
REFUSED = {}  # name: (bytes, status)


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    yield from doors(tmp_path_factory.mktemp("refusal"), ROUTES)


def refused(status, name, data):
    assert name not in REFUSED
    REFUSED[name] = (data, status)


def values(status, section, header, words):
    """A case for each value of a header; they are parted by | or by line ends."""
    for word in words.replace("\n", "|").split("|") if isinstance(words, str) else words:
        refused(status, f"{section} {header}: {word[:40]!r}", head({header: word}))


def first_lines(status, section, words):
    for word in words.replace("\n", "|").split("|"):
        refused(status, f"{section} {word!r}", head(first=word))


def line(more):
    """A head with one more line, as it is."""
    return head()[:-2] + more + b"\r\n\r\n"


# 4.1 point 2, 4.2.1 point 1: GET, HTTP/1.1

first_lines(
    405,
    "4.2.1-1",
    """POST /ws HTTP/1.1|PUT /ws HTTP/1.1|DELETE /ws HTTP/1.1|OPTIONS /ws HTTP/1.1|TRACE /ws HTTP/1.1|CONNECT /ws HTTP/1.1
PATCH /ws HTTP/1.1|get /ws HTTP/1.1|Get /ws HTTP/1.1|GETS /ws HTTP/1.1|! /ws HTTP/1.1""",
)
first_lines(
    400,
    "4.2.1-1",
    """HEAD /ws HTTP/1.1|GET  /ws HTTP/1.1|GET /ws  HTTP/1.1| GET /ws HTTP/1.1|GET /ws HTTP/1.1 |GET\t/ws\tHTTP/1.1|GET /ws|GET
GET /ws HTTP|GET /ws HTTP/1|GET /ws HTTP/1.|GET /ws HTTP/11|GET /ws http/1.1|GET /ws HTTP/1.10|GET /ws HTTP/01.1
GET /ws HTTP/1.1x|GET /ws HTTP 1.1|GET /ws HTTPS/1.1|GET /ws WS/1.1|G{T /ws HTTP/1.1|GET /ws HTTP/1.0""",
)
first_lines(505, "4.2.1-1", "GET /ws HTTP/0.9|GET /ws HTTP/1.2|GET /ws HTTP/1.9|GET /ws HTTP/2.0|GET /ws HTTP/3.0")
refused(400, "4.2.1-1 HTTP/1.0 without Host", head({"Host": None}, "GET /ws HTTP/1.0"))

# 3, 4.2.1 point 1: the resource name; 4.2.2 point 3: one that is not there

BAD_NAMES = (
    "ws|*|?|ws://localhost/ws|localhost:80|\\ws|/ws#|/ws#a|/ws?#|/ws%|/ws%2|/ws%zz|/ws?%|/ws?%4|/ws%00|/ws?%00|/ws\x7f"
)
for name in [*BAD_NAMES.split("|"), "/ws\xe4", "/ws\x01"]:
    refused(400, f"3 resource name {name!r}", target(name))
for name in "/ /w /wss /WS /ws/ /ws/x //ws /ws%2f /ws%3fa /P/x /px".split():
    refused(404, f"4.2.2-3 no such resource {name}", target(name))
refused(414, "3 resource name of 8200", target("/p/" + "a" * 8200))

# 4.2.1 point 2: Host

values(
    400,
    "4.2.1-2",
    "Host",
    """|localhost, localhost|a@localhost|local host|localhost/|localhost:x|localhost:65536|localhost:-1|localhost:80:80|:80|[::1
::1|[::1]x|[]|[localhost]|a..b|.localhost|<a>|l\xf6|[::1%25lo]|[v1.a]""",
)
refused(400, "4.2.1-2 no Host", head({"Host": None}))
refused(400, "4.2.1-2 Host twice", head({"Host": ["localhost"] * 2}))
refused(400, "4.2.1-2 two Hosts", head({"Host": ["localhost", "127.0.0.1"]}))

# 4.2.1 point 3: without it, it is no WebSocket handshake but a request for what is only there by WebSocket

values(
    426,
    "4.2.1-3",
    "Upgrade",
    """|,|h2c|TLS/1.0|websockets|websocke|web socket|websocket/13|"websocket"|ws|websocket;q=1|xwebsocket|h2c, TLS/1.0|web,socket""",
)
refused(426, "4.2.1-3 no Upgrade", head({"Upgrade": None}))
# one that names something else too could be meant for a tunnel to that
values(400, "4.2.1-3", "Upgrade", "websocket, h2c|h2c,websocket|websocket x, websocket|websocket/12, websocket")
refused(400, "4.2.1-3 Upgrade twice", head({"Upgrade": ["websocket"] * 2}))
refused(400, "4.2.1-3 two Upgrades", head({"Upgrade": ["h2c", "websocket"]}))

# 4.2.1 point 4: Connection

values(
    400,
    "4.2.1-4",
    "Connection",
    """|,|keep-alive|close|notUpgrade|notUpgradeX|Upgraded|Upgrad|Up grade|"Upgrade"|Upgrade-Insecure-Requests|Upgrade;q=1
keep-alive Upgrade|Upgrade/1|websocket|keep-alive; Upgrade|Upgrade keep-alive|x-upgrade, upgrade-x""",
)
refused(400, "4.2.1-4 no Connection", head({"Connection": None}))
refused(400, "4.2.1-4 two Connections without it", head({"Connection": ["up", "grade"]}))

# 4.1 point 7, 4.2.1 point 5, 11.3.1: the key is 16 bytes in base64, in the one way to write them, and there is one

values(400, "4.2.1-5", "Sec-WebSocket-Key", ["", "x", "==", KEY[:-1], KEY[:-2], KEY + "=", KEY[1:], "A" + KEY])
values(400, "4.2.1-5", "Sec-WebSocket-Key", [KEY[:-2] + "A=", KEY[:-2] + "AA", "A" * 24, "=" * 24, "A" * 1024])
values(400, "4.2.1-5", "Sec-WebSocket-Key", [f'"{KEY}"', f"{KEY}, {KEY}", f"{KEY},", f"{KEY};a", f"={KEY[:-1]}"])
values(400, "4.2.1-5", "Sec-WebSocket-Key", [KEY[:10] + other + KEY[11:] for other in "-_ \t=.%\xe4,~"])
values(400, "4.2.1-5", "Sec-WebSocket-Key", [KEY[:-3] + last + "==" for last in "BPRfhvx/+"])
for n in (1, 12, 15, 17, 18, 20, 32):
    refused(400, f"4.2.1-5 key of {n} bytes", head({"Sec-WebSocket-Key": base64.b64encode(bytes(n)).decode()}))
refused(400, "4.2.1-5 no key", head({"Sec-WebSocket-Key": None}))
refused(400, "11.3.1 key twice", head({"Sec-WebSocket-Key": [KEY, KEY]}))
refused(400, "11.3.1 two keys", head({"Sec-WebSocket-Key": [KEY, "AAAAAAAAAAAAAAAAAAAAAA=="]}))

# 4.1 point 9, 4.2.1 point 6, 4.4, 11.3.5: the version decides before what another one may have otherwise

values(
    426,
    "4.4",
    "Sec-WebSocket-Version",
    """|0|1|3|7|8|12|14|130|113|25|255|256|269|4294967309|013|0013|+13|-13|13.0|13.|0xd|1 3|13 13|13, 8|8, 13|13,|13;|v13|"13"|D""",
)
refused(426, "4.4 no version", head({"Sec-WebSocket-Version": None}))
refused(400, "11.3.5 version twice", head({"Sec-WebSocket-Version": ["13", "13"]}))
refused(400, "11.3.5 two versions", head({"Sec-WebSocket-Version": ["8", "13"]}))
OTHER = {"Sec-WebSocket-Version": "8"}
refused(426, "4.4 another version without a key", head({**OTHER, "Sec-WebSocket-Key": None}))
refused(426, "4.4 another version from another origin", head({**OTHER, "Origin": "https://evil.example"}))
refused(426, "4.4 another version of no resource", head(OTHER, "GET /nothing HTTP/1.1"))
refused(426, "4.4 draft 10", head({**OTHER, "Sec-WebSocket-Origin": "http://localhost"}))
refused(426, "4.4 draft 75", head({"Origin": "http://localhost"}, order=("Upgrade", "Connection", "Host")))
KEYS_76 = {"Sec-WebSocket-Key1": "4 @1  46546xW%0l 1 5", "Sec-WebSocket-Key2": "12998 5 Y3 1  .P00"}
refused(426, "4.4 draft 76", head(KEYS_76, order=("Host", "Connection", "Upgrade")) + b"^n:ds[4U")

# a handshake has no body, and there must be no doubt of that (RFC 9112 6)

values(400, "RFC 9112 6.3", "Content-Length", "|1|-1|+5|5, 5|0x5|18446744073709551616|1e1|0, 0")
values(400, "RFC 9112 6.1", "Transfer-Encoding", "|chunked|identity|chunked, chunked|xchunked")
refused(400, "RFC 9112 6.3 a body", head({"Content-Length": "5"}) + b"hello")
refused(400, "RFC 9112 6.3 two lengths", head({"Content-Length": ["0", "0"]}))
refused(400, "RFC 9112 6.3 length and coding", head({"Content-Length": "0", "Transfer-Encoding": "chunked"}))

# the grammar of a head (RFC 9112 2.2, 5; RFC 9110 5.5, 5.6.2), and what else a request may be refused for

for name, data in {
    "2.2 lines end with LF": head().replace(b"\r\n", b"\n"),
    "2.2 one line ends with LF": head().replace(b"websocket\r\n", b"websocket\n"),
    "2.2 the last line is LF": head()[:-2] + b"\n",
    "2.2 lines end with CR": head().replace(b"\r\n", b"\r"),
    "2.2 CR in a value": line(b"X: a\rb"),
    "2.2 an empty line before it": b"\r\n" + head(),
    "2.2 white space behind the first line": head().replace(b"1.1\r\n", b"1.1\r\n "),
    "5.1 a space before the colon": head().replace(b"Upgrade:", b"Upgrade :"),
    "5.1 a tab before the colon": head().replace(b"Key:", b"Key\t:"),
    "5.1 no name": line(b": a"),
    "5.1 no colon": line(b"Upgrade"),
    "5.1 a space in a name": line(b"Sec WebSocket: a"),
    "5.1 a byte above ASCII in a name": line(b"X\xe4: a"),
    "5.2 a folded line": line(b"X: a\r\n b"),
    "5.2 a folded Connection": head({"Connection": "keep-alive,\r\n Upgrade"}),
}.items():
    refused(400, f"RFC 9112 {name}", data)
for name, byte in {"NUL": b"\0", "backspace": b"\x08", "VT": b"\x0b", "escape": b"\x1b", "DEL": b"\x7f"}.items():
    refused(400, f"RFC 9110 5.5 {name} in a value", line(b"X: a" + byte + b"b"))
    refused(400, f"RFC 9110 5.5 {name} in the key", head().replace(KEY.encode(), KEY[:-1].encode() + byte))
refused(400, "RFC 9110 11.6.2 two Authorizations", head({"Authorization": ["Basic YTpi"] * 2}))
refused(417, "RFC 9110 10.1.1 an expectation", head({"Expect": "100-continue"}))
refused(400, "RFC 9113 3.4 the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
refused(400, "RFC 7540 3.2.1 an upgrade to HTTP/2 beside it", head({"HTTP2-Settings": "AAMAAABkAAQAAP__"}))
refused(431, "RFC 6585 5 a header too many", head({f"X-{i}": "x" for i in range(60)}))
refused(431, "RFC 6585 5 a header too long", head({"X": "x" * 8200}))
refused(431, "RFC 6585 5 too much in all", head({f"X-{i}": "x" * 4000 for i in range(5)}))


@pytest.mark.parametrize("name", REFUSED)
@WAYS
def test_refused(door, name, way):
    data, status = REFUSED[name]
    door.refuses(data, status, chunk_of(data, way))


def test_methods_are_said_4_2_1_1(door):
    """RFC 9110 15.5.6."""
    answer = door.refuses(head(first="POST /ws HTTP/1.1"), 405)
    assert {word.strip() for word in answer.header("Allow").split(",")} == {"GET", "HEAD"}


@pytest.mark.parametrize("data", [frame(TEXT, "hello"), b"x" * 40000], ids=["frame", "more than a read"])
def test_frames_behind_a_refused_head_4_2_2(door, data):
    for changes, status in ((OTHER, 426), ({"Origin": "https://evil.example"}, 403), ({"Upgrade": None}, 426)):
        door.refuses(head(changes) + data, status)


def test_upgrade_behind_a_refusal_4_2_2(door):
    """The connection is over (RFC 9112 9.6)."""
    with door.gw.connect() as raw:
        raw.send(wsraw.request("/nothing", host="localhost") + head())
        assert raw.response().status == 404
        door.n_refused += 1
        raw.ended()
