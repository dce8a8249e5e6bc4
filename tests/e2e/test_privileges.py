"""What is left of the rights that it was started with: user and group, capabilities instead of root, every step that may fail."""
import ctypes
import errno
import os
import platform
import pwd
import shlex
import shutil
import signal
import struct
import subprocess
import tempfile
from pathlib import Path

import certs
import pytest
from backends import low_port
from gateway import NO_LEAKS, START, alive, binary, children_of
from wait import eventually

STATUS = {"route /status": {"exec": "cat /proc/self/status", "framing": "stream"}, "route /cat": {"exec": "cat"}}
NONE = "0" * 16
WARNING = (
    "programs run as root: user in [gateway] names another user for all, run_as for those of a route"
)


@pytest.fixture
def everyone():
    """A directory that every user can look into, with a copy of the program."""
    path = Path(tempfile.mkdtemp(prefix="wsluice-"))
    path.chmod(0o755)
    shutil.copy(binary(), path / "wsluice")
    (path / "wsluice").chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def start(gateway, everyone):
    """Starts a gateway with JSON lines and these routes; with `wrap` by these words, from where every user can."""

    def start(routes=None, wrap=None, **options):
        it = gateway(routes or STATUS, environment=NO_LEAKS, start=False, **({"tls": False} if wrap else {}), **options)
        if wrap:
            shutil.copy(it.ini, everyone / "wsluice.ini")
            it.argv = [*wrap[1:], everyone / "wsluice", f"--config={everyone}/wsluice.ini"]
            it.program = wrap[0]
        it.start()
        it.take_baseline()
        return it

    return start


def status_of(text):
    """A /proc/PID/status as a dict."""
    return {name: value.split() for name, _, value in (line.partition(":") for line in text.splitlines())}


def statuses(pid):
    """Those of every thread."""
    return [status_of((task / "status").read_text()) for task in Path(f"/proc/{pid}/task").iterdir()]


def program_status(gw):
    """What a program sees of itself."""
    with gw.ws("/status") as ws:
        text, code, _ = ws.recv_all()
    assert code == 1000
    return status_of(text.decode())


def check_identity(status, uid, gid, groups):
    assert status["Uid"] == [str(uid)] * 4, status["Name"]
    assert status["Gid"] == [str(gid)] * 4, status["Name"]
    assert sorted(map(int, status["Groups"])) == sorted(groups), status["Name"]
    assert status["NoNewPrivs"] == ["1"], status["Name"]


def check_no_capabilities(status, bounding=None):
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert status[name] == [NONE], (status["Name"], name)
    if bounding:
        assert status["CapBnd"] == [bounding], status["Name"]


def everybody(gw):
    """The statuses of the gateway's threads, of the spawner and of a program; each kind is there."""
    threads = statuses(gw.pid)
    spawner = statuses(gw.spawner)
    assert len(threads) >= 4, threads  # main, log, two workers
    assert len(spawner) == 1
    return [*threads, *spawner, program_status(gw)]


