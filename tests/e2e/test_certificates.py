"""Certificates that change while the gateway runs, that don't fit, and what --check says of them."""
import os
import shutil
import signal
import ssl
import tempfile
import threading
import time
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

import certs
import pytest
import wsraw
from gateway import NO_LEAKS, process_state, run
from scripts import script
from wait import eventually

ECHO = {"route /ws": {"exec": "cat", "framing": "records"}, "route /page": {"console": "yes"}}
AGAIN = "TLS files read again"
REFUSED = "new TLS files can't be used, the old ones stay"
SAME = "TLS file used all the same"


class Site:
    """A directory with a certificate and its key that come and go."""

    def __init__(self, directory, name="site"):
        self.dir = directory
        self.dir.mkdir()
        self.authority = certs.run_authority()
        self.name = name
        self.number = 0
        self.pair = certs.Pair(self.dir / "site.pem", self.dir / "site.key")
        self.renew()

    def issue(self, **options):
        """A new pair in files of its own."""
        self.number += 1
        return self.authority.issue(f"{self.dir.parent.name}-{self.dir.name}-{self.name}{self.number}", **options)

    def put(self, source, target):
        """Replaces a file as a whole."""
        shutil.copy(source, f"{target}.new")
        os.rename(f"{target}.new", target)

    def renew(self, **options):
        """Puts a new pair in its place, a file at a time; returns the certificate as it is on the wire."""
        pair = self.issue(**options)
        self.put(pair.key, self.pair.key)
        self.put(pair.certificate, self.pair.certificate)
        return pair.der

    @property
    def der(self):
        return self.pair.der


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path / "site")


def context(**options):
    return certs.client_context(certs.run_authority(), **options)


def served(gw, address=None, **options):
    """The certificate that a new connection gets."""
    with gw.connect(address, **options) as raw:
        return raw.sock.tls.getpeercert(True)


def served_by_all(gw):
    """Those that so many connections get that each worker has some of them."""
    return {served(gw) for _ in range(20)}


def wait_served(gw, der, **options):
    """Until it is, and the log, which comes by itself, says so."""
    eventually(lambda: served(gw, **options) == der, lambda: f"the new certificate is not served:\n{gw.log_text()}", 30)
    gw.wait_log(AGAIN, 30)


@contextmanager
def unseen(gw):
    """What is done to files meanwhile is one change to the gateway, however long it takes."""
    gw.signal(signal.SIGSTOP)
    try:
        eventually(lambda: process_state(gw.pid) == "T", "it does not stop")
        yield
    finally:
        gw.signal(signal.SIGCONT)


def echoes(ws, word="hello"):
    ws.send_text(word)
    assert ws.recv_text() == word


def start(gateway, site, more=None, **options):
    return gateway(ECHO, listen={**site.pair.keys, **(more or {})}, tls=context(), **options)


@pytest.mark.threads
def test_rotation_under_handshakes(gateway, site):
    """None fails; each gets one of the certificates; who was there before goes on. A key and its certificate are one change
    when no second passes between them (CERTIFICATES_LOOK_MS)."""
    gw = start(gateway, site)
    known, failures, done = {site.der}, [], threading.Event()
    counts, slowest = [0] * 4, 0.0

    def visit(number):
        try:
            while not done.is_set():
                with gw.ws("/ws", over=gw.connect()) as ws:
                    assert ws.sock.tls.getpeercert(True) in known
                    echoes(ws)
                    ws.close()
                counts[number] += 1
        except Exception as error:  # pylint: disable=broad-except
            failures.append(error)

    threads = [threading.Thread(target=visit, args=(i,)) for i in range(4)]
    with gw.ws("/ws") as old:
        for thread in threads:
            thread.start()
        try:
            for n in range(1, 5):
                pair = site.issue()
                known.add(pair.der)
                begin = time.monotonic()
                site.put(pair.key, site.pair.key)
                site.put(pair.certificate, site.pair.certificate)
                slowest = max(slowest, time.monotonic() - begin)
                eventually(lambda: len(gw.logged(AGAIN)) >= n or failures, f"rotation {n} is not logged")
                seen = list(counts)
                eventually(
                    lambda: failures or all(now > before + 2 for now, before in zip(counts, seen)),
                    "nobody comes any more",
                )
                if failures:
                    break
                # A worker that was told may have others to let in before it gets to that.
                eventually(lambda: served_by_all(gw) == {pair.der}, "the new certificate is not served by all")
                echoes(old)
        finally:
            done.set()
            for thread in threads:
                thread.join()
        assert not failures, failures
        old.close()
    assert len(gw.logged(AGAIN)) == 4 and (slowest > 0.9 or not gw.logged(REFUSED))


