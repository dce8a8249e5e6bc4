"""log_target: a file that is opened again, logrotate, syslog; and what whoever starts the gateway sees."""
import gzip
import json
import os
import pathlib
import pwd
import re
import select
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading

import pytest
import wsraw
from gateway import ROOT, START, binary, ini, run
from wait import eventually, plateau

QUIET = {"route /console": {"console": "yes"}}  # without a program there is no warning of programs that run as root
CAT = {"route /ws": {"exec": "cat"}, **QUIET}
SHIPPED = ROOT / "etc/wsluice.logrotate"


def hammer(gw, first, n):
    """n requests, each a line that can be told from the others: /line/first, /line/first+1, ..."""
    for i in range(first, first + n):
        assert gw.get(f"/line/{i}").status == 404


def flood(gw, n):
    """n requests, each a line, as fast as they can be had."""
    for _ in range(n // 100):
        with gw.connect() as raw:
            raw.send(wsraw.request("/console", host=gw.host) * 100)
            for _ in range(100):
                assert raw.response().status == 200


def numbers(texts):
    """The numbers of hammer()'s lines in these texts, in their order."""
    return [int(n) for text in texts for n in re.findall(r'"path":"/line/(\d+)"', text)]


def written(directory, target, **options):
    """A configuration with this target."""
    path = directory / "gateway.ini"
    sections = {"gateway": {"log_target": target, **options}, "listen main": {"address": "127.0.0.1:0"}}
    path.write_text(ini(sections) + "\n" + ini(QUIET))
    return path


def started(gateway, tmp_path, target="file:gateway.log", **options):
    """A gateway that logs there, and the file, which is read as its log from now on."""
    path = tmp_path / "log.d" / "gateway.log"
    path.parent.mkdir(exist_ok=True)
    text = target.replace("gateway.log", str(path))
    gw = gateway(QUIET, gateway={"log_target": text, **options}, checked=False)
    gw.stderr_path, gw.log_path = gw.log_path, path
    gw.log_at, gw.log_seen = 0, []
    gw.mark()
    gw.take_baseline()
    gw.checked = True
    return gw, path


def threads_of(pid):
    """What each thread of a process is doing, and how often it has been given the CPU."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        lines = (task / "status").read_text().splitlines()
        found.append([line.split()[1] for line in lines if line.startswith(("State:", "voluntary_", "nonvoluntary_"))])
    return found


def rests(pid):
    """Has it done all that there was to do? Nothing of it is running or has been for a while."""
    return all(state == "S" for state, *_ in plateau(lambda: threads_of(pid)))


def test_file(gateway, tmp_path):
    """A new file of mode 0640; stderr has what was said at the start, and nothing else."""
    before = os.umask(0)
    try:
        gw, path = started(gateway, tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    hammer(gw, 0, 10)
    gw.wait_log("request", path="/line/9")
    gw.check_idle()
    gw.stop()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0]["msg"] == "listening" and lines[-1]["msg"] == "stopped"
    assert [json.loads(line)["msg"] for line in gw.stderr_path.read_text().splitlines()] == ["listening"]


@pytest.mark.parametrize("form", ["text", "logfmt", "json"])
def test_formats(gateway, tmp_path, form):
    gw = gateway(QUIET, gateway={"log_target": f"file:{tmp_path}/it", "log_format": form}, checked=False)
    gw.stop()
    line = (tmp_path / "it").read_text().splitlines()[0]
    begin = {"text": r"\d{4}-\d\d-\d\d ", "logfmt": r"ts=\d{4}-", "json": r'\{"ts":"\d{4}-'}
    assert re.match(begin[form], line) and "listening" in line, line


def test_appends(gateway, tmp_path):
    (tmp_path / "log.d").mkdir()
    (tmp_path / "log.d/gateway.log").write_text('{"msg":"old"}\n')
    _, path = started(gateway, tmp_path)
    assert path.read_text().startswith('{"msg":"old"}\n{"ts":')


def test_relative_to_where_it_was_started(gateway):
    """And it stays there when it is opened again."""
    gw = gateway(QUIET, gateway={"log_target": "file:it"}, checked=False)
    file = gw.dir / "it"
    assert "listening" in eventually(file.read_text, "no line")
    file.rename(gw.dir / "old")
    gw.signal(signal.SIGUSR1)
    eventually(file.exists, "it is not opened again")


@pytest.mark.parametrize(
    "target,why",
    [("file:/nothing/here/log", "No such file or directory"), ("file:/", "Is a directory"), ("fifo", "No such device")],
)
def test_cannot_be_opened(tmp_path, target, why):
    """The one who starts it sees why, and it does not start."""
    if target == "fifo":
        os.mkfifo(tmp_path / "fifo")
        target = f"file:{tmp_path}/fifo"
    config = tmp_path / "ini"
    config.write_text(
        ini({"gateway": {"log_target": target}, "listen main": {"address": "127.0.0.1:0"}}) + "\n" + ini(QUIET)
    )
    status, out, err = run(f"--config={config}")
    assert status == 1 and out == ""
    assert re.fullmatch(r"\S+ \S+ ERROR cannot open the log path=\S+ error=\"" + why + r".*\"\n", err), err
    assert target.removeprefix("file:") in err


@pytest.mark.parametrize(
    "target,why",
    [
        ("file:/nothing/here/log", "No such file or directory"),
        ("file:/", "Is a directory"),
        ("file:/dev/null/log", "Not a directory"),
    ],
)
def test_check_says_so_too(tmp_path, target, why):
    config = written(tmp_path, target)
    said = f"[gateway] log_target: {target.removeprefix('file:')}: {why}\n"
    assert run(f"--config={config}", "--check") == (1, "", said)


def test_check_leaves_no_trace(tmp_path):
    """Neither a file nor a line in one that is there; a FIFO's reader does not notice."""
    path = tmp_path / "it"
    config = written(tmp_path, f"file:{path}")
    assert run(f"--config={config}", "--check") == (0, "ok\n", "")
    assert not path.exists()
    path.write_text("old\n")
    path.chmod(0o600)
    before = path.stat()
    assert run(f"--config={config}", "--check") == (0, "ok\n", "")
    assert path.stat() == before and path.read_text() == "old\n"
    path.unlink()
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    assert run(f"--config={config}", "--check") == (0, "ok\n", "")
    assert select.select([reader], [], [], 0)[0] == []
    os.close(reader)


@pytest.mark.parametrize(
    "who,user,status",
    [
        (0, None, 0),  # root writes to everything
        (0, "nobody", 0),
        (65534, "nobody", 1),  # a start by this one would fail
        (65534, None, 1),
        (65534, "daemon", 0),  # that start is another one's, and what that one may is not known
        (65534, "root", 0),
    ],
)
@pytest.mark.parametrize("there", [False, True])
def test_check_by_another_user(who, user, status, there):
    """What somebody else than the service may not write to is no mistake; that there is no such place is one."""
    if os.geteuid() != 0:
        pytest.fail("this test needs root")
    with tempfile.TemporaryDirectory() as name:
        place = pathlib.Path(name)
        shutil.copy(binary(), place / "wsluice")
        place.chmod(0o755)
        if there:
            (place / "it").write_text("")
            (place / "it").chmod(0o600)
        more = {"user": user} if user else {}
        for target, expected in ((f"{name}/it", status), (f"{name}/nothing/it", 1)):
            config = written(place, f"file:{target}", **more)
            config.chmod(0o644)
            done = subprocess.run(
                [place / "wsluice", f"--config={config}", "--check"],
                capture_output=True,
                text=True,
                timeout=START,
                user=who,
                group=who,
                extra_groups=[],
                cwd="/",
            )
            why = "Permission denied" if target == f"{name}/it" else "No such file or directory"
            said = f"[gateway] log_target: {target}: {why}\n" if expected else ""
            assert (done.returncode, done.stdout, done.stderr) == (expected, "" if expected else "ok\n", said)


def test_root_gives_away_nothing_behind_a_link(tmp_path):
    """Who may change the link would choose the file."""
    if os.geteuid() != 0:
        pytest.fail("this test needs root")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "log").symlink_to("elsewhere")
    config = written(tmp_path, f"file:{tmp_path}/log/it", user="nobody")
    for words in ([], ["--check"]):
        status, out, err = run(f"--config={config}", *words)
        assert (status, out) == (1, "") and "Too many levels of symbolic links" in err and err.count("\n") == 1, err
    assert not list((tmp_path / "elsewhere").iterdir())


