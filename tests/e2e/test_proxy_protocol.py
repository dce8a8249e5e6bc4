"""The PROXY protocol: who a proxy in front says the client is, and what a service is told of it."""
import socket
import ssl
import struct
from contextlib import ExitStack

import backends
import certs
import gateway as gateway_module
import proxyhdr
import pytest
import wsraw
from activation import Activated, listening
from conftest import counter
from gateway import Gateway
from proxyhdr import AUTHORITY, LOCAL, PROXY, SSL, UNIQUE_ID, tlv, tlvs_of, v1, v2
from scripts import script
from tlssock import TlsSocket
from wait import eventually, promptly
from wsraw import Raw

ENDS = ["v1", "v2"]


def GATEWAY(directory):
    """A listener for each kind of proxy, and services where the tests of this directory have them."""
    directory.mkdir(parents=True, exist_ok=True)
    show = script(directory, "show", 'echo "$REMOTE_ADDR|$REMOTE_PORT|$SERVER_NAME|$SERVER_PORT|$HTTPS|$REMOTE_HOST"\n')
    it = Gateway(
        directory,
        tls=gateway_module.over_tls,
        text=f"""
[gateway]
log_format = json
log_level = debug
workers = 2
max_sessions_per_ip = 3
[listen proxied]
address = 127.0.0.1:0
address = unix:{directory}/s
proxy_protocol = yes
trusted_proxies = 127.0.0.1
trusted_proxies = unix
[listen strangers]
address = 127.0.0.1:0
address = unix:{directory}/strangers
proxy_protocol = yes
trusted_proxies = 192.0.2.0/24
[listen direct]
address = 127.0.0.1:0
address = [::1]:0
address = unix:{directory}/direct
[listen hasty]
address = 127.0.0.1:0
proxy_protocol = yes
trusted_proxies = 127.0.0.0/8
handshake_timeout = 1500ms
[listen certificates]
address = 127.0.0.1:0
tls_certificate = {certs.run_pair().certificate}
tls_key = {certs.run_pair().key}
tls_client_ca = {certs.run_authority().certificate}
tls_client = accept
trusted_proxies = 127.0.0.1
[listen sealed]
address = 127.0.0.1:0
tls_certificate = {certs.run_pair().certificate}
tls_key = {certs.run_pair().key}
proxy_protocol = yes
trusted_proxies = 127.0.0.1
[defaults]
origins = same
[route /show]
exec = {show}
[route /console]
console = yes
[route /v1]
connect = unix:{directory}/service
send_proxy = v1
[route /v2]
connect = unix:{directory}/service
send_proxy = v2
[route /untold]
connect = unix:{directory}/service
""",
    )
    it.proxied, it.strangers, it.direct, it.direct6, it.hasty, it.certificates, it.sealed = (
        (host.strip("[]"), int(port))
        for host, port in (address.rsplit(":", 1) for address in it.addresses if not address.startswith("unix:"))
    )
    it.unix = str(directory / "s")
    return it


def arrive(gw, header, address=None, chunk=None):
    """A client that a proxy brings: the header, then TLS where the gateway speaks it."""
    raw = wsraw.connect(address or gw.proxied)
    raw.send(header, chunk)
    return Raw(TlsSocket(raw.sock, gw.context, "127.0.0.1")) if gw.tls else raw


def shown(gw, header, address=None, **options):
    """What a program finds: address, port, the server's name and port, HTTPS, REMOTE_HOST."""
    host = options.pop("host", "localhost")
    with gw.ws("/show", over=arrive(gw, header, address, **options), host=host) as ws:
        line = ws.recv_text()
        ws.recv_close(1000)
    return line.split("|")


@pytest.fixture
def service(gw):
    """Where the routes lead."""
    path = gw.dir / "service"
    try:
        with backends.service(proxyhdr.told, path=path) as it:
            yield it
    finally:
        path.unlink()


def closed(raw):
    """Nothing was answered."""
    assert raw.rest() == b""
    raw.drop()
    return True


# who the client is


@pytest.mark.parametrize("make", [v1, v2], ids=ENDS)
def test_client_is_named(gw, make):
    """To the program, and in the log. SERVER_* are about the gateway, whatever the proxy's own address was."""
    address, port, name, server_port, https, _ = shown(gw, make())
    assert (address, port) == ("192.0.2.1", "56324")
    assert (name, server_port) == ("localhost", str(gw.proxied[1]))
    assert https == ("on" if gw.tls else "")
    assert gw.wait_log("session ended")["peer"] == "192.0.2.1:56324"
    assert gw.logged("PROXY header")[0]["client"] == "192.0.2.1:56324"


