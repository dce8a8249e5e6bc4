"""Whose pages may come in: Host and Origin of the opening handshake (RFC 6455 4.1, 4.2.2, 10.2; RFC 6454; RFC 9110 7.4).

A page that may not is told so before the service behind the route hears of it.
"""
import pytest
from opening import doors, head

ROUTES = {
    "/ws": {},
    "/any": {"origins": "any"},
    "/star": {"origins": "*"},
    "/null": {"origins": "null"},
    "/list": {"origins": ["https://app.example.org", "*.example.net", "intern.example:8443"]},
    "/list-and-same": {"origins": ["same", "https://app.example.org"]},
}


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    yield from doors(tmp_path_factory.mktemp("origin"), ROUTES)


def asks(path, origin, host="localhost"):
    return head({"Origin": origin, "Host": host}, f"GET {path} HTTP/1.1")


# Host: on a loopback address a name that is not localhost was made to lead there (DNS rebinding)


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:1", "LocalHost", "127.0.0.1", "127.0.0.1:8080", "[::1]", "[::1]:8080", "192.0.2.1"]
)
def test_host_of_a_loopback_listener(door, host):
    door.opens(asks("/ws", None, host))
    door.opens(asks("/ws", door.gw.scheme + "://" + host, host))


@pytest.mark.parametrize(
    "host",
    "evil.example evil.example:8080 localhost.evil.example 127.0.0.1.evil.example evillocalhost 0x7f.1 a.localhost.b "
    "localhost. local 127.1 2130706433 127.0.0.01 localhost.localdomain ip6-localhost 1.2.3.4.5 _".split(),
)
def test_host_rebound(door, host):
    """The Origin is the Host, and yet it is nobody's; nor is it without an Origin."""
    answer = door.refuses(asks("/ws", f"{door.gw.scheme}://{host}", host), 421)
    assert "server_names" in answer.text
    door.refuses(asks("/any", None, host), 421)


# Origin: the same as the page's host, scheme and port folded (4.2.2 point 1, RFC 6454 4)


def test_origin_absent_4_1_8(door):
    """Not a browser."""
    for path in ROUTES:
        door.opens(asks(path, None))


@pytest.mark.parametrize(
    "host,origin",
    [
        ("localhost", "http://localhost"),
        ("localhost", "http://localhost:80"),
        ("localhost:80", "http://localhost"),
        ("localhost:80", "http://localhost:80"),
        ("localhost", "http://LOCALHOST"),
        ("LOCALHOST", "http://localhost"),
        ("localhost:8080", "http://localhost:8080"),
        ("127.0.0.1", "http://127.0.0.1"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("[::1]", "http://[::1]"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("[::A]:8080", "http://[::a]:8080"),
        ("localhost", "http://localhost \t"),
    ],
)
def test_origin_same(door, host, origin):
    door.opens(asks("/ws", door.own(origin), door.own(host)))


@pytest.mark.parametrize("scheme", ["HTTPS", "Https"])
def test_origin_scheme_in_any_case(door, scheme):
    """Over https the page may be of https only; without TLS a proxy in front may have it."""
    door.opens(asks("/ws", f"{scheme}://localhost:8443", "localhost:8443"))


FOREIGN = """https://evil.example http://localhost:90000 http://localhost:8080 http://localhost:81 http://localhost.evil.com
http://evillocalhost http://localhost@evil http://evil@localhost http://localhost/ http://localhost/path http://localhost?x
http://localhost#x null http:// http:/// localhost //localhost http:localhost http:/localhost http://localhost: http://localhost.
http://localho file:// http://localhost,http://evil.example http://localhost\\ http://127.0.0.1 http://[::1] http://local%68ost
ws://localhost wss://localhost ftp://localhost chrome-extension://localhost about:blank data:, http://localhost:080x
http://localhost:-80 http://localhost:+80 http://localhost:8O http://[localhost] http://:80 NULL ://localhost *""".split()


@pytest.mark.parametrize(
    "origin", [*FOREIGN, "", "http://localhost http://localhost", "http://local host", "\xfclocal"]
)
def test_origin_foreign_4_2_2_1(door, origin):
    door.refuses(asks("/ws", door.own(origin)), 403)


@pytest.mark.parametrize(
    "host,origin",
    [
        ("localhost:8080", "http://localhost"),
        ("localhost:8080", "http://localhost:8081"),
        ("127.0.0.1:8080", "http://localhost:8080"),
        ("[::1]:8080", "http://[::2]:8080"),
        ("localhost", "https://localhost:81"),
    ],
)
def test_origin_of_another_port_or_name(door, host, origin):
    door.refuses(asks("/ws", door.own(origin), host), 403)


def test_origin_without_tls_where_the_gateway_has_it(door):
    """A page that came without TLS can't be trusted with what is behind it."""
    data = asks("/ws", "http://localhost:8080", "localhost:8080")
    if door.gw.tls:
        door.refuses(data, 403)
    else:
        door.opens(data)


@pytest.mark.parametrize("path", ROUTES)
def test_origin_twice(door, path):
    for values in (["http://localhost"] * 2, ["http://localhost", "https://evil.example"]):
        door.refuses(head({"Origin": values}, f"GET {path} HTTP/1.1"), 400)


@pytest.mark.parametrize("path", ["/any", "/star"])
@pytest.mark.parametrize("origin", ["null", "https://evil.example", "http://localhost", "anything at all", "", "\xfc"])
def test_origin_any(door, path, origin):
    door.opens(asks(path, origin))


@pytest.mark.parametrize("origin", ["null", "Null"])
def test_origin_null(door, origin):
    door.opens(asks("/null", origin))


@pytest.mark.parametrize("origin", ["http://localhost", "https://evil.example", "nul", "nulls", "http://null", ""])
def test_origin_not_null(door, origin):
    door.refuses(asks("/null", door.own(origin)), 403)


@pytest.mark.parametrize(
    "origin",
    "https://app.example.org https://APP.example.org https://app.example.org:443 https://a.example.net "
    "http://a.b.example.net https://a.example.net:1 https://intern.example:8443 http://intern.example:8443".split(),
)
def test_origin_list(door, origin):
    door.opens(asks("/list", origin))


@pytest.mark.parametrize(
    "origin",
    "http://localhost http://app.example.org https://app.example.org:444 https://xapp.example.org "
    "https://app.example.org.evil https://example.net https://evilexample.net https://a.example.net.evil "
    "https://.example.net https://intern.example https://intern.example:84430 https://intern.example:443 "
    "https://app.example.org/ https://app.example.org@evil null".split(),
)
def test_origin_not_in_the_list(door, origin):
    door.refuses(asks("/list", origin), 403)


def test_origin_list_with_same(door):
    door.opens(asks("/list-and-same", door.own("http://localhost")))
    door.opens(asks("/list-and-same", "https://app.example.org"))
    door.refuses(asks("/list-and-same", "https://evil.example"), 403)


def test_route_before_origin_4_2_2(door):
    """What is not there is not there for anybody."""
    door.refuses(asks("/nothing", "https://evil.example"), 404)
