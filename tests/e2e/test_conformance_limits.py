"""Sizes of messages: great ones pass, and more than max_message is refused by its header (RFC 6455 5.2, 7.4.1, 10.4)."""
from conformance import Case, each, fragments, payload
from wsraw import BINARY, CONTINUATION, PING, PONG, TEXT, close_frame, frame

KINDS = {"text": TEXT, "binary": BINARY}
MIB = 1 << 20
KEY = b"\x12\x34\x56\x78"
GOOD = (TEXT, b"before")
CASES = []


def great():
    """10.4: nothing but max_message limits a message, whole or in fragments."""
    for kind, opcode in KINDS.items():
        for mib in (2, 4, 8):
            yield in_parts(f"5.2 {kind} of {mib} MiB", opcode, mib * MIB, mib * MIB)
        for size, mib in ((64, 1), (256, 1), (1024, 1), (1024, 4), (4096, 4), (16384, 4), (65536, 4)):
            yield in_parts(f"5.4 {kind} of {mib} MiB in fragments of {size}", opcode, mib * MIB, size)
    for size, opcode in ((65536, TEXT), (4 * 65536, BINARY), (MIB, TEXT), (4 * MIB, BINARY)):
        yield in_parts(f"5.4 16 MiB in fragments of {size}", opcode, 16 * MIB, size)
    yield Case(
        "5.4 binary of 1 MiB in fragments of 1024 with a ping after each",
        lambda: fragments(BINARY, [payload(1024)] * 1024, frame(PING, b"p"), mask=KEY),
        lambda: [(BINARY, payload(1024) * 1024)],
        pongs=[b"p"] * 1023,
        skips=True,
    )
    yield Case(
        "5.2 four messages of 1 MiB in one write",
        lambda: frame(BINARY, payload(MIB)) * 4,
        lambda: [(BINARY, payload(MIB))] * 4,
    )


def in_parts(name, opcode, n, size):
    def parts():
        data = payload(n, opcode == TEXT)
        return [data[at : at + size] for at in range(0, n, size)]

    return Case(name, lambda: fragments(opcode, parts(), mask=KEY), lambda: [(opcode, payload(n, opcode == TEXT))])


def limits():
    """7.4.1: 1009, as soon as a header tells; up to the limit nothing is noticed."""
    for limit in (1, 125, 126, 1000, 65535, 65536, MIB):
        for kind, opcode in KINDS.items():
            yield from at_limit(f"7.4.1 {kind}, limit {limit}:", opcode, limit, {"max_message": limit})
    limit = {"max_message": 1000}
    for n in (1001, 65535, 65536, MIB, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 63) - 1):
        head = frame(BINARY, length=n)
        yield Case(f"7.4.1 limit 1000: header of {n} bytes", head, part=b"", code=1009, route=limit)
        yield Case(
            f"7.4.1 limit 1000: header of {n} bytes byte by byte", head, part=b"", code=1009, route=limit, chop=1
        )
        yield Case(
            f"7.4.1 limit 1000: header of {n} bytes after a message",
            frame(*GOOD) + head,
            [GOOD],
            part=b"",
            code=1009,
            route=limit,
        )
        for first in (b"", b"x", payload(999)):
            yield Case(
                f"7.4.1 limit 1000: header of {n} bytes after a fragment of {len(first)}",
                frame(BINARY, first, fin=False) + frame(PING, b"p") + frame(CONTINUATION, length=n),
                part=first,
                pongs=[b"p"],
                code=1009,
                route=limit,
            )
    yield Case(
        "7.4.1 limit 1000: each message counts for itself",
        frame(BINARY, payload(1000)) * 20,
        [(BINARY, payload(1000))] * 20,
        route=limit,
    )
    yield Case(
        "7.4.1 limit 1000: control frames do not count",
        fragments(BINARY, [payload(500)] * 2, frame(PING, payload(125)) * 20),
        [(BINARY, payload(500) * 2)],
        pongs=[payload(125)] * 20,
        route=limit,
    )
    yield Case(
        "7.4.1 limit 1000: empty fragments do not count",
        fragments(BINARY, [payload(1000)] + [b""] * 5000),
        [(BINARY, payload(1000))],
        route=limit,
    )


def at_limit(name, opcode, n, route):
    """Around a limit of n bytes."""
    data = payload(n + 1, True)
    for size in (n - 1, n):
        body = (opcode, data[:size])
        yield Case(f"{name} {size} bytes", frame(*body), [body], route=route)
        yield Case(
            f"{name} {size} bytes in two fragments and a ping",
            fragments(opcode, [data[: size // 2], data[size // 2 : size]], frame(PING, b"p")),
            [body],
            pongs=[b"p"],
            route=route,
        )
        yield Case(
            f"{name} {size} bytes in fragments, then the same again",
            fragments(opcode, [data[:size], b""]) + frame(*body),
            [body, body],
            route=route,
        )
    yield Case(f"{name} {n + 1} bytes", frame(opcode, data) + frame(*GOOD), part=b"", code=1009, route=route)
    yield Case(f"{name} {n + 1} bytes by the header", frame(opcode, length=n + 1), part=b"", code=1009, route=route)
    yield Case(
        f"{name} {n + 1} bytes as {n} and 1",
        fragments(opcode, [data[:n], data[n:]]) + frame(*GOOD),
        part=data[:n],
        code=1009,
        route=route,
    )
    yield Case(
        f"{name} {n + 1} bytes as {n - 1}, a ping and 2",
        fragments(opcode, [data[: n - 1], data[n - 1 :]], frame(PING, b"p")),
        part=data[: n - 1],
        pongs=[b"p"],
        code=1009,
        route=route,
    )
    yield Case(
        f"{name} {n + 1} bytes in fragments of which none is the last",
        frame(opcode, data[:n], fin=False) + frame(CONTINUATION, data[n:], fin=False) + frame(PONG),
        part=data[:n],
        code=1009,
        route=route,
    )
    yield Case(
        f"{name} a message of {n} and one of {n + 1} bytes",
        frame(opcode, data[:n]) + frame(opcode, data),
        [(opcode, data[:n])],
        part=b"",
        code=1009,
        route=route,
    )


def patience():
    """5.2: without a limit a header may announce what it likes; what comes of it is passed on."""
    for n in (65536, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 62) + 1, (1 << 63) - 1):
        for came in (0, 1, 1000, 100000) if n > 100000 else (0, 1, 1000):
            yield Case(
                f"5.2 {came} bytes of {n}",
                frame(BINARY, payload(came), length=n, form=64),
                part=payload(came),
                ends="drop",
            )
        yield Case(
            f"5.4 a message and a fragment, then 100 bytes of {n}",
            frame(*GOOD)
            + frame(BINARY, payload(70000), fin=False)
            + frame(CONTINUATION, payload(100), length=n, form=64),
            [GOOD],
            part=payload(70000) + payload(100),
            ends="drop",
        )


def closed_within():
    """5.2: bytes of a frame are no frames: what looks like a close frame within a message is payload."""
    inner = close_frame(1000, mask=bytes(4)) + frame(PING, b"x", mask=bytes(4))
    for kind, opcode in {"binary": BINARY, "text": TEXT}.items():
        body = inner if opcode == BINARY else bytes(range(1, 33))
        yield Case(
            f"5.2 frames within the payload of {kind}", frame(opcode, body * 9, mask=bytes(4)), [(opcode, body * 9)]
        )


for cases in (great, limits, patience, closed_within):
    CASES += cases()


@each(CASES)
def test_case(ground, case, backend):
    ground.play(case, backend)