@pytest.mark.plain_only("the header is in front of TLS, which does not know it")
@pytest.mark.parametrize("make", [v1, v2], ids=ENDS)
def test_client_of_v6(gw, make):
    assert shown(gw, make("2001:db8::1", "::1"))[:2] == ["2001:db8::1", "56324"]
    assert gw.wait_log("session ended")["peer"] == "[2001:db8::1]:56324"


@pytest.mark.parametrize("make", [v1, v2], ids=ENDS)
def test_proxy_on_a_unix_socket(gw, make):
    """trusted_proxies = unix."""
    assert shown(gw, make(), gw.unix)[:2] == ["192.0.2.1", "56324"]


@pytest.mark.plain_only("the header is in front of TLS, which does not know it")
@pytest.mark.parametrize("kind", [socket.AF_INET, socket.AF_UNIX], ids=["tcp", "unix"])
def test_proxy_on_a_socket_of_systemd(tmp_path, kind):
    path = str(tmp_path / "activated")
    show = script(tmp_path, "show", 'echo "$REMOTE_ADDR"\n')
    with listening(kind, path if kind == socket.AF_UNIX else ("127.0.0.1", 0)) as sock:
        gw = Activated(
            tmp_path / f"gateway{next(counter)}",
            {"route /show": {"exec": show}},
            sockets=[("web", sock)],
            listen={"address": "systemd:web", "proxy_protocol": "yes", "trusted_proxies": ["127.0.0.1", "unix"]},
        )
        try:
            gw.take_baseline()
            raw = wsraw.connect(sock.getsockname())
            raw.send(v2())
            with gw.ws("/show", over=raw, host="localhost") as ws:
                assert ws.recv_text() == "192.0.2.1"
                ws.recv_close(1000)
            gw.check_idle()
            gw.stop()
        finally:
            gw.kill()


@pytest.mark.plain_only("the header is in front of TLS, which does not know it")
@pytest.mark.parametrize(
    "header",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN 192.0.2.1 192.0.2.2 1 2\r\n",
        v2(command=LOCAL),
        proxyhdr.SIGNATURE + struct.pack("!BBH", PROXY, 0, 5) + b"?????",
    ],
    ids=["unknown", "unknown with more", "local", "unspecified"],
)
def test_client_is_not_named(gw, header):
    """Then it is who connected: a proxy that looks whether we are there."""
    assert shown(gw, header)[0] == "127.0.0.1"


def test_limits_go_by_the_client(gw, service):
    """max_sessions_per_ip = 3: of each client, not of the proxy."""
    headers = [make(f"192.0.2.{n}", port=port) for n, make in enumerate((v1, v2), 1) for port in (1, 2, 3)]
    clients = [gw.ws("/v1", over=arrive(gw, header), host="localhost") for header in headers]
    for header in (v1("192.0.2.1"), v2("192.0.2.2")):
        with arrive(gw, header) as raw:
            raw.send(wsraw.upgrade("/v1"))
            assert raw.response().status == 429
    for ws in clients:
        ws.close()
        ws.drop()


def test_requests_in_a_row(gw):
    """Plain requests on one connection are all of that client."""
    with arrive(gw, v1()) as raw:
        for _ in range(2):
            raw.send(wsraw.request("/console"))
            assert raw.response().status == 200
    gw.wait_log("request", n=2)
    assert [line["peer"] for line in gw.logged("request")] == ["192.0.2.1:56324"] * 2


@pytest.mark.plain_only("of a client with TLS whose proxy has none with us")
def test_client_speaks_tls_with_the_proxy(gw):
    """Said by version 2: HTTPS is on, and "same" is the origin with https."""
    header = v2(tlvs=tlv(SSL, b"\x01\0\0\0\1" + tlv(0x21, b"TLSv1.3")))
    assert shown(gw, header)[4] == "on"
    assert shown(gw, v2("192.0.2.2", tlvs=tlv(SSL, b"\0\0\0\0\1")))[4] == ""
    for scheme, status in (("https", 101), ("http", 403)):
        with arrive(gw, header) as raw:
            raw.send(wsraw.upgrade("/show", headers=[("Origin", f"{scheme}://localhost")]))
            assert raw.response().status == status


def test_in_pieces(gw):
    """However it comes."""
    header = v2(tlvs=tlv(AUTHORITY, b"example.org") + tlv(0x04, b"x" * 40))
    assert shown(gw, header, chunk=1)[0] == "192.0.2.1"
    assert shown(gw, v1(), chunk=7)[0] == "192.0.2.1"


# who may say so


