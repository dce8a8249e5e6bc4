"""What docs/terminals.md has people type: each line of it, on another port."""
import os
import re
import subprocess
import textwrap

import certs
import daemons
import pytest
import recipes
import wsraw
from gateway import ROOT, run

pytestmark = pytest.mark.plain_only("what runs on a terminal has nothing to do with how its client came")

PAGE = recipes.TERMINALS


def words(section):
    """A command line of the page, on a free port, with a log that tests can read."""
    found = [word for word in recipes.command(section, page=PAGE) if not word.startswith("--port=")]
    return ["--port=0", "--set", "log_format=json", *found]


def shell(home):
    """That of a terminal, at a home without files: a user's own may have a shell do slow things first."""
    own = words("A terminal in the browser")
    assert own[-1] == "bash"
    return [*own[:-1], "--set", f"env=HOME={home}", "bash"]


def read_until(ws, what, said=b""):
    """What the terminal shows up to there."""
    while what not in said:
        said += ws.recv_message()[1]
    return said


def test_shell(gateway, tmp_path):
    """bash on a terminal of 80 columns, in our locale, or else a UTF-8 one; the page is at the same address; what it left
    behind ends."""
    language = os.environ.get("LANG", "C.UTF-8")
    gw = gateway(argv=shell(tmp_path))
    assert gw.get("/").status == 200
    with gw.ws("/") as ws:
        ws.send_binary(b"PS1=; stty size; echo \"$TERM $LANG\"; sleep 1000 & exit 3\n")
        read_until(ws, f"24 80\r\nxterm-256color {language}\r\n".encode())
        ws.recv_all()
    assert gw.wait_log("session ended")["code_sent"] == 4003


def test_only_to_look_at(gateway):
    """top draws, and goes when its visitor does."""
    gw = gateway(argv=words("Only to look at"))
    with gw.ws("/") as ws:
        ws.send_binary(b"q")
        read_until(ws, b"PID")
        ws.close()


def test_one_session_for_all(gateway, tmp_path):
    """What one types the other one sees; who comes back finds it."""
    (tmp_path / "tmux").mkdir(mode=0o700)
    own = words("One session for all")
    own[3:3] = ["--set", f"env=TMUX_TMPDIR={tmp_path}/tmux", "--set", "env=SHELL=/bin/sh"]
    gw = gateway(argv=own)
    with gw.ws("/") as first:
        first.send_binary(b"echo here-$((6 * 7))\n")
        read_until(first, b"here-42")
        with gw.ws("/") as second:
            read_until(second, b"here-42")
            second.send_binary(b"echo there-$((6 * 7))\n")
            read_until(first, b"there-42")
            second.close()
        first.close()
    with gw.ws("/") as again:
        read_until(again, b"there-42")
        again.send_binary(b"exit\n")
        read_until(again, b"[exited]")
        assert again.recv_all()[1] == 1000


def test_another_machine(gateway):
    """ssh has a terminal of the right size there, and its exit status is the session's."""
    with daemons.sshd() as server:
        own = words("Another machine")
        at = own.index("ssh") + 1
        options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentitiesOnly=yes"]
        options += [f"IdentityFile={server.dir}/user", f"Port={server.port}", "LogLevel=ERROR"]
        assert own[-1] == "me@host"
        options = [word for option in options for word in ("-o", option)]
        own[at:] = ["-F", "none", *options, *own[at:-1], f"{daemons.us()}@127.0.0.1"]
        gw = gateway(argv=own)
        with gw.ws("/") as ws:
            ws.send_binary(b"stty size; test -t 0; exit 5$?\n")
            read_until(ws, b"24 80\r\n")
            ws.recv_all()
        assert gw.wait_log("session ended")["code_sent"] == 4050


def test_hold_back(gateway):
    """The line of unbuffer."""
    gw = gateway(argv=words("Programs that hold their output back"))
    with gw.ws("/") as ws:
        for line in ("one", "two"):
            ws.send_text(line)
            assert ws.recv_text() == line.upper()
        ws.close()


def test_stream(gateway, tmp_path):
    """wspipe as a client without tty."""
    gw = gateway(argv=shell(tmp_path))
    pipe = recipes.pipe_words(gw, *recipes.command("Other clients", "python3", page=PAGE))
    with subprocess.Popen(pipe, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdin.write(b"echo $((6 * 7)); exit\n")
        process.stdin.flush()
        assert b"42\r\nexit\r\n" in process.stdout.read()
        process.stdin.close()


def test_cgi(gateway, tmp_path):
    """The program of the page, beneath the directory of its command line."""
    program = textwrap.dedent(re.search(r"^ {4}#!/bin/sh\n( {4}.*\n)+", recipes.section_text("CGI", PAGE), re.M)[0])
    directory = tmp_path / "cgi-bin"
    directory.mkdir()
    (directory / "hello.sh").write_text(program)
    (directory / "hello.sh").chmod(0o755)
    own = words("CGI")
    assert own.pop() == "--cgidir=cgi-bin"
    gw = gateway(argv=[*own, f"--cgidir={directory}"])
    with gw.connect() as raw:
        raw.send(wsraw.request("/hello.sh?x", host=gw.host, version="HTTP/1.0"))
        answer = raw.response()
        assert (answer.status, answer.header("Content-Type")) == (200, "text/plain")
        assert answer.body + raw.rest() == b"hello, 127.0.0.1: x\n"
    assert gw.get("/other.sh").status == 404


def test_files(tmp_path):
    """What stands there of ini files has no mistake."""
    for i, text in enumerate(recipes.files(PAGE)):
        pair = certs.run_pair()
        text = text.replace("fullchain.pem", str(pair.certificate)).replace("privkey.pem", str(pair.key))
        text = text.replace("people.pem", str(pair.certificate)).replace("docker ", "cat ")
        text = text.replace("/usr/lib/cgi-bin", str(ROOT / "etc/demo/cgi"))
        path = tmp_path / f"{i}.ini"
        path.write_text(text)
        assert run(f"--config={path}", "--check") == (0, "ok\n", ""), text
