"""targets: a token picks the service, from files that may change; and nobody is led to what they do not say."""
import os
import resource

import certs
import pytest
import wait
import wsraw
from backends import Service, closed_port, echo
from gateway import SECRET, Gateway, run
from tlsservice import tls_service

TOKENS = ("desk1", "a.b:c", "my desk", "caf\u00e9", SECRET)

PARSER = "The request target is not a path of printable ASCII and whole escapes."

# The clock of files has steps of milliseconds; no test here waits for it: what is written is seen at once.
pytestmark = pytest.mark.plain_only("what a token picks does not depend on what carries the request")


class Named(Service):
    """Says its name to whoever comes, then echoes."""

    def __init__(self, name, **options):
        super().__init__(self.greet, **options)
        self.name = name

    def greet(self, it, sock):
        sock.sendall(self.name.encode())
        echo(it, sock)

    @property
    def place(self):
        return self.uri.removeprefix("tcp://")


def GATEWAY(directory):
    directory.mkdir(exist_ok=True)
    one, two, six = Named("one"), Named("two"), Named("six", host="::1")
    sock = Named("sock", path=directory / "the.sock")
    port = six.uri.rsplit(":", 1)[1]
    lines = [
        "# what stands for what",
        "",
        f"desk1: {one.uri}",
        f"desk2:\t {two.place}  ",
        f"  a.b:c: {two.uri}\r",
        f"my desk: {one.place}",
        f"caf\u00e9: {two.place}",
        f"{SECRET}: {one.uri}",
        f"unix1: {sock.uri}",
        f"unix2: {sock.uri.replace('unix:', 'unix_socket:')}",
        f"six1: [::1]:{port}",
        f"six2: ::1:{port}",
        f"local: :{one.place.rsplit(':', 1)[1]}",
        f"down: 127.0.0.1:{closed_port()}",
        f"twice: {one.uri}",
        f"twice: {two.uri}",
        "broken-line-without-target",
        f"{SECRET}-broken: nowhere",
        f"last: {two.uri}",
    ]
    file = directory / "tokens"
    file.write_text("\n".join(lines))
    hosts = directory / "hosts"
    hosts.write_text(f"Desk1.Example.org: {one.uri}\ndesk2.example.org: {two.uri}\n::1: {two.uri}\n127.0.0.1: {one.uri}")
    files = directory / "tokens.d"
    files.mkdir()
    (files / "a").write_text(f"in-a: {one.uri}\nboth: {one.uri}\n")
    (files / "b").write_text(f"in-b: {two.uri}\nboth: {two.uri}\n")
    (files / ".hidden").write_text(f"hidden: {one.uri}\n")
    (files / "b~").write_text(f"backup: {one.uri}\n")
    (files / "sub").mkdir()
    (files / "sub" / "c").write_text(f"deep: {one.uri}\n")
    (directory / "outside").write_text(f"outside: {one.uri}\n")
    (files / "leads-out").symlink_to(directory / "outside")
    (files / "leads-in").symlink_to("sub/c")
    os.mkfifo(files / "fifo")
    it = Gateway(
        directory,
        {
            "route /vnc": {"targets": file},
            "route /close": {"targets": file, "refuse_as": "close"},
            "route /path/*": {"targets": file, "target_by": "path"},
            "route /a/*": {"connect": one.uri},
            "route /host": {"targets": hosts, "target_by": "host"},
            "route desk3.example.org/host": {"targets": file, "console": "yes"},
            "route /dir": {"targets": files},
        },
        listen={"server_names": "*.example.org localhost 127.0.0.1 [::1]"},
        gateway={"workers": 2, "log_level": "trace"},
    )
    it.services = {s.name: s for s in (one, two, six, sock)}
    return it


def reaches(gw, path, name, **options):
    with gw.ws(path, **options) as ws:
        assert ws.recv_bytes(len(name)) == name.encode()
        ws.send_text("x")
        assert ws.recv_bytes(1) == b"x"
        ws.close()


