"""etc/wspipe.py, which makes a pipe or a port of a session: how each of these ends."""
import fcntl
import os
import socket
import struct
import subprocess
import sys
import termios

import pytest
from backends import closed_port, reset, sends, service
from gateway import ROOT
from recipes import listening, pipe_words
from wait import plateau

PROGRAM = "etc/wspipe.py"


def answers_the_end(it, sock):
    """Says what it was told, backwards, when the other side has ended."""
    while it.read(sock):
        pass
    sock.sendall(it.received[::-1])
    sock.close()


def resets(it, sock):
    it.read(sock)
    reset(sock)


def pipe(gw, *options, stdin=b"", end=True):
    """Runs it as a pipe, whose input may have no end: its exit status, its output, and what it complains of."""
    process = subprocess.Popen(
        pipe_words(gw, PROGRAM, *options, gw.url),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        try:
            if end:
                out, err = process.communicate(stdin, 8)
            else:
                process.stdin.write(stdin)
                process.stdin.flush()
                process.wait(80)
                out, err = process.stdout.read(), process.stderr.read()
        finally:
            process.kill()
    return process.returncode, out, err.decode()


def test_half_close(gateway):
    """An empty message is the end of what the service reads, and no end of what it says."""
    with service(answers_the_end) as it:
        gw = gateway({"route /*": {"connect": it.uri, "eof_message": "yes"}})
        assert pipe(gw, "--eof-message", stdin=b"abc" * 100000) == (0, b"cba" * 100000, "")


IMPATIENT = """
import websockets
websockets.connect.__init__.__kwdefaults__.update(ping_interval=0.1, ping_timeout=0.1, close_timeout=0.1)
"""


@pytest.mark.plain_only("what is read is the same")
@pytest.mark.parametrize("end", [False, True], ids=["its input goes on", "its input has ended"])
def test_slow_reader(gateway, tmp_path, end):
    """Who does not read for a while has a session all the same, and every byte of it, though the library for itself would
    take an answer behind so much for none."""
    (tmp_path / "sitecustomize.py").write_text(IMPATIENT)
    data = os.urandom(4 << 20)
    with service(sends(data, "half")) as it:
        gw = gateway({"route /*": {"connect": it.uri}})
        process = subprocess.Popen(
            pipe_words(gw, PROGRAM, gw.url),
            stdin=subprocess.DEVNULL if end else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
        )
        with process:
            try:
                assert process.stdout.read(1) == data[:1]
                plateau(lambda: waiting_in(process.stdout), window=1)
                out, err = process.stdout.read(), process.stderr.read()
                process.wait(80)
            finally:
                process.kill()
    assert (process.returncode, err.decode()) == (0, "")
    assert out == data[1:]


def floods(it, sock):
    """Has no end of what to say."""
    while True:
        sock.sendall(bytes(65536))


def says_hello(it, sock):
    """And waits."""
    sock.sendall(b"hello")
    it.read(sock)


def test_reader_is_gone(gateway):
    """Who slowly reads may read on; who is gone does not, so nothing is waited for that is behind what nobody takes."""
    with service(floods) as it:
        gw = gateway({"route /*": {"connect": it.uri}})
        process = subprocess.Popen(
            pipe_words(gw, PROGRAM, gw.url), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        with process:
            try:
                assert len(process.stdout.read(1)) == 1
                process.stdout.close()
                process.wait(80)
                assert (process.returncode, process.stderr.read()) == (1, b"wspipe: [Errno 32] Broken pipe\n")
            finally:
                process.kill()
        gw.wait_log("session ended")


@pytest.mark.parametrize("handler", [floods, says_hello], ids=["much comes", "nothing comes"])
def test_client_of_the_port_is_gone(gateway, handler):
    """Its session is, too: of each of them."""
    with service(handler) as it:
        gw = gateway({"route /*": {"connect": it.uri}})
        with listening(gw, PROGRAM, "--listen=0", gw.url) as port:
            for n in (1, 2):
                sock = socket.create_connection(("127.0.0.1", port), 60)
                assert len(sock.recv(1)) == 1
                reset(sock)
                gw.wait_log("session ended", n=n)


@pytest.mark.plain_only("what is read is the same")
def test_input_fails(gateway):
    """That is no end of it, and no reason to wait for the service."""
    with service(says_hello) as it:
        gw = gateway({"route /*": {"connect": it.uri}})
        with socket.create_server(("127.0.0.1", 0)) as listener:
            other = socket.create_connection(listener.getsockname())
            broken, _ = listener.accept()
        with broken:
            reset(other)
            done = subprocess.run(pipe_words(gw, PROGRAM, gw.url), stdin=broken, capture_output=True, timeout=80)
        assert (done.returncode, done.stderr) == (1, b"wspipe: [Errno 104] Connection reset by peer\n")


def waiting_in(pipe):
    """How many bytes nobody has read yet."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0]


def test_subprotocol(gateway):
    with service(sends(b"hello")) as it:
        gw = gateway({"route /*": {"connect": it.uri, "subprotocols": "binary"}})
        assert pipe(gw, "--subprotocol=binary") == (0, b"hello", "")


def test_failure(gateway):
    """What is no good end is none for the program either."""
    with service(resets) as it:
        gw = gateway({"route /*": {"connect": it.uri}})
        complaint = "wspipe: the session ended with 1011 Connection reset by peer\n"
        assert pipe(gw, stdin=b"x", end=False) == (1, b"", complaint)
        with listening(gw, PROGRAM, "--listen=0", gw.url) as port:
            with socket.create_connection(("127.0.0.1", port), 30) as sock:
                sock.sendall(b"x")
                with pytest.raises(ConnectionResetError):
                    sock.recv(1)
    gw.wait_log("session ended", n=2)


@pytest.mark.plain_only("a status is one over TLS too")
def test_refused(gateway):
    """The status is said, and where to look for more, or what the gateway said of it."""
    gw = gateway({"route /*": {"connect": f"tcp://127.0.0.1:{closed_port()}"}})
    status, out, complaint = pipe(gw)
    assert (status, out) == (1, b"")
    assert complaint.startswith("wspipe: refused with HTTP 502: ") and complaint.count("\n") == 1


@pytest.mark.plain_only("no gateway is in it")
def test_without_its_library():
    """A python3 that does not have it (-IS looks nowhere but in its own) says which package does."""
    done = subprocess.run([sys.executable, "-IS", ROOT / PROGRAM, "ws://127.0.0.1:1/"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "apt install python3-websockets" in done.stderr and done.stderr.count("\n") == 1
