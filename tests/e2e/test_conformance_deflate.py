"""permessage-deflate, what a client sends as RFC 7692 has it: sections 6.2, 7.2.2 and 7.2.3."""
import zlib

from conformance import each, payload
from deflated import AGAIN, GOOD, HELLO, TAIL, TEXTS, Cases, block, cut, noise, packed, stored, zfragments, zframe
from wsraw import BINARY, CONTINUATION, PING, PONG, TEXT, frame

CASES = Cases()
case, context = CASES.case, CASES.context


def hello(name, message, **options):
    case(name, message, [(TEXT, b"Hello")], **options)


# The examples

WHOLE = zframe(TEXT, HELLO, mask=b"\x12\x34\x56\x78")
hello("7.2.3.1 one block", WHOLE)
hello("7.2.3.1 byte by byte", WHOLE, chop=1)
for at in range(1, len(WHOLE)):
    hello(f"7.2.3.1 in two writes, {at} bytes first", [WHOLE[:at], WHOLE[at:]])
for at in range(len(HELLO) + 1):
    hello(f"7.2.3.1 in two fragments, {at} bytes first", zfragments(TEXT, [HELLO[:at], HELLO[at:]]))
hello("7.2.3.1 in fragments of a byte", zfragments(TEXT, cut(HELLO, 1)))
hello("7.2.3.1 among empty fragments", zfragments(TEXT, [b"", b"", HELLO[:3], b"", HELLO[3:], b""]))
context("7.2.3.2 the context is taken over", zframe(TEXT, HELLO) + zframe(TEXT, AGAIN), [(TEXT, b"Hello")] * 2)
context("7.2.3.2 the context need not be used", zframe(TEXT, HELLO) * 3, [(TEXT, b"Hello")] * 3)
hello("7.2.3.3 no compression", zframe(TEXT, stored(b"Hello") + b"\x00"))
hello("7.2.3.4 BFINAL", zframe(TEXT, bytes.fromhex("f348cdc9c9070000")))
hello("7.2.3.5 two blocks", zframe(TEXT, bytes.fromhex("f248050000 00ffffcac9c90700")))
hello(
    "7.2.3.5 two blocks in two fragments",
    zfragments(TEXT, [bytes.fromhex("f24805000000ffff"), bytes.fromhex("cac9c90700")]),
)
case("7.2.3.6 an empty message", zframe(TEXT, b"\x00") + zframe(BINARY, b"\x00"), [(TEXT, b""), (BINARY, b"")])
case("7.2.3.6 of other empty blocks", zframe(TEXT, b"\x02\x00"), [(TEXT, b"")])
case("7.2.3.6 an empty message of no byte", zframe(TEXT, b"") + GOOD, [(TEXT, b""), (TEXT, b"good")])
context(
    "7.2.3.6 an empty message between",
    zframe(TEXT, HELLO) + zframe(BINARY, b"\x00") + zframe(TEXT, AGAIN),
    [(TEXT, b"Hello"), (BINARY, b""), (TEXT, b"Hello")],
)

# Blocks with BFINAL (7.2.3.4), wherever they are

hello("7.2.3.4 BFINAL, and the byte behind it left out", zframe(TEXT, HELLO.replace(b"\xf2", b"\xf3")))
hello("7.2.3.4 BFINAL in the last block, which is empty", zframe(TEXT, HELLO[:-1] + b"\x00" + TAIL + b"\x01"))
case(
    "7.2.3.4 two with BFINAL", zframe(TEXT, block(b"one ", True) + block(b"two", True) + b"\x00"), [(TEXT, b"one two")]
)
case(
    "7.2.3.4 BFINAL in each fragment",
    zfragments(TEXT, [block(b"one ", True), block(b"two ", True), HELLO]),
    [(TEXT, b"one two Hello")],
)
case(
    "7.2.3.4 behind BFINAL one that refers to it", zframe(TEXT, block(b"Hello", True) + AGAIN), [(TEXT, b"HelloHello")]
)
case("7.2.3.4 ten thousand with BFINAL", lambda: zframe(TEXT, b"\x03\x00" * 10000 + HELLO), [(TEXT, b"Hello")])
case(
    "7.2.3.4 ten thousand with BFINAL and a byte",
    lambda: zframe(BINARY, stored(b"!", True) * 10000 + b"\x00"),
    [(BINARY, b"!" * 10000)],
)
context(
    "7.2.3.4 the next message refers to one with BFINAL",
    zframe(TEXT, block(b"Hello", True)) + zframe(TEXT, AGAIN),
    [(TEXT, b"Hello")] * 2,
)

# Empty blocks, messages and fragments by the thousand

