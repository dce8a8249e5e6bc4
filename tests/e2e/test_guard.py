"""Terminals are not given to a network: refused at start and by --check, whatever says where a listener is."""
import pytest
from activation import Activated, listening
from gateway import ini, run

pytestmark = pytest.mark.plain_only("what is refused is refused before anybody connects")

OPEN = "a terminal would be open to everybody who reaches this address"
PROGRAMS = "everybody who reaches this address may start programs"
TERMINAL = {"exec": "cat", "terminal": "yes"}


def write(tmp_path, routes, address, **listen):
    path = tmp_path / "x.ini"
    path.write_text(ini({"listen main": {"address": address, **listen}, **routes}))
    return path


@pytest.mark.parametrize("address", ["*:0", "0.0.0.0:0", "[::]:0"])
def test_refused(tmp_path, address):
    """It says route, listener, address and what to write; nothing listens."""
    path = write(tmp_path, {"route /shell": TERMINAL, "route /x": {"exec": "cat"}}, address)
    status, out, err = run(f"--config={path}", "--check")
    assert (status, out) == (1, "")
    assert err == (
        f"[route /shell] terminal: {address}: {OPEN}: listen on a loopback address or a unix socket, have the "
        "listener require certificates (tls_client_ca), or say with auth = none in the route that it is meant "
        "([listen main])\n"
    )
    status, out, err = run(f"--config={path}")
    assert (status, out) == (1, "")
    assert OPEN in err and "route=/shell" in err and "listen=main" in err and "address=" in err, err
    assert "listening" not in err and PROGRAMS not in err


def test_meant(gateway, tmp_path):
    """auth = none lets it start, without a word."""
    routes = {"route /shell": {**TERMINAL, "auth": "none"}}
    assert run(f"--config={write(tmp_path, routes, '*:0')}", "--check") == (0, "ok\n", "")
    gw = gateway(routes, listen={"address": "*:0"})
    assert PROGRAMS not in gw.log_text(), gw.log_text()
    with gw.ws("/shell") as ws:
        ws.close()


def test_on_this_host(gateway, tmp_path):
    """Loopback and unix sockets."""
    addresses = ["127.0.0.1:0", "localhost:0", f"unix:{tmp_path}/s"]
    assert run(f"--config={write(tmp_path, {'route /shell': TERMINAL}, addresses)}", "--check") == (0, "ok\n", "")
    gateway({"route /shell": TERMINAL}, listen={"address": addresses})


@pytest.mark.parametrize("name", ["wsluice", "websocketd"])
def test_command_line(name):
    """The options that help are named. websocketd listens on every address as it comes."""
    words = ["--port=0", "--set", "terminal=yes", "cat"]
    if name == "wsluice":
        words.insert(0, "--address=0.0.0.0")
    status, out, err = run(*words, name=name)
    assert status == (1 if name == "wsluice" else 3)
    assert OPEN in out + err and "--address=127.0.0.1" in out + err and "--set auth=none" in out + err, out + err


PAGES = "any web page may use a terminal, by the browser of who has the page open"


@pytest.mark.parametrize("origins", ["any", "*", "null"])
def test_every_page(gateway, tmp_path, origins):
    """On a loopback address too: a page in a browser there gets to it. auth = none says that it is meant."""
    routes = {"route /shell": {**TERMINAL, "origins": origins}}
    path = write(tmp_path, routes, "127.0.0.1:0")
    status, out, err = run(f"--config={path}", "--check")
    assert (status, out) == (1, "") and err.startswith(f"[route /shell] terminal: origins = {origins}: {PAGES}: "), err
    status, out, err = run(f"--config={path}")
    assert status == 1 and PAGES in err and "route=/shell" in err and "listening" not in err, err
    routes["route /shell"]["auth"] = "none"
    assert run(f"--config={write(tmp_path, routes, '127.0.0.1:0')}", "--check") == (0, "ok\n", "")


def test_every_page_of_websocketd():
    """Under that name all may connect by default; --sameorigin is enough."""
    words = ["--port=0", "--address=127.0.0.1", "--set", "terminal=yes", "cat"]
    status, out, err = run("--check", *words, name="websocketd")
    assert status == 1 and f"origins = any: {PAGES}: --origin=same" in err and "--set auth=none" in err, err
    assert run("--check", "--sameorigin", *words, name="websocketd")[0] == 0


@pytest.mark.parametrize("where, fails", [("0.0.0.0", True), ("127.0.0.1", False)])
def test_inherited(tmp_path, where, fails):
    """--check can't know a socket that systemd will pass; the start looks at it."""
    path = write(tmp_path, {"route /shell": TERMINAL}, "systemd:web")
    assert run(f"--config={path}", "--check") == (0, "ok\n", "")
    with listening(address=(where, 0)) as sock:
        gw = Activated(tmp_path / "gw", sockets=[("web", sock)], ready=not fails, argv=[f"--config={path}"], tls=False)
        try:
            if fails:
                gw.failed()
                assert OPEN in gw.log_text() and f"address={where}:" in gw.log_text(), gw.log_text()
            gw.stop()
        finally:
            gw.kill()


def test_programs_are_warned_of_once(gateway, tmp_path):
    """Other programs start, with one line."""
    routes = {f"route /{i}": {"exec": "cat"} for i in range(3)}
    gw = gateway({"route /quiet": {"exec": "cat", "auth": "none"}, **routes}, listen={"address": "0.0.0.0:0"})
    lines = [e for e in gw.logged(since_mark=False) if PROGRAMS in e.get("msg", "")]
    assert [(e["level"], e["route"], e["listen"]) for e in lines] == [("warning", "/0", "main")], gw.log_text()
