"""Pings and pongs (RFC 6455 5.5.2, 5.5.3), and what holds for every control frame (5.5)."""
from pathlib import Path

import pytest
from conformance import Case, Hearing, each, fragments, payload
from wait import eventually
from wsraw import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_frame, frame

CONTROL = {"ping": PING, "pong": PONG, "close": CLOSE}
GOOD = (TEXT, b"before")
AFTER = frame(BINARY, b"after") + close_frame(1000)
CASES = []


def one_ping():
    """5.5.3: a pong "MUST have identical "Application data"" as its ping."""
    bodies = {f"of {n} bytes": payload(n) for n in (0, 1, 2, 3, 4, 7, 64, 124, 125)}
    bodies |= {
        "of zeros": bytes(125),
        "of bytes that are no UTF-8": b"\xff\xfe\xc3\x28",
        "of a frame": frame(PING, b"x"),
    }
    for kind, body in bodies.items():
        wire = frame(PING, body)
        end = frame(TEXT, "after")
        yield Case(f"5.5.2 ping {kind}", wire, pongs=[body])
        yield Case(f"5.5.2 ping {kind} byte by byte", wire, pongs=[body], chop=1)
        yield Case(f"5.5.2 ping {kind} before a message", wire + end, [(TEXT, b"after")], pongs=[body])
        yield Case(
            f"5.5.2 ping {kind} between fragments",
            fragments(TEXT, [b"one", b"two"], wire),
            [(TEXT, b"onetwo")],
            pongs=[body],
        )
        yield Case(
            f"5.5.2 ping {kind} between fragments byte by byte",
            fragments(TEXT, [b"one", b"two"], wire),
            [(TEXT, b"onetwo")],
            pongs=[body],
            chop=1,
        )
    for key in (bytes(4), b"\xff" * 4, b"\x01\x02\x03\x04"):
        yield Case(f"5.5.2 ping masked with {key.hex()}", frame(PING, payload(125), mask=key), pongs=[payload(125)])
    for at in range(1, 6):
        wire = frame(PING, b"hello")
        yield Case(f"5.5.2 header of a ping cut after {at}", [wire[:at], wire[at:]], pongs=[b"hello"])
    for chop in (2, 3, 7, 64):
        yield Case(f"5.5.2 ping in writes of {chop}", frame(PING, payload(125)), pongs=[payload(125)], chop=chop)


def many_pings():
    """5.5.2, 5.5.3: each is answered, in their order; "only the most recently processed" when there are too many."""
    sizes = [payload(n) for n in range(126)]
    ten = [b"%d" % i for i in range(10)]
    wires = [frame(PING, body) for body in ten]
    yield Case("5.5.2 a ping of every size", [frame(PING, body) for body in sizes], pongs=sizes)
    yield Case("5.5.2 ten pings in one write", b"".join(wires), pongs=ten)
    yield Case("5.5.2 ten pings in ten writes", wires, pongs=ten)
    yield Case("5.5.2 ten pings byte by byte", b"".join(wires), pongs=ten, chop=1)
    yield Case("5.5.2 ten equal pings", frame(PING, b"same") * 10, pongs=[b"same"] * 10)
    yield Case("5.5.2 ten pings without payload", frame(PING) * 10, pongs=[b""] * 10)
    yield Case("5.5.2 ten pings of 125 bytes", frame(PING, payload(125)) * 10, pongs=[payload(125)] * 10, chop=997)
    messages = [(TEXT, b"message %d" % i) for i in range(10)]
    yield Case(
        "5.5.2 pings and messages by turns",
        b"".join(ping + frame(*message) for ping, message in zip(wires, messages)),
        messages,
        pongs=ten,
    )
    for n in (100, 1000, 10000):
        bodies = [b"%d" % i for i in range(n)]
        wire = b"".join(frame(PING, body) for body in bodies)
        yield Case(f"5.5.3 {n} pings in one write", wire, pongs=bodies, skips=True)
        yield Case(
            f"5.5.3 {n} pings between two fragments",
            fragments(BINARY, [b"one", b"two"], wire),
            [(BINARY, b"onetwo")],
            pongs=bodies,
            skips=True,
        )
    yield Case(
        "5.5.3 a ping before each of 1000 messages",
        b"".join(frame(PING, b"%d" % i) + frame(BINARY, payload(i)) for i in range(1000)),
        [(BINARY, payload(i)) for i in range(1000)],
        pongs=[b"%d" % i for i in range(1000)],
        skips=True,
    )


