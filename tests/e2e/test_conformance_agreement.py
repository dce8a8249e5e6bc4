"""permessage-deflate: what is agreed to for which offer (RFC 7692 sections 5 and 7.1), and that it is kept to after it."""
import backends
import pytest
from deflated import EXTENSIONS, Packer, Unpacker, agreed, noise, packed, zframe
from gateway import Gateway
from wsraw import BINARY, TEXT

SERVER_BITS, CLIENT_BITS = "server_max_window_bits", "client_max_window_bits"
SERVER_CONTEXT, CLIENT_CONTEXT = "server_no_context_takeover", "client_no_context_takeover"
NO_CONTEXT = {SERVER_CONTEXT: None, CLIENT_CONTEXT: None}
D = "permessage-deflate"

# What a route asks for by itself, whatever is offered.
OWN = {
    "/default": {**NO_CONTEXT, SERVER_BITS: "12"},
    "/context": {},
    "/nine": {SERVER_BITS: "9"},
}


def GATEWAY(directory):
    service = backends.Service(backends.echo)
    on = {"deflate": "yes", "deflate_threshold": "0"}
    context = {**on, "deflate_context": "yes"}
    routes = {
        "/default": on,
        "/context": {**context, "deflate_window": "15"},
        "/nine": {**context, "deflate_window": "9"},
        "/off": {},
    }
    sections = {f"route {path}": {"exec": "cat", "framing": "records", **keys} for path, keys in routes.items()}
    sections |= {f"route /tcp{path}": {"connect": service.uri, **keys} for path, keys in routes.items()}
    return Gateway(directory, sections)


def bits_of(params, name):
    return int(params.get(name) or 15)


def check_agreed(raw, params, program=True):
    """Both directions as agreed: windows to the byte, contexts taken over or not."""
    context = CLIENT_CONTEXT not in params
    pack = Packer(takeover=context, bits=bits_of(params, CLIENT_BITS))
    unpack = Unpacker(takeover=SERVER_CONTEXT not in params, bits=bits_of(params, SERVER_BITS), strict=True)
    data = noise(1500)
    for text in (b"Hello", b"Hello", b"", data, data, data[700:] * 3):
        raw.send(zframe(BINARY, pack(text)))
        got = []
        while sum(map(len, got)) < len(text) or program and not got:
            frames = [raw.recv_frame(rsv=4)]
            while not frames[-1].fin:
                frames.append(raw.recv_frame())
            assert frames[0].opcode == BINARY
            whole = b"".join(frame.payload for frame in frames)
            got.append(unpack(whole) if frames[0].rsv else whole)
        assert b"".join(got) == text
    raw.close()


def answer_to(gw, path, value):
    """The answer to these offers, one header or a list of them."""
    values = value if isinstance(value, list) else [value]
    return gw.ws(path, headers=[(EXTENSIONS, one) for one in values])


@pytest.mark.parametrize("place", ["", "/tcp"])
@pytest.mark.parametrize("path", OWN)
@pytest.mark.parametrize(
    "value,answer",
    [
        (D, {}),
        # 7.1.1
        (f"{D}; {SERVER_CONTEXT}", {SERVER_CONTEXT: None}),
        (f"{D}; {CLIENT_CONTEXT}", {CLIENT_CONTEXT: None}),
        (f"{D}; {CLIENT_CONTEXT}; {SERVER_CONTEXT}", NO_CONTEXT),
        # 7.1.2.1
        *((f"{D}; {SERVER_BITS}={n}", {SERVER_BITS: str(n)}) for n in range(9, 16)),
        # 7.1.2.2
        (f"{D}; {CLIENT_BITS}", {CLIENT_BITS: "15"}),
        *((f"{D}; {CLIENT_BITS}={n}", {CLIENT_BITS: str(n)}) for n in range(8, 16)),
        # Chromium, Firefox, and what else is seen
        (f"{D}; {CLIENT_BITS}=15; {SERVER_BITS}=15", {CLIENT_BITS: "15", SERVER_BITS: "15"}),
        (
            f"{D};{SERVER_CONTEXT};{CLIENT_CONTEXT};{SERVER_BITS}=10;{CLIENT_BITS}=11",
            {**NO_CONTEXT, SERVER_BITS: "10", CLIENT_BITS: "11"},
        ),
        (f'{D}; {SERVER_BITS}="10"; {CLIENT_BITS}="11"', {SERVER_BITS: "10", CLIENT_BITS: "11"}),
    ],
)
def test_agreed_7_1(gw, path, place, value, answer):
    with answer_to(gw, place + path, value) as raw:
        params = agreed(raw.answer)
        wanted = {**OWN[path], **answer}
        # Never more than was offered nor than the route has; the client's only when it may be told (7.1.2.2).
        own = bits_of(OWN[path], SERVER_BITS)
        for name in (SERVER_BITS, CLIENT_BITS):
            least = min(bits_of(answer, name), own if name == SERVER_BITS or name in answer else 15)
            assert bits_of(params, name) == least, params
        for name in (SERVER_CONTEXT, CLIENT_CONTEXT):
            assert (name in params) == (name in wanted), params
        assert (CLIENT_BITS not in params) or CLIENT_BITS in answer, "the client did not say that it understands it"
        assert set(params) <= {*wanted, SERVER_BITS, CLIENT_BITS}, params
        # An offer of the server's bits has to be answered with some (7.1.2.1).
        assert SERVER_BITS in params or SERVER_BITS not in answer, params
        check_agreed(raw, params, place == "")