def test_no_file_for_a_start_in_vain():
    """Rights are looked at before there is a file."""
    if os.geteuid() != 0:
        pytest.fail("this test needs root")
    with tempfile.TemporaryDirectory() as name:
        place = pathlib.Path(name)
        shutil.copy(binary(), place / "wsluice")
        place.chmod(0o777)
        config = written(place, f"file:{name}/it", user="daemon")
        config.chmod(0o644)
        done = subprocess.run(
            [place / "wsluice", f"--config={config}"],
            capture_output=True,
            text=True,
            timeout=START,
            user=65534,
            group=65534,
            extra_groups=[],
            cwd="/",
        )
        assert done.returncode == 1 and "needs a start as root" in done.stderr, done.stderr
        assert not (place / "it").exists()


def test_a_start_that_fails_is_on_stderr_and_in_the_file(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = tmp_path / "ini"
        sections = {"gateway": {"log_target": f"file:{tmp_path}/it"}}
        sections["listen main"] = {"address": f"127.0.0.1:{taken.getsockname()[1]}"}
        config.write_text(ini(sections) + "\n" + ini(QUIET))
        status, _, err = run(f"--config={config}")
    assert status == 1 and "Address already in use" in err
    lines = [text.partition("Z ")[2] for text in ((tmp_path / "it").read_text(), err)]  # each has a time of its own
    assert lines[0] == lines[1] and "Address already in use" in lines[0]


@pytest.mark.threads
def test_reopened_under_load(gateway, tmp_path):
    """Renamed and SIGUSR1, twenty times while requests come in: each line once, whatever file it is in."""
    gw, path = started(gateway, tmp_path, workers=2)
    done = threading.Event()
    total = 0

    def load():
        nonlocal total
        while not done.is_set():
            hammer(gw, total, 10)
            total += 10

    thread = threading.Thread(target=load)
    thread.start()
    files = []
    try:
        for i in range(20):
            before = total
            eventually(lambda before=before: total > before, "no load")
            files.append(path.with_suffix(f".{i}"))
            path.rename(files[-1])
            gw.signal(signal.SIGUSR1)
            eventually(path.exists, "it is not opened again")
    finally:
        done.set()
        thread.join()
    gw.log_at, gw.log_seen = 0, []
    gw.check_idle()
    gw.stop()
    texts = [file.read_text() for file in [*files, path]]
    assert all(text.endswith("\n") and text for text in texts)
    assert sorted(numbers(texts)) == list(range(total))
    assert not [text for text in texts if "log lines lost" in text]


def test_what_comes_after_the_signal_is_in_the_new_file(gateway, tmp_path):
    gw, path = started(gateway, tmp_path)
    for i in range(10):
        hammer(gw, i, 1)
        gw.wait_log("request", path=f"/line/{i}")
        old = path.with_suffix(f".{i}")
        path.rename(old)
        gw.signal(signal.SIGUSR1)
        eventually(path.exists, "it is not opened again")
        hammer(gw, 100 + i, 1)
        gw.log_at, gw.log_seen = 0, []
        gw.mark()
        eventually(lambda i=i: numbers([path.read_text()]) == [100 + i], path.read_text)
        assert numbers([old.read_text()]) == ([i] if i == 0 else [100 + i - 1, i])


def test_cannot_be_opened_again(gateway, tmp_path):
    """The old file goes on and has the reason; the next signal, when the name is free, is obeyed."""
    gw, path = started(gateway, tmp_path)
    old = path.with_suffix(".old")
    path.rename(old)
    path.mkdir()
    gw.log_path = old
    gw.signal(signal.SIGUSR1)
    line = gw.wait_log("cannot open the log file again")
    assert line["level"] == "error" and line["path"] == str(path) and line["error"] == "Is a directory"
    hammer(gw, 0, 1)
    gw.wait_log("request", path="/line/0")
    path.rmdir()
    gw.signal(signal.SIGUSR1)
    eventually(path.exists, "it is not opened again")
    gw.log_path, gw.log_at, gw.log_seen, gw.marked = path, 0, [], 0
    assert gw.wait_log("log file opened again")["path"] == str(path)


def test_no_file_to_open_again(gateway):
    """SIGUSR1 with another target ends nothing."""
    gw = gateway(QUIET, gateway={"log_level": "debug"})
    gw.signal(signal.SIGUSR1)
    assert gw.wait_log("no log file to open again")["level"] == "debug"


@pytest.mark.parametrize("kind", ["fifo", "full"])
def test_a_file_that_takes_nothing(gateway, tmp_path, kind):
    """A FIFO that nobody reads, a full disk: sessions go on, and the next file is told what was lost."""
    path = tmp_path / "it"
    if kind == "fifo":
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    else:
        path.symlink_to("/dev/full")
    gw = gateway(CAT, gateway={"log_target": f"file:{path}"}, checked=False)
    flood(gw, 10000)
    path.unlink()
    gw.signal(signal.SIGUSR1)
    with gw.ws("/ws") as ws:
        ws.send_text("x")
        assert ws.recv_text() == "x"
        ws.close()
    seen = b""
    if kind == "fifo":

        def drained():
            nonlocal seen
            try:
                while data := os.read(reader, 65536):
                    seen += data
            except BlockingIOError:
                return False
            return True

        eventually(drained, "the writer has not closed the FIFO")
        os.close(reader)
    eventually(path.exists, "it is not opened again")
    eventually(lambda: rests(gw.pid), "it does not come to rest")  # the log has but so much time at the end
    gw.stop()
    lines = [json.loads(line) for line in [*seen.decode().splitlines(), *path.read_text().splitlines()]]
    lost = sum(line["count"] for line in lines if line["msg"] == "log lines lost")
    written = [line["msg"] for line in lines if line["msg"] != "log lines lost"]
    assert lost > 0 and written[-1] == "stopped"
    # What else is said: where it listens, the session, that the file was opened again, two of the end; and of root.
    assert len(written) + lost == 10000 + 5 + (os.geteuid() == 0), (lost, [msg for msg in written if msg != "request"])


def rotating(path, tmp_path):
    """A function that runs logrotate with the file that is shipped, for this log, and a systemctl that knows these units."""
    shipped, pattern = SHIPPED.read_text(), "/var/log/wsluice/*.log /var/log/wsluice-*/*.log {"
    assert shipped.count(pattern) == 1
    config, tools = tmp_path / "logrotate.conf", tmp_path / "tools"
    config.write_text(shipped.replace(pattern, f"{path.parent}/*.log {path.parent}-*/*.log {{"))
    config.chmod(0o600)
    path.parent.chmod(0o755)
    tools.mkdir()
    (tools / "systemctl").write_text(SYSTEMCTL)
    (tools / "systemctl").chmod(0o755)
    places = f"{tools}:{os.environ['PATH']}:/usr/sbin"

    def rotate(**units):
        (tools / "units").write_text("".join(f"{name} {pid}\n" for name, pid in units.items()))
        command = [shutil.which("logrotate", path=places), "--force", "--state", tmp_path / "state", config]
        environment = {**os.environ, "PATH": places}
        return subprocess.run(command, capture_output=True, text=True, timeout=START, env=environment)

    return rotate


# What the shipped file needs of it: running units (a file beside it has names and pids), and a signal to some of them.
SYSTEMCTL = """#!/bin/bash
here=${0%/*}
case "$*" in
"list-units --plain --no-legend --full --state=active wsluice.service wsluice@*.service")
	while read -r unit pid; do echo "$unit.service loaded active running It's wsluice"; done <"$here/units" ;;
"kill --kill-whom=main --signal=USR1 "?*)
	bad=0
	for unit in "${@:4}"; do
		kill -USR1 "$(sed -n "s/^${unit%.service} //p" "$here/units")" || bad=1
	done
	exit $bad ;;
*) exit 2 ;;
esac
"""


def test_logrotate(gateway, tmp_path):
    """The file that is shipped, run by logrotate under load: no line is lost."""
    gw, path = started(gateway, tmp_path)
    rotate = rotating(path, tmp_path)
    total = 0
    for turn in range(4):
        hammer(gw, total, 100)
        total += 100
        inode = path.stat().st_ino
        done = rotate(wsluice=gw.pid)
        assert done.returncode == 0 and not done.stderr, done.stderr
        assert path.stat().st_ino != inode
        eventually(lambda: "log file opened again" in path.read_text(), "it is not opened again")
    hammer(gw, total, 100)
    total += 100
    gw.log_at, gw.log_seen = 0, []
    gw.check_idle()
    gw.stop()
    texts = [path.read_text()]
    for old in path.parent.glob("gateway.log.*"):
        texts.append(gzip.open(old, "rt").read() if old.suffix == ".gz" else old.read_text())
    assert len(texts) == 5
    assert sorted(numbers(texts)) == list(range(total))


def test_logrotate_of_several(gateway, tmp_path):
    """Each gateway that runs is told, and none that does not run is missed."""
    first, path = started(gateway, tmp_path)
    beside = tmp_path / "log.d-one"
    beside.mkdir()
    second = gateway(QUIET, gateway={"log_target": f"file:{beside / 'gateway.log'}"}, checked=False)
    rotate = rotating(path, tmp_path)
    for units in {}, {"wsluice": first.pid, "wsluice@one": second.pid}:
        done = rotate(**units)
        assert done.returncode == 0 and not done.stderr, done.stderr
    for log in path, beside / "gateway.log":
        eventually(lambda log=log: "log file opened again" in log.read_text(), "it is not opened again")
    first.log_at, first.log_seen = 0, []


def test_logrotate_without_the_signal(gateway, tmp_path):
    """A signal that does not arrive is said; the next one does, and nothing is lost, though the new file was empty."""
    gw, path = started(gateway, tmp_path)
    rotate = rotating(path, tmp_path)
    hammer(gw, 0, 10)
    done = rotate(wsluice=2**22 + 1)  # no process has such a number
    assert done.returncode != 0 and "postrotate" in done.stderr, done.stderr
    hammer(gw, 10, 10)
    assert path.stat().st_size == 0
    # The next turn compresses the file that is still being written, and the writer may nap with the last lines.
    old = path.with_name("gateway.log.1")
    eventually(lambda: numbers([old.read_text()]) == [*range(20)], "lines are missing")
    done = rotate(wsluice=gw.pid)
    assert done.returncode == 0 and not done.stderr, done.stderr
    eventually(lambda: "log file opened again" in path.read_text(), "it is not opened again")
    gw.log_at, gw.log_seen = 0, []
    olds = path.parent.glob("gateway.log.*")
    texts = [gzip.open(old, "rt").read() if old.suffix == ".gz" else old.read_text() for old in olds]
    assert sorted(numbers(texts)) == list(range(20))


def test_root_gives_the_file_away(gateway):
    """Opened as root, and again as the user of the configuration."""
    if os.geteuid() != 0:
        pytest.fail("this test needs root")
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory() as name:  # pytest's own are for nobody else
        place = pathlib.Path(name)
        place.chmod(0o755)
        (place / "log.d").mkdir()
        os.chown(place / "log.d", nobody.pw_uid, -1)
        gw, path = started(gateway, place, user="nobody")
        assert path.stat().st_uid == nobody.pw_uid
        path.rename(path.with_suffix(".old"))
        gw.signal(signal.SIGUSR1)
        eventually(path.exists, "it is not opened again")
        assert path.stat().st_uid == nobody.pw_uid
        gw.log_at, gw.log_seen = 0, []
        gw.check_idle()
        gw.stop()


# syslog


def with_dev_log(tmp_path, program):
    """A program that runs `program` where /dev/log is tmp_path/socket: in a mount namespace of its own."""
    wrapper = tmp_path / "in-namespace"
    (tmp_path / "dev").mkdir()
    names = "null zero full random urandom tty fd stdin stdout stderr shm pts"
    wrapper.write_text(
        f"""#!/bin/sh
exec unshare {"" if os.geteuid() == 0 else "-r"} -m sh -euc '
	mount --rbind /dev {tmp_path}/dev
	mount -t tmpfs none /dev
	for name in {names}; do ln -s {tmp_path}/dev/$name /dev/$name; done
	ln -s {tmp_path}/socket /dev/log
	exec {program} "$@"' sh "$@"
"""
    )
    wrapper.chmod(0o755)
    return wrapper


def daemon(tmp_path, kind=socket.SOCK_DGRAM):
    """What listens at /dev/log."""
    it = socket.socket(socket.AF_UNIX, kind)
    it.bind(str(tmp_path / "socket"))
    it.settimeout(30)
    return it


class Message:
    """One message: <priority>date ident[pid]: text."""

    def __init__(self, data):
        match = re.fullmatch(rb"<(\d+)>\w{3} [ \d]\d \d\d:\d\d:\d\d (\w+)\[(\d+)\]: (.*)", data.rstrip(b"\0\n"))
        assert match, data
        self.facility, self.priority = divmod(int(match[1]), 8)
        self.ident, self.pid, self.text = match[2].decode(), int(match[3]), match[4].decode()


def messages(sock, until):
    """Reads messages up to one with that in it."""
    found = []
    while not found or until not in found[-1].text:
        found.append(Message(sock.recv(8192)))
    return found


def test_syslog(gateway, tmp_path):
    """A message a line: facility daemon, the line's priority, name and pid, and no time of ours."""
    with daemon(tmp_path) as sock:
        gw = gateway(
            QUIET,
            gateway={"log_target": "syslog", "log_format": "text", "log_level": "debug"},
            checked=False,
            program=with_dev_log(tmp_path, binary()),
        )
        gw.get("/nothing%0a%1b")
        gw.signal(signal.SIGUSR1)
        seen = messages(sock, "no log file to open again")
        gw.signal(signal.SIGTERM)
        seen += messages(sock, "stopped")
        assert all(m.facility == 3 and m.ident == "wsluice" and m.pid == gw.pid for m in seen)
        assert seen[0].text.startswith("INFO  listening address=127.0.0.1:") and seen[0].priority == 6
        (request,) = [m for m in seen if m.text.startswith("INFO  request")]
        assert request.priority == 6 and "path=/nothing%0a%1b" in request.text
        assert [m.priority for m in seen if m.text == "DEBUG no log file to open again"] == [7]
        assert gw.exited() == 0
        gw.process = None
        assert [line.split("Z ")[1] for line in gw.log_text().splitlines()] == [seen[0].text]


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_syslog_formats(gateway, tmp_path, form):
    with daemon(tmp_path) as sock:
        gateway(
            QUIET,
            gateway={"log_target": "syslog", "log_format": form},
            checked=False,
            program=with_dev_log(tmp_path, binary()),
        )
        (line,) = messages(sock, "listening")
        assert line.priority == 6
        assert json.loads(line.text)["msg"] == "listening" if form == "json" else line.text.startswith("ts=")


@pytest.mark.parametrize("what", ["absent", "dead"])
def test_no_syslog(tmp_path, what):
    if what == "dead":
        daemon(tmp_path).close()
    config = tmp_path / "ini"
    config.write_text(
        ini({"gateway": {"log_target": "syslog"}, "listen main": {"address": "127.0.0.1:0"}}) + "\n" + ini(QUIET)
    )
    program = with_dev_log(tmp_path, binary())
    status, _, err = run(f"--config={config}", program=program)
    why = "No such file or directory" if what == "absent" else "Connection refused"
    assert status == 1 and err.endswith(f' ERROR cannot open the log path=/dev/log error="{why}"\n'), err
    said = f"[gateway] log_target: /dev/log: {why}\n"
    assert run(f"--config={config}", "--check", program=program) == (1, "", said)


def test_a_stuck_syslog_holds_nobody(gateway, tmp_path):
    """A daemon that reads nothing: sessions go on, and SIGTERM ends it."""
    with daemon(tmp_path):
        gw = gateway(CAT, gateway={"log_target": "syslog"}, checked=False, program=with_dev_log(tmp_path, binary()))
        flood(gw, 12000)
        with gw.ws("/ws") as ws:
            ws.send_text("x")
            assert ws.recv_text() == "x"
            ws.close()
        gw.stop()


def test_syslog_that_was_stuck_says_what_was_lost(gateway, tmp_path):
    with daemon(tmp_path) as sock:
        gw = gateway(QUIET, gateway={"log_target": "syslog"}, checked=False, program=with_dev_log(tmp_path, binary()))
        flood(gw, 12000)
        requests = lost = 0
        # All of it before SIGTERM, after which the log has only so much time.
        while requests + lost < 12000:
            message = Message(sock.recv(8192))
            line = json.loads(message.text)
            requests += line["msg"] == "request"
            if line["msg"] == "log lines lost":
                assert message.priority == 4
                lost += line["count"]
        assert lost > 0 and requests + lost == 12000
        gw.signal(signal.SIGTERM)
        assert not [m for m in messages(sock, "stopped") if "request" in m.text or "lost" in m.text]
        assert gw.exited() == 0
        gw.process = None


def test_syslog_that_comes_back(gateway, tmp_path):
    """A daemon that is started anew gets what comes then, and how much did not get through."""
    sock = daemon(tmp_path)
    gw = gateway(
        QUIET,
        gateway={"log_target": "syslog"},
        checked=False,
        program=with_dev_log(tmp_path, binary()),
    )
    messages(sock, "listening")
    sock.close()
    hammer(gw, 0, 100)
    gw.signal(signal.SIGUSR2)
    eventually(lambda: rests(gw.pid), "it does not come to rest")  # it has tried to write each of these lines
    (tmp_path / "socket").unlink()
    with daemon(tmp_path) as sock:
        seen = []

        def told():
            hammer(gw, 100 + told.n, 1)
            told.n += 1
            seen.append(Message(sock.recv(8192)))
            return "log lines lost" in seen[-1].text

        told.n = 0
        eventually(told, "the loss is not told")
        gw.signal(signal.SIGTERM)
        seen += messages(sock, "stopped")
        assert gw.exited() == 0
        gw.process = None
    lines = [json.loads(m.text) for m in seen]
    lost = sum(line["count"] for line in lines if line["msg"] == "log lines lost")
    others = len([line for line in lines if line["msg"] in ("request", "counters")])
    assert lost > 0 and others + lost == 100 + told.n + 1
