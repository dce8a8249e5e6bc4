"""Compressed messages on the wire (RFC 7692 section 7.2), made by zlib and by hand, what reads them back, and cases of
the conformance suite that are made of them."""
import random
import struct
import zlib
from functools import partial

from conformance import Case, payload
from wsraw import CONTINUATION, TEXT, frame

TAIL = b"\x00\x00\xff\xff"
HELLO = bytes.fromhex("f248cdc9c90700")  # 7.2.3.1
AGAIN = bytes.fromhex("f200110000")  # 7.2.3.2: the same, with what was before
EXTENSIONS = "Sec-WebSocket-Extensions"
GOOD = frame(TEXT, "good")
TEXTS = payload(5000, True) + b"the gateway keeps nothing of this message. " * 100

# Keys of routes.
ON = {"deflate": "yes"}
ALL = {**ON, "deflate_threshold": "0"}
CONTEXT = {**ALL, "deflate_context": "yes", "deflate_window": "15"}
NINE = {**CONTEXT, "deflate_window": "9", "deflate_level": "9"}
LIMIT = {**ON, "max_message": "1000"}


def offer(*params):
    """The header that offers it."""
    return ((EXTENSIONS, "; ".join(["permessage-deflate", *params])),)


def agreed(answer):
    """What was agreed: {parameter: value or None}; None when it is not spoken."""
    value = answer.header(EXTENSIONS)
    if value is None:
        return None
    name, *params = [part.strip() for part in value.split(";")]
    assert name == "permessage-deflate", value
    pairs = [(param.split("=") + [None])[:2] for param in params]
    assert len(dict(pairs)) == len(pairs), f"a parameter twice: {value}"
    return dict(pairs)


class Packer:
    """Compresses one message after the other."""

    def __init__(self, takeover=False, bits=15, level=6, strategy=zlib.Z_DEFAULT_STRATEGY, memory=8):
        self.takeover, self.how = takeover, (level, zlib.DEFLATED, -max(bits, 9), memory, strategy)
        self.zlib = None

    def __call__(self, data):
        self.zlib = self.zlib if self.zlib and self.takeover else zlib.compressobj(*self.how)
        whole = self.zlib.compress(data) + self.zlib.flush(zlib.Z_SYNC_FLUSH)
        # Nothing to flush: an empty block of its own (7.2.3.6).
        return whole[:-4] if whole else b"\x00"


def packed(data, **how):
    return Packer(**how)(data)


class Unpacker:
    """Reads what the gateway compressed. strict: zlib gives one byte at a time, so that it looks at distances: it does
    not look at those within what one call gives."""

    def __init__(self, takeover=False, bits=12, strict=False):
        self.takeover, self.bits, self.step = takeover, bits, 1 if strict else 1 << 20
        self.zlib = None

    def __call__(self, payload):
        assert payload and payload[-1] < 0x80, f"it does not end with a part of a block's header: {payload[-8:]!r}"
        self.zlib = self.zlib if self.zlib and self.takeover else zlib.decompressobj(-self.bits)
        parts, rest, more = [], payload + TAIL, True
        while rest or more:
            parts.append(self.zlib.decompress(rest, self.step))
            rest, more = self.zlib.unconsumed_tail, bool(parts[-1])
        assert not self.zlib.eof and not self.zlib.unused_data
        return b"".join(parts)


class Cases(list):
    """The cases of a file, over connections that compress."""

    def case(self, name, sends, messages=(), route=ALL, takeover=False, bits=15, headers=None, **options):
        """Adds one; what comes back may be compressed too. takeover, bits: the gateway's."""
        headers = offer("client_max_window_bits") if headers is None else headers
        inflate = partial(Unpacker, takeover, bits)
        self.append(Case("7692 " + name, sends, messages, route=route, headers=headers, inflate=inflate, **options))

    def context(self, name, sends, messages, **options):
        """Adds one where both sides refer to messages before."""
        self.case(name, sends, messages, route=CONTEXT, takeover=True, **options)

    def bad(self, name, message, part, code=1007, **options):
        """Adds one where after a good message one fails the connection; nothing of what is behind it counts."""
        sends = GOOD + message + zframe(TEXT, HELLO)
        self.case(name, sends, [(TEXT, b"good")], part=part, code=code, **options)


def block(data, final=False, flush=zlib.Z_SYNC_FLUSH):
    """A part of a message: the data and what ends it, its tail included, or with BFINAL."""
    it = zlib.compressobj(6, zlib.DEFLATED, -15)
    return it.compress(data) + it.flush(zlib.Z_FINISH if final else flush)


def stored(data, final=False):
    """A block without compression, at the beginning of a byte (RFC 1951 3.2.4)."""
    return struct.pack("<BHH", final, len(data), len(data) ^ 0xFFFF) + data


def referring(before, distance, n=32):
    """A message of n bytes from so far back, after all that was `before`."""
    it = zlib.compressobj(9, zlib.DEFLATED, -15, 8, zlib.Z_DEFAULT_STRATEGY, before)
    whole = it.compress(before[-distance:][:n]) + it.flush(zlib.Z_SYNC_FLUSH)
    assert len(whole) < n // 2 + 4, "it does not refer to it"
    return whole[:-4]


def inflated(payload):
    """As much as there is of the text of a message that is not whole."""
    return zlib.decompressobj(-15).decompress(payload)


def noise(n, seed=1):
    """What can't be compressed."""
    return random.Random(seed).randbytes(n)


def zframe(opcode, payload, **options):
    """A compressed message, or its first frame."""
    return frame(opcode, payload, rsv=4, **options)


def zfragments(opcode, parts, between=b""):
    """A compressed message in these parts, with the same bytes after each but the last: only the first has RSV1 (6.1)."""
    return between.join(
        frame(CONTINUATION if i else opcode, part, fin=i == len(parts) - 1, rsv=0 if i else 4)
        for i, part in enumerate(parts)
    )


def cut(data, step):
    """In parts of that size."""
    return [data[at : at + step] for at in range(0, len(data), step)]