def pongs():
    """5.5.3: an unsolicited pong needs no response."""
    for n in (0, 1, 125):
        wire = frame(PONG, payload(n))
        yield Case(f"5.5.3 unsolicited pong of {n} bytes", wire)
        yield Case(f"5.5.3 unsolicited pong of {n} bytes byte by byte", wire, chop=1)
        yield Case(f"5.5.3 unsolicited pong of {n} bytes, then a ping", wire + frame(PING, b"x"), pongs=[b"x"])
        yield Case(f"5.5.3 unsolicited pong of {n} bytes before a message", wire + frame(*GOOD), [GOOD])
        yield Case(
            f"5.5.3 unsolicited pong of {n} bytes between fragments",
            fragments(TEXT, [b"one", b"two", b""], wire),
            [(TEXT, b"onetwo")],
        )
    yield Case("5.5.3 ten unsolicited pongs", frame(PONG, b"x") * 10 + frame(*GOOD), [GOOD])
    yield Case("5.5.3 10000 unsolicited pongs", frame(PONG, payload(125)) * 10000 + frame(*GOOD), [GOOD])
    yield Case(
        "5.5.3 pings and unsolicited pongs by turns",
        b"".join(frame(PONG, b"no") + frame(PING, b"%d" % i) for i in range(10)),
        pongs=[b"%d" % i for i in range(10)],
    )


def between_fragments():
    """5.4, 5.5: control frames MAY be in the middle of a message, and are handled at once."""
    parts = [b"one", b"", b"two", payload(200), b"three"]
    whole = b"".join(parts)
    for n in (1, 2, 7):
        bodies = [b"%d" % i for i in range(n)]
        yield Case(
            f"5.4 {n} pings after each fragment",
            fragments(BINARY, parts, b"".join(frame(PING, body) for body in bodies)),
            [(BINARY, whole)],
            pongs=bodies * (len(parts) - 1),
        )
    mixed = frame(PING, b"a") + frame(PONG, b"b") + frame(PING, b"") + frame(PONG)
    for chop in (None, 1, 5):
        yield Case(
            f"5.4 pings and pongs after each fragment{f' in writes of {chop}' if chop else ''}",
            fragments(BINARY, parts, mixed),
            [(BINARY, whole)],
            pongs=[b"a", b""] * (len(parts) - 1),
            chop=chop,
        )
    yield Case(
        "5.5.2 a ping within a message that never ends is answered",
        frame(TEXT, "half", fin=False) + frame(PING, b"now"),
        part=b"half",
        pongs=[b"now"],
        ends="drop",
    )
    yield Case(
        "5.4 a ping within a character of two fragments",
        fragments(TEXT, [b"\xe2\x82", b"\xac"], frame(PING, b"x")),
        [(TEXT, "€".encode())],
        pongs=[b"x"],
    )
    yield Case(
        "5.4 a ping before the first and after the last fragment",
        frame(PING, b"1") + fragments(TEXT, [b"one", b"two"]) + frame(PING, b"2"),
        [(TEXT, b"onetwo")],
        pongs=[b"1", b"2"],
    )


