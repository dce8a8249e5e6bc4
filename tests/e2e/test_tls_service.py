"""Services behind TLS (tls://): who is believed and what is shown, every end of either side, and files that change."""
import os
import select
import shutil
import socket
import ssl
import tempfile
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import backends
import certs
import pytest
import wsraw
from backends import sends, silent, sink
from gateway import Gateway, run
from tlsservice import TlsService, echo, run_server_context, server_context, tls_service
from wait import eventually, promptly
from wsraw import CLOSE, TEXT, close_frame, frame

pytestmark = pytest.mark.plain_only("the service's side is the same whatever the client speaks")

MEGABYTE = os.urandom(1 << 20)
CA = "tls_ca"
LENGTHS = (1, 4095, 4096, 4097, 16383, 16384, 16385, 65536, 1 << 20)
both = pytest.mark.parametrize("version", ["1.2", "1.3"])
SERVICES = []  # the module's: the first one is behind every route, the second one is the next of /next


def GATEWAY(directory):
    if not SERVICES:
        SERVICES.extend(TlsService() for _ in range(2))
    authority = certs.run_authority()
    one, two = (it.uri for it in SERVICES)
    ca = {CA: authority.certificate}
    shown = authority.issue("shown-to-services", names=())
    routes = {
        "route /tls": {"connect": one, **ca},
        "route /lines": {"connect": one, "framing": "lines", **ca},
        "route /half": {"connect": one, "eof_message": "yes", **ca},
        "route /localhost": {"connect": one.replace("127.0.0.1", "localhost"), **ca},
        "route /name": {"connect": one, "tls_name": "a.example", **ca},
        "route /address": {"connect": one.replace("127.0.0.1", "localhost"), "tls_name": "127.0.0.1", **ca},
        "route /blind": {"connect": one, "tls_verify": "no"},
        "route /system": {"connect": one},
        "route /shown": {"connect": one, "tls_cert": shown.certificate, "tls_key": shown.key, **ca},
        "route /close": {"connect": one, "refuse_as": "close", **ca},
        "route /short": {"connect": one, "connect_timeout": "300ms", **ca},
        "route /patient": {"connect": one, "connect_timeout": "1h", **ca},
        "route /next": {"connect": [one, two], "connect_timeout": "5s", "health": "none", **ca},
        "route /slow": {"connect": one, "buffer": "64k", **ca},
    }
    gw = Gateway(directory, routes)
    gw.shown = shown
    return gw


@pytest.fixture(scope="module", autouse=True)
def _services_end():
    yield
    while SERVICES:
        SERVICES.pop().close()


@pytest.fixture
def it(gw):
    """The first service, as it is at the start."""
    return SERVICES[0].serves()


def refused(gw, path, status=502):
    """A 502, or what else, and the reason that only the log has."""
    answer = gw.refused(path)
    assert answer.status == status, answer
    return gw.wait_log("request", status=status)["reason"]


# every byte


@both
def test_echo(gw, it, version):
    """Every byte there and back; our end is close_notify, then that of TCP."""

    def play():
        it.serves(echo, run_server_context(version))
        gw.mark()
        with gw.ws("/tls") as ws:
            for n in (1, 100, 16385, 1 << 20):
                ws.send_binary(MEGABYTE[:n])
                assert ws.recv_bytes(n) == MEGABYTE[:n]
            assert ws.close().code == 1000
        line = gw.wait_log("session ended")
        assert (line["backend"], line["code_sent"]) == (it.uri, 1000), line
        eventually(lambda: it.notified == 1 and it.at_eof == 1, "the service does not see an end in good order")
        assert it.resets == 0
        assert line["end"] == "closed"

    promptly(play, late=0.8)  # a service that has heard our end has a second for its own


@both
def test_speaks_first(gw, it, version):
    it.serves(sends(b"RFB 003.008\n", then="half"), run_server_context(version))
    with gw.ws("/tls") as ws:
        assert ws.recv_bytes(12) == b"RFB 003.008\n"
        ws.close()


@both
def test_tail(gw, it, version):
    """Bytes, close_notify and the end of TCP in one write: all bytes, then 1000 (K1)."""

    def sends_all_at_once(it, tls):
        tls.sendall_and_shutdown(MEGABYTE[:n])
        sink(it, tls)

    for n in LENGTHS:
        it.serves(sends_all_at_once, run_server_context(version))
        with gw.ws("/tls") as ws:
            got, code, reason = ws.recv_all()
            assert (len(got), got == MEGABYTE[:n], code, reason) == (n, True, 1000, "")


