"""CGI programs: their bodies both ways, what can go wrong on either side, limits, and that nothing of a run is left."""
import hashlib
import os
import signal
import threading
import time

import pytest
import wsraw
from gateway import Gateway, alive, rss_of
from scripts import script
from wait import eventually, plateau, promptly

CANARY = b"outside-of-the-directory"
BODY = hashlib.shake_256(b"wsluice").digest(3_000_000)
WIRE = 16 << 20  # more than all queues between a client and a program hold
BUFFER = 65536

# A child that hears no TERM; its pid and its parent's are in the file that the query names.
STUBBORN = 'sh -c \'trap "" TERM HUP INT; echo $$ >"$0.tmp"; mv "$0.tmp" "$0"; while :; do sleep 0.1; done\' %s &\n'


def program(directory, name, text, interpreter="sh"):
    """A program in sh, or in another language of /usr/bin."""
    path = script(directory / os.path.dirname(name), os.path.basename(name), text)
    if interpreter != "sh":
        path.write_text(f"#!/usr/bin/{interpreter}\n{text}")
    return path


def head(*lines, status=None):
    """A line of sh that prints a head."""
    lines = [*([f"Status: {status}"] if status else []), "Content-Type: text/plain", *lines, ""]
    return "printf '%s\\n' " + " ".join(f"'{line}'" for line in lines) + "\n"


def whole(body, *lines):
    """The same and a body, in one write: nothing comes between them."""
    return head(*lines)[:-1] + f" '{body}'\n"


def make_programs(cgi, directory):
    program(cgi, "echo", head() + "exec cat")
    program(cgi, "sum", head() + "exec sha256sum")
    program(cgi, "count", "n=$(wc -c)\n" + head() + 'echo "$n"')
    program(cgi, "say", head() + 'echo "$REQUEST_METHOD $PATH_INFO $QUERY_STRING"')
    program(cgi, "length", head("Content-Length: 5") + "printf hello")
    program(cgi, "lazy", head() + "echo answered")
    wait = f'until [ -e "{directory}/$QUERY_STRING" ]; do sleep 0.02; done\n'
    program(cgi, "wait", wait + whole("done", "Content-Length: 5"))
    program(
        cgi,
        "stream",
        head() + f'echo one\nuntil [ -e "{directory}/$QUERY_STRING" ]; do sleep 0.02; done\necho two',
    )
    program(cgi, "deaf", "exec sleep 1000")
    program(
        cgi, "bytes", "import os\nfor c in b'Content-Type: text/plain\\n\\nbody': os.write(1, bytes([c]))", "python3"
    )
    program(
        cgi,
        "long",
        "import os\nn = int(os.environ['QUERY_STRING']) - 21\n"
        "print('Content-Type: a\\nX: ' + 'x' * n + '\\n\\nbody', end='')",
        "python3",
    )
    program(cgi, "endless", "printf 'Content-Type: a\\nX: '; exec cat /dev/zero | tr '\\0' x")
    program(cgi, "nothing", "exit 0")
    program(cgi, "half-a-head", "echo Content-Type: text/plain")
    program(cgi, "half-a-line", "printf 'Status: 200\\nX: y'")
    program(cgi, "words", "echo hello")
    program(cgi, "garbage", "echo hello; echo; echo world")
    program(cgi, "fails", "echo something is wrong >&2\nexit 3")
    program(cgi, "dies", "kill -SEGV $$")
    program(cgi, "fails-late", head() + "echo body\nexit 3")
    program(cgi, "killed", head() + "echo body\nkill -KILL $$")
    program(cgi, "killed-length", head("Content-Length: 10") + "echo body\nkill -KILL $$")
    program(cgi, "killed-whole", head("Content-Length: 5") + "echo body\nkill -KILL $$")
    program(cgi, "short", head("Content-Length: 10") + "echo body")
    program(cgi, "overlong", head("Content-Length: 3") + "echo body")
    program(cgi, "closes", head() + "echo body\nexec >&-\nexec sleep 1000")
    program(cgi, "leaves-child", head() + "echo body\nsleep 1000 &")
    program(cgi, "flood", head() + "exec cat /dev/zero")
    program(cgi, "trickle", head() + "head -c 16M /dev/zero\nwhile printf x; do sleep 0.05; done")
    program(cgi, "silent", whole("body") + "exec sleep 1000")
    program(cgi, "over", head("Content-Length: 2") + "printf ok\nexec cat /dev/zero")
    program(cgi, "to-flood", "printf 'Location: /cgi/say\\n\\n'\nexec cat /dev/zero")
    says = "body=hello\n[ $REQUEST_METHOD != HEAD ] || body=\nprintf 'Content-Length: 5\\nStatus: 200\\n\\n%s' \"$body\"\n"
    program(cgi, "stays", 'trap "" TERM\n' + says + "while :; do sleep 0.1; done")
    # What a client leaves behind: a child that ignores TERM, before the head and after it; and whether the end of
    # the input was taken for that of the body.
    program(cgi, "stubborn", STUBBORN % f'"{directory}/$QUERY_STRING"' + "exec sleep 1000")
    program(cgi, "stubborn-late", STUBBORN % f'"{directory}/$QUERY_STRING"' + head() + "exec cat /dev/zero")
    program(cgi, "store", f'cat >"{directory}/$QUERY_STRING.part" && touch "{directory}/$QUERY_STRING"')
    # Redirects.
    program(cgi, "to", "printf 'Location: %s\\n\\n' \"$QUERY_STRING\"")
    program(
        cgi,
        "again",
        'n=${QUERY_STRING:-0}\nset -- "Location: /cgi/again?$((n - 1))"\n'
        '[ "$n" -ne 0 ] || set -- "Content-Type: text/plain"\n'
        'printf \'%s\\n\\n\' "$1"\n[ "$n" -ne 0 ] || echo there',
    )
    # What is and is not a program.
    program(cgi, "a b+c%", head() + 'echo "odd $SCRIPT_NAME"')
    program(cgi, "sub/deeper/there", head() + 'echo "$SCRIPT_NAME $PATH_INFO"')
    program(cgi, "index.html", head() + "echo index")
    program(cgi, ".hidden", head() + "echo " + CANARY.decode())
    (cgi / "plain.txt").write_bytes(CANARY)
    (cgi / "inside").symlink_to("say")
    (cgi / "outside").symlink_to(program(directory, "elsewhere", head() + "echo " + CANARY.decode()))
    (cgi / "out-directory").symlink_to(directory)
    program(cgi, "no-format", "").write_bytes(b"\x7fELF this is no program")
    program(cgi, "no-interpreter", "").write_text("#!/nonexistent/interpreter\n")
    os.mkfifo(cgi / "fifo", 0o777)


