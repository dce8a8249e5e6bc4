"""permessage-deflate, what a client must not send, and what becomes of it: RFC 7692 sections 6, 7.1 and 7.2.2."""
from conformance import each
from deflated import (
    AGAIN,
    CONTEXT,
    GOOD,
    HELLO,
    LIMIT,
    NINE,
    TEXTS,
    Cases,
    Packer,
    block,
    inflated,
    noise,
    offer,
    packed,
    referring,
    stored,
    zfragments,
    zframe,
)
from wsraw import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_frame, frame

CASES = Cases()
case, context, bad = CASES.case, CASES.context, CASES.bad

# RSV bits (RFC 6455 5.2; RFC 7692 6.1: only on the first fragment, never on control frames)

for name, options in {
    "no offer": {"headers": ()},
    "not wanted here": {"route": {}},
    "another was offered": {"headers": (("Sec-WebSocket-Extensions", "x-webkit-deflate-frame"),)},
}.items():
    bad(f"6 RSV1 without agreement: {name}", zframe(TEXT, HELLO), None, 1002, **options)
for opcode, name in {PING: "ping", PONG: "pong", CLOSE: "close"}.items():
    bad(f"6.1 RSV1 on a {name}", frame(opcode, b"\x03\xe8" * (opcode == CLOSE), rsv=4), None, 1002)
    bad(
        f"6.1 RSV1 on a {name} between fragments",
        zframe(TEXT, block(b"He"), fin=False) + frame(opcode, rsv=4),
        b"He",
        1002,
    )
bad(
    "6.1 RSV1 on a continuation", zframe(TEXT, block(b"He"), fin=False) + frame(CONTINUATION, HELLO, rsv=4), b"He", 1002
)
bad("6.1 RSV1 on the last frame only", frame(TEXT, "He", fin=False) + frame(CONTINUATION, HELLO, rsv=4), b"He", 1002)
bad("6.1 RSV1 on a continuation of nothing", frame(CONTINUATION, HELLO, rsv=4), None, 1002)
for rsv in (1, 2, 3, 5, 6, 7):
    bad(f"6 RSV bits {rsv:03b}", frame(TEXT, HELLO, rsv=rsv), None, 1002)
bad("5.4 a message within a compressed one", zframe(TEXT, block(b"He"), fin=False) + zframe(TEXT, HELLO), b"He", 1002)

# What is no DEFLATE data, or not all of it

for at in range(1, len(HELLO)):
    bad(f"7.2.2 cut after {at} bytes", zframe(TEXT, HELLO[:at]), inflated(HELLO[:at]))
