"""Framings: how messages and bytes map to each other, through a program and a service, and what each rule refuses."""
import pytest
from backends import Service, echo, sends, service
from deflated import ON, offer, packed, zframe
from gateway import Gateway, rss_of
from scripts import script
from wait import eventually, plateau
from wsraw import BINARY, CLOSE, CONTINUATION, TEXT, frame

MIB = 1 << 20
LIMITS = {
    "length8": 255,
    "length16": 65535,
    "length16le": 65535,
    "length32": 16 * MIB,
    "length32le": 16 * MIB,
    "length64": 16 * MIB,
    "length64le": 16 * MIB,
    "netstring": 16 * MIB,
}
TEXTS = ("lines", "nul", "text-stream")  # framings whose messages to the client are text
WITH_BOUNDARIES = ("lines", "nul", "records", *LIMITS)
WIRE = {  # what the backend sees of the messages "abc" and ""
    "lines": b"abc\n\n",
    "stream": b"abc",
    "text-stream": b"abc",
    "nul": b"abc\0\0",
    "length8": b"\3abc\0",
    "length16": b"\0\3abc\0\0",
    "length16le": b"\3\0abc\0\0",
    "length32": b"\0\0\0\3abc" + bytes(4),
    "length32le": b"\3\0\0\0abc" + bytes(4),
    "length64": b"\0\0\0\0\0\0\0\3abc" + bytes(8),
    "length64le": b"\3\0\0\0\0\0\0\0abc" + bytes(8),
    "netstring": b"3:abc,0:,",
    "records": b"t\0\0\0\3abct\0\0\0\0",
}
BAD = {  # what a backend says, and why the session ends
    "netstring-zero": ("netstring", rb"2:ok,01:a,", "bad netstring from the backend"),
    "netstring-comma": ("netstring", rb"2:ok,1:a;", "bad netstring from the backend"),
    "netstring-long": ("netstring", rb"2:ok,10000000000000000000:a", "bad netstring from the backend"),
    "netstring-cut": ("netstring", rb"2:ok,3:a", "the backend ended within a record"),
    "length8-cut": ("length8", rb"\002ok\003a", "the backend ended within a record"),
    "length16-head-cut": ("length16", rb"\000\002ok\000", "the backend ended within a record"),
    "length32le-cut": ("length32le", rb"\002\000\000\000ok\004\000\000\000abc", "the backend ended within a record"),
    "records-type": ("records", rb"t\000\000\000\002okx\000\000\000\000", "bad record from the backend"),
    "utf8-lines": ("lines", rb"ok\nno\377\n", "invalid UTF-8 from the backend"),
}


def GATEWAY(directory):
    directory.mkdir(exist_ok=True)
    routes = {}
    bridge, strict = Service(echo), Service(echo)

    def route(path, **keys):
        routes[f"route {path}"] = keys

    def says(path, octal, then="", **keys):
        """A program that says so much; printf knows octal bytes."""
        name = path.strip("/").replace("/", "-") + ".sh"
        route(path, exec=script(directory, name, f"printf '{octal}'\n{then}\n"), **keys)

    for framing in WIRE:
        route(f"/program/{framing}", exec="cat", framing=framing)
        route(f"/service/{framing}", connect=bridge.uri, framing=framing)
        route(f"/limited/{framing}", exec="cat", framing=framing, max_message=1000)
    for name, (framing, said, _) in BAD.items():
        wait = "" if name.endswith("cut") else "exec cat >/dev/null"
        says(f"/bad/{name}", said.decode(), wait, framing=framing, invalid_utf8="close")
    says("/records-of-nul", r"a\nb\0\0\303\251\377\0rest\r", framing="nul")
    says("/unfinished", r"2:ok,100:a", "exec sleep 1000", framing="netstring")
    says("/huge", r"\200\0\0\0\0\0\0\0", "head -c 200000 /dev/zero", framing="length64")
    says(
        "/long-text",
        r"\0\3\015\100",  # 200000
        "for i in $(seq 10000); do printf '\\342\\202\\254.\\360\\235\\204\\236.\\303\\251xxxxxxxxx'; done",
        framing="length32",
        messages="text",
    )
    for mode in ("pass", "space", "reject"):
        for framing in ("lines", "nul"):
            route(
                f"/newlines/{mode}/{framing}",
                exec=script(directory, f"{mode}-{framing}.sh", f"cat >>'{directory}/{mode}-{framing}'"),
                framing=framing,
                newlines=mode,
                closing_wait="20s",  # it may be slow to begin
            )
    route("/newlines/reject/service", connect=strict.uri, framing="lines", newlines="reject")
    for mode in ("replace", "binary", "close"):
        says(f"/utf8/{mode}", r"ok\na\377b\nlate\n\303", invalid_utf8=mode)
        says(
            f"/utf8-stream/{mode}",
            r"ok\303",
            r"read x; printf '\251.'; read x; printf '\377z'",
            invalid_utf8=mode,
            framing="text-stream",
        )
    says("/types/lines/binary", r"a\377\r\n\303", messages="binary")
    says("/types/netstring/text", r"3:\342\202\254,1:\377,", framing="netstring", messages="text")
    says(
        "/types/records/binary",
        r"t\000\000\000\001ab\000\000\000\001b",
        framing="records",
        messages="binary",
        subprotocols="lines=lines",  # which messages is for
    )
    says("/types/stream/text", r"ok\303", r"read x; printf '\251'", framing="stream", messages="text")
    says("/types/text-stream/binary", r"ok\303", framing="text-stream", messages="binary")
    says("/chosen", r"2:hi,", framing="stream", subprotocols="line=lines plain net=netstring")
    for framing in ("length8", "netstring"):
        route(f"/deflated/{framing}", exec=script(directory, "sink.sh", "cat >/dev/null"), framing=framing, **ON)
    route("/chosen-cap", exec="cat", subprotocols="small=length8 plain")
    it = Gateway(directory, routes)
    it.strict, it.directory = strict, directory
    return it