def GATEWAY(directory):
    cgi, site = directory / "cgi", directory / "site"
    make_programs(cgi, directory)
    site.mkdir()
    (site / "page.html").write_text("a page\n")
    common = {"cgi": cgi, "stop_grace": "200ms", "closing_wait": "50ms", "buffer": BUFFER}
    return Gateway(
        directory,
        {
            "route /cgi/*": common,
            "route /lifetime/*": {**common, "max_lifetime": "3s"},  # some have to answer before
            "route /idle/*": {**common, "idle_timeout": "200ms"},
            "route /slow/*": {**common, "send_timeout": "1s"},
            "route /slower/*": {**common, "send_timeout": "3s"},  # some have to answer before
            "route /patient/*": {**common, "stop_grace": "3s"},  # time enough for a signal
            "route /wide/*": {**common, "send_timeout": "400ms", "buffer": "64M"},
            "route /list/*": {**common, "origins": "https://a.example"},
            "route /any/*": {**common, "origins": "any"},
            "route /small/*": {**common, "max_message": "1000"},
            "route /headers/*": {
                **common,
                "header": ["X-Frame-Options: DENY", "X-Route: route"],
                "header_http": "Set-Cookie: route=1",
                "header_ws": "X-Socket: s",
            },
            "route /all/*": {**common, "static": site, "console": "yes", "exec": "cat"},
            "route /site/*": {**common, "static": site},
            "route /tagged/*": {
                **common,
                "exec": "cat",
                "stderr": "tagged",
                "framing": "records",
                "eof_message": "yes",
            },
            "route /page": {"console": "yes"},
            "route /ws": {"exec": "cat"},
        },
    )


def post(path, body, *headers, host="127.0.0.1", length=None, version="HTTP/1.1"):
    """A request with a body."""
    n = len(body) if length is None else length
    return wsraw.request(path, "POST", host, version, [("Content-Length", n), *headers]) + body


def ask(gw, path, body=None, status=200, method=None, headers=()):
    """One request on a connection of its own."""
    if body is None:
        answer = gw.get(path, method or "GET", headers)
    else:
        answer = gw.http(post(path, body, ("Connection", "close"), *headers))
    assert answer.status == status, (answer, answer.body[:300])
    return answer


def insist(gw, data):
    """What a client gets that sends all of it before it reads; then an orderly end, or the next request's turn."""
    with gw.connect() as raw:
        raw.send(data)
        answer = raw.response()
        raw.shut()
        raw.ended()
        assert not raw.cut
        return answer


def line_of(gw, path, **fields):
    """The line of a run."""
    return gw.wait_log("request", path=path, **fields)


def mark_of(gw, request):
    """The name of a file that this test's program makes, or waits for."""
    path = gw.dir / ("mark-" + request.node.name.translate({ord(c): "-" for c in "[]/ %"}))
    path.unlink(missing_ok=True)
    return path


# bodies


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, len(BODY)])
def test_body_there_and_back(gw, size):
    assert ask(gw, "/cgi/echo", BODY[:size]).body == BODY[:size]
    line = line_of(gw, "/cgi/echo")
    assert (line["in_bytes"], line["bytes"], line["status"], line["end"]) == (size, size, 200, "exit 0")
    assert line["backend"].startswith("pid ") and line["program"].endswith("/cgi/echo") and line["id"]