@both
def test_cut_off(gw, it, version):
    """The end of TCP without close_notify could be anybody's: all bytes that came, then 1011."""

    def cuts(_it, tls):
        tls.sendall(MEGABYTE[:n])
        tls.sock.shutdown(socket.SHUT_WR)
        while tls.sock.recv(65536):
            pass

    for n in LENGTHS:
        it.serves(cuts, run_server_context(version))
        gw.mark()
        with gw.ws("/tls") as ws:
            got, code, reason = ws.recv_all()
            assert (len(got), got == MEGABYTE[:n], code) == (n, True, 1011)
        assert reason == gw.wait_log("session ended")["end"] == "ended without close_notify"


@both
def test_cut_in_a_line(gw, it, version):
    """What an end in good order completes, a cut does not."""
    for shut, lines in ((True, [b"one", b"two"]), (False, [b"one"])):

        def ends(_it, tls, shut=shut):
            tls.sendall(b"one\ntwo")
            tls.shutdown(socket.SHUT_WR) if shut else tls.sock.shutdown(socket.SHUT_WR)
            while tls.sock.recv(65536):
                pass

        it.serves(ends, run_server_context(version))
        with gw.ws("/lines") as ws:
            got, code, _ = ws.recv_all()
            assert (got, code) == (b"".join(lines), 1000 if shut else 1011)


@both
def test_resets(gw, it, version):
    def resets_after_being_told(it, tls):
        tls.sendall(b"x" * 5000)
        it.read(tls)
        backends.reset(tls)

    it.serves(resets_after_being_told, run_server_context(version))
    with gw.ws("/tls") as ws:
        assert ws.recv_bytes(5000) == b"x" * 5000
        ws.send_text("now")
        got = ws.recv()
        assert (got.opcode, got.code) == (CLOSE, 1011) and "reset" in got.reason
        ws.answer_close(got)


@both
def test_service_ends_and_reads_on(gw, it, version):
    """After its close_notify what the client has on the way still arrives, up to its own end. TLS 1.2 too."""
    it.serves(sends(b"bye", then="half"), run_server_context(version))
    with gw.ws("/tls") as ws:
        assert ws.recv_bytes(3) == b"bye"
        got = ws.recv()
        assert (got.opcode, got.code) == (CLOSE, 1000)
        ws.send_binary(MEGABYTE)
        ws.send_close(1000)
        ws.ended()
    it.wait_received(MEGABYTE)
    eventually(lambda: it.notified == 1, "the service does not see an end in good order")


@both
def test_client_ends_and_hears_the_rest(gw, it, version):
    """An empty message is our close_notify; the answer to that is heard in full."""

    def answers_the_end(it, tls):
        while it.read(tls):
            pass
        tls.sendall(MEGABYTE)
        tls.shutdown(socket.SHUT_WR)

    it.serves(answers_the_end, run_server_context(version))
    with gw.ws("/half") as ws:
        ws.send_text("last")
        ws.send_text("")
        got, code, _ = ws.recv_all()
        assert (got == MEGABYTE, code) == (True, 1000)
    eventually(lambda: it.notified == 1, "the service does not see an end in good order")
    assert it.received == b"last"


@both
def test_client_vanishes(gw, it, version):
    """What came whole arrives, then a reset and no close_notify: it is not the whole."""
    it.serves(sink, run_server_context(version))
    ws = gw.ws("/tls")
    ws.send(frame(TEXT, "whole") + frame(TEXT, "half of it")[:-5])
    it.wait_received(b"wholehalf ")
    ws.reset()
    eventually(lambda: it.resets + it.at_eof, "the service is not told")
    assert (it.resets, it.at_eof, it.notified) == (1, 0, 0)


@both
def test_slow_client(gw, it, version):
    """Reading stops and goes on many times, with records half decrypted (K4)."""
    data = MEGABYTE * 4
    it.serves(sends(data), run_server_context(version))
    with gw.ws("/slow", over=gw.connect(rcvbuf=4096)) as ws:
        got, code, _ = ws.recv_all()
        assert (got == data, code) == (True, 1000)