def test_each_bad_state_is_said_once(gateway, site):
    """What does not fit is not served; the next good pair is."""
    gw = start(gateway, site)
    old = site.der
    other = site.issue()
    site.put(other.key, site.pair.key)
    line = gw.wait_log(REFUSED)
    assert line["file"] == str(site.pair.key) and str(site.pair.certificate) in line["reason"], line
    assert line["level"] == "error" and line["listen"] == "main"
    assert served(gw) == old
    (site.dir / "garbage").write_text("garbage")
    site.put(site.dir / "garbage", site.pair.key)
    assert "no private key" in gw.wait_log(REFUSED, n=2)["reason"]
    assert served(gw) == old
    site.pair.key.unlink()
    assert "No such file" in gw.wait_log(REFUSED, n=3)["reason"]
    assert served(gw) == old
    with unseen(gw):
        site.put(other.key, site.pair.key)
        site.put(other.certificate, site.pair.certificate)
    wait_served(gw, other.der)
    assert len(gw.logged(REFUSED)) == 3 and len(gw.logged(AGAIN)) == 1


def test_files_written_in_place(gateway, site):
    gw = start(gateway, site)
    pair = site.issue()
    for source, target in ((pair.certificate, site.pair.certificate), (pair.key, site.pair.key)):
        target.write_bytes(source.read_bytes())
    wait_served(gw, pair.der)


def test_links_that_move(gateway, tmp_path):
    """As certbot keeps them: live/ leads to archive/, and a renewal moves the links."""
    archive = Site(tmp_path / "archive")
    live = tmp_path / "live"
    live.mkdir()
    pairs = [archive.issue(), archive.issue()]

    def lead(pair):
        for target, name in ((pair.certificate, "cert.pem"), (pair.key, "key.pem")):
            (live / "new").symlink_to(target)
            os.rename(live / "new", live / name)

    lead(pairs[0])
    gw = gateway(ECHO, listen={"tls_certificate": live / "cert.pem", "tls_key": live / "key.pem"}, tls=context())
    assert served(gw) == pairs[0].der
    lead(pairs[1])
    wait_served(gw, pairs[1].der)


def test_only_the_listener_whose_files_changed(gateway, tmp_path):
    sites = [Site(tmp_path / "one"), Site(tmp_path / "two")]
    text = "[gateway]\nlog_format = json\nworkers = 2\n[route /page]\nconsole = yes\n"
    for site in sites:
        text += f"[listen {site.dir.name}]\naddress = 127.0.0.1:0\n"
        text += "".join(f"{key} = {value}\n" for key, value in site.pair.keys.items())
    text += "[listen plain]\naddress = 127.0.0.1:0\n"
    gw = gateway(text=text, tls=context())
    addresses = [(host, int(port)) for host, _, port in (a.rpartition(":") for a in gw.addresses)]
    assert [served(gw, address) for address in addresses[:2]] == [site.der for site in sites]
    sites[1].renew()
    wait_served(gw, sites[1].der, address=addresses[1])
    assert served(gw, addresses[0]) == sites[0].der
    assert [line["listen"] for line in gw.logged(AGAIN)] == ["two"]
    with gw.connect(addresses[2], tls=None) as raw:
        raw.send(wsraw.request("/page", headers=[("Connection", "close")]))
        assert raw.response().status == 200


