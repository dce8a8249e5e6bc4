"""Subprotocols and extensions offered in the opening handshake: RFC 6455 1.9, 4.1, 4.2.2, 4.3, 9.1, 11.3.

Each header, sent whole and in writes of one byte, and what must come of it.
"""
import pytest
from opening import OWN, WAYS, chunk_of, doors, head

ROUTES = {
    "/ws": {},
    "/protocols": {"subprotocols": ["best", "good", "Odd!#$%&'*+-.^_`|~09"]},
}
PROTOCOL, EXTENSIONS = "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"
SEPARATORS = '()<>@;:\\"/[]?={}'  # of RFC 2616 2.2, without the comma, which parts elements
TOKEN = "!#$%&'*+-.^_`|~0123456789ABCXYZabcxyz"


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    yield from doors(tmp_path_factory.mktemp("offers"), ROUTES)


def offer(value, name=PROTOCOL, path="/ws"):
    return head({name: value}, f"GET {path} HTTP/1.1")


# Without a list of ours the client's first is taken; no element but an empty one is lost (RFC 2616 2.1).
FIRST = {
    "mqtt": "mqtt",
    "a, b": "a",
    "a,b,c": "a",
    "b , a": "b",
    "\ta\t,\tb\t": "a",
    ",a": "a",
    ",,\t, a,,b,": "a",
    "a,": "a",
    TOKEN: TOKEN,
    "chat.v2, CHAT.V2": "chat.v2",
    "CHAT.V2, chat.v2": "CHAT.V2",
    "x" * 1000: "x" * 1000,
    ", ".join(f"p{i}" for i in range(32)): "p0",
    "websocket": "websocket",
    "Sec-WebSocket-Protocol": "Sec-WebSocket-Protocol",
}

# The best of ours that the client offers, compared exactly; of none no header.
CHOSEN = {
    "good": "good",
    "best": "best",
    "good, best": "best",
    "best, good": "best",
    "x, good, y": "good",
    ",good,,": "good",
    "Odd!#$%&'*+-.^_`|~09": "Odd!#$%&'*+-.^_`|~09",
    "other": None,
    "Best": None,
    "BEST, GOOD": None,
    "bes, estbest, best.": None,
    "best-good": None,
    ", ".join(f"p{i}" for i in range(31)) + ", good": "good",
}


@pytest.mark.parametrize("value", FIRST)
@WAYS
def test_first_protocol_4_2_2_5_5(door, value, way):
    data = offer(value)
    assert door.opens(data, chunk_of(data, way), names=[*OWN, PROTOCOL]).header(PROTOCOL) == FIRST[value]


@pytest.mark.parametrize("value", CHOSEN)
@WAYS
def test_protocol_of_ours_4_2_2_4(door, value, way):
    data, chosen = offer(value, path="/protocols"), CHOSEN[value]
    answer = door.opens(data, chunk_of(data, way), names=[*OWN, PROTOCOL] if chosen else OWN)
    assert answer.header(PROTOCOL) == chosen


@pytest.mark.parametrize(
    "path,values,chosen",
    [
        ("/ws", ["a", "b"], "a"),
        ("/ws", ["b", "a"], "b"),
        ("/ws", ["", "a"], "a"),
        ("/ws", [",", "a,", ",b"], "a"),
        ("/protocols", ["good", "best"], "best"),
        ("/protocols", ["good", "x, best"], "best"),
        ("/protocols", ["x", "y", "good"], "good"),
        ("/protocols", ["x", "y", "z"], None),
    ],
)
def test_protocols_in_several_headers_11_3_4(door, path, values, chosen):
    """They are one list, in the order in which they came; the answer has one header."""
    answer = door.opens(offer(values, path=path), names=[*OWN, PROTOCOL] if chosen else OWN)
    assert answer.header(PROTOCOL) == chosen


def test_no_protocol_offered_4_2_2_5_5(door):
    """None is answered."""
    for path in ROUTES:
        door.opens(offer(None, path=path), names=OWN)


BAD_PROTOCOLS = {
    **{f"4.1-10 {c!r} within": f"a{c}b" for c in SEPARATORS + " \t\x80\xe4\xff"},
    **{f"4.1-10 {c!r} alone": c for c in SEPARATORS},
    "4.1-10 the same twice": "a, a",
    "4.1-10 the same twice, not side by side": "a, b, c, a",
    "4.1-10 quoted": '"a"',
    "4.1-10 with a parameter": "a; b=c",
    "4.1-10 a bad one behind good ones": "a, b, c d",
    "4.1-10 a bad one before good ones": "a/1, b, c",
    "4.3 nothing": "",
    "4.3 a comma": ",",
    "4.3 commas": ",, ,\t,",
    "4.3 more than are read": ", ".join(f"p{i}" for i in range(33)),
    "4.3 white space without end": "b" + " " * 7000 + "x",
}


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("name", BAD_PROTOCOLS)
def test_bad_protocols(door, name, path):
    """Wherever they are asked for: what is no list of names is no handshake."""
    door.refuses(offer(BAD_PROTOCOLS[name], path=path), 400)


