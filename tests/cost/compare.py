"""Two reports of the same works: what became dearer or cheaper, in sentences. Nothing is measured here."""
from collections import Counter

from callgrind import nameless

LIMIT = 0.05
WORST = 5  # functions that are named
KEPT = 0.003  # functions with a smaller part of a work's instructions are not in the file
DEPENDS = ("machine", "compiler", "libc", "libevent")  # of libc only how often it is called
CALLED = {"libssl": "openssl", "libz": "zlib"}  # matter to the works that use them: how often is theirs to say
NAMELESS = "functions without a name (measure.py --help)"
CHEAPER = "cheaper"
ACCEPT = "what is worth that: `make cost-baseline`, and the reason in the same commit"
KEEP = "keep what is cheaper, by `make cost-baseline`: else as much may be lost again unseen"


def differs(base, now, name):
    """What a work's counts depend on and the reports do not share, in words."""
    used = base["works"].get(name, {}).get("other libraries", {})
    depends = [*DEPENDS, *(library for file, library in CALLED.items() if file in used)]
    before, after = base["made with"], now["made with"]
    pairs = {what: (before.get(what), after.get(what)) for what in depends}
    return [f"{what} {old}, here {new}" for what, (old, new) in pairs.items() if old != new]


def named(functions, least):
    """Those that the file would have. An address is another one in another build of the library: these are one."""
    kept = Counter()
    for name, n in functions.items():
        if n >= least:
            kept[NAMELESS if nameless(name) else name] += n
    return kept


def grown(base, now):
    """The functions of a work that grew most, as lines. One that the file left out may have had all that it leaves out."""
    least = KEPT * (base["instructions"] + base["vector instructions"])
    old, new = named(base["functions"], least), named(now["functions"], least)
    more = {name: n - old.get(name, least) for name, n in new.items()}
    worst = sorted(more.items(), key=lambda item: (-item[1], item[0]))[:WORST]
    before = {name: f"{old[name]:.1f}" if name in old else f"under {least:.1f}" for name in new}
    return [f"    {name} {before[name]} -> {new[name]:.1f}" for name, n in worst if n > least]


def instructions(base, now, vector):
    """What is to be said of a work's instructions. vector: those of SIMD too, the processors being alike in this."""
    said = []
    for what in ("instructions", "vector instructions") if vector else ("instructions",):
        before, after = base[what], now[what]
        change = f"{what} per {now['unit']} {before:.1f} -> {after:.1f}, {(after / before - 1) * 100 if before else 100:+.1f} %"
        if after > before * (1 + LIMIT) + 0.5:
            said.append("\n".join([f"{change}; most by", *grown(base, now)]))
        elif after < before * (1 - LIMIT) - 0.5:
            said.append(f"{change}; {CHEAPER}")
    return said


def called(what, base, now, step):
    """What is to be said of calls in a step: one more or less is too many, of dozens 5 %."""
    said = []
    for name in sorted({*base, *now}):
        before, after = base.get(name, 0), now.get(name, 0)
        if abs(after - before) > max(0.5, before * LIMIT):
            change = "new" if not before else "more" if after > before else CHEAPER
            said.append(f"{what} per {step}: {name} {before} -> {after:.3g}, {change}")
    return said


def work(name, base, now):
    """All that is to be said of one work of two reports."""
    vector = base["made with"]["avx2"] == now["made with"]["avx2"]
    if name not in base["works"]:
        return ["there is no baseline: make cost-baseline"]
    old, new = base["works"][name], now["works"][name]
    said = instructions(old, new, vector)
    said += called("system calls", old["system calls"], new["system calls"], new["step"])
    # Fewer of these is seen in the instructions, if it is a gain.
    libraries = called("library calls", old["library calls"], new["library calls"], new["step"])
    said += [line for line in libraries if not line.endswith(CHEAPER)]
    cheaper = [line.endswith(CHEAPER) for line in said]
    return said + [ACCEPT] * (not all(cheaper)) + [KEEP] * any(cheaper)
