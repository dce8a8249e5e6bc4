"""The gateway, or its spawner, is killed without a word: the programs go with it, and whatever they have started."""
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import wsraw
from scripts import script
from soak import scaled
from wait import eventually

PROGRAMS = 200
PATIENCE = 60  # seconds until who is alive counts as forgotten; none of them ends by itself so soon
GIVES_UP = 5  # after as many the spawner takes no more care (SERVICE_END_MS): what ends only then was not ended in time
PF_EXITING = 0x4  # linux/sched.h
DEAF = "trap '' TERM INT HUP QUIT PIPE\n"
FOREVER = "while :; do sleep 1000; done\n"
PROGRAM_TEXTS = {
    "polite": FOREVER,
    "deaf": DEAF + FOREVER,
    "family": "sleep 1000 &\nsh -c 'sleep 1000 & sleep 1000 & wait' &\nsleep 1000\n",
    "deaf-family": DEAF + "sleep 1000 &\n(trap '' TERM; while :; do sleep 1000; done) &\n" + FOREVER,
    "orphans": "(sleep 1000 &)\n(sleep 1000 &)\nsleep 1000\n",
    "daemons": "setsid sleep 1000 &\n(setsid sh -c 'sleep 1000; :' &)\n" + FOREVER,
    "deaf-daemons": DEAF + "setsid sh -c 'while :; do sleep 1000; done' &\n(setsid sleep 1000 &)\n" + FOREVER,
    "deaf-forks": DEAF + "while :; do (exit 0); done\n",
}

CYCLE = ("polite", "deaf", "family", "deaf-family", "orphans", "deaf-daemons", "daemons", "deaf")
NAMES = ["deaf-forks" if i % 40 == 7 else CYCLE[i % 8] for i in range(PROGRAMS)]
N_PROCESSES = {
    "polite": 2,
    "deaf": 2,
    "family": 6,
    "deaf-family": 5,
    "orphans": 4,
    "daemons": 5,
    "deaf-daemons": 5,
    "deaf-forks": 1,
}


def is_alive(process):
    """Does a process still do anything? Those that the kernel is taking down do not."""
    state, *rest = (process / "stat").read_text().rsplit(")", 1)[1].split()
    return state not in "ZX" and not int(rest[5]) & PF_EXITING


def living_in(directory, but=()):
    """The pids of processes that run in a directory: nobody changes it here, so it marks a gateway and all it began."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) not in but:
            try:
                if os.readlink(process / "cwd") == str(directory) and is_alive(process):
                    found.append(int(process.name))
            except OSError:
                pass
    return found


def describe(pids):
    """What ps says of them."""
    return (
        subprocess.run(
            ["ps", "-o", "pid,ppid,pgid,stat,wchan:30,time,args", "-p", ",".join(map(str, pids))],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        if pids
        else "none any more"
    )


def routes(tmp_path):
    return {
        f"route /{name}": {"exec": script(tmp_path / "programs", name, text)} for name, text in PROGRAM_TEXTS.items()
    }


def kill_and_wait(gw, victim="gateway"):
    """Seconds from the signal until no program lives. Who is left of gateway and spawner may live until they are reaped."""
    ours = (gw.pid, gw.spawner)
    begin = time.monotonic()
    os.kill(gw.pid if victim == "gateway" else gw.spawner, signal.SIGKILL)
    while True:
        looked_at = time.monotonic() - begin
        found = living_in(gw.dir, but=ours)
        if not found:
            break
        assert looked_at < PATIENCE, f"alive after {looked_at:.3f} s:\n{describe(found)}"
    assert gw.exited() == (-signal.SIGKILL if victim == "gateway" else 1)
    eventually(lambda: not living_in(gw.dir), "the spawner lives on")
    return looked_at


@pytest.mark.parametrize("victim", ["gateway", "spawner"])
def test_running_programs_die_with_it(gateway, tmp_path, say, victim):
    """Half of them ignore TERM; some have children, orphans, daemons with a session of their own, or fork all the time."""
    rounds, times, most = scaled(20, 2), [], 0
    for _ in range(rounds):
        gw = gateway(routes(tmp_path), checked=False)
        gw.dir = gw.dir.resolve()
        clients = [gw.ws(f"/{name}") for name in NAMES]
        assert gw.counters()["children"] == PROGRAMS
        wanted = 2 + sum(N_PROCESSES[name] for name in NAMES)
        eventually(lambda: len(living_in(gw.dir)) >= wanted, lambda: f"{len(living_in(gw.dir))} of {wanted} processes")
        most = max(most, len(living_in(gw.dir)))
        times.append(kill_and_wait(gw, victim))
        for ws in clients:
            ws.drop()
    say(
        f"kill -9 of the {victim}: {rounds} times {PROGRAMS} programs, up to {most} processes, all gone within {max(times) * 1000:.0f} ms"
    )
    assert min(times) < GIVES_UP, times  # one that had the CPU


@pytest.mark.parametrize("victim", ["gateway", "spawner"])
def test_programs_that_are_being_started_die_with_it(gateway, tmp_path, say, victim):
    """The signal comes between the handshakes and their answers."""
    rounds, times = scaled(100, 5), []
    for turn in range(rounds):
        gw = gateway(routes(tmp_path), checked=False)
        gw.dir = gw.dir.resolve()
        clients = [gw.connect() for _ in range(PROGRAMS)]
        for raw, name in zip(clients, NAMES):
            raw.send(wsraw.upgrade(f"/{name}", gw.host))
        for raw in clients[: turn % PROGRAMS]:
            raw.response()
        times.append(kill_and_wait(gw, victim))
        for raw in clients:
            raw.drop()
    say(
        f"kill -9 of the {victim} while {PROGRAMS} programs are being started: {rounds} times, all gone within {max(times) * 1000:.0f} ms"
    )
    assert min(times) < GIVES_UP, times
