"""Clients behind proxies: Forwarded and X-Forwarded-*, from whom they are believed, and everything that then goes by
the real client; nginx and HAProxy as they are told to be in docs/deployment.md."""
import certs
import proxies
import proxyhdr
import pytest
import wsraw
from backends import service
from gateway import Gateway
from test_environment import dump
from test_reverselookup import name_of
from test_websocketd import there  # noqa: F401 (a fixture)
from wait import eventually

PROXY, STRANGER = "127.0.0.1", "127.0.0.2"  # whom the gateway trusts, and whom not
FOR, PROTO = "X-Forwarded-For", "X-Forwarded-Proto"


def GATEWAY(directory):
    return Gateway(
        directory,
        {
            "listen away": {"address": "127.0.0.1:0", "redirect_to": "https://*", "trusted_proxies": PROXY},
            "route /env": {"exec": "env -0", "framing": "stream"},
            "route /cat": {"exec": "cat", "console": "yes"},
        },
        gateway={"max_sessions_per_ip": 2, "log_level": "debug"},
        listen={
            "address": ["127.0.0.1:0", f"unix:{directory}/socket"],
            "trusted_proxies": [f"{PROXY} 10.0.0.0/8", "2001:db8:ffff::/48 unix"],
        },
    )


def variables(gw, *headers, over=None, **options):
    with gw.ws("/env", over=over, headers=headers, **options) as ws:
        return dump(ws)


def own(env):
    """What does not come from a header, and is the same for each session."""
    names = ("UNIQUE_ID", "WSLUICE_SESSION", "REMOTE_PORT")
    return {name: value for name, value in env.items() if not name.startswith("HTTP_") and name not in names}


def without_tls(env):
    return {name: value for name, value in env.items() if not name.startswith("SSL_")}


def who(env):
    return tuple(env.get(name) for name in ("REMOTE_ADDR", "REMOTE_HOST", "REMOTE_PORT", "HTTPS"))


# what a program is told


def test_environment(gw):
    """The client's address and port, and its TLS, not the proxy's; the headers are passed on as they came."""
    plain = variables(gw)
    head = 'for=192.0.2.9;proto=http, For="[2001:db8::7]:4711";Proto=https;host="x", for=10.0.0.2'
    env = variables(gw, ("Forwarded", head))
    assert who(env) == ("2001:db8::7", "2001:db8::7", "4711", "on")
    assert env["HTTP_FORWARDED"] == head
    changed = {"REMOTE_ADDR": "2001:db8::7", "REMOTE_HOST": "2001:db8::7", "HTTPS": "on"}
    assert own(env) == {**without_tls(own(plain)), **changed}
    assert gw.wait_log("session ended", id=env["UNIQUE_ID"])["peer"] == "[2001:db8::7]:4711"

    env = variables(gw, (FOR, "192.0.2.9, 192.0.2.8"), (FOR, "10.0.0.2"), (PROTO, "http"))
    assert who(env) == ("192.0.2.8", "192.0.2.8", None, None)
    assert (env["HTTP_X_FORWARDED_FOR"], env["HTTP_X_FORWARDED_PROTO"]) == ("192.0.2.9, 192.0.2.8, 10.0.0.2", "http")
    assert without_tls(env) == env
    assert gw.wait_log("session ended", id=env["UNIQUE_ID"])["peer"] == "192.0.2.8"


@pytest.mark.plain_only("has TLS of its own")
def test_certificate_of_a_proxy(gateway):
    """Who shows a certificate is who connects: it is not that of the client whom a proxy speaks for."""
    authority = certs.run_authority()
    gw = gateway(
        {"route /env": {"exec": "env -0", "framing": "stream"}},
        listen={**certs.run_pair().keys, "tls_client_ca": authority.certificate, "trusted_proxies": PROXY},
        tls=certs.client_context(authority, authority.issue("proxy", names=None)),
    )
    for headers, shown in (([], "CN=proxy"), ([(FOR, "192.0.2.1")], None), ([(FOR, "192.0.2.1, evil")], "CN=proxy")):
        env = variables(gw, *headers)
        assert env.get("SSL_CLIENT_S_DN") == shown
        assert env.get("SSL_CLIENT_VERIFY") == (shown and "SUCCESS")
        assert gw.wait_log("session ended", id=env["UNIQUE_ID"]).get("certificate") == shown