def test_get_has_no_input(gw):
    assert ask(gw, "/cgi/echo").body == b""
    assert ask(gw, "/cgi/say/a%20b?c=%20").text == "GET /a b c=%20\n"


def test_body_in_every_way_split(gw):
    """Within the head's write, behind it, byte by byte."""
    with gw.connect() as raw:
        for chunk in (None, 1, 7):
            raw.send(post("/cgi/echo", b"0123456789"), chunk)
            assert raw.response().body == b"0123456789"


@pytest.mark.plain_only("TLS costs memory of its own")
def test_bounded_memory(gateway, tmp_path):
    """A body of any size costs no more than the buffer, also where the program reads nothing yet; and has all of it in
    the end."""
    go, body = tmp_path / "go", BODY * 10
    program(tmp_path / "cgi", "sum", head() + f'until [ -e "{go}" ]; do sleep 0.02; done\nexec sha256sum')
    gw = gateway({"route /*": {"cgi": tmp_path / "cgi", "buffer": BUFFER}}, release=True)
    wanted = hashlib.sha256(body).hexdigest().encode()
    with gw.connect() as raw:
        before, sent, data = rss_of(gw.pid), [0], memoryview(post("/sum", body))

        def send():
            while sent[0] < len(data):
                raw.send(data[sent[0] : sent[0] + 16384])
                sent[0] += 16384

        thread = threading.Thread(target=send)
        thread.start()
        assert plateau(lambda: sent[0]) < len(body)
        go.touch()
        assert raw.response().body.split()[0] == wanted
        thread.join()
        assert rss_of(gw.pid) - before < 1 << 20


def test_output_leaves_at_once(gw, request):
    go = mark_of(gw, request)
    with gw.connect() as raw:
        raw.send(wsraw.request(f"/cgi/stream?{go.name}", host=gw.host))
        answer = raw.response(body=False)
        assert answer.header("Transfer-Encoding") == "chunked"
        assert raw.chunk() == b"one\n"
        go.touch()
        assert raw.chunk() == b"two\n"
        assert raw.chunk() == b""


def test_program_answers_before_its_body(gw):
    """It is not asked for more than it takes; a client that sends all of it all the same is answered."""
    answer = insist(gw, post("/cgi/lazy", bytes(WIRE)))
    assert (answer.status, answer.body) == (200, b"answered\n")


def test_expect(gw):
    """The client is asked for its body once the program runs, and not before it is known that there is one."""
    expects = ("Expect", "100-continue")
    with gw.connect() as raw:
        raw.send(post("/cgi/echo", b"", expects, length=5))
        assert raw.response(body=False).status == 100
        raw.send(b"hello")
        assert raw.response().body == b"hello"
        raw.send(post("/cgi/echo", b"hello", expects))  # one that does not wait needs no asking
        assert raw.response().status in (100, 200)
    answer = gw.http(post("/small/echo", b"", expects, length=1001))
    assert answer.status == 413
    answer = gw.http(post("/cgi/no-such", b"", expects, length=5))
    assert answer.status == 404


@pytest.mark.plain_only("it is decided by the head")
def test_too_large_a_body(gw):
    assert ask(gw, "/small/echo", BODY[:999]).body == BODY[:999]
    assert ask(gw, "/small/echo", BODY[:1000]).body == BODY[:1000]
    answer = ask(gw, "/small/echo", BODY[:1001], status=413)
    assert answer.header("Connection") == "close"
    assert line_of(gw, "/small/echo", status=413)["reason"] == "max_message"


# connections


def test_keep_alive(gw):
    with gw.connect() as raw:
        for i in range(3):
            raw.send(post("/cgi/echo", b"body %d" % i))
            assert raw.response().body == b"body %d" % i
            raw.send(wsraw.request("/cgi/length", host=gw.host))
            assert raw.response().body == b"hello"
            raw.send(wsraw.request("/page", host=gw.host))
            assert raw.response().status == 200


def test_requests_in_a_row(gw):
    """What stands behind a body is the next request, and nothing of it is the body's."""
    follower = wsraw.request("/cgi/say/second", host=gw.host)
    with gw.connect() as raw:
        raw.send(post("/cgi/echo", follower) + follower + wsraw.request("/page", host=gw.host) + follower)
        assert raw.response().body == follower
        assert raw.response().text == "GET /second \n"
        assert raw.response().status == 200
        assert raw.response().text == "GET /second \n"


def test_many_requests_in_a_row(gw):
    """More of them than are read ahead."""
    n = 40
    with gw.connect() as raw:
        raw.send(b"".join(post("/cgi/echo", BODY[i : i + 1000]) for i in range(n)))
        for i in range(n):
            assert raw.response().body == BODY[i : i + 1000]


def test_head(gw):
    with gw.connect() as raw:
        for name in ("length", "say", "overlong", "killed"):
            raw.send(wsraw.request(f"/cgi/{name}", "HEAD", gw.host))
            answer = raw.response("HEAD")
            assert answer.status == 200 and answer.header("Transfer-Encoding") is None
        raw.send(wsraw.request("/cgi/length", "HEAD", gw.host))
        assert raw.response("HEAD").header("Content-Length") == "5"
        raw.send(wsraw.request("/cgi/length", host=gw.host))
        assert raw.response().body == b"hello"