case("7.2.3.6 ten thousand empty blocks", lambda: zframe(TEXT, (b"\x00" + TAIL) * 10000 + HELLO), [(TEXT, b"Hello")])
case(
    "7.2.3.6 ten thousand empty fragments",
    lambda: zfragments(TEXT, [HELLO[:4], *[b""] * 10000, HELLO[4:]]),
    [(TEXT, b"Hello")],
)
case("7.2.3.6 a thousand empty messages", lambda: zframe(BINARY, b"\x00") * 1000, [(BINARY, b"")] * 1000)
case(
    "7.2.3.5 a thousand fragments, a block each",
    lambda: zfragments(BINARY, [block(bytes([i % 256])) for i in range(1000)] + [b"\x00"]),
    [(BINARY, bytes(i % 256 for i in range(1000)))],
)

# However a message was compressed

for level in range(10):
    case(f"7.2.1 level {level}", lambda level=level: zframe(TEXT, packed(TEXTS, level=level)), [(TEXT, TEXTS)])
for strategy in ("Z_FILTERED", "Z_HUFFMAN_ONLY", "Z_RLE", "Z_FIXED"):
    case(
        f"7.2.1 {strategy}",
        lambda how=getattr(zlib, strategy): zframe(TEXT, packed(TEXTS, strategy=how)),
        [(TEXT, TEXTS)],
    )
for flush in ("Z_SYNC_FLUSH", "Z_FULL_FLUSH"):
    case(
        f"7.2.1 blocks of all kinds, {flush}",
        lambda how=getattr(zlib, flush): zframe(
            BINARY, block(TEXTS, flush=how) + stored(noise(300)) + block(b"x", flush=how) + b"\x00"
        ),
        [(BINARY, TEXTS + noise(300) + b"x")],
    )
for memory in (1, 9):
    case(
        f"7.2.1 memory level {memory}",
        lambda how=memory: zframe(BINARY, packed(noise(3000) + TEXTS, memory=how)),
        [(BINARY, noise(3000) + TEXTS)],
    )

# Sizes

SIZES = [0, 1, 1023, 1024, 1025, 65535, 65536, 65537, 1 << 20]
KINDS = {"text": lambda n: payload(n, True), "noise": noise, "zeros": bytes}
for kind, make in KINDS.items():
    for n in SIZES + [16 << 20] * (kind != "noise"):
        opcode = TEXT if kind == "text" else BINARY
        case(
            f"7.2.2 {n} bytes of {kind}",
            lambda n=n, make=make, opcode=opcode: zframe(opcode, packed(make(n), level=1)),
            lambda n=n, make=make, opcode=opcode: [(opcode, make(n))],
        )
for chop in (1, 64, 997):
    case(f"7.2.2 in writes of {chop} bytes", lambda: zframe(TEXT, packed(TEXTS)), [(TEXT, TEXTS)], chop=chop)
    case(
        f"7.2.2 in fragments of {chop} bytes",
        lambda chop=chop: zfragments(TEXT, cut(packed(TEXTS), chop)),
        [(TEXT, TEXTS)],
    )
for n in (2, 100):
    case(
        f"7.2.2 {n} times 64 KiB",
        lambda n=n: zframe(BINARY, packed(bytes(65536))) * n,
        lambda n=n: [(BINARY, bytes(65536))] * n,
    )

# Compressed or not (6.1, 6.2)

MIXED = [(TEXT, b"Hello"), (BINARY, b"plain"), (BINARY, b"Hello"), (TEXT, b""), (TEXT, b"Hello")]
MIX = zframe(TEXT, HELLO) + frame(BINARY, b"plain") + zframe(BINARY, HELLO) + frame(TEXT, b"") + zframe(TEXT, HELLO)
case("6.2 compressed and not, by turns", MIX, MIXED)
case("6.2 compressed and not, byte by byte", MIX, MIXED, chop=1)
context(
    "6.2 what is not compressed is not in the context",
    zframe(TEXT, HELLO) + frame(TEXT, "other words") + zframe(TEXT, AGAIN),
    [(TEXT, b"Hello"), (TEXT, b"other words"), (TEXT, b"Hello")],
)
case(
    "6.1 fragments, not compressed",
    frame(TEXT, "Hel", fin=False) + frame(CONTINUATION, "lo") + zframe(TEXT, HELLO),
    [(TEXT, b"Hello")] * 2,
)
case("6.1 nothing is compressed", GOOD * 3, [(TEXT, b"good")] * 3)
hello(
    "6.1 pings between the fragments", zfragments(TEXT, cut(HELLO, 1), frame(PING, b"p")), pongs=[b"p"] * 6, skips=True
)
hello("6.1 a pong between the fragments", zfragments(TEXT, [HELLO[:2], HELLO[2:]], frame(PONG, b"p")))
context(
    "6.1 a ping between two that share the context",
    zframe(TEXT, HELLO) + frame(PING, b"\x00") + zframe(TEXT, AGAIN),
    [(TEXT, b"Hello")] * 2,
    pongs=[b"\x00"],
)


@each(CASES)
def test_case(ground, case, backend):
    ground.play(case, backend)
