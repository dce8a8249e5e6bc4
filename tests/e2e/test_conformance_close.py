"""The close handshake: RFC 6455 5.5.1, 7.1 and 7.4. How TCP ends after it is in test_conformance_end.py."""
import pytest
from conformance import Case, Hearing, Sending, each, fragments, payload
from sweep import sweep
from wait import promptly
from wsraw import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_frame, frame

# 7.4.1 and the registry of 11.7 as it is today; 1004 to 1006 and 1015 are never sent, 1016 to 2999 are reserved.
REGISTERED = [*range(1000, 1004), *range(1007, 1015)]
GOOD = [*REGISTERED, *range(3000, 5000)]
AFTER = frame(BINARY, b"after")
WHOLE = [(TEXT, b"whole")]


def answer_to(code):
    return code if code in GOOD else 1002


def closed(name, sends, code, messages=(), **options):
    """The client's close frame is answered with `code`."""
    return Case(name, sends, list(messages), code=code, ends="closed", **options)


def broken(name, sends, code, messages=(), **options):
    """It breaks a rule."""
    return Case(name, sends, list(messages), code=code, **options)


CASES = []

# codes

for code in REGISTERED + [3000, 3001, 3999, 4000, 4001, 4999]:
    CASES.append(closed(f"7.4 code {code}", frame(TEXT, "whole") + close_frame(code, "bye") + AFTER, code, WHOLE))
    CASES.append(closed(f"7.4 code {code} without a reason", close_frame(code), code))
for code in (
    0,
    1,
    125,
    126,
    999,
    1004,
    1005,
    1006,
    1015,
    1016,
    1100,
    1999,
    2000,
    2999,
    5000,
    5001,
    32767,
    32768,
    65535,
):
    CASES.append(broken(f"7.4 code {code}", frame(TEXT, "whole") + close_frame(code, "bye") + AFTER, 1002, WHOLE))

# the payload

for n in (1, 2, 60, 122, 123):
    CASES.append(closed(f"5.5.1 a reason of {n} bytes", close_frame(1000, "x" * n), 1000))
for reason in (
    "ä" * 61 + "x",
    "€" * 41,
    "𝄞" * 30 + "€",
    "\0",
    "\U0010ffff\ufffe\ufeff\ud7ff\ue000",
    "a\r\nb\x1b[31m",
    "%s%n",
):
    CASES.append(closed(f"5.5.1 reason {reason[:12]!a}", close_frame(4000, reason), 4000))
CASES += [
    closed("5.5.1 no payload", close_frame(), None),
    closed("5.5.1 no payload, behind a message", frame(TEXT, "whole") + close_frame() + AFTER, None, WHOLE),
    closed("5.5.1 in writes of one byte", close_frame(1001, "going"), 1001, chop=1),
    closed("5.5.1 the longest in writes of one byte", close_frame(1001, "ä" * 61), 1001, chop=1),
    closed("5.5.1 without payload in writes of one byte", close_frame(), None, chop=1),
    closed("5.3 masked with nothing", close_frame(1000, "bye", mask=b"\0\0\0\0"), 1000),
    closed("5.3 masked with ones", close_frame(3000, "bye", mask=b"\xff\xff\xff\xff"), 3000),
    broken("5.1 not masked", frame(TEXT, "whole") + close_frame(1000, "bye", mask=False) + AFTER, 1002, WHOLE),
    broken("5.1 not masked, no payload", frame(CLOSE, b"", mask=False) + AFTER, 1002),
    broken("5.5 a reason of 124 bytes", frame(TEXT, "whole") + close_frame(1000, "x" * 124) + AFTER, 1002, WHOLE),
    broken("5.5 a payload of 126 bytes announced", frame(CLOSE, b"\x03\xe8", length=126, form=16), 1002),
    broken("5.5 a payload of 65536 bytes announced", frame(CLOSE, b"\x03\xe8", length=65536, form=64), 1002),
    broken("5.2 a length of 5 in 16 bits", frame(CLOSE, b"\x03\xe8abc", form=16), 1002),
    broken("5.2 a length of 5 in 64 bits", frame(CLOSE, b"\x03\xe8abc", form=64), 1002),
    broken("5.5 a fragment", frame(TEXT, "whole") + frame(CLOSE, b"\x03\xe8", fin=False) + AFTER, 1002, WHOLE),
    broken("5.5 a fragment without payload", frame(CLOSE, b"", fin=False) + AFTER, 1002),
    broken("5.5 two fragments", frame(CLOSE, b"\x03", fin=False) + frame(CONTINUATION, b"\xe8"), 1002),
]
for rsv in range(1, 8):
    CASES.append(broken(f"5.2 reserved bits {rsv:03b}", close_frame(1000, rsv=rsv) + AFTER, 1002))
