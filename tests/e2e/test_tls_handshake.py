"""TLS handshakes that come to nothing: no TLS, garbage, too slow, too long, and none at all for want of descriptors."""
import os
import random
import signal
import time
from contextlib import contextmanager

import certs
import pytest
import wsraw
from gateway import Gateway, process_state
from tlsclient import (
    ECHO,
    TLS12,
    VERSIONS,
    Handshake,
    alert_of,
    client_listener,
    context,
    echoes,
    is_closed,
    issue,
    plain,
    records,
)
from wait import eventually, promptly


def GATEWAY(tmp):
    return Gateway(tmp, ECHO, tls=True)


@pytest.mark.parametrize(
    "head",
    [wsraw.request("/page"), wsraw.upgrade("/ws"), wsraw.request("/", "POST"), wsraw.request("/page", "HEAD")],
    ids=["GET", "upgrade", "POST", "HEAD"],
)
def test_plain_http(gw, head):
    with plain(gw) as raw:
        raw.send(head)
        answer = raw.response()
        assert answer.status == 400 and answer.header("Content-Type").startswith("text/plain")
        assert "https" in answer.text.lower() and "tls" in answer.text.lower(), answer.text
        raw.ended()
    line = gw.wait_log("request", status=400)
    assert "TLS" in line["reason"] and not gw.logged("session ended")


def test_plain_http_byte_by_byte(gw):
    with plain(gw) as raw:
        for byte in wsraw.request("/page"):
            try:
                raw.send(bytes([byte]))
            except (BrokenPipeError, ConnectionResetError):
                break
        assert raw.response().status == 400


GARBAGE = {
    "random": random.Random(1).randbytes(400),
    "zeros": bytes(400),
    "SSLv2 hello": bytes.fromhex("802e0100020015000000100100800200800300800400800500800600400700c0") + bytes(16),
    "SSH": b"SSH-2.0-OpenSSH_9.2p1\r\n",
    "a record of application data": b"\x17\x03\x03\x00\x20" + bytes(32),
    "an alert": b"\x15\x03\x01\x00\x02\x02\x28",
    "a record too long": b"\x16\x03\x01\xff\xff" + bytes(65535),
    "an empty hello": b"\x16\x03\x01\x00\x04\x01\x00\x00\x00",
    "a finished first": b"\x16\x03\x01\x00\x10\x14\x00\x00\x0c" + bytes(12),
    "records of nothing": b"\x16\x03\x01\x00\x00" * 100,
    "the wrong version": b"\x16\x09\x09\x00\x20" + bytes(32),
}


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage(gw, what):
    with plain(gw) as raw:
        try:
            raw.send(GARBAGE[what])
            raw.shut()
        except (BrokenPipeError, ConnectionResetError, OSError):
            pass
        assert is_closed(raw)
    line = gw.wait_log("TLS failed")
    assert line["reason"] and line["peer"].startswith("127.0.0.1:")
    echoes(gw)