def test_http_1_0(gw):
    """No chunks: the connection's end ends the document; with a length it may go on."""
    for path, body in (("/cgi/say", b"GET  \n"), ("/cgi/length", b"hello")):
        with gw.connect() as raw:
            raw.send(wsraw.request(path, host=gw.host, version="HTTP/1.0"))
            answer = raw.response(body=False)
            assert answer.header("Transfer-Encoding") is None and answer.header("Connection") == "close"
            assert raw.rest() == body and not raw.cut
    with gw.connect() as raw:
        for _ in range(2):
            keep = [("Connection", "keep-alive")]
            raw.send(wsraw.request("/cgi/length", host=gw.host, version="HTTP/1.0", headers=keep))
            assert raw.response().body == b"hello"


# programs that go wrong


def test_head_in_single_bytes(gw):
    assert ask(gw, "/cgi/bytes").body == b"body"


def test_head_is_bounded(gw):
    assert ask(gw, "/cgi/long?16384").body == b"body"
    ask(gw, "/cgi/long?16385", status=502)
    ask(gw, "/cgi/endless", status=502)


@pytest.mark.parametrize(
    "name, end, reason",
    [
        ("nothing", "exit 0", "the program printed nothing"),
        ("fails", "exit 3", "the program printed nothing"),
        ("dies", "signal SEGV", "the program printed nothing"),
        ("half-a-head", "exit 0", "the program ended before the empty line that ends its head"),
        ("half-a-line", "exit 0", "the program ended before the empty line that ends its head"),
        ("words", "exit 0", "what the program printed is no head"),
        ("garbage", None, None),
    ],
)
def test_no_head(gw, name, end, reason):
    answer = ask(gw, f"/cgi/{name}", status=502)
    assert b"CGI" in answer.body
    line = line_of(gw, f"/cgi/{name}")
    assert line["status"] == 502 and line["reason"]
    if end:
        assert (line["end"], line["reason"]) == (end, reason)


def test_stderr_is_logged(gw):
    ask(gw, "/cgi/fails", status=502)
    line = gw.wait_log("stderr")
    assert "something is wrong" in str(line)
    assert line["id"] == line_of(gw, "/cgi/fails")["id"]
    assert line["program"].endswith("/fails")


def test_other_output_of_the_route_does_not_count(gw):
    """stderr, framing and eof_message of a route are for its sessions."""
    answer = ask(gw, "/tagged/echo", b"\n\nbody")
    assert answer.body == b"\n\nbody"
    ask(gw, "/tagged/fails", status=502)


def test_fails_after_its_document(gw):
    assert ask(gw, "/cgi/fails-late").body == b"body\n"
    assert line_of(gw, "/cgi/fails-late")["end"] == "exit 3"


@pytest.mark.parametrize("name", ["killed", "killed-length", "short"])
def test_document_is_not_whole(gw, name):
    """The client sees that."""
    with gw.connect() as raw:
        raw.send(wsraw.request(f"/cgi/{name}", host=gw.host))
        assert raw.response(body=False).status == 200
        rest = raw.rest()
        assert rest == (b"5\r\nbody\n\r\n" if name == "killed" else b"body\n"), "neither the last chunk nor the length"
    line = line_of(gw, f"/cgi/{name}")
    assert line["reason"] and line["bytes"] == 5
    assert line["end"] == ("exit 0" if name == "short" else "signal KILL")


def test_document_is_not_whole_without_chunks(gw):
    """Only a reset says it."""
    with gw.connect() as raw:
        raw.send(wsraw.request("/cgi/killed", host=gw.host, version="HTTP/1.0"))
        assert raw.response(body=False).status == 200
        try:
            raw.rest()
            assert raw.cut or not getattr(raw.sock, "notified", True)
        except ConnectionError:
            pass


def test_killed_after_its_document(gw):
    assert ask(gw, "/cgi/killed-whole").body == b"body\n"


def test_too_long_a_document(gw):
    with gw.connect() as raw:
        for _ in range(2):
            raw.send(wsraw.request("/cgi/overlong", host=gw.host))
            assert raw.response().body == b"bod"
    assert "Content-Length" in line_of(gw, "/cgi/overlong")["reason"]


@pytest.mark.parametrize("name", ["closes", "leaves-child"])
def test_output_ends_before_its_group(gw, name):
    assert ask(gw, f"/cgi/{name}").body == b"body\n"
    eventually(lambda: not gw.programs(), "they are there still")


@pytest.mark.parametrize("name, reason", [("no-format", "Exec format error"), ("no-interpreter", "interpreter")])
def test_cannot_be_executed(gw, name, reason):
    answer = ask(gw, f"/cgi/{name}", b"body", status=502)
    assert b"could not be started" in answer.body
    assert reason in line_of(gw, f"/cgi/{name}")["reason"]


# time


