"""Programs that only begin and end: nothing is left of a hundred thousand, and nobody waits because of them."""
import statistics
import time

from bench import begin_load, end_load, load, n_descriptors, tcpd
from gateway import process_state
from soak import SANITIZED, SCALE, anonymous_kib, scaled
from wait import eventually

AT_ONCE = 16
CREEP_KIB = 1024  # from a tenth of the starts to all of them, the gateway and its spawner together
STARTS = 500  # a second
SECONDS = 10 if SCALE >= 1 else 2
TURNS = 5 if SCALE >= 1 else 3
SLOWER = 3  # times as slow as with the same starts elsewhere; a machine that does something else is not asked


def kept_kib(gw):
    """Memory of its own, of the gateway and of its spawner."""
    return anonymous_kib(gw) + anonymous_kib(gw, gw.spawner)


def watch(gw, process):
    """Looks on while the load generator runs: how many programs were seen to have begun while one stayed dead and was not
    reaped. However late anybody is, who begins them reaps, too."""
    known, before, begun, most = set(), {}, 0, 0
    while process.poll() is None:
        programs = set(gw.programs())
        begun += len(programs - known)
        known = programs
        before = {pid: before.get(pid, begun) for pid in programs if process_state(pid) == "Z"}
        most = max([most, *(begun - then for then in before.values())])
        time.sleep(0.01)
    return most


def test_starts_leave_nothing(gateway, say):
    """No zombie, no descriptor, no memory: `true`, so many at once, one after the other."""
    gw = gateway({"route /true": {"exec": "true"}})
    n = scaled(100_000, 1000)
    warm = max(n // 10, 500)
    load(gw, "/true", "--mode=run", f"--sessions={AT_ONCE}", f"--count={warm}")
    before, descriptors = kept_kib(gw), n_descriptors(gw)
    process = begin_load(gw, "/true", "--mode=run", f"--sessions={AT_ONCE}", f"--count={n - warm}")
    later = watch(gw, process)
    report = end_load(process)
    assert later < 10 * AT_ONCE, "a zombie"
    eventually(lambda: not gw.programs(), "programs are left")
    eventually(lambda: n_descriptors(gw) == descriptors, lambda: f"{n_descriptors(gw)} descriptors from {descriptors}")
    after = kept_kib(gw)
    say(
        f"{n} starts of true, {AT_ONCE} at once: {report['messages'] / report['seconds']:.0f} a second, each ended with 1000; "
        f"no program, no zombie, {descriptors} descriptors as after {warm}; {before} KiB then, {after} KiB now"
    )
    assert SANITIZED or after - before <= CREEP_KIB, f"{before} KiB, then {after}"
    eventually(lambda: len(gw.logged("session ended")) == n, "not every session is in the log")
    assert len(gw.logged("session ended", code_sent=1000, code_received=1000, end="exit 0")) == n


def test_starts_delay_nobody(gateway, say):
    """Echo through a worker that starts 500 programs a second, beside one that does not, while another gateway does: what
    that costs of the machine is the same."""
    with tcpd() as uri:
        routes = {"route /echo": {"connect": uri}, "route /true": {"exec": "true"}}
        one, other = (gateway(routes, gateway={"workers": 1}) for _ in range(2))
        times = {"without": [], "elsewhere": [], "on its worker": []}
        for _ in range(TURNS):
            for how, gw in (("without", None), ("elsewhere", other), ("on its worker", one)):
                starts = gw and begin_load(
                    gw, "/true", "--mode=run", "--sessions=200", f"--rate={STARTS}", f"--count={STARTS * (SECONDS + 1)}"
                )
                echo = load(one, "/echo", "--sessions=8", "--rate=1000", f"--seconds={SECONDS}", "--warmup=0.5")
                times[how].append(echo["p99_us"])
                if starts:
                    assert end_load(starts)["messages"] > 0
        p99 = {how: statistics.median(all_of_it) for how, all_of_it in times.items()}
        say(
            f"p99 of an echo, median of {TURNS} times {SECONDS} s: {p99['without']:.0f} us; {p99['elsewhere']:.0f} us while another "
            f"gateway starts {STARTS} programs a second, {p99['on its worker']:.0f} us while its own worker does: "
            f"{p99['on its worker'] / p99['without']:.2f} and {p99['on its worker'] / p99['elsewhere']:.2f} times as long"
        )
        assert SANITIZED or SCALE < 1 or p99["on its worker"] <= SLOWER * p99["elsewhere"], times
