"""Limits: sessions, pending connections, time and size of a request head, descriptors."""
import re
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import backends
import pytest
import wsraw
from gateway import NO_LEAKS, binary, descriptors_of, rss_of, run
from wait import eventually, plateau, promptly

KIB, MIB = 1 << 10, 1 << 20
CAT = {"route /ws": {"exec": "cat"}, "route /console": {"console": "yes"}}


def busy(gw, status, **options):
    """A handshake that is refused for now."""
    with gw.connect(**options) as raw:
        raw.send(wsraw.upgrade("/ws", gw.host))
        answer = raw.response()
        raw.ended()
    assert answer.status == status, answer
    assert int(answer.header("Retry-After")) > 0
    return answer


@pytest.mark.threads
@pytest.mark.parametrize("workers", [1, 4])
def test_max_sessions(gateway, workers):
    """n are served by whichever threads, the next one gets 503; plain requests still work; an end makes room."""
    gw = gateway(CAT, gateway={"max_sessions": 5, "workers": workers})
    for _ in range(3):
        clients = [gw.ws("/ws") for _ in range(5)]
        for _ in range(3):
            busy(gw, 503)
        assert gw.get("/console").status == 200
        assert gw.counters()["sessions"] == 5
        assert gw.wait_log("request", status=503)["reason"]
        for ws in clients:
            ws.close()
            ws.drop()
        eventually(lambda: gw.counters()["sessions"] == 0, "sessions stay")


def test_refusals_free_their_place(gateway):
    """What is refused later than the limit was counted gives its place back."""
    gw = gateway({**CAT, "route /refused": {"connect": "tcp://127.0.0.1:1"}}, gateway={"max_sessions": 2})
    for _ in range(5):
        assert gw.refused("/refused").status == 502
        assert gw.refused("/ws", headers=[("Origin", "https://evil.example")]).status == 403
    with gw.ws("/ws") as one, gw.ws("/ws") as two:
        busy(gw, 503)
        one.close()
        two.close()


@pytest.mark.threads
def test_max_sessions_per_ip(gateway):
    gw = gateway(CAT, gateway={"max_sessions_per_ip": 2, "workers": 4}, listen={"address": ["127.0.0.1:0", "[::1]:0"]})
    v6 = next(int(address.rsplit(":", 1)[1]) for address in gw.addresses if address.startswith("["))
    clients = [gw.ws("/ws", over=gw.connect(source=source)) for source in ("127.0.0.1", "127.0.0.1", "127.0.0.2")]
    clients += [gw.ws("/ws", over=gw.connect(("::1", v6))) for _ in range(2)]
    busy(gw, 429)
    clients.append(gw.ws("/ws", over=gw.connect(source="127.0.0.2")))
    busy(gw, 429, source="127.0.0.2")
    with gw.connect(("::1", v6)) as raw:
        raw.send(wsraw.upgrade("/ws", gw.host))
        assert raw.response().status == 429
    for ws in clients:
        ws.close()
        ws.drop()
    eventually(lambda: gw.counters()["sessions"] == 0, "sessions stay")
    with gw.ws("/ws") as ws:
        ws.close()


def answers_of(clients):
    """What each says first: its status."""
    with ThreadPoolExecutor(32) as pool:
        return list(pool.map(lambda raw: raw.response().status, clients))


@pytest.mark.threads
def test_max_processes(gateway):
    """200 at once for 128 places, on several threads: 128 programs run, 72 clients are refused, and every place comes back."""
    # All are connected before the first one asks: on a busy machine, over TLS, that takes seconds.
    gw = gateway(CAT, gateway={"max_processes": 128, "workers": 4}, listen={"handshake_timeout": "60s"})
    for _ in range(2):
        clients = [gw.connect() for _ in range(200)]
        for raw in clients:
            raw.send(wsraw.upgrade("/ws", gw.host))
        found = answers_of(clients)
        assert (found.count(101), found.count(503)) == (128, 72)
        assert len(gw.programs()) == 128
        line = gw.wait_log("request", status=503)
        assert line["reason"] == "max_processes"
        for raw in clients:
            raw.reset()
        eventually(lambda: gw.counters() == gw.baseline, lambda: f"{gw.counters()}")


