"""What a program finds when it begins: its user, limits, directory, descriptors, signals, variables; and that nothing of it stays behind."""
import os
import shlex
import signal
import stat
from pathlib import Path

import pytest
from gateway import NO_LEAKS, Gateway
from scripts import script
from wait import eventually

NONE = "0" * 16


def GATEWAY(directory):
    directory.mkdir(parents=True, exist_ok=True)
    for path in (directory, *directory.parents[:2]):
        path.chmod(0o755)
    (directory / "there").mkdir()
    routes = {}

    def status(name, **keys):
        routes[f"route /{name}"] = {"exec": "cat /proc/self/status", "framing": "stream", **keys}
        routes[f"route /{name}/limits"] = {"exec": "cat /proc/self/limits", "framing": "stream", **keys}
        routes[f"route /{name}/pwd"] = {"exec": "readlink /proc/self/cwd", **keys}

    status("plain")
    status("nobody", run_as="nobody")
    status("numbers", run_as="4242:4243")
    status("group", run_as="nobody:daemon")
    status("root", run_as="root")
    status("again", run_as="4242:4243", umask="0")
    status(
        "limits",
        limit_cpu="1500ms",
        limit_memory="100M",
        limit_files="33",
        limit_processes="44",
        umask="0027",
        directory=directory / "there",
        run_as="4242:4243",
    )
    for ms in (999, 1000, 1001):
        status(f"cpu-{ms}", limit_cpu=f"{ms}ms")
    routes["route /holds"] = {"exec": "sleep 1000"}
    for name, to in (("fds", "log"), ("discard", "discard"), ("merge", "merge")):
        routes[f"route /{name}"] = {"exec": "ls -l /proc/self/fd", "framing": "stream", "stderr": to}
    routes["route /env"] = {
        "exec": "env -0",
        "framing": "stream",
        "env": ["OWN=a b", "TZ=own", "EMPTY=", "PAIR=x=y", "REMOTE_USERS=own"],
        "pass_env": "TZ HOME MY_*",
    }
    routes["route /no-env"] = {"exec": "/usr/bin/env -0", "framing": "stream", "pass_env": "NOT_THERE"}
    spin = script(directory, "spin.sh", "while :; do :; done\n")
    routes["route /spin"] = {"exec": spin, "limit_cpu": "1ms"}
    opens = "import os\ntry:\n while True: n = os.open('/', 0)\nexcept OSError as e: print(n, e.strerror)"
    opens = script(directory, "opens.sh", f"exec python3 -IS -c {shlex.quote(opens)}")
    routes["route /opens"] = {"exec": opens, "limit_files": 20}
    user = 10000 + os.getpid() % 5000 * 10  # whose processes are nobody else's: another run of this may be under way
    for n in (1, 2, 3):
        forks = "sh -c 'sleep 0 & wait $! && echo forked'"
        routes[f"route /forks-{n}"] = {"exec": forks, "limit_processes": n, "run_as": f"{user + n}:4243"}
    routes["route /holds-1"] = {"exec": "sleep 1000", "limit_processes": 1, "run_as": f"{user}:4243"}
    grows = "python3 -IS -c 'bytearray(%d); print(1)'"
    routes["route /grows"] = {"exec": grows % (50 << 20), "limit_memory": "200M"}
    routes["route /grows-more"] = {"exec": grows % (200 << 20), "limit_memory": "200M"}
    routes["route /touch"] = {"exec": f"touch {directory}/there/made", "umask": "0027"}
    routes["route /gone"] = {"exec": "pwd", "directory": directory / "gone"}
    routes["route /many-files"] = {"exec": "true", "limit_files": "9000000"}
    (directory / "gone").mkdir()
    gw = Gateway(directory, routes, environment={**NO_LEAKS, "TZ": "ours", "HOME": "/h", "MY_A": "a", "SECRET": "s"})
    (directory / "gone").rmdir()
    return gw


def output(gw, path):
    """All that a program says."""
    with gw.ws(path) as ws:
        text, code, reason = ws.recv_all()
    assert (code, reason) == (1000, ""), (path, text)
    return text.decode()


def status_of(gw, path):
    return {name: value.split() for name, _, value in (line.partition(":") for line in output(gw, path).splitlines())}


def limits_of(gw, path):
    """{name: (soft, hard)} of a /proc/PID/limits."""
    return {line[:26].strip(): tuple(line[26:].split()[:2]) for line in output(gw, path).splitlines()}


GOLDEN = {"SigBlk": [NONE], "SigIgn": [NONE], "SigCgt": [NONE], "NoNewPrivs": ["1"]}


@pytest.mark.parametrize(
    "path, uid, gid, umask",
    [
        ("/plain", 0, 0, None),
        ("/root", 0, 0, None),
        ("/nobody", 65534, 65534, None),
        ("/group", 65534, 1, None),
        ("/numbers", 4242, 4243, None),
        ("/again", 4242, 4243, "0000"),
        ("/limits", 4242, 4243, "0027"),
    ],
)
def test_identity(gw, path, uid, gid, umask):
    """Exactly that user and group, no other group, nothing that root could do; signals as for a new process."""
    status = status_of(gw, path)
    assert {name: status[name] for name in GOLDEN} == GOLDEN
    ours = status_of_process(gw.pid)
    groups = ours["Groups"] if path == "/plain" else [str(gid)]
    assert (status["Uid"], status["Gid"], status["Groups"]) == ([str(uid)] * 4, [str(gid)] * 4, groups)
    capabilities = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
    expected = {name: ours[name] if uid == 0 else [NONE] for name in capabilities}
    assert {name: status[name] for name in capabilities} == expected
    assert status["Umask"] == [umask or ours["Umask"][0]]
    assert status["PPid"] == [str(gw.spawner)]


