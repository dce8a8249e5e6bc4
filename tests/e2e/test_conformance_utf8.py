"""Text is UTF-8 (RFC 6455 5.6, 8.1), as RFC 3629 has it, and is found out at the first byte that can't be part of it.

What came before that byte is delivered, nothing after it. The sequences are the first and the last of each kind that
the definition knows, and the classes of mistakes that Markus Kuhn has named for testing decoders.
"""
import pytest
from conformance import Case, each, fragments
from sweep import sweep
from wsraw import BINARY, CLOSE, CONTINUATION, PING, TEXT, close_frame, frame

# RFC 3629 4: the bytes that may follow each other.
TAIL = range(0x80, 0xC0)
ROWS = [
    (range(0x00, 0x80),),
    (range(0xC2, 0xE0), TAIL),
    (range(0xE0, 0xE1), range(0xA0, 0xC0), TAIL),
    (range(0xE1, 0xED), TAIL, TAIL),
    (range(0xED, 0xEE), range(0x80, 0xA0), TAIL),
    (range(0xEE, 0xF0), TAIL, TAIL),
    (range(0xF0, 0xF1), range(0x90, 0xC0), TAIL, TAIL),
    (range(0xF1, 0xF4), TAIL, TAIL, TAIL),
    (range(0xF4, 0xF5), range(0x80, 0x90), TAIL, TAIL),
]


def good(data):
    """How many bytes there are before the first that can't be there."""
    follow = ()
    for at, byte in enumerate(data):
        if follow:
            if byte not in follow[0]:
                return at
            follow = follow[1:]
        else:
            rows = [row for row in ROWS if byte in row[0]]
            if not rows:
                return at
            follow = rows[0][1:]
    return len(data)


def pieces(data, n):
    """The bytes, n at a time."""
    return [data[at : at + n] for at in range(0, len(data), n)]


def encoded(code, n):
    """A number as n bytes, by the scheme that UTF-8 was cut out of: too long a form, a surrogate, too large if told."""
    if n == 1:
        return bytes([code])
    lead = 0xFF00 >> n & 0xFF
    return bytes([lead | code >> 6 * (n - 1)] + [0x80 | code >> 6 * i & 0x3F for i in range(n - 2, -1, -1)])


POINTS = [0, 0x7F, 0x80, 0x7FF, 0x800, 0xFFF, 0x1000, 0xCFFF, 0xD000, 0xD7FF, 0xE000, 0xFDD0, 0xFEFF, 0xFFFD, 0xFFFE]
POINTS += [0xFFFF, 0x10000, 0x1FFFE, 0x1FFFF, 0x3FFFF, 0x40000, 0xFFFFF, 0x100000, 0x10FFFE, 0x10FFFF]

BAD = {}  # name: bytes
for byte in (0x80, 0x81, 0x8F, 0x90, 0x9F, 0xA0, 0xBF):
    BAD[f"continuation byte {byte:x} alone"] = bytes([byte])
for n in range(2, 8):
    BAD[f"{n} continuation bytes"] = bytes([0x80, 0xBF] * 4)[:n]
BAD["every continuation byte"] = bytes(TAIL)
for byte in (0xC0, 0xC1, 0xF5, 0xF7, 0xF8, 0xFB, 0xFC, 0xFD, 0xFE, 0xFF):
    BAD[f"byte {byte:x}, which is never there"] = bytes([byte])
    BAD[f"byte {byte:x} with continuation"] = bytes([byte]) + b"\x80" * 5
BAD["fe fe ff ff"] = b"\xfe\xfe\xff\xff"
for byte in (0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4):
    BAD[f"lead byte {byte:x} alone"] = bytes([byte])
    BAD[f"lead byte {byte:x} and a space"] = bytes([byte]) + b" "
    BAD[f"lead byte {byte:x} twice"] = bytes([byte] * 2)
for code, n in ((0x80, 2), (0x7FF, 2), (0x800, 3), (0xFFFF, 3), (0x10000, 4), (0x10FFFF, 4)):
    whole = encoded(code, n)
    for cut in range(1, n):
        BAD[f"U+{code:04X} without its last {n - cut}"] = whole[:cut]
        BAD[f"U+{code:04X} without its last {n - cut}, then a letter"] = whole[:cut] + b"z"
        BAD[f"U+{code:04X} without its last {n - cut}, then itself"] = whole[:cut] + whole
for code, name in ((0x2F, "a slash"), (0, "NUL"), (0x7F, "DEL")):
    for n in range(2, 7):
        BAD[f"{name} in {n} bytes"] = encoded(code, n)
for code, n in ((0x7FF, 3), (0xFFFF, 4), (0x1FFFFF, 5), (0x3FFFFFF, 6), (0x10FFFF, 5), (0x10FFFF, 6)):
    BAD[f"U+{code:X} in {n} bytes"] = encoded(code, n)
