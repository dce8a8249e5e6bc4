"""How a connection ends: RFC 6455 7.1.1 to 7.1.7 and 7.2. The client's close frame is in test_conformance_close.py.

Whoever breaks a rule is told so by a close frame, with the code of its mistake, and can read it however much it was
about to send: no reset goes before it. All that came before the mistake has reached the backend, and nothing after.
"""
import backends
import pytest
from conformance import Case, each, fragments, payload
from gateway import Gateway
from wait import eventually, prompt
from wsraw import BINARY, CLOSE, CONTINUATION, PING, TEXT, close_frame, frame

# failing (7.1.7): each kind of mistake with bytes before and behind it

FLOOD = frame(BINARY, payload(65536)) * 16
MISTAKES = {
    "5.1 no mask": (frame(TEXT, "x", mask=False), 1002),
    "5.2 reserved bits": (frame(TEXT, "x", rsv=2), 1002),
    "5.2 a reserved opcode for data": (frame(3, b"x"), 1002),
    "5.2 a reserved opcode for control": (frame(11, b"x"), 1002),
    "5.2 a length not in its shortest form": (frame(BINARY, b"x", form=64), 1002),
    "5.2 a length of 64 bits": (frame(BINARY, b"", length=1 << 63, form=64), 1002),
    "5.4 a continuation of nothing": (frame(CONTINUATION, b"x"), 1002),
    "5.5 a ping of 126 bytes": (frame(PING, payload(126)), 1002),
    "5.5 a fragment of a ping": (frame(PING, b"x", fin=False), 1002),
    "5.5.1 a close frame of a byte": (frame(CLOSE, b"\x03"), 1002),
    "5.5.1 a bad reason": (close_frame(1000, b"\xff"), 1007),
    "7.4 a bad code": (close_frame(1005), 1002),
    "8.1 bad text": (frame(TEXT, b"\xff"), 1007),
    "8.1 text that is cut": (frame(TEXT, b"\xc3"), 1007),
    "7.4.1 a message too big": (frame(BINARY, payload(70001)), 1009),
    "7.4.1 a message too big by its length": (frame(BINARY, b"", length=1 << 62, form=64), 1009),
}
WITHIN = {
    "5.4 a message within one": (frame(TEXT, "x"), 1002),
    "5.1 a fragment without mask": (frame(CONTINUATION, b"x", mask=False), 1002),
    "5.2 a fragment with reserved bits": (frame(CONTINUATION, b"x", rsv=4), 1002),
    "7.4.1 fragments too big": (frame(CONTINUATION, b"", length=70000, form=64), 1009),
    "5.2 a reserved opcode between": (frame(15, b""), 1002),
    "7.4 a bad code within": (close_frame(2000), 1002),
}
LIMIT = {"max_message": "70000"}
BEFORE = [(TEXT, b"one"), (BINARY, payload(70000)), (TEXT, b"")]
SENT_BEFORE = b"".join(frame(*message) for message in BEFORE)
CASES = []
for name, (data, code) in MISTAKES.items():
    # A message that has begun, be it with nothing that is good, is one that is broken off.
    part = b"\xc3" if "cut" in name else b"" if code == 1009 or "text" in name else None
    for more, behind in ((", then messages", frame(TEXT, "after")), (", then 1 MiB", FLOOD)):
        CASES.append(Case(name + more, SENT_BEFORE + data + behind, BEFORE, part=part, code=code, route=LIMIT))
for name, (data, code) in WITHIN.items():
    sends = SENT_BEFORE + frame(BINARY, b"ha", fin=False) + frame(CONTINUATION, b"lf", fin=False) + data
    for more, behind in ((", then messages", frame(CONTINUATION, b"after")), (", then 1 MiB", FLOOD)):
        CASES.append(Case(name + more, sends + behind, BEFORE, part=b"half", code=code, route=LIMIT))
        if "too big" in name and "1 MiB" not in more:
            CASES.pop()  # what is behind it would be a part of it

# an end without a close frame (7.1.5: 1006): what was sent whole is delivered

