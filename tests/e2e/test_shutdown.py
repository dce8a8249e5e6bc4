"""Signals, the drain, unix sockets."""
import os
import pwd
import signal
import ssl
import stat
import time

import pytest
import wsraw
from backends import free_port
from gateway import alive, run
from scripts import script
from wait import eventually

CAT = {"route /ws": {"exec": "cat"}, "route /console": {"console": "yes"}}


def own_port():
    """One that the kernel gives to nobody else once it is free again."""
    return {"address": f"127.0.0.1:{free_port()}"}


@pytest.mark.threads
@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGINT])
def test_clients_are_told(gateway, signo):
    """1001 to each, nothing more is accepted, exit 0."""
    gw = gateway(CAT, gateway={"workers": 4, "shutdown_grace": "1h"}, listen=own_port(), checked=False)
    clients = [gw.ws("/ws") for _ in range(50)]
    for ws in clients:
        ws.send_text("x")
        assert ws.recv_text() == "x"
    programs = gw.programs()
    gw.signal(signo)
    for ws in clients:
        ws.recv_close(1001)
        ws.drop()
    assert gw.exited() == 0
    gw.process = None
    assert not [pid for pid in programs if alive(pid)]
    with pytest.raises(ConnectionRefusedError):
        gw.connect()
    told = gw.logged("session ended", code_sent=1001, code_received=1001, reason="the gateway stops")
    assert len(told) == len(gw.logged("session ended")) == 50


def test_stops_at_once_when_idle(gateway):
    """Whoever waits in vain waits for an hour."""
    gw = gateway(CAT, gateway={"shutdown_grace": "1h"}, listen={"handshake_timeout": "1h"}, checked=False)
    raw = gw.connect()
    gw.stop()
    raw.drop()


def answers(gw):
    try:
        with gw.connect() as raw:
            raw.send(wsraw.request("/console", host=gw.host))
            raw.response()
            return True
    except (ConnectionRefusedError, ConnectionResetError, BrokenPipeError, EOFError, ssl.SSLError):
        return False


def test_does_not_accept_while_it_drains(gateway, tmp_path):
    """For as long as a program takes to end."""
    stays = script(tmp_path, "stays", "trap '' TERM\necho $$\nexec sleep 1000\n")
    routes = {**CAT, "route /ws": {"exec": stays, "stop_grace": "1h"}}
    gw = gateway(routes, gateway={"shutdown_grace": "1h"}, listen=own_port(), checked=False)
    with gw.ws("/ws") as ws:
        pid = int(ws.recv_text())
        gw.signal(signal.SIGTERM)
        told = ws.recv()
        assert told.code == 1001
        # The workers hear of it one after the other.
        eventually(lambda: not answers(gw), "the gateway still accepts")
        assert gw.process.poll() is None
        os.kill(pid, signal.SIGKILL)
        ws.answer_close(told)
    assert gw.exited() == 0
    gw.process = None


def test_grace_ends(gateway, tmp_path):
    """Clients that don't answer and programs that don't end are cut after shutdown_grace."""
    stubborn = script(tmp_path, "stubborn", "trap '' TERM\necho $$\nwhile :; do sleep 1; done\n")
    gw = gateway(
        {"route /ws": {"exec": stubborn, "stop_grace": "1h", "closing_wait": "1h"}},
        gateway={"shutdown_grace": "700ms"},
        checked=False,
    )
    ws = gw.ws("/ws")
    pid = int(ws.recv_text())
    begin = time.monotonic()
    gw.signal(signal.SIGTERM)
    assert gw.exited() == 0
    assert 0.6 < time.monotonic() - begin < 20  # of the 30 s that it has by default
    gw.process = None
    eventually(lambda: not alive(pid), "the program lives on")
    ws.drop()


def test_second_signal_cuts(gateway):
    gw = gateway(CAT, gateway={"shutdown_grace": "1h"}, checked=False)
    ws = gw.ws("/ws")
    gw.signal(signal.SIGTERM)
    assert ws.recv().code == 1001
    gw.signal(signal.SIGTERM)
    assert gw.exited() == 0
    gw.process = None
    ws.drop()


def test_last_words_are_still_delivered(gateway, tmp_path):
    """A program that ends when its input ends has what it says then forwarded."""
    gw = gateway(
        {"route /ws": {"exec": script(tmp_path, "bye", "cat\necho bye\n"), "closing_wait": "20s"}}, checked=False
    )
    with gw.ws("/ws") as ws:
        ws.send_text("x")
        assert ws.recv_text() == "x"
        gw.signal(signal.SIGTERM)
        got = ws.recv()
        while got.opcode != wsraw.CLOSE:
            got = ws.recv()
        assert got.code == 1001
        ws.answer_close(got)
    assert gw.exited() == 0
    gw.process = None


def test_pending_connections_do_not_hold_it(gateway):
    gw = gateway(CAT, gateway={"shutdown_grace": "1h"}, listen={"handshake_timeout": "1h"}, checked=False)
    half = gw.connect()
    half.send(wsraw.upgrade("/ws", gw.host)[:-2])
    eventually(lambda: gw.counters()["pending"] == 1, "not accepted")
    gw.signal(signal.SIGTERM)
    assert half.response().status == 408
    half.ended()
    half.drop()
    gw.stop()


def test_hup_is_said_and_ignored(gateway):
    gw = gateway(CAT)
    with gw.ws("/ws") as ws:
        gw.signal(signal.SIGHUP)
        gw.wait_log(
            "signal ignored: certificates and targets are read when they change, USR1 opens the log again, "
            "a changed configuration needs a restart",
            signal="HUP",
        )
        ws.send_text("x")
        assert ws.recv_text() == "x"
        ws.close()