def lets_in(gw, path):
    """Not refused."""
    with gw.connect() as raw:
        raw.send(wsraw.upgrade(path, gw.host))
        return raw.response().status == 101


@pytest.mark.parametrize(
    "query, name",
    [
        ("token=desk1", "one"),
        ("token=desk2", "two"),
        ("path=x&token=a.b:c", "two"),
        ("token=a.b%3Ac", "two"),
        ("%74oken=a%2eb%3ac", "two"),
        ("token=my%20desk", "one"),
        ("token=my+desk", "one"),
        ("token=caf%C3%A9", "two"),
        ("token=unix1", "sock"),
        ("token=unix2", "sock"),
        ("token=six1", "six"),
        ("token=six2", "six"),
        ("token=local", "one"),
        ("token=twice", "two"),
        ("token=last", "two"),
        (f"token={SECRET}", "one"),
        ("token=desk1&token=desk1", "one"),
        ("token=&token=desk%31", "one"),
        ("host=127.0.0.1&port=1&token=desk1&target=unix:/x", "one"),
    ],
)
def test_by_query(gw, query, name):
    reaches(gw, f"/vnc?{query}", name)
    line = gw.wait_log("session ended")
    assert line["backend"].startswith(("tcp://", "unix:")) and line["route"] == "/vnc"
    assert gw.services[name].uri.rsplit(":", 1)[1] in line["backend"]


@pytest.mark.parametrize(
    "query, status, reason",
    [
        ("", 404, "no token"),
        ("?", 404, "no token"),
        ("?token", 404, "no token"),
        ("?token=", 404, "no token"),
        ("?Token=desk1", 404, "no token"),
        ("?xtoken=desk1", 404, "no token"),
        ("?tokens=desk1", 404, "no token"),
        ("?token=desk", 404, "no such target"),
        ("?token=desk11", 404, "no such target"),
        ("?token=DESK1", 404, "no such target"),
        ("?token=desk1%20", 404, "no such target"),
        ("?token=broken-line-without-target", 404, "no such target"),
        (f"?token={SECRET}-broken", 404, "no such target"),
        ("?token=%23", 404, "no such target"),
        ("?token=127.0.0.1:22", 404, "no such target"),
        ("?token=tcp://127.0.0.1:22", 404, "no such target"),
        ("?token=unix:/run/x.sock", 404, "no such target"),
        ("?token=../tokens", 404, "no such target"),
        ("?token=/etc/passwd", 404, "no such target"),
        ("?host=127.0.0.1&port=22", 404, "no token"),
        ("?" + "token=" + "x" * 8000, 404, "no such target"),
        ("?token=desk1&token=desk2", 400, "two tokens"),
        ("?token=desk1;token=desk2", 404, "no such target"),
        ("?token=desk1%0a", 400, "bad token"),
        ("?token=desk1%0D%0Adesk2", 400, "bad token"),
        ("?token=desk1%00", 400, PARSER),
        ("?token=%00desk1", 400, PARSER),
        ("?token=desk1%0adesk1:%20127.0.0.1:22", 400, "bad token"),
        ("?token=desk1%", 400, PARSER),
        ("?token=desk1%zz", 400, PARSER),
    ],
)
def test_no_way_in(gw, query, status, reason):
    """A client never names a place: nothing is connected to, and no word of the token comes back."""
    before = {name: len(it.connections) for name, it in gw.services.items()}
    answer = gw.refused(f"/vnc{query}")
    assert answer.status == status, answer.text
    word = query.partition("token=")[2]
    assert not word or word not in answer.text
    assert gw.wait_log("request", status=status)["reason"] == reason
    assert {name: len(it.connections) for name, it in gw.services.items()} == before


def test_target_that_is_down(gw):
    """The service's matter, not the token's: 502, or 1014 where the route says so."""
    assert gw.refused("/vnc?token=down").status == 502
    with gw.ws("/close?token=down") as ws:
        ws.recv_close(1014)
    assert gw.refused("/close?token=nobody").status == 404