@pytest.mark.parametrize(
    "values", [["a", "a"], ["a, b", "c, b"], ["a", "b c"], ["a/b", "c"], ["", ","]], ids=lambda values: "+".join(values)
)
def test_bad_protocols_in_several_headers_4_1_10(door, values):
    door.refuses(offer(values), 400)


# 9.1: extensions. What is offered and not known is passed over.

EXTENSIONS_GOOD = [
    "permessage-deflate",
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate; server_max_window_bits=99, bogus",
    "permessage-deflate; client_max_window_bits; server_no_context_takeover, permessage-deflate",
    "x-webkit-deflate-frame",
    "mux; max-channels=4; flow-control, deflate-stream",
    "foo, bar; baz=2",
    "deflate-stream",
    "constructor",
    "__proto__; __proto__=__proto__",
    "a",
    "a,b,c",
    "a ; b",
    "a;b;c;d",
    "a;b=c",
    "a ; b = c ; d = e",
    "\ta\t;\tb\t=\tc\t,\td\t",
    ",a",
    "a,",
    ",, a ,,\t, b ,",
    "a; a; a",
    "a, a, a",
    TOKEN,
    f"a; {TOKEN}={TOKEN}",
    'a; b="c"',
    'a; b="c", d',
    'a; b = "c" ; d = "e"',
    'a; b="c\\d"',
    'a; b="\\c\\d"; e',
    'a; b="' + "\\c" * 3000 + '"',
    "a" + "; b" * 1000,
    "a" + ", b" * 1000,
    "a; b=" + "c" * 7000,
]

# What can be read, and has a value that is no token when its quotes are off: nothing that anybody could agree to.
EXTENSIONS_NONSENSE = [
    'a; b=""',
    'a; b="c d"',
    'a; b="c\\"d"',
    'a; b="c,d"',
    'a; b="c;d"',
    'a; b="\xe4"',
    'a; b="\\\\"',
]

EXTENSIONS_BAD = [
    "",
    ",",
    ",, ,",
    ";",
    "=",
    "a;",
    "a;;b",
    "a; b;",
    ";a",
    "a,;b",
    "a;,b",
    "a=b",
    "a; =b",
    "a; b=",
    "a; b=,c",
    "a; b=;c",
    "a; b==c",
    "a; b=c=d",
    "a b",
    "a; b c",
    "a; b=c d",
    '"a"',
    'a; "b"',
    'a; "b"=c',
    'a; b="c',
    'a; b="',
    'a; b="c\\',
    'a; b="c\\"',
    'a; b=c"',
    'a; b=c"d"',
    'a; b="c"d',
    'a; b="c""d"',
    "a; b='c d'",
    'a, b; c="d, e',
    'a; b="' + "\\c" * 3000,
    *(f"a{c}b" for c in SEPARATORS if c != ";"),
    *(f"a; b{c}" for c in '()<>@:\\"/[]?{}\xe4'),
    *(f"a; b=c{c}" for c in '()<>@:\\"/[]?={}\xff'),
    "a, b c, d",
    "good, bad; =",
]


@pytest.mark.parametrize("value", EXTENSIONS_GOOD + EXTENSIONS_NONSENSE, ids=lambda value: value[:60])
@WAYS
def test_unknown_extensions_9_1(door, value, way):
    """And none is answered where none is spoken (4.2.2 point 5, 6)."""
    data = offer(value, EXTENSIONS)
    door.opens(data, chunk_of(data, way), names=OWN)


@pytest.mark.parametrize("value", EXTENSIONS_BAD, ids=lambda value: value[:60])
@WAYS
def test_bad_extensions_9_1(door, value, way):
    """A header that does not conform fails the handshake."""
    data = offer(value, EXTENSIONS)
    door.refuses(data, 400, chunk_of(data, way))


@pytest.mark.parametrize(
    "values,status",
    [
        (["a", "b"], 101),
        (["a; b=c", 'd; e="f"'], 101),
        (["", "a"], 101),
        (["a", ","], 101),
        (["", ""], 400),
        (['a; b="c', 'd"'], 400),
        (["a;", "b"], 400),
        (["a", "b c"], 400),
    ],
)
def test_extensions_in_several_headers_9_1(door, values, status):
    """They are one list, and each is a list of its own: nothing goes from one into the next (RFC 9110 5.3)."""
    data = offer(values, EXTENSIONS)
    if status == 101:
        door.opens(data, names=OWN)
    else:
        door.refuses(data, status)


def test_both_are_offered(door):
    data = head({EXTENSIONS: "permessage-deflate; client_max_window_bits", PROTOCOL: "chat, superchat"})
    assert door.opens(data, names=[*OWN, PROTOCOL]).header(PROTOCOL) == "chat"