def test_lifetime_before_the_head(gw):
    """No answer: 504, whether or not the client still has much to send."""
    ask(gw, "/lifetime/deaf", status=504)
    assert line_of(gw, "/lifetime/deaf")["reason"] == "lifetime"
    assert insist(gw, post("/lifetime/deaf", bytes(WIRE))).status == 504


@pytest.mark.parametrize("path, reason", [("/lifetime/silent", "lifetime"), ("/idle/silent", "idle")])
def test_time_is_up_in_the_document(gw, path, reason):
    with gw.connect() as raw:
        raw.send(wsraw.request(path, host=gw.host))
        assert raw.response(body=False).status == 200
        assert raw.rest() == b"5\r\nbody\n\r\n"
    assert line_of(gw, path)["reason"] == reason


@pytest.mark.plain_only("it is about the run")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path, reason", [("/lifetime/stays", "lifetime"), ("/idle/stays", "idle")])
def test_time_is_up_behind_a_whole_response(gw, method, path, reason):
    """The program is on its ladder: it is not waited for, and what the client asks next is for another connection."""
    with gw.connect() as raw:
        raw.send(wsraw.request(path, method, gw.host) + wsraw.request("/lifetime/deaf", host=gw.host))
        answer = raw.response(method)
        assert (answer.status, answer.body) == (200, b"" if method == "HEAD" else b"hello")
        raw.ended()
        assert not raw.cut
    assert (line := line_of(gw, path, method=method))["end"] == "signal KILL" and line["reason"] == reason
    assert ask(gw, "/cgi/say").text == "GET  \n"


@pytest.mark.plain_only("it is about the run")
@pytest.mark.parametrize(
    "method, path, body",
    [("HEAD", "/patient/flood", b""), ("GET", "/patient/over", b"ok"), ("GET", "/patient/to-flood", b"GET  \n")],
)
def test_output_behind_a_whole_response(gw, method, path, body):
    """Who goes on is ended; the connection goes on behind it."""
    with gw.connect() as raw:
        raw.send(wsraw.request(path, method, gw.host) + wsraw.request("/cgi/say/next", host=gw.host))
        assert raw.response(method).body == body
        assert raw.response().text == "GET /next \n"
    assert line_of(gw, path)["end"] == "signal TERM"


@pytest.mark.plain_only("it is about the run")
@pytest.mark.parametrize("path, body", [("/patient/over", b"ok"), ("/patient/to-flood", b"GET  \n")])
def test_output_behind_a_whole_response_before_the_body(gw, path, body):
    """What is left of the body is for nobody."""
    answer = insist(gw, post(path, bytes(WIRE)))
    assert (answer.status, answer.body) == (200, body)
    assert line_of(gw, path, method="POST")["end"] == "signal TERM"


def test_idle_is_for_who_has_answered(gw, request):
    go = mark_of(gw, request)
    with gw.connect() as raw:
        raw.send(wsraw.request(f"/idle/wait?{go.name}", host=gw.host))
        eventually(gw.programs, "no program")
        with gw.connect() as later:  # who began later has been silent for too long
            later.send(wsraw.request("/idle/silent", host=gw.host))
            assert later.response(body=False).status == 200
            later.rest()
        go.touch()
        assert raw.response().body == b"done\n"


def test_body_does_not_come_on(gw):
    answer = gw.http(post("/slow/count", b"abc", length=4))
    assert (answer.status, answer.header("Connection")) == (408, "close")
    assert line_of(gw, "/slow/count")["status"] == 408
    with gw.connect() as raw:  # where the program has answered, only the end of the connection is left to tell it
        raw.send(post("/slower/echo", b"abc", length=4))
        assert raw.response(body=False).status == 200
        assert raw.rest() == b"3\r\nabc\r\n"


def test_slow_body(gw):
    """Each byte has all the time."""

    def drip():
        with gw.connect() as raw:
            data = post("/slow/sum", b"abcdef")
            raw.send(data[:-6])
            for byte in data[-6:]:
                begin = time.monotonic()
                eventually(lambda: time.monotonic() - begin > 0.2, "time stands still")
                raw.send(bytes([byte]))
            assert raw.response().body.split()[0] == hashlib.sha256(b"abcdef").hexdigest().encode()

    promptly(drip, late=0.7)


def test_client_that_reads_nothing(gw):
    """It costs its buffer, and is cut."""
    before = rss_of(gw.pid)
    with gw.connect(rcvbuf=4096) as raw:
        raw.send(wsraw.request("/slow/flood", host=gw.host))
        line = line_of(gw, "/slow/flood")
        assert line["reason"] == "the client takes nothing"
        assert rss_of(gw.pid) - before < 4 << 20


# clients that leave


def leave(raw, how):
    raw.drop() if how == "closes" else raw.reset()


def test_client_that_reads_nothing_of_a_program_that_goes_on(gw):
    """A word of the program now and then does not put the client's end off."""
    with gw.connect(rcvbuf=4096) as raw:
        raw.send(wsraw.request("/wide/trickle", host=gw.host))
        assert line_of(gw, "/wide/trickle")["reason"] == "the client takes nothing"


