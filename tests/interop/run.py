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
ALWAYS_OFFERS = ("chromium",)
RECORDS = {"exec": "cat", "framing": "records"}


@dataclass
class Run:
    """One client on one route."""

    name: str
    route: str
    offer: bool = True  # the client asks for compression
    agreed: bool = False  # and gets it
    tls: bool = False


RUNS = [
    Run("plain", "/plain", offer=False),
    Run("declined", "/plain"),
    Run("stream", "/stream"),
    Run("tls", "/plain", tls=True),
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
        "route /stream": {"connect": service.uri},
        "route /files/*": {"static": HERE},
    }


def check_wire(run, client, seen, result):
    """What the relay saw is what was to be agreed, and a client that has it knows it."""
    assert ("permessage-deflate" in result["extensions"]) == run.agreed, f"the client has {result['extensions']!r}"
    if run.tls:
        assert run.agreed == (seen.bytes_down < result["bytes"]), (seen.bytes_down, result["bytes"])
        return
    assert (seen.agreed is not None) == run.agreed, f"agreed: {seen.agreed}"
    assert seen.up.messages == result["messages"], (seen.up.messages, result["messages"])
    assert run.route == "/stream" or seen.down.messages == result["messages"], seen.down.messages
    offered = b"permessage-deflate" in seen.up.head
    assert offered == (run.offer or client in ALWAYS_OFFERS), seen.up.head
    if run.agreed:
        kept = run.route in ("/takeover", "/best")
        for side in ("server", "client"):
            assert (f"{side}_no_context_takeover" in seen.agreed) != kept, f"{side}'s context: {seen.agreed}"
        assert seen.up.compressed and seen.down.compressed, (seen.up.compressed, seen.down.compressed)
        assert seen.down.bytes < 0.8 * result["bytes"], (seen.down.bytes, result["bytes"])
    else:
        assert not seen.up.compressed and not seen.down.compressed, (seen.up.compressed, seen.down.compressed)
        assert seen.down.bytes > result["bytes"], (seen.down.bytes, result["bytes"])


def exchange(run, client, port, n, seed):
    """Runs a client; what it says, with what the relay has seen."""
    with relay(port, run.tls) as seen:
        url = f"{'wss' if run.tls else 'ws'}://127.0.0.1:{seen.port}{run.route}"
        framing = "stream" if run.route == "/stream" else "records"
        words = [*CLIENTS[client], url, n, seed, "yes" if run.offer else "no", framing]
        authority = str(certs.run_authority().certificate)
        done = subprocess.run(
            [str(word) for word in words],
            capture_output=True,
            text=True,
            timeout=60 + n / 20,
            cwd=HERE,
            env={**os.environ, "NODE_EXTRA_CA_CERTS": authority, "SSL_CERT_FILE": authority},
        )
        assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}{done.stderr}"
        result = json.loads(done.stdout)
        assert result["messages"] == n, result
        assert result["close"] == 1000, result
        check_wire(run, client, seen, result)
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
        text = line(*exchange(run, client, port, n, seed))
    except (AssertionError, subprocess.TimeoutExpired) as error:
        print(f"FAILED  {name}: {error}", flush=True)
        return False
    print(f"ok      {name:22} {time.monotonic() - begin:6.1f} s   {text}", flush=True)
    return True


def chosen(words):
    """(run, client) of all that the words leave. What offers always can't do without."""
    return [
        (run, client)
        for client in CLIENTS
        for run in RUNS
        if (run.offer or client not in ALWAYS_OFFERS)
        and all(word in (client, run.name) for word in words)
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
        with ThreadPoolExecutor(2) as pool:
            passed = list(
                pool.map(
                    lambda pair: attempt(*pair, started[pair[0].tls].port, options.n, options.seed), chosen(options.words)
                )
            )
    print(f"{sum(passed)} passed, {len(passed) - sum(passed)} failed")
    return 0 if passed and all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