LONG = packed(TEXTS, level=9)
for at in (20, 60, 100, len(LONG) // 2, len(LONG) - 1):
    bad(f"7.2.2 a longer one cut after {at} bytes", zframe(TEXT, LONG[:at]), inflated(LONG[:at]))
bad("7.2.2 a block of type 3", zframe(TEXT, b"\x07"), b"")
bad("7.2.2 a block of type 3 behind a good one", zframe(TEXT, block(b"Hello") + b"\x06\x00"), b"Hello")
bad("7.2.2 a length that is not its complement", zframe(TEXT, stored(b"He") + b"\x00\x05\x00\xfa\xfeHello\x00"), b"He")
bad("7.2.2 a length symbol that there is not", zframe(TEXT, b"\x1b\x03\x00\x00"), b"")
bad("7.2.2 dynamic codes that are none", zframe(TEXT, b"\xec\xff\xff\xff\xff"), b"")
bad("7.2.2 the tail would be data of the block", zframe(BINARY, b"\x00\x04\x00\xfb\xff"), b"")
bad("7.2.2 ... or a part of it", zframe(BINARY, stored(b"Hello")[:-2] + b""), b"Hel")
bad("7.2.2 the tail was not left out", zframe(BINARY, block(b"Hello")), b"Hello")
bad("7.2.2 noise", zframe(BINARY, b"\xff" * 100), b"")
bad("7.2.2 it fails within a fragment", zfragments(TEXT, [block(b"Hello"), b"\x07" * 10, HELLO]), b"Hello")
bad("7.2.2 it fails byte by byte", zframe(TEXT, block(b"Hello") + b"\x07"), b"Hello", chop=1)

# Contexts and windows (7.1.1, 7.1.2)

PIECE = noise(1200)
bad("7.1.1 a distance to nothing", zframe(TEXT, AGAIN), b"H")
case(
    "7.1.1 no context after a message",
    GOOD + zframe(TEXT, HELLO) + zframe(TEXT, AGAIN) + GOOD,
    [(TEXT, b"good"), (TEXT, b"Hello")],
    part=b"H",
    code=1007,
)
case(
    "7.1.1 no context that the client has given up",
    GOOD + zframe(TEXT, HELLO) + zframe(TEXT, AGAIN) + GOOD,
    [(TEXT, b"good"), (TEXT, b"Hello")],
    part=b"H",
    code=1007,
    route=CONTEXT,
    takeover=True,
    headers=offer("client_no_context_takeover"),
)
case(
    "7.1.1 the server's context given up",
    zframe(TEXT, HELLO) + zframe(TEXT, AGAIN),
    [(TEXT, b"Hello")] * 2,
    route=CONTEXT,
    headers=offer("server_no_context_takeover"),
)
for bits in range(9, 16):
    pack = Packer(takeover=True, bits=bits)
    SHARED = [TEXTS[at : at + 700] for at in range(0, 7000, 350)] + [PIECE, b"", PIECE]
    context(
        f"7.1.2 twenty messages of one context, window {bits}",
        b"".join(zframe(BINARY, pack(text)) for text in SHARED),
        [(BINARY, text) for text in SHARED],
        headers=offer(f"client_max_window_bits={bits}", f"server_max_window_bits={bits}"),
        bits=bits,
    )
case(
    "7.1.2.2 8 bits, as zlib has it",
    zframe(BINARY, packed(TEXTS, bits=9)) * 2,
    [(BINARY, TEXTS)] * 2,
    headers=offer("client_max_window_bits=8"),
)
for distance in (1, 511, 512):
    case(
        f"7.1.2.2 a distance of {distance}, window 9",
        zframe(BINARY, packed(PIECE)) + zframe(BINARY, referring(PIECE, distance, 40)),
        [(BINARY, PIECE), (BINARY, PIECE[-distance:][:40])],
        route=NINE,
        takeover=True,
        bits=9,
    )
case(
    "7.1.2.2 a distance of 513, window 9",
    zframe(BINARY, packed(PIECE)) + zframe(BINARY, referring(PIECE, 513)) + GOOD,
    [(BINARY, PIECE)],
    part=b"",
    code=1007,
    route=NINE,
    takeover=True,
    bits=9,
)
context(
    "7.1.2.2 a distance of 30000, window 15",
    lambda: zframe(BINARY, packed(noise(30000))) + zframe(BINARY, referring(noise(30000), 30000)),
    [(BINARY, noise(30000)), (BINARY, noise(30000)[:32])],
)

# Text (RFC 6455 8.1): checked behind the inflater (6.2)

UMLAUTS = "äöü€😀".encode() * 50
case("6.2 text of several bytes a character", zframe(TEXT, packed(UMLAUTS)), [(TEXT, UMLAUTS)])
case(
    "6.2 characters split between fragments",
    zfragments(TEXT, [block(UMLAUTS[at : at + 1]) for at in range(100)] + [packed(UMLAUTS[100:])]),
    [(TEXT, UMLAUTS)],
)
case("6.2 binary that is not UTF-8", zframe(BINARY, packed(b"\xff\xfe")), [(BINARY, b"\xff\xfe")])
for name, data, good in [
    ("a bad byte", b"before\xffafter", 6),
    ("at the beginning", b"\xc0\x80", 0),
    ("a surrogate", b"ab\xed\xa0\x80", 3),
    ("cut short at the end", b"ab\xe2\x82", 4),
    ("behind 64 KiB", bytes(65536) + b"\x80", 65536),
]:
    bad(f"6.2 text that is not UTF-8: {name}", zframe(TEXT, packed(data)), data[:good])
bad(
    "6.2 text that is not UTF-8 in its second fragment, before the last",
    zfragments(TEXT, [block(b"ab\xe2\x82"), block(b"\x28 and more")]),
    b"ab\xe2\x82",
)

# Limits: what counts is what comes out

for n in (0, 999, 1000):
    case(f"9 max_message 1000: {n} bytes", zframe(BINARY, packed(bytes(n))), [(BINARY, bytes(n))], route=LIMIT)
    case(
        f"9 max_message 1000: {n} bytes of noise",
        zframe(BINARY, packed(noise(n), level=0)),
        [(BINARY, noise(n))],
        route=LIMIT,
    )
for n in (1001, 1002, 20000, 16 << 20):
    bad(f"9 max_message 1000: {n} bytes", zframe(BINARY, packed(bytes(n))), bytes(1000), 1009, route=LIMIT)
bad(
    "9 max_message 1000: in fragments",
    zfragments(BINARY, [block(bytes(600)), block(bytes(400)), block(b"x"), b"\x00"]),
    bytes(1000),
    1009,
    route=LIMIT,
)
case(
    "9 max_message 1000: by message",
    zframe(BINARY, packed(bytes(1000))) * 3 + frame(BINARY, bytes(1000)),
    [(BINARY, bytes(1000))] * 4,
    route=LIMIT,
)

# Ends

HALF = zframe(TEXT, block(b"Hello"), fin=False)
case(
    "6 a close frame within a compressed message",
    GOOD + HALF + close_frame(1000) + frame(CONTINUATION, HELLO),
    [(TEXT, b"good")],
    part=b"Hello",
    code=1000,
    ends="closed",
)
case(
    "6 a close frame in the midst of a block",
    GOOD + zframe(TEXT, HELLO[:4], fin=False) + close_frame(1000),
    [(TEXT, b"good")],
    part=inflated(HELLO[:4]),
    code=1000,
    ends="closed",
)
case(
    "6 a close frame behind compressed messages",
    zframe(TEXT, HELLO) * 3 + close_frame(3000, "done"),
    [(TEXT, b"Hello")] * 3,
    code=3000,
    ends="closed",
)
for ends in ("drop", "reset", "shut"):
    case(f"6 {ends} within a compressed message", GOOD + HALF, [(TEXT, b"good")], part=b"Hello", ends=ends)
    case(
        f"6 {ends} behind a context",
        zframe(TEXT, HELLO) + zframe(TEXT, AGAIN),
        [(TEXT, b"Hello")] * 2,
        route=CONTEXT,
        takeover=True,
        ends=ends,
    )


@each(CASES)
def test_case(ground, case, backend):
    ground.play(case, backend)
