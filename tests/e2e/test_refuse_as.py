"""refuse_as: how a client hears that its session can't start; with close it is let in, and told by a close frame."""
import backends
import pytest
import wsraw
from gateway import Gateway
from scripts import script
from wait import eventually, prompt, promptly
from wsraw import CLOSE, CONTINUATION, TEXT, frame

FULL = "All sessions of this route are taken. Try again later."
OFFER = [("Sec-WebSocket-Extensions", "permessage-deflate")]


def GATEWAY(directory):
    nobody = f"tcp://127.0.0.1:{backends.closed_port()}"
    script(directory, "vanishing", "")
    no_interpreter = script(directory, "no-interpreter", "")
    no_interpreter.write_text("#!/nonexistent/interpreter\n")
    routes = {
        "/one": {"exec": "cat", "max_sessions": 1},
        "/nobody": {"connect": nobody},
        "/no-name": {"connect": "tcp://name.invalid:80", "connect_timeout": "1h"},  # DNS may ask again after 5 s
        "/no-file": {"exec": directory / "vanishing"},
        "/no-interpreter": {"exec": no_interpreter},
        "/rate": {"exec": "cat", "spawn_rate": 1},
    }
    both = {f"route {path}": {**keys, "refuse_as": "close", "deflate": "yes"} for path, keys in routes.items()}
    both |= {f"route /http{path}": keys for path, keys in routes.items()}
    return Gateway(directory, both)


def told(ws, code, reason):
    """Reads the close frame and ends as a client should."""
    ws.recv_close(code, reason)


def full(gw):
    """A session that has the one place of /one."""
    ws = gw.ws("/one")
    ws.send_text("here")
    assert ws.recv_text() == "here"
    return ws


@prompt
def test_limit(gw):
    """1013 at a limit, for one and for many; an end makes room. The place of who is refused is nobody's session."""
    with full(gw) as first:
        for n in range(1, 4):
            with gw.ws("/one") as ws:
                told(ws, 1013, FULL)
            line = gw.wait_log("session ended", n=n, route="/one", code_sent=1013)
            assert line["reason"] == "max_sessions of the route"
            assert (line["code_received"], line["in_bytes"], line["out_bytes"]) == (1013, 0, 0)
        assert gw.counters()["sessions"] == 1
        first.close()
    gw.wait_log("session ended", route="/one", code_sent=1000)
    gw.rest()
    with full(gw) as again:
        again.close()


@pytest.mark.parametrize(
    "path, code, sentence",
    [
        ("/nobody", 1014, "What this route leads to could not be reached: Connection refused."),
        ("/no-name", 1014, "The name of what this route leads to could not be found."),
        (
            "/no-interpreter",
            1011,
            "The program of this route could not be started: its first line names an interpreter that is not there.",
        ),
    ],
)
@prompt
def test_backend(gw, path, code, sentence):
    """Nobody there is 1014, a program that can't be started 1011, with the errno's words; over HTTP the same words."""
    with gw.ws(path) as ws:
        assert ws.answer.header("Sec-WebSocket-Extensions") is None
        told(ws, code, sentence)
    line = gw.wait_log("session ended", route=path, code_sent=code)
    assert line["reason"] and line["code_received"] == code
    answer = gw.refused("/http" + path)
    assert (answer.status, answer.header("Retry-After")) == (502, None)
    assert answer.text == sentence + "\n"
    assert gw.wait_log("request", path="/http" + path, status=502)["reason"] == line["reason"]


def test_program_is_gone(gw):
    """A file that was there when the configuration was read."""
    (gw.dir / "vanishing").unlink(missing_ok=True)
    with gw.ws("/no-file") as ws:
        told(ws, 1011, "The program of this route could not be started: No such file or directory.")


def test_black_hole(gateway):
    """A service that does not answer: 1014 instead of the 504."""
    with backends.black_hole() as port:
        gw = gateway(
            {"route /*": {"connect": f"tcp://127.0.0.1:{port}", "connect_timeout": "100ms", "refuse_as": "close"}}
        )
        with gw.ws("/") as ws:
            told(ws, 1014, "What this route leads to could not be reached: Connection timed out.")


def test_rate(gw):
    """spawn_rate, and what it is over HTTP."""
    sentence = "Programs of this route are not started as fast as that. Try again later."

    def refused():
        with gw.ws("/rate") as ws:
            ws.send_close(1000)
            return (got := ws.recv()).code == 1013 and got.reason == sentence

    eventually(refused, "it is started however often")  # each second once
    assert gw.wait_log("session ended", code_sent=1013, route="/rate")["reason"] == "spawn_rate"


def test_out_of_descriptors(gateway):
    """What we are short of may be there in a second: 1013, not 1011; and the sessions that there are go on."""
    gw = gateway({"route /*": {"exec": "cat", "refuse_as": "close"}}, files=64, gateway={"workers": 1})
    clients = []

    def comes_in():
        ws = gw.ws("/")
        clients.append(ws)
        ws.send_text("x")
        got = ws.recv()
        return got if got.opcode == CLOSE else None

    got = eventually(comes_in, "descriptors for ever")
    assert (got.code, got.reason) == (
        1013,
        "The program of this route could not be started: Too many open files.",
    )
    clients[0].send_text("alive")
    assert clients[0].recv_text() == "alive"
    for ws in clients:
        ws.drop()