UNFINISHED = {
    "idle": ([], b"", None),
    "behind a message": ([(TEXT, b"one")], frame(TEXT, "one"), None),
    "behind many messages": ([(BINARY, payload(1000))] * 100, frame(BINARY, payload(1000)) * 100, None),
    "within a header": ([(TEXT, b"one")], frame(TEXT, "one") + b"\x82", None),
    "within a mask": ([(TEXT, b"one")], frame(TEXT, "one") + frame(BINARY, b"x")[:4], None),
    "within a frame": ([(TEXT, b"one")], frame(TEXT, "one") + frame(BINARY, b"half" + b"x" * 96)[:10], b"half"),
    "between fragments": ([(TEXT, b"one")], frame(TEXT, "one") + frame(BINARY, b"half", fin=False), b"half"),
    "within a close frame": ([(TEXT, b"one")], frame(TEXT, "one") + close_frame(1000, "bye")[:-1], None),
    "within a ping": ([(TEXT, b"one")], frame(TEXT, "one") + frame(PING, b"ping")[:-1], None),
}
for name, (messages, sends, part) in UNFINISHED.items():
    for how in ("drop", "reset", "shut"):
        CASES.append(Case(f"7.1.5 {how} {name}", sends, messages, part=part, ends=how))


@each(CASES)
def test_case(ground, case, backend):
    ground.play(case, backend)


service = half = None


def GATEWAY(directory):
    global service, half
    service = backends.Service(backends.echo)
    half = backends.Service(backends.sends(b"that is all", "half"))
    records = {"framing": "records", "closing_wait": "10s", **LIMIT}
    return Gateway(
        directory,
        {
            "route /program": {"exec": "cat", **records},
            "route /service": {"connect": service.uri, **LIMIT},
            "route /says": {"exec": "echo that is all"},
            "route /half": {"connect": half.uri},
            "route /exits": {"exec": "sh -c 'read line'"},
        },
    )


@pytest.fixture(scope="module")
def one(shared):
    it = shared.get()
    yield it
    it.check_idle()


@pytest.fixture
def gw(one):
    """The same one for all of the file; what is in its log from here on is of this test."""
    one.rest()
    return one


BACKENDS = pytest.mark.parametrize("path", ["/program", "/service"])


def ends_without_reset(raw):
    raw.ended()
    assert not raw.cut, "a reset instead of an end"


@pytest.mark.parametrize("name", MISTAKES)
@BACKENDS
@prompt
def test_mistake_of_a_client_that_does_not_read_7_1_7(gw, path, name):
    """It sends a MiB more before it reads, and finds our close frame, and TCP's end behind it."""
    data, code = MISTAKES[name]
    with gw.ws(path) as raw:
        raw.send(data)
        raw.send(FLOOD)
        raw.recv_close(code, answer=False)
        raw.send(FLOOD)
        ends_without_reset(raw)
    assert gw.wait_log("session ended")["code_sent"] == code


@BACKENDS
@prompt
def test_gateway_closes_tcp_first_7_1_1(gw, path):
    """After the handshake it is the server that ends TCP, and at once: the client has not moved."""
    with gw.ws(path) as raw:
        raw.send_close(1000)
        raw.recv_close(1000, answer=False)
        ends_without_reset(raw)
    assert gw.wait_log("session ended")["code_sent"] == 1000


@BACKENDS
@prompt
def test_client_goes_on_after_its_close_7_1_1(gw, path):
    """What it sends is thrown away, and no reset destroys the answer."""
    with gw.ws(path) as raw:
        raw.send(close_frame(1000) + FLOOD)
        raw.recv_close(1000, answer=False)
        raw.send(FLOOD)
        ends_without_reset(raw)


@BACKENDS
@pytest.mark.parametrize("together", [True, False], ids=["in one write", "in two"])
@prompt
def test_half_close_behind_the_close_frame_7_1_2(gw, path, together):
    """A client may end its direction of TCP as soon as it has said goodbye."""
    data = payload(60000)
    with gw.ws(path) as raw:
        raw.send(frame(BINARY, data) + close_frame(1000))
        if not together:
            gw.counters()
        raw.shut()
        assert raw.recv_bytes(len(data)) == data
        raw.recv_close(1000, answer=False)
        ends_without_reset(raw)
    line = gw.wait_log("session ended")
    assert (line["code_sent"], line["code_received"]) == (1000, 1000)


