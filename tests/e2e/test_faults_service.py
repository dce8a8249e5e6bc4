"""What goes wrong between a client and a service, over TCP, a unix socket and TLS: each kind meets the same faults.

The rows of the table of faults, P1 to P8 of the promise, and where else they are:

     1  nobody there                test_nobody_is_there; test_tcp, test_refuse_as
     2  no answer                   test_no_answer; test_tcp, test_refuse_as
     3  never reads                 test_never_reads, test_both_flood; test_backpressure
     4  never writes                test_never_writes
     5  resets before a byte        test_ends_before_a_byte; before the 101: test_tcp
     6  resets in mid-message       test_ends_in_mid_message
     7  ends in mid-message         test_ends_in_mid_message
     8  half-closes, client goes on test_half_closes_and_hears_10_mib
     9  client half-closes          test_client_leaves, with much on its way to it
    10  client vanishes             test_client_whose_link_is_down
    11  client resets               test_client_leaves, with much on its way from it
    12  client never reads          test_client_never_reads; test_backpressure
    13  client closes, ignores all  test_client_closes_and_ignores_the_rest; test_conformance_end

    P1  up to the end               test_client_leaves, test_half_a_line_of_a_client_that_left; test_conformance_*
    P2  down to the end             test_last_bytes_for_a_slow_client; test_tcp
    P3  row 8                       P4  test_client_closes_and_hears_the_rest
    P5  rows 9 to 11                P6  is about programs: test_faults_program
    P7  order                       test_both_flood; test_faults_delivery
    P8  memory                      test_both_flood; test_backpressure

A unix socket has no reset: who leaves an unread byte behind makes one, who has read all can't. So an abnormal end of the
client is for such a service an end like others.
"""
import ctypes
import functools
import hashlib
import os
import random
import select
import socket
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager

import backends
import certs
import pytest
import wsraw
from backends import Service
from gateway import Gateway, rss_of
from test_backpressure import BUFFER, KIB, SLACK, push
from tlsservice import TlsService
from wait import eventually, promptly
from wsraw import BINARY, CLOSE, TEXT, close_frame, frame

MIB = 1 << 20
DATA = random.Random(12).randbytes(10 * MIB)
KINDS = ("tcp", "unix", "tls")
CUT = {"tcp": {"reset"}, "unix": {"EOF", "reset"}, "tls": {"reset"}}  # what an abnormal end of the client is for it

ROUTES = {
    "stream": {},
    "lines": {"framing": "lines"},
    "length": {"framing": "length16"},
    "netstring": {"framing": "netstring"},
    "short": {"send_timeout": "2s"},
    "pings": {"ping_interval": "50ms", "ping_timeout": "60s"},
}


class Heard:
    """What a service got on one connection, and in the end how that ended."""

    def __init__(self):
        self.data, self.end, self.hurt = bytearray(), None, False

    def listen(self, sock):
        """To the end: "EOF", "reset", or "cut", the end of TCP alone where that of TLS is missing."""
        try:
            while data := sock.recv(1 << 18):
                self.data += data
        except ConnectionResetError:
            return "reset"
        return "EOF" if getattr(sock, "notified", True) else "cut"

    def say(self, sock, data):
        """All of it, if somebody takes it. Of two threads only one is told of a reset."""
        try:
            sock.sendall(data)
        except ConnectionResetError:
            self.hurt = True
        except BrokenPipeError:
            pass

    def say_and_listen(self, sock, data, go=None):
        """Both at once; listens when it is let go."""
        writer = threading.Thread(target=self.say, args=(sock, data))
        writer.start()
        if go:
            go.wait(60)
        end = self.listen(sock)
        writer.join()
        return "reset" if self.hurt else end