# whom we believe


def test_not_believed(gw, it, tmp_path):
    """502, and only the log knows why; the service is told by an alert. With tls_verify = no all are good."""
    authority = certs.run_authority()
    now = datetime.now(timezone.utc)
    stranger = certs.Authority(tmp_path / "stranger")
    wrong = {
        "IP address mismatch (wanted: 127.0.0.1; tls_name sets another)": authority.issue(
            "elsewhere", names=("DNS:elsewhere.example",)
        ),
        "certificate has expired": authority.issue(
            "expired-service", start=now - timedelta(days=2), end=now - timedelta(days=1)
        ),
        "certificate is not yet valid": authority.issue("early-service", start=now + timedelta(days=1)),
        "self-signed certificate (tls_ca names the file of who is believed)": certs.Pair(
            stranger.certificate, stranger.dir / "ca.key"
        ),
        "unable to get local issuer certificate (tls_ca names the file of who is believed)": stranger.issue(
            "strange-service"
        ),
    }
    for words, pair in wrong.items():
        it.serves(echo, server_context(pair))
        gw.mark()
        reason = refused(gw, "/tls")
        assert reason == f"TLS with 127.0.0.1:{it.port}: the service's certificate: {words}"
        eventually(lambda: it.failures, "the service is not told")
        assert "alert" in str(it.failures[0]), it.failures
        with gw.ws("/blind") as ws:
            ws.send_text("x")
            assert ws.recv_bytes(1) == b"x"
            ws.close()


def test_expired_authority(gateway, tmp_path):
    """It is told apart from a service's own certificate that has expired, and --check warns of it."""
    authority = certs.Authority(tmp_path / "old")
    now = datetime.now(timezone.utc)
    ca = authority.dated(now - timedelta(days=2), now - timedelta(days=1))
    with tls_service() as service:
        service.serves(echo, server_context(authority.issue("young")))
        gw = gateway({"route /*": {"connect": service.uri, CA: ca}})
        (line,) = gw.logged("TLS file used all the same", since_mark=False)
        assert (line["file"], "holds a certificate that expired at" in line["reason"]) == (str(ca), True)
        assert refused(gw, "/").endswith("the certificate of the service's authority: certificate has expired")
    ini = tmp_path / "a.ini"
    ini.write_text(f"[listen a]\naddress = 127.0.0.1:0\n[route /a]\nconnect = tls://127.0.0.1:1\ntls_ca = {ca}\n")
    status, out, err = run(f"--config={ini}", "--check")
    assert (status, out) == (0, "ok\n")
    assert err.startswith(f"warning: [route /a] {ca} holds a certificate that expired at "), err


def test_nobody_is_verified(gateway, it, tmp_path):
    """tls_verify = no is worth a warning, by --check and at the start, and no error."""
    words = "tls_verify = no: whoever answers is taken for the service, and can read and change all"
    gw = gateway({"route /*": {"connect": it.uri, "tls_verify": "no"}})
    (line,) = gw.logged("TLS protects from nobody on the way", since_mark=False)
    assert (line["level"], line["route"], line["reason"]) == ("warning", "/*", words)
    ini = tmp_path / "a.ini"
    ini.write_text("[listen a]\naddress = 127.0.0.1:0\n[route /a]\nconnect = tls://127.0.0.1:1\ntls_verify = no\n")
    assert run(f"--config={ini}", "--check") == (0, "ok\n", f"warning: [route /a] {words}\n")


def test_refused_as_close(gw, it, tmp_path):
    it.serves(echo, server_context(certs.Authority(tmp_path / "other").issue("other-service")))
    with gw.ws("/close") as ws:
        got = ws.recv()
        assert (got.opcode, got.code) == (CLOSE, 1014), got
        assert got.reason == "TLS with what this route leads to failed; the log of the gateway says why."
        ws.answer_close(got)


