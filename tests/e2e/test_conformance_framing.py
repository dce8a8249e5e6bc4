"""What one frame may look like: lengths, however they arrive, masks, and what is reserved (RFC 6455 5.1 to 5.3, 5.8)."""
from conformance import Case, each, fragments, payload
from wsraw import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_frame, frame

SIZES = [0, 1, 125, 126, 127, 128, 65535, 65536, 65537, 1 << 20]
KINDS = {"text": TEXT, "binary": BINARY}
CONTROL = {"ping": PING, "pong": PONG, "close": CLOSE}
GOOD = (TEXT, b"before")
AFTER = frame(BINARY, b"after") + frame(CONTINUATION, b"after") + close_frame(1000)
CASES = []


def lengths():
    """5.2: every form of the length at its bounds; the bytes as one write and as many."""
    for kind, opcode in KINDS.items():
        for n in [*SIZES, 16 << 20]:
            yield one_frame(f"5.2 {kind} of {n} bytes", opcode, n)
        for chop in (1, 64, 997):
            for n in SIZES:
                # Byte by byte is slow: of the two largest one for each type.
                if n < 65535 or n == (65535 if opcode == TEXT else 65536) if chop == 1 else n >= 125:
                    yield one_frame(f"5.2 {kind} of {n} bytes in writes of {chop}", opcode, n, chop=chop)
    yield one_frame(f"5.2 binary of {16 << 20} bytes in writes of 997", BINARY, 16 << 20, chop=997)


def one_frame(name, opcode, n, chop=None):
    return Case(
        name,
        lambda: frame(opcode, payload(n, opcode == TEXT)),
        lambda: [(opcode, payload(n, opcode == TEXT))],
        chop=chop,
    )


def headers_in_two():
    """5.2: a header is the same wherever the network cuts it, and so is what follows."""
    for n, size in ((5, 6), (126, 8), (65536, 14)):
        wire = frame(BINARY, payload(n)) + frame(TEXT, "next")
        for at in range(1, size + 1):
            yield Case(
                f"5.2 header of {size} bytes cut after {at}",
                [wire[:at], wire[at:]],
                [(BINARY, payload(n)), (TEXT, b"next")],
            )
            yield Case(
                f"5.2 header of {size} bytes that comes with another frame cut after {at}",
                [frame(TEXT, "first") + wire[:at], wire[at:]],
                [(TEXT, b"first"), (BINARY, payload(n)), (TEXT, b"next")],
            )


def one_segment():
    """5.2: TCP has no boundaries."""
    for n in (2, 10, 1000):
        messages = [((TEXT, BINARY)[i % 2], str(i).encode() * (i % 50)) for i in range(n)]
        yield Case(f"5.2 {n} messages in one write", b"".join(frame(*one) for one in messages), messages)
        yield Case(
            f"5.2 {n} empty messages in one write",
            b"".join(frame(opcode) for opcode, _ in messages),
            [(opcode, b"") for opcode, _ in messages],
        )
    for chop in (2, 3, 5, 7, 997):
        sizes = (0, 1, 125, 126, 300, *([65536] if chop > 7 else []), 0, 2)
        messages = [(BINARY, payload(n)) for n in sizes]
        yield Case(
            f"5.2 {len(sizes)} frames of unlike lengths in writes of {chop}",
            b"".join(frame(*one) for one in messages),
            messages,
            chop=chop,
        )


