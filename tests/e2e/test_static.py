"""Static files: types, conditions, ranges, gzip forms, files that change, and what must never be served."""
import email.utils
import gzip
import hashlib
import itertools
import os
import re
import socket
import stat
import threading
import time
from contextlib import ExitStack

import pytest
import wsraw
from gateway import SECRET, Gateway, descriptors_of, rss_of, run
from wait import eventually, plateau

CANARY = b"outside-of-the-directory"
PAGE = b"<h1>page</h1>\n" * 500
TEXT = b"0123456789"
BIG = hashlib.shake_256(b"wsluice").digest(6_000_000)
SPARSE = 200_000_000
HUGE = 5 << 30
ENDLESS = 1 << 42  # nobody reads that much
OLD = 784111777  # Sun, 06 Nov 1994 08:49:37 GMT
OLD_DATE = "Sun, 06 Nov 1994 08:49:37 GMT"


def make_site(site):
    """A directory of every kind of thing, beside a canary."""
    (site / "sub").mkdir(parents=True)
    (site / "bare").mkdir()
    (site / ".git").mkdir()
    (site / "page.html").write_bytes(PAGE)
    (site / "page.html.gz").write_bytes(gzip.compress(PAGE))
    (site / "stale.html").write_bytes(PAGE)
    (site / "stale.html.gz").write_bytes(gzip.compress(b"of yesterday"))
    os.utime(site / "stale.html.gz", (OLD, OLD))
    (site / "text.txt").write_bytes(TEXT)
    os.utime(site / "text.txt", (OLD, OLD))
    (site / "empty.txt").write_bytes(b"")
    (site / "big.bin").write_bytes(BIG)
    (site / "sub/index.html").write_bytes(b"sub")
    (site / ".git/config").write_bytes(CANARY)
    (site / ".htpasswd").write_bytes(CANARY)
    (site / "sub/.env").write_bytes(CANARY)
    for name, size in (("sparse.bin", SPARSE), ("huge.bin", HUGE), ("endless.bin", ENDLESS)):
        with open(site / name, "wb") as file:
            file.truncate(size)
    with open(site / "huge.bin", "r+b") as file:
        file.seek((1 << 32) - 2)
        file.write(b"AAbb")
        file.seek(HUGE - 3)
        file.write(b"end")
    os.mkfifo(site / "fifo")
    with socket.socket(socket.AF_UNIX) as sock:
        here = os.getcwd()
        os.chdir(site)  # the name of a socket must be short
        sock.bind("socket")
        os.chdir(here)
    (site.parent / "canary").write_bytes(CANARY)
    (site.parent / "elsewhere").mkdir()
    (site.parent / "elsewhere/text.txt").write_bytes(CANARY)


def GATEWAY(directory):
    site = directory / "site"
    make_site(site)
    return Gateway(
        directory,
        {
            "route /*": {"static": site},
            "route /own/*": {
                "static": site,
                "header": ["X-Frame-Options: DENY", "cache-control: max-age=60"],
                "header_http": "Cross-Origin-Resource-Policy: cross-origin",
            },
        },
    )


def check_file(answer):
    """What every response about a file says."""
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("Referrer-Policy") == "same-origin"  # a form of it has an Origin that is not null
    assert answer.header("Cross-Origin-Resource-Policy") == "same-origin"
    assert answer.header("X-Frame-Options") == "SAMEORIGIN"
    assert answer.header("Vary") == "Accept-Encoding"
    assert answer.header("Date")


def ask(gw, path, *headers, status=200, method="GET"):
    answer = gw.get(path, method=method, headers=headers)
    assert answer.status == status, (answer, answer.body[:200])
    check_file(answer)
    return answer


def is_open(gw, name):
    return any(target.endswith(f"/{name}") for target in descriptors_of(gw.pid).values())


# whole files