for code in (0xD800, 0xDB7F, 0xDB80, 0xDBFF, 0xDC00, 0xDF80, 0xDFFF):
    BAD[f"surrogate U+{code:X}"] = encoded(code, 3)
for high in (0xD800, 0xDB7F, 0xDB80, 0xDBFF):
    for low in (0xDC00, 0xDFFF):
        BAD[f"surrogates U+{high:X} U+{low:X}"] = encoded(high, 3) + encoded(low, 3)
for code, n in ((0x110000, 4), (0x13FFFF, 4), (0x140000, 4), (0x1FFFFF, 4), (0x200000, 5), (0x4000000, 6)):
    BAD[f"U+{code:X}, beyond the last"] = encoded(code, n)
BAD["U+7FFFFFFF, beyond the last"] = encoded(0x7FFFFFFF, 6)
BAD["behind good text"] = "κόσμε".encode() + encoded(0xD800, 3) + b"edited"
BAD["Latin-1"] = "Grüße".encode("latin-1")
BAD["UTF-16"] = "ä".encode("utf-16")

# What is tried in every way to cut it.
CHOSEN = """continuation byte 80 alone|byte ff, which is never there|byte f5 with continuation|lead byte c2 and a space
lead byte f4 twice|U+07FF without its last 1|U+FFFF without its last 1|U+10FFFF without its last 2|a slash in 2 bytes
U+10FFFF without its last 1, then a letter|NUL in 3 bytes|NUL in 4 bytes|U+7FF in 3 bytes|U+FFFF in 4 bytes
surrogate U+D800|surrogate U+DFFF|surrogates U+D800 U+DC00|U+110000, beyond the last|U+140000, beyond the last
behind good text""".replace(
    "\n", "|"
).split(
    "|"
)

CASES = []

# what is good


def add_good(code):
    data, name = chr(code).encode(), f"U+{code:04X}"
    text, n = (TEXT, data), len(data)
    CASES.append(
        Case(
            f"8.1 {name} alone, among others, in fragments",
            frame(TEXT, data)
            + frame(TEXT, b"a" + data * 3 + b"z")
            + fragments(TEXT, pieces(data, 1), between=frame(PING, b"p"))
            + b"".join(fragments(TEXT, [b"", data[:i], b"", data[i:], b""]) for i in range(n + 1)),
            [text, (TEXT, b"a" + data * 3 + b"z"), text] + [text] * (n + 1),
            pongs=[b"p"] * (n - 1),
        )
    )
    CASES.append(Case(f"8.1 {name} in writes of one byte", frame(TEXT, data * 2), [(TEXT, data * 2)], chop=1))


for point in POINTS:
    assert good(chr(point).encode()) == len(chr(point).encode())
    add_good(point)

MIXED = "".join(map(chr, POINTS)).encode()
CASES += [
    Case("8.1 an empty text", frame(TEXT) + fragments(TEXT, [b"", b"", b""]), [(TEXT, b"")] * 2),
    Case("8.1 all lengths in a row, in fragments of one byte", fragments(TEXT, pieces(MIXED, 1)), [(TEXT, MIXED)]),
    Case(
        "8.1 all lengths in a row, a ping between any two bytes",
        fragments(TEXT, pieces(MIXED, 1), between=frame(PING, b"\xff")),
        [(TEXT, MIXED)],
        pongs=[b"\xff"] * (len(MIXED) - 1),
    ),
    Case("8.1 all lengths in a row, in writes of one byte", frame(TEXT, MIXED), [(TEXT, MIXED)], chop=1),
    Case("8.1 all lengths in a row, in writes of 3", frame(TEXT, MIXED * 20), [(TEXT, MIXED * 20)], chop=3),
    Case(
        "8.1 a long character at every place of a block",
        b"".join(frame(TEXT, b"x" * n + "€𝄞".encode() + b"y" * 70) for n in range(131)),
        [(TEXT, b"x" * n + "€𝄞".encode() + b"y" * 70) for n in range(131)],
    ),
    Case("8.1 1 MiB of 2 bytes each", lambda: frame(TEXT, "ß" * 524288), lambda: [(TEXT, "ß".encode() * 524288)]),
    Case("8.1 1 MiB of 4 bytes each", lambda: frame(TEXT, "𝄞" * 262144), lambda: [(TEXT, "𝄞".encode() * 262144)]),
    Case(
        "8.1 1 MiB of 3 bytes each, in fragments of 1000",
        lambda: fragments(TEXT, pieces("€".encode() * 349525, 1000)),
        lambda: [(TEXT, "€".encode() * 349525)],
    ),
]

# what is bad


def add_bad(name, wire, part, messages=(), **options):
    CASES.append(Case(f"8.1 {name}", wire, list(messages), part=part, code=1007, **options))


WHOLE = [(TEXT, b"whole")]
for name, data in BAD.items():
    n = good(data)
    before = frame(TEXT, "whole")
    add_bad(name, before + frame(TEXT, b"ab" + data) + frame(TEXT, "after"), b"ab" + data[:n], WHOLE)