@pytest.mark.parametrize("how", ["closes", pytest.param("resets", marks=pytest.mark.plain_only("a reset is TCP's"))])
@pytest.mark.parametrize("when", ["before the head", "in the document", "in the body"])
def test_client_leaves(gw, request, how, when):
    """The whole group ends, with those in it that don't hear TERM."""
    mark = mark_of(gw, request)
    name = "stubborn-late" if when == "in the document" else "stubborn"
    raw = gw.connect()
    path = f"/cgi/{name}?{mark.name}"
    raw.send(post(path, b"half", length=1000) if when == "in the body" else wsraw.request(path, host=gw.host))
    eventually(mark.exists, "it has not begun")
    pids = [int(mark.read_text()), *gw.programs()]
    if when == "in the document":
        raw.take(100000)
    assert all(alive(pid) for pid in pids) and len(pids) >= 2
    leave(raw, how)
    eventually(lambda: not any(alive(pid) for pid in pids), "some are left")
    line = line_of(gw, f"/cgi/{name}?***")
    assert line["status"] == (200 if when == "in the document" else 499)
    assert line["reason"] == "client left"


@pytest.mark.parametrize("what", ["a body", "requests"])
def test_client_leaves_that_is_not_read(gw, request, what):
    """The program takes nothing, and no more is read of the client: that it has left is seen all the same, if what it has
    sent is with our kernel."""
    mark = mark_of(gw, request)
    path = f"/cgi/stubborn?{mark.name}"
    with gw.connect() as raw:
        if what == "a body":
            raw.send(post(path, bytes(2 * BUFFER + 40000), length=1 << 30))
        else:
            raw.send(wsraw.request(path, host=gw.host) * 400)
        eventually(mark.exists, "it has not begun")
        pid = int(mark.read_text())
    eventually(lambda: not alive(pid), "it is left")
    line_of(gw, "/cgi/stubborn?***", status=499)


def test_client_that_ends_its_side(gw):
    """It has left: this is all that is to be seen of a tab that was closed."""
    with gw.connect() as raw:
        raw.send(wsraw.request("/cgi/deaf", host=gw.host))
        eventually(gw.programs, "no program")
        raw.shut()
        line = line_of(gw, "/cgi/deaf")
        eventually(lambda: not gw.programs(), "it is there still")
    assert (line["status"], line["reason"]) == (499, "client left")


def test_clients_that_leave_at_once(gw):
    """Before the program is there to be ended."""
    for i in range(30):
        with gw.connect() as raw:
            raw.send(post("/cgi/deaf", b"half", length=5) if i % 2 else wsraw.request("/cgi/deaf", host=gw.host))


@pytest.mark.parametrize("ends", ["early", "in time"])
def test_half_a_body_is_not_taken_for_a_whole(gw, request, ends):
    """The signal comes before the end of the input."""
    mark = mark_of(gw, request)
    part = mark.with_name(mark.name + ".part")
    with gw.connect() as raw:
        raw.send(post(f"/cgi/store?{mark.name}", b"x" * 100, length=100 + (ends == "early")))
        eventually(lambda: part.exists() and part.stat().st_size == 100, "it has not come")
        if ends == "in time":
            assert raw.response().status == 502
    line_of(gw, "/cgi/store?***")
    assert mark.exists() == (ends == "in time")


# limits and the end


def test_limits(gateway, tmp_path):
    program(tmp_path / "cgi", "deaf", "exec sleep 1000")
    program(tmp_path / "cgi", "say", head() + "echo hello")
    common = {"cgi": tmp_path / "cgi", "closing_wait": "10ms"}
    routes = {"route /cgi/*": common, "route /rate/*": {**common, "spawn_rate": "1"}, "route /ws": {"exec": "cat"}}
    gw = gateway(routes, gateway={"max_processes": 2})
    with gw.connect() as first, gw.connect() as second:
        for raw in (first, second):
            raw.send(wsraw.request("/cgi/deaf", host=gw.host))
        eventually(lambda: len(gw.programs()) == 2, "they don't run")
        answer = ask(gw, "/cgi/say", status=503)
        assert answer.header("Retry-After") == "1"
        assert line_of(gw, "/cgi/say")["reason"] == "max_processes"
        assert gw.refused("/ws").status == 503
    eventually(lambda: gw.counters()["children"] == 0, "they run still")
    assert ask(gw, "/rate/say").body == b"hello\n"
    eventually(lambda: gw.get("/rate/say").status == 503, "it is started however often")  # each second once
    assert line_of(gw, "/rate/say", status=503)["reason"] == "spawn_rate"