def test_whole(gw):
    answer = ask(gw, "/text.txt")
    assert answer.body == TEXT
    assert answer.header("Content-Type") == "text/plain; charset=utf-8"
    assert answer.header("Last-Modified") == OLD_DATE
    assert re.fullmatch(r'"[!#-~]+"', answer.header("ETag"))
    assert answer.header("Accept-Ranges") == "bytes"
    assert answer.header("Cache-Control") == "no-cache"
    assert answer.header("Content-Encoding") is None
    empty = ask(gw, "/empty.txt")
    assert (empty.body, empty.header("Content-Length")) == (b"", "0")
    assert ask(gw, "/empty.txt").header("ETag") == empty.header("ETag") != answer.header("ETag")


def test_paths(gw):
    """Decoded once; a query is not part of the name; a directory has its index, and no listing."""
    assert ask(gw, "/%74ext%2Etxt").body == TEXT
    assert ask(gw, f"/text.txt?token={SECRET}").body == TEXT
    assert ask(gw, "/sub/").body == b"sub"
    answer = gw.get(f"/sub?room={SECRET}")
    assert (answer.status, answer.header("Location")) == (301, f"/sub/?room={SECRET}")
    for path in ("/bare/", "/%2574ext.txt", "/text.txt/", "/TEXT.TXT", "/.git/config", "/.htpasswd", "/sub/.env"):
        answer = gw.get(path)
        assert answer.status == 404 and CANARY not in answer.body, path


def test_special_files_are_not_there(gw):
    """At once: nothing waits for somebody to write to them."""
    names = ["fifo", "socket"]
    try:
        os.mknod(gw.dir / "site/null", stat.S_IFCHR | 0o644, os.makedev(1, 3))
        names.append("null")
    except PermissionError:
        pass  # only root makes devices
    for name in names:
        assert gw.get(f"/{name}").status == 404


def test_operator_headers_replace_ours(gw):
    answer = gw.get("/own/text.txt")
    assert answer.header("X-Frame-Options") == "DENY"
    assert answer.header("Cache-Control") == "max-age=60"
    assert answer.header("Cross-Origin-Resource-Policy") == "cross-origin"
    assert answer.header("X-Content-Type-Options") == "nosniff"
    beyond = gw.get("/own/text.txt", headers=[("Range", "bytes=99-")])
    assert (beyond.status, beyond.header("Cache-Control")) == (416, "no-store")


# conditions


def not_modified(gw, path, *headers, method="GET"):
    answer = ask(gw, path, *headers, status=304, method=method)
    for name in ("Content-Length", "Content-Type", "Content-Encoding", "Content-Range", "Transfer-Encoding"):
        assert answer.header(name) is None, name
    return answer


