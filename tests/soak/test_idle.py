"""Nine thousand sessions that say nothing, and what is left of them."""
from bench import load, n_descriptors, tcpd
from soak import SANITIZED, SCALE, anonymous_kib, scaled
from wait import eventually

FILES = 20000
SLACK_KIB = 4096  # what stays: libevent's tables of the descriptors that were ever used, 20 KiB for each hundred
CREEP_KIB = 1024  # ... and from the first to the third time


def test_idle_sessions(gateway, say):
    """Opened, held past a ping, closed, three times: memory and descriptors return to where they were."""
    n = scaled(9000, 100)
    hold = 35 if SCALE >= 1 else 1
    with tcpd() as uri:
        gw = gateway({"route /tcp": {"connect": uri}, "route /true": {"exec": "true"}}, files=FILES)
        load(gw, "/tcp", "--mode=connect", "--sessions=8")  # what is only allocated once
        memory = [eventually(lambda: anonymous_kib(gw), "no memory")]
        descriptors = [n_descriptors(gw)]
        for turn in range(3):
            report = load(gw, "/tcp", "--mode=idle", f"--sessions={n}", f"--seconds={hold}")
            eventually(lambda: gw.counters()["sessions"] == 0, "sessions are left")
            eventually(
                lambda: n_descriptors(gw) == descriptors[0],
                lambda: f"{n_descriptors(gw)} descriptors from {descriptors[0]}",
            )
            memory.append(anonymous_kib(gw))
            before, during, after = report["pss_kib"]
            say(
                f"{n} idle sessions, turn {turn + 1}: opened in {report['opening_seconds']:.1f} s; Pss {before} KiB before, "
                f"{during} with them, {after} after; its own memory {memory[0]} KiB at first, {memory[-1]} now; "
                f"descriptors {descriptors[0]}, then {report['fds'][1]}"
            )
        if not SANITIZED:
            assert (
                max(memory) - memory[0] <= SLACK_KIB and memory[3] - memory[1] <= CREEP_KIB
            ), f"memory in KiB: {memory}"