def end_of(gw, path, **fields):
    return gw.wait_log("session ended", route=path, **fields)


def sizes_of(framing):
    limit = LIMITS.get(framing, 200000)
    return [n for n in (0, 1, 254, 255, 256, 65534, 65535, 65536, 65537, 200000) if n <= limit]


# each framing, both ways


@pytest.mark.parametrize("backend", ["program", "service"])
@pytest.mark.parametrize("framing", WITH_BOUNDARIES)
def test_echo(gw, backend, framing):
    """Messages of every size come back as they were, whole ones and fragments, however long."""
    kind = TEXT if framing in TEXTS else BINARY
    with gw.ws(f"/{backend}/{framing}") as ws:
        for n in sizes_of(framing):
            payload = (b"0123456789abcdef\xe2\x82\xac" * (n // 19 + 1))[: n // 19 * 19].ljust(n, b"x")
            ws.send_frame(kind, payload)
            assert ws.recv_message() == (kind, payload)
            half = n // 2 // 19 * 19
            ws.send(frame(kind, payload[:half], fin=False) + frame(CONTINUATION, payload[half:]))
            assert ws.recv_message() == (kind, payload)
        ws.send_frame(kind, b"a" * 100 + b"M", chunk=1)
        assert ws.recv_message() == (kind, b"a" * 100 + b"M")
        assert ws.close().code == 1000


def test_bytes_of_each_framing(gateway):
    """What a service sees; both types are treated alike, but by records."""
    services, keys = {framing: Service(echo) for framing in WIRE}, {"closing_wait": "60s"}
    try:
        gw = gateway({f"route /{framing}": {**keys, "connect": services[framing].uri, "framing": framing} for framing in WIRE})
        for framing, wire in WIRE.items():
            kinds = (TEXT, BINARY) if framing != "records" else (TEXT,)
            for kind in kinds:
                with gw.ws(f"/{framing}") as ws:
                    ws.send(frame(kind, b"abc") + frame(kind, b""))
                    assert ws.close().code == 1000
            eventually(lambda: services[framing].at_eof == len(kinds), "its end")
            assert services[framing].received == wire * len(kinds)
    finally:
        for it in services.values():
            it.close()


def test_longest_message_held(gw):
    """16 MiB wait for their last byte, then go; they come back as they come."""
    payload = b"0123456789abcde\n" * MIB
    with gw.ws("/program/netstring") as ws:
        ws.send(frame(BINARY, payload[:-1], fin=False) + frame(CONTINUATION, payload[-1:]))
        assert ws.recv_bytes(len(payload)) == payload
        assert ws.close().code == 1000


def test_records_of_nul(gw):
    """Newlines are nothing special; the last one needs no NUL."""
    with gw.ws("/records-of-nul") as ws:
        assert [ws.recv_text() for _ in range(4)] == ["a\nb", "", "\u00e9\ufffd", "rest\r"]
        ws.recv_close(1000)


# what can't be


@pytest.mark.parametrize("framing", LIMITS)
def test_too_long_to_say(gw, framing):
    """1009 by the header: its payload is not waited for. The route's own limit counts where it is smaller."""
    limit = LIMITS[framing]
    limits = {f"/program/{framing}": limit, f"/service/{framing}": limit, f"/limited/{framing}": min(limit, 1000)}
    for path, most in limits.items():
        with gw.ws(path) as ws:
            ws.send(frame(BINARY, b"ok") + frame(BINARY, b"", length=most + 1, form=64 if most > 65534 else 16))
            got = ws.recv()
            if got.opcode == BINARY:
                assert got.payload == b"ok"
                got = ws.recv()
            assert (got.opcode, got.code) == (CLOSE, 1009)
        end_of(gw, path, code_sent=1009)


@pytest.mark.parametrize("framing", ["length8", "netstring"])
def test_too_long_to_say_compressed(gw, framing):
    """Of a compressed message the limit shows as it is inflated: up to it all is well, one byte more is 1009."""
    limit, path = LIMITS[framing], f"/deflated/{framing}"
    with gw.ws(path, headers=offer()) as ws:
        ws.send(zframe(BINARY, packed(bytes(limit))))
        assert ws.close().code == 1000
    assert end_of(gw, path)["in_bytes"] == limit
    with gw.ws(path, headers=offer()) as ws:
        ws.send(zframe(BINARY, packed(bytes(limit + 1))))
        ws.recv_close(1009)
    end_of(gw, path, code_sent=1009)


def test_limit_of_the_route(gw):
    """Up to it all is well, in a framing that can say more."""
    with gw.ws("/limited/length16") as ws:
        ws.send_binary(b"x" * 1000)
        assert ws.recv_bytes(1000) == b"x" * 1000
        assert ws.close().code == 1000


@pytest.mark.parametrize("name", BAD)
def test_bad_output_of_a_program(gw, name):
    """What was whole before it arrives; then 1011 with the reason, and one line of the log."""
    framing, _, reason = BAD[name]
    with gw.ws(f"/bad/{name}") as ws:
        assert ws.recv_message()[1] == b"ok"
        got = ws.recv()
        if got.opcode == TEXT:  # good bytes before the bad one, of a message that has no end
            assert (got.payload, got.fin) == (b"no", False)
            got = ws.recv()
        assert (got.opcode, got.code, got.reason) == (CLOSE, 1011, reason)
        ws.answer_close(got)
    end_of(gw, f"/bad/{name}", code_sent=1011)
    assert len(gw.logged("session with a program failed", reason=reason)) == 1


@pytest.mark.parametrize(
    "said,reason",
    [(b"2:ok,3:x", "the backend ended within a record"), (b"2:ok,:", "bad netstring from the backend")],
    ids=["cut", "bad"],
)
def test_bad_output_of_a_service(gateway, said, reason):
    with service(sends(said)) as it:
        gw = gateway({"route /tcp": {"connect": it.uri, "framing": "netstring"}})
        with gw.ws("/tcp") as ws:
            assert ws.recv_message() == (BINARY, b"ok")
            ws.recv_close(1011, reason)
        end_of(gw, "/tcp", code_sent=1011)
        assert len(gw.logged("backend broke its framing", reason=reason)) == 1


def test_half_a_record_of_who_was_told_to_end(gw):
    """A client that has left, and a program stopped for that, is no failure."""
    with gw.ws("/unfinished") as ws:
        assert ws.recv_bytes(2) == b"ok"
        assert ws.close().code == 1000
    assert end_of(gw, "/unfinished")["end"] == "signal TERM"
    assert not gw.logged(level="warning")


def test_length_is_no_promise(gw):
    """2^63 bytes are announced: those that come go out as they come, in one message that has no end."""
    with gw.ws("/huge") as ws:
        n, first = 0, True
        while (got := ws.recv()).opcode != CLOSE:
            assert (got.opcode, got.fin) == (BINARY if first else CONTINUATION, False)
            n, first = n + len(got.payload), False
        assert (n, got.code) == (200000, 1011)
        ws.answer_close(got)


def test_endless_record_and_a_client_that_does_not_read(gateway, tmp_path):
    """Memory is bounded by `buffer`, not by a length."""
    endless = script(tmp_path, "endless.sh", "printf '\\200\\0\\0\\0\\0\\0\\0\\0'\nexec cat /dev/zero")
    gw = gateway({"route /endless": {"exec": endless, "framing": "length64", "stop_grace": "100ms"}}, release=True)
    gw.ws("/endless").reset()
    end_of(gw, "/endless")
    before = rss_of(gw.pid)
    clients = [gw.ws("/endless", over=gw.connect(rcvbuf=4096)) for _ in range(6)]
    plateau(lambda: rss_of(gw.pid))
    grown = rss_of(gw.pid) - before
    assert grown <= 6 * (256 + 64) * 1024 + 1536 * 1024, f"grew by {grown // 1024} KiB"
    for ws in clients:
        ws.reset()


# newlines


def delivered(gw, mode, framing):
    path = gw.directory / f"{mode}-{framing}"
    data = path.read_bytes()
    path.unlink()
    return data


@pytest.mark.parametrize(
    "framing,mark,other", [("lines", b"\n", b"\0"), ("nul", b"\0", b"\n")], ids=["lines", "nul"]
)
def test_newlines_pass_and_space(gw, framing, mark, other):
    """In nul framing a NUL is what a newline is in lines."""
    for mode, instead in (("pass", mark), ("space", b" ")):
        path = f"/newlines/{mode}/{framing}"
        with gw.ws(path) as ws:
            ws.send_binary(b"a" + mark + b"b" + other)
            ws.send(frame(TEXT, "c", fin=False) + frame(CONTINUATION, mark) + frame(TEXT, mark, fin=False))
            ws.send(frame(CONTINUATION, b"x" * 70000 + mark))
            assert ws.close().code == 1000
        end_of(gw, path)
        want = [b"a", instead, b"b", other, mark, b"c", instead, mark, instead, b"x" * 70000, instead, mark]
        if mode == "pass":
            want = [b"a", mark, b"b", other, mark, b"c", mark, mark, mark, b"x" * 70000, mark, mark]
        assert delivered(gw, mode, framing) == b"".join(want)


NEWLINE = {
    "in a frame": lambda mark: frame(TEXT, b"a" + mark + b"b"),
    "at the end": lambda mark: frame(BINARY, b"a" + mark),
    "alone": lambda mark: frame(TEXT, mark),
    "in the last fragment": lambda mark: frame(TEXT, "rm -rf ", fin=False) + frame(CONTINUATION, b"x" + mark),
    "in the first fragment": lambda mark: frame(TEXT, b"rm" + mark, fin=False) + frame(CONTINUATION, " -rf"),
    "after 65535 bytes": lambda mark: frame(TEXT, b"x" * 65535, fin=False) + frame(CONTINUATION, mark),
}


@pytest.mark.parametrize("case", NEWLINE)
@pytest.mark.parametrize("framing", ["lines", "nul"])
def test_newlines_reject(gw, framing, case):
    """1008; the program gets nothing of the message, and nothing after it."""
    mark = b"\n" if framing == "lines" else b"\0"
    path = f"/newlines/reject/{framing}"
    with gw.ws(path) as ws:
        ws.send_text("one")
        ws.send(NEWLINE[case](mark) + frame(TEXT, "late"))
        got = ws.recv()
        assert (got.opcode, got.code) == (CLOSE, 1008)
        assert got.reason == "delimiter in a message"
    end_of(gw, path, code_sent=1008)
    assert delivered(gw, "reject", framing) == b"one" + mark


def test_newlines_reject_of_a_service(gw):
    with gw.ws("/newlines/reject/service") as ws:
        ws.send_text("one")
        assert ws.recv_text() == "one"
        ws.send(frame(TEXT, "a\nb") + frame(TEXT, "late"))
        ws.recv_close(1008)
    end_of(gw, "/newlines/reject/service", code_sent=1008)
    assert gw.strict.received == b"one\n"


def test_newlines_reject_holds_64_kib(gw):
    """Up to 65536 bytes a message is held and goes; one more is 1009."""
    path = "/newlines/reject/lines"
    with gw.ws(path) as ws:
        ws.send_text("x" * 65536)
        ws.send(frame(TEXT, "y" * 65536, fin=False) + frame(CONTINUATION, ""))
        ws.send(frame(TEXT, "z" * 65536, fin=False) + frame(CONTINUATION, "z"))
        got = ws.recv()
        assert (got.opcode, got.code) == (CLOSE, 1009)
    end_of(gw, path, code_sent=1009)
    assert delivered(gw, "reject", "lines") == b"x" * 65536 + b"\n" + b"y" * 65536 + b"\n"


# text


def test_invalid_utf8(gw):
    """Replaced, sent as a binary message, or the end; what is good is text in any case."""
    with gw.ws("/utf8/replace") as ws:
        assert [ws.recv_text() for _ in range(4)] == ["ok", "a\ufffdb", "late", "\ufffd"]
        ws.recv_close(1000)
    with gw.ws("/utf8/binary") as ws:
        want = [(TEXT, b"ok"), (BINARY, b"a\xffb"), (TEXT, b"late"), (BINARY, b"\xc3")]
        assert [ws.recv_message() for _ in range(4)] == want
        ws.recv_close(1000)
    with gw.ws("/utf8/close") as ws:
        assert ws.recv_text() == "ok"
        got = ws.recv()
        assert (got.payload, got.fin) == (b"a", False)
        ws.recv_close(1011, "invalid UTF-8 from the backend")
    gw.wait_log("session ended", code_sent=1011)
    assert len(gw.logged(reason="invalid UTF-8 from the backend", level="warning")) == 1


@pytest.mark.parametrize("mode", ["replace", "binary", "close"])
def test_invalid_utf8_in_a_stream(gw, mode):
    """A character is whole in one message; only what is no text is dealt with."""
    with gw.ws(f"/utf8-stream/{mode}") as ws:
        assert ws.recv_text() == "ok"
        ws.send_text("\n")
        assert ws.recv_text() == "\u00e9."
        ws.send_text("\n")
        if mode == "replace":
            assert ws.recv_text() == "\ufffdz"
        elif mode == "binary":
            assert ws.recv_message() == (BINARY, b"\xffz")
        ws.recv_close(1011 if mode == "close" else 1000)


def test_types(gw):
    """messages = text or binary, for all but records."""
    with gw.ws("/types/lines/binary") as ws:
        assert [ws.recv_message() for _ in range(2)] == [(BINARY, b"a\xff"), (BINARY, b"\xc3")]
        ws.recv_close(1000)
    with gw.ws("/types/netstring/text") as ws:
        assert [ws.recv_text() for _ in range(2)] == ["\u20ac", "\ufffd"]
        ws.recv_close(1000)
    with gw.ws("/types/records/binary") as ws:
        assert [ws.recv_message() for _ in range(2)] == [(TEXT, b"a"), (BINARY, b"b")]
        ws.recv_close(1000)
    with gw.ws("/types/stream/text") as ws:
        assert ws.recv_text() == "ok"
        ws.send_text("\n")
        assert ws.recv_text() == "\u00e9"
        ws.recv_close(1000)
    with gw.ws("/types/text-stream/binary") as ws:
        assert ws.recv_bytes(3) == b"ok\xc3"
        ws.recv_close(1000)


def test_fragments_of_a_long_text(gw):
    """Every fragment of a record that goes out as it comes has whole characters."""
    with gw.ws("/long-text") as ws:
        text = ""
        while True:
            got = ws.recv()
            text += got.payload.decode()
            if got.fin:
                break
        assert text == "\u20ac.\U0001d11e.\u00e9xxxxxxxxx" * 10000
        ws.recv_close(1000)


# subprotocols


@pytest.mark.parametrize(
    "offered,answered,want",
    [
        ("net", "net", (BINARY, b"hi")),
        ("line", "line", (TEXT, b"2:hi,")),
        ("plain", "plain", (BINARY, b"2:hi,")),
        ("net, line", "line", (TEXT, b"2:hi,")),
        ("other", None, (BINARY, b"2:hi,")),
        (None, None, (BINARY, b"2:hi,")),
    ],
)
def test_framing_of_a_subprotocol(gw, offered, answered, want):
    """NAME=FRAMING holds for who chose it; the others have the route's."""
    with gw.ws("/chosen", headers=[("Sec-WebSocket-Protocol", offered)] if offered else []) as ws:
        assert ws.answer.header("Sec-WebSocket-Protocol") == answered
        assert ws.recv_message() == want
        ws.recv_close(1000)


def test_limit_of_a_subprotocol(gw):
    with gw.ws("/chosen-cap", headers=[("Sec-WebSocket-Protocol", "small")]) as ws:
        ws.send_binary(b"x" * 255)
        assert ws.recv_bytes(255) == b"x" * 255
        ws.send_frame(BINARY, length=256, form=16)
        got = ws.recv()
        assert (got.opcode, got.code) == (CLOSE, 1009)
    with gw.ws("/chosen-cap", headers=[("Sec-WebSocket-Protocol", "plain")]) as ws:
        ws.send_binary(b"x" * 256)
        assert ws.recv_text() == "x" * 256
        assert ws.close().code == 1000