@pytest.mark.parametrize("path, name", [("/path/desk1", "one"), ("/path/my%20desk", "one"), ("/path/caf%c3%a9?token=desk1", "two")])
def test_by_path(gw, path, name):
    reaches(gw, path, name)


@pytest.mark.parametrize(
    "path, reason",
    [
        ("/path/", "no token"),
        ("/path/?token=desk1", "no token"),
        ("/path/desk1/", "no such target"),
        ("/path/desk1/x", "no such target"),
        ("/path//desk1", "no such target"),
        ("/path/desk1%2f", "no such target"),
        ("/path/x%2fdesk1", "no such target"),
        ("/path/../path/desk1", "no such target"),
        ("/path/my+desk", "no such target"),
    ],
)
def test_not_by_path(gw, path, reason):
    assert gw.refused(path).status == 404
    assert gw.wait_log("request", status=404)["reason"] == reason


def test_path_is_not_logged(gw):
    """A token in the path is a secret too, whatever becomes of the request; the broken ones are not decoded first."""
    at = gw.log_path.stat().st_size
    with gw.ws(f"/path/{SECRET}") as ws:
        ws.recv_bytes(3)
        ws.close()
    for path in ("/path/X", "/path/X/more", "/%70ath/X", "/path%2fX", "/path/%00X", "/path/%01X"):
        assert gw.refused(path.replace("X", f"{SECRET}x")).status in (400, 404)
    assert gw.get(f"/path/{SECRET}").status == 426
    assert gw.refused(f"/path/{SECRET}", host="evil.example").status == 421
    assert gw.refused(f"/path/{SECRET}", version="7").status == 426
    gw.get("/path/")
    gw.wait_log("request", path="/path/***", n=7)
    gw.wait_log("request", path="/***")
    gw.wait_log("request", path="/path/")
    assert gw.log_path.stat().st_size > at and SECRET not in gw.log_text()


@pytest.mark.parametrize(
    "path, shown",
    [
        ("/X", "/***"),
        ("//path/X", "/***"),
        ("/./path/X", "/***"),
        ("/b/../path/X", "/***"),
        ("/PATH/X", "/***"),
        ("/path%5cX", "/***"),
        ("/path\\X", "/***"),
        ("/pathh/X", "/***"),
        ("/path;/X", "/***"),
        ("/path;X", "/***"),
        ("/pathX", "/***"),
        ("/path//X", "/path/***"),
        ("/%70ath/X", "/path/***"),
        ("/a/../path/X", "/a/***"),
        ("/a/..%2fPath/X", "/a/***"),
        ("/a//X", "/a/***"),
        ("/a/..%5cpath%5cX", "/a/***"),
        ("/a/..;/path/X", "/a/***"),
        ("/a/b", "/a/b"),
        ("/a/", "/a/"),
        ("/vnc", "/vnc"),
        ("/", "/"),
    ],
)
def test_nearly_the_path_is_not_logged(gw, path, shown):
    """Nor where the path is not quite the route's: nobody knows what was meant."""
    path = path.replace("X", SECRET)
    gw.refused(path, version="7")
    gw.refused(path, host="evil.example")
    gw.get(path)
    gw.get(path, method="POST")
    gw.wait_log("request", n=4)
    assert {line["path"] for line in gw.logged("request")} == {shown}
    assert SECRET not in gw.log_text()


def test_nearly_the_path_is_not_logged_beside_a_catch_all(gateway, tmp_path):
    """Nor where another route answers all that the tokens' does not."""
    file, files = tmp_path / "tokens", tmp_path / "files"
    file.write_text("")
    files.mkdir()
    gw = gateway({"route /*": {"static": files}, "route /path/*": {"targets": file, "target_by": "path"}})
    near = ("/pathX", "/pathh/X", "/path%252fX", "/path;X", "/PATHX", "/b/pathX", "//path/X")
    for path in near:
        gw.get(path.replace("X", SECRET))
    gw.get("/pat/other")
    gw.wait_log("request", n=len(near) + 1)
    assert [line["path"] for line in gw.logged("request")] == ["/***"] * len(near) + ["/pat/other"]
    assert SECRET not in gw.log_text()


