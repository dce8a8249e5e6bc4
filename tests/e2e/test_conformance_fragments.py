"""Fragmentation (RFC 6455 5.4): any number of fragments in any sizes, in no order but one."""
from conformance import Case, each, fragments, payload
from wsraw import BINARY, CONTINUATION, PING, PONG, TEXT, close_frame, frame

KINDS = {"text": TEXT, "binary": BINARY}
GOOD = (TEXT, b"before")
AFTER = frame(BINARY, b"after") + close_frame(1000)
CASES = []


def cut(data, n):
    """In n parts, about equal."""
    return [data[i * len(data) // n : (i + 1) * len(data) // n] for i in range(n)]


def counts():
    """5.4: however many there are, and whatever comes between them."""
    between = {
        "": b"",
        " with a ping between": frame(PING, b"p"),
        " with a pong between": frame(PONG, b"p"),
    }
    for kind, opcode in KINDS.items():
        for n, size in ((2, 2), (2, 10), (2, 1000), (2, 131072), (3, 3), (3, 1000), (10, 10), (10, 70000)):
            data = payload(size, opcode == TEXT)
            for what, control in between.items():
                yield Case(
                    f"5.4 {kind} of {size} bytes in {n} fragments{what}",
                    fragments(opcode, cut(data, n), control),
                    [(opcode, data)],
                    pongs=[b"p"] * (n - 1) if "ping" in what else [],
                )
        yield many(f"5.4 {kind} in 1000 fragments of a byte", opcode, 1000, 1000)
        yield many(f"5.4 {kind} in 1000 fragments of 20 bytes", opcode, 20000, 1000)
        yield many(f"5.4 {kind} of 10 bytes in 1000 fragments", opcode, 10, 1000)
        yield many(f"5.4 {kind} of no byte in 1000 fragments", opcode, 0, 1000)
        yield many(f"5.4 {kind} in 1000 fragments of a byte in writes of 1", opcode, 1000, 1000, chop=1)
        yield many(f"5.4 {kind} in 1000 fragments of a byte in writes of 7", opcode, 1000, 1000, chop=7)
        parts = cut(payload(60, True), 20)
        yield Case(
            f"5.4 {kind} whose fragments come one by one",
            [frame(CONTINUATION if i else opcode, part, fin=i == 19) for i, part in enumerate(parts)],
            [(opcode, payload(60, True))],
        )
    yield many("5.4 text in 50000 fragments of a byte", TEXT, 50000, 50000)
    yield many("5.4 binary in 50000 fragments of 20 bytes", BINARY, 1000000, 50000)
    yield many("5.4 binary of 10 bytes in 50000 fragments", BINARY, 10, 50000)
    yield many("5.4 text of no byte in 50000 fragments", TEXT, 0, 50000)


def many(name, opcode, size, n, chop=None):
    return Case(
        name,
        lambda: fragments(opcode, cut(payload(size, opcode == TEXT), n), mask=b"\1\2\3\4"),
        lambda: [(opcode, payload(size, opcode == TEXT))],
        chop=chop,
    )


def empty():
    """5.4: a fragment may be empty, wherever it is."""
    places = {
        "first": [b"", b"a", b"b"],
        "middle": [b"a", b"", b"b"],
        "last": [b"a", b"b", b""],
        "first and last": [b"", b"a", b""],
        "every other": [b"", b"a", b"", b"b", b"", b"c", b""],
        "only": [b"", b"", b""],
        "both": [b"", b""],
        "many first": [b""] * 100 + [b"a"],
        "many last": [b"a"] + [b""] * 100,
        "only and many": [b""] * 1000,
    }
    for kind, opcode in KINDS.items():
        for place, parts in places.items():
            whole = (opcode, b"".join(parts))
            yield Case(f"5.4 {kind} with the {place} fragment empty", fragments(opcode, parts), [whole])
            yield Case(
                f"5.4 {kind} with the {place} fragment empty between two messages",
                frame(*GOOD) + fragments(opcode, parts, frame(PONG)) + frame(*GOOD),
                [GOOD, whole, GOOD],
            )
        yield Case(
            f"5.4 {kind} with the first fragment empty byte by byte",
            fragments(opcode, places["every other"]),
            [(opcode, b"abc")],
            chop=1,
        )


def sizes():
    """5.4: fragments of unlike sizes, each with another form of the length."""
    for kind, opcode in KINDS.items():
        text = opcode == TEXT
        for parts in ((1, 125, 126), (65535, 1, 65536), (126, 0, 127), (0, 70000, 0, 1), (300, 65536, 2, 125, 65535)):
            bodies = [payload(n, text) for n in parts]
            for chop in (None, 997):
                yield Case(
                    f"5.4 {kind} in fragments of {parts}{' in writes of 997' if chop else ''}",
                    fragments(opcode, bodies),
                    [(opcode, b"".join(bodies))],
                    chop=chop,
                )
    messages = [((TEXT, BINARY)[i // 3 % 2], payload(i * 40, True)) for i in range(20)]
    yield Case(
        "5.4 messages of both types in one to five fragments",
        b"".join(fragments(opcode, cut(body, 1 + i % 5)) for i, (opcode, body) in enumerate(messages)),
        messages,
    )


FRAMES = {"text": (TEXT, True), "text-": (TEXT, False), "binary": (BINARY, True), "binary-": (BINARY, False)}
FRAMES |= {"continued": (CONTINUATION, True), "continued-": (CONTINUATION, False)}


def orders():
    """5.4: every order of up to three frames, each with a byte. A "-" is a frame without FIN."""
    paths = [()]
    for _ in range(3):
        paths = [(*path, name) for path in paths for name in FRAMES]
        for path in list(paths):
            case = order(path)
            if case.code == 1002:
                paths.remove(path)
            if case.code == 1002 or len(path) == 3:
                yield case


def order(path):
    """The case of one order: what is whole is delivered; the first frame that may not come ends it."""
    messages, part, opcode, code, wire = [], None, None, None, b""
    for name, letter in zip(path, b"abc"):
        kind, fin = FRAMES[name]
        wire += frame(kind, bytes([letter]), fin=fin)
        if (kind == CONTINUATION) != (part is not None):
            code = 1002
            break
        opcode = opcode if kind == CONTINUATION else kind
        part = (part or b"") + bytes([letter])
        if fin:
            messages.append((opcode, part))
            part = None
    ending = " is wrong" if code else " and the end" if part is None else " and no end"
    return Case(
        f"5.4 {', '.join(path)}{ending}",
        wire + AFTER if code else wire,
        messages,
        part=part,
        code=code,
        ends="drop" if part is not None and code is None else "",
    )


def broken():
    """5.4: a message within a message, the rest of none."""
    for kind, opcode in KINDS.items():
        begun = frame(opcode, b"half", fin=False)
        for other, second in KINDS.items():
            for how, wire in {
                "a message": frame(second, b"x"),
                "an empty message": frame(second),
                "a first fragment": frame(second, b"x", fin=False),
                "a message of 70000 bytes": frame(second, payload(70000, True)),
            }.items():
                yield Case(f"5.4 {how} of {other} within {kind}", begun + wire + AFTER, part=b"half", code=1002)
            yield Case(
                f"5.4 {other} within {kind} after a message and a ping",
                frame(*GOOD) + begun + frame(PING, b"p") + frame(second, b"x") + AFTER,
                [GOOD],
                part=b"half",
                pongs=[b"p"],
                code=1002,
            )
        yield Case(f"5.4 {kind} within {kind} byte by byte", begun + frame(opcode), part=b"half", code=1002, chop=1)
        yield Case(
            f"5.4 {kind} within {kind} of 100000 bytes",
            frame(opcode, payload(100000, True), fin=False) + frame(opcode, b"x") + AFTER,
            part=payload(100000, True),
            code=1002,
        )
    for body in (b"", b"x", payload(70000, True)):
        for fin in (True, False):
            what = f"continuation of {len(body)} bytes{'' if fin else ' without FIN'}"
            wire = frame(CONTINUATION, body, fin=fin) + AFTER
            yield Case(f"5.4 {what} of nothing", wire, code=1002)
            yield Case(f"5.4 {what} after a message", frame(*GOOD) + wire, [GOOD], code=1002)
            yield Case(
                f"5.4 {what} after a message in fragments",
                fragments(TEXT, [b"be", b"fore"]) + wire,
                [GOOD],
                code=1002,
            )
            yield Case(f"5.4 {what} after a ping", frame(PING, b"p") + wire, pongs=[b"p"], code=1002)


def unfinished():
    """5.4, 7.1.1: a message that never ends is no message; only a close frame makes it an orderly end."""
    for kind, opcode in KINDS.items():
        for what, wire, part in (
            ("first fragment", frame(opcode, b"half", fin=False), b"half"),
            ("empty fragment", frame(opcode, fin=False), b""),
            ("two fragments", fragments(opcode, [b"one", b"two", b""])[:-6], b"onetwo"),
            ("fragment of 100000 bytes", frame(opcode, payload(100000, True), fin=False), payload(100000, True)),
            ("half a frame", frame(opcode, b"half of it")[:-6], b"half"),
            ("half a frame of 200000 bytes", frame(opcode, payload(200000, True))[:-100000], payload(100000, True)),
        ):
            for how in ("drop", "reset", "shut"):
                name = f"7.1.7 {kind}: {what} and then {how}"
                yield Case(name, frame(*GOOD) + wire, [GOOD], part=part, ends=how)
            if "half a" not in what:
                yield Case(
                    f"5.4 {kind}: {what} and then a close frame",
                    frame(*GOOD) + wire + close_frame(1000),
                    [GOOD],
                    part=part,
                    code=1000,
                    ends="closed",
                )
    for how in ("drop", "reset", "shut"):
        yield Case(
            f"7.1.7 whole messages and then {how}", frame(*GOOD) + frame(BINARY), [GOOD, (BINARY, b"")], ends=how
        )
        yield Case(f"7.1.7 half a header and then {how}", frame(*GOOD) + frame(*GOOD)[:3], [GOOD], ends=how)
        yield Case(f"7.1.7 half a ping and then {how}", frame(*GOOD) + frame(PING, b"hello")[:-1], [GOOD], ends=how)
        yield Case(f"7.1.7 nothing and then {how}", b"", ends=how)


for cases in (counts, empty, sizes, orders, broken, unfinished):
    CASES += cases()


@each(CASES)
def test_case(ground, case, backend):
    ground.play(case, backend)