def test_max_processes_is_for_programs(gateway, tmp_path):
    """Services take no place; a program that can't be started, or whose client has not closed yet, has none."""
    script = tmp_path / "vanishing"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    with backends.service(backends.echo) as it:
        routes = {"route /tcp": {"connect": it.uri}, "route /gone": {"exec": script}, "route /true": {"exec": "true"}}
        gw = gateway({**CAT, **routes}, gateway={"max_processes": 2})
        script.unlink()
        with gw.ws("/tcp") as tcp, gw.ws("/ws") as one:
            for _ in range(3):
                assert gw.refused("/gone").status == 502
            with gw.ws("/true") as ended:
                assert ended.recv().code == 1000  # not answered: the session stays, its program is gone
                with gw.ws("/ws") as two:
                    answer = busy(gw, 503)
                    assert answer.text == "Too many programs run already. Try again later.\n"
                    with gw.ws("/tcp") as another:
                        another.close()
                    two.close()
                ended.send_close(1000)
                ended.ended()
            one.close()
            tcp.close()


def test_place_of_who_leaves_while_it_starts(gateway):
    """However a client leaves, its program's place comes back."""
    gw = gateway(CAT, gateway={"max_processes": 1, "workers": 1})
    for _ in range(20):
        with gw.connect() as raw:
            raw.send(wsraw.upgrade("/ws", gw.host))
            raw.reset()

    def comes_in():
        with gw.connect() as raw:
            raw.send(wsraw.upgrade("/ws", gw.host))
            if raw.response().status != 101:
                return False
            raw.close()
            return True

    eventually(comes_in, "the place is gone")


@pytest.mark.parametrize("name, status", [("wsluice", 503), ("websocketd", 429)])
def test_maxforks(gateway, tmp_path, name, status):
    """websocketd has a status of its own for it."""
    program = tmp_path / name
    program.symlink_to(binary())
    words = ["--address=127.0.0.1", "--port=0", "--maxforks=1", "--set", "gateway.log_format=json", "--loglevel=info"]
    gw = gateway(argv=[*words, "--set", "gateway.log_target=stderr", "cat"], program=program)
    with gw.ws("/") as ws:
        answer = gw.refused("/")
        assert (answer.status, answer.header("Retry-After")) == (status, "1")
        ws.close()


def test_max_sessions_of_a_route(gateway):
    """Each route has its own; the first limit that says no is the reason, and what it said no to costs nothing."""
    routes = {"route /one": {"exec": "cat", "max_sessions": 1}, "route /two": {"exec": "cat", "max_sessions": 2}}
    gw = gateway(routes, gateway={"max_sessions": 4, "max_processes": 3})
    with gw.ws("/one") as a, gw.ws("/two") as b, gw.ws("/two") as c:
        for _ in range(3):
            for path in ("/one", "/two"):
                answer = gw.refused(path)
                assert (answer.status, answer.header("Retry-After")) == (503, "1")
        gw.wait_log("request", status=503, n=6)
        assert {e["reason"] for e in gw.logged("request", status=503)} == {"max_sessions of the route"}
        c.close()
        c.drop()
        eventually(lambda: gw.counters()["sessions"] == 2, "its place is taken")
        with gw.ws("/two") as d:
            d.close()
        a.close()
        b.close()
    eventually(lambda: gw.counters() == gw.baseline, lambda: f"{gw.counters()}")