class Player:
    """A service that does on its next connection what it was told: plays(heard, socket), which returns how it ended."""

    def __init__(self, kind, directory):
        self.plays, self.heard = None, []
        of_kind = {"tcp": Service, "tls": TlsService, "unix": functools.partial(Service, path=directory / "player")}
        self.service = of_kind[kind](self.play)
        self.keys = keys_for(kind, self.service.uri)

    def play(self, _service, sock):
        heard = Heard()
        self.heard.append(heard)
        end = self.plays(heard, sock)
        sock.close()
        heard.end = end

    def expect(self, plays):
        self.plays, self.heard = plays, []

    def told(self, n=0):
        """What the n-th connection since then got, when it has ended."""
        eventually(lambda: len(self.heard) > n and self.heard[n].end, "the service sees no end")
        return self.heard[n]


def keys_for(kind, uri):
    return {"connect": uri, **({"tls_ca": certs.run_authority().certificate} if kind == "tls" else {})}


def nowhere(kind, directory):
    """Where nobody listens; of a unix socket the file is left."""
    if kind == "unix":
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(directory / "nobody"))
        return f"unix:{directory / 'nobody'}"
    return f"{kind}://127.0.0.1:{backends.closed_port()}"


def GATEWAY(directory):
    directory.mkdir(parents=True, exist_ok=True)
    players = {kind: Player(kind, directory) for kind in KINDS}
    routes = {}
    for kind, it in players.items():
        for name, keys in ROUTES.items():
            routes[f"route /{kind}/{name}"] = {**it.keys, **keys}
        nobody = {**keys_for(kind, nowhere(kind, directory)), "connect_timeout": "1h"}
        for how in ("http", "close"):
            routes[f"route /{kind}/nobody/{how}"] = {**nobody, "refuse_as": how}
    gw = Gateway(directory, routes)
    gw.players = players
    return gw


kinds = pytest.mark.parametrize("kind", KINDS)


def session(gw, kind, route, plays, first=b"", rcvbuf=None):
    """A session with a service that does so."""
    gw.players[kind].expect(plays)
    return gw.ws(f"/{kind}/{route}", first=first, over=gw.connect(rcvbuf=rcvbuf))


def hear(ws):
    """Messages up to the close frame, which is answered, and its code and reason; an unfinished one is the last."""
    messages, parts = [], None
    while (got := ws.recv()).opcode != CLOSE:
        parts = (parts or b"") + got.payload
        if got.fin:
            messages.append(parts)
            parts = None
    ws.answer_close(got)
    return messages + ([parts] if parts is not None else []), (got.code, got.reason)


def stream(ws):
    messages, how = hear(ws)
    return b"".join(messages), how


def wire_of(data, size=65536):
    return b"".join(frame(BINARY, data[at : at + size], mask=b"\0\0\0\0") for at in range(0, len(data), size))


def silent_end(sock):
    """The end of TCP, without one of TLS."""
    getattr(sock, "sock", sock).shutdown(socket.SHUT_WR)


# 1, 2: it can't be reached


@pytest.mark.parametrize("how", ["http", "close"])
@kinds
def test_nobody_is_there(gw, kind, how):
    reason = "Connection refused"
    if how == "http":
        answer = gw.refused(f"/{kind}/nobody/http")
        assert answer.status == 502 and reason in answer.text
        assert reason in gw.wait_log("request", status=502)["reason"]
    else:
        with gw.ws(f"/{kind}/nobody/close") as ws:
            assert reason in ws.recv_close(1014).reason
        assert reason in gw.wait_log("session ended", code_sent=1014)["reason"]
    lines = [line["msg"] for line in gw.logged() if reason in str(line)]
    assert len(lines) == 2 and lines[0] == "service can't be reached", lines


@contextmanager
def deaf(kind, directory):
    """Where a connection is neither taken nor refused; over TLS also one that is taken and then meets silence."""
    if kind == "unix":
        with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as stuffing:
            listener.bind(str(directory / "deaf"))
            listener.listen(0)
            stuffing.connect(str(directory / "deaf"))
            yield f"unix:{directory / 'deaf'}"
    elif kind == "silent tls":
        with backends.service(backends.silent) as it:
            yield it.uri.replace("tcp:", "tls:")
    else:
        with backends.black_hole() as port:
            yield f"{kind}://127.0.0.1:{port}"


