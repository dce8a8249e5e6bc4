#!/usr/bin/python3
"""Libraries of others exchange random messages with the gateway, with and without compression, and get each back.

    run.py [-n N] [--seed SEED] [WORD]...      only runs whose names contain all of the words

Each run is one client program of this directory, connected through a relay to a route that gives back what it gets:
`cat` with records (type and boundary of every message come back), or a TCP service. The client compares byte for byte;
here is checked that the extension was agreed where it is to be, and that the frames on the wire say so.
WSLUICE is the program (build/wsluice). Ends with "N passed, N failed".
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import backends  # noqa: E402 (found by the line above)
import certs  # noqa: E402
import gateway  # noqa: E402
from relay import relay  # noqa: E402

CLIENTS = {
    "websockets": ["/usr/bin/python3", HERE / "client_websockets.py"],
    "ws": ["node", HERE / "client_ws.js"],
    "faye": ["node", HERE / "client_faye.js"],
    "chromium": ["node", HERE / "client_chromium.js"],
}
OFFERS = {  # what clients offer, with what must be agreed then; Chromium's is always the same
    "no": (),
    "yes": (),
    "narrow": ("server_no_context_takeover", "client_no_context_takeover", "server_max_window_bits=9"),
}
PATIENCE = 300  # seconds for a client to begin and to end, besides its messages: the machine may have much else to do
RECORDS = {"exec": "cat", "framing": "records"}
DEFLATE = {"deflate": "yes", "deflate_threshold": 64}


@dataclass
class Run:
    """One client on one route."""

    name: str
    route: str
    offer: str = "yes"
    agreed: bool = False
    tls: bool = False


RUNS = [
    Run("plain", "/plain", offer="no"),
    Run("declined", "/plain"),
    Run("unasked", "/deflate", offer="no"),
    Run("deflate", "/deflate", agreed=True),
    Run("takeover", "/takeover", agreed=True),
    Run("narrow", "/takeover", offer="narrow", agreed=True),
    Run("best", "/best", agreed=True),
    Run("stream", "/stream", agreed=True),
    Run("tls", "/plain", tls=True),
    Run("tls-takeover", "/takeover", tls=True, agreed=True),
]


def echo(_it, sock):
    """Sends back what comes, ends when the peer ends."""
    while data := sock.recv(65536):
        sock.sendall(data)
    sock.close()


def routes(service):
    """What all runs connect to, and the page of the browser."""
    return {
        "route /plain": RECORDS,
        "route /deflate": {**RECORDS, **DEFLATE},
        "route /takeover": {**RECORDS, **DEFLATE, "deflate_context": "yes"},
        "route /best": {**RECORDS, **DEFLATE, "deflate_context": "yes", "deflate_level": 9, "deflate_window": 15},
        "route /stream": {"connect": service.uri, **DEFLATE},
        "route /files/*": {"static": HERE},
    }


def needs_context(payload):
    """Does a compressed message refer to those before it?"""
    try:
        zlib.decompressobj(-zlib.MAX_WBITS).decompress(payload + b"\x00\x00\xff\xff")
        return False
    except zlib.error:
        return True


def check_wire(run, seen, result):
    """What the relay saw is what was to be agreed, and a client that has it knows it."""
    assert ("permessage-deflate" in result["extensions"]) == run.agreed, f"the client has {result['extensions']!r}"
    if run.tls:
        assert run.agreed == (seen.bytes_down < result["bytes"]), (seen.bytes_down, result["bytes"])
        return
    assert (seen.agreed is not None) == run.agreed, f"agreed: {seen.agreed}"
    assert seen.up.messages == result["messages"], (seen.up.messages, result["messages"])
    assert run.route == "/stream" or seen.down.messages == result["messages"], seen.down.messages
    offered = b"permessage-deflate" in seen.up.head
    assert offered == (run.offer != "no"), seen.up.head
    if run.agreed:
        kept = run.route in ("/takeover", "/best") and run.offer == "yes"
        for side in ("server", "client"):
            assert (f"{side}_no_context_takeover" in seen.agreed) != kept, f"{side}'s context: {seen.agreed}"
        assert any(map(needs_context, seen.down.samples)) == kept, "the context is not what was agreed"
        assert set(OFFERS[run.offer]) <= set(seen.agreed), seen.agreed
        assert seen.up.compressed, "the client compressed nothing"
        small = run.route != "/stream"  # some are, and go out as they are
        assert 0 < seen.down.compressed <= seen.down.messages - small, (seen.down.compressed, seen.down.messages)
        assert seen.down.bytes < result["bytes"], (seen.down.bytes, result["bytes"])
    else:
        assert not seen.up.compressed and not seen.down.compressed, (seen.up.compressed, seen.down.compressed)
        assert seen.down.bytes > result["bytes"], (seen.down.bytes, result["bytes"])


def exchange(run, client, port, n, seed):
    """Runs a client; what it says, with what the relay has seen."""
    with relay(port, run.tls) as seen:
        url = f"{'wss' if run.tls else 'ws'}://127.0.0.1:{seen.port}{run.route}"
        framing = "stream" if run.route == "/stream" else "records"
        words = [*CLIENTS[client], url, n, seed, run.offer, framing]
        authority = str(certs.run_authority().certificate)
        done = subprocess.run(
            [str(word) for word in words],
            capture_output=True,
            text=True,
            timeout=PATIENCE + n / 20,
            cwd=HERE,
            env={**os.environ, "NODE_EXTRA_CA_CERTS": authority, "SSL_CERT_FILE": authority},
        )
        assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}{done.stderr}"
        result = json.loads(done.stdout)
        assert result["messages"] == n, result
        assert result["close"] == 1000, result
        check_wire(run, seen, result)
        return result, seen


def line(result, seen):
    """The figures of a run."""
    text = f"{result['messages']} messages, {result['bytes']} bytes, {seen.bytes_down} on the wire"
    if seen.down.compressed:
        text += f", {seen.down.compressed} compressed ({seen.up.compressed} from the client)"
    return f"{text}, {result['fragments']} fragments, {result['pings']} pings   {'; '.join(seen.agreed or [])}"


def attempt(run, client, port, n, seed):
    """One run with its line; did it pass?"""
    begin = time.monotonic()
    name = f"{client} {run.name}"
    try:
        result, seen = exchange(run, client, port, n, seed)
    except (AssertionError, subprocess.TimeoutExpired) as error:
        print(f"FAILED  {name}: {error}", flush=True)
        return False
    print(f"ok      {name:24} {time.monotonic() - begin:6.1f} s   {line(result, seen)}", flush=True)
    return True


def chosen(words):
    """(run, client) of all that the words leave."""
    return [
        (run, client)
        for client in CLIENTS
        for run in RUNS
        if (client != "chromium" or run.offer == "yes") and all(word in (client, run.name) for word in words)
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=10000, help="messages of each run")
    parser.add_argument("--seed", type=int, default=random.getrandbits(31))
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    os.environ.setdefault("WSLUICE", str(gateway.RELEASE))
    print(f"seed {options.seed}, {options.n} messages each", flush=True)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wsluice-interop-")))
        service = stack.enter_context(backends.service(echo))
        started = stack.enter_context(gateway.looked_after())
        for tls in (False, True):
            it = gateway.Gateway(directory / ("tls" if tls else "plain"), routes(service), tls=tls)
            it.checked = True
            it.take_baseline()
            started.append(it)
        pairs = chosen(options.words)
        with ThreadPoolExecutor(2) as pool:
            passed = list(pool.map(lambda it: attempt(*it, started[it[0].tls].port, options.n, options.seed), pairs))
    print(f"{sum(passed)} passed, {len(passed) - sum(passed)} failed")
    return 0 if passed and all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
