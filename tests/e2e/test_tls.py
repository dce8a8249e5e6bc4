"""TLS of the listeners: versions, ciphers, names, client certificates, resumption, redirects, and their files."""
import asyncio
import os
import ssl
import subprocess
import xml.etree.ElementTree as ElementTree
from datetime import datetime, timedelta, timezone

import certs
import pytest
import websockets
import wsraw
from gateway import Gateway, run
from tlsclient import (
    ECHO,
    TLS12,
    TLS13,
    VERSIONS,
    Calls,
    alert_of,
    allow_early_data,
    any_server,
    client_listener,
    context,
    echoes,
    is_closed,
    issue,
    s_client,
)

CIPHERS_12 = [
    f"ECDHE-{kind}-{cipher}"
    for kind in ("ECDSA", "RSA")
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
]
CIPHERS_13 = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]
WEAK = """ECDHE-ECDSA-AES128-SHA ECDHE-ECDSA-AES256-SHA384 ECDHE-RSA-AES128-SHA ECDHE-RSA-AES256-SHA384 DHE-RSA-AES128-GCM-SHA256
AES128-GCM-SHA256 AES256-SHA ECDHE-ECDSA-AES128-CCM8 ADH-AES128-GCM-SHA256 ECDHE-ECDSA-NULL-SHA PSK-AES128-GCM-SHA256""".split()


@certs.once
def other_authority():
    return certs.Authority(certs.run_authority().dir / "other", "Somebody else")


def GATEWAY(tmp):
    """Two pairs for localhost, so that both kinds of key are there."""
    pairs = [certs.run_pair(), issue("rsa", kind="rsa", names=("DNS:rsa.localhost",))]
    return Gateway(
        tmp,
        ECHO,
        listen={"tls_certificate": [p.certificate for p in pairs], "tls_key": [p.key for p in pairs]},
        tls=context(),
    )


def environment(gw, **options):
    with gw.ws("/env", over=gw.connect(**options)) as ws:
        data, code, _ = ws.recv_all()
        assert code == 1000
    return dict(entry.split("=", 1) for entry in data.decode().split("\0")[:-1])