def test_names(gw, it):
    """The service is asked for its name, or for tls_name, and its certificate must have that; addresses are not asked
    for, and their own kind of name."""
    pairs = {
        "/tls": (None, ["IP:127.0.0.1"]),
        "/localhost": ("localhost", ["DNS:localhost"]),
        "/name": ("a.example", ["DNS:*.example", "DNS:a.example"]),
        "/address": (None, ["IP:127.0.0.1"]),
    }
    for path, (name, names) in pairs.items():
        it.serves(echo, server_context(certs.run_authority().issue(f"names{path[1:]}", names=names)))
        for other in pairs:
            gw.mark()
            if pairs[other][1] == names or (other == path):
                with gw.ws(other) as ws:
                    ws.close()
            else:
                wanted = pairs[other][0] or "127.0.0.1"
                assert f"mismatch (wanted: {wanted};" in refused(gw, other)
            assert it.names[-1] == pairs[other][0]
        assert name in it.names


def test_tls_is_what_is_asked_for(gw, it):
    """Old versions and ciphers are not spoken."""
    old = server_context(version="1.2")
    old.set_ciphers("AES128-SHA:ECDHE+SHA:@SECLEVEL=0")
    it.serves(echo, old)
    assert "alert" in refused(gw, "/tls")
    modern = server_context()
    modern.set_alpn_protocols(["http/1.1"])
    seen = []

    def looks(_it, tls):
        seen.append((tls.tls.version(), tls.tls.selected_alpn_protocol()))
        tls.shutdown(socket.SHUT_WR)

    it.serves(looks, modern)
    with gw.ws("/tls") as ws:
        ws.recv_close(1000)
    assert seen == [("TLSv1.3", None)]


# what we show


@both
def test_certificate_shown(gw, it, version):
    """To a service that asks, and to no other."""
    for clients in (certs.run_authority(), None):
        it.serves(echo, server_context(version=version, clients=clients))
        with gw.ws("/shown") as ws:
            ws.send_text("x")
            assert ws.recv_bytes(1) == b"x"
            ws.close()
        assert it.shown == [gw.shown.der if clients else None]


@both
def test_certificate_missing(gw, it, version):
    """A service that insists says so before TLS 1.2 is there: 502; after TLS 1.3 is: 1011."""
    it.serves(echo, server_context(version=version, clients=certs.run_authority()))
    if version == "1.2":
        assert refused(gw, "/tls") == f"TLS with 127.0.0.1:{it.port}: the service's alert: handshake failure"
        return
    with gw.ws("/tls") as ws:
        ws.send_text("x")
        got = ws.recv()
        assert (got.opcode, got.code) == (CLOSE, 1011)
        ws.answer_close(got)
    assert gw.wait_log("session ended")["end"] == "the service's alert: certificate required"


# handshakes that come to nothing