def run_in_vain(directory, text, wrap=(), program=None, before=None):
    """A start with this ini file that must fail with status 1: its lines."""
    (directory / "vain.ini").write_text(text)
    out = subprocess.run(
        [*wrap, program or binary(), f"--config={directory}/vain.ini"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=START,
        env={"PATH": os.environ["PATH"], **NO_LEAKS},
        preexec_fn=before,
        cwd="/",
    )
    assert (out.returncode, out.stdout) == (1, ""), out.stderr
    assert "listening" not in out.stderr
    return out.stderr.splitlines()


# user and group


@pytest.mark.parametrize(
    "keys, uid, gid, groups",
    [
        ({"user": "daemon"}, 1, 1, [1]),
        ({"user": "1"}, 1, 1, [1]),
        ({"user": "nobody", "group": "daemon"}, 65534, 1, [1]),
        ({"user": "nobody", "group": "4243"}, 65534, 4243, [4243]),
        ({"user": "4242", "group": "4243"}, 4242, 4243, [4243]),
        ({"user": "4242", "group": "root"}, 4242, 0, [0]),
    ],
)
def test_user(start, keys, uid, gid, groups):
    """Every thread and process is exactly that user, whatever groups it was started with, and has no capability left."""
    wrap = ["setpriv", "--groups=4,27,5", "--inh-caps=+net_bind_service,+setuid"]
    gw = start(wrap=wrap, gateway=keys)
    for status in everybody(gw):
        check_identity(status, uid, gid, groups)
        check_no_capabilities(status, NONE)
    assert not gw.logged(WARNING, since_mark=False)


def test_supplementary_groups(start, everyone):
    """The user's own groups come with it: all that the group database has, and none twice."""
    known = [f"daemon:x:{pwd.getpwnam('daemon').pw_gid}:daemon"]
    known += [f"wsluice-{gid}:x:{gid}:other,daemon" for gid in range(5000, 5070)]
    known += ["wsluice-other:x:6000:other"]
    (everyone / "group").write_text("\n".join(known) + "\n")
    inside = f'mount --bind {everyone}/group /etc/group && exec "$0" "$@"'
    gw = start(wrap=["unshare", "--mount", "sh", "-c", inside], gateway={"user": "daemon"})
    for status in everybody(gw):
        check_identity(status, 1, 1, [1, *range(5000, 5070)])


def test_group_alone(start):
    """Only the group changes; root stays, and that is said."""
    gw = start(wrap=["setpriv", "--groups=4,27"], gateway={"group": "daemon"})
    for status in everybody(gw):
        check_identity(status, 0, 1, [1])
    assert len(gw.logged(WARNING, since_mark=False)) == 1


@pytest.mark.parametrize("user", [None, "root"])
def test_root_stays(start, user):
    """One warning, before anybody can come in; the capabilities are as they were."""
    gw = start(gateway={"user": user} if user else {})
    assert len(gw.logged(WARNING, since_mark=False, level="warning")) == 1
    before = status_of(Path("/proc/self/status").read_text())
    for status in everybody(gw):
        assert status["Uid"] == ["0"] * 4
        assert status["CapEff"] == before["CapEff"]
        assert status["NoNewPrivs"] == ["1"]


def test_root_without_programs(start, tmp_path):
    """Nothing runs as root but the gateway itself: no warning."""
    site = tmp_path / "site"
    site.mkdir()
    gw = start({"route /*": {"static": site}})
    assert not [line for line in gw.log_lines() if line.get("level") == "warning"]


def test_after_the_drop(start, tmp_path, everyone):
    """Counters, programs, files and the socket file go on, with that user's rights."""
    (everyone / "secret").write_text("root's")
    (everyone / "secret").chmod(0o600)
    (everyone / "page").write_text("everybody's")
    (everyone / "page").chmod(0o644)
    tmp_path.chmod(0o700)  # where the socket is: only root may remove it
    sock = tmp_path / "socket"
    routes = {**STATUS, "route /files/*": {"static": everyone}}
    options = {"gateway": {"user": "daemon"}, "listen": {"address": ["127.0.0.1:0", f"unix:{sock}"]}}
    gw = start(routes, **options)
    assert gw.counters()["descriptors"] == len(os.listdir(f"/proc/{gw.pid}/fd"))
    assert gw.get("/files/page").body == b"everybody's"
    assert gw.get("/files/secret").status in (403, 404)
    with gw.ws("/cat") as ws:
        ws.send_text("hello")
        assert ws.recv_text() == "hello"
        ws.close()
    gw.check_idle()
    gw.stop()
    assert sock.is_socket(), "it was removed without the right to"
    stays = gw.logged("a socket file stays behind")
    assert [(line["level"], line["path"], line["error"]) for line in stays] == [("info", str(sock), "Permission denied")]
    start(routes, **options)  # takes its place


def test_key_of_tls(start):
    """It is read before root is gone, and programs get at it neither by its name nor by a descriptor."""
    key = certs.run_pair().key
    assert key.stat().st_mode & 0o077 == 0
    look = f"cat {key} 2>&1 >/dev/null | grep -c 'Permission denied'; ls /proc/self/fd | tr '\\n' ' '"
    gw = start({**STATUS, "route /look": {"exec": f'sh -c "{look}"'}}, gateway={"user": "daemon"}, tls=True)
    for status in everybody(gw):
        check_identity(status, 1, 1, [1])
    with gw.ws("/look") as ws:
        assert ws.recv_text() == "1"
        assert ws.recv_text() == "0 1 2 3 "  # 3 is the directory itself
        ws.recv_close(1000)


def test_programs_can_not_look_into_the_gateway(start):
    """A program is the same user and yet reads neither the memory nor the environment of those who started it."""
    look = "for f in environ mem maps; do head -c 1 /proc/%s/$f; done 2>&1 | grep -c 'Permission denied'"
    gw = start({"route /spawner": {"exec": ["sh -c " + shlex.quote(look % "$PPID")]}}, gateway={"user": "daemon"})
    with gw.ws("/spawner") as ws:
        assert ws.recv_all()[:2] == (b"3", 1000)
    out = subprocess.run(
        ["setpriv", "--reuid=1", "--regid=1", "--clear-groups", "sh", "-c", look % gw.pid], capture_output=True
    )
    assert out.stdout == b"3\n"


# capabilities instead of root


def as_user(uid, capabilities):
    """The words that start a program as this user with these ambient capabilities and no other."""
    words = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--inh-caps=-all" + capabilities]
    return [*words, "--ambient-caps=-all" + capabilities]


@pytest.mark.parametrize("user", [{}, {"user": "4242", "group": "4242"}])
def test_low_port_by_capability(start, user):
    """The capability is used for the port and is then gone, from programs too."""
    port = low_port()
    gw = start(
        wrap=as_user(4242, ",+net_bind_service"),
        gateway=user,
        listen={"address": f"127.0.0.1:{port}"},
    )
    assert gw.port == port
    for status in everybody(gw):
        check_identity(status, 4242, 4242, [])
        check_no_capabilities(status)


def test_low_port_by_file_capability(start, everyone):
    """The same with the capability on the program's file."""
    # struct vfs_cap_data, revision 2: permitted and effective CAP_NET_BIND_SERVICE (10)
    os.setxattr(everyone / "wsluice", "security.capability", struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0))
    gw = start(wrap=as_user(4242, ""), listen={"address": f"127.0.0.1:{low_port()}"})
    for status in everybody(gw):
        check_identity(status, 4242, 4242, [])
        check_no_capabilities(status)