def test_scheme_is_not_told(gw):
    """Then it is that of the connection."""
    env = variables(gw, (FOR, "192.0.2.8:99"))
    assert who(env) == ("192.0.2.8", "192.0.2.8", "99", "on" if gw.tls else None)


def test_unix_socket(gw):
    """The port that the client came to is not known: it is its scheme's."""
    path = next(address for address in gw.addresses if address.startswith("unix:"))[5:]
    for scheme, port, https in (("https", "443", "on"), ("http", "80", None)):
        with gw.connect(path) as raw:
            env = variables(gw, (FOR, "192.0.2.8"), (PROTO, scheme), over=raw)
        assert who(env) == ("192.0.2.8", "192.0.2.8", None, https)
        assert (env["SERVER_NAME"], env["SERVER_PORT"]) == ("localhost", port)


@pytest.mark.plain_only("the headers are the same")
@pytest.mark.parametrize(
    "headers",
    [
        [("Forwarded", "for=192.0.2.8;proto=https")],
        [(FOR, "192.0.2.8"), (PROTO, "https")],
        [(FOR, PROXY), (PROTO, "https")],
    ],
)
def test_strangers_are_not_believed(gw, headers):
    """Whoever is not a trusted proxy says nothing about itself: all is as without these headers."""
    plain = variables(gw, over=gw.connect(source=STRANGER))
    with gw.connect(source=STRANGER) as raw:
        port = raw.sock.getsockname()[1]
        env = variables(gw, *headers, over=raw)
    assert own(env) == own(plain)
    assert who(env) == (STRANGER, STRANGER, str(port), None)
    assert gw.wait_log("session ended", id=env["UNIQUE_ID"])["peer"] == f"{STRANGER}:{port}"
    eventually(lambda: gw.counters()["sessions"] == 0, "they do not end")  # a third one would be too many
    with gw.ws("/cat", over=gw.connect(source=STRANGER), headers=[*headers, ("Origin", gw.origin)]) as ws:
        ws.close()


@pytest.mark.plain_only("the headers are the same")
@pytest.mark.parametrize(
    "headers",
    [
        [("Forwarded", "for=192.0.2.8;proto=https"), (FOR, "192.0.2.9"), (PROTO, "https")],
        [("Forwarded", "for=192.0.2.8;proto=https"), (FOR, "192.0.2.8"), (PROTO, "http")],
        [("Forwarded", "for=192.0.2.8;proto=https"), (PROTO, "https")],
        [("Forwarded", "for=192.0.2.8, nonsense")],
        [(FOR, "192.0.2.8, nonsense"), (PROTO, "https")],
        [(FOR, ", ".join(["192.0.2.8"] + 16 * ["10.0.0.2"])), (PROTO, "https")],
    ],
)
def test_nothing_is_believed(gw, headers):
    """When both kinds of headers do not agree, or one is malformed or too long, the proxy is the client."""
    with gw.connect() as raw:
        port = raw.sock.getsockname()[1]
        env = variables(gw, *headers, over=raw)
    assert who(env) == (PROXY, PROXY, str(port), None)
    gw.wait_log("headers of a proxy not believed", peer=f"{PROXY}:{port}")


@pytest.mark.plain_only("names are looked up the same way")
@pytest.mark.skipif(name_of("127.0.0.1") is None, reason="127.0.0.1 has no name here")
def test_reverse_lookup(gateway):
    """The name is the client's: that of the proxy is not asked for."""
    words = ["--port=0", "--reverselookup", "--set", "gateway.log_format=json"]
    gw = gateway(argv=[*words, "--set", "trusted_proxies=127.0.0.3", "--set", "framing=stream", "env", "-0"])
    with gw.ws("/", over=gw.connect(source="127.0.0.3"), headers=[(FOR, "127.0.0.1")]) as ws:
        assert who(dump(ws)) == ("127.0.0.1", name_of("127.0.0.1"), None, None)


# behind a PROXY header