def bad_lengths():
    """5.2: "the minimal number of bytes MUST be used", and "the most significant bit MUST be 0"."""
    bad = [(n, 16, n) for n in (0, 1, 5, 124, 125)]
    bad += [(n, 64, n) for n in (0, 1, 5, 125, 126, 127, 32767, 32768, 65534, 65535)]
    bad += [(n, 64, 0) for n in (1 << 63, (1 << 63) + 1, (1 << 63) + 125, (1 << 64) - 1)]
    for n, form, comes in bad:
        for kind, opcode in KINDS.items():
            wire = frame(opcode, payload(comes, True), length=n, form=form)
            name = f"5.2 {kind} of {n} bytes said in {form} bits"
            yield Case(name, wire + AFTER, code=1002)
            yield Case(f"{name} after a message", frame(*GOOD) + wire + AFTER, [GOOD], code=1002)
        head = frame(BINARY, b"", length=n, form=form)[: -4 if form == 16 else -6 if n < 1 << 63 else -11]
        yield Case(f"5.2 {n} bytes said in {form} bits are wrong before the header ends", head, code=1002)
        yield Case(
            f"5.2 fragment of {n} bytes said in {form} bits",
            frame(TEXT, "half", fin=False) + frame(CONTINUATION, payload(comes, True), length=n, form=form) + AFTER,
            part=b"half",
            code=1002,
        )
    for n in (0, 5, 125):
        for form in (16, 64):
            for kind, opcode in CONTROL.items():
                wire = frame(opcode, b"\x03\xe8" + payload(n - 2, True) if n else b"", form=form)
                yield Case(f"5.5 {kind} of {n} bytes said in {form} bits", wire + AFTER, code=1002)


def masks():
    """5.3: any key, at any phase."""
    keys = [bytes(4), b"\xff" * 4, bytes([1, 2, 3, 4]), b"\0\xff\0\xff", b"\x81\x80\0\0", b"\x80\0\0\x01"]
    sizes = [*range(0, 34), 63, 64, 65, 125, 126, 127, 1000]
    for key in keys:
        for kind, opcode in KINDS.items():
            messages = [(opcode, payload(n, opcode == TEXT)) for n in sizes]
            yield Case(
                f"5.3 {kind} masked with {key.hex()}",
                b"".join(frame(*one, mask=key) for one in messages),
                messages,
            )
    for chop in (1, 2, 3, 5, 6, 7, 9, 11, 13):
        data = payload(150 * chop)
        yield Case(f"5.3 the key goes on over writes of {chop}", frame(BINARY, data), [(BINARY, data)], chop=chop)
    parts = [payload(n) for n in (1, 2, 3, 5, 7, 4, 0, 9)]
    yield Case("5.3 each fragment begins with its own key", fragments(BINARY, parts), [(BINARY, b"".join(parts))])


def unmasked():
    """5.1: "a server MUST close the connection upon receiving a frame that is not masked"."""
    frames = {
        "text": frame(TEXT, "hello", mask=False),
        "empty text": frame(TEXT, "", mask=False),
        "binary": frame(BINARY, b"hello", mask=False),
        "binary of 126 bytes": frame(BINARY, payload(126), mask=False),
        "binary of 65536 bytes": frame(BINARY, payload(65536), mask=False),
        "ping": frame(PING, b"hello", mask=False),
        "empty ping": frame(PING, b"", mask=False),
        "pong": frame(PONG, b"", mask=False),
        "close": close_frame(1000, mask=False),
        "close without a code": close_frame(mask=False),
        "first fragment": frame(TEXT, "hello", fin=False, mask=False),
    }
    for kind, wire in frames.items():
        yield Case(f"5.1 unmasked {kind}", wire + AFTER, code=1002)
        yield Case(f"5.1 unmasked {kind} after a message", frame(*GOOD) + wire + AFTER, [GOOD], code=1002)
    for kind in ("ping", "pong", "close"):
        yield Case(
            f"5.1 unmasked {kind} between fragments",
            frame(TEXT, "half", fin=False) + frames[kind] + AFTER,
            part=b"half",
            code=1002,
        )
    yield Case(
        "5.1 unmasked continuation",
        frame(TEXT, "half", fin=False) + frame(CONTINUATION, "rest", mask=False) + AFTER,
        part=b"half",
        code=1002,
    )


