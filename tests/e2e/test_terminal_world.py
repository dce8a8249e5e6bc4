"""What a program finds on a terminal, that job control works there, and that nothing of its session is left behind."""
import os
import pwd
import re
import shlex
import signal
import stat
from pathlib import Path

import pytest
from gateway import NO_LEAKS, Gateway, alive, children_of, descriptors_of, process_state
from ttyclient import Tty
from wait import eventually

pytestmark = pytest.mark.plain_only

LOOK = (
    "tty; stty size; read line </proc/$$/stat; echo $line; ls -C /proc/self/fd; "
    "cat /proc/self/status; echo modes:; stty -a"
)
# Each says who it is: in a group of its own, stopped, deaf, both, in the group of the leader, which is deaf as well.
JOBS = (
    "trap '' HUP TERM; set -m; "
    '(trap - HUP TERM; exec sh -c "echo pid \\$\\$; exec sleep 1000") & '
    '(trap - HUP TERM; exec sh -c "echo pid \\$\\$; kill -STOP \\$\\$; exec sleep 1000") & '
    'sh -c "echo pid \\$\\$; sleep 1000; :" & '
    'sh -c "echo pid \\$\\$; kill -STOP \\$\\$; sleep 1000; :" & '
    'set +m; sh -c "echo pid \\$\\$; exec sleep 1000" & '
    "while :; do wait; done"
)
N_JOBS = 5
OWNER = 'stat -c "%u %a" "$(tty)"; echo once more >"$(tty)"; echo and here >/dev/tty'


def sh(text, shell="sh"):
    """The command that runs this text, which every user may."""
    return f"{shell} -c {shlex.quote(text)}"


def GATEWAY(directory):
    routes = {}

    def route(path, command, **keys):
        routes[f"route {path}"] = {"exec": command, "terminal": "yes", "stop_grace": "100ms", **keys}

    route("/look", sh(LOOK))
    route("/look/as", sh(LOOK), run_as="4242:4243")
    route("/env", "env -0")
    route("/env/as", "env -0", run_as="4242:4243")
    route("/env/nobody", "env -0", run_as="nobody")
    route("/env/own", "env -0", env=["TERM=vt220", "HOME=/srv", "LC_CTYPE=C"])
    route("/owner", sh(OWNER))
    route("/owner/as", sh(OWNER), run_as="4242:4243")
    route("/bash", "bash --norc --noprofile -i", env=["PS1=ready>", f"HOME={directory}"])
    route("/sh", "sh -i", env=["PS1=ready>"])
    route("/jobs", sh(JOBS, "bash"))
    routes["route /pipes"] = {"exec": "cat"}
    return Gateway(directory, routes, environment={**NO_LEAKS, "HOME": "/h", "LANG": ""})


class Plain:
    """A client without the subprotocol: bytes to the terminal and from it, as messages come."""

    def __init__(self, gw, path):
        self.raw, self.seen = gw.ws(path), b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.raw.drop()

    def say(self, data, wanted):
        """Types, and hears output until a text is in it."""
        self.raw.send_binary(data.encode())
        return self.until(wanted)

    def until(self, wanted):
        while wanted.encode() not in self.seen:
            self.seen += self.raw.recv_message()[1]
        said, _, self.seen = self.seen.partition(wanted.encode())
        return said.decode()


def lines_of(gw, path):
    with Tty(gw, path) as tty:
        data, code, reason = tty.rest()
    assert (code, reason) == (1000, ""), data
    return data.decode().split("\r\n")


@pytest.mark.parametrize("path", ["/look", "/look/as"])
def test_what_it_finds(gw, path):
    """A terminal as its controlling one, on 0, 1 and 2, and no other descriptor; itself in the foreground."""
    tty, size, line, *rest = lines_of(gw, path)
    assert tty.startswith("/dev/pts/")
    assert size == "24 80"
    pid = int(line.split()[0])
    group, session, number, foreground = map(int, line.rpartition(")")[2].split()[2:6])
    assert (group, session, foreground) == (pid, pid, pid)
    assert number == os.makedev(136, int(tty[9:]))
    assert rest[0].split() == ["0", "1", "2", "3"]  # the last one is the list itself
    for name, value in (("SigBlk", "0" * 16), ("SigIgn", "0" * 16), ("SigCgt", "0" * 16), ("NoNewPrivs", "1")):
        assert f"{name}:\t{value}" in rest
    modes = " ".join(rest[rest.index("modes:") :]).replace(";", " ").split()
    for mode in ("iutf8", "icanon", "isig", "iexten", "echo", "echoe", "opost", "onlcr", "icrnl", "ixon"):
        assert mode in modes, modes


@pytest.mark.parametrize("path, uid", [("/owner", os.getuid()), ("/owner/as", 4242)])
def test_owner(gw, path, uid):
    """Who the program runs as may open the terminal by its name."""
    first, *rest = lines_of(gw, path)
    owner, mode = first.split()
    assert int(owner) == uid
    assert int(mode, 8) & (stat.S_IROTH | stat.S_IWOTH) == 0
    assert rest == ["once more", "and here", ""]


