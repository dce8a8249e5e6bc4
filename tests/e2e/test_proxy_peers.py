"""The PROXY protocol with nginx and HAProxy: in front of the gateway as docs/deployment.md has them, and as its services."""
from pathlib import Path

import certs
import gateway as gateway_module
import proxies
import pytest
from gateway import Gateway
from proxies import free_ports
from scripts import script
from wait import eventually

CLIENT = "127.0.0.9"
HEADING = "The PROXY protocol"
FRONTS = ["nginx v1", "haproxy v1", "haproxy v2"]
BACKS = [f"{peer}-{version}{tls}" for peer in ("nginx", "haproxy") for version in ("v1", "v2") for tls in ("", "-tls")]
FAR_END = {
    "nginx": "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr $proxy_protocol_server_port",
    "haproxy": "%[src] %[src_port] %[dst] %[dst_port] %[fc_pp_unique_id] %[fc_pp_authority]",
}

SERVICES_OF_NGINX = """
    server {{
        listen unix:{directory}/nginx proxy_protocol;
        listen 127.0.0.1:{nginx} ssl proxy_protocol;
        ssl_certificate {pair.certificate};
        ssl_certificate_key {pair.key};
        return 200 "{far_end}";
    }}
"""

# Besides what is printed: version 1, IPv6, one that takes the TLS, and the services.
OTHERS_OF_HAPROXY = """
listen one
    bind 127.0.0.1:{haproxy_v1}
    server gateway {gateway} send-proxy
listen six
    bind [::1]:{v6}
    server gateway {gateway} send-proxy-v2
listen ends
    bind 127.0.0.1:{ends} ssl crt {both} ca-file {authority} verify optional
    unique-id-format %{{+X}}o\\ %ci:%cp
    server gateway {ends_at} send-proxy-v2 proxy-v2-options ssl,cert-cn,ssl-cipher,crc32c,unique-id,authority
frontend services
    mode http
    bind unix@{directory}/haproxy accept-proxy
    bind 127.0.0.1:{haproxy} ssl crt {both} accept-proxy
    http-request return status 200 content-type text/plain lf-string "{far_end}"
"""


def routes(directory, it):
    """A route to each service, in each way of telling it."""
    text = ""
    for name in BACKS:
        peer, version, *tls = name.split("-")
        uri = f"tls://localhost:{it[peer]}" if tls else f"unix:{directory}/{peer}"
        text += f"[route /{name}]\nconnect = {uri}\nsend_proxy = {version}\n"
        text += f"tls_ca = {certs.run_authority().certificate}\n" if tls else ""
    return text


def GATEWAY(directory):
    """What is printed, on free ports; with the certificate only where the tests are about TLS."""
    show = script(directory, "show", 'echo "$REMOTE_ADDR $REMOTE_PORT $HTTPS"\n')
    ports = dict(zip(("nginx", "haproxy"), free_ports(2)))
    main = proxies.printed(
        HEADING, "# /etc/wsluice", [("127.0.0.1:8443", "127.0.0.1:0"), ("= app.", "= localhost app.")]
    )
    main = "".join(line for line in main.splitlines(True) if not line.startswith("tls_"))
    text = f"[gateway]\nlog_format = json\nlog_level = debug\nworkers = 2\n{main}"
    text += "[listen ends]\naddress = 127.0.0.1:0\nproxy_protocol = yes\ntrusted_proxies = 127.0.0.1\n"
    text += f"[listen direct]\naddress = 127.0.0.1:0\naddress = unix:{directory}/direct\n"
    text += f"[route /show]\nexec = {show}\n{routes(directory, ports)}"
    it = Gateway(directory, text=text, tls=gateway_module.over_tls)
    it.main, it.ends, it.direct = it.addresses[:3]
    it.ports = ports
    return it


@pytest.fixture(scope="module")
def fronts(shared, tmp_path_factory):
    """Both proxies, around the gateway of this file: where each kind of front is."""
    gw = shared.get()
    directory = tmp_path_factory.mktemp("proxies")
    pair = certs.run_pair()
    both = directory / "both.pem"
    both.write_bytes(pair.certificate.read_bytes() + pair.key.read_bytes())
    names = ("nginx_v1", "haproxy_v1", "haproxy_v2", "v6", "ends")
    ports = dict(zip(names, free_ports(len(names))))
    values = {"directory": gw.dir, "pair": pair, "both": both, "gateway": gw.main, **gw.ports, **ports}
    stream = proxies.printed(
        HEADING, "stream {", [("listen 443", f"listen 127.0.0.1:{ports['nginx_v1']}"), ("127.0.0.1:8443", gw.main)]
    )
    printed = proxies.printed(
        HEADING, "defaults", [("bind :443", f"bind 127.0.0.1:{ports['haproxy_v2']}"), ("127.0.0.1:8443", gw.main)]
    )
    others = OTHERS_OF_HAPROXY.format(
        **values, authority=certs.run_authority().certificate, ends_at=gw.ends, far_end=FAR_END["haproxy"]
    )
    services = SERVICES_OF_NGINX.format(**values, far_end=FAR_END["nginx"])
    of_nginx = [ports["nginx_v1"], gw.ports["nginx"], gw.dir / "nginx"]
    of_haproxy = [ports["haproxy_v1"], ports["haproxy_v2"], ports["ends"], gw.ports["haproxy"], gw.dir / "haproxy"]
    with proxies.nginx(directory / "nginx", services, of_nginx, stream):
        with proxies.haproxy(directory / "haproxy", printed + others, of_haproxy):
            yield ports


