#!/usr/bin/env python3
"""A WebSocket session as a pipe, or as a local port, for programs that don't speak WebSocket.

    wspipe.py [OPTIONS] URL                  stdin and stdout are the session: ssh -o ProxyCommand='wspipe.py URL' host
    wspipe.py --listen=5433 [OPTIONS] URL    each connection to this port of 127.0.0.1 is a session of its own

What is read goes out as binary messages; payload is written as it comes. Exit status 0 when the session ended with 1000.
Needs Debian's package python3-websockets, or the library `websockets` of another python3.
"""
import argparse
import asyncio
import contextlib
import functools
import os
import signal
import socket
import ssl
import struct
import sys

try:
    import websockets
except ImportError:
    sys.exit(f"wspipe: {sys.executable} has no websockets: apt install python3-websockets, and use /usr/bin/python3")

CHUNK = 65536

# Whoever reads slowly what comes is not dead: the answer to a ping, or to the end, is behind all that. So it is TCP that
# finds out whether the gateway is there (not by TCP_USER_TIMEOUT: that ends sessions of services that read slowly, too).
# That may need longer to reach a service than the library would wait.
TIMES = {"open_timeout": 60, "ping_interval": None, "close_timeout": 3600}
KEEPALIVE = {"TCP_KEEPIDLE": 20, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}


def arguments():
    parser = argparse.ArgumentParser(description="a WebSocket session as a pipe, or as a local port")
    parser.add_argument("url", metavar="URL", help="ws:// or wss://")
    parser.add_argument("--listen", metavar="PORT", type=int, help="take connections there, on 127.0.0.1; 0: any port")
    parser.add_argument("--cafile", help="certificates to trust, instead of the system's")
    parser.add_argument("--subprotocol", help="the one to ask for")
    parser.add_argument(
        "--eof-message", action="store_true", help="an empty message instead of the end (eof_message = yes)"
    )
    return parser.parse_args()


def connection(options):
    """The session, not open yet."""
    extra = {}
    if options.url.startswith("wss:"):
        extra["ssl"] = ssl.create_default_context(cafile=options.cafile)
    if options.subprotocol:
        extra["subprotocols"] = [options.subprotocol]
    return websockets.connect(options.url, max_size=None, compression=None, **TIMES, **extra)


def keep_alive(sock):
    """Ends a connection whose other end does not answer for some time, though nothing is sent."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):  # not everywhere
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


async def give_up(ws):
    """Nobody is there any more for what comes: what has come is not waited for, nor is an answer behind it."""
    ws.transport.abort()
    with contextlib.suppress(websockets.ConnectionClosed):
        async for _ in ws:  # the library of version 10 would have these taken before it ends
            pass


async def send_all(options, ws, read):
    """From the program to the session, to its end."""
    try:
        while data := await read():
            await ws.send(data)
    except OSError:
        ws.transport.abort()
        raise
    if options.eof_message:
        await ws.send(b"")
    else:
        await ws.close()


async def session(options, read, write):
    """One session, from its opening handshake to its close code."""
    async with connection(options) as ws:
        keep_alive(ws.transport.get_extra_info("socket"))
        sending = asyncio.ensure_future(send_all(options, ws, read))
        try:
            async for message in ws:
                await write(message if isinstance(message, bytes) else message.encode())
        except websockets.ConnectionClosed:
            pass
        except OSError:
            await give_up(ws)
            raise
        finally:
            sending.cancel()
            (failure,) = await asyncio.gather(sending, return_exceptions=True)
        if isinstance(failure, OSError) and ws.close_code != 1000:
            raise failure
        return ws.close_code, ws.close_reason


def words(error):
    """What to say of an error; of a refusal also the gateway's words, which the library has from version 14 on."""
    response = getattr(error, "response", None)
    status = getattr(response or error, "status_code", None)
    if status is None:
        return error
    said = (getattr(response, "body", None) or b"").decode("utf-8", "replace").strip().partition("\n")[0]
    return f"refused with HTTP {status}: {said or 'the log of the gateway says why'}"


def write_all(data):
    """To stdout, whatever it takes."""
    while data:
        data = data[os.write(1, data) :]


async def pipe(options):
    """stdin and stdout; the status to exit with."""
    signal.signal(
        signal.SIGHUP, signal.SIG_IGN
    )  # ssh sends it when it ends; what it wrote before comes first, then EOF
    in_thread = functools.partial(asyncio.get_running_loop().run_in_executor, None)
    code, reason = await session(options, lambda: in_thread(os.read, 0, CHUNK), lambda data: in_thread(write_all, data))
    if code != 1000:
        print(f"wspipe: the session ended with {code} {reason}".rstrip(), file=sys.stderr)
    return code != 1000


async def serve(options, reader, writer):
    """One connection of the port. It ends as its session does: in order, or reset."""

    async def write(data):
        writer.write(data)
        await writer.drain()

    code = None
    try:
        code, reason = await session(options, lambda: reader.read(CHUNK), write)
        if code != 1000:
            print(f"wspipe: a session ended with {code} {reason}".rstrip(), file=sys.stderr)
    except (OSError, websockets.WebSocketException) as error:
        print(f"wspipe: {words(error)}", file=sys.stderr)
    if code != 1000:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()


async def listen(options):
    """The port, for ever."""
    server = await asyncio.start_server(functools.partial(serve, options), "127.0.0.1", options.listen)
    print(f"wspipe: listening on 127.0.0.1:{server.sockets[0].getsockname()[1]}", file=sys.stderr, flush=True)
    await server.serve_forever()


def main():
    options = arguments()
    loop = asyncio.new_event_loop()  # asyncio.run() would wait for the thread that waits for stdin
    try:
        status = loop.run_until_complete(pipe(options) if options.listen is None else listen(options))
    except KeyboardInterrupt:
        status = 130
    except (OSError, websockets.WebSocketException) as error:
        print(f"wspipe: {words(error)}", file=sys.stderr)
        status = 1
    os._exit(status)


main()