@pytest.mark.parametrize(
    "host, name",
    [
        ("desk1.example.org", "one"),
        ("DESK1.example.ORG:8080", "one"),
        ("desk2.example.org", "two"),
        ("[::1]:80", "two"),
        ("127.0.0.1", "one"),
    ],
)
def test_by_host(gw, host, name):
    reaches(gw, "/host?token=desk9", name, host=host)


def test_not_by_host(gw):
    assert gw.refused("/host?token=desk1", host="desk9.example.org").status == 404
    assert gw.wait_log("request", status=404)["reason"] == "no such target"


def test_route_with_a_host(gw):
    """A route with a host in front wins, with targets of its own; what is no upgrade there is the console's."""
    reaches(gw, "/host?token=desk2", "two", host="desk3.example.org")
    assert gw.refused("/host", host="desk3.example.org").status == 404
    assert gw.get("/host?token=desk2", host="desk3.example.org").status == 200


def test_directory(gw):
    """Its regular files, in the order of their names; nothing hidden, nothing outside."""
    for token, name in (("in-a", "one"), ("in-b", "two"), ("both", "two"), ("deep", "one")):
        reaches(gw, f"/dir?token={token}", name)
    for token in ("hidden", "backup", "outside"):
        assert gw.refused(f"/dir?token={token}").status == 404


def test_mistakes_are_warned_of(gw):
    """Once each, by file and line, never by token."""
    lines = [e for e in gw.logged("mistake in targets", since_mark=False) if e["route"] == "/vnc"]
    assert [(e["file"].rsplit("/", 1)[1], int(e["line"])) for e in lines] == [("tokens", 17), ("tokens", 18), ("tokens", 16)]
    lines = [e for e in gw.logged("mistake in targets", since_mark=False) if e["route"] == "/dir"]
    assert [e["file"].rsplit("/", 1)[1] for e in lines] == ["leads-out", "b"]
    assert "broken-line" not in gw.log_text() and SECRET not in gw.log_text()


def test_tls(gateway, tmp_path):
    """A target may be tls://, with the route's keys: who is not believed is a 502."""
    with tls_service() as it:
        file = tmp_path / "tokens"
        place = it.uri.removeprefix("tls://")
        file.write_text(f"plain: {place}\nsecure: tls://{place}\nnamed: tls://localhost:{it.port}\n")
        authority = certs.run_authority().certificate
        gw = gateway({"route /vnc": {"targets": file, "tls_ca": authority}, "route /system": {"targets": file}})
        for token in ("secure", "named"):
            with gw.ws(f"/vnc?token={token}") as ws:
                ws.send_text("x")
                assert ws.recv_bytes(1) == b"x"
                ws.close()
            assert gw.refused(f"/system?token={token}").status == 502
        assert gw.wait_log("session ended")["backend"] == it.uri


# files that change


@pytest.fixture
def changing(gateway, tmp_path):
    """A gateway of its own with a file, and two services."""
    one, two = Named("one"), Named("two")
    file = tmp_path / "tokens"
    file.write_text(f"t: {one.place}\n")
    gw = gateway({"route /vnc": {"targets": file}, "route /close": {"targets": file, "refuse_as": "close"}})
    gw.file, gw.one, gw.two = file, one, two
    yield gw
    one.close()
    two.close()


def test_changes_count_at_once(changing):
    """Written over, with the same length too; replaced; touched; and back. Sessions that are there stay."""
    gw = changing
    stays = gw.ws("/vnc?token=t")
    assert stays.recv_bytes(3) == b"one"
    places = {"one": gw.one.place, "two": gw.two.place}
    for i in range(20):
        name = ("one", "two")[i % 2]
        if i % 3:
            gw.file.write_text(f"t: {places[name]}\n")
        else:
            beside = gw.file.with_name("tokens.new")
            beside.write_text(f"t: {places[name]}\n")
            beside.rename(gw.file)
        reaches(gw, "/vnc?token=t", name)
    os.utime(gw.file)
    reaches(gw, "/vnc?token=t", "two")
    gw.file.write_text("")
    assert gw.refused("/vnc?token=t").status == 404
    stays.send_text("still here")
    assert stays.recv_bytes(10) == b"still here"
    stays.close()