@pytest.mark.plain_only("the client has its answer before anything depends on what carries it")
@pytest.mark.parametrize("kind", [*KINDS, "silent tls"])
def test_no_answer(gateway, tmp_path, kind):
    """504 or 1014 when connect_timeout is over, which is the route's own; others are served meanwhile."""
    with deaf(kind, tmp_path) as uri, backends.service(backends.echo) as it:
        keys = {**keys_for(kind.split()[-1], uri), "connect_timeout": "300ms"}
        both = {"route /http": keys, "route /close": {**keys, "refuse_as": "close"}}
        both["route /patient"] = {**keys, "connect_timeout": "1h"}
        gw = gateway({**both, "route /echo": {"connect": it.uri}}, gateway={"workers": 1})
        with gw.connect() as patient:
            patient.send(wsraw.upgrade("/patient", gw.host))
            eventually(lambda: gw.counters()["descriptors"] > gw.baseline["descriptors"], "it is not accepted")
            begin = time.monotonic()
            with gw.connect() as http, gw.connect() as close:
                http.send(wsraw.upgrade("/http", gw.host))
                close.send(wsraw.upgrade("/close", gw.host))
                with gw.ws("/echo") as ws:
                    ws.send_text("meanwhile")
                    assert ws.recv_bytes(9) == b"meanwhile"
                    ws.close()
                answer = http.response()
                assert answer.status == 504 and "timed out" in answer.text
                assert close.response().status == 101
                assert "timed out" in close.recv_close(1014).reason
            assert time.monotonic() - begin > 0.28
            gw.wait_log("request", status=504)
            gw.wait_log("session ended", code_sent=1014)
            lines = [line for line in gw.logged() if line.get("path", line.get("route")) == "/patient"]
            assert not lines, "who came before and has more time was told too"


# 3, 4: it only listens, or does not even that


def never_reads(heard, sock):
    """Until the connection is gone, which it finds out without reading."""
    poll = select.poll()
    poll.register(sock.fileno(), 0)  # POLLHUP and POLLERR are always told
    return "gone" if poll.poll(40000) else "it goes on"


@kinds
def test_never_reads(gw, kind):
    """The client is stopped; after send_timeout it is told, and the service's connection is cut."""
    with session(gw, kind, "short", never_reads) as ws:
        try:
            push(ws, wire_of(DATA) * 3)
        except (ConnectionResetError, BrokenPipeError):
            pass  # it was told, and had some seconds to listen
        got = ws.recv()
        assert (got.opcode, got.code, got.reason) == (CLOSE, 1011, "stalled")
    assert gw.players[kind].told().end == "gone"
    line = gw.wait_log("session ended", code_sent=1011)
    assert line["end"] == "stalled"
    undelivered = int(gw.wait_log("service takes nothing any more")["undelivered"])
    assert 0 < undelivered < 8 * MIB, "nothing stopped the client"  # `buffer`, and what the kernel takes for a socket