def test_a_new_authority_of_clients(gateway, site, tmp_path):
    """The file of tls_client_ca is followed too, and a session of before counts for nothing."""
    old, new = (certs.Authority(tmp_path / name, name) for name in ("old", "new"))
    mine, theirs = old.issue("mine"), new.issue("theirs")
    trusted = tmp_path / "clients.pem"
    site.put(old.certificate, trusted)
    gw = start(gateway, site, {"tls_client_ca": trusted})

    def let_in(pair):
        try:
            with gw.connect(tls=context(pair=pair)) as raw:
                raw.send(wsraw.request("/page", host=gw.host, headers=[("Connection", "close")]))
                return raw.response().status == 200
        except (ssl.SSLError, ConnectionResetError, BrokenPipeError):
            return False

    assert let_in(mine) and not let_in(theirs)
    site.put(new.certificate, trusted)
    eventually(lambda: let_in(theirs), "the new authority is not known")
    # A worker that was told may have others to let in before it gets to that.
    eventually(lambda: not any(let_in(mine) for _ in range(20)), "the old authority still counts")
    gw.wait_log(AGAIN)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed_with_the_next_certificate(gateway, site, version):
    gw = start(gateway, site)
    client = context()
    client.minimum_version = client.maximum_version = version

    def visit(session=None):
        with gw.connect(tls=client, session=session) as raw:
            raw.send(wsraw.request("/page", host=gw.host, headers=[("Connection", "close")]))
            assert raw.response().status == 200
            return raw.sock.tls.session_reused, raw.sock.tls.session

    session = visit()[1]
    site.renew()
    wait_served(gw, site.der)
    assert visit(session)[0]


def test_warnings_at_start_and_when_read_again(gateway, site):
    """Served all the same."""
    begin = datetime.now(timezone.utc)
    yesterday = begin - timedelta(days=1)
    site.renew(start=begin - timedelta(days=365), end=yesterday)
    unverified = context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    gw = gateway(ECHO, listen=site.pair.keys, tls=unverified)
    lines = gw.logged(SAME, since_mark=False)
    assert len(lines) == 1 and lines[0]["level"] == "warning", lines
    assert lines[0]["file"] == str(site.pair.certificate)
    assert lines[0]["reason"].startswith(f"holds a certificate that expired at {yesterday:%Y-%m-%d} ")
    assert served(gw) == site.der
    with unseen(gw):
        site.renew()
        site.pair.key.chmod(0o644)
    wait_served(gw, site.der)
    said = gw.logged(SAME)
    again = [line for line in said if line["reason"] == lines[0]["reason"]]
    midnights = (datetime.now(timezone.utc).date() - begin.date()).days  # each may bring it once more
    assert len(again) <= midnights and len(said) == len(again) + 1, said
    (line,) = [line for line in said if line not in again]
    assert line["file"] == str(site.pair.key) and "(mode 0644)" in line["reason"], line


def test_no_timer_without_tls(gateway, site):
    """An idle gateway without TLS is woken by nothing."""
    plain = gateway(ECHO, tls=False)
    with_tls = start(gateway, site)
    assert with_tls.baseline["timers"] == plain.baseline["timers"] + 1


def test_while_stopping(gateway, site, tmp_path):
    """A rotation during shutdown_grace neither hinders the end nor leaks. That lasts as long as the program."""
    stays = script(tmp_path, "stays", "trap '' TERM\necho up\nexec sleep 1000\n")
    gw = gateway(
        {"route /ws": {"exec": stays, "stop_grace": "1h"}},
        gateway={"shutdown_grace": "1h"},
        listen=site.pair.keys,
        tls=context(),
        checked=False,
    )
    with gw.ws("/ws") as ws:
        assert ws.recv_text() == "up"
        (pid,) = gw.programs()
        gw.signal(signal.SIGTERM)
        gw.wait_log("stopping")
        site.renew()
        gw.wait_log(AGAIN)
        os.kill(pid, signal.SIGKILL)
        ws.recv_close(1001)
    gw.stop()