@pytest.mark.plain_only("whether there is one is known before TLS")
@pytest.mark.parametrize(
    "sent, reason",
    [
        (wsraw.request("/console"), "something else came"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "something else came"),
        (v1("192.0.2.01"), "it has no valid address"),
        (v1().replace(b"\r\n", b"\n"), "its line is broken"),
        (b"PROXY " + b"x" * 120, "it is too long"),
        (proxyhdr.SIGNATURE + b"\x21\x11\xff\xff", "it is too long"),
        (proxyhdr.SIGNATURE + b"\x22\x11\x00\x0c", "its command is unknown"),
        (v2(tlvs=tlv(proxyhdr.CRC32C, b"\0\0\0\0")), "its checksum is wrong"),
        (v2(tlvs=b"\x02\x00"), "what is behind its addresses is broken"),
    ],
)
def test_no_header(gw, sent, reason):
    """Closed without an answer, and one line."""
    with wsraw.connect(gw.proxied) as raw:
        raw.send(sent)
        closed(raw)
    assert gw.wait_log("no PROXY header")["reason"] == reason
    gw.check_idle()
    assert len([line for line in gw.logged() if line["level"] != "debug" and line["msg"] != "counters"]) == 1


@pytest.mark.plain_only("whether there is one is known before TLS")
@pytest.mark.parametrize("sent", [b"", b"PROXY TCP4 192.0.2.1", v2()[:20]], ids=["nothing", "half a line", "half"])
def test_header_in_time(gw, sent):
    """3 s, which a unit test waits for, or handshake_timeout if that is less."""
    with wsraw.connect(gw.hasty) as raw:
        raw.send(sent)
        closed(raw)
    assert gw.wait_log("no PROXY header")["reason"] == "it did not come in time"


def test_stranger(gw):
    """From an address that is none of a proxy's: with TLS closed, else told, whatever it sends."""
    for address in (gw.strangers, str(gw.dir / "strangers")):
        for sent in (v1(), v2(), wsraw.request("/console")):
            gw.mark()
            with wsraw.connect(address) as raw:
                raw.send(sent)
                if gw.tls:
                    closed(raw)
                    line = gw.wait_log("connection refused")
                else:
                    answer = raw.response()
                    assert answer.status == 400 and "trusted_proxies" in answer.text
                    raw.ended()
                    line = gw.wait_log("request", status=400)
            assert line["reason"] == "its address is none of trusted_proxies"
            assert not line["peer"].startswith("192.0.2.1")


def test_header_where_none_is_expected(gw):
    """It is what it looks like: a broken request, of which the log says what it may be, or no TLS."""
    for header in (v1(), v2()):
        with wsraw.connect(gw.direct) as raw:
            raw.send(header + wsraw.request("/console"))
            if gw.tls:
                assert b"HTTP/1.1 200" not in raw.rest()
                gw.wait_log("TLS failed")
            else:
                assert raw.response().status == 400
                assert "PROXY header" in gw.wait_log("request", status=400)["reason"]
        gw.mark()


@pytest.mark.plain_only("the listener has TLS anyhow")
@pytest.mark.parametrize("plain", [wsraw.request("/console"), b"xyz", b"\r\n", v1()])
def test_nothing_between_header_and_handshake(gw, plain):
    """What comes in front of TLS without being it is never a request (pre-TLS injection)."""
    with wsraw.connect(gw.sealed) as raw:
        raw.send(v1() + plain)
        sock = TlsSocket(raw.sock, certs.run_context(), "127.0.0.1", handshake=False)
        with pytest.raises((ssl.SSLError, OSError, EOFError)):
            sock.sendall(wsraw.request("/console"))
            Raw(sock).response()
    eventually(lambda: gw.logged("TLS failed") or gw.logged("request", status=400), gw.log_text)
    assert not gw.logged("request", status=200)


@pytest.mark.parametrize("sent", [b"", v1()[:20]], ids=["nothing", "half"])
def test_stop_meanwhile(gateway, sent):
    """Who is about to say who it is does not hold up the end."""
    gw = gateway(
        {"route /console": {"console": "yes"}},
        listen={"proxy_protocol": "yes", "trusted_proxies": "127.0.0.1", "handshake_timeout": "1h"},
        gateway={"shutdown_grace": "1h"},
        checked=False,
        tls=False,
    )
    with wsraw.connect(("127.0.0.1", gw.port)) as raw:
        raw.send(sent)
        eventually(lambda: gw.counters()["pending"] == 1, "it is not there")
        gw.signal(15)
        assert gw.exited() == 0
        closed(raw)