def test_signals_of_a_terminal_do_not_reach_programs_first(gateway):
    """Ctrl-C goes to the foreground group: the spawner and the programs have groups of their own or ignore it."""
    gw = gateway(CAT, checked=False)
    with gw.ws("/ws") as ws:
        for signo in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            os.kill(gw.spawner, signo)
        ws.send_text("x")
        assert ws.recv_text() == "x"
        ws.close()
    gw.stop()


def test_counters(gateway):
    gw = gateway(CAT, listen={"handshake_timeout": "1h"})
    before = gw.counters()
    with gw.ws("/ws") as ws, gw.connect() as raw:
        raw.send(b"GET")
        eventually(lambda: gw.counters()["pending"] == 1, "not counted")
        now = gw.counters()
        assert (now["sessions"], now["children"]) == (1, 1)
        assert (
            now["descriptors"] >= before["descriptors"] + 4
            and now["events"] > before["events"]
            and now["timers"] > before["timers"]
        )
        ws.close()


# unix sockets


def unix(path, **keys):
    return {"address": f"unix:{path}", **keys}


@pytest.mark.parametrize("mode", [None, "0600", "0666"])
def test_unix_socket(gateway, tmp_path, mode):
    path = str(tmp_path / "s")
    gw = gateway(CAT, listen=unix(path, **({"mode": mode} if mode else {})))
    assert stat.S_IMODE(os.stat(path).st_mode) == int(mode or "0660", 8)
    for _ in range(3):
        with gw.ws("/ws", over=gw.connect(path)) as ws:
            ws.send_text("x")
            assert ws.recv_text() == "x"
            ws.close()
    with gw.connect(path) as raw:
        raw.send(wsraw.request("/console"))
        assert raw.response().status == 200


@pytest.mark.parametrize("owner", ["{user}", "{uid}", "{uid}:{gid}", "{user}:{gid}"])
def test_unix_socket_owner(gateway, tmp_path, owner):
    """Names and numbers, as chown takes them; root may give it to anybody, whether or not there is such a user."""
    uid, gid = (12345, 54321) if os.getuid() == 0 and "{user}" not in owner else (os.getuid(), os.getgid())
    owner = owner.format(user=pwd.getpwuid(os.getuid()).pw_name, uid=uid, gid=gid)
    path = tmp_path / "s"
    gateway(CAT, listen=unix(path, owner=owner))
    got = path.stat()
    assert (got.st_uid, got.st_gid) == (uid, gid if ":" in owner else os.getgid())


@pytest.mark.parametrize("owner", ["nobody-by-that-name", "0:nobody-by-that-name", "4294967295", "-1", "0:"])
def test_unknown_owner(tmp_path, owner):
    """A mistake in the file, not one of the start."""
    file = tmp_path / "test.ini"
    file.write_text(f"[listen a]\naddress = unix:{tmp_path}/s\nowner = {owner}\n[route /]\nconsole = yes\n")
    for check in (["--check"], []):
        status, _, err = run(f"--config={file}", *check)
        assert status == 1 and err.startswith(f"{file}:3: owner: there is no "), err


def test_stale_socket_is_replaced(gateway, tmp_path):
    """What a killed gateway left behind does not stop the next one."""
    path = str(tmp_path / "s")
    gw = gateway(CAT, listen=unix(path), checked=False)
    gw.process.kill()
    gw.exited()
    gw.process = None
    assert os.path.exists(path)
    gw = gateway(CAT, listen=unix(path))
    with gw.ws("/ws", over=gw.connect(path)) as ws:
        ws.close()


def test_live_socket_is_refused(gateway, tmp_path):
    path = str(tmp_path / "s")
    gw = gateway(CAT, listen=unix(path))
    status, _, err = run(f"--unixsocket={path}", "--port=0", "cat")
    assert status == 1 and path in err and "in use" in err
    with gw.ws("/ws", over=gw.connect(path)) as ws:
        ws.close()


def test_file_in_the_way_is_kept(tmp_path):
    path = tmp_path / "precious"
    path.write_text("data")
    status, _, err = run(f"--unixsocket={path}", "--port=0", "cat")
    assert status == 1 and str(path) in err
    assert path.read_text() == "data"


@pytest.mark.threads
def test_unix_socket_with_many_workers(gateway, tmp_path):
    """One acceptor deals to all of them."""
    path = str(tmp_path / "s")
    gw = gateway(CAT, gateway={"workers": 4}, listen=unix(path))
    clients = [gw.ws("/ws", over=gw.connect(path)) for _ in range(60)]
    for i, ws in enumerate(clients):
        ws.send_text(str(i))
    for i, ws in enumerate(clients):
        assert ws.recv_text() == str(i)
    for ws in clients:
        ws.close()
        ws.drop()


@pytest.mark.threads
def test_churn_while_it_stops(gateway):
    """Sessions begin and end on every thread at the moment of the signal."""
    gw = gateway(CAT, gateway={"workers": 4, "shutdown_grace": "2s"}, checked=False)
    clients = [gw.ws("/ws") for _ in range(40)]
    for ws in clients[::2]:
        ws.reset()
    half = [gw.connect() for _ in range(20)]
    for raw in half:
        raw.send(wsraw.upgrade("/ws", gw.host))
    gw.signal(signal.SIGTERM)
    gw.signal(signal.SIGUSR2)
    assert gw.exited() == 0
    gw.process = None
    gw.check_sanitizer()
    for raw in half + clients[1::2]:
        raw.drop()
