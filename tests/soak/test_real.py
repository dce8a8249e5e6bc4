"""What people put behind it, as they would type it, with python3-websockets as the client."""
import asyncio
import os
import shutil
import subprocess

import pytest
import websockets
from backends import free_port
from soak import scaled
from wait import eventually


def talk(gw, conversation, **options):
    """Runs a conversation on a connection; the close code that it ended with."""

    async def run():
        patience = {"open_timeout": 60, "close_timeout": 60, "ping_interval": None}
        async with websockets.connect(gw.url, max_size=None, **patience, **options) as ws:
            await conversation(ws)
        return ws.close_code

    return asyncio.run(asyncio.wait_for(run(), 300))


def command(gateway, *words):
    """A gateway started as by hand; its log is text for people, so nothing in it is looked at."""
    return gateway(argv=["--port=0", *words], checked=False)


def test_vmstat(gateway, say):
    gw = command(gateway, "vmstat", "1")
    lines = []

    async def conversation(ws):
        while len(lines) < 4:
            lines.append(await ws.recv())

    assert talk(gw, conversation) == 1000
    assert lines[0].startswith("procs") and "swpd" in lines[1] and all(line.split()[0].isdigit() for line in lines[2:])
    eventually(lambda: not gw.programs(), "vmstat lives on")
    say(f"vmstat 1: {len(lines)} lines, the last one '{lines[-1].strip()}'")


def test_bc(gateway, say):
    """Questions and answers, one at a time; quit is an exit of 0."""
    gw = command(gateway, "bc", "-l")
    n = scaled(1000, 10)

    async def conversation(ws):
        for i in range(n):
            await ws.send(f"{i} * {i} + 1")
            assert await ws.recv() == str(i * i + 1)
        await ws.send("scale = 20; 4 * a(1)")
        assert (await ws.recv()).startswith("3.14159265358979323")
        await ws.send("quit")
        with pytest.raises(websockets.ConnectionClosedOK):
            await ws.recv()

    assert talk(gw, conversation) == 1000
    say(f"bc -l: {n} sums, then quit: 1000")


def test_tail(gateway, tmp_path, say):
    """Lines that are appended while a client looks on."""
    path = tmp_path / "file"
    path.write_text("first\n")
    gw = command(gateway, "tail", "-f", path)
    n = scaled(1000, 10)

    async def conversation(ws):
        assert await ws.recv() == "first"
        with open(path, "a", encoding="ascii") as file:
            for i in range(n):
                print(f"line {i}", file=file, flush=True)
        for i in range(n):
            assert await ws.recv() == f"line {i}"

    assert talk(gw, conversation) == 1000
    eventually(lambda: not gw.programs(), "tail lives on")
    say(f"tail -f: {n} lines as they were written")


def test_redis(gateway, tmp_path, say):
    """A service from Debian: values of every size come back, several commands at once, and its end is 1000."""
    port = free_port()
    redis = subprocess.Popen(
        [
            shutil.which("redis-server"),
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(tmp_path),
        ],
        stdout=subprocess.DEVNULL,
    )
    n = scaled(200, 5)

    async def conversation(ws):
        async def ask(request, answer):
            await ws.send(request)
            got = b""
            while len(got) < len(answer):
                got += await ws.recv()
            assert got == answer, (request[:40], got[:40])

        await ask(b"PING\r\n" * 100, b"+PONG\r\n" * 100)
        for i in range(n):
            value = os.urandom(i * i * 50)
            bulk = b"$%d\r\n%s\r\n" % (len(value), value)
            await ask(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n" + bulk, b"+OK\r\n")
            await ask(b"GET k\r\n", bulk)
        await ask(b"QUIT\r\n", b"+OK\r\n")
        with pytest.raises(websockets.ConnectionClosedOK):
            await ws.recv()

    try:
        gw = command(gateway, f"--connect=tcp://127.0.0.1:{port}")
        eventually(
            lambda: subprocess.run(["redis-cli", "-p", str(port), "PING"], capture_output=True, check=False).stdout
            == b"PONG\n",
            "redis does not start",
        )
        assert talk(gw, conversation, subprotocols=["binary"]) == 1000
    finally:
        redis.terminate()
        redis.wait()
    say(f"redis-server: {n} values of up to {(n - 1) ** 2 * 50} bytes there and back, QUIT: 1000")