def shown(gw, over):
    """What a program finds, and what the log says."""
    gw.mark()
    host, port = over.sock.getsockname()[:2]
    with gw.ws("/show", over=over, host="localhost") as ws:
        line = ws.recv_text()
        ws.recv_close(1000)
    peer = gw.wait_log("session ended")["peer"]
    assert peer == (f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    return line.split(" "), [host, str(port)]


@pytest.mark.parametrize("front", FRONTS)
def test_in_front(gw, fronts, front):
    """The client is who it is, with TLS from end to end or without."""
    over = gw.connect(("127.0.0.1", fronts[front.replace(" ", "_")]), source=CLIENT)
    found, own = shown(gw, over)
    assert found == [*own, "on" if gw.tls else ""]


@pytest.mark.plain_only("addresses have nothing to do with TLS")
def test_in_front_of_v6(gw, fronts):
    """The proxy's client is one of IPv6, its connection with us is not."""
    found, own = shown(gw, gw.connect(("::1", fronts["v6"])))
    assert found[:2] == own


@pytest.mark.plain_only("TLS ends at the proxy")
@pytest.mark.parametrize("shows", [False, True], ids=["no certificate", "certificate"])
def test_tls_ends_in_front(gw, fronts, shows):
    """HAProxy says so in version 2, with all that it can say beside it, and with a checksum of that."""
    pair = certs.run_authority().issue("peer", subject="/CN=Zoë") if shows else None
    over = gw.connect(("127.0.0.1", fronts["ends"]), tls=certs.client_context(pair=pair), name="localhost")
    found, own = shown(gw, over)
    assert found == [*own, "on"]


def test_look_of_haproxy(gw, fronts):
    """It says LOCAL, and it is nothing that the log is told of but for debugging."""
    eventually(lambda: [line for line in gw.logged("PROXY header") if "client" not in line], "it does not look")
    assert {line["level"] for line in gw.logged() if line["msg"] != "counters"} == {"debug"}


def asked(gw, route, over):
    """What the far end says of a connection."""
    with gw.ws(f"/{route}", over=over, host="localhost") as ws:
        ws.send_binary(b"GET / HTTP/1.0\r\n\r\n")
        answer, code, _ = ws.recv_all()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert (head.split()[1], code) == (b"200", 1000), answer
    return body.decode().split(" ")


def address_of(gw, text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


@pytest.mark.plain_only("what a service is told of the client's TLS is in test_proxy_protocol.py")
@pytest.mark.parametrize("back", BACKS)
def test_behind(gw, fronts, back):
    """The service sees the client, in front of TLS too, and where it had connected; HAProxy reads more of version 2."""
    gw.mark()
    over = gw.connect(address_of(gw, gw.direct), source=CLIENT)
    own, there = (address for address in (over.sock.getsockname(), over.sock.getpeername()))
    found = asked(gw, back, over)
    assert found[:4] == [*map(str, own), *map(str, there)]
    if back.startswith("haproxy-v2"):
        assert found[4:] == [gw.wait_log("session ended")["id"], "localhost"]


@pytest.mark.plain_only("addresses have nothing to do with TLS")
@pytest.mark.parametrize("back", [back for back in BACKS if "tls" not in back])
def test_from_one_to_the_other(gw, fronts, back):
    """A proxy in front, a proxy behind: the client, and where it came to the first one."""
    over = gw.connect(("127.0.0.1", fronts["haproxy_v2"]), source=CLIENT)
    own, there = over.sock.getsockname(), over.sock.getpeername()
    assert asked(gw, back, over)[:4] == [*map(str, own), *map(str, there)]


@pytest.mark.plain_only("addresses have nothing to do with TLS")
@pytest.mark.parametrize("back", [back for back in BACKS if "tls" not in back])
def test_client_of_a_unix_socket(gw, fronts, back):
    """They take a header that says nothing."""
    found = asked(gw, back, gw.connect(str(Path(gw.dir) / "direct")))
    assert not any("." in word for word in found), found