def late(go, data=b""):
    """Says all at once, and listens when it is let go."""

    def plays(heard, sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
        return heard.say_and_listen(sock, data, go)

    return plays


@kinds
def test_never_writes(gw, kind):
    """The session lives as long as its client answers pings."""
    with session(gw, kind, "pings", Heard.listen) as ws:
        for _ in range(4):
            got = ws.recv_frame()
            assert got.opcode == wsraw.PING
            ws.send_frame(wsraw.PONG, got.payload)
        ws.send_binary(b"still there")
        assert ws.close().code == 1000
    heard = gw.players[kind].told()
    assert (heard.data, heard.end) == (b"still there", "EOF")


# 5, 6, 7: it ends when it should not


def leave(heard, sock, then):
    """What it has not read makes a reset of a unix socket, so all else reads on."""
    if then == "resets":
        backends.reset(sock)
        return "left"
    if then == "is cut":
        silent_end(sock)
    else:
        sock.shutdown(socket.SHUT_WR)
    return heard.listen(sock)


def says(data, then):
    """Says that, and when the client has said "now" it ends so."""

    def plays(heard, sock):
        sock.sendall(data)
        sock.recv(1)
        return leave(heard, sock, then)

    return plays


ABRUPT = [(kind, "resets") for kind in KINDS] + [("tls", "is cut")]


@pytest.mark.parametrize("kind, then", ABRUPT)
def test_ends_before_a_byte(gw, kind, then):
    """1011, since the 101 was before it."""
    with session(gw, kind, "stream", says(b"", then)) as ws:
        ws.send_text("now")
        assert stream(ws) == (b"", (1011, reason_of(then)))
    assert gw.wait_log("session ended")["end"] == reason_of(then)


def reason_of(then):
    return "Connection reset by peer" if then == "resets" else "ended without close_notify"


# What a framing makes of a whole message and a half: (what is said, the messages when it is cut off, when it ends).
HALVES = {
    "stream": (b"whole half", [b"whole half"], [b"whole half"]),
    "lines": (b"whole\nhalf", [b"whole"], [b"whole", b"half"]),
    "length": (b"\0\5whole\0\5half", [b"whole"], 1011),
    "netstring": (b"5:whole,5:half", [b"whole"], 1011),
}


@pytest.mark.parametrize("framing", HALVES)
@pytest.mark.parametrize("kind, then", [*ABRUPT, *((kind, "ends") for kind in KINDS)])
def test_ends_in_mid_message(gw, kind, then, framing):
    """What came is passed on, half a message only where it is one; 1000 only when the stream is complete."""
    said, cut, whole = HALVES[framing]
    expected = whole if then == "ends" and whole != 1011 else cut
    with session(gw, kind, framing, says(said, then)) as ws:
        first = ws.recv()
        ws.send_text("now")
        messages, (code, reason) = hear(ws)
        assert [first.payload, *messages] == expected
        assert code == (1000 if then == "ends" and whole != 1011 else 1011)
        assert bool(reason) == (code == 1011)
        if then != "ends":
            assert reason == reason_of(then)
    assert gw.wait_log("session ended")["code_sent"] == code


@pytest.mark.parametrize("kind, then", ABRUPT)
def test_ends_with_much_on_its_way(gw, kind, then):
    """A reset may overtake what nobody has read, so the client has the beginning of it; an end is told as one."""

    def plays(heard, sock):
        sock.recv(1)  # there is a session: before that it would be a service that can't be reached
        sock.sendall(DATA[:MIB])
        return leave(heard, sock, then)

    with session(gw, kind, "stream", plays, first=frame(TEXT, "unread"), rcvbuf=4096) as ws:
        data, (code, _) = stream(ws)
    assert data == DATA[:MIB] if then == "is cut" else DATA.startswith(data)
    assert code == 1011


# 8, P2, P3: it ends, in order


@kinds
def test_half_closes_and_hears_10_mib(gw, kind):
    """Our close frame goes out at once, and what the client sends before its own still arrives."""

    def plays(heard, sock):
        sock.sendall(b"bye")
        sock.shutdown(socket.SHUT_WR)
        return heard.listen(sock)

    wire = wire_of(DATA) + close_frame(1000)

    def play():
        gw.mark()
        with session(gw, kind, "stream", plays) as ws:
            assert ws.recv_bytes(3) == b"bye"
            got = ws.recv()
            assert (got.opcode, got.code) == (CLOSE, 1000)
            ws.send(wire)
            ws.ended()
        heard = gw.players[kind].told()
        line = gw.wait_log("session ended")
        assert heard.data == DATA and heard.end == "EOF"
        assert (line["in_bytes"], line["code_sent"], line["code_received"]) == (len(DATA), 1000, 1000)

    promptly(play, late=4)  # a client has five seconds from our close frame to its own


@kinds
def test_last_bytes_for_a_slow_client(gw, kind):
    """It says three MiB and is gone; the client reads all of it, and only then 1000."""

    def plays(heard, sock):
        sock.sendall(DATA[: 3 * MIB])
        sock.shutdown(socket.SHUT_WR)
        return heard.listen(sock)

    with session(gw, kind, "stream", plays, rcvbuf=4096) as ws:
        gw.counters()
        assert stream(ws) == (DATA[: 3 * MIB], (1000, ""))
    assert gw.players[kind].told().end == "EOF"


@kinds
def test_client_closes_and_hears_the_rest(gw, kind):
    """P4: the service has all that came before the close frame, hears an end, and its answer to that still goes out."""

    def play():
        def plays(heard, sock):
            end = heard.listen(sock)
            sock.sendall(DATA[:MIB])
            sock.shutdown(socket.SHUT_WR)
            return end

        with session(gw, kind, "stream", plays, first=wire_of(DATA[MIB:][:MIB]) + close_frame(1000)) as ws:
            messages, got = [], ws.recv()
            while got.opcode != CLOSE:
                messages.append(got.payload)
                got = ws.recv()
            assert b"".join(messages) == DATA[:MIB] and got.code == 1000
            ws.ended()
        heard = gw.players[kind].told()
        assert heard.data == DATA[MIB:][:MIB] and heard.end == "EOF"

    promptly(play, late=0.8)  # a service that has heard the end has a second to begin to answer


@pytest.mark.parametrize("kind, then, code", [("tcp", "resets", 1011), ("tls", "resets", 1011), ("tls", "is cut", 1000)])
def test_client_closes_and_does_not_hear_the_rest(gw, kind, then, code):
    """P2: the service breaks off in what it says to the client's end: the close frame is not answered as if all was well.
    An end without close_notify is the manner of many, there; the log tells it."""

    def play():
        def plays(heard, sock):
            heard.listen(sock)
            sock.sendall(b"half")
            how = leave(heard, sock, then)
            return how

        gw.mark()
        with session(gw, kind, "stream", plays, first=close_frame(1000)) as ws:
            said, close = stream(ws)
            line = gw.wait_log("session ended")
            assert b"half".startswith(said) and close == (code, reason_of(then) if code == 1011 else "")
        assert (line["code_sent"], line["code_received"], line["end"]) == (code, 1000, reason_of(then))

    promptly(play, late=0.8)  # a service that has heard the end has a second to begin to answer


# 9, 11, P1, P5: the client leaves without a close frame


def tcp_below(ws):
    return getattr(ws.sock, "sock", ws.sock)


LEAVES = {
    "half-closes": lambda ws: ws.shut(),
    "is cut": lambda ws: tcp_below(ws).shutdown(socket.SHUT_WR),  # with TLS, without close_notify
    "resets": lambda ws: ws.reset(),
    "drops": lambda ws: ws.drop(),
}


@pytest.mark.parametrize("how", LEAVES)
@kinds
def test_client_leaves(gw, kind, how):
    """With a MiB on its way from it, to a service that begins to read only then, and more on its way to it. The service
    has every byte that was received, in order, then what is no orderly end; who only half-closed hears the rest."""

    def play():
        left = threading.Event()
        gw.mark()
        with session(gw, kind, "stream", late(left, DATA[: 2 * MIB]), rcvbuf=4096) as ws:
            sent = push(ws, wire_of(DATA[:MIB]) + frame(BINARY, DATA[MIB:][:MIB])[:-1])
            LEAVES[how](ws)
            left.set()
            if how in ("half-closes", "is cut"):
                heard_by_client = ws.rest()
                print(f"{len(heard_by_client)} of {2 * MIB} bytes after {sent} that were taken")
            heard = gw.players[kind].told()
        line = gw.wait_log("session ended", code_received=1006)
        assert heard.data == DATA[: len(heard.data)] and len(heard.data) == line["in_bytes"] > 0
        assert heard.end in CUT[kind]
        assert line["code_sent"] != 1000

    promptly(play, late=0.8)  # a service that reads nothing for a second does not get the rest


@kinds
def test_half_a_line_of_a_client_that_left(gw, kind):
    """Whole messages are delivered, of the half none of its bytes."""
    with session(gw, kind, "lines", Heard.listen, first=frame(TEXT, "one") + frame(TEXT, "delete all")[:-4]) as ws:
        ws.shut()
        heard = gw.players[kind].told()
    assert heard.data == b"one\n" and heard.end in CUT[kind]


# 10: it does not even leave


def setns(fd):
    """This thread moves to a network namespace."""
    assert ctypes.CDLL(None, use_errno=True).setns(fd, 0x40000000) == 0, os.strerror(ctypes.get_errno())


def in_namespace(fd, work):
    """Runs work() on a thread that is there, as are the sockets that it makes and the programs that it starts."""
    done = []

    def there():
        try:
            setns(fd)
            done.append((work(), None))
        except BaseException as error:
            done.append((None, error))

    thread = threading.Thread(target=there)
    thread.start()
    thread.join()
    value, error = done[0]
    if error:
        raise error
    return value


@contextmanager
def two_places():
    """Network namespaces of a gateway and of a client with a cable between them: their descriptors, the gateway's
    address there, and how the cable is cut."""

    def place():
        assert ctypes.CDLL(None, use_errno=True).unshare(0x40000000) == 0, os.strerror(ctypes.get_errno())
        return os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def ip(where, *words):
        in_namespace(where, lambda: subprocess.run(["ip", *words], check=True, pass_fds=[clients]))

    here = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    gateways, clients = in_namespace(here, place), in_namespace(here, place)
    try:
        peer = ("peer", "name", "cable1", "netns", f"/proc/self/fd/{clients}")
        ip(gateways, "link", "add", "cable0", "type", "veth", *peer)
        for where, name, address in ((gateways, "cable0", "10.9.8.1/30"), (clients, "cable1", "10.9.8.2/30")):
            ip(where, "address", "add", address, "dev", name)
            ip(where, "link", "set", "lo", "up")
            ip(where, "link", "set", name, "up")
        yield gateways, clients, "10.9.8.1", lambda: ip(clients, "link", "set", "cable1", "down")
    finally:
        for fd in (here, gateways, clients):
            os.close(fd)


class Attentive(threading.Thread):
    """A client that reads and answers pings, as long as it is heard."""

    def __init__(self, ws):
        super().__init__(daemon=True)
        self.ws, self.pings, self.n = ws, 0, 0
        self.start()

    def run(self):
        try:
            while True:
                got = self.ws.recv_frame()
                self.n += len(got.payload)
                if got.opcode == wsraw.PING:
                    self.pings += 1
                    self.ws.send_frame(wsraw.PONG, got.payload)
        except (EOFError, OSError):
            pass

    def leave(self):
        """What the kernel still says goes nowhere."""
        tcp_below(self.ws).shutdown(socket.SHUT_RDWR)
        self.join()
        self.ws.drop()


def drips(heard, sock):
    """Says something all the time."""
    end = threading.Event()

    def say():
        while not end.wait(0.02) and not heard.hurt:
            heard.say(sock, DATA[:8192])

    writer = threading.Thread(target=say)
    writer.start()
    how = heard.listen(sock)
    end.set()
    writer.join()
    return "reset" if heard.hurt else how


def test_client_whose_link_is_down(tmp_path):
    """No word of it arrives: pings find out, send_timeout where bytes are on their way to it; the services are told as
    of a reset, and nothing is left. The clients have six seconds to be heard before."""
    with two_places() as (there, afar, address, cut), ExitStack() as stack:
        keys = {"ping_interval": "100ms", "ping_timeout": "6s", "send_timeout": "6s"}
        players = {kind: in_namespace(there, lambda: Player(kind, tmp_path)) for kind in KINDS}
        routes = {f"route /{kind}": {**it.keys, **keys} for kind, it in players.items()}
        for it in players.values():
            stack.callback(it.service.close)
        gw = in_namespace(there, lambda: Gateway(tmp_path / "gateway", routes, listen={"address": f"{address}:0"}))
        stack.callback(gw.kill)
        gw.take_baseline()
        clients = []
        for kind, it in players.items():
            for n, plays in enumerate((Heard.listen, drips)):
                it.plays = plays
                raw = in_namespace(afar, lambda: gw.connect((address, gw.port), name="localhost"))
                ws = gw.ws(f"/{kind}", over=raw, host="localhost")
                eventually(lambda: len(it.heard) == n + 1, "no connection")
                ws.send(frame(BINARY, b"whole") + frame(BINARY, b"half", fin=False))
                clients.append(Attentive(ws))
        heard = [heard for it in players.values() for heard in it.heard]
        eventually(lambda: all(one.data == b"wholehalf" for one in heard), lambda: f"{[one.data for one in heard]}")
        eventually(lambda: all(one.pings > 10 or one.n > MIB // 2 for one in clients), "somebody is not alive")
        assert gw.counters()["sessions"] == len(clients)
        begin = time.monotonic()
        cut()
        for kind, it in players.items():
            assert it.told(0).end in CUT[kind] and it.told(1).end in CUT[kind]
        gw.wait_log("session ended", n=len(clients), code_received=1006)
        assert 0.5 < time.monotonic() - begin < 19.9  # of the 20 s and more that there are by default
        assert {line["reason"] for line in gw.logged("session ended")} <= {"ping timeout", "send timeout"}
        for client in clients:
            client.leave()
        gw.check_idle()
        gw.stop()


def floods(heard, sock):
    """Says more than anybody takes, and listens."""
    return heard.say_and_listen(sock, DATA)


# 12, 13: it is there, and does not care


@kinds
def test_client_never_reads(gw, kind):
    """After send_timeout it is cut, and the service's connection reset."""
    with session(gw, kind, "short", floods, rcvbuf=4096):
        heard = gw.players[kind].told()
        line = gw.wait_log("session ended", code_received=1006)
    assert heard.end in CUT[kind] and line["code_sent"] != 1000
    assert 0 < line["out_bytes"] <= len(DATA)


def test_client_closes_and_ignores_the_rest(gw):
    """Neither what the service says at length, nor our close frame: it is over after send_timeout."""
    clients = []
    for kind in KINDS:
        clients.append(session(gw, kind, "short", floods, first=close_frame(1000), rcvbuf=4096))
    begin = time.monotonic()
    gw.wait_log("session ended", n=len(KINDS), code_received=1000)
    assert time.monotonic() - begin < 30  # of the 60 s by default
    for kind, ws in zip(KINDS, clients):
        assert gw.players[kind].told().data == b""
        ws.drop()


# 3, P7, P8: both flood, and neither reads


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "tcp"])
def test_both_flood(gateway, tmp_path, kind):
    """TCP's is in test_faults_delivery. All stands still within `buffer`, and all arrives in order when both read."""
    up, down = DATA + DATA[: 6 * MIB], DATA[2 * MIB :]  # sockets alone take eight MiB
    go = threading.Event()
    it = Player(kind, tmp_path)
    try:
        it.expect(late(go, down))
        gw = gateway({"route /both": {**it.keys, "closing_wait": "20s"}}, release=True)
        before = rss_of(gw.pid)
        with gw.ws("/both", over=gw.connect(rcvbuf=16384)) as ws:
            wire = wire_of(up)
            sent = push(ws, wire)
            assert sent < len(wire), "nothing stopped the client"
            grown = rss_of(gw.pid) - before
            assert grown <= 2 * (BUFFER + 64 * KIB) + SLACK, f"{grown // KIB} KiB"
            assert ws.recv_bytes(len(down)) == down
            go.set()
            ws.send(wire[sent:])
            assert ws.close().code == 1000
        heard = it.told()
        assert hashlib.sha256(heard.data).digest() == hashlib.sha256(up).digest() and heard.end == "EOF"
    finally:
        it.service.close()
