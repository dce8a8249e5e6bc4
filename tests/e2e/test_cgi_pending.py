"""A CGI program's run is one of max_processes: while it lasts its connection has no place in max_pending."""
import pytest
import wsraw
from scripts import script
from wait import eventually

pytestmark = pytest.mark.plain_only("places are counted without a look at what the connection carries")

MAX = 2
HEAD = "printf 'Content-Type: text/event-stream\\n\\n'\n"
WAIT = 'until [ -e "%s/$QUERY_STRING" ]; do sleep 0.02; done\n'


@pytest.fixture
def gw(gateway, tmp_path):
    """Programs wait for a file of the name that the query has: in the document, before the head, before they redirect."""
    cgi, wait = tmp_path / "cgi", WAIT % tmp_path
    script(cgi, "stream", HEAD + "echo one\n" + wait + "echo two")
    script(cgi, "late", wait + HEAD + "echo late")
    script(cgi, "elsewhere", wait + "printf 'Location: /page\\n\\n'")
    script(cgi, "again", wait + "printf 'Location: /cgi/late?%s\\n\\n' \"$QUERY_STRING\"")
    routes = {"route /cgi/*": {"cgi": cgi}, "route /page": {"console": "yes"}, "route /ws": {"exec": "cat"}}
    return gateway(routes, gateway={"max_pending": MAX}, listen={"handshake_timeout": "60s"})


def is_pending(gw, n):
    eventually(lambda: gw.counters()["pending"] == n, lambda: f"not {n}: {gw.counters()}")


def start(gw, path, n_programs=1):
    """A client whose program runs, as one of so many."""
    raw = gw.connect()
    raw.send(wsraw.request(path, host=gw.host))
    eventually(lambda: len(gw.programs()) == n_programs, "it does not run")
    is_pending(gw, 0)
    return raw


def stream(gw, n):
    """The n-th client of a stream, which has begun."""
    raw = start(gw, f"/cgi/stream?{n}", n)
    assert raw.response(body=False).header("Connection") is None
    assert raw.chunk() == b"one\n"
    return raw


def be_last(raw):
    """The response was whole, and behind it the connection's end in good order."""
    assert raw.rest() == b"" and not raw.cut
    raw.drop()


def test_streams_keep_nobody_out(gw, tmp_path):
    """More streams than places, and a handshake is answered; who is done takes a place again as long as there is one."""
    streams = [stream(gw, n) for n in range(1, MAX + 2)]
    with gw.ws("/ws") as ws:
        ws.close()
    for n, raw in enumerate(streams, 1):
        (tmp_path / str(n)).touch()
        assert (raw.chunk(), raw.chunk()) == (b"two\n", b"")
        if n <= MAX:
            is_pending(gw, n)
    be_last(streams.pop())
    is_pending(gw, MAX)
    for raw in streams:
        raw.send(wsraw.request("/page", host=gw.host))
        assert raw.response().status == 200
        raw.drop()
    is_pending(gw, 0)


@pytest.mark.parametrize("n", [MAX - 1, MAX])
@pytest.mark.parametrize("program", ["late", "elsewhere", "again"])
def test_no_place_at_the_head(gw, tmp_path, program, n):
    """What has not been said yet says that it is the last: of a program, and behind a redirect."""
    raw = start(gw, f"/cgi/{program}?go")
    others = [gw.connect() for _ in range(n)]
    is_pending(gw, n)
    (tmp_path / "go").touch()
    answer = raw.response()
    assert answer.status == 200 and answer.header("Connection") == (None if n < MAX else "close")
    if n < MAX:
        is_pending(gw, n + 1)
        raw.send(wsraw.request("/page", host=gw.host))
        assert raw.response().status == 200
    else:
        be_last(raw)
    for other in others:
        other.drop()


def test_requests_behind_one(gw, tmp_path):
    """Each of a connection's runs gives the place back, which is there again between them."""
    (tmp_path / "go").touch()
    with gw.connect() as raw:
        raw.send((wsraw.request("/cgi/late?go", host=gw.host) + wsraw.request("/page", host=gw.host)) * 5)
        for _ in range(5):
            assert raw.response().body == b"late\n"
            assert raw.response().status == 200
        is_pending(gw, 1)


def test_clients_leave_their_streams(gw):
    """A run that has nobody left, and one that never began: no place is given back twice."""
    for _ in range(MAX + 1):
        stream(gw, 1).drop()
        eventually(lambda: not gw.programs(), "it runs still")
        with gw.connect() as raw:
            raw.send(wsraw.request("/cgi/no-such", host=gw.host))
            assert raw.response().status == 404
    is_pending(gw, 0)
