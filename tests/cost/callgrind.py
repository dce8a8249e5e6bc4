"""What callgrind counts: the instructions of each function, between two moments at which the gateway rests.

Held by the test are those of our own objects, which are the same on every processor but for the files of VECTOR, and
how often these call other libraries. What the libraries do depends on their version, and on the processor: libc alone
has a dozen ways to copy.
"""
import re
import subprocess
from collections import Counter
from pathlib import Path

from running import running

OWN = ("wsluice", "libevent_core")
PRELOADED = ("still", "pidfd")  # ours, and not the gateway's
VECTOR = ("frame_mask.c", "utf8_simd.c")  # these ask at run time which instructions there are
CLOCK = ("__gettimeofday_syscall",)  # a call that libevent makes every few seconds
# The spawner looks for what programs have left when it is time to, so these files' parts in a start are left out.
LOOKS = ("clock.c", "idmap.c", "poller.c", "service.c", "strays.c", "sweep.c")
WARM_UP = 10  # steps
TOOL = [
    "valgrind", "-q", "--tool=callgrind", "--separate-threads=yes", "--dump-line=no", "--compress-strings=no",
    "--compress-pos=no", "--callgrind-out-file={dir}/counts.%p", "--trace-children=yes", "--trace-children-skip=*",
]  # fmt: skip


def library(path):
    """The name of an object without its place and version: libc for /lib/x86_64-linux-gnu/libc.so.6."""
    return re.sub(r"(-[\d.]+)?\.so[\d.]*$", "", Path(path).name)


def called(function):
    """The name by which a library's function is called: memcpy for __memmove_avx_unaligned_erms."""
    name = re.sub(r"@.*|_(avx|sse|ssse|evex|erms|unaligned).*", "", function)
    return re.sub("^_*(mem|str|wcs)", r"\1", name).replace("memmove", "memcpy")


def nameless(function):
    """Is that an address? Static functions have no names in Debian's libraries; libc6-dbg has those of libc."""
    return function.startswith("0x")


class Profile:
    """costs: the instructions of each function itself, {(object, file, function): n}. calls: those that OWN made of
    other libraries, {function: n}."""

    def __init__(self, costs=(), calls=()):
        self.costs, self.calls = Counter(costs), Counter(calls)

    def add(self, other, sign=1):
        """Adds another one, or takes it off."""
        for mine, theirs in (self.costs, other.costs), (self.calls, other.calls):
            for key, n in theirs.items():
                mine[key] += sign * n

    def total(self):
        """All instructions."""
        return sum(self.costs.values())


def parse(text, without=()):
    """The Profile of one of callgrind's files, as TOOL has them written, but for some files of the source."""
    profile = Profile()
    place, callee = {"ob": "", "fl": "", "fn": ""}, {}
    count = None  # of the calls whose cost the next line has; 0 when they began before
    for line in text.splitlines():
        counts = Path(place["fl"]).name not in without
        key, equals, value = line.partition("=")
        if equals and key in place:
            place[key] = value
        elif equals and key in ("cob", "cfn"):
            callee[key] = value
        elif equals and key == "calls":
            count = int(value.split()[0])
        elif line[:1].isdigit() and count is not None:
            of = library(place["ob"]), library(callee.get("cob", place["ob"]))
            if counts and of[0] in OWN and of[1] not in OWN:
                profile.calls[called(callee["cfn"])] += count
            count, callee = None, {}
        elif counts and line[:1].isdigit():
            profile.costs[library(place["ob"]), Path(place["fl"]).name, place["fn"]] += int(line.split()[1])
    return profile


class Counting:
    """A gateway whose instructions are counted."""

    def __init__(self, gateway):
        self.gateway = gateway

    def dumped(self, pid):
        """What a process has done since the last time: the number of each thread, from 1, and its counts' text."""
        subprocess.run(["vgdb", f"--pid={pid}", "--max-invoke-ms=1", "dump"], check=True, capture_output=True)
        for path in self.gateway.directory.glob(f"counts.{pid}.*-*"):
            yield int(path.name.rpartition("-")[2]), path.read_text(errors="replace")
            path.unlink()

    def taken(self, starts=False):
        """The Profile since the last time, of the threads that serve. starts: of the spawner too."""
        self.gateway.rest()
        serving, threads = self.gateway.workers(), self.gateway.threads()
        profile = Profile()
        for thread, counts in self.dumped(self.gateway.pid):
            if threads[thread - 1] in serving:
                profile.add(parse(counts))
        for _, counts in self.dumped(self.gateway.spawner) if starts else ():
            profile.add(parse(counts, LOOKS))
        return profile

    def batch(self, work):
        """What a work's steps take."""
        for _ in range(work.steps):
            work.step(self.gateway)
        return self.taken(work.starts)


def measure(binary, works, batches=2):
    """The Profile of a batch of each work, {name: Profile}: the least of some, since what there is of memory may not do for
    one, without what it takes to ask for it."""
    results = {}
    with running(binary, TOOL, False) as gateway:
        counting = Counting(gateway)
        empty = min((counting.taken() for _ in range(6)), key=Profile.total)
        for work in works:
            work.open(gateway)
            for _ in range(WARM_UP):
                work.step(gateway)
            counting.taken(work.starts)
            results[work.name] = min((counting.batch(work) for _ in range(batches)), key=Profile.total)
            results[work.name].add(empty, -1)
            work.close()
    return results


def summary(work, profile):
    """What a report says of a work's instructions: all numbers per unit of it, but those of calls, per step."""
    units = work.units * work.steps
    functions, vector, others = Counter(), Counter(), Counter()
    for (name, file, function), n in profile.costs.items():
        if name in PRELOADED:
            continue
        if name not in OWN:
            others[name] += n / units
        else:
            (vector if file in VECTOR else functions)[function] += n / units
    return {
        "unit": work.unit,
        "step": work.piece,
        "instructions": sum(functions.values()),
        "vector instructions": sum(vector.values()),
        "functions": {**functions, **vector},
        "other libraries": dict(others),
        "library calls": {
            call: n / work.steps for call, n in profile.calls.items() if call not in CLOCK and not nameless(call)
        },
    }