@pytest.mark.threads
def test_changes_while_all_workers_look(gateway, tmp_path):
    """Every session reaches what the file said before or after, whichever worker it is on."""
    one, two = Named("one"), Named("two")
    file, beside = tmp_path / "tokens", tmp_path / "tokens.new"
    file.write_text(f"t: {one.place}\n")
    gw = gateway({"route /vnc": {"targets": file}}, gateway={"workers": 4})
    for i in range(25):
        beside.write_text(f"t: {(one, two)[i % 2].place}\nbroken {i}\n")
        clients = [gw.connect() for _ in range(8)]
        beside.rename(file)
        for raw in clients:
            raw.send(wsraw.upgrade("/vnc?token=t", gw.host))
        for raw in clients:
            assert raw.response().status == 101
            assert raw.recv_bytes(3) == ("one", "two")[i % 2].encode()
            raw.close()
    one.close()
    two.close()


def test_warnings_once_for_each_change(changing):
    """However many sessions look while the file may still change unseen."""
    gw = changing
    gw.file.write_text(f"t: {gw.one.place}\nbroken\n")
    for _ in range(10):
        reaches(gw, "/vnc?token=t", "one")
    gw.wait_log("session ended", n=10)
    assert len(gw.logged("mistake in targets")) == 1
    gw.file.write_text(f"t: {gw.one.place}\nbroken\nbroken too\n")
    reaches(gw, "/vnc?token=t", "one")
    gw.wait_log("session ended", n=11)
    assert [int(e["line"]) for e in gw.logged("mistake in targets")] == [2, 2, 3]


def test_file_that_is_gone(changing):
    """502 and one line of an error, however many ask; and back as soon as it is."""
    gw = changing
    text = gw.file.read_text()
    gw.file.unlink()
    for _ in range(5):
        answer = gw.refused("/vnc?token=t")
        assert answer.status == 502 and answer.text.startswith("The targets of this route can't be read"), answer
    gw.wait_log("request", status=502, n=5)  # the log is written behind the answers
    assert len([e for e in gw.logged("targets can't be read") if e["route"] == "/vnc"]) == 1
    with gw.ws("/close?token=t") as ws:
        ws.recv_close(1014)
    gw.file.mkdir()
    assert gw.refused("/vnc?token=t").status == 404
    (gw.file / "x").write_text(text)
    reaches(gw, "/vnc?token=t", "one")
    (gw.file / "x").unlink()
    assert gw.refused("/vnc?token=t").status == 404
    gw.file.rmdir()
    gw.file.write_text(text)
    reaches(gw, "/vnc?token=t", "one")


def test_no_descriptors(changing):
    """Short of them the gateway says 503 of a new token, not that there is none; and has it when it is short no more."""
    gw = changing
    assert gw.refused("/vnc?token=new").status == 404
    had = resource.prlimit(gw.pid, resource.RLIMIT_NOFILE)
    clients = [gw.connect() for _ in range(2)]
    wait.eventually(lambda: gw.counters()["descriptors"] == gw.baseline["descriptors"] + 2, what="both accepted")
    gw.file.write_text(f"t: {gw.one.place}\nnew: {gw.two.place}\n")
    resource.prlimit(gw.pid, resource.RLIMIT_NOFILE, (3, had[1]))
    try:
        for raw in clients:
            raw.send(wsraw.upgrade("/vnc?token=new", gw.host))
            assert raw.response().status == 503
            raw.drop()
    finally:
        resource.prlimit(gw.pid, resource.RLIMIT_NOFILE, had)
    gw.wait_log("request", status=503, n=2)
    assert len([e for e in gw.logged("targets can't be read for now") if e["route"] == "/vnc"]) == 1
    wait.eventually(lambda: lets_in(gw, "/vnc?token=new"), what="the new token")
    reaches(gw, "/vnc?token=new", "two")
    assert not gw.logged("mistake in targets")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_rights(gateway, tmp_path):
    """A file is read as the user that the gateway becomes: what that may not read is said at the start."""
    one = Named("one")
    file = tmp_path / "tokens"
    file.write_text(f"t: {one.place}\n")
    file.chmod(0o600)
    for directory in (tmp_path, *tmp_path.parents[:-2]):
        directory.chmod(directory.stat().st_mode | 0o711)
    gw = gateway({"route /vnc": {"targets": file}}, gateway={"user": "nobody"})
    line = gw.logged("targets can't be read", since_mark=False)
    assert len(line) == 1 and line[0]["error"] == "Permission denied"
    assert gw.refused("/vnc?token=t").status == 502
    file.chmod(0o644)
    reaches(gw, "/vnc?token=t", "one")
    one.close()


