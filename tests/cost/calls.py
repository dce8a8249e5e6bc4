"""What strace counts: the system calls of the gateway's threads, between two moments at which it rests."""
from collections import Counter

from callgrind import WARM_UP
from running import running

MEETING = "futex"  # how many depends on whether threads meet: the worker wakes the log's, which may be awake
FORKED = "getpid"  # libcrypto asks before each random number, in some of its versions
MEMORY = ("brk", "mmap", "mprotect", "munmap")  # malloc asks now and then, and when depends on all that came before
LOOKS = ("epoll_wait", "getdents64", "getpgid", "getsid", "lseek", "read")  # of the spawner's: see callgrind.LOOKS
TOOL = ["strace", "-f", "-ff", "-q", "-s", "0", "-o", "{dir}/calls"]


def parse(text):
    """The calls in one of strace's files that have returned, {name: n}."""
    lines = text.split("\n")[:-1]
    return Counter(line.partition("(")[0] for line in lines if line[:1].isalpha() or line[:1] == "_")


def parse_spawner(text):
    """The same of the spawner's, but for what belongs to its looks."""
    kept = [line for line in text.split("\n") if "EPOLL_CTL_MOD" not in line]
    calls = parse("\n".join(kept))
    return Counter({call: n for call, n in calls.items() if call not in LOOKS})


def parse_birth(text):
    """Those of a program before it is one, with the last."""
    before, execve, rest = text.partition("execve(")
    return parse(before + execve + rest[: rest.find("\n") + 1])


def is_held(call, n):
    """Is a call, of which there are n a step, the same whenever the work is done?"""
    return call not in (MEETING, FORKED) and (call not in MEMORY or n > 0.5)


class Counting:
    """A gateway whose calls are counted."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.at = {}
        self.born = self.programs()

    def programs(self):
        """The files of those that the spawner has started."""
        ours = {f"calls.{pid}" for pid in [*self.gateway.threads(), self.gateway.spawner]}
        return {path for path in self.gateway.directory.glob("calls.*") if path.name not in ours}

    def new(self, thread):
        """What a thread's file has got since the last time."""
        path = self.gateway.directory / f"calls.{thread}"
        with path.open("rb") as file:
            file.seek(self.at.get(thread, 0))
            data = file.read()
        complete = data.rfind(b"\n") + 1
        self.at[thread] = self.at.get(thread, 0) + complete
        return data[:complete].decode(errors="replace")

    def taken(self):
        """The calls since the last time, of the threads that serve; those of the spawner and of births apart."""
        self.gateway.rest()
        calls, starts = Counter(), Counter()
        for thread in self.gateway.workers():
            calls += parse(self.new(thread))
        starts += parse_spawner(self.new(self.gateway.spawner))
        before, self.born = self.born, self.programs()
        for path in self.born - before:
            starts += parse_birth(path.read_text(errors="replace"))
        return calls, starts


def measure(binary, works):
    """The system calls per step of each work, {name: {call: n}}."""
    results = {}
    with running(binary, TOOL, True) as gateway:
        counting = Counting(gateway)
        for work in works:
            work.open(gateway)
            for _ in range(WARM_UP):
                work.step(gateway)
            counting.taken()
            for _ in range(work.steps):
                work.step(gateway)
            called, starts = counting.taken()
            called += starts if work.starts else Counter()
            results[work.name] = {
                call: n / work.steps for call, n in called.items() if is_held(call, n / work.steps)
            }
            work.close()
    return results