US = pwd.getpwuid(os.getuid())
ROOT = {"HOME": US.pw_dir, "USER": US.pw_name, "LOGNAME": US.pw_name, "SHELL": US.pw_shell}
SEEN = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}


@pytest.mark.parametrize(
    "path, expected, absent",
    [
        ("/env", {**SEEN, **ROOT, "LANG": ""}, []),
        ("/env/as", {"HOME": "/", "SHELL": "/bin/sh"}, ["USER", "LOGNAME"]),
        ("/env/nobody", {"HOME": pwd.getpwnam("nobody").pw_dir, "SHELL": "/bin/sh", "USER": "nobody", "LOGNAME": "nobody"}, []),
        ("/env/own", {**ROOT, "TERM": "vt220", "HOME": "/srv", "LC_CTYPE": "C"}, []),
    ],
)
def test_environment(gw, path, expected, absent):
    """That of a login, but what the route says and passes on stands before it; the variables of CGI are there too."""
    with Tty(gw, path) as tty:
        data, code, _ = tty.rest()
    assert code == 1000
    found = dict(item.split("=", 1) for item in data.decode().split("\0") if item)
    assert {name: found.get(name) for name in expected} == expected
    assert not [name for name in absent if name in found]
    assert found["REQUEST_METHOD"] == "GET" and found["PATH"] == os.environ["PATH"]


def test_language(gateway):
    """Who has no word on the character set has UTF-8."""
    gw = gateway({"route /": {"exec": "env -0", "terminal": "yes", "pass_env": "PATH"}})
    with Tty(gw) as tty:
        data, _, _ = tty.rest()
    assert "LANG=C.UTF-8" in data.decode().split("\0")


@pytest.mark.parametrize("shell", ["/bash", "/sh"])
def test_job_control(gw, shell):
    """Ctrl-C, Ctrl-Z, jobs, bg and fg, by bytes alone."""
    with Plain(gw, shell) as client:
        said = client.until("ready>")
        assert "no job control" not in said and "can't access tty" not in said
        client.say("sleep 1000\n", "sleep 1000\r\n")
        eventually(lambda: foreground(gw) == "sleep", "it does not sleep")
        client.say("\x03", "ready>")
        eventually(lambda: "sleep" not in names(gw), "it sleeps on")
        client.say("sleep 1000\n", "sleep 1000\r\n")
        eventually(lambda: foreground(gw) == "sleep", "it does not sleep")
        assert "Stopped" in client.say("\x1a", "ready>")
        assert "Stopped" in client.say("jobs\n", "ready>")
        client.say("bg\n", "ready>")
        assert "Running" in client.say("jobs\n", "ready>")
        client.say("fg\n", "sleep 1000\r\n")
        eventually(lambda: foreground(gw) == "sleep", "it does not get the terminal back")
        client.say("\x03", "ready>")
        client.say("echo $((2 + 2))x\n", "4x\r\n")
        client.raw.send_binary(b"exit 7\n")
        code = client.raw.recv_all()[1]
        assert code == 4007


def names(gw):
    """What runs below the spawner's programs."""
    found = []
    for leader in gw.programs():
        for pid in children_of(leader):
            try:
                with open(f"/proc/{pid}/comm") as file:
                    found.append(file.read().strip())
            except OSError:
                pass
    return found


def foreground(gw):
    """Who leads the group that has the terminal of the one program, and hears its keys."""
    [shell] = gw.programs()
    group = Path(f"/proc/{shell}/stat").read_text().rpartition(")")[2].split()[5]
    try:
        return Path(f"/proc/{group}/comm").read_text().strip()
    except FileNotFoundError:
        return None


def started(tty):
    """The pids of a terminal's jobs, and that of its leader."""
    while len(pids := [int(word) for word in re.findall(rb"pid (\d+)\r", tty.seen)]) < N_JOBS:
        tty.output()
    leader = os.getsid(pids[0])
    assert {os.getsid(pid) for pid in pids} == {leader}
    assert len({os.getpgid(pid) for pid in pids}) == N_JOBS
    return [leader, *pids]


def gone(pids):
    eventually(lambda: not any(map(alive, pids)), lambda: f"alive: {[pid for pid in pids if alive(pid)]}")


@pytest.mark.parametrize("how", ["closes", "vanishes", "leader"])
def test_hang_up_ends_the_session(gw, how):
    """Jobs in groups of their own, stopped ones, those that ignore HUP and TERM; another's and a pipe's live on."""
    with Tty(gw, "/jobs") as tty, Tty(gw, "/jobs") as other, gw.ws("/pipes") as pipes:
        pids, others = started(tty), started(other)
        if how == "closes":
            tty.close()
        elif how == "vanishes":
            tty.raw.drop()
        else:
            os.kill(pids[0], signal.SIGKILL)
            assert tty.rest()[1] == 4000 + 128 + signal.SIGKILL
        gone(pids)
        assert all(map(alive, others))
        pipes.send_text("on")
        assert pipes.recv_text() == "on"
        pipes.close()
    gone(others)


