"""Where a session with a program ends: what of its input it still gets, and whose output still counts."""

import pytest
from gateway import Gateway, alive
from scripts import script
from wait import eventually
from wsraw import BINARY, CLOSE, TEXT, frame


def GATEWAY(directory):
    routes = {}

    def program(path, text, **keys):
        name = path.strip("/*").replace("/", "-") + ".sh"
        routes[f"route {path}"] = {"exec": script(directory, name, text), **keys}

    wait = f"while [ ! -e '{directory}/go' ]; do sleep 0.01; done\n"
    program(
        "/reads-late",
        f"{wait}while read -r x; do echo \"$x\" >>'{directory}/commands'; done\necho EOF >>'{directory}/commands'\n",
        closing_wait="20s",
    )
    program("/never-reads", "exec sleep 1000", closing_wait="200ms")
    program("/heir-floods", f"yes &\necho $! >'{directory}/pid'\nexit 3\n", closing_wait="50ms", framing="stream")
    return Gateway(directory, routes)


@pytest.fixture(autouse=True)
def fresh(gw):
    """Without what the test before has left."""
    for name in ("go", "commands", "pid"):
        (gw.dir / name).unlink(missing_ok=True)


# its input


def test_what_came_whole_is_read_before_the_signal(gw):
    """The client breaks off in a message: the commands before it are run though they lie unread in the pipe, half of
    one is not, and the signal follows as soon as they were read."""
    with gw.ws("/reads-late") as ws:
        ws.send(frame(TEXT, "one") + frame(TEXT, "two") + frame(TEXT, "x" * 5000) + frame(TEXT, "half")[:-2])
        (pid,) = gw.programs()
        ws.reset()
        (gw.dir / "go").touch()
        eventually(lambda: not alive(pid), "it is not told", 10)
    assert (gw.dir / "commands").read_text() == "one\ntwo\n" + "x" * 5000 + "\n"
    assert gw.wait_log("session ended")["end"] == "signal TERM"


def test_who_does_not_read_is_not_waited_for(gw):
    """No longer than closing_wait."""
    with gw.ws("/never-reads") as ws:
        ws.send(frame(TEXT, "one") + frame(TEXT, "half")[:-2])
        ws.reset()
    assert gw.wait_log("session ended", timeout=5)["end"] == "signal TERM"


# its output


@pytest.mark.parametrize("rcvbuf", [None, 4096])
def test_heir_that_never_stops_talking(gw, rcvbuf):
    """Who inherited stdout and floods it is heard for closing_wait, by a slow client too, and then ended."""
    with gw.ws("/heir-floods", over=gw.connect(rcvbuf=rcvbuf)) as ws:
        n = 0
        while (got := ws.recv()).opcode != CLOSE:
            assert got.opcode == BINARY and set(got.payload) <= set(b"y\n")
            n += len(got.payload)
            if rcvbuf:
                gw.counters()  # a pause
        ws.answer_close(got)
        assert (got.code, got.reason) == (4003, "exit 3") and n > 0
        eventually(lambda: not alive(int((gw.dir / "pid").read_text())), "it lives on")