def test_low_port_by_root(start):
    """Bound before root is gone."""
    gw = start(gateway={"user": "daemon"}, listen={"address": f"127.0.0.1:{low_port()}"})
    for status in everybody(gw):
        check_identity(status, 1, 1, [1])


def test_low_port_without_rights(everyone):
    """The line says what to do."""
    address = f"127.0.0.1:{low_port()}"
    lines = run_in_vain(
        everyone,
        f"[listen a]\naddress = {address}\n[route /*]\nexec = cat\n",
        as_user(4242, ""),
        everyone / "wsluice",
    )
    assert len(lines) == 1, lines
    for word in (
        f"cannot listen address={address} ",
        "user in [gateway]",
        "CAP_NET_BIND_SERVICE",
        "systemd",
        "from 1024",
    ):
        assert word in lines[0], lines


# mistakes

SERVED = "[listen a]\naddress = 127.0.0.1:0\n[route /*]\nexec = cat\n"
FILES = "[listen a]\naddress = 127.0.0.1:0\n[route /*]\nconsole = yes\n"


@pytest.mark.parametrize(
    "keys, words",
    [
        ("user = no-such", ':2: user: there is no user "no-such"'),
        ("user = 4294967295", ':2: user: there is no user "4294967295"'),
        ("group = no-such", ':2: group: there is no group "no-such"'),
        ("user = 4242", ":2: user: 4242 is nobody's number, so group must be given too"),
        ("user = 4242\ngroup = no-such", ':3: group: there is no group "no-such"'),
    ],
)
def test_unknown(tmp_path, keys, words):
    lines = run_in_vain(tmp_path, f"[gateway]\n{keys}\n{SERVED}")
    assert lines == [f"{tmp_path}/vain.ini{words}"]