def broken():
    """5.5: "MUST have a payload length of 125 bytes or less and MUST NOT be fragmented"."""
    for kind, opcode in CONTROL.items():
        code = b"\x03\xe8" if opcode == CLOSE else b""
        for n in (126, 127, 1000, 65535, 65536):
            wire = frame(opcode, code + payload(n - len(code), True)) + AFTER
            yield Case(f"5.5 {kind} of {n} bytes", wire, code=1002)
            yield Case(f"5.5 {kind} of {n} bytes after a message", frame(*GOOD) + wire, [GOOD], code=1002)
        for n in (126, 65535, 65536, (1 << 63) - 1, 1 << 63):
            yield Case(f"5.5 {kind} of {n} bytes is seen by its header", frame(opcode, length=n)[:2], code=1002)
        yield Case(f"5.5 {kind} of 126 bytes byte by byte", frame(opcode, payload(126)), code=1002, chop=1)
        yield Case(
            f"5.5 {kind} of 126 bytes between fragments",
            frame(TEXT, "half", fin=False) + frame(opcode, payload(126)) + AFTER,
            part=b"half",
            code=1002,
        )
        for n in (0, 2, 125):
            wire = frame(opcode, (code + payload(n, True))[:n], fin=False)
            yield Case(f"5.5 {kind} of {n} bytes not final", wire + AFTER, code=1002)
            yield Case(f"5.5 {kind} of {n} bytes not final after a message", frame(*GOOD) + wire, [GOOD], code=1002)
            yield Case(
                f"5.5 {kind} of {n} bytes in two fragments",
                wire + frame(CONTINUATION, b"rest") + AFTER,
                code=1002,
            )
            yield Case(
                f"5.5 {kind} of {n} bytes in two fragments between those of a message",
                frame(TEXT, "half", fin=False) + wire + frame(CONTINUATION, b"rest") + AFTER,
                part=b"half",
                code=1002,
            )
        yield Case(f"5.5 {kind} not final is known by one byte", frame(opcode, fin=False)[:1], code=1002)
    for n in (1, 10):
        bodies = [b"%d" % i for i in range(n)]
        yield Case(
            f"5.5.2 {n} pings before a frame that is wrong are answered",
            b"".join(frame(PING, body) for body in bodies) + frame(3),
            pongs=bodies,
            code=1002,
        )
    yield Case(
        "5.5.1 a ping before the close frame is answered, one after it is not",
        frame(PING, b"before") + close_frame(1000) + frame(PING, b"after"),
        pongs=[b"before"],
        code=1000,
        ends="closed",
    )


for cases in (one_ping, many_pings, pongs, between_fragments, broken):
    CASES += cases()


@each(CASES)
def test_case(ground, case, backend):
    ground.play(case, backend)


def is_read(gw, raw):
    """Has the gateway read all that this connection has sent? Nothing of it waits in the kernel, at either end."""
    client, own = raw.sock.getsockname()[1], gw.port
    waits = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, here, there, _, queues, *_ = line.split()
        unsent, unread = (int(size, 16) for size in queues.split(":"))
        waits[int(here.rsplit(":", 1)[1], 16), int(there.rsplit(":", 1)[1], 16)] = unsent, unread
    return waits[client, own][0] == 0 and waits[own, client][1] == 0


@pytest.mark.parametrize("place", ["/program/0", "/service/0"])
def test_last_ping_is_answered_to_who_did_not_read(ground, place):
    """5.5.3: with many pings unanswered the gateway "MAY elect to send a Pong frame for only the most recently processed"."""
    n = 60000
    with ground.gateway.ws(place, over=ground.gateway.connect(rcvbuf=4096)) as raw:
        raw.send(b"".join(frame(PING, b"%0125d" % i, mask=bytes(4)) for i in range(n)))
        eventually(lambda: is_read(ground.gateway, raw), "the gateway does not read them")  # before the first pong is
        hearing = Hearing(raw)
        hearing.until(lambda: hearing.pongs[-1:] == [b"%0125d" % (n - 1)])
        numbers = [int(pong) for pong in hearing.pongs]
        assert numbers == sorted(set(numbers)) and numbers[:32] == list(range(32))
        assert len(numbers) < n, "all were answered, so nothing is shown"
        raw.send_close(1000)
        hearing.until(lambda: False)
        assert hearing.close.code == 1000
        hearing.ended()