def status_of_process(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return {name: value.split() for name, _, value in (line.partition(":") for line in text.splitlines())}


def test_limits(gw):
    """Those of the route, and else what the gateway itself was given."""
    ours = {
        line[:26].strip(): tuple(line[26:].split()[:2])
        for line in Path("/proc/self/limits").read_text().splitlines()
    }
    assert limits_of(gw, "/plain/limits") == ours
    mine = {
        "Max cpu time": ("2", "3"),
        "Max processes": ("44", "44"),
        "Max open files": ("33", "33"),
        "Max address space": (str(100 << 20),) * 2,
    }
    assert limits_of(gw, "/limits/limits") == {**ours, **mine}
    for ms, seconds in ((999, 1), (1000, 1), (1001, 2)):
        assert limits_of(gw, f"/cpu-{ms}/limits")["Max cpu time"] == (str(seconds), str(seconds + 1))


def test_limit_cpu_is_felt(gw):
    """The program is told by XCPU before it is killed."""
    with gw.ws("/spin") as ws:
        ws.sock.settimeout(150)  # for a second of the CPU
        got = ws.recv_close(4000 + 128 + signal.SIGXCPU)
        assert got.reason == "signal XCPU"


def test_limit_files_is_felt(gw):
    assert output(gw, "/opens") == "19 Too many open files"


@pytest.mark.parametrize("n", [1, 2, 3])
def test_limit_processes_is_felt(gw, n):
    with gw.ws(f"/forks-{n}") as ws:
        text, code, _ = ws.recv_all()
    assert (text, code) == ((b"forked", 1000) if n >= 2 else (b"", 4002))


def test_limit_processes_of_all_programs_of_a_user(gw):
    """Who has as many already gets no other: 503, and the next one again when there is room."""
    with gw.ws("/holds-1") as first, gw.ws("/holds-1") as second:  # the kernel looks before it counts who comes
        answer = gw.refused("/holds-1")
        assert (answer.status, answer.header("Retry-After") is not None) == (503, True)
        reason = gw.wait_log("request", path="/holds-1")["reason"]
        assert "Resource temporarily unavailable" in reason, reason
        first.close()
        eventually(lambda: len(gw.programs()) == 1, "it does not end")
        with gw.ws("/holds-1") as third:
            third.close()
        second.close()


def test_limit_memory_is_felt(gw):
    assert output(gw, "/grows") == "1"
    with gw.ws("/grows-more") as ws:
        assert ws.recv_all()[:2] == (b"", 4001)


def test_limit_that_may_not_be(gw):
    """More than the system allows at all is named with the key."""
    most = int(Path("/proc/sys/fs/nr_open").read_text())
    if most >= 9000000:
        pytest.skip("this system allows any")
    answer = gw.refused("/many-files")
    assert answer.status == 502
    assert "limit_files: Operation not permitted" in gw.wait_log("request", path="/many-files")["reason"]


def test_directory(gw):
    assert output(gw, "/plain/pwd") == str(gw.dir)
    assert output(gw, "/limits/pwd") == str(gw.dir / "there")
    assert gw.refused("/gone").status == 502


def test_umask(gw):
    assert output(gw, "/touch") == ""
    assert stat.S_IMODE((gw.dir / "there/made").stat().st_mode) == 0o640


@pytest.mark.parametrize("path", ["/fds", "/discard", "/merge"])
def test_descriptors(gw, path):
    """0, 1 and 2, whatever the gateway has open; 2 is what the route says."""
    others = [gw.ws("/holds") for _ in range(5)]
    with gw.ws(path) as ws:
        text, code, _ = ws.recv_all()
    for other in others:
        other.drop()
    assert code == 1000
    found = dict(line.split()[-3::2] for line in text.decode().splitlines() if " -> " in line)
    assert sorted(found) == ["0", "1", "2", "3"]  # 3 is the directory itself
    assert all(found[fd].startswith("pipe:") for fd in "01")
    assert len({found["0"], found["1"], found["2"]}) == (2 if path == "/merge" else 3)
    assert found["2"] == found["1"] if path == "/merge" else True
    assert found["2"] == "/dev/null" if path == "/discard" else found["2"].startswith("pipe:")


def test_environment(gw):
    """The session's variables, the route's, the gateway's that the route passes on: each name once, in this order of weight."""
    with gw.ws("/env") as ws:
        text, code, _ = ws.recv_all()
    assert code == 1000
    found = [item.split("=", 1) for item in text.decode().split("\0")[:-1]]
    names = [name for name, _ in found]
    assert len(set(names)) == len(names), names
    values = dict(found)
    ours = {name: values[name] for name in names if not name.startswith(("HTTP", "REMOTE_", "SERVER_", "WSLUICE_"))}
    assert ours["OWN"] == "a b"
    assert ours["TZ"] == "own"
    assert ours["EMPTY"] == ""
    assert ours["PAIR"] == "x=y"
    assert ours["HOME"] == "/h"
    assert ours["MY_A"] == "a"
    assert values["REMOTE_USERS"] == "own"
    assert not {"PATH", "LANG", "SECRET", "ASAN_OPTIONS"} & set(names)
    with gw.ws("/no-env") as ws:
        text, _, _ = ws.recv_all()
    assert not {"PATH", "LANG", "TZ", "HOME"} & {item.partition("=")[0] for item in text.decode().split("\0")}