def test_spawn_rate(gateway):
    """n at once, the next one has to wait for its part of a second; a route without it does not; a refusal costs nothing."""
    gw = gateway({**CAT, "route /rate": {"exec": "cat", "spawn_rate": 2}})

    def status(raw):
        answer = raw.response()
        if answer.status == 101:
            raw.close()
        else:
            assert answer.header("Retry-After") == "1"
        raw.drop()
        return answer.status

    def statuses():
        """Of six that ask at once, or nobody may be too early where all else takes long."""
        clients = [gw.connect() for _ in range(6)]
        for raw in clients:
            raw.send(wsraw.upgrade("/rate", gw.host))
        return [status(raw) for raw in clients]

    begin = time.monotonic()
    found = statuses()
    assert found.count(101) >= 2
    eventually(lambda: found.extend(statuses()) or (found.count(101) >= 5 and 503 in found), lambda: f"{found}")
    took = time.monotonic() - begin
    starts = found.count(101)
    assert took > (starts - 2) / 2 - 0.1, f"{starts} starts in {took} s: five take a second and a half at two a second"
    assert gw.wait_log("request", status=503)["reason"] == "spawn_rate"
    for _ in range(5):
        with gw.ws("/ws") as ws:
            ws.close()


@pytest.mark.parametrize("workers", [1, 3])
def test_max_pending(gateway, workers):
    """Connections beyond it wait in the backlog, and are served when there is room; sessions don't count."""
    gw = gateway(CAT, gateway={"max_pending": 3, "workers": workers}, listen={"handshake_timeout": "60s"})
    sessions = [gw.ws("/ws") for _ in range(5)]
    silent = [gw.connect() for _ in range(3)]
    eventually(lambda: gw.counters()["pending"] == 3, lambda: f"{gw.counters()}")
    waiting = [gw.connect(handshake=False) for _ in range(4)]
    for raw in waiting:
        raw.send(wsraw.upgrade("/ws", gw.host))
    assert gw.counters()["pending"] == 3
    assert len(descriptors_of(gw.pid)) <= len(gw.fds) + 3 + 5 * 4
    for raw in silent:
        raw.drop()

    def be_served(raw):
        assert raw.response().status == 101
        raw.close()
        raw.drop()

    # All at once: over TLS each has a handshake to go on with, and who is let in first is not for us to say.
    with ThreadPoolExecutor(len(waiting)) as pool:
        list(pool.map(be_served, waiting))
    for ws in sessions:
        ws.close()
        ws.drop()


def test_handshake_timeout(gateway):
    """Absolute, from accept: silence, a byte now and then, and half a head all end; a session does not."""
    gw = gateway(CAT, listen={"handshake_timeout": "600ms"})

    def play():
        with gw.ws("/ws") as ws, ExitStack() as stack:
            begin = time.monotonic()
            silent, half, slow = (stack.enter_context(gw.connect()) for _ in range(3))
            half.send(wsraw.upgrade("/ws", gw.host)[:-2])
            head, ended_at = wsraw.upgrade("/ws", gw.host, headers=[("X", "a" * 4000)]), None
            slow.sock.setblocking(False)

            def trickle():
                nonlocal head
                try:
                    slow.sock.send(head[:1])
                    head = head[1:]
                    data = slow.sock.recv(1000)
                    return data == b"" or data.startswith(b"HTTP/1.1 408 ")
                except BlockingIOError:
                    return False
                except (BrokenPipeError, ConnectionResetError):
                    return True

            eventually(trickle, "the trickle goes on")
            ended_at = time.monotonic() - begin
            for raw in (silent, half):
                answer = raw.rest()
                assert answer == b"" or answer.startswith(b"HTTP/1.1 408 "), answer
            assert 0.5 < ended_at < 9 and time.monotonic() - begin < 9  # of the 10 s that it has by default
            ws.send_text("still here")
            assert ws.recv_text() == "still here"
            ws.close()

    promptly(play, late=0.3)


def test_handshake_timeout_of_a_later_request(gateway):
    """On a connection kept alive it runs from the first byte of the next head."""
    gw = gateway(CAT, listen={"handshake_timeout": "500ms"})

    def play():
        with gw.connect() as raw:
            raw.send(wsraw.request("/console", host=gw.host))
            assert raw.response().status == 200
            begin = time.monotonic()
            raw.send(b"GET /console HT")
            assert raw.response().status == 408
            raw.ended()
            assert 0.4 < time.monotonic() - begin < 9  # of the 10 s that it has by default

    promptly(play, late=0.4)