@pytest.mark.plain_only("the header is in front of TLS")
@pytest.mark.parametrize(
    "header, headers, client",
    [
        ("TCP4 192.0.2.50 192.0.2.60 1234 443", [], ("192.0.2.50", "1234", None)),
        ("TCP4 192.0.2.50 192.0.2.60 1234 443", [(FOR, "192.0.2.1"), (PROTO, "https")], ("192.0.2.50", "1234", None)),
        ("TCP4 10.0.0.9 192.0.2.60 1234 443", [(FOR, "192.0.2.1"), (PROTO, "https")], ("192.0.2.1", None, "on")),
        ("TCP4 10.0.0.9 192.0.2.60 1234 443", [(FOR, "192.0.2.1, evil")], ("10.0.0.9", "1234", None)),
        ("UNKNOWN", [(FOR, "192.0.2.1"), (PROTO, "https")], ("127.0.0.1", "its own", None)),
    ],
)
def test_proxy_header(gateway, header, headers, client):
    """The address in it is the next hop: only when that is trusted too, its headers are believed; when there is none,
    nobody's are."""
    gw = gateway(
        {"route /env": {"exec": "env -0", "framing": "stream"}},
        listen={"proxy_protocol": "yes", "trusted_proxies": "127.0.0.1 10.0.0.0/8"},
    )
    with gw.connect() as raw:
        port = str(raw.sock.getsockname()[1])
        raw.send(f"PROXY {header}\r\n".encode())
        env = variables(gw, *headers, over=raw)
    address, *others = client
    assert who(env) == (address, address, *(port if it == "its own" else it for it in others))
    logged = gw.wait_log("session ended", id=env["UNIQUE_ID"])["peer"]
    assert logged == ":".join(filter(None, (env["REMOTE_ADDR"], env.get("REMOTE_PORT"))))


@pytest.mark.parametrize("scheme", ["https", "http", None])
def test_service_is_told(gateway, scheme):
    """send_proxy says who the real client is, and whether that speaks TLS."""
    with service(proxyhdr.told) as it:
        routes = {f"route /{how}": {"connect": it.uri, "send_proxy": how} for how in ("v1", "v2")}
        gw = gateway(routes, listen={"trusted_proxies": PROXY})
        headers = [(FOR, "192.0.2.1:99"), *([(PROTO, scheme)] if scheme else [])]
        for how in ("v1", "v2"):
            with gw.ws(f"/{how}", headers=headers) as ws:
                ws.send_text("x")
                assert ws.recv_bytes(1) == b"x"  # it has read the header
                ws.close()
            gw.wait_log("session ended", route=f"/{how}", peer="192.0.2.1:99")
            if how == "v1":
                assert it.header.line == f"PROXY TCP4 192.0.2.1 127.0.0.1 99 {gw.port}"
        assert it.header.source == ("192.0.2.1", 99)
        told = it.header.tlvs.get(proxyhdr.SSL, b"\0")
        assert told[0] & 1 == (scheme == "https" or scheme is None and gw.tls)
        assert len(told) <= 5  # the version and the cipher are the proxy's


# the log


@pytest.mark.plain_only("the lines are the same")
def test_two_clients_on_one_connection(gw):
    """A proxy that keeps its connection asks for one client after the other, and for itself between them."""
    with gw.connect() as raw:
        port = raw.sock.getsockname()[1]
        for headers in ([(FOR, "192.0.2.1")], [], [("Forwarded", 'for="[2001:db8::1]:5"')], [(FOR, "192.0.2.2:7")]):
            raw.send(wsraw.request("/cat", host=gw.host, headers=headers))
            assert raw.response().status == 200
        raw.send(wsraw.upgrade("/cat", gw.host, headers=[(FOR, "192.0.2.3")]))
        assert raw.response().status == 101
        raw.close()
    gw.wait_log("session ended", peer="192.0.2.3")
    peers = [line["peer"] for line in gw.logged("request")]
    assert peers == ["192.0.2.1", f"{PROXY}:{port}", "[2001:db8::1]:5", "192.0.2.2:7"]