UNMET = [
    *(
        f"{D}; {SERVER_BITS}={value}"
        for value in (
            "8",
            "7",
            "16",
            "0",
            "015",
            '""',
            "1e1",
            "-9",
            "+9",
            "9.0",
            "9x",
            "0x9",
            "4294967305",
            "18446744073709551625",
        )
    ),
    *(f"{D}; {CLIENT_BITS}={value}" for value in ("7", "16", "08", "010", '""', "1e1", "-8", "abc", "4294967305")),
    f"{D}; {SERVER_BITS}",
    f"{D}; {SERVER_CONTEXT}=1",
    f"{D}; {CLIENT_CONTEXT}=true",
    f'{D}; {CLIENT_CONTEXT}=""',
    f"{D}; {SERVER_BITS}=10; {SERVER_BITS}=10",
    f"{D}; {SERVER_BITS}=10; {SERVER_BITS}=11",
    f"{D}; {CLIENT_BITS}; {CLIENT_BITS}",
    f"{D}; {CLIENT_BITS}; {CLIENT_BITS}=10",
    f"{D}; {SERVER_CONTEXT}; {SERVER_CONTEXT}",
    f"{D}; {CLIENT_CONTEXT}; {CLIENT_CONTEXT}",
    f"{D}; unknown",
    f"{D}; {SERVER_CONTEXT}; unknown=1",
    f"{D}; {SERVER_BITS}=10; {CLIENT_BITS}; mux",
    f"x-{D}",
    "permessage-bzip2",
    "deflate-frame",
    "x-webkit-deflate-frame; no_context_takeover",
    f"{D}2",
]


@pytest.mark.parametrize("value", UNMET)
def test_declined_5_1_7_1(gw, value):
    """An offer that can't be met is declined, not refused: the session is one without the extension."""
    for path in ("/default", "/tcp/context"):
        with answer_to(gw, path, value) as raw:
            assert agreed(raw.answer) is None
            raw.send_binary(b"plain")
            assert raw.recv_message() == (BINARY, b"plain")
            raw.send(zframe(TEXT, packed(b"Hello")))
            raw.recv_close(1002)


@pytest.mark.parametrize("value", UNMET)
def test_the_next_offer_7_1_3(gw, value):
    """The first offer that can be met is taken up, in one header and in two."""
    for offers in (f"{value}, {D}; {SERVER_BITS}=11", [value, f"{D}; {SERVER_BITS}=11, {D}; {SERVER_BITS}=10"]):
        with answer_to(gw, "/context", offers) as raw:
            params = agreed(raw.answer)
            assert params == {SERVER_BITS: "11"}
            check_agreed(raw, params)


@pytest.mark.parametrize(
    "value,answer",
    [
        # 7.1.3: the examples of the RFC
        (f"{D}; {CLIENT_BITS}; {SERVER_BITS}=10", {CLIENT_BITS: "15", SERVER_BITS: "10"}),
        (f"{D}; {CLIENT_BITS}; {SERVER_BITS}=10, {D}; {CLIENT_BITS}", {CLIENT_BITS: "15", SERVER_BITS: "10"}),
        (f"{D}; {SERVER_BITS}=8, {D}", {}),
        (f"{D}, {D}; {SERVER_CONTEXT}", {}),
        (f"foo, {D}; {SERVER_CONTEXT}, bar", {SERVER_CONTEXT: None}),
        (["foo", "bar; baz", f"{D}; {CLIENT_CONTEXT}"], {CLIENT_CONTEXT: None}),
        ([f"{D}; {SERVER_BITS}=7", f"{D}; {SERVER_BITS}=9"], {SERVER_BITS: "9"}),
    ],
)
def test_several_offers_7_1_3(gw, value, answer):
    with answer_to(gw, "/context", value) as raw:
        params = agreed(raw.answer)
        assert {name: bits for name, bits in params.items() if (name, bits) != (CLIENT_BITS, "15")} == {
            name: bits for name, bits in answer.items() if (name, bits) != (CLIENT_BITS, "15")
        }
        check_agreed(raw, params)


def test_nothing_offered_5_1(gw):
    """Without an offer there is none, and a route that does not want it takes none up."""
    for path, headers in {"/default": [], "/off": [(EXTENSIONS, D)], "/tcp/off": [(EXTENSIONS, D)]}.items():
        with gw.ws(path, headers=headers) as raw:
            assert raw.answer.header(EXTENSIONS) is None
            raw.send_binary(b"plain" * 1000)
            assert raw.recv_bytes(5000) == b"plain" * 1000
            raw.close()