def test_slowloris(gateway):
    """Hundreds that trickle don't keep others out, and are gone in time."""
    gw = gateway(CAT, gateway={"max_pending": 400}, listen={"handshake_timeout": "1s"})

    def play():
        with ExitStack() as stack:
            slow = []
            for _ in range(300):
                slow.append(stack.enter_context(gw.connect()))
            for raw in slow:
                raw.send(b"GET / HTTP/1.1\r\nX: ")
            for _ in range(20):
                with gw.ws("/ws") as ws:
                    ws.close()
            eventually(lambda: gw.counters()["pending"] == 0, "they stay")

    promptly(play, late=0.5)


@pytest.mark.parametrize("limit", [1024, 4096])
def test_max_header(gateway, limit):
    """A head of exactly that size is read, one byte more is not."""
    gw = gateway(CAT, listen={"max_header": str(limit)})
    base = len(wsraw.request("/console", host=gw.host, headers=[("Connection", "close"), ("X", "")]))
    for extra, status in ((-1, 200), (0, 200), (1, 431), (5000, 431)):
        head = wsraw.request(
            "/console", host=gw.host, headers=[("Connection", "close"), ("X", "a" * (limit - base + extra))]
        )
        assert len(head) == limit + extra
        assert gw.http(head).status == status, extra
    with gw.connect() as raw:  # without an end
        try:
            raw.send(b"GET /console HTTP/1.1\r\n" + b"X: aaaaaaaaaaaaaaaa\r\n" * 1000)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert raw.response().status == 431


def cpu_of(pid):
    """CPU time of a process in ticks of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def test_out_of_descriptors(gateway):
    """No spinning, one warning, existing sessions go on, and it recovers when some are free again."""
    gw = gateway(CAT, files=64, gateway={"max_pending": 1000, "workers": 1}, listen={"handshake_timeout": "60s"})
    gw.mark()
    start = time.monotonic()
    with gw.ws("/ws") as ws:
        clients = [gw.connect(handshake=False) for _ in range(200)]
        gw.wait_log("cannot accept connections", level="warning")
        for i in range(50):
            ws.send_text(str(i))
            assert ws.recv_text() == str(i)
        begin, cpu = time.monotonic(), cpu_of(gw.pid)
        eventually(lambda: time.monotonic() - begin > 1.5, "time stands still")
        assert cpu_of(gw.pid) - cpu < 40, "it spins"
        warnings = gw.logged(level="warning")
        assert {line["msg"] for line in warnings} == {"cannot accept connections"}
        assert len(warnings) <= 1 + (time.monotonic() - start) / 5  # seconds, from one to the next
        for raw in clients:
            raw.drop()
        ws.close()
    eventually(lambda: echoes(gw), "it does not recover")


def echoes(gw):
    """Does a session, for which there may be no descriptor yet?"""
    try:
        with gw.ws("/ws") as ws:
            ws.send_text("recovered")
            assert ws.recv_text() == "recovered"
            ws.close()
    except (OSError, EOFError):
        return False
    return True


def test_out_of_descriptors_for_a_program(gateway, tmp_path):
    """A start that fails for want of descriptors is that session's business."""
    gw = gateway(CAT, files=64, gateway={"workers": 1})
    clients, refused = [], None
    for _ in range(30):
        raw = gw.connect()
        raw.send(wsraw.upgrade("/ws", gw.host))
        raw.sock.settimeout(2)
        clients.append(raw)
        try:
            status = raw.response().status
        except (TimeoutError, EOFError):
            refused = "nothing"
            break
        if status != 101:
            assert status == 503
            refused = status
            break
    assert refused, "30 programs with 64 descriptors"
    clients[0].send_text("alive")
    assert clients[0].recv_text() == "alive"
    for raw in clients:
        raw.drop()