@BACKENDS
@pytest.mark.parametrize("how", ["drop", "reset"])
def test_client_leaves_behind_its_close_frame_7_1_4(gw, path, how):
    """That was an orderly end."""
    raw = gw.ws(path)
    raw.send_close(1001)
    getattr(raw, how)()
    assert gw.wait_log("session ended")["code_received"] in ((1001,) if how == "drop" else (1001, 1006))


@pytest.mark.parametrize("path,data", [("/says", BINARY), ("/half", BINARY)])
@pytest.mark.parametrize("code", [1000, 1001, 3000, None])
@prompt
def test_client_answers_our_close_7_1_1(gw, path, data, code):
    """We have begun, the client answers as it likes, we end TCP."""
    with gw.ws(path) as raw:
        assert raw.recv_message()[1] == b"that is all"
        raw.recv_close(1000, answer=False)
        raw.send_close(code, b"" if code is None else b"bye")
        ends_without_reset(raw)
    line = gw.wait_log("session ended")
    assert (line["code_sent"], line["code_received"]) == (1000, code or 1005)


ANSWERS = {
    "a bad code": close_frame(999),
    "one byte": frame(CLOSE, b"x"),
    "no mask": close_frame(1000, mask=False),
    "bad text": frame(TEXT, b"\xff"),
    "a message within one": frame(TEXT, "a", fin=False) + frame(TEXT, "b"),
    "a reserved opcode": frame(7),
    "two close frames": close_frame(1000) + close_frame(1001),
    "pings and a close frame": frame(PING, b"a") * 3 + close_frame(1000),
}


@pytest.mark.parametrize("path", ["/says", "/half"])
@pytest.mark.parametrize("name", ANSWERS)
@prompt
def test_nothing_is_sent_after_our_close_5_5_1(gw, path, name):
    """Not even another one about what is wrong with the answer."""
    with gw.ws(path) as raw:
        assert raw.recv_message()[1] == b"that is all"
        raw.recv_close(1000, answer=False)
        raw.send(ANSWERS[name])
        ends_without_reset(raw)


@prompt
def test_messages_that_cross_our_close_7_1_1(gw):
    """They were sent before the client knew, and reach a service that still reads."""
    half.received = b""
    with gw.ws("/half") as raw:
        assert raw.recv_message()[1] == b"that is all"
        raw.recv_close(1000, answer=False)
        raw.send(
            fragments(BINARY, [b"cr", b"os", b"sed"]) + frame(TEXT, " it") + close_frame(1000) + frame(TEXT, "after")
        )
        ends_without_reset(raw)
    half.wait_received(b"crossed it")


@prompt
def test_both_close_at_the_same_time_7_1_3(gw):
    """The program ends with the line that comes before the client's close frame."""
    with gw.ws("/exits") as raw:
        raw.send(frame(TEXT, "line") + close_frame(1000))
        raw.recv_close(1000, answer=False)
        ends_without_reset(raw)


def test_clients_that_wait_7_1_1(gw):
    """Each end of a connection has its timer: five seconds for the answer to our close frame, whatever is sent instead of
    it, and two for the client's end of TCP after ours."""
    waiting = {}
    for name in ("silent", "pings", "messages"):
        waiting[name] = gw.ws("/half")
        assert waiting[name].recv_message()[1] == b"that is all"
        waiting[name].recv_close(1000, answer=False)
    for name, data in (("closed", close_frame(1000)), ("failed", frame(3))):
        waiting[name] = gw.ws("/service", first=data)
        waiting[name].recv_close(answer=False)
    lines = []

    def all_over():
        for name, data in (("pings", frame(PING, b"x")), ("messages", frame(TEXT, "x"))):
            try:
                waiting[name].send(data)
            except (BrokenPipeError, ConnectionResetError):
                pass
        lines[:] = gw.logged("session ended")
        return len(lines) == len(waiting)

    eventually(all_over, "there are sessions that go on")
    for line in lines:
        assert float(line["duration"]) >= (1.5 if line["route"] == "/service" else 4.5), line
    for raw in waiting.values():
        raw.drop()
