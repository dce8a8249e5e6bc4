"""Framing: what one frame may look like (RFC 6455 5.2, 5.3, 5.6)."""
from conformance import Case, each, payload
from wsraw import BINARY, TEXT, frame

SIZES = [0, 1, 125, 126, 127, 128, 65535, 65536, 65537, 1 << 20]
KINDS = {"text": TEXT, "binary": BINARY}
CASES = []


def whole(name, opcode, n, **options):
    """One message in one frame."""
    data = payload(n, opcode == TEXT)
    CASES.append(Case(name, lambda: frame(opcode, data), lambda: [(opcode, data)], **options))


for kind, opcode in KINDS.items():
    for n in SIZES:
        whole(f"5.6 {kind} of {n} bytes", opcode, n)
    whole(f"5.6 {kind} of 16 MiB", opcode, 16 << 20)
CASES.append(
    Case(
        "5.1 not masked",
        frame(TEXT, "whole") + frame(TEXT, "x", mask=False) + frame(TEXT, "after"),
        [(TEXT, b"whole")],
        code=1002,
    )
)
CASES.append(
    Case(
        "5.1 not masked in fragments",
        frame(TEXT, "whole") + frame(TEXT, "half", fin=False) + frame(0, "x", mask=False) + frame(TEXT, "after"),
        [(TEXT, b"whole")],
        part=b"half",
        code=1002,
    )
)


@each(CASES)
def test_case(ground, case, backend):
    ground.play(case, backend)