def test_no_tls(gw, it):
    """Services that speak something else: 502 at once, and nothing of ours goes out without TLS."""
    heard = []

    def speaks(words):
        def plain(sock):
            sock.sendall(words)
            while data := sock.recv(65536):
                heard.append(data)

        return plain

    for words in (b"SSH-2.0-x\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 100):
        it.serves(plain=speaks(words))
        gw.mark()
        reason = refused(gw, "/tls")
        assert reason.startswith(f"TLS with 127.0.0.1:{it.port}: "), reason
        assert reason.endswith(
            ("wrong version number: it does not seem to speak TLS", "http request: it does not seem to speak TLS")
        ), reason
    assert all(data[0] in (0x15, 0x16) for data in heard), heard


def closes(sock):
    """Ends TCP before the hello is read."""
    sock.shutdown(socket.SHUT_WR)
    while sock.recv(65536):
        pass


def closes_later(sock):
    sock.recv(65536)
    sock.close()


def resets(sock):
    sock.recv(65536)
    backends.reset(sock)


def notifies(sock):
    """An end in good order, where there is no TLS yet to end."""
    sock.recv(65536)
    sock.sendall(b"\x15\x03\x03\x00\x02\x01\x00")
    sock.close()


def test_ends_during_the_handshake(gw, it):
    """Before or after the hello, in good order or not."""

    for plain, words in (
        (closes, "ended during the handshake"),
        (closes_later, "ended during the handshake"),
        (resets, "Connection reset by peer"),
        (notifies, "ended during the handshake"),
    ):
        it.serves(plain=plain)
        gw.mark()
        assert refused(gw, "/tls") == f"TLS with 127.0.0.1:{it.port}: {words}", plain


def flight():
    """What a service answers to a hello, as far as the first byte of it counts."""
    came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_in, client_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = certs.client_context().wrap_bio(client_in, client_out, server_hostname="localhost")
    server = run_server_context("1.3").wrap_bio(came, goes, server_side=True)
    for side in (client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            came.write(client_out.read())
    return goes.read()


def test_silent_or_slow(gw, it):
    """A handshake that does not end in connect_timeout, which is the route's own: 504, and others are served meanwhile."""

    def trickles(sock):
        for byte in flight():
            sock.sendall(bytes([byte]))
            if select.select([sock], [], [], 0.02)[0] and not sock.recv(65536):
                return

    for plain in (lambda sock: silent(it, sock), trickles):
        begun = threading.Semaphore(0)

        def begins(sock, plain=plain, begun=begun):
            begun.release()
            plain(sock)

        it.serves(plain=begins)
        gw.mark()
        with gw.connect() as patient:
            patient.send(wsraw.upgrade("/patient", gw.host))
            assert begun.acquire(timeout=30), "no attempt"
            begin = time.monotonic()
            with gw.connect() as raw:
                raw.send(wsraw.upgrade("/short", gw.host))
                assert begun.acquire(timeout=30), "no attempt"
                it.plain = None
                with gw.ws("/tls") as ws:
                    ws.send_text("meanwhile")
                    assert ws.recv_bytes(9) == b"meanwhile"
                    ws.close()
                assert raw.response().status == 504 and time.monotonic() - begin > 0.25
                raw.ended()
        line = gw.wait_log("request", status=504)  # who came before and has more time has no line yet
        assert (line["path"], line["reason"].endswith("Connection timed out")) == ("/short", True), line


def test_client_leaves_during_the_handshake(gw, it):
    """The attempt ends with it; the module's gateway must be idle afterwards."""
    for how in ("drop", "reset"):
        it.serves(plain=lambda sock: silent(it, sock))
        raw = gw.connect()
        raw.send(wsraw.upgrade("/tls", gw.host))
        eventually(lambda: it.connections, "no attempt")
        getattr(raw, how)()
        it.connections[0].settimeout(30)
        data = b"x"
        while data:
            try:
                data = it.connections[0].recv(65536)
            except ConnectionResetError:
                data = b""


def test_everything_at_once(gw, it):
    """Frames that came with the handshake of the client wait for that with the service."""
    it.serves(sink)
    with gw.connect() as raw:
        raw.send(wsraw.upgrade("/tls", gw.host) + frame(TEXT, b"precious") + close_frame(1000))
        raw.shut()
        it.wait_received(b"precious")
    eventually(lambda: it.notified == 1, "no end in good order")


def test_next(gw, it, tmp_path):
    """The next service is tried when TLS with the first one comes to nothing, be it at once or in time."""
    bad = server_context(certs.Authority(tmp_path / "other").issue("other-service"))
    for change in (
        {"context": bad},
        {"plain": lambda sock: sock.sendall(b"plain\r\n")},
        {"plain": lambda sock: silent(it, sock)},
        {"plain": closes_later},
    ):
        it.serves(**change)
        second = SERVICES[1].serves()
        gw.mark()
        with gw.ws("/next") as ws:
            ws.send_text("x")
            assert ws.recv_bytes(1) == b"x"
            ws.close()
        assert gw.wait_log("session ended")["backend"] == second.uri
        eventually(lambda: it.connections, "the first one was not tried")
        assert len(it.connections) == len(second.connections) == 1
    SERVICES[1].serves(plain=closes_later)
    it.serves(context=bad)
    gw.mark()
    reason = refused(gw, "/next")
    assert "unable to get local issuer" in reason and "ended during the handshake" in reason, reason


# the system's authorities, and files that change


@pytest.fixture
def everyone():
    """A directory that every user may look into."""
    with tempfile.TemporaryDirectory(prefix="wsluice-store-") as directory:
        path = Path(directory)
        path.chmod(0o755)
        yield path


def hashed(directory, authority):
    """A directory as ca-certificates makes it, with that authority."""
    directory.mkdir(exist_ok=True)
    name = certs.openssl("x509", "-noout", "-subject_hash", "-in", authority.certificate).decode().strip()
    shutil.copy(authority.certificate, directory / f"{name}.0").chmod(0o644)
    directory.chmod(0o755)
    return directory / f"{name}.0"


def test_system_authorities(gateway, everyone):
    """Those of the system count where a route names none, also for a user that came later; one that this user may not read
    does not, and that is said; who is taken out of them is not believed any more, and that there are none is said."""
    store = everyone / "store"
    link = hashed(store, certs.run_authority())
    with tls_service(host="127.0.0.1") as it:
        gw = gateway(
            {"route /system": {"connect": it.uri}},
            gateway={"user": "nobody"} if os.geteuid() == 0 else {},
            environment={"SSL_CERT_DIR": str(store), "SSL_CERT_FILE": str(everyone / "none.pem")},
        )
        link.chmod(0)
        assert "unable to get local issuer certificate: Permission denied" in refused(gw, "/system")
        link.chmod(0o644)
        with gw.ws("/system") as ws:
            link.unlink()
            line = gw.wait_log("TLS files read again")
            assert line["route"] == "/system"
            ws.send_text("still here")
            assert ws.recv_bytes(10) == b"still here"
            ws.close()
        assert "unable to get local issuer certificate" in refused(gw, "/system")
        assert "ca-certificates" in gw.wait_log("TLS file used all the same")["reason"]


def test_files_that_change(gateway, tmp_path):
    """A new authority and a new certificate count for new sessions, each bad state is said once and changes nothing."""
    first, second = (certs.Authority(tmp_path / name) for name in ("first", "second"))
    ca, cert, key = (tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem"))

    def put(source, target):
        shutil.copy(source, f"{target}.new")
        os.rename(f"{target}.new", target)

    def put_pair(pair):
        put(pair.key, key)
        put(pair.certificate, cert)
        return pair.der

    def again(n):
        gw.wait_log("TLS files read again", route="/tls", n=n)

    put(first.certificate, ca)
    shown = put_pair(certs.run_authority().issue("changing1", names=()))
    next_pair = certs.run_authority().issue("changing2", names=())
    by_first, by_second = (
        server_context(authority.issue("it"), clients=certs.run_authority()) for authority in (first, second)
    )
    with tls_service(context=by_first) as it:
        gw = gateway({"route /tls": {"connect": it.uri, CA: ca, "tls_cert": cert, "tls_key": key}})
        with gw.ws("/tls") as old:
            eventually(lambda: it.shown == [shown], lambda: f"{it.shown}")
            with gw.stopped():  # it looks again when a second is over, and would see some of them
                put(second.certificate, ca)
                newer = put_pair(next_pair)
            again(1)
            assert "unable to get local issuer" in refused(gw, "/tls")
            it.context = by_second
            with gw.ws("/tls") as ws:
                ws.send_text("x")
                assert ws.recv_bytes(1) == b"x"
                ws.close()
            assert it.shown == [shown, newer]
            garbage = tmp_path / "garbage"
            garbage.write_text("garbage")
            put(garbage, key)
            line = gw.wait_log("new TLS files can't be used, the old ones stay")
            assert (line["route"], line["file"]) == ("/tls", str(key)) and "no private key" in line["reason"]
            with gw.ws("/tls") as ws:
                ws.close()
            old.send_text("as before")
            assert old.recv_bytes(9) == b"as before"
            old.close()
        assert len(gw.logged("new TLS files can't be used, the old ones stay")) == 1


def test_check_and_start(tmp_path):
    """What is wrong with a route's files is said by --check and at the start."""
    authority = certs.run_authority()
    pair, other = (authority.issue(f"check{n}", names=()) for n in (1, 2))
    ini = tmp_path / "a.ini"
    text = f"[listen a]\naddress = 127.0.0.1:0\n[route /a]\nconnect = tls://127.0.0.1:1\ntls_ca = {pair.key}\n"
    ini.write_text(f"{text}tls_cert = {pair.certificate}\ntls_key = {other.key}\n")
    status, out, err = run(f"--config={ini}", "--check")
    assert (status, out) == (1, "")
    assert set(err.splitlines()) == {
        f"[route /a] {other.key} holds the key of another certificate than that of {pair.certificate}",
        f"[route /a] {pair.key} holds no certificate in PEM form",
    }
    status, _, err = run(f"--config={ini}")
    assert status == 1 and "TLS files can't be used" in err and "/a" in err
    ini.write_text(text.replace(str(pair.key), str(authority.certificate)))
    assert run(f"--config={ini}", "--check") == (0, "ok\n", "")