@pytest.mark.parametrize(
    "keys, words",
    [
        ("user = daemon", "user in [gateway] needs a start as root, or as that user user=daemon uid=4242 gid=4242"),
        (
            "group = daemon",
            "group in [gateway] needs a start as root, or with that group group=daemon uid=4242 gid=4242",
        ),
        (
            "user = 4242\ngroup = daemon",
            "group in [gateway] needs a start as root, or with that group user=4242 group=daemon uid=4242 gid=4242",
        ),
    ],
)
@pytest.mark.parametrize("routes", [SERVED, FILES])
def test_not_started_as_root(everyone, keys, words, routes):
    lines = run_in_vain(everyone, f"[gateway]\n{keys}\n{routes}", as_user(4242, ""), everyone / "wsluice")
    assert len(lines) == 1, lines
    assert lines[0].endswith(f"ERROR {words}"), lines


@pytest.mark.parametrize("key", ["dir", "static", "directory"])
def test_closed_directory(everyone, key):
    """One that this user may not enter is said when the file is read."""
    (everyone / "closed").mkdir(mode=0o700)
    route = "exec = cat\n" if key == "directory" else ""
    text = f"[route /*]\n{route}{key} = {everyone}/closed\n"
    lines = run_in_vain(everyone, text, as_user(4242, ""), everyone / "wsluice")
    line = 3 if route else 2
    assert lines == [f"{everyone}/vain.ini:{line}: {key}: {everyone}/closed: Permission denied"]


@pytest.mark.parametrize("keys", [{}, {"user": "daemon"}, {"user": "daemon", "group": "daemon"}])
def test_is_that_user_already(start, keys):
    """It stays, with the supplementary groups that it was given."""
    wrap = ["setpriv", "--reuid=1", "--regid=1", "--groups=1,27"]
    gw = start(wrap=wrap, gateway=keys)
    for status in everybody(gw):
        check_identity(status, 1, 1, [1, 27])
        check_no_capabilities(status)


def shown(words):
    """As the log has them."""
    return f'"{words}"' if " " in words else words


@pytest.mark.parametrize("capability, step", [("setgid", "setgroups"), ("setuid", "setresuid")])
@pytest.mark.parametrize("routes, prefix", [(SERVED, "start the spawner: "), (FILES, "")])
def test_root_without_the_right(tmp_path, capability, step, routes, prefix):
    """A root that may not become somebody else, as in a container, does not go on as root."""
    wrap = ["setpriv", f"--bounding-set=-{capability}"]
    lines = run_in_vain(tmp_path, f"[gateway]\nuser = daemon\n{routes}", wrap)
    assert len(lines) == 1, lines
    words = f'ERROR cannot start step={shown(prefix + step)} error="Operation not permitted"'
    assert lines[0].endswith(words), lines


def test_bounding_set_stays_where_it_must(start):
    """Without CAP_SETPCAP it can't be emptied; everything else is as it should be."""
    wrap = ["setpriv", "--bounding-set=-all,+setuid,+setgid,+chown"]
    gw = start(wrap=wrap, gateway={"user": "daemon"})
    for status in everybody(gw):
        check_identity(status, 1, 1, [1])
        check_no_capabilities(status, f"{1 << 0 | 1 << 6 | 1 << 7:016x}")


PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, PR_CAP_AMBIENT = 38, 22, 47
CALLS = {
    "x86_64": {
        "setuid": 105,
        "setgroups": 116,
        "setresuid": 117,
        "setresgid": 119,
        "capget": 125,
        "capset": 126,
        "prctl": 157,
    },
    "aarch64": {
        "capget": 90,
        "capset": 91,
        "setuid": 146,
        "setresuid": 147,
        "setresgid": 149,
        "setgroups": 159,
        "prctl": 167,
    },
}[platform.machine()]