@pytest.mark.plain_only("the lines are the same")
def test_log_of_refusals(gw):
    """The real client's too, whatever the reason; what has no head that could be read is the proxy's."""
    for path, status in (("/nowhere", 404), ("/env", 426)):
        assert gw.get(path, headers=[(FOR, "192.0.2.1")]).status == status
        assert gw.wait_log("request", status=status)["peer"] == "192.0.2.1"
    away = gw.addresses[-1]
    with gw.connect(("127.0.0.1", int(away.rsplit(":", 1)[1]))) as raw:
        raw.send(wsraw.request("/x", host=away, headers=[(FOR, "192.0.2.1")]))
        assert raw.response().header("Location") == "https://127.0.0.1/x"
    assert gw.wait_log("request", status=308)["peer"] == "192.0.2.1"
    with gw.connect() as raw:
        port = raw.sock.getsockname()[1]
        raw.send(f"GET / HTTP/1.1\r\nHost: {gw.host}\r\n{FOR}: 192.0.2.1\r\nbad header\r\n\r\n".encode())
        assert raw.response().status == 400
    assert gw.wait_log("request", status=400)["peer"] == f"{PROXY}:{port}"
    assert not any(str(line.get("peer")).endswith(":0") for line in gw.log_lines())


@pytest.mark.plain_only("the lines are the same")
def test_log_of_websocketd(there):
    """Its URLs are those that the client knows, its remote the client."""
    gw = there("--set", f"trusted_proxies={PROXY}", "cat")
    with gw.ws("/x", headers=[(FOR, "192.0.2.1"), (PROTO, "https")], host="app.example") as ws:
        ws.close()
    line = gw.wait_log("CONNECT")
    assert (line["url"], line["remote"]) == ("https://app.example/x", "192.0.2.1"), line


# limits and origins


@pytest.mark.plain_only("the limits are the same")
def test_sessions_of_one_address(gw):
    """Two for each client, not for the proxy; IPv6 by /64."""

    def sessions(*addresses):
        return [gw.ws("/cat", headers=[(FOR, address)]) for address in addresses]

    def full(address):
        return gw.refused("/cat", headers=[(FOR, address)]).status == 429

    clients = sessions("192.0.2.1", "192.0.2.1:7", "192.0.2.2", "2001:db8::1", "2001:db8::2:1")
    assert full("192.0.2.1") and full("[2001:db8::1]:6")
    clients += sessions("192.0.2.2", "2001:db8:0:1::1")
    for ws in clients:
        ws.close()
        ws.drop()
    gw.wait_log("session ended", n=len(clients))


@pytest.mark.parametrize(
    "scheme, allowed",
    [
        ("https", ["https"]),
        ("wss", ["https"]),
        ("http", ["https", "http"]),
        (None, ["https", "http"]),
    ],
)
def test_same_origin(gw, scheme, allowed):
    """Behind a proxy that ends TLS a page of the same host without TLS is another origin. When the proxy does not say, as
    the listener is."""
    if scheme is None and gw.tls:
        allowed = ["https"]
    for page in ("https", "http"):
        headers = [("Origin", f"{page}://app.example"), (FOR, "192.0.2.1"), *([(PROTO, scheme)] if scheme else [])]
        with gw.connect() as raw:
            raw.send(wsraw.upgrade("/cat", "127.0.0.1", headers=headers))
            assert raw.response().status == 403  # of another host
        headers[0] = ("Origin", f"{page}://127.0.0.1")
        with gw.connect() as raw:
            raw.send(wsraw.upgrade("/cat", "127.0.0.1:443" if page == "https" else "127.0.0.1:80", headers=headers))
            assert raw.response().status == (101 if page in allowed else 403), page
            if page in allowed:
                raw.close()


# nginx and HAProxy, as the documentation has them

SPOOFS = [
    [],
    [(FOR, "192.0.2.66"), (PROTO, "http")],
    [("Forwarded", "for=192.0.2.66;proto=http")],
    [("Forwarded", 'for="192.0.2.66'), (FOR, '"')],
]


def start_nginx(directory, gw, pair, port):
    changes = [
        ("listen 443", f"listen 127.0.0.1:{port}"),
        ("/etc/ssl/app.example.org.pem", pair.certificate),
        ("/etc/ssl/app.example.org.key", pair.key),
        ("127.0.0.1:8080", gw.host),
    ]
    return proxies.nginx(directory, proxies.printed("Behind a proxy", "map ", changes), [port])