@pytest.mark.plain_only("the drain does not look at what the connection carries")
def test_shutdown(gateway, tmp_path):
    """A run has the time of the grace, and no longer."""
    go = tmp_path / "go"
    wait = head() + f'echo one\nuntil [ -e "{go}" ]; do sleep 0.02; done\necho two'
    program(tmp_path / "cgi", "wait", wait)
    for grace, whole in (("20s", True), ("100ms", False)):
        go.unlink(missing_ok=True)
        gw = gateway({"route /*": {"cgi": tmp_path / "cgi"}}, gateway={"shutdown_grace": grace}, checked=False)
        with gw.connect() as raw:
            raw.send(wsraw.request("/wait", host=gw.host))
            raw.response(body=False)
            assert raw.chunk() == b"one\n"
            gw.signal(signal.SIGTERM)
            gw.wait_log("stopping")
            if whole:
                go.touch()
                assert (raw.chunk(), raw.chunk()) == (b"two\n", b"")
            raw.ended()
        assert gw.exited() == 0
        assert line_of(gw, "/wait").get("reason") == (None if whole else "cut")
        gw.process = None


# what is a program


@pytest.mark.plain_only("it is decided by the path")
@pytest.mark.parametrize(
    "path",
    ["/cgi/../etc/passwd", "/cgi/%2e%2e/elsewhere", "/cgi/..%2felsewhere", "/cgi/%252e%252e/elsewhere"]
    + ["/cgi/..../elsewhere", "/cgi/%c0%ae%c0%ae/elsewhere", "/cgi/..%5celsewhere", "/cgi/\\..\\elsewhere"]
    + ["/cgi/.hidden", "/cgi/say%00.html", "/cgi//say", "/cgi/sub/../say", "/cgi/say/../../elsewhere", "/cgi/say%2fx"]
    + [
        "/cgi/outside",
        "/cgi/out-directory/elsewhere",
        "/cgi/plain.txt",
        "/cgi/fifo",
        "/cgi/no-such",
        "/cgi/",
        "/cgi/sub",
    ]
    + ["/cgi/sub/", "/cgi/sub/deeper/", "/cgi/sub/no-such", "/cgi//etc/passwd", "/cgi/./say"],
)
def test_what_is_no_program(gw, path):
    with gw.connect() as raw:
        raw.send(f"GET {path} HTTP/1.1\r\nHost: {gw.host}\r\nConnection: close\r\n\r\n".encode("latin-1"))
        answer = raw.response()
        assert answer.status in (400, 404) and CANARY not in answer.body, answer


@pytest.mark.plain_only("it is decided by the path")
def test_what_is_a_program(gw):
    assert ask(gw, "/cgi/a%20b+c%25").text == "odd /cgi/a b+c%\n"
    assert ask(gw, "/cgi/%73ay").text == "GET  \n"
    assert ask(gw, "/cgi/inside").text == "GET  \n"
    assert ask(gw, "/cgi/sub/deeper/there/is/more").text == "/cgi/sub/deeper/there /is/more\n"
    assert ask(gw, "/cgi/index.html").text == "index\n"


@pytest.mark.plain_only("it is decided by the path")
def test_what_else_the_route_has(gw):
    """A path without a program is a file's, then the console's; an upgrade is not asked for."""
    assert ask(gw, "/all/say").text == "GET  \n"
    assert ask(gw, "/site/page.html").text == "a page\n"
    assert ask(gw, "/all/page.html").text == "a page\n"
    assert b"<html" in ask(gw, "/all/no-such").body
    assert ask(gw, "/site/no-such", status=404).text == "There is no such file.\n"
    with gw.ws("/all/say") as ws:
        ws.send_text("x")
        assert ws.recv_text() == "x"
        ws.close()


@pytest.mark.plain_only("it is decided by the head")
@pytest.mark.parametrize(
    "method, path, status, allow",
    [
        ("PUT", "/cgi/say", 405, "GET, HEAD, POST"),
        ("DELETE", "/all/say", 405, "GET, HEAD, POST"),
        ("OPTIONS", "/cgi/say", 405, "GET, HEAD, POST"),
        ("PUT", "/cgi/no-such", 404, None),
        ("PUT", "/site/page.html", 405, "GET, HEAD"),
        ("PUT", "/page", 405, "GET, HEAD"),
        ("POST", "/site/page.html", 405, "GET, HEAD"),
        ("POST", "/page", 405, "GET, HEAD"),
        ("POST", "/ws", 405, "GET, HEAD"),
        ("POST", "/no-such", 405, "GET, HEAD"),
        ("POST", "/cgi/no-such", 404, None),
        ("POST", "/cgi/say", 200, None),
    ],
)
def test_methods(gw, method, path, status, allow):
    with gw.connect() as raw:
        body = [("Content-Length", 4), ("Connection", "close")]
        raw.send(wsraw.request(path, method, gw.host, headers=body) + b"body")
        answer = raw.response()
        raw.ended()
    assert (answer.status, answer.header("Allow")) == (status, allow), answer


def test_upload_to_what_takes_none(gw):
    """The refusal reaches a client that sends all of it first."""
    for path, status in (("/page", 405), ("/small/echo", 413)):
        assert insist(gw, post(path, bytes(WIRE))).status == status


# origins