for byte in (0x00, 0x03, 0x0F, 0x7F, 0xFF):
    CASES.append(
        broken(
            f"5.5.1 a payload of the byte {byte:02x}",
            frame(TEXT, "whole") + frame(CLOSE, bytes([byte])) + AFTER,
            1002,
            WHOLE,
        )
    )
for bad in "80 bf c0af c1bf c3 c328 e2 e282 e28228 eda080 edbfbf f0808080 f09d84 f4908080 f5808080 ff 61ff62".split():
    bad = bytes.fromhex(bad)
    CASES.append(
        broken(f"5.5.1 reason {bad.hex()}", frame(TEXT, "whole") + close_frame(1000, bad) + AFTER, 1007, WHOLE)
    )
CASES += [
    broken("5.5.1 a reason that is good but for its last byte", close_frame(1000, b"x" * 122 + b"\xc3"), 1007),
    broken("5.5.1 a reason cut within a character", close_frame(1000, ("x" + "ä" * 61).encode()[:-1] + b"x"), 1007),
    broken("5.5.1 a bad reason in writes of one byte", close_frame(1000, b"ab\xff"), 1007, chop=1),
    broken("7.4 a bad code with a bad reason", close_frame(999, b"\xff"), 1002),
]

# what is behind it: nothing is heard, nothing is answered (5.5.1, 7.1.2)

BEHIND = {
    "messages": frame(TEXT, "a") + frame(BINARY, b"b") * 100,
    "a ping": frame(PING, b"p"),
    "pings and pongs": (frame(PING, b"p") + frame(PONG, b"q")) * 50,
    "another close frame": close_frame(1001, "again"),
    "the same close frame": close_frame(1000),
    "a bad close frame": close_frame(999),
    "a frame without mask": frame(TEXT, "a", mask=False),
    "bad text": frame(TEXT, b"\xff"),
    "a reserved opcode": frame(3, b""),
    "a continuation": frame(CONTINUATION, b"a"),
    "half a frame": frame(BINARY, payload(100))[:50],
    "half a header": b"\x82",
    "no frames": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" + bytes(range(256)),
    "64 KiB": frame(BINARY, payload(65536)),
}
for name, data in BEHIND.items():
    sends = frame(TEXT, "whole") + close_frame(1000) + data
    CASES.append(closed(f"5.5.1 {name} behind it", sends, 1000, WHOLE))
    CASES.append(closed(f"5.5.1 {name} behind it, in another write", [sends[: -len(data)], data], 1000, WHOLE))
for name in ("messages", "a ping", "another close frame", "a frame without mask"):
    sends = frame(TEXT, "whole") + close_frame(999) + BEHIND[name]
    CASES.append(broken(f"7.1.7 {name} behind a bad one", sends, 1002, WHOLE))

# what is before it