def test_no_log_has_a_token(gw):
    """Of a thousand requests with it, in the query and in the path, whether they come to something or not."""
    for i in range(250):
        for path in (f"/vnc?token={SECRET}{i}", f"/path/{SECRET}{i}", f"/nowhere?token={SECRET}", f"/dir?token={SECRET}&token={i}"):
            assert gw.refused(path).status in (400, 404)
    gw.wait_log("request", n=1000)
    assert SECRET not in gw.log_text() and "***" in gw.log_text()


def test_many_tokens(gateway, tmp_path):
    """Tens of thousands are found as fast as few are, but for the time to read them once."""
    one = Named("one")
    file = tmp_path / "tokens"
    file.write_text("".join(f"token-{i}: {one.place}\n" for i in range(20000)))
    gw = gateway({"route /vnc": {"targets": file}}, release=True)
    assert gw.logged("targets read", since_mark=False)[0]["targets"] in (20000, "20000")
    for i in (0, 1, 9999, 19999):
        reaches(gw, f"/vnc?token=token-{i}", "one")
    assert gw.refused("/vnc?token=token-20000").status == 404
    one.close()


# --check


def test_check(tmp_path):
    """Each mistake by file and line, no token; a good file is ok."""
    file, ini = tmp_path / "tokens", tmp_path / "w.ini"
    ini.write_text(f"[route /vnc]\ntargets = {file}\n")
    file.write_text("a: 127.0.0.1:1\n# fine\n\nb: tls://h:2\nc: unix:/x y")
    assert run(f"--config={ini}", "--check") == (0, "ok\n", "")
    file.write_text(f"{SECRET}\n{SECRET}: h\nok: h:1\n{SECRET}: h:99999\n: h:1\nok: h:2\nx: *:5\ny: http://h:1\nz:h:1\n")
    status, out, err = run(f"--config={ini}", "--check")
    assert (status, out) == (1, "") and SECRET not in err
    assert [line.split(":")[1] for line in err.splitlines()] == ["1", "2", "4", "5", "7", "8", "9", "6"]
    assert all(line.startswith(f"{file}:") for line in err.splitlines())
    file.unlink()
    status, out, err = run(f"--config={ini}", "--check")
    assert status == 1 and "No such file" in err


def test_tokens_that_would_be_served(tmp_path):
    """Beneath a static directory: no start, and --check says so."""
    site, ini = tmp_path / "site", tmp_path / "w.ini"
    site.mkdir()
    (site / "tokens").write_text("t: 127.0.0.1:1\n")
    ini.write_text(f"[route /vnc]\ntargets = {site}/tokens\n[route /*]\nstatic = {site}\n")
    for options in ([], ["--check"]):
        status, out, err = run(f"--config={ini}", *options)
        assert (status, out) == (1, "") and "anybody could download the tokens" in err and f"{site}/tokens" in err


def test_needs_a_prefix_for_a_path(tmp_path):
    file, ini = tmp_path / "tokens", tmp_path / "w.ini"
    file.write_text("")
    ini.write_text(f"[route /vnc]\ntargets = {file}\ntarget_by = path\n")
    status, _, err = run(f"--config={ini}", "--check")
    assert status == 1 and "/*" in err