def test_what_stays_http(gw):
    """Only what comes after a correct handshake is told by a close frame."""
    assert gw.refused("/one", headers=[("Origin", "https://evil.example")]).status == 403
    assert gw.refused("/none").status == 404
    assert gw.refused("/one", version="12").status == 426
    assert gw.refused("/one", key="short").status == 400
    assert gw.get("/one").status == 426
    assert gw.refused("/one", host="a b").status == 400


def test_extension_is_agreed(gw):
    """The 101 is the one that it would have been; a close frame is never compressed."""
    with gw.ws("/nobody", headers=[*OFFER, ("Sec-WebSocket-Protocol", "chat")]) as ws:
        assert ws.answer.header("Sec-WebSocket-Extensions").startswith("permessage-deflate")
        assert ws.answer.header("Sec-WebSocket-Protocol") == "chat"
        told(ws, 1014, "What this route leads to could not be reached: Connection refused.")


@pytest.mark.parametrize("path", ["/one", "/nobody"])
@prompt
def test_frames_behind_the_request(gw, path):
    """What came behind the head are frames of a session that is closing: dropped, up to the close frame."""
    with full(gw) as first:
        with gw.ws(path, frame(TEXT, "early") + frame(CLOSE, b"\x03\xe8")) as ws:
            assert ws.recv().opcode == CLOSE
            ws.ended()
        with gw.ws(path, frame(TEXT, "half", fin=False) + frame(CONTINUATION, "x" * 8000)) as ws:
            assert ws.recv().code in (1013, 1014)
            ws.send(frame(wsraw.PING, b"x") + frame(CONTINUATION, "y" * 200000) + wsraw.close_frame(1000))
            ws.ended()
        first.close()


@pytest.mark.plain_only
@pytest.mark.parametrize("path", ["/one", "/nobody"])
def test_client_ended_its_side(gw, path):
    """First frames, then the end of TCP: it may still read."""
    with full(gw) as first:
        with gw.connect() as ws:
            ws.send(wsraw.upgrade(path, gw.host) + frame(TEXT, "x"))
            ws.shut()
            assert ws.response().status == 101
            assert ws.recv().code in (1013, 1014)
            ws.ended()
        first.close()


@pytest.mark.parametrize("how", ["drop", "reset"])
def test_client_vanishes(gw, how):
    """Without an answer to the close frame; one log line all the same, that says why it was refused."""
    with gw.ws("/nobody") as ws:
        assert ws.recv().code == 1014
        getattr(ws, how)()
    line = gw.wait_log("session ended", route="/nobody", code_sent=1014)
    assert "Connection refused" in line["reason"] and line["code_received"] == 1006


@prompt
def test_no_session_of_its_own(gw):
    """While it is told it has the place of a connection that is not upgraded; a ping is not answered any more."""
    with gw.ws("/nobody") as ws:
        assert ws.recv().code == 1014
        ws.send_frame(wsraw.PING, b"x")
        counters = gw.counters()
        assert (counters["pending"], counters["sessions"]) == (1, 0)
        ws.send_close(1014)
        ws.ended()
    gw.wait_log("session ended", route="/nobody")
    eventually(lambda: gw.counters()["pending"] == 0, "it stays")
    assert len(gw.logged("session ended", route="/nobody")) == 1


def test_pending_bounds_them(gateway):
    """Who is being told is one of max_pending: more wait in the backlog, and are served when there is room."""
    gw = gateway(
        {"route /*": {"connect": f"tcp://127.0.0.1:{backends.closed_port()}", "refuse_as": "close"}},
        gateway={"max_pending": 3},
    )

    def play():
        eventually(lambda: gw.counters()["pending"] == 0, "those of before stay")
        told_of = [gw.ws("/") for _ in range(3)]
        assert [ws.recv().code for ws in told_of] == [1014] * 3
        assert gw.counters()["pending"] == 3
        with gw.connect(handshake=False) as waiting:
            waiting.send(wsraw.upgrade("/", gw.host))
            for ws in told_of:
                ws.send_close(1014)
                ws.ended()
                ws.drop()
            assert waiting.response().status == 101
            waiting.recv_close(1014)

    promptly(play)


def test_stop(gateway):
    """A stop does not wait for who was told already but as long as the close handshake takes, and cuts it in the end."""
    gw = gateway(
        {"route /*": {"connect": f"tcp://127.0.0.1:{backends.closed_port()}", "refuse_as": "close"}},
        gateway={"shutdown_grace": "300ms"},
        checked=False,
    )
    with gw.ws("/") as ws:
        assert ws.recv().code == 1014
        gw.stop()
        assert len(gw.logged("session ended", reason=gw.logged("session ended")[0]["reason"])) == 1