def start_haproxy(directory, gw, pair, port):
    both = directory / "both.pem"
    both.write_bytes(pair.certificate.read_bytes() + pair.key.read_bytes())
    changes = [("bind :443", f"bind 127.0.0.1:{port}"), ("/etc/haproxy/app.example.org.pem", both)]
    changes.append(("127.0.0.1:8080", gw.host))
    return proxies.haproxy(directory, proxies.printed("Behind a proxy", "defaults", changes), [port])


@pytest.mark.plain_only("TLS ends at the proxy")
@pytest.mark.parametrize("start", [start_nginx, start_haproxy])
def test_real_proxy(gateway, tmp_path, start):
    """What is printed works: who the client is, that it came by TLS, its pages, and nothing of what it says itself."""
    changes = [("127.0.0.1:8080", "127.0.0.1:0")]
    text = "[gateway]\nlog_format = json\n" + proxies.printed("Behind a proxy", "# /etc/wsluice", changes)
    gw = gateway(text=text + "[route /env]\nexec = env -0\nframing = stream\n[route /page]\nconsole = yes\n")
    (port,) = proxies.free_ports(1)
    host = f"app.example.org:{port}"
    pair = certs.run_authority().issue("app", names=["DNS:app.example.org"])

    def connect(source):
        return gw.connect(("127.0.0.1", port), tls=certs.run_context(), name="app.example.org", source=source)

    with start(tmp_path, gw, pair, port):
        for headers in SPOOFS:
            with connect("127.0.0.9") as raw:
                env = variables(gw, *headers, ("Origin", f"https://{host}"), host=host, over=raw)
            assert who(env) == ("127.0.0.9", "127.0.0.9", None, "on")
            assert env["HTTP_HOST"] == host
            assert gw.wait_log("session ended", id=env["UNIQUE_ID"])["peer"] == "127.0.0.9"
        # two clients, whom the proxy may have on one connection to us
        for source in ("127.0.0.7", "127.0.0.8"):
            with connect(source) as raw:
                raw.send(wsraw.request("/page", host=host))
                assert raw.response().status == 200
            gw.wait_log("request", peer=source)
        with connect("127.0.0.9") as raw:
            raw.send(wsraw.upgrade("/env", host, headers=[("Origin", f"http://{host}")]))
            assert raw.response().status == 403


@pytest.mark.plain_only("who is trusted is the same")
@pytest.mark.parametrize("header", [FOR, "Forwarded"])
def test_stranger(gateway, header):
    """What a stranger says of itself is not believed, and who wonders why finds a line."""
    gw = gateway({"route /page": {"console": "yes"}}, gateway={"log_level": "debug"})
    value = "192.0.2.1" if header == FOR else "for=192.0.2.1"
    assert gw.get("/page", headers=[(header, value)]).status == 200
    line = gw.wait_log("headers of a proxy not believed", reason="the peer is none of trusted_proxies")
    assert line["level"] == "debug" and line["peer"].startswith("127.0.0.1:")
    assert "192.0.2.1" not in gw.wait_log("request", path="/page")["peer"]


@pytest.mark.plain_only("Host is the same")
def test_name_behind_a_proxy(gateway):
    """A proxy passes on a name that a loopback listener does not answer; the refusal says what to write, and it helps."""
    routes = {"route /page": {"console": "yes"}}
    gw = gateway(routes, listen={"trusted_proxies": PROXY})
    answer = gw.get("/page", host="app.example.org", headers=[(FOR, "192.0.2.1")])
    assert answer.status == 421
    advice = "server_names = localhost 127.0.0.1 [::1] app.example.org"
    assert f"add a line {advice} to [listen main]" in answer.text
    proxy = "have the proxy pass on the Host header"
    assert proxy in answer.text and proxy not in gw.get("/page", host="app.example.org").text
    gw = gateway(routes, listen={"trusted_proxies": PROXY, **dict([advice.split(" = ")])})
    for host in ("app.example.org", gw.host):
        assert gw.get("/page", host=host, headers=[(FOR, "192.0.2.1")]).status == 200
