"""Nothing of a program is left: what leaves its group, its parents or its session, and whoever of us is killed."""
import contextlib
import ctypes
import os
import signal
import subprocess
import time

import pytest
from gateway import NO_LEAKS, RELEASE, alive, children_of, process_state
from wait import eventually

LEAVES = {
    # command: how many processes it is
    "sleep 1000": 1,
    'sh -c "trap \'\' TERM HUP INT; sleep 1000; :"': 2,
    'sh -c "sleep 1000 & (sleep 1000 &) ; exec sleep 1000"': 3,  # in its group, one with a dead parent
    "sh -c \"trap '' TERM; setsid sleep 1000 & (setsid sh -c 'sleep 1000 & exec sleep 1000' &) ; exec sleep 1000\"": 4,
}
PROGRAMS = {"defaults": {"ping_interval": "1h"}}  # it may take a while until all are there
PROGRAMS |= {f"route /{i}": {"exec": command, "stop_grace": "100ms"} for i, command in enumerate(LEAVES)}

PTRACE_SEIZE = 0x4206
NO_LIST = "what leaves the process group of its program will not be found: the system has no list of our children"
LEFT = "processes that programs have started live on: they are other users' or don't die"


def children(pid):
    """The children of a process with one thread, none if it is gone."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]
    return []


def descendants(pid):
    """All processes below one, whoever they are."""
    found = children(pid)
    for child in found:
        found += children(child)  # also of those that this adds
    return found


def grown(gw, n):
    """The pids of n programs and all that they have started, once all of it is there; the sockets of their clients."""
    clients = [gw.ws(f"/{i % len(LEAVES)}") for i in range(n)]
    kinds = [list(LEAVES.values())[i % len(LEAVES)] for i in range(n)]
    expected = sorted(["sh\n"] * kinds.count(2) + ["sleep\n"] * (sum(kinds) - kinds.count(2)))

    def ready():
        pids = descendants(gw.spawner)
        return sorted(map(command, pids)) == expected and pids

    return eventually(ready, lambda: f"{len(descendants(gw.spawner))} processes, not {len(expected)}"), clients


def command(pid):
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read()
    except OSError:
        return ""


def gone(pids):
    """None is alive, at once where the machine has nothing else to do; who is forgotten lives for 1000 s."""
    eventually(lambda: not any(map(alive, pids)), lambda: f"alive: {[pid for pid in pids if alive(pid)]}")


@pytest.mark.parametrize("whom", ["gateway", "spawner"])
def test_killed(gateway, whom):
    """SIGKILL with 200 programs: of their 500 processes none stays alive."""
    gw = gateway(PROGRAMS, checked=False)
    spawner = gw.spawner
    pids, clients = grown(gw, 200)
    assert len(pids) == 500
    os.kill(gw.pid if whom == "gateway" else spawner, signal.SIGKILL)
    gone([*pids, spawner])
    assert gw.exited() == (1 if whom == "spawner" else -signal.SIGKILL)
    if whom == "spawner":
        errors = [line["msg"] for line in gw.logged(since_mark=False, level="error")]
        assert errors == ["the process that starts programs (the spawner) died, so the gateway stops"]
        assert not gw.logged(since_mark=False, level="warning", msg=LEFT)
    gw.process = None
    for ws in clients:
        ws.drop()


def test_killed_beside_a_spawner_that_is_stopped(gateway):
    """Who would have to kill them goes on when the gateway dies."""
    gw = gateway(PROGRAMS, checked=False)
    spawner = gw.spawner
    pids, clients = grown(gw, 8)
    os.kill(spawner, signal.SIGSTOP)
    eventually(lambda: process_state(spawner) == "T", "it goes on")
    os.kill(gw.pid, signal.SIGKILL)
    gone([*pids, spawner])
    assert gw.exited() == -signal.SIGKILL
    gw.process = None
    for ws in clients:
        ws.drop()


def test_stopped(gateway):
    """What has left the group of its program may outlive the session, but not the gateway."""
    gw = gateway(PROGRAMS, checked=False)
    pids, clients = grown(gw, 8)
    for ws in clients:
        ws.drop()
    eventually(lambda: gw.counters()["sessions"] == 0, "sessions go on")
    # of each of the two programs that did it: one in a session of its own, and two of an orphan's
    eventually(lambda: sorted(map(command, filter(alive, pids))) == ["sleep\n"] * 6, "who is there is not who has left")
    eventually(lambda: len(children(gw.spawner)) == 2 * 2, "zombies")
    gw.stop()
    gone(pids)


def test_second_signal_with_one_that_does_not_die(gateway):
    """What can't be reaped does not hold the gateway: shortly after a second SIGTERM it is gone, and says who is left."""
    gw = gateway({"route /": {"exec": 'sh -c "setsid sleep 1000 & exec cat"'}}, checked=False)
    with gw.ws("/") as ws:
        (stray,) = eventually(lambda: [pid for pid in descendants(gw.spawner) if command(pid) == "sleep\n"], "no sleep")
        ws.close()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(PTRACE_SEIZE, ctypes.c_long(stray), None, None) != 0:
        pytest.skip("not allowed to trace")  # who is traced is a zombie until its tracer has heard of it
    try:
        begin = time.monotonic()
        gw.signal(signal.SIGTERM)
        eventually(lambda: process_state(stray) == "Z", "the stray lives")
        gw.signal(signal.SIGTERM)
        assert gw.exited() == 0
        assert time.monotonic() - begin < 9.5, "after the first one it takes 10 s"
    finally:
        gw.kill()
        os.kill(stray, signal.SIGKILL)
        os.waitpid(stray, 0)
    assert [line["processes"] for line in gw.logged(LEFT, since_mark=False, level="warning")] == [1]
    gw.process = None


