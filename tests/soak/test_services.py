"""TCP services that send and close, a thousand times."""
import os
import random
import socket

from backends import service
from soak import Fitful, scaled, side_by_side
from test_programs import RCVBUFS, check_log

SIZE = 10_000_000
NOISE = os.urandom(2 * SIZE)


def test_service_that_sends_and_closes(gateway, say):
    """10 MB, then a close at once or an end of its side first; what it sends is named by what the client asks for."""

    def serve(_it, sock):
        request = sock.recv(64, socket.MSG_WAITALL)
        at, how = int(request[:60]), request[60:]
        sock.sendall(memoryview(NOISE)[at : at + SIZE])
        if how == b"half":
            sock.shutdown(socket.SHUT_WR)
            assert sock.recv(1) == b""
        sock.close()

    n = scaled(1000)
    with service(serve) as it:
        gw = gateway({"route /tcp": {"connect": it.uri}})

        def run(i):
            choice = random.Random(i)
            at, rcvbuf = choice.randrange(SIZE), choice.choice(RCVBUFS)
            with gw.ws("/tcp", over=gw.connect(rcvbuf=rcvbuf)) as ws:
                ws.send_binary(b"%60d%s" % (at, b"half" if i % 2 else b"full"))
                payload, code, reason = Fitful(ws, i, size=SIZE).run()
            assert (len(payload), code, reason) == (SIZE, 1000, ""), f"run {i}, rcvbuf {rcvbuf}"
            assert payload == memoryview(NOISE)[at : at + SIZE], f"run {i}, rcvbuf {rcvbuf}: wrong bytes"

        seconds = side_by_side(n, run)
        check_log(gw, n, code_sent=1000, out_bytes=SIZE)
        assert it.resets == 0
    say(f"TCP service of {SIZE} bytes: {n} runs, every byte and 1000 each time, {n * SIZE / seconds / 1e6:.0f} MB/s")