@pytest.mark.parametrize("version", VERSIONS)
def test_handshake_byte_by_byte(gw, version):
    """Its client's side, each byte in a segment of its own."""
    with plain(gw) as raw:
        shake = Handshake(raw, context(VERSIONS[version]))
        for _ in range(3):  # in 1.2 the last word is the gateway's
            for byte in shake.next():
                raw.send(bytes([byte]))
        shake.tls.write(b"GET /page HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        raw.send(shake.goes.read())
        while data := raw.sock.recv(65536):
            shake.came.write(data)
        while b"HTTP/1.1 200 OK" not in (data := shake.tls.read(65536)):
            assert data


def hello_of(shake):
    return shake.next()


def half_hello(shake):
    return hello_of(shake)[:50]


def second(shake):
    """All of both flights but the last byte."""
    shake.raw.send(shake.next())
    return shake.next()[:-1]


def first_record_of_second(shake):
    shake.raw.send(shake.next())
    return next(records(shake.next()))


def nothing(_shake):
    return b""


@contextmanager
def patient(gw):
    """One that says nothing and may do so for an hour. What ends meanwhile does so by a time of its own, shorter than any
    that would be everyone's, since this one is still there then."""
    with plain(gw) as raw:
        eventually(lambda: gw.counters()["pending"] == 1, "it does not count")
        yield
        eventually(lambda: gw.counters()["pending"] <= 1, "the other one still counts")
        raw.sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            raw.sock.recv(1)


STAGES = [nothing, half_hello, hello_of, first_record_of_second, second]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("stage", STAGES)
def test_stops_in_mid_handshake(gateway, stage, version):
    """Pending until handshake_timeout, then gone; others come in all the while, and who came before and has an hour stays."""
    keys = certs.run_pair().keys
    hasty = {"listen hasty": {"address": "127.0.0.1:0", **keys, "handshake_timeout": "1s"}}
    gw = gateway({**ECHO, **hasty}, listen={**keys, "handshake_timeout": "1h"}, tls=context())

    def stop():
        eventually(lambda: gw.counters()["pending"] == 1, "one is left")
        gw.mark()
        begin = time.monotonic()
        with wsraw.connect(("127.0.0.1", int(gw.addresses[1].rpartition(":")[2]))) as raw:
            raw.send(stage(Handshake(raw, context(VERSIONS[version]))))
            eventually(lambda: gw.counters()["pending"] == 2 or gw.logged("TLS failed"), "it does not count")
            assert not gw.logged("TLS failed"), "it is gone already"
            echoes(gw)
            assert is_closed(raw)
        assert time.monotonic() - begin > 0.99
        gw.wait_log("TLS failed")

    with patient(gw):
        promptly(stop, late=0.3)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_what_came_while_the_gateway_stood_still(gateway, tls):
    """A request that came in time is answered, though the time is over when the gateway gets the CPU again."""
    gw = gateway(ECHO, listen={"handshake_timeout": "4s"}, tls=tls)

    def ask():
        with gw.connect() as raw:
            over = time.monotonic() + 4
            eventually(lambda: gw.counters()["pending"] == 1 or time.monotonic() > over, "it does not count")
            assert time.monotonic() < over, "it does not count, or not in time"
            gw.signal(signal.SIGSTOP)
            eventually(lambda: process_state(gw.pid) == "T", "it does not stop")
            raw.send(wsraw.request("/page", headers=[("Connection", "close")]))
            over = time.monotonic() + 4
            eventually(lambda: time.monotonic() > over, "its time is not over")
            gw.signal(signal.SIGCONT)
            assert raw.response().status == 200

    promptly(ask, late=1.2)


def test_one_byte_a_second_is_not_enough(gateway):
    """The time is counted from accept, whatever comes."""
    keys = certs.run_pair().keys
    hasty = {"listen hasty": {"address": "127.0.0.1:0", **keys, "handshake_timeout": "700ms"}}
    gw = gateway({**ECHO, **hasty}, listen={**keys, "handshake_timeout": "1h"}, tls=context())
    with patient(gw):
        begin = time.monotonic()
        with wsraw.connect(("127.0.0.1", int(gw.addresses[1].rpartition(":")[2]))) as raw:
            hello = Handshake(raw, context()).next()
            raw.sock.settimeout(0.1)

            def trickle():
                nonlocal hello
                try:
                    raw.send(hello[:1])
                    hello = hello[1:]
                    return raw.sock.recv(1) == b""
                except TimeoutError:
                    return False
                except (BrokenPipeError, ConnectionResetError):
                    return True

            eventually(trickle, "it is waited for", 60)
        assert time.monotonic() - begin > 0.69
    assert hello, "all of it came, and it was waited for that"


def test_handshakes_count_as_pending(gateway):
    """With max_pending of them the next one waits in the kernel, until one is gone."""
    gw = gateway(
        ECHO,
        gateway={"max_pending": 3},
        listen={**certs.run_pair().keys, "handshake_timeout": "1h"},
        tls=context(),
    )
    stalled = [plain(gw) for _ in range(3)]
    for raw in stalled:
        raw.send(half_hello(Handshake(raw, context())))
    eventually(lambda: gw.counters()["pending"] == 3, "they do not count")
    with plain(gw) as waits:
        shake = Handshake(waits, context(TLS12))
        waits.send(shake.next())
        waits.sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            waits.sock.recv(1)
        waits.sock.settimeout(wsraw.TIMEOUT)
        assert gw.counters()["pending"] == 3
        stalled[0].drop()
        assert shake.next(), "the gateway's word came, and this is the answer"
    for raw in stalled:
        raw.drop()
    echoes(gw)


def hello_record(data):
    return b"\x16\x03\x01" + len(data).to_bytes(2, "big") + data


def test_handshake_of_more_than_64_KiB(gateway):
    """A hello that says it is 100,000 bytes long is read so far and no further."""
    gw = gateway(ECHO, listen={**certs.run_pair().keys, "handshake_timeout": "1h"}, tls=context())
    with plain(gw) as raw:
        raw.send(hello_record(b"\x01" + (100000).to_bytes(3, "big") + bytes(15996)))
        raw.send(hello_record(bytes(16000)) * 2)
        eventually(lambda: gw.counters()["pending"] == 1, "it is gone already")
        try:
            raw.send(hello_record(bytes(16000)) * 2)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert is_closed(raw)
    assert gw.wait_log("TLS failed")["reason"] == "handshake too long"
    eventually(lambda: gw.counters()["pending"] == 0, "it still counts")


def test_chain_of_more_than_32_KiB(gateway, tmp_path):
    """Client certificates are read so far and no further."""
    gw = gateway(ECHO, listen=client_listener(), tls=context())
    alice, text = issue("alice"), issue("alice").certificate.read_text()
    fat = certs.Pair(tmp_path / "fat.pem", alice.key)
    n = (1 << 15) // len(alice.der)
    fat.certificate.write_text(text * (n - 3))
    echoes(gw, tls=context(pair=fat))
    fat.certificate.write_text(text * (n + 3))
    assert "alert" in alert_of(gw, tls=context(pair=fat))


def test_out_of_descriptors(gateway):
    """Who is turned away with the last one is not told so in plain HTTP, which it would take for broken TLS."""
    listen = {"handshake_timeout": "1h"}
    gw = gateway(ECHO, files=64, gateway={"max_pending": 1000, "workers": 1}, listen=listen, tls=True)
    clients = [plain(gw) for _ in range(100)]
    eventually(lambda: [line for line in gw.log_lines() if "cannot accept" in str(line)], "nothing is said")
    said = b""
    for raw in clients:
        raw.sock.setblocking(False)
        try:
            said += raw.sock.recv(1000)
        except (BlockingIOError, ConnectionResetError):
            pass
        raw.drop()
    assert b"HTTP" not in said