@pytest.mark.parametrize("workers", [256, 257])
def test_many_workers(gateway, workers):
    """As many as are asked for, each with a socket to the spawner of its own; it serves and stops."""
    gw = gateway(CAT, gateway={"workers": workers})
    assert gw.logged("listening", since_mark=False, workers=workers)
    for _ in range(5):
        with gw.ws("/ws") as ws:
            ws.send_text("x")
            assert ws.recv_text() == "x"
            ws.close()


def test_start_without_descriptors():
    """Wherever they run out, the start fails and nothing stays: a spawner would hold the stderr that is read."""
    words = set()
    for files in range(8, 32):
        status, out, err = run(
            "-c",
            f'ulimit -n {files}; exec "$0" --port=0 --set gateway.workers=4 cat',
            binary(),
            program="/bin/sh",
            environment=NO_LEAKS,
        )
        assert (status, out) == (1, ""), (files, err)
        assert "Too many open files" in err and "Cannot allocate memory" not in err, (files, err)
        words |= set(re.findall(r"cannot \w+", err))
    assert words == {"cannot start", "cannot listen"}


def test_connect_storm(gateway):
    """Hundreds that connect at the same moment are all served."""
    gw = gateway(CAT, gateway={"workers": 2}, listen={"handshake_timeout": "90s"})  # the first one waits for the last
    clients = [gw.connect() for _ in range(300)]
    for raw in clients:
        raw.send(wsraw.request("/console", host=gw.host, headers=[("Connection", "close")]))
    for raw in clients:
        assert raw.response().status == 200
        raw.drop()


def test_idle_session_costs_little(gateway):
    """Hundreds of idle sessions, opened and closed three times: memory and descriptors are back."""
    with backends.service(backends.silent) as it:
        gw = gateway({"route /tcp": {"connect": it.uri}}, release=True)
        sizes = []
        # Twice as many descriptors are ours, of which there may be 1024. The log's ring grows meanwhile, too.
        n, most = (250, 1024 * KIB) if gw.tls else (400, 800 * KIB)
        for _ in range(3):
            clients = [gw.ws("/tcp") for _ in range(n)]
            for ws in clients:
                ws.reset()
            eventually(lambda: gw.counters() == gw.baseline, lambda: f"{gw.counters()}")
            sizes.append(rss_of(gw.pid))
            it.dismiss()
        assert sizes[2] - sizes[0] < most, sizes


def compressed_echo(gw, bits):
    """A session that has had a compressed message there and back, and stays."""
    ws = gw.ws("/tcp", headers=[("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")])
    assert ws.answer.header("Sec-WebSocket-Extensions").startswith("permessage-deflate")
    packer = zlib.compressobj(1, zlib.DEFLATED, -bits)
    packed = packer.compress(b"abcdefgh" * 5000) + packer.flush(zlib.Z_SYNC_FLUSH)
    ws.send_frame(wsraw.BINARY, packed[:-4], rsv=4)
    while not ws.ahead:
        assert ws.fill(), "it has ended"
    return ws


@pytest.mark.parametrize("context, least, most", [("no", 0, 16 * KIB), ("yes", 150 * KIB, 320 * KIB)])
def test_contexts_are_given_back(gateway, context, least, most):
    """zlib's state between messages only where contexts are taken over, and none of it when the sessions have left."""
    n = 60
    with backends.service(backends.echo) as it:
        route = {"connect": it.uri, "deflate": "yes", "deflate_window": 15, "deflate_context": context}
        gw = gateway({"route /tcp": route}, release=True)
        before = rss_of(gw.pid)
        clients = [compressed_echo(gw, 15) for _ in range(n)]
        held = plateau(lambda: rss_of(gw.pid)) - before
        for ws in clients:
            ws.reset()
        eventually(lambda: gw.counters() == gw.baseline, lambda: f"{gw.counters()}")
        left = plateau(lambda: rss_of(gw.pid)) - before
    assert least * n <= held <= most * n + 4 * MIB, held
    assert left < 4 * MIB, (held, left)