def test_known_by_tag_or_date(gw):
    whole = ask(gw, "/text.txt")
    tag = whole.header("ETag")
    for method in ("GET", "HEAD"):
        for value in (tag, f"W/{tag}", f'"x", {tag}', "*"):
            answer = not_modified(gw, "/text.txt", ("If-None-Match", value), method=method)
            for name in ("ETag", "Last-Modified", "Cache-Control"):
                assert answer.header(name) == whole.header(name)
        for date in (OLD_DATE, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"):
            not_modified(gw, "/text.txt", ("If-Modified-Since", date), method=method)
    assert ask(gw, "/text.txt", ("If-None-Match", '"x"'), ("If-Modified-Since", OLD_DATE)).body == TEXT
    assert ask(gw, "/text.txt", ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:36 GMT")).body == TEXT
    future = email.utils.formatdate(4102444800, usegmt=True)
    assert ask(gw, "/text.txt", ("If-Modified-Since", future)).body == TEXT


def test_preconditions(gw):
    tag = ask(gw, "/text.txt").header("ETag")
    assert ask(gw, "/text.txt", ("If-Match", tag)).body == TEXT
    for header in (
        ("If-Match", '"x"'),
        ("If-Match", f"W/{tag}"),
        ("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:36 GMT"),
    ):
        assert ask(gw, "/text.txt", header, status=412).body
        head = ask(gw, "/text.txt", header, status=412, method="HEAD")
        assert head.body == b"" and int(head.header("Content-Length")) > 0


def test_changes_are_seen(gw):
    """A new length, a new time by a nanosecond, and other bytes under the old time: each is another tag."""
    path = gw.dir / "site/changes.txt"
    path.write_bytes(b"12345")
    os.utime(path, ns=(OLD, OLD))
    seen = set()

    def changed():
        answer = gw.get("/changes.txt", headers=[("If-None-Match", ", ".join(seen) or '"x"')])
        return answer.header("ETag") if answer.status == 200 else None

    def rewrite():
        path.write_bytes(b"54321")
        os.utime(path, ns=(OLD, OLD + 1))
        return changed()

    seen.add(changed())
    assert changed() is None
    os.utime(path, ns=(OLD, OLD + 1))
    seen.add(changed())
    path.write_bytes(b"123456")
    os.utime(path, ns=(OLD, OLD + 1))
    seen.add(changed())
    seen.add(eventually(rewrite, "other bytes have the tag of the first ones"))
    assert None not in seen and len(seen) == 4


# ranges


@pytest.mark.parametrize(
    "value, body, content_range",
    [
        ("bytes=0-0", b"0", "bytes 0-0/10"),
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=9-9", b"9", "bytes 9-9/10"),
        ("bytes=8-", b"89", "bytes 8-9/10"),
        ("bytes=8-10", b"89", "bytes 8-9/10"),
        ("bytes=-1", b"9", "bytes 9-9/10"),
        ("bytes=-11", TEXT, "bytes 0-9/10"),
        ("bytes=0-18446744073709551616", TEXT, "bytes 0-9/10"),
    ],
)
def test_part(gw, value, body, content_range):
    answer = ask(gw, "/text.txt", ("Range", value), status=206)
    assert answer.body == body
    assert answer.header("Content-Range") == content_range
    assert answer.header("ETag") == ask(gw, "/text.txt").header("ETag")


@pytest.mark.parametrize("value", ["bytes=10-", "bytes=10-11", "bytes=-0", "bytes=9223372036854775808-"])
def test_beyond(gw, value):
    answer = ask(gw, "/text.txt", ("Range", value), status=416)
    assert answer.header("Content-Range") == "bytes */10"
    assert answer.header("Cache-Control") == "no-store"
    assert ask(gw, "/text.txt", ("Range", value), method="HEAD").header("Content-Length") == "10"


@pytest.mark.parametrize("value", ["bytes=0-1,3-4", "bytes=4-3", "bytes=", "lines=1-2", "bytes=a-b", "0-1"])
def test_whole_instead_of_parts(gw, value):
    answer = ask(gw, "/text.txt", ("Range", value))
    assert (answer.body, answer.header("Content-Range")) == (TEXT, None)


def test_if_range(gw):
    tag = ask(gw, "/text.txt").header("ETag")
    for value, status in ((tag, 206), (OLD_DATE, 206), (f"W/{tag}", 200), ('"x"', 200), ("Sun", 200)):
        ask(gw, "/text.txt", ("Range", "bytes=1-2"), ("If-Range", value), status=status)


def test_range_beyond_4_gib(gw):
    at = 1 << 32
    answer = ask(gw, "/huge.bin", ("Range", f"bytes={at - 2}-{at + 1}"), status=206)
    assert (answer.body, answer.header("Content-Range")) == (b"AAbb", f"bytes {at - 2}-{at + 1}/{HUGE}")
    assert ask(gw, "/huge.bin", ("Range", "bytes=-3"), status=206).body == b"end"
    assert ask(gw, "/huge.bin", ("Range", f"bytes={HUGE - 1}-"), status=206).body == b"d"
    ask(gw, "/huge.bin", ("Range", f"bytes={HUGE}-"), status=416)
    assert ask(gw, "/huge.bin", method="HEAD").header("Content-Length") == str(HUGE)


def test_download_in_parts(gw):
    """As one resumes: every part by its own request, with the tag of the first."""
    first = ask(gw, "/big.bin", ("Range", "bytes=0-999999"), status=206)
    got = first.body
    while len(got) < len(BIG):
        last = min(len(got) + 999_999, len(BIG) - 1)
        part = ask(
            gw, "/big.bin", ("Range", f"bytes={len(got)}-{last}"), ("If-Range", first.header("ETag")), status=206
        )
        got += part.body
    assert got == BIG


# gzip forms


@pytest.mark.parametrize("value", ["gzip", "br, gzip;q=0.5", "*", "x-gzip", "identity;q=0, gzip"])
def test_gzip(gw, value):
    plain = ask(gw, "/page.html")
    answer = ask(gw, "/page.html", ("Accept-Encoding", value))
    assert answer.header("Content-Encoding") == "gzip"
    assert answer.header("Content-Type") == plain.header("Content-Type") == "text/html; charset=utf-8"
    assert gzip.decompress(answer.body) == plain.body == PAGE
    assert answer.header("ETag") != plain.header("ETag")


@pytest.mark.parametrize("value", ["", "br", "gzip;q=0", "*;q=0", "gzip;q=0, *", "identity, gzip;q=0.9"])
def test_no_gzip(gw, value):
    answer = ask(gw, "/page.html", ("Accept-Encoding", value))
    assert (answer.header("Content-Encoding"), answer.body) == (None, PAGE)


def test_gzip_that_is_not_fit(gw):
    """Older than the file, not there, of a file that is not there; asked for by its own name it is itself."""
    for path, body in (("/stale.html", PAGE), ("/text.txt", TEXT)):
        answer = ask(gw, path, ("Accept-Encoding", "gzip"))
        assert (answer.header("Content-Encoding"), answer.body) == (None, body)
    (gw.dir / "site/alone.gz").write_bytes(b"x")
    assert gw.get("/alone", headers=[("Accept-Encoding", "gzip")]).status == 404
    answer = ask(gw, "/page.html.gz", ("Accept-Encoding", "gzip"))
    assert (answer.header("Content-Type"), answer.header("Content-Encoding")) == ("application/gzip", None)
    (gw.dir / "site/out.txt").write_bytes(TEXT)
    (gw.dir / "site/out.txt.gz").symlink_to("../canary")
    assert ask(gw, "/out.txt", ("Accept-Encoding", "gzip")).body == TEXT


def test_gzip_with_range_and_conditions(gw):
    packed = (gw.dir / "site/page.html.gz").read_bytes()
    accept = ("Accept-Encoding", "gzip")
    tag = ask(gw, "/page.html", accept).header("ETag")
    part = ask(gw, "/page.html", accept, ("Range", "bytes=1-2"), status=206)
    assert part.body == packed[1:3]
    assert part.header("Content-Encoding") == "gzip"
    assert part.header("Content-Range") == f"bytes 1-2/{len(packed)}"
    not_modified(gw, "/page.html", accept, ("If-None-Match", tag))
    assert ask(gw, "/page.html", ("If-None-Match", tag)).body == PAGE


# connections


def test_pipelined(gw):
    """Every kind of answer keeps the connection, and none is taken for another's body."""
    asked = [
        ("GET", (), 200, TEXT),
        ("GET", [("If-None-Match", "*")], 304, b""),
        ("GET", [("Range", "bytes=1-2")], 206, b"12"),
        ("HEAD", (), 200, b""),
        ("GET", [("Range", "bytes=99-")], 416, None),
        ("HEAD", [("If-Match", '"x"')], 412, b""),
        ("GET", [("If-Match", '"x"')], 412, None),
        ("GET", (), 200, TEXT),
    ]
    with gw.connect() as raw:
        for _ in range(3):
            raw.send(b"".join(wsraw.request("/text.txt", m, gw.host, headers=h) for m, h, _, _ in asked))
            for method, _, status, body in asked:
                answer = raw.response(method)
                assert answer.status == status
                assert body is None or answer.body == body


def test_log(gw):
    """Status and bytes of the body as they were sent."""
    for headers, method, status, n in (
        ((), "GET", 200, 10),
        ((), "HEAD", 200, 0),
        ([("Range", "bytes=1-2")], "GET", 206, 2),
        ([("If-None-Match", "*")], "GET", 304, 0),
        ([("Range", "bytes=99-")], "GET", 416, None),
        ([("If-Match", '"x"')], "GET", 412, None),
    ):
        gw.mark()
        answer = gw.get("/text.txt", method=method, headers=headers)
        n = len(answer.body) if n is None else n
        gw.wait_log("request", path="/text.txt", method=method, status=status, bytes=n)


def test_client_that_leaves(gw):
    """In mid-file, by a reset or a close: the file is closed. (check_idle() counts descriptors as well.)"""
    for leave in ("reset", "drop"):
        raw = gw.connect(rcvbuf=4096)
        raw.send(wsraw.request("/huge.bin", host=gw.host))
        raw.take(10000)
        assert is_open(gw, "huge.bin")
        getattr(raw, leave)()
        eventually(lambda: not is_open(gw, "huge.bin"), "the file stays open")


def test_slow_and_fast_reader_get_every_byte(gw):
    for rcvbuf, piece in ((4096, 1000), (None, 1 << 20)):
        with gw.connect(rcvbuf=rcvbuf) as raw:
            raw.send(wsraw.request("/big.bin", host=gw.host))
            answer = raw.response("HEAD")
            assert int(answer.header("Content-Length")) == len(BIG)
            digest = hashlib.sha256()
            left = len(BIG)
            while left:
                data = raw.take(min(piece, left))
                digest.update(data)
                left -= len(data)
            assert digest.digest() == hashlib.sha256(BIG).digest()


def test_slow_readers_hold_no_memory(gateway, tmp_path):
    """Twenty of them, 200 MB each, on the build that users run."""
    make_site(tmp_path / "site")
    gw = gateway({"route /*": {"static": tmp_path / "site"}}, release=True)
    with ExitStack() as stack:
        readers = [stack.enter_context(gw.connect(rcvbuf=4096)) for _ in range(20)]
        for raw in readers:  # what a connection costs by itself, TLS and all
            raw.send(wsraw.request("/text.txt", host=gw.host))
            assert raw.response().body == TEXT
        before = plateau(lambda: rss_of(gw.pid))
        for raw in readers:
            raw.send(wsraw.request("/sparse.bin", host=gw.host))
        for _ in range(3):
            for raw in readers:
                raw.take(100_000)
        after = plateau(lambda: rss_of(gw.pid))
        assert after - before < 4 << 20, f"{before} to {after}"
        for raw in readers:
            raw.reset()


def test_others_have_their_turn(gateway, tmp_path):
    """One worker, one client that reads as fast as it can: others are answered meanwhile."""
    make_site(tmp_path / "site")
    gw = gateway({"route /*": {"static": tmp_path / "site"}}, gateway={"workers": 1})
    with gw.connect() as raw:
        raw.send(wsraw.request("/endless.bin", host=gw.host))
        raw.response("HEAD")
        done = threading.Event()

        def read():
            try:
                while raw.fill():
                    raw.ahead = b""
            except OSError:
                pass
            done.set()

        reader = threading.Thread(target=read)
        reader.start()
        for _ in range(30):
            assert gw.get("/text.txt").body == TEXT
        assert not done.is_set()
        raw.sock.shutdown(socket.SHUT_RDWR)
        reader.join()


# files that change while they are sent


def begin(gw, name, data, rcvbuf=4096):
    """A slow client that has begun to read an old file with this content: the times of two changes within a tick of the
    kernel's clock are one."""
    (gw.dir / "site" / name).write_bytes(data)
    os.utime(gw.dir / "site" / name, (OLD, OLD))
    raw = gw.connect(rcvbuf=rcvbuf)
    raw.send(wsraw.request(f"/{name}", host=gw.host))
    answer = raw.response("HEAD")
    assert int(answer.header("Content-Length")) == len(data)
    return raw


@pytest.mark.parametrize("size", [0, 1, 1 << 20])
def test_truncated(gw, size):
    """The connection ends early, and what is not there any more is not made up to the end."""
    with begin(gw, "shrinks.bin", BIG) as raw:
        os.truncate(gw.dir / "site/shrinks.bin", size)
        data = raw.rest()
    assert len(data) < len(BIG)
    if gw.tls:  # of a plain one, what is lent to the kernel by sendfile(2) changes with the file
        assert data == BIG[: len(data)]
    gw.wait_log("response cut", path="/shrinks.bin", reason="file became shorter")


@pytest.mark.parametrize("rcvbuf, size", [(None, 200_000), (300_000, len(BIG))])
def test_truncated_behind_the_last_byte(gw, rcvbuf, size):
    """A whole response that waits in the kernel is what the file was, whatever happens to the file. The longer one was
    lent to the kernel for the most part (sendfile), and this client shares the kernel's pages."""
    data = BIG[:size]
    with begin(gw, "behind.bin", data, rcvbuf) as raw:
        got = raw.take(size - 200_000)  # the client's kernel has room for the rest
        eventually(lambda: not is_open(gw, "behind.bin"), "it is not all sent")
        os.truncate(gw.dir / "site/behind.bin", size - 99_999)
        assert got + raw.take(200_000) == data


def change_rewrite(path):
    with open(path, "r+b") as file:
        file.write(bytes(len(BIG)))


def change_longer(path):
    """As `cp` does: emptied, then written anew, and longer."""
    with open(path, "wb") as file:
        file.write(bytes(len(BIG) + 1))


def change_append(path):
    with open(path, "ab") as file:
        file.write(b"more")


@pytest.mark.parametrize("change", [change_append, change_rewrite, change_longer, os.utime])
def test_changed(gw, change):
    """What the file is not any more, as far as can be told, is not sent to the end; the next client has the new one."""
    path = gw.dir / "site/changes.bin"
    with begin(gw, "changes.bin", BIG) as raw:
        change(path)
        assert len(raw.rest()) < len(BIG)
    gw.wait_log("response cut", path="/changes.bin")  # it may have been shorter for a moment
    assert ask(gw, "/changes.bin").body == path.read_bytes()


@pytest.mark.parametrize("change", [lambda path: path.chmod(0o600), lambda path: path.rename(f"{path}.old")])
def test_same_content(gw, change):
    """Other rights, another name: the bytes are the same, so all of them arrive."""
    path = gw.dir / "site/same.bin"
    with begin(gw, "same.bin", BIG) as raw:
        change(path)
        assert raw.take(len(BIG)) == BIG


def test_replaced(gw):
    """By a rename or deleted: the old content goes on; the next request has the new one."""
    with begin(gw, "replaced.bin", BIG) as raw:
        new = gw.dir / "site/new"
        new.write_bytes(b"new")
        new.rename(gw.dir / "site/replaced.bin")
        assert raw.take(len(BIG)) == BIG
    assert ask(gw, "/replaced.bin").body == b"new"
    with begin(gw, "deleted.bin", BIG) as raw:
        (gw.dir / "site/deleted.bin").unlink()
        assert raw.take(len(BIG)) == BIG
    assert gw.get("/deleted.bin").status == 404


def test_connection_goes_on(gw):
    """Behind a body that was lent, also when the next requests are there already."""
    with begin(gw, "lent.bin", BIG) as raw:
        raw.send(wsraw.request("/text.txt", host=gw.host) + wsraw.request("/big.bin", host=gw.host))
        assert raw.take(len(BIG)) == BIG
        assert raw.response().body == TEXT
        assert raw.response().body == BIG


# what must never be served


def test_symlink_that_leads_out(gw):
    """It is a 404 like any other, but the log knows why."""
    (gw.dir / "site/leads-out").symlink_to("../canary")
    for path, reason in (("/leads-out", "a symlink that leads out of the directory"), ("/is-not", "no such file")):
        answer = gw.get(path)
        assert (answer.status, answer.text) == (404, "There is no such file.\n")
        assert gw.wait_log("request", path=path)["reason"] == reason


def test_swapped_symlinks(gw):
    """A name, and a directory on the way, that lead inside and outside by turns: never a byte from outside."""
    site, stop = gw.dir / "site", threading.Event()
    (site / "inside").mkdir()
    (site / "inside/text.txt").write_bytes(TEXT)

    def swap():
        turn = 0
        while not stop.is_set():
            turn += 1
            for name, targets in (
                ("swap", ("text.txt", "../canary")),
                ("way", ("inside", "../elsewhere")),
                ("up", ("sub/../inside", f"{gw.dir}/elsewhere")),
            ):
                (site / "next").symlink_to(targets[turn % 2])
                (site / "next").rename(site / name)

    swapper = threading.Thread(target=swap)
    swapper.start()
    seen = set()
    try:
        eventually((site / "up").is_symlink, "no swap")
        deadline = time.monotonic() + 30
        for n in itertools.count():
            if n >= 40 and (len(seen) == 2 or time.monotonic() > deadline):  # a busy machine swaps seldom
                break
            with gw.connect() as raw:
                for path in ("/swap", "/way/text.txt", "/up/text.txt") * 8:
                    raw.send(wsraw.request(path, host=gw.host))
                    answer = raw.response()
                    assert (answer.status, answer.body) == (200, TEXT) or answer.status == 404, answer.body
                    assert CANARY not in answer.body
                    seen.add(answer.status)
                    if answer.status == 404:
                        break  # the last one of its connection
    finally:
        stop.set()
        swapper.join()
    assert seen == {200, 404}, "there was no race"


def test_program_in_a_static_directory(gateway, tmp_path):
    """One warning at start that names both; not where the program lies elsewhere."""
    site = tmp_path / "site"
    site.mkdir()
    script = site / "count.sh"
    script.write_text("#!/bin/sh\necho 1\n")
    script.chmod(0o755)
    words = "anybody can download a program: it lies in a static directory"
    gw = gateway({"route /count": {"exec": script}, "route /*": {"static": site}})
    (line,) = gw.logged(words, since_mark=False)
    assert (line["level"], line["program"], line["static"]) == ("warning", str(script), str(site))
    assert gw.get("/count.sh").body == script.read_bytes()
    gw = gateway({"route /count": {"exec": "cat"}, "route /*": {"static": site}})
    assert not gw.logged(words, since_mark=False)


@pytest.mark.parametrize("inside", ["wsluice.ini", "conf.d/secret.conf"])
def test_configuration_in_a_static_directory(tmp_path, inside):
    """The file of --config, or one that it includes: no start, and --check says so."""
    site = tmp_path / "site"
    (site / "conf.d").mkdir(parents=True)
    served = site / inside
    main = served if inside == "wsluice.ini" else tmp_path / "wsluice.ini"
    include = served if served != main else tmp_path / "secret.conf"
    include.write_text("[defaults]\nenv = SECRET=1\n")
    main.write_text(f"[gateway]\ninclude = {include}\n[listen a]\naddress = 127.0.0.1:0\n[route /*]\nstatic = {site}\n")
    words = "anybody could download the configuration: it lies in a static directory; move it out of there"
    status, out, err = run(f"--config={main}")
    wrong = [line for line in err.splitlines() if words in line]
    assert (status, out) == (1, "") and len(wrong) == 1 and f"file={served} static={site}" in wrong[0], err
    assert "listening" not in err
    said = f"[route /*] static: {served}: {words} (static = {site})\n"
    assert run(f"--config={main}", "--check") == (1, "", said)


def test_check_warns_as_the_start_does(tmp_path):
    """What --check accepts and the start warns of: a line for each before "ok"; nothing where there is nothing."""
    script, ini = tmp_path / "count.sh", tmp_path / "conf" / "wsluice.ini"
    (tmp_path / "empty").mkdir()
    ini.parent.mkdir()
    script.write_text("#!/bin/sh\necho 1\n")
    script.chmod(0o755)
    text = "[listen a]\naddress = {}:0\n[route /count]\nexec = {}\n[route /files/*]\nstatic = {}\n"
    (tmp_path / "site").mkdir()
    served = script.rename(tmp_path / "site" / "count.sh")
    ini.write_text(text.format("*", f"{served} 2>/dev/null", tmp_path / "site"))
    status, out, err = run(f"--config={ini}", "--check")
    assert (status, out) == (0, "ok\n")
    first, second, third = err.splitlines()
    assert "level=warning" in first and f"program={served} static={tmp_path}/site" in first
    assert "everybody who reaches this address may start programs" in second and "address=*:0" in second
    assert "no shell reads exec" in third and "route=/count word=2>/dev/null" in third
    ini.write_text(text.format("127.0.0.1", served, tmp_path / "empty"))
    assert run(f"--config={ini}", "--check") == (0, "ok\n", "")