@pytest.mark.plain_only("what is pending is counted before TLS")
@pytest.mark.threads
def test_max_pending(gateway):
    """Who has not said yet who it is has a place among those that are not upgraded; two of them leave none."""
    gw = gateway(
        {"route /console": {"console": "yes"}},
        listen={"proxy_protocol": "yes", "trusted_proxies": "127.0.0.1"},
        gateway={"max_pending": 2},
    )

    def play():
        with ExitStack() as stack:
            eventually(lambda: gw.counters()["pending"] == 0, "others are there yet")
            gw.mark()
            halves = [stack.enter_context(wsraw.connect(("127.0.0.1", gw.port))) for _ in range(2)]
            for raw in halves:
                raw.send(v1()[:10])
            eventually(lambda: gw.counters()["pending"] == 2 or gw.logged("no PROXY header"), "they are not counted")
            third = stack.enter_context(wsraw.connect(("127.0.0.1", gw.port)))
            third.send(v2() + wsraw.request("/console"))
            halves[0].send(v1()[10:])  # its place is still its own
            assert gw.counters()["pending"] == 2
            halves[0].drop()
            assert third.response().status == 200

    promptly(play, late=2)  # the header has to come within 3 s


@pytest.mark.plain_only("whether there is one is known before TLS")
@pytest.mark.threads
def test_many_at_once(gateway):
    """Clients of many proxies on several workers, slow ones and broken ones among them."""
    gw = gateway(
        {"route /console": {"console": "yes"}},
        listen={"proxy_protocol": "yes", "trusted_proxies": "127.0.0.1"},
        gateway={"workers": 4},
    )

    def play():
        with ExitStack() as stack:
            here = [stack.enter_context(wsraw.connect(("127.0.0.1", gw.port))) for _ in range(120)]
            headers = [(v2 if i % 2 and i % 3 != 1 else v1)(f"192.0.2.{i}") for i in range(len(here))]
            cuts = [i % (len(header) - 1) + 1 for i, header in enumerate(headers)]
            for i, raw in enumerate(here):
                raw.send(headers[i][: cuts[i]])
            for i, raw in enumerate(here):
                if i % 3 == 0:
                    raw.reset()
                elif i % 3 == 1:
                    raw.send(b"\xff\n" * 60)
                else:
                    raw.send(headers[i][cuts[i] :] + wsraw.request("/console"))
            for i, raw in enumerate(here):
                if i % 3 == 1:
                    closed(raw)
                elif i % 3 == 2:
                    assert raw.response().status == 200
                    gw.wait_log("request", peer=f"192.0.2.{i}:56324")

    promptly(play, late=2)  # a header has to come within 3 s


# what a service is told


def ask(gw, service, path, over=None, **options):
    """The header that the service gets from a session, which works; and that session's id."""
    gw.mark()
    with gw.ws(path, over=over or gw.connect(gw.direct), **options) as ws:
        own = ws.sock.getsockname()
        ws.send_text("hello")
        assert ws.recv_bytes(5) == b"hello"
        ws.close()
    assert service.received == b"hello"
    service.received = b""
    return service.header, own, gw.wait_log("session ended")["id"]


def test_service_is_told_v1(gw, service):
    header, own, _ = ask(gw, service, "/v1")
    assert header.line == f"PROXY TCP4 127.0.0.1 127.0.0.1 {own[1]} {gw.direct[1]}"


@pytest.mark.plain_only("addresses have nothing to do with TLS")
def test_service_is_told_of_v6(gw, service):
    header, own, _ = ask(gw, service, "/v1", over=gw.connect(gw.direct6), host="localhost")
    assert header.line == f"PROXY TCP6 ::1 ::1 {own[1]} {gw.direct6[1]}"
    header, own, _ = ask(gw, service, "/v2", over=gw.connect(gw.direct6), host="localhost")
    assert (header.source, header.to) == (("::1", own[1]), ("::1", gw.direct6[1]))


def test_service_is_told_v2(gw, service):
    """And the id of the log, and the host without its port."""
    header, own, ident = ask(gw, service, "/v2", host="localhost:12345")
    assert (header.command, header.family) == (PROXY, proxyhdr.TCP4)
    assert (header.source, header.to) == (("127.0.0.1", own[1]), gw.direct)
    assert header.tlvs[UNIQUE_ID] == ident.encode()
    assert header.tlvs[AUTHORITY] == b"localhost"
    assert (SSL in header.tlvs) == gw.tls
    if gw.tls:
        client, verify = struct.unpack("!BI", header.tlvs[SSL][:5])
        inner = tlvs_of(header.tlvs[SSL][5:])
        assert (client, verify != 0) == (1, True)
        assert inner[proxyhdr.SSL_VERSION] == b"TLSv1.3"
        assert inner[proxyhdr.SSL_CIPHER].startswith(b"TLS_")
        assert proxyhdr.SSL_CN not in inner