def test_orphans_are_reaped(gateway):
    """Who has lost its parents leaves no zombie behind, neither while its program lives nor later."""
    orphan = "(setsid sh -c 'read x </proc/self/stat; echo $x >&2' & (exit 3) &)"
    gw = gateway({"route /": {"exec": f'sh -c "{orphan}; exec cat"'}}, checked=False)
    with gw.ws("/") as ws:
        gw.wait_log("stderr", route="/")
        ws.send_text("on")
        assert ws.recv_text() == "on"
        eventually(lambda: len(gw.programs()) == 1, lambda: [process_state(pid) for pid in gw.programs()])
        ws.close()
    eventually(lambda: not gw.programs(), "zombies")
    gw.stop()


def test_no_list_of_children(gateway):
    """Where the kernel has none, the spawner adopts no orphans, since it could not find and reap them; init does."""
    if not os.access("/proc/thread-self/children", os.R_OK) or subprocess.call(["unshare", "-m", "true"]) != 0:
        pytest.skip("no mount namespaces here")
    gw = gateway({"route /": {"exec": "sh -c '(setsid sh -c : &) ; (sleep 0 &) ; exec cat'"}}, start=False, checked=False)
    gw.argv = ["-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh", RELEASE, *gw.argv]  # sanitizers need /proc
    gw.program = "unshare"
    gw.start()
    assert len(gw.logged(NO_LIST, since_mark=False, level="warning")) == 1
    with gw.ws("/") as ws:
        ws.send_text("on")
        assert ws.recv_text() == "on"
        eventually(lambda: len(children(gw.spawner)) == 1, lambda: [process_state(pid) for pid in children(gw.spawner)])
        ws.close()
    eventually(lambda: not children(gw.spawner), "zombies")
    gw.stop()


def test_parents_children_are_not_ours(gateway, tmp_path):
    """Who becomes the gateway by exec may have children: they are neither reaped nor killed by it."""
    gw = gateway(PROGRAMS, start=False, checked=False)
    gw.argv = ["-c", 'sleep 1000 & echo $! >"$0"; exec "$@"', tmp_path / "pid", gw.program, *gw.argv]
    gw.program = "/bin/sh"
    gw.start()
    other = int((tmp_path / "pid").read_text())
    try:
        (spawner,) = set(children_of(gw.pid)) - {other}
        with gw.ws("/0"):
            os.kill(spawner, signal.SIGKILL)
            assert gw.exited() == 1
        assert alive(other)
    finally:
        os.kill(other, signal.SIGKILL)
    gw.process = None


@pytest.mark.parametrize(
    "limit, error", [("nproc", "fork: Resource temporarily unavailable"), ("nofile", "pipe: Too many open files")]
)
def test_no_room_for_another(gateway, limit, error):
    """The one start fails with 503; those who are there notice nothing, and the next one works when there is room."""
    gw = gateway({"route /": {"exec": "cat"}}, gateway={"user": "4242", "group": "4242"}, environment=NO_LEAKS)
    that_user = ["setpriv", "--reuid=4242", "--regid=4242", "--clear-groups", "prlimit", f"--pid={gw.spawner}"]
    before = subprocess.check_output([*that_user, f"--{limit}", "--output=SOFT", "--noheadings"], text=True).strip()
    with gw.ws("/") as ws:
        for room in (False, True):
            subprocess.check_call([*that_user, f"--{limit}={before if room else 4}:"])
            for _ in range(3):
                if room:
                    with gw.ws("/") as other:
                        other.send_text("again")
                        assert other.recv_text() == "again"
                        other.close()
                    continue
                gw.mark()
                answer = gw.refused("/")
                assert (answer.status, answer.header("Retry-After") is not None) == (503, True)
                assert error in gw.wait_log("request")["reason"]
            ws.send_text("on")
            assert ws.recv_text() == "on"
        ws.close()