def answering(call, error, argument=None):
    """For preexec_fn: the kernel answers `error` to a system call (0: it says that it has done it) and does nothing."""
    load, equal, answer = 0x20, 0x15, 0x06  # BPF_LD | BPF_W | BPF_ABS, BPF_JMP | BPF_JEQ | BPF_K, BPF_RET | BPF_K
    steps = [(load, 0, 0, 0), (equal, 0, 1, CALLS[call]), (answer, 0, 0, 0x00050000 | error)]
    if argument is not None:
        steps[2:2] = [(load, 0, 0, 16), (equal, 0, 1, argument)]
        steps[1] = (equal, 0, 3, CALLS[call])
    steps.append((answer, 0, 0, 0x7FFF0000))
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)

    def install(keep=code):
        # Groups and a capability that stay where a step is left out.
        os.setgroups([4, 27])
        header, data = struct.pack("Ii", 0x20080522, 0), ctypes.create_string_buffer(24)
        assert libc.capget(header, data) == 0
        words = list(struct.unpack("6I", data))
        words[2] |= 1  # inheritable: CAP_CHOWN
        assert libc.capset(header, struct.pack("6I", *words)) == 0
        assert libc.prctl(PR_SET_SECCOMP, 2, program, 0, 0) == 0, os.strerror(ctypes.get_errno())

    return install


# The steps of becoming another user, each failing, and each only seeming to work: call, its first argument, errno, what is said.
BECOMING = [
    ("setgroups", None, errno.EPERM, "setgroups"),
    ("setgroups", None, 0, "verify the supplementary groups"),
    ("setresgid", None, errno.EAGAIN, "setresgid"),
    ("setresgid", None, 0, "verify the group"),
    ("setresuid", None, errno.EAGAIN, "setresuid"),
    ("setresuid", None, 0, "verify the user"),
    ("setuid", None, 0, "verify that root is gone"),
    ("prctl", PR_CAP_AMBIENT, errno.EINVAL, "clear the ambient capabilities"),
    ("capset", None, errno.EPERM, "capset"),
    ("capset", None, 0, "verify that no capability is left"),
]


@pytest.mark.parametrize("routes, prefix", [(SERVED, "start the spawner: "), (FILES, "")])
@pytest.mark.parametrize(
    "call, argument, error, step",
    [
        *BECOMING,
        ("capget", None, errno.EPERM, "capget"),
        ("prctl", PR_SET_NO_NEW_PRIVS, errno.EINVAL, "no_new_privs"),
    ],
)
def test_each_step(tmp_path, call, argument, error, step, routes, prefix):
    """Whichever step fails, or only seems to work, nobody is served and the one line names it."""
    lines = run_in_vain(tmp_path, f"[gateway]\nuser = daemon\n{routes}", before=answering(call, error, argument))
    assert len(lines) == 1, lines
    words = shown(prefix + step)
    assert f"ERROR cannot start step={words} error=" in lines[0], lines
    assert os.strerror(error or errno.EPERM) in lines[0], lines


# run_as

AS = {f"route /{name}": {**STATUS["route /status"], "run_as": name} for name in ("nobody", "daemon", "4242:4243", "root")}
LEFT = "processes that programs have started live on: they are other users' or don't die"


def status_at(gw, path):
    """What a program of that route sees of itself."""
    with gw.ws(path) as ws:
        text, code, _ = ws.recv_all()
    assert code == 1000, text
    return status_of(text.decode())


@pytest.mark.parametrize("keys", [{}, {"user": "daemon"}, {"user": "4242", "group": "4243"}])
def test_run_as(start, keys):
    """Each program is its route's user, or the gateway's; the spawner alone stays root, and nobody gains by execve."""
    gw = start({**STATUS, **AS}, wrap=["setpriv", "--groups=4,27,5", "--inh-caps=+net_bind_service"], gateway=keys)
    us = {None: (0, 0, [4, 5, 27]), "daemon": (1, 1, [1]), "4242": (4242, 4243, [4243])}[keys.get("user")]
    for status in (*statuses(gw.pid), status_at(gw, "/status")):
        check_identity(status, *us)
        if us[0]:
            check_no_capabilities(status, NONE)
    (spawner,) = statuses(gw.spawner)
    check_identity(spawner, 0, 0, [4, 5, 27])
    for path, uid, gid in (("/nobody", 65534, 65534), ("/daemon", 1, 1), ("/4242:4243", 4242, 4243), ("/root", 0, 0)):
        status = status_at(gw, path)
        check_identity(status, uid, gid, [gid])
        if uid:
            check_no_capabilities(status, NONE)
        assert status["Uid"] == [str(uid)] * 4