# versions and ciphers


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=["1.0", "1.1"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_versions_get_an_alert(gw, version):
    old = context()
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, version
    assert "alert protocol version" in alert_of(gw, tls=old)
    assert gw.wait_log("TLS failed")["reason"]


@pytest.mark.parametrize("version", VERSIONS)
def test_versions(gw, version):
    tls = echoes(gw, tls=context(VERSIONS[version]))
    assert tls.version() == f"TLSv{version}"


def test_newest_version_is_taken(gw):
    assert echoes(gw).version() == "TLSv1.3"


def test_min_version(gateway):
    gw = gateway(ECHO, listen={**certs.run_pair().keys, "tls_min_version": "1.3"}, tls=context())
    assert "alert protocol version" in alert_of(gw, tls=context(TLS12))
    assert echoes(gw).version() == "TLSv1.3"


@pytest.mark.parametrize("cipher", CIPHERS_12)
def test_ciphers_of_1_2(gw, cipher):
    one = context(TLS12)
    one.set_ciphers(cipher)
    tls = echoes(gw, tls=one, name="rsa.localhost" if "RSA" in cipher else "localhost")
    assert tls.cipher()[0] == cipher


@pytest.mark.parametrize("cipher", CIPHERS_13)
def test_ciphers_of_1_3(gw, cipher):
    status, said = s_client(gw, "-tls1_3", "-ciphersuites", cipher)
    assert status == 0 and f"Cipher is {cipher}" in said and "HTTP/1.1 200 OK" in said, said


@pytest.mark.parametrize("cipher", WEAK)
def test_weak_ciphers_are_refused(gw, cipher):
    for name in ("localhost", "rsa.localhost"):
        status, said = s_client(gw, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0", "-servername", name)
        assert status != 0 and ("alert handshake failure" in said or "no ciphers available" in said), said


def test_ciphers_of_the_configuration(gateway):
    gw = gateway(
        ECHO,
        listen={
            **certs.run_pair().keys,
            "tls_ciphers": "ECDHE-ECDSA-AES256-GCM-SHA384",
            "tls_ciphersuites": "TLS_CHACHA20_POLY1305_SHA256",
        },
        tls=context(),
    )
    assert echoes(gw).cipher()[0] == "TLS_CHACHA20_POLY1305_SHA256"
    assert echoes(gw, tls=context(TLS12)).cipher()[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"


@pytest.mark.parametrize("group", ["X25519", "P-256", "P-384"])
def test_groups(gw, group):
    status, said = s_client(gw, "-groups", group)
    assert status == 0 and "HTTP/1.1 200 OK" in said, said


def test_sslscan_has_nothing_to_say(gw, tmp_path):
    """Every line of its report."""
    report = tmp_path / "report.xml"
    done = subprocess.run(
        ["sslscan", f"--xml={report}", "--no-colour", "--ipv4", "--timeout=60", "--sni-name=localhost", gw.host],
        capture_output=True, timeout=150, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = ElementTree.parse(report).getroot().find("ssltest")
    enabled = {p.get("version") for p in found.findall("protocol") if p.get("enabled") == "1"}
    assert enabled == {"1.2", "1.3"}, enabled
    ciphers = {c.get("cipher"): c.get("strength") for c in found.findall("cipher")}
    assert set(ciphers) == {c for c in CIPHERS_12 if "ECDSA" in c} | set(CIPHERS_13), ciphers
    assert set(ciphers.values()) <= {"acceptable", "strong"}, ciphers
    groups = {g.get("name"): int(g.get("bits")) for g in found.findall("group")}
    assert groups and all(bits >= 128 for bits in groups.values()), groups
    assert found.find("renegotiation").get("supported") == "0"
    assert all(h.get("vulnerable") == "0" for h in found.findall("heartbleed"))


@pytest.mark.parametrize("version", VERSIONS)
def test_curl(gw, version):
    for protocol in ("--http1.1", "--http2"):
        done = subprocess.run(
            ["curl", "-sS", "-4", protocol, f"--tlsv{version}", "--tls-max", version, "-w", "%{http_code} %{http_version}",
             "-o", "/dev/null", "--cacert", certs.run_authority().certificate, f"https://localhost:{gw.port}/page"],
            capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "no_proxy": "*"},
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (0, "200 1.1"), done.stderr


@pytest.mark.parametrize("version", VERSIONS)
def test_websockets(gw, version):
    """python3-websockets."""

    async def talk():
        hang = {"open_timeout": 60, "close_timeout": 60, "ping_interval": None}
        async with websockets.connect(f"{gw.url}/ws", ssl=context(VERSIONS[version]), origin=gw.origin, **hang) as ws:
            for message in ("hello", b"\0\xff", "", "ä" * 100000, b"x" * 900000):
                await ws.send(message)
                assert await ws.recv() == message
        assert ws.close_code == 1000

    asyncio.run(talk())


# renegotiation, early data, ALPN


def test_renegotiation_ends_the_connection(gw):
    """OpenSSL would only refuse, as often as it is asked."""
    with gw.ws("/ws", over=gw.connect(tls=context(TLS12))) as ws:
        ws.send_text("before")
        assert ws.recv_text() == "before"
        Calls(ws.sock.tls).renegotiate()
        ws.sock.flush()
        with pytest.raises(ssl.SSLError, match="(?i)no.renegotiation"):
            ws.sock.recv(1)
        assert is_closed(wsraw.Raw(ws.sock.sock))
    end = gw.wait_log("session ended")
    assert (end["code_received"], end["reason"]) == (1006, "TLS: renegotiation")


def test_renegotiation_by_s_client(gw):
    with subprocess.Popen(
        ["openssl", "s_client", "-connect", gw.host, "-tls1_2", "-servername", "localhost"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as client:  # fmt: skip
        try:
            client.stdin.write(b"R\n")
            client.stdin.flush()
            said = client.stdout.read().decode("utf-8", "replace")  # it ends by itself
            assert client.wait(60) != 0 and "RENEGOTIATING" in said and "no renegotiation" in said, said
        finally:
            client.kill()


def test_early_data_is_not_promised(gw, tmp_path):
    kept = tmp_path / "session"
    assert s_client(gw, "-tls1_3", "-sess_out", kept)[0] == 0
    (tmp_path / "early").write_text("GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n")
    status, said = s_client(gw, "-sess_in", kept, "-early_data", tmp_path / "early")
    assert status == 0 and "Reused, TLSv1.3" in said and "Early data was not sent" in said, said


def test_early_data_is_refused(gw, tmp_path):
    """A client that sends it all the same is served what comes after it."""
    kept = tmp_path / "session"
    assert s_client(gw, "-tls1_3", "-sess_out", kept)[0] == 0
    allow_early_data(kept)
    (tmp_path / "early").write_text("GET /early HTTP/1.1\r\nHost: localhost\r\n\r\n")
    status, said = s_client(gw, "-sess_in", kept, "-early_data", tmp_path / "early")
    assert status == 0 and "Early data was rejected" in said and said.count("HTTP/1.1 200 OK") == 1, said
    gw.wait_log("request", path="/page", n=2)
    assert not gw.logged("request", path="/early")


@pytest.mark.parametrize(
    "offer,chosen",
    [
        (["http/1.1"], "http/1.1"),
        (["h2", "http/1.1"], "http/1.1"),
        (["x", "http/1.0", "http/1.1"], "http/1.1"),
        ([], None),
    ],
)
def test_alpn(gw, offer, chosen):
    tls = certs.client_context()
    tls.set_alpn_protocols(offer)
    assert echoes(gw, tls=tls).selected_alpn_protocol() == chosen


@pytest.mark.parametrize("offer", [["h2"], ["h2", "http/1.0"], ["HTTP/1.1"], ["http/1.10"]])
def test_alpn_without_ours(gw, offer):
    tls = certs.client_context()
    tls.set_alpn_protocols(offer)
    assert "no application protocol" in alert_of(gw, tls=tls)


# resumption


def session_of(gw, **options):
    """A session that can be resumed. TLS 1.3 sends it after the handshake."""
    return echoes(gw, **options).session


@pytest.mark.parametrize("version", VERSIONS)
def test_resumption(gw, version):
    tls = context(VERSIONS[version])
    kept = session_of(gw, tls=tls)
    assert kept.has_ticket
    for _ in range(3):
        assert echoes(gw, tls=tls, session=kept).session_reused
    assert not echoes(gw, tls=tls).session_reused


@pytest.mark.parametrize("version", VERSIONS)
def test_resumption_by_s_client(gw, version, tmp_path):
    words = ["-tls" + version.replace(".", "_")]
    assert s_client(gw, *words, "-sess_out", tmp_path / "session")[0] == 0
    status, said = s_client(gw, *words, "-sess_in", tmp_path / "session")
    assert status == 0 and f"Reused, TLSv{version}" in said and "HTTP/1.1 200 OK" in said, said


def test_reconnect_by_s_client(gw):
    """Five times with the session of the first."""
    status, said = s_client(gw, "-tls1_2", "-reconnect")
    assert status == 0 and (said.count("New, TLSv1.2"), said.count("Reused, TLSv1.2")) == (1, 5), said


@pytest.mark.threads
def test_resumption_on_every_worker(gateway):
    gw = gateway(ECHO, gateway={"workers": 4}, tls=True)
    tls = context()
    kept = session_of(gw, tls=tls)
    assert all(echoes(gw, tls=tls, session=kept).session_reused for _ in range(20))


@pytest.mark.parametrize("version", VERSIONS)
def test_session_without_a_certificate_opens_no_other_door(gateway, version):
    """One listener asks for certificates, one does not, both have the same pair."""
    ask = {**certs.run_pair().keys, "tls_client_ca": certs.run_authority().certificate}
    gw = gateway(
        {
            "listen open": {"address": "127.0.0.1:0", **certs.run_pair().keys},
            "listen accepts": {"address": "127.0.0.1:0", **ask, "tls_client": "accept"},
            **ECHO,
        },
        listen=ask,
        tls=context(),
    )
    asks, opens, accepts = (("127.0.0.1", int(address.rsplit(":", 1)[1])) for address in gw.addresses)
    nobody, alice = context(VERSIONS[version]), context(VERSIONS[version], pair=issue("alice"))
    kept = session_of(gw, address=opens, tls=nobody)
    assert echoes(gw, address=opens, tls=nobody, session=kept).session_reused
    assert not echoes(gw, address=accepts, tls=nobody, session=kept).session_reused
    assert "alert" in alert_of(gw, address=asks, tls=nobody, session=kept)
    kept = session_of(gw, address=opens, tls=alice)
    for address in (asks, accepts):
        assert not echoes(gw, address=address, tls=alice, session=kept).session_reused
        assert environment(gw, address=address, tls=alice, session=kept)["SSL_CLIENT_S_DN_CN"] == "alice"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("how", ["require", "accept"])
def test_no_resumption_where_certificates_are_asked_for(gateway, how, version):
    gw = gateway(ECHO, listen=client_listener(tls_client=how), tls=context())
    alice = context(VERSIONS[version], pair=issue("alice"))
    tls = echoes(gw, tls=alice)
    assert tls.session is None or not tls.session.has_ticket
    if tls.session:
        assert not echoes(gw, tls=alice, session=tls.session).session_reused


# names


def test_names(gateway):
    pairs = {
        "first": issue("first", names=("DNS:first.example",)),
        "second": issue("second", names=("DNS:second.example", "DNS:other.example")),
        "wild": issue("wild", names=("DNS:*.example.net",), kind="rsa"),
    }
    gw = gateway(
        ECHO,
        listen={
            "tls_certificate": [p.certificate for p in pairs.values()],
            "tls_key": [p.key for p in pairs.values()],
            "server_names": ["localhost", "127.0.0.1"],
        },
        tls=any_server(context()),
    )
    for name, pair in (
        ("first.example", "first"),
        ("second.example", "second"),
        ("SECOND.example", "second"),
        ("other.example", "second"),
        ("a.example.net", "wild"),
        ("a.b.example.net", "first"),
        ("example.net", "first"),
        ("unknown.example", "first"),
        ("second.example.evil", "first"),
        ("127.0.0.1", "first"),
    ):
        for version in (TLS12, TLS13):
            with gw.connect(tls=any_server(context(version)), name=name) as raw:
                assert raw.sock.tls.getpeercert(True) == pairs[pair].der, (name, pair)
    assert echoes(gw, name="a.example.net").version() == "TLSv1.3"


# client certificates


@pytest.mark.parametrize("version", VERSIONS)
def test_environment_of_tls(gw, version):
    env = environment(gw, tls=context(VERSIONS[version]))
    assert (env["HTTPS"], env["SSL_PROTOCOL"], env["SSL_CLIENT_VERIFY"]) == ("on", f"TLSv{version}", "NONE")
    assert env["SSL_CIPHER"] in CIPHERS_12 + CIPHERS_13
    assert env["SERVER_PORT"] == str(gw.port)
    assert not {name for name in env if name.startswith("SSL_CLIENT_S")}


def test_environment_without_tls(gateway):
    gw = gateway(ECHO, tls=False)
    env = environment(gw)
    assert not {name for name in env if name.startswith(("SSL_", "HTTPS"))}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("how", ["require", "accept"])
def test_client_certificate(gateway, how, version):
    gw = gateway(ECHO, listen=client_listener(tls_client=how), tls=context())
    alice = context(VERSIONS[version], pair=issue("alice-of-example", subject="/C=DE/O=Example, Ltd/CN=alice"))
    env = environment(gw, tls=alice)
    assert env["SSL_CLIENT_VERIFY"] == "SUCCESS" and env["SSL_CLIENT_S_DN_CN"] == "alice"
    assert env["SSL_CLIENT_S_DN"] == r"CN=alice,O=Example\, Ltd,C=DE"
    assert gw.wait_log("session ended")["certificate"] == env["SSL_CLIENT_S_DN"]


@pytest.mark.parametrize("version", VERSIONS)
def test_no_client_certificate(gateway, version):
    gw = gateway(ECHO, listen=client_listener(), tls=context())
    assert "alert" in alert_of(gw, tls=context(VERSIONS[version]))
    assert "certificate" in gw.wait_log("TLS failed")["reason"]
    gw = gateway(ECHO, listen=client_listener(tls_client="accept"), tls=context(VERSIONS[version]))
    env = environment(gw)
    assert env["SSL_CLIENT_VERIFY"] == "NONE" and "SSL_CLIENT_S_DN" not in env
    assert not gw.wait_log("session ended").get("certificate")


YEAR_AGO, DAY_AGO = (datetime.now(timezone.utc) - timedelta(days=n) for n in (365, 1))
BAD_CLIENTS = {
    "other authority": (lambda: other_authority().issue("mallory", subject="/CN=alice"), "unknown ca"),
    "expired": (lambda: issue("late", subject="/CN=alice", start=YEAR_AGO, end=DAY_AGO), "certificate expired"),
    "not yet": (
        lambda: issue("early", subject="/CN=alice", start=datetime.now(timezone.utc) + timedelta(days=2)),
        "alert",
    ),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("how", ["require", "accept"])
@pytest.mark.parametrize("bad", BAD_CLIENTS)
def test_bad_client_certificate(gateway, bad, how, version):
    """Nothing is started for it, and others come in."""
    make, alert = BAD_CLIENTS[bad]
    gw = gateway(ECHO, listen=client_listener(tls_client=how), tls=context(pair=issue("alice")))
    mallory = context(VERSIONS[version], pair=make())
    if bad == "other authority":  # OpenSSL keeps a certificate to itself that the server has no use for; not all do
        mallory.load_verify_locations(other_authority().certificate)
    assert alert in alert_of(gw, tls=mallory)
    line = gw.wait_log("TLS failed")
    assert line["peer"].startswith("127.0.0.1:") and line["reason"]
    echoes(gw)
    gw.wait_log("session ended")
    assert len(gw.logged("session ended")) == 1 and not gw.logged("request")


def test_odd_subjects(gateway):
    """A name is data: in the log and in the environment it is one line, and none of it ends it."""
    gw = gateway(ECHO, listen=client_listener(), tls=context())
    odd = issue("odd", subject='/O=Zoë \n x="1" certificate=root/CN=eve\x01\x7f')
    env = environment(gw, tls=context(pair=odd))
    for name in ("SSL_CLIENT_S_DN", "SSL_CLIENT_S_DN_CN"):
        assert env[name].isprintable() or name not in env, env[name]
    assert gw.wait_log("session ended")["certificate"] and len(gw.logged("session ended")) == 1
    assert "certificate=root" not in [word for line in gw.log_text().splitlines() for word in line.split()]


def test_certificate_of_a_listener_that_does_not_ask(gw):
    env = environment(gw, tls=context(pair=issue("alice")))
    assert env["SSL_CLIENT_VERIFY"] == "NONE"


# origins, redirects, files


def test_origin_is_https(gw):
    for value in (gw.origin, gw.origin.upper().replace("HTTPS", "https")):
        with gw.ws("/ws", headers=[("Origin", value)]) as ws:
            ws.close()
    for value in (gw.origin.replace("https", "http"), f"https://127.0.0.1:{gw.port ^ 1}", "https://127.0.0.1", "null"):
        assert gw.refused("/ws", headers=[("Origin", value)]).status == 403
    for value in ("https://localhost", "https://localhost:443"):
        with gw.ws("/ws", host="localhost", headers=[("Origin", value)]) as ws:
            ws.close()
    assert gw.refused("/ws", host="localhost", headers=[("Origin", "https://localhost:80")]).status == 403


def test_origin_without_tls(gateway):
    """https as well: there may be something in front that speaks it."""
    gw = gateway(ECHO, tls=False)
    for scheme in ("http", "https"):
        with gw.ws("/ws", headers=[("Origin", f"{scheme}://{gw.host}")]) as ws:
            ws.close()


@pytest.mark.parametrize(
    "base,host,path,location",
    [
        ("https://example.org", "localhost", "/a%20b?x=1&y=%3F", "https://example.org/a%20b?x=1&y=%3F"),
        ("https://example.org/", "localhost", "/", "https://example.org/"),
        ("https://example.org/base", "localhost", "/x/../y", "https://example.org/base/x/../y"),
        ("https://*", "localhost:8080", "/page?token", "https://localhost/page?token"),
        ("https://*:8443", "localhost:8080", "/", "https://localhost:8443/"),
        ("https://*:8443", "[::1]:8080", "/v6", "https://[::1]:8443/v6"),
        ("https://*:8443", "127.0.0.1", "//evil.example/x", "https://127.0.0.1:8443//evil.example/x"),
    ],
)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_redirect(gateway, tls, base, host, path, location):
    gw = gateway(ECHO, listen={"redirect_to": base, **(certs.run_pair().keys if tls else {})}, tls=tls and context())
    for method in ("GET", "HEAD"):
        answer = gw.get(path, method, host=host)
        assert (answer.status, answer.header("Location")) == (308, location)
    answer = gw.refused(path.replace("/page", "/ws"), host=host)
    assert answer.status == 308 and not gw.programs()
    assert gw.wait_log("request", status=308)


def test_redirect_of_a_foreign_host(gateway):
    """The star stands for a host that is ours."""
    gw = gateway(ECHO, listen={"redirect_to": "https://*:8443"}, tls=False)
    assert gw.get("/", host="evil.example").status == 421
    gw = gateway(ECHO, listen={"redirect_to": "https://*:8443", "server_names": "example.org"}, tls=False)
    assert gw.get("/", host="example.org").header("Location") == "https://example.org:8443/"
    assert gw.get("/", host="localhost").status == 421


def test_expired_certificate_is_served_and_warned_of(gateway):
    old = issue("old", start=YEAR_AGO, end=DAY_AGO)
    gw = gateway(ECHO, listen=old.keys, tls=any_server(context()))
    warning = [e for e in gw.logged(since_mark=False) if e.get("level") == "warning" and e.get("file")]
    assert len(warning) == 1 and "expired" in str(warning[0]) and warning[0]["file"] == str(old.certificate), warning
    echoes(gw)


def test_key_that_others_can_read(gateway, tmp_path):
    pair, key = certs.run_pair(), tmp_path / "open.key"
    key.write_text(pair.key.read_text())
    for mode, warnings in ((0o600, 0), (0o640, 0), (0o644, 1), (0o604, 1)):
        key.chmod(mode)
        gw = gateway(ECHO, listen={"tls_certificate": pair.certificate, "tls_key": key}, tls=context())
        warning = [e for e in gw.logged(since_mark=False) if e.get("level") == "warning" and str(key) in str(e)]
        assert len(warning) == warnings, (oct(mode), warning)
        echoes(gw)


def one_line_of(tmp_path, keys, status=1):
    """What a start with these keys says before it fails."""
    file = tmp_path / "bad.ini"
    file.write_text(
        "[listen main]\naddress = 127.0.0.1:0\n"
        + "".join(f"{k} = {v}\n" for k, v in keys.items())
        + "[route /]\nconsole = yes\n"
    )
    for words in ([], ["--check"]):
        got, out, err = run(f"--config={file}", *words)
        assert got == status and len((out + err).splitlines()) == 1, (words, out, err)
    return out + err


def test_mismatched_pair(tmp_path):
    said = one_line_of(tmp_path, {"tls_certificate": certs.run_pair().certificate, "tls_key": issue("alice").key})
    assert str(issue("alice").key) in said and "certificate" in said, said


@pytest.mark.parametrize("which", ["tls_certificate", "tls_key", "tls_client_ca"])
@pytest.mark.parametrize("what", ["missing", "empty", "garbage", "directory"])
def test_unreadable_files(tmp_path, which, what):
    bad = tmp_path / "bad.pem"
    if what == "empty":
        bad.touch()
    elif what == "garbage":
        bad.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    elif what == "directory":
        bad.mkdir()
    assert str(bad) in one_line_of(tmp_path, {**client_listener(), which: bad})
