"""The gateway is killed without a word: its programs go with it."""
import os
import signal
import subprocess
import time
from pathlib import Path

import wsraw
from scripts import script
from soak import scaled
from wait import eventually

PROGRAMS = 100
PF_EXITING = 0x4  # linux/sched.h
DEAF = "trap '' TERM INT HUP QUIT PIPE\n"
FOREVER = "while :; do sleep 1000; done\n"
PROGRAM_TEXTS = {
    "polite": FOREVER,
    "deaf": DEAF + FOREVER,
    "family": "sleep 1000 &\nsh -c 'sleep 1000 & sleep 1000 & wait' &\nsleep 1000\n",
    "deaf-family": DEAF + "sleep 1000 &\n(trap '' TERM; while :; do sleep 1000; done) &\n" + FOREVER,
    "orphans": "(sleep 1000 &)\n(sleep 1000 &)\nsleep 1000\n",
    "deaf-forks": DEAF + "while :; do (exit 0); done\n",
}

CYCLE = ("polite", "deaf", "family", "deaf-family", "orphans", "deaf")
NAMES = ["deaf-forks" if i % 30 == 5 else CYCLE[i % 6] for i in range(PROGRAMS)]
N_PROCESSES = {"polite": 2, "deaf": 2, "family": 6, "deaf-family": 4, "orphans": 4, "deaf-forks": 1}


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


def kill_and_wait(gw):
    """Seconds from the signal until no program lives. The spawner may live until it has reaped them."""
    ours = (gw.pid, gw.spawner)
    begin = time.monotonic()
    gw.signal(signal.SIGKILL)
    while True:
        looked_at = time.monotonic() - begin
        found = living_in(gw.dir, but=ours)
        if not found:
            break
        assert looked_at < 1, f"alive after {looked_at:.3f} s:\n{describe(found)}"
    gw.exited()
    eventually(lambda: not living_in(gw.dir), "the spawner lives on")
    return looked_at


def test_running_programs_die_with_the_gateway(gateway, tmp_path, say):
    """Half of them ignore TERM; some have children, orphans, or fork all the time."""
    rounds, slowest, most = scaled(20, 2), 0, 0
    for _ in range(rounds):
        gw = gateway(routes(tmp_path), checked=False)
        gw.dir = gw.dir.resolve()
        clients = [gw.ws(f"/{name}") for name in NAMES]
        assert len(gw.programs()) == PROGRAMS
        wanted = 2 + sum(N_PROCESSES[name] for name in NAMES)
        eventually(lambda: len(living_in(gw.dir)) >= wanted, lambda: f"{len(living_in(gw.dir))} of {wanted} processes")
        most = max(most, len(living_in(gw.dir)))
        slowest = max(slowest, kill_and_wait(gw))
        for ws in clients:
            ws.drop()
    say(
        f"kill -9 of the gateway: {rounds} times {PROGRAMS} programs, up to {most} processes, all gone within {slowest * 1000:.0f} ms"
    )


def test_programs_that_are_being_started_die_with_the_gateway(gateway, tmp_path, say):
    """The signal comes between the handshakes and their answers."""
    rounds, slowest = scaled(100, 5), 0
    for turn in range(rounds):
        gw = gateway(routes(tmp_path), checked=False)
        gw.dir = gw.dir.resolve()
        clients = [gw.connect() for _ in range(PROGRAMS)]
        for raw, name in zip(clients, NAMES):
            raw.send(wsraw.upgrade(f"/{name}", gw.host))
        for raw in clients[: turn % PROGRAMS]:
            raw.response()
        slowest = max(slowest, kill_and_wait(gw))
        for raw in clients:
            raw.drop()
    say(
        f"kill -9 of the gateway while {PROGRAMS} programs are being started: {rounds} times, all gone within {slowest * 1000:.0f} ms"
    )
