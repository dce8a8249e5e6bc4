"""Requests in a row with bodies that look like requests: what answers, in which order, and that no body ever does.

Each request has a number that its answer repeats, so that an answer which nobody asked for shows.
"""
import random

import pytest
import wsraw
from gateway import Gateway
from scripts import script

pytestmark = pytest.mark.plain_only("where a body ends has nothing to do with what carries it")

ANSWER = "printf 'Content-Type: text/plain\\nX-N: %s\\n' \"$QUERY_STRING\"\n"
PROGRAMS = {
    "eats": "n=$(wc -c)\n" + ANSWER + "printf '\\n%s' \"$n\"\n",
    "answers-first": ANSWER + "printf '\\n'; wc -c\n",
    "reads-some": 'n=$(head -c 7)\n' + ANSWER + "printf '\\nsome'\n",
    "reads-none": ANSWER + "printf '\\nnone'\n",
    "closes": "exec <&-\n" + ANSWER + "printf '\\nclosed'\n",
    "fails": "exit 3\n",
    "redirects": "printf 'Location: /eats?%s\\n\\n' \"$QUERY_STRING\"\n",
}
KEEPS = ("eats", "answers-first")  # the connection goes on: all of the body was taken
EVIL = wsraw.request("/evil") + wsraw.request("/evil", "POST", headers=[("Content-Length", "3")]) + b"abc"


def GATEWAY(directory):
    for name, text in PROGRAMS.items():
        script(directory / "cgi", name, text)
    (directory / "site").mkdir()
    (directory / "site/page").write_text("page")
    return Gateway(directory, {"route /*": {"cgi": directory / "cgi", "static": directory / "site"}})


def request_of(rng, number):
    """A request, and the program that it is for; None: a page."""
    name = rng.choice([*PROGRAMS, "eats", "eats", None])
    if name is None:
        return None, wsraw.request(f"/page?{number}")
    if rng.random() < 0.3:
        return name, wsraw.request(f"/{name}?{number}", "GET", headers=rng.choice([[], [("Content-Length", "0")]]))
    body = rng.choice([b"", EVIL, EVIL * 3, b"\r\n" + EVIL, b"0\r\n\r\n" + EVIL, bytes(rng.randrange(5000)) + EVIL])
    return name, wsraw.request(f"/{name}?{number}", "POST", headers=[("Content-Length", str(len(body)))]) + body


def pieces_of(rng, data):
    """In pieces of any size; sometimes all at once."""
    if rng.random() < 0.3:
        return [data]
    pieces = []
    while data:
        n = rng.choice([1, 2, 30, 500, 3000])
        pieces.append(data[:n])
        data = data[n:]
    return pieces


def responses(raw):
    """All that come before the connection's end."""
    found = []
    while raw.ahead or raw.fill():
        found.append(raw.response())
    return found


def takes_all(name, data):
    """Does the connection go on behind this request?"""
    return name != "fails" and (name in (None, *KEEPS) or not data.endswith(EVIL))


@pytest.mark.parametrize("seed", range(8))
def test_no_body_is_a_request(gw, seed):
    """Those that are answered are the first ones, in their order; all are, but behind half a body that nobody took."""
    rng = random.Random(seed)
    sent = [request_of(rng, number) for number in range(6)]
    sent.append((None, wsraw.request("/page?6", headers=[("Connection", "close")])))
    with gw.connect() as raw:
        try:
            for piece in pieces_of(rng, b"".join(data for _, data in sent)):
                raw.send(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was refused before
        answers = responses(raw)
    for number, answer in enumerate(answers):
        name, data = sent[number]
        assert answer.status == (502 if name == "fails" else 200), (name, answer)
        assert name in (None, "fails") or answer.header("X-N") == str(number), (name, answer)
        if name == "eats":
            assert answer.body.strip() == str(len(data.partition(b"\r\n\r\n")[2])).encode()
    last = sent[len(answers) - 1]
    assert len(answers) == len(sent) or not takes_all(*last), last
    gw.wait_log("request", n=len(answers))
    assert not [line for line in gw.logged("request") if "evil" in line["path"]]
