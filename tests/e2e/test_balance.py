"""Several services for one route: who gets the next session, who rests after a failure, and what is said of it."""
from collections import Counter
from contextlib import ExitStack, contextmanager

import pytest
from backends import service
from gateway import Gateway

pytestmark = pytest.mark.plain_only("which service a session gets has nothing to do with how its client came")

NAMES = "abc"
ROUTES = {
    "/first": {},
    "/first/none": {"health": "none"},
    "/first/close": {"refuse_as": "close"},
    "/turns": {"balance": "round-robin"},
    "/least": {"balance": "least-sessions"},
    "/hash": {"balance": "hash-ip"},
}
ALONE = "/alone"


def place(directory, route, name):
    return directory / (route.strip("/").replace("/", "-") + "." + name)


def GATEWAY(directory):
    directory.mkdir(parents=True, exist_ok=True)
    routes = {
        f"route {path}": {"connect": [f"unix:{place(directory, path, name)}" for name in NAMES], **keys}
        for path, keys in ROUTES.items()
    }
    routes[f"route {ALONE}"] = {"connect": f"unix:{place(directory, ALONE, 'a')}"}
    return Gateway(directory, routes, gateway={"workers": 4})


@contextmanager
def up(gw, route, names=NAMES):
    """Services that say their name and then wait for the end."""

    def says(name):
        def handler(it, sock):
            sock.sendall(name.encode())
            while it.read(sock):
                pass
            sock.close()

        return handler

    with ExitStack() as stack:
        for name in names:
            path = place(gw.dir, route, name)
            stack.callback(path.unlink)
            stack.enter_context(service(says(name), path=path))
        yield


@contextmanager
def session(gw, route, **options):
    """A session; what it yields is the name of its service."""
    with gw.ws(route, over=gw.connect(**options)) as ws:
        yield ws.recv_bytes(1).decode()
        ws.close()


def visits(gw, route, n):
    """The services of n sessions, one after another."""
    names = ""
    for _ in range(n):
        with session(gw, route) as name:
            names += name
    return names


def test_first(gw):
    with up(gw, "/first"):
        assert visits(gw, "/first", 4) == "aaaa"


@pytest.mark.threads
def test_round_robin(gw):
    """Each in its turn, over all workers; also those that are held at the same time."""
    with up(gw, "/turns"):
        names = visits(gw, "/turns", 12)
        assert names in ("abc" * 4, "bca" * 4, "cab" * 4)
        with ExitStack() as stack:
            held = Counter(stack.enter_context(session(gw, "/turns")) for _ in range(30))
            assert held == {"a": 10, "b": 10, "c": 10}


@pytest.mark.threads
def test_least_sessions(gw):
    """The next one goes where fewest are; who has left does not count."""
    with up(gw, "/least"), ExitStack() as stack:
        held = {name: [] for name in NAMES}
        for _ in range(9):
            one = stack.enter_context(ExitStack())
            held[one.enter_context(session(gw, "/least"))].append(one)
        assert {name: len(of) for name, of in held.items()} == {"a": 3, "b": 3, "c": 3}
        for one in held["b"]:
            one.close()
        gw.wait_log("session ended", n=3, route="/least")
        for _ in range(3):
            assert stack.enter_context(session(gw, "/least")) == "b"


def test_hash_ip(gw):
    """A client comes to the same one, and others to others; those of one that is gone spread, nobody else moves."""
    clients = [f"127.0.0.{i}" for i in range(2, 66)]  # so many that no service is left without

    def visit(client):
        with session(gw, "/hash", source=client) as name:
            return name

    with up(gw, "/hash", "ac"):
        with up(gw, "/hash", "b"):
            before = {client: visit(client) for client in clients}
            assert set(before.values()) == set(NAMES)
            assert {client: visit(client) for client in clients} == before
        after = {client: visit(client) for client in clients}
        assert set(after.values()) == {"a", "c"}
        assert all(after[client] == name for client, name in before.items() if name != "b")
        assert {client: visit(client) for client in clients} == after


def test_rest(gw):
    """The next one when the first is gone, without a word to the client; the first is left alone from then on, with one
    line in the log. When its 10 s are over is tests/unit/test_rotation.c's and test_reach.c's to show."""
    with up(gw, "/first", "bc"):
        assert visits(gw, "/first", 3) == "bbb"
        line = gw.wait_log("service can't be reached, others are tried first")
        assert (line["level"], line["route"]) == ("warning", "/first")
        assert line["backend"].endswith("first.a") and "No such file" in line["reason"]
        assert gw.wait_log("session ended", route="/first")["backend"].endswith("first.b")
        with up(gw, "/first", "a"):
            assert visits(gw, "/first", 3) == "bbb"
    assert len(gw.logged("service can't be reached, others are tried first")) == 1
    assert not gw.logged("service is back")
    with up(gw, "/first", "a"):  # when the others are gone it is tried all the same
        assert visits(gw, "/first", 3) == "aaa"
    gw.wait_log("service can't be reached, others are tried first", n=3)
    line = gw.wait_log("service is back")
    assert line["level"] == "info" and line["backend"].endswith("first.a")
    assert len(gw.logged("service is back")) == 1


def test_alone(gw):
    """One that is alone is tried by every session; that it is gone is one warning, that it is back one line."""
    for _ in range(3):
        assert gw.refused(ALONE).status == 502
    line = gw.wait_log("service can't be reached", route=ALONE)
    assert (line["level"], "No such file" in line["reason"], "rests" in line) == ("warning", True, False)
    with up(gw, ALONE, "a"):
        assert visits(gw, ALONE, 2) == "aa"
    assert gw.wait_log("service is back", route=ALONE)["level"] == "info"
    assert len(gw.logged("service can't be reached")) == len(gw.logged("service is back")) == 1
    assert gw.refused(ALONE).status == 502
    gw.wait_log("service can't be reached", n=2, route=ALONE)


def test_no_health(gw):
    """Each session begins with the first one, and nobody says anything."""
    with up(gw, "/first/none", "b"):
        assert visits(gw, "/first/none", 2) == "bb"
        with up(gw, "/first/none", "a"):
            assert visits(gw, "/first/none", 2) == "aa"
    assert not gw.logged("service can't be reached, others are tried first") and not gw.logged("service is back")


@pytest.mark.parametrize("route", ["/turns", "/least", "/first/close"])
def test_all_gone(gw, route):
    """All are tried before a client is refused, and when all rest they are tried all the same."""
    for n in (1, 2):
        if route == "/first/close":
            with gw.ws(route) as ws:
                ws.recv_close(1014, "What this route leads to could not be reached: No such file or directory.")
            line = gw.wait_log("session ended", n=n, route=route, code_sent=1014)
        else:
            answer = gw.refused(route)
            assert answer.status == 502 and "No such file or directory" in answer.text
            line = gw.wait_log("request", n=n, path=route, status=502)
        for name in NAMES:
            assert str(place(gw.dir, route, name)) in line["reason"] or " more)" in line["reason"]
    with up(gw, route, "c"):
        assert visits(gw, route, 2) == "cc"
    gw.wait_log("service is back")
    assert len(gw.logged("service can't be reached, others are tried first")) == 3
    assert len(gw.logged("service is back")) == 1
