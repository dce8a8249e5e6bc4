"""Many short sessions side by side, for what is to be tried with every value that there is."""
import itertools

import wsraw
from wsraw import CLOSE

AT_ONCE = 50


def sweep(gateway, path, wires, come=()):
    """Sends each of these behind an opening handshake of its own, and reads to the end: a close frame must come, then
    TCP's end without a reset. come: after how many bytes the client closes, None (and behind the last) where the gateway
    does. Yields for each what it heard: (payload of all messages, the close frame)."""
    wires = list(itertools.zip_longest(wires, come))
    head = wsraw.upgrade(path, gateway.host)
    for at in range(0, len(wires), AT_ONCE):
        some = wires[at : at + AT_ONCE]
        raws = [gateway.connect() for _ in some]
        for raw, (wire, _) in zip(raws, some):
            raw.send(head + wire)
        for raw, (_, n) in zip(raws, some):
            yield hear(raw, n)


def hear(raw, n):
    """What one of them hears."""
    with raw:
        assert raw.response().status == 101
        parts = []
        while (got := None if n == sum(map(len, parts)) else raw.recv()) and got.opcode != CLOSE:
            parts.append(got.payload)
        if got is None:
            raw.send_close(1000)
            got = raw.recv()
            assert got.opcode == CLOSE, got
        raw.ended()
        assert not raw.cut, "a reset instead of an end"
        return b"".join(parts), got