for name in CHOSEN:
    data = BAD[name]
    n = good(data)
    one = fragments(TEXT, pieces(data, 1))
    add_bad(f"{name}, alone", frame(TEXT, data) + frame(TEXT, "after"), data[:n])
    add_bad(f"{name}, in fragments of one byte", one + frame(TEXT, "after"), data[:n])
    add_bad(
        f"{name}, with empty fragments",
        fragments(TEXT, [b"", *pieces(data, 1), b""], between=frame(CONTINUATION, b"", fin=False)),
        data[:n],
    )
    add_bad(f"{name}, in writes of one byte", frame(TEXT, b"ab" + data), b"ab" + data[:n])
    CASES[-1] = Case(CASES[-1].name, CASES[-1].sends, part=CASES[-1].part, code=1007, chop=1)
    if n < len(data):
        # Nothing comes behind the bad byte that could give it away.
        bad = data[: n + 1]
        add_bad(f"{name}, the frame not at its end", frame(TEXT, b"ab" + bad, length=1000, form=16), b"ab" + data[:n])
        add_bad(
            f"{name}, the message not at its end",
            frame(TEXT, b"ab", fin=False) + b"".join(frame(CONTINUATION, byte, fin=False) for byte in pieces(bad, 1)),
            b"ab" + data[:n],
        )
    if n > 1:
        add_bad(
            f"{name}, with a ping before the bad byte",
            frame(TEXT, data[:n], fin=False) + frame(PING, b"p") + frame(CONTINUATION, data[n:]),
            data[:n],
            pongs=[b"p"],
        )

CASES += [
    Case(
        "5.4 a character that ends in another message",
        frame(TEXT, "whole") + frame(TEXT, b"a\xe2\x82") + frame(TEXT, b"\xac"),
        WHOLE,
        part=b"a\xe2\x82",
        code=1007,
    ),
    Case(
        "5.4 the first byte of a second message",
        frame(TEXT, "€") + frame(TEXT, b"\xac"),
        [(TEXT, "€".encode())],
        part=b"",
        code=1007,
    ),
]
for n in (0, 1, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 4095, 4096, 65535, 65536, 100000):
    for name, unit in (("ASCII", b"x"), ("3 bytes each", "€".encode())):
        text = unit * (n // len(unit))
        data = text + b"x" * (n - len(text)) + b"\xff" + unit * 40
        add_bad(f"a bad byte after {n} of {name}", frame(TEXT, data), data[:n])

# what need not be text

EVERY = list(BAD.values())
CASES += [
    Case("5.6 all of that is binary", b"".join(frame(BINARY, one) for one in EVERY), [(BINARY, one) for one in EVERY]),
    Case(
        "5.6 all of that is binary in fragments",
        b"".join(fragments(BINARY, pieces(one, 1)) for one in EVERY[::5]),
        [(BINARY, one) for one in EVERY[::5]],
    ),
    Case(
        "5.6 every byte in binary before and after text",
        frame(BINARY, bytes(range(256))) + frame(TEXT, "€") + frame(BINARY, b"\xe2") + frame(TEXT, "€"),
        [(BINARY, bytes(range(256))), (TEXT, "€".encode()), (BINARY, b"\xe2"), (TEXT, "€".encode())],
    ),
    Case(
        "5.5.2 a ping of them, between two halves of a character",
        frame(TEXT, b"\xe2", fin=False) + frame(PING, b"\xff\xac") + frame(CONTINUATION, b"\x82\xac"),
        [(TEXT, "€".encode())],
        pongs=[b"\xff\xac"],
    ),
]


@each(CASES)
def test_case(ground, case, backend):
    ground.play(case, backend)


# every lead byte with what may and may not follow it


def follow_ups(lead):
    """Texts of that lead byte and every second byte at which some row of the definition begins or ends, and what must
    come of each: the text, or 1007. One that is good so far is completed."""
    for second in (0x00, 0x20, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xE0, 0xFF):
        data = bytes([lead, second])
        n = good(data)
        while n == len(data) and good(data + b"\x80") == n + 1:
            data, n = data + b"\x80", n + 1
        yield data, 1000 if n == len(data) and good(data + b"a") == n + 1 else 1007


@pytest.mark.parametrize("lead", range(0x80, 0x100), ids=lambda lead: f"{lead:02x}")
def test_second_byte_rfc_3629_4(ground, lead):
    rows = list(follow_ups(lead))
    wires = (frame(TEXT, data) for data, _ in rows)
    come = (len(data) if code == 1000 else None for data, code in rows)
    for (data, code), (payload, close) in zip(rows, sweep(ground.gateway, "/service/0", wires, come)):
        assert (close.opcode, close.code) == (CLOSE, code), (data, close)
        assert payload == data if code == 1000 else data.startswith(payload), (data, payload)