CASES += [
    closed("5.5.1 at once", close_frame(1000), 1000),
    closed("5.5.2 behind a ping, which is answered", frame(PING, b"p") + close_frame(1000), 1000, pongs=[b"p"]),
    closed(
        "5.5.2 behind ten pings",
        b"".join(frame(PING, b"%d" % i) for i in range(10)) + close_frame(1000),
        1000,
        pongs=[b"%d" % i for i in range(10)],
    ),
    closed("5.5.3 behind a pong", frame(PONG, b"p") + close_frame(1000), 1000),
    closed(
        "5.4 within a message, behind its first fragment",
        frame(TEXT, "whole") + frame(TEXT, "half", fin=False) + close_frame(1000) + frame(CONTINUATION, b"after"),
        1000,
        WHOLE,
        part=b"half",
    ),
    closed(
        "5.4 within a message, behind an empty fragment",
        frame(TEXT, "whole") + frame(TEXT, "", fin=False) + close_frame(1000) + frame(CONTINUATION, b"after"),
        1000,
        WHOLE,
        part=b"",
    ),
    closed(
        "5.4 within a message, behind a continuation",
        frame(BINARY, b"1", fin=False) + frame(CONTINUATION, b"2", fin=False) + close_frame(4321),
        4321,
        part=b"12",
    ),
    closed(
        "5.4 within a character",
        frame(TEXT, b"half\xe2\x82", fin=False) + close_frame(1000, "€"),
        1000,
        part=b"half\xe2\x82",
    ),
    closed(
        "5.4 behind a message in fragments with pings between",
        fragments(TEXT, [b"wh", b"o", b"le"], between=frame(PING, b"p")) + close_frame(1000),
        1000,
        WHOLE,
        pongs=[b"p", b"p"],
    ),
    closed("7.1.2 behind a hundred messages", frame(TEXT, "whole") * 100 + close_frame(1000), 1000, WHOLE * 100),
]


@each(CASES)
def test_case(ground, case, backend):
    ground.play(case, backend)


# every code


@pytest.mark.parametrize(
    "codes", [range(n, n + 500) for n in range(0, 5000, 500)], ids=lambda codes: f"{codes[0]}-{codes[-1]}"
)
def test_every_code_7_4(ground, codes):
    """What may be sent comes back, else 1002. Over TLS, where a connection is dear, it is every tenth."""
    codes = codes[:: 10 if ground.gateway.tls else 1]
    wires = (close_frame(code, "x") for code in codes)
    for code, (data, close) in zip(codes, sweep(ground.gateway, "/service/0", wires)):
        assert (data, close.code) == (b"", answer_to(code)), (code, close)


def test_codes_beyond_4999_7_4(ground):
    codes = [5000, 5001, 5999, 6000, 9999, 10000, 12345, 16384, 32768, 0xE803, 0xFF00, 0xFFFE, 0xFFFF]
    for code, (data, close) in zip(codes, sweep(ground.gateway, "/service/0", map(close_frame, codes))):
        assert (data, close.code) == (b"", 1002), (code, close)


def test_every_payload_of_one_byte_5_5_1(ground):
    values = range(0, 256, 10 if ground.gateway.tls else 1)
    for data, close in sweep(ground.gateway, "/service/0", (frame(CLOSE, bytes([byte])) for byte in values)):
        assert (data, close.code) == (b"", 1002), close


# what is on its way to the client comes before our close frame


@pytest.mark.parametrize("backend", ["program", "service"])
@pytest.mark.parametrize("n", [1, 65536, 4 << 20])
def test_what_is_on_its_way_comes_first_7_1_2(ground, backend, n):
    """The client closes right behind a message; its echo comes whole, whatever is sent meanwhile."""
    data = payload(n)

    def play():
        with ground.gateway.ws(f"/{backend}/0") as raw:
            sending = Sending(raw, [frame(BINARY, data), close_frame(1000), frame(PING, b"x") * 100])
            hearing = Hearing(raw)
            hearing.until(lambda: False)
            sending.done()
            assert hearing.stream == data
            assert (hearing.close.code, hearing.pongs) == (1000, [])
            hearing.ended()

    promptly(play)