@pytest.mark.parametrize(
    "routes, keys, route",
    [
        ({"route /nobody": AS["route /nobody"]}, {}, None),
        ({"route /nobody": AS["route /nobody"], "route /a": {"console": "yes", "run_as": "root"}}, {}, None),
        ({**STATUS, "route /nobody": AS["route /nobody"]}, {"user": "daemon"}, None),
        ({"route /nobody": AS["route /nobody"], **STATUS}, {}, "/status"),
        ({**STATUS, **AS}, {"user": "daemon"}, "/root"),
    ],
)
def test_run_as_root_is_said(start, routes, keys, route):
    """The warning comes when, and only when, a program runs as root, and names its route."""
    gw = start(routes, gateway=keys)
    said = [line["route"] for line in gw.logged(WARNING, since_mark=False, level="warning")]
    assert said == ([route] if route else [])


def test_run_as_with_supplementary_groups(start, everyone):
    """All of that user's groups, also when they are many, and two routes with the same user."""
    known = [f"daemon:x:{pwd.getpwnam('daemon').pw_gid}:daemon", "bin:x:2:"]
    known += [f"wsluice-{gid}:x:{gid}:other,daemon" for gid in range(5000, 5300)]
    (everyone / "group").write_text("\n".join(known) + "\n")
    inside = f'mount --bind {everyone}/group /etc/group && exec "$0" "$@"'
    routes = {
        f"route /{i}": {**STATUS["route /status"], "run_as": name}
        for i, name in enumerate(("daemon", "daemon", "daemon:bin", "nobody:bin"))
    }
    gw = start(routes, wrap=["unshare", "--mount", "sh", "-c", inside])
    for path in ("/0", "/1"):
        check_identity(status_at(gw, path), 1, 1, [1, *range(5000, 5300)])
    check_identity(status_at(gw, "/2"), 1, 2, [1, 2, *range(5000, 5300)])
    check_identity(status_at(gw, "/3"), 65534, 2, [2])


RUN_AS = "[listen a]\naddress = 127.0.0.1:0\n[route /x]\nexec = cat\nrun_as = %s\n"


@pytest.mark.parametrize("run_as", ["root", "daemon", "4243:4242", "4242:4243"])
@pytest.mark.parametrize("program", ["exec = cat", "dir = /usr/bin"])
def test_run_as_needs_root(everyone, run_as, program):
    text = (RUN_AS % run_as).replace("exec = cat", program).replace("/x", "/x/*")
    lines = run_in_vain(everyone, text, as_user(4242, ""), everyone / "wsluice")
    assert len(lines) == 1, lines
    words = "ERROR run_as of a route needs a start as root, or as that user with that group"
    assert lines[0].endswith(f"{words} route=/x/* run_as={run_as} uid=4242 gid=4242"), lines


@pytest.mark.parametrize("routes", [{**STATUS, "route /me": {"exec": "cat", "run_as": "4242:4243"}}])
def test_run_as_is_that_user_already(start, routes):
    """No root is needed; where nothing is started, neither."""
    routes = {**routes, "route /page": {"console": "yes", "run_as": "root"}}
    wrap = ["setpriv", "--reuid=4242", "--regid=4243", "--groups=27"]
    gw = start(routes, wrap=wrap)
    for status in everybody(gw):
        check_identity(status, 4242, 4243, [27])
        check_no_capabilities(status)
    with gw.ws("/me") as ws:
        ws.send_text("hello")
        assert ws.recv_text() == "hello"
        ws.close()