@pytest.fixture
def everyone(site):
    """The site where every user can get at it, as this test's own."""
    if os.geteuid() != 0:
        pytest.fail("needs to be root, as the other tests of privileges do")
    for path in [site.dir, *site.dir.parents]:
        if path.stat().st_uid == os.geteuid() and path.parent.is_relative_to(tempfile.gettempdir()):
            path.chmod(path.stat().st_mode | 0o055)
    site.pair.certificate.chmod(0o644)  # whatever our umask is
    return site


@pytest.mark.parametrize("hidden", ["key", "directory"])
def test_files_that_the_user_may_not_read(gateway, everyone, hidden):
    """They are read as root; what can't be seen after that is said once, and is no change."""
    site = everyone
    if hidden == "directory":
        site.dir.chmod(0o700)
    gw = gateway(
        {"route /page": {"console": "yes"}},
        gateway={"user": "nobody"},
        listen=site.pair.keys,
        tls=context(),
        environment=NO_LEAKS,
    )
    warned = gw.logged("a TLS file will not be followed: the gateway's user may not read it", since_mark=False)
    files = [str(site.pair.key)] if hidden == "key" else [str(site.pair.certificate), str(site.pair.key)]
    assert [line["file"] for line in warned] == files
    old = site.der
    if hidden == "key":
        with unseen(gw):
            site.renew()
        assert "Permission denied" in gw.wait_log(REFUSED)["reason"]
        assert len(gw.logged(REFUSED)) == 1
    assert served(gw) == old


# start and --check


def ini(tmp_path, *listeners):
    path = tmp_path / "check.ini"
    text = "[route /]\nconsole = yes\n"
    for n, keys in enumerate(listeners):
        text += f"[listen l{n}]\naddress = 127.0.0.1:0\n"
        text += "".join(f"{key} = {value}\n" for key, value in keys.items())
    path.write_text(text)
    return f"--config={path}"


def test_check_reads_certificates(tmp_path, site):
    assert run(ini(tmp_path, site.pair.keys, {}), "--check") == (0, "ok\n", "")
    site.pair.key.chmod(0o644)
    status, out, err = run(ini(tmp_path, site.pair.keys), "--check")
    assert (status, out) == (0, "ok\n")
    assert err.startswith(f"warning: [listen l0] {site.pair.key} ") and err.count("\n") == 1, err


def test_check_and_start_say_every_mistake(tmp_path, site):
    other = site.issue()
    garbage = tmp_path / "garbage"
    garbage.write_text("garbage\n")
    config = ini(
        tmp_path,
        {"tls_certificate": site.pair.certificate, "tls_key": other.key},
        site.pair.keys,
        {"tls_certificate": garbage, "tls_key": site.pair.key},
        {**site.pair.keys, "tls_client_ca": garbage, "tls_ciphers": "NONSENSE"},
    )
    status, out, err = run(config, "--check")
    lines = err.splitlines()
    assert (status, out, len(lines)) == (1, "", 3), err
    assert lines[0].startswith(f"[listen l0] {other.key} ") and str(site.pair.certificate) in lines[0]
    assert lines[1] == f"[listen l2] {garbage} holds no certificate in PEM form"
    assert lines[2] == "[listen l3] tls_ciphers: none of them is known: NONSENSE"
    status, out, err = run(config)
    assert (status, out, len(err.splitlines())) == (1, "", 3), err
    assert "TLS files can't be used" in err and "listening" not in err


def test_encrypted_key_asks_nobody(tmp_path, site):
    locked = tmp_path / "locked.key"
    certs.openssl("pkey", "-in", site.pair.key, "-aes256", "-passout", "pass:secret", "-out", locked)
    config = ini(tmp_path, {"tls_certificate": site.pair.certificate, "tls_key": locked})
    for words in ([], ["--check"]):
        status, out, err = run(config, *words)
        assert status == 1 and not out and len(err.splitlines()) == 1, (out, err)
        assert str(locked) in err and "encrypted" in err, err