@pytest.mark.parametrize("whom", ["gateway", "spawner"])
def test_killed(gateway, whom):
    """Whoever of us is killed, no process of a terminal lives on."""
    gw = gateway({"route /": {"exec": sh(JOBS, "bash"), "terminal": "yes"}}, checked=False)
    spawner = gw.spawner
    with Tty(gw) as tty, Tty(gw) as other:
        pids = [*started(tty), *started(other)]
        os.kill(gw.pid if whom == "gateway" else spawner, signal.SIGKILL)
        gone([*pids, spawner])
        assert gw.exited() == (1 if whom == "spawner" else -signal.SIGKILL)


def in_mounts(*commands):
    """The words that run a gateway where these mounts are, and nowhere else."""
    return ["unshare", "--mount", "sh", "-c", " && ".join([*commands, 'exec "$0" "$@"'])]


def wrapped(start, wrap, *args, **options):
    """A gateway that is started by these words."""
    gw = start(*args, start=False, **options)
    gw.program, gw.argv = wrap[0], [*wrap[1:], gw.program, *gw.argv]
    gw.start()
    gw.take_baseline()
    return gw


ONE_TERMINAL = in_mounts(
    "mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5,max=1 devpts /dev/pts",
    "mount --bind /dev/pts/ptmx /dev/ptmx",
)


def test_no_terminal_left(gateway):
    """When all pseudo-terminals are in use a start fails as when processes are short, and says why; others go on."""
    routes = {"route /": {"exec": "sh -c 'tty; read x'", "terminal": "yes"}, "route /cat": {"exec": "cat"}}
    gw = wrapped(gateway, ONE_TERMINAL, routes)
    why = "open a pseudo-terminal (all are in use)"
    for _ in range(3):
        with Tty(gw) as tty:
            tty.until("/dev/pts/0\r\n")
            answer = gw.refused()
            assert answer.status == 503
            assert why in gw.wait_log("request", status="503")["reason"]
            with Tty(gw, greeted=False) as another:
                got = another.raw.recv()
                assert got.code == 1013, got
                another.raw.answer_close(got)
            assert why in gw.wait_log("program could not be started")["reason"]
            gw.wait_log("session ended", code_sent=1013, end="not started")
            with gw.ws("/cat") as cat:
                cat.send_text("on")
                assert cat.recv_text() == "on"
                cat.close()
            tty.type("\n")
            assert tty.rest()[1] == 1000
        eventually(lambda: not any("ptmx" in what for what in descriptors_of(gw.pid).values()), "it is still in use")
        gw.mark()


HIDDEN = in_mounts("mount -t proc -o hidepid=invisible proc /proc")
RIGHTS = ["setpriv", "--bounding-set=-all,+setuid,+setgid,+kill"]


@pytest.mark.parametrize("hidden", [False, True])
def test_hang_up_reaches_every_job(gateway, hidden):
    """Those that don't ignore it end by it, stopped ones too, though the leader does and goes on."""
    keys = {"terminal": "yes", "stop_grace": "1000s"}
    if hidden:
        keys["run_as"] = "4242:4243"
        gw = wrapped(gateway, [*HIDDEN, *RIGHTS], {"route /": {"exec": sh(JOBS, "bash"), **keys}}, environment=NO_LEAKS)
    else:
        gw = gateway({"route /": {"exec": sh(JOBS, "bash"), **keys}})
    with Tty(gw) as tty:
        pids = started(tty)
        eventually(lambda: [process_state(pid) for pid in pids].count("T") == 2, "they have not stopped")
        tty.raw.drop()
        eventually(lambda: sum(map(alive, pids)) == 4, lambda: [process_state(pid) for pid in pids])
        assert alive(pids[0])
        os.kill(pids[0], signal.SIGKILL)
        gone(pids)


def test_other_user_with_no_more_rights_than_needed(gateway):
    """As in the unit for run_as: /proc shows what is another user's to root's group only, and files can't be given."""
    keys = {"terminal": "yes", "stop_grace": "100ms", "run_as": "4242:4243"}
    routes = {"route /": {"exec": sh(JOBS, "bash"), **keys}, "route /owner": {"exec": sh(OWNER), **keys}}
    gw = wrapped(gateway, [*HIDDEN, *RIGHTS], routes, environment=NO_LEAKS, gateway={"user": "daemon"})
    assert lines_of(gw, "/owner")[0].startswith("4242 ")
    with Tty(gw) as tty, Tty(gw) as other:
        pids, others = started(tty), started(other)
        tty.close()
        gone(pids)
        assert all(map(alive, others))
    gone(others)