def test_run_as_with_no_more_rights_than_needed(start):
    """Three capabilities of root's, as a unit of systemd may leave them; programs have none."""
    gw = start(AS, wrap=["setpriv", "--bounding-set=-all,+setuid,+setgid,+kill"], gateway={"user": "daemon"})
    for path, uid in (("/nobody", 65534), ("/daemon", 1), ("/4242:4243", 4242)):
        status = status_at(gw, path)
        check_no_capabilities(status, f"{1 << 5 | 1 << 6 | 1 << 7:016x}")
        assert status["Uid"] == [str(uid)] * 4


@pytest.mark.parametrize("capability", ["setgid", "setuid", "kill"])
def test_run_as_without_the_right(tmp_path, capability):
    """A container's root that could not start such programs, or not end them, does not begin to."""
    lines = run_in_vain(tmp_path, RUN_AS % "daemon", ["setpriv", f"--bounding-set=-{capability}"])
    assert len(lines) == 1, lines
    step = shown(f"start the spawner: run_as without CAP_{capability.upper()}")
    assert lines[0].endswith(f'ERROR cannot start step={step} error="Operation not permitted"'), lines


@pytest.mark.parametrize(
    "call, argument, error, step",
    BECOMING,
)
def test_each_step_of_run_as(gateway, tmp_path, call, argument, error, step):
    """Whichever step fails, or only seems to work, the program never runs, and the log names the step."""
    ran = tmp_path / "ran"
    tmp_path.chmod(0o777)
    routes = {"route /as": {"exec": f"touch {ran}", "run_as": "4242:4243"}, "route /cat": {"exec": "cat"}}
    gw = gateway(routes, start=False, environment=NO_LEAKS)
    gw.limit = answering(call, error, argument)
    gw.start()
    gw.take_baseline()
    answer = gw.refused("/as")
    assert answer.status == (503 if error == errno.EAGAIN else 502)
    reason = gw.wait_log("request", path="/as")["reason"]
    assert reason.endswith(f"{step}: {os.strerror(error or errno.EPERM)}"), reason
    assert not ran.exists()
    with gw.ws("/cat") as ws:  # others are served
        ws.send_text("on")
        assert ws.recv_text() == "on"
        ws.close()


def test_run_as_when_the_spawner_dies(start):
    """What another user's program has started can't be killed by who is not root any more; that is said."""
    tree = 'sh -c "sleep 1000 & exec sleep 1000"'
    routes = {"route /other": {"exec": tree, "run_as": "4242:4243"}, "route /own": {"exec": tree}}
    gw = start(routes, gateway={"user": "daemon"})
    with gw.ws("/other"), gw.ws("/own"):
        leaders = gw.programs()
        eventually(lambda: all(children_of(pid) for pid in leaders), "they have not started all")
        others = [pid for leader in leaders for pid in (leader, *children_of(leader))]
        of_other = [pid for pid in others if statuses(pid)[0]["Uid"][0] == "4242"]
        os.kill(gw.spawner, signal.SIGKILL)
        assert gw.exited() == 1
    gw.process = None
    eventually(lambda: sum(map(alive, others)) <= 1, "more are left")
    left = [pid for pid in others if alive(pid)]
    assert len(left) == 1 and left[0] in of_other
    assert [line["processes"] for line in gw.logged(LEFT, level="warning")] == [1]
    os.kill(left[0], signal.SIGKILL)


def test_run_as_is_killed_with_the_gateway(start):
    """The spawner, which stays root, can end everybody's programs."""
    tree = "sh -c \"trap '' TERM; (setsid sleep 1000 &); sleep 1000 & exec sleep 1000\""
    routes = {"route /other": {"exec": tree, "run_as": "4242:4243"}, "route /own": {"exec": tree}}
    gw = start(routes, gateway={"user": "daemon"})
    gw.checked = False
    with gw.ws("/other"), gw.ws("/own"):

        def everything():
            found = children_of(gw.spawner)
            found += [pid for leader in found for pid in children_of(leader)]
            return len(found) == 6 and found

        pids = eventually(everything, "not all is there") + [gw.spawner]
        gw.kill()
        eventually(lambda: not any(map(alive, pids)), "it lives on")