@pytest.mark.plain_only("it is decided by the head")
@pytest.mark.parametrize(
    "route, fine, bad",
    [("cgi", "http://127.0.0.1", "http://evil.example"), ("cgi", "http://127.0.0.1", "null")]
    + [("list", "https://a.example", "http://127.0.0.1"), ("any", "http://evil.example", None)],
)
def test_origins(gw, request, route, fine, bad):
    """A page sends something to a program if it may connect; who is no page, and who only asks, may in any case."""
    for origin in ([("Origin", fine)], []):
        assert ask(gw, f"/{route}/echo", b"body", headers=origin).body == b"body"
    if bad is None:
        return
    for method in ("GET", "HEAD"):
        ask(gw, f"/{route}/say", method=method, headers=[("Origin", bad)])
    mark = mark_of(gw, request)
    body = wsraw.request(f"/{route}/store?{mark.name}", host=gw.host)  # which is no request
    with gw.connect() as raw:
        raw.send(post(f"/{route}/store?{mark.name}", body, ("Origin", bad)))
        answer = raw.response()
        assert (answer.status, answer.header("Connection")) == (403, "close")
        assert f'"{bad}"' in answer.text and "origins = " in answer.text and f"[route /{route}/*]" in answer.text
        assert raw.rest() == b""
    line = line_of(gw, f"/{route}/store?***", status=403)
    assert line["reason"] == f"origin not allowed: {bad}" and "id" not in line
    eventually(lambda: not gw.programs(), "a program is left")  # of those that answered
    assert not mark.exists()
    answer = insist(gw, post(f"/{route}/store?{mark.name}", bytes(100_000), ("Origin", bad)))
    assert answer.status == 403 and not mark.exists()


# headers


@pytest.mark.plain_only("it is about heads")
def test_headers_of_the_route(gw):
    """The route's win, cookies are of both, and nothing comes twice."""
    lines = ["Set-Cookie: a=1", "Set-Cookie: b=2", "x-route: program", "X-Own: own", "Connection: keep-alive"]
    lines += ["Transfer-Encoding: chunked", "Date: yesterday", "Upgrade: x", "Keep-Alive: 3", "Trailer: x"]
    program(gw.dir / "cgi", "headers", head(*lines, status="299 Done well") + "echo body")
    answer = ask(gw, "/headers/headers", status=299)
    assert (answer.phrase, answer.body) == ("Done well", b"body\n")
    assert answer.all("Set-Cookie") == ["a=1", "b=2", "route=1"]
    assert answer.header("X-Route") == "route" and answer.header("X-Own") == "own"
    assert answer.header("X-Frame-Options") == "DENY" and answer.header("X-Socket") is None
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("Connection") == "close" and answer.header("Transfer-Encoding") == "chunked"
    assert "GMT" in answer.header("Date")
    for name in ("Upgrade", "Keep-Alive", "Trailer"):
        assert answer.header(name) is None
    program(gw.dir / "cgi", "sniffed", head("x-content-type-options: any"))
    assert ask(gw, "/cgi/sniffed").header("X-Content-Type-Options") == "any"


# local redirects


@pytest.mark.plain_only("nothing of it is the connection's")
def test_local_redirects(gw):
    assert ask(gw, "/cgi/to?/site/page.html").text == "a page\n"
    assert ask(gw, "/cgi/to?/cgi/say/x?y").text == "GET /x y\n"
    assert ask(gw, "/cgi/to?/cgi/say", b"body").text == "GET  \n"
    assert ask(gw, "/cgi/to?/cgi/echo", b"body").body == b""
    assert ask(gw, "/cgi/to?/cgi/length", method="HEAD").header("Content-Length") == "5"
    ask(gw, "/cgi/to?/cgi/no-such", status=404)
    ask(gw, "/cgi/to?/cgi/nothing", status=502)
    assert ask(gw, "/cgi/again?10").text == "there\n"
    ask(gw, "/cgi/again?11", status=502)
    with gw.connect() as raw:
        raw.send(post("/cgi/to?/cgi/say", b"body") * 2)
        assert [raw.response().text for _ in range(2)] == ["GET  \n"] * 2


@pytest.mark.plain_only("it is decided by the head")
@pytest.mark.parametrize("target", ["/ws", "/all/no-such"])
def test_local_redirect_is_no_handshake(gw, target):
    """It gets what a plain GET gets, whatever else the POST said."""
    headers = [("Upgrade", "websocket"), ("Connection", "keep-alive, Upgrade"), ("Sec-WebSocket-Version", 13)]
    headers += [("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), ("Sec-WebSocket-Protocol", "a")]
    plain = gw.get(target)
    with gw.connect() as raw:
        raw.send(post(f"/cgi/to?{target}", b"", *headers, host=gw.host))
        answer = raw.response()
    assert (answer.status, answer.body) == (plain.status, plain.body)
    assert plain.status == (426 if target == "/ws" else 200)


def test_local_redirect_before_the_body(gw):
    """What is left of the body is nobody's, least of all the next request's."""
    with gw.connect() as raw:
        raw.send(post("/cgi/to?/cgi/say", BODY[:100000], length=200000))
        assert raw.response().text == "GET  \n"
        raw.ended()