def reserved_bits():
    """5.2: RSV1 to RSV3 "MUST be 0 unless an extension is negotiated"."""
    kinds = {"text": (TEXT, b"x"), "binary": (BINARY, b"x"), "empty text": (TEXT, b"")}
    kinds |= {"ping": (PING, b"x"), "pong": (PONG, b"x"), "close": (CLOSE, b"\x03\xe8")}
    for bits in range(1, 8):
        name = "+".join(f"RSV{i}" for i in (1, 2, 3) if bits & 8 >> i)
        for kind, (opcode, body) in kinds.items():
            wire = frame(opcode, body, rsv=bits) + AFTER
            yield Case(f"5.2 {name} on a {kind} frame", wire, code=1002)
            yield Case(f"5.2 {name} on a {kind} frame after a message", frame(*GOOD) + wire, [GOOD], code=1002)
            if opcode >= CLOSE:
                yield Case(
                    f"5.2 {name} on a {kind} frame between fragments",
                    frame(TEXT, "half", fin=False) + wire,
                    part=b"half",
                    code=1002,
                )
        for fin in (False, True):
            yield Case(
                f"5.2 {name} on {'the last' if fin else 'a'} fragment",
                frame(TEXT, "half", fin=False) + frame(CONTINUATION, "x", rsv=bits, fin=fin) + AFTER,
                part=b"half",
                code=1002,
            )
        yield Case(f"5.2 {name} on the first fragment", frame(TEXT, "x", rsv=bits, fin=False) + AFTER, code=1002)


def reserved_opcodes():
    """5.2: "If an unknown opcode is received, the receiving endpoint MUST _Fail the WebSocket Connection_."."""
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        for size, body in (("empty", b""), ("of 5 bytes", b"hello"), ("of 200 bytes", payload(200))):
            wire = frame(opcode, body) + AFTER
            yield Case(f"5.2 opcode {opcode} {size}", wire, code=1002)
            yield Case(f"5.2 opcode {opcode} {size} after a message", frame(*GOOD) + wire, [GOOD], code=1002)
        wire = frame(opcode, b"") + AFTER
        yield Case(f"5.2 opcode {opcode} in a write after a message's", [frame(*GOOD), wire], [GOOD], code=1002)
        yield Case(f"5.2 opcode {opcode} not final", frame(opcode, b"x", fin=False) + AFTER, code=1002)
        yield Case(f"5.2 opcode {opcode} byte by byte", frame(opcode, b"hello"), code=1002, chop=1)
        yield Case(f"5.2 opcode {opcode} is known by one byte", frame(opcode)[:1], code=1002)
        yield Case(
            f"5.2 opcode {opcode} between fragments",
            frame(TEXT, "half", fin=False) + wire,
            part=b"half",
            code=1002,
        )
    yield Case("5.2 a request of HTTP where a frame should be", b"GET / HTTP/1.1\r\n\r\n", code=1002)
    yield Case("5.2 a request of HTTP after a message", frame(*GOOD) + b"GET / HTTP/1.1\r\n\r\n", [GOOD], code=1002)


def much_after():
    """7.1.1, 7.1.7: what follows is discarded, not answered with a reset that could overtake the close frame."""
    for n in (100000, 4 << 20):
        for what, wire, code, ends in (
            ("a reserved opcode", frame(3), 1002, "fails"),
            ("an unmasked frame", frame(TEXT, "x", mask=False), 1002, "fails"),
            ("a text that is none", frame(TEXT, b"\xff"), 1007, "fails"),
            ("a close frame", close_frame(1000), 1000, "closed"),
            ("a close frame that is wrong", frame(CLOSE, b"x"), 1002, "fails"),
        ):
            for after, junk in (("messages", frame(BINARY, payload(1000))), ("what is no frame", b"\xff" * 1008)):
                yield Case(
                    f"7.1.7 {what} and then {n} bytes of {after}",
                    lambda wire=wire, junk=junk, n=n: frame(*GOOD) + wire + junk * (n // 1008),
                    [GOOD],
                    code=code,
                    ends=ends,
                    part=b"" if code == 1007 else None,
                )
    data = payload(4 << 20)
    yield Case(
        "7.1.7 a reserved opcode after 4 MiB", frame(BINARY, data) + frame(3) + AFTER, [(BINARY, data)], code=1002
    )
    yield Case(
        "7.1.7 a reserved opcode within a message of which 4 MiB came",
        frame(BINARY, data, fin=False) + frame(3) + AFTER,
        part=data,
        code=1002,
    )


for cases in (lengths, headers_in_two, one_segment, bad_lengths, masks, unmasked, reserved_bits, reserved_opcodes):
    CASES += cases()
CASES += much_after()


@each(CASES)
def test_case(ground, case, backend):
    ground.play(case, backend)