@pytest.mark.plain_only("the listener has TLS anyhow")
@pytest.mark.parametrize("name", ["alice", "Zoë, Büro 3", "x" * 64])
def test_service_is_told_of_a_certificate(gw, service, name):
    """Its common name, in UTF-8 and without escapes; "verify" is 0 when it was found good."""
    pair = certs.run_authority().issue(f"client{next(counter)}", names=(), subject=f"/O=Example/CN={name}")
    context = certs.client_context(pair=pair)
    over = wsraw.connect(gw.certificates, tls=context)
    header, _, _ = ask(gw, service, "/v2", over=over, host="localhost")
    client, verify = struct.unpack("!BI", header.tlvs[SSL][:5])
    assert (client, verify) == (7, 0)
    assert tlvs_of(header.tlvs[SSL][5:])[proxyhdr.SSL_CN] == name.encode()
    # the certificate of a proxy is not its client's
    over, headers = wsraw.connect(gw.certificates, tls=context), [("X-Forwarded-For", "203.0.113.5")]
    header, _, _ = ask(gw, service, "/v2", over=over, host="localhost", headers=headers)
    assert (header.source, header.tlvs[SSL]) == (("203.0.113.5", 0), b"\1\0\0\0\1")


@pytest.mark.plain_only("addresses have nothing to do with TLS")
def test_service_is_told_by_several_proxies(gw, service):
    """The client of the header that came, and where that client had connected."""
    for make in (v1, v2):
        header, _, _ = ask(gw, service, "/v1", over=arrive(gw, make()), host="localhost")
        assert header.line == "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443"
        header, _, _ = ask(gw, service, "/v2", over=arrive(gw, make("2001:db8::1", "::1")), host="localhost")
        assert (header.source, header.to) == (("2001:db8::1", 56324), ("::1", 443))


def test_service_is_told_of_tls_in_front(gw, service):
    """What the proxy says of its client's TLS; but what we know of it ourselves comes first."""
    value = b"\7\0\0\0\0" + tlv(0x21, b"TLSv1.2") + tlv(0x22, "Zoë".encode()) + tlv(0x23, b"ECDHE")
    header, _, ident = ask(gw, service, "/v2", over=arrive(gw, v2(tlvs=tlv(SSL, value))), host="localhost")
    if gw.tls:
        assert tlvs_of(header.tlvs[SSL][5:])[proxyhdr.SSL_VERSION] == b"TLSv1.3"
        return
    assert (header.tlvs[SSL], header.tlvs[UNIQUE_ID]) == (value, ident.encode())
    header, _, _ = ask(gw, service, "/v1", over=arrive(gw, v2(tlvs=tlv(SSL, value))), host="localhost")
    assert header.line == "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443"
    # of a client behind that one nobody has said more than that it has TLS
    over = arrive(gw, v2("127.0.0.1", tlvs=tlv(SSL, value)))
    header, _, _ = ask(gw, service, "/v2", over=over, host="localhost", headers=[("X-Forwarded-For", "203.0.113.5")])
    assert (header.source, header.tlvs[SSL]) == (("203.0.113.5", 0), b"\1\0\0\0\1")


@pytest.mark.plain_only("addresses have nothing to do with TLS")
def test_service_is_told_of_a_unix_socket(gw, service):
    """That there is nothing to tell."""
    path = str(gw.dir / "direct")
    header, _, _ = ask(gw, service, "/v1", over=gw.connect(path))
    assert header.line == "PROXY UNKNOWN"
    header, _, _ = ask(gw, service, "/v2", over=gw.connect(path))
    assert (header.command, header.family, header.tlvs) == (LOCAL, 0, {})


def test_first_frames_come_behind_it(gw, service):
    with gw.ws("/v2", over=gw.connect(gw.direct), first=wsraw.frame(wsraw.TEXT, "first")) as ws:
        assert ws.recv_bytes(5) == b"first"
        ws.close()
    assert service.received == b"first" and service.header.family == proxyhdr.TCP4


@pytest.mark.plain_only("addresses have nothing to do with TLS")
def test_service_is_not_told_unless_asked(gw, service):
    service.handler = backends.echo
    with gw.ws("/untold", over=gw.connect(gw.direct)) as ws:
        ws.send_text("hello")
        assert ws.recv_bytes(5) == b"hello"
        ws.close()
    assert service.received == b"hello"
