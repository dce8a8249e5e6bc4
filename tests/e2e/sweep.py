"""Many short sessions side by side, for what is to be tried with every value that there is."""
import wsraw
from wsraw import CLOSE

AT_ONCE = 50


def sweep(gateway, path, wires):
    """Sends each of these behind an opening handshake of its own, and reads to the end: a close frame must come, then
    TCP's end without a reset. Yields for each what it heard: (payload of all messages, the close frame)."""
    wires = list(wires)
    head = wsraw.upgrade(path, gateway.host)
    for at in range(0, len(wires), AT_ONCE):
        raws = [gateway.connect() for _ in wires[at : at + AT_ONCE]]
        for raw, wire in zip(raws, wires[at:]):
            raw.send(head + wire)
        for raw in raws:
            yield hear(raw)


def hear(raw):
    """What one of them hears."""
    with raw:
        assert raw.response().status == 101
        parts = []
        while (got := raw.recv()).opcode != CLOSE:
            parts.append(got.payload)
        raw.ended()
        assert not raw.cut, "a reset instead of an end"
        return b"".join(parts), got
