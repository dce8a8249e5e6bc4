"""Directories of programs: which one a path starts, what it is told, and that nothing else is ever started or shown."""
import os
import socket
import threading

import pytest
import wsraw
from gateway import Gateway, ini, run
from scripts import script
from wait import eventually

pytestmark = pytest.mark.plain_only  # which program is started has nothing to do with TLS

CANARY = "c4n4ry-7f3a9b"  # is in every file outside, and in no answer
TELL = 'printf \'%s\\n\' "$SCRIPT_NAME" "$PATH_INFO" "${PATH_TRANSLATED-unset}" "$WSLUICE_ROUTE"\n'


def GATEWAY(directory):
    bin = directory / "bin"
    for name in (
        "count.sh",
        "sub/tail",
        "sub/deep/er",
        "a b",
        "caf\u00e9",
        "%41",
        "...",
        ".dot",
        ".hidden/x",
        "sub/.dot",
    ):
        script((bin / name).parent, (bin / name).name, TELL)
    (bin / "empty").mkdir()
    (bin / "text").write_text(CANARY)
    (bin / "text").chmod(0o644)
    (bin / "no-format").write_bytes(b"no program")
    (bin / "no-format").chmod(0o755)
    script(bin, "back\\slash", TELL)
    os.mkfifo(bin / "fifo", 0o777)
    outside = directory / "outside"
    for name in ("canary", "sub/canary"):
        script((outside / name).parent, "canary", f"echo {CANARY}\n")
    script(directory, "canary", f"echo {CANARY}\n")
    script(directory / "binary", "canary", f"echo {CANARY}\n")  # begins like bin
    for name, target in {
        "in": "sub/tail",
        "in-up": "sub/../sub/tail",
        "in-absolute": bin / "sub/tail",
        "in-directory": "sub",
        "in-through": "../bin/count.sh",
        "in-hidden": ".dot",
        "out": "../outside/canary",
        "out-absolute": outside / "canary",
        "out-directory": "../outside",
        "out-parent": "..",
        "out-root": "/",
        "out-twice": "out",
        "out-sh": "/bin/sh",
        "dangling": "nothing",
        "loop": "loop",
        "self": ".",
        "proc": "/proc/self/exe",
    }.items():
        (bin / name).symlink_to(target)
    (directory / "www").mkdir()
    (directory / "www/page.html").write_text("page")
    return Gateway(
        directory,
        {
            "route /*": {"dir": bin},
            "route /tools/*": {"dir": f"{bin}/", "static": directory / "www"},
            "route /con/*": {"dir": bin, "console": "yes"},
            "route /origin/*": {"dir": bin, "origins": "https://elsewhere.example"},
            "route /bin/sub/*": {"dir": f"{bin}/sub"},
        },
    )


def lines(gw, path):
    """What the program says: SCRIPT_NAME, PATH_INFO, PATH_TRANSLATED, WSLUICE_ROUTE."""
    with gw.ws(path) as ws:
        said = [ws.recv_text() for _ in range(4)]
        ws.recv_close(1000)
    return said


def starts(gw, path, script, info="", route="/*"):
    assert lines(gw, path) == [script, info, f"{gw.dir}/bin{info}" if info else "unset", route]


def refuses(gw, path, *statuses):
    """Nothing is started, and nothing from outside comes back; upgrade or not."""
    eventually(lambda: not gw.programs(), "one of before is there still")
    for answer in (gw.refused(path), gw.get(path)):
        assert answer.status in statuses, (path, answer)
        assert CANARY.encode() not in answer.head + answer.body
        assert str(gw.dir).encode() not in answer.head + answer.body
    assert not gw.programs()


# found


@pytest.mark.parametrize(
    "path,script,info",
    [
        ("/count.sh", "/count.sh", ""),
        ("/count.sh/", "/count.sh", "/"),
        ("/count.sh/a/b", "/count.sh", "/a/b"),
        ("/count.sh//a", "/count.sh", "//a"),
        ("/count.sh/.dot/a%20b", "/count.sh", "/.dot/a b"),
        ("/count.sh?x=/../y", "/count.sh", ""),
        ("/sub/tail", "/sub/tail", ""),
        ("/sub/tail/count.sh", "/sub/tail", "/count.sh"),
        ("/sub/deep/er/x", "/sub/deep/er", "/x"),
        ("/a%20b", "/a b", ""),
        ("/caf%C3%A9/%C3%A9", "/caf\u00e9", "/\u00e9"),
        ("/%2541", "/%41", ""),
        ("/%63ount.sh", "/count.sh", ""),
        ("/in", "/in", ""),
        ("/in-up/x", "/in-up", "/x"),
        ("/in-absolute", "/in-absolute", ""),
        ("/in-directory/deep/er/x", "/in-directory/deep/er", "/x"),
        ("/self/self/count.sh", "/self/self/count.sh", ""),
        ("/in-through", "/in-through", ""),
        ("/in-hidden", "/in-hidden", ""),
    ],
)
def test_found(gw, path, script, info):
    starts(gw, path, script, info)


def test_arguments(gw):
    """No word of a client is one: a program has its own path alone, whatever the path and the query look like."""
    script(gw.dir / "bin", "args", "printf '%s\\n' \"$0\" $#\n")
    script(gw.dir / "bin", "-c", "printf '%s\\n' \"$0\" $#\n")
    for path in (
        "/args",
        "/args/-c/id",
        "/args?-c&id",
        "/args?arg=-c&arg=id",
        "/args/%20--help?--help",
        "/-c/id?-c+id",
    ):
        name = path[1:].partition("/")[0].partition("?")[0]
        with gw.ws(path) as ws:
            assert [ws.recv_text(), ws.recv_text()] == [f"{gw.dir}/bin/{name}", "0"]
            ws.recv_close(1000)


def test_prefix(gw):
    """SCRIPT_NAME is the route's path and the program's; PATH_TRANSLATED is of the route's directory."""
    starts(gw, "/tools/sub/tail/x", "/tools/sub/tail", "/x", "/tools/*")
    starts(gw, "/con/count.sh", "/con/count.sh", "", "/con/*")
    assert lines(gw, "/bin/sub/deep/er/x") == ["/bin/sub/deep/er", "/x", f"{gw.dir}/bin/sub/x", "/bin/sub/*"]


def test_relative_directory(gateway, tmp_path):
    """What a program is told of it is an absolute path, since it may run elsewhere."""
    gw = gateway(argv=["--set", "gateway.log_format=json", "--port=0", "--dir=."], start=False)
    script(gw.dir / "sub", "tail", TELL)
    gw.start()
    gw.take_baseline()
    assert lines(gw, "/sub/tail/a%20b") == ["/sub/tail", "/a b", f"{gw.dir.resolve()}/a b", "/*"]


def test_log_names_the_program(gw):
    """The route alone does not say which it was, whether it ran or could not."""
    starts(gw, "/sub/tail/x", "/sub/tail", "/x")
    gw.wait_log("session ended", route="/*", program=f"{gw.dir}/bin/sub/tail")
    starts(gw, "/tools/sub/tail", "/tools/sub/tail", "", "/tools/*")
    gw.wait_log("session ended", route="/tools/*", program=f"{gw.dir}/bin/sub/tail")
    answer = gw.refused("/no-format")
    assert answer.status == 502 and "Exec format error" in answer.text
    line = gw.wait_log("request", status=502)
    assert f"{gw.dir}/bin/no-format" in line["reason"], line


def test_new_programs_need_no_restart(gw):
    refuses(gw, "/new/one", 404)
    made = script(gw.dir / "bin/new", "one", TELL)
    starts(gw, "/new/one/x", "/new/one", "/x")
    made.chmod(0o644)
    refuses(gw, "/new/one/x", 404)
    gw.wait_log("request", status=404, reason="the file is not executable")
    made.unlink()
    made.mkdir()
    script(made, "two", TELL)
    starts(gw, "/new/one/two", "/new/one/two")


# not found


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/nothing",
        "/nothing/count.sh",
        "/sub",
        "/sub/",
        "/sub/deep/",
        "/empty/",
        "/empty/x",
        "//count.sh",
        "/sub//tail",
        "/text",
        "/text/x",
        "/.dot",
        "/%2edot",
        "/.hidden/x",
        "/sub/.dot",
        "/...",
        "/./count.sh",
        "/sub/%2e/tail",
        "/fifo",
        "/fifo/x",
        "/COUNT.SH",
        "/count.sh%20",
        "/count.sh.",
        "/back%5cslash",
        "/caf%E9",
        "/%c0%ae%c0%ae/canary",
        "/out",
        "/out/x",
        "/out-absolute",
        "/out-directory/canary",
        "/out-directory/sub/canary",
        "/out-parent/canary",
        "/out-parent/outside/canary",
        "/out-parent/bin/count.sh",
        "/out-root/bin/sh",
        "/out-twice",
        "/out-sh",
        "/dangling",
        "/loop",
        "/loop/count.sh",
        "/proc",
        "/tools/out",
        "/" + "n" * 256,
        "/" + "self/" * 60 + "count.sh",
        "/" + "sub/deep/" * 800,
    ],
)
def test_not_found(gw, path):
    refuses(gw, path, 404)


@pytest.mark.parametrize(
    "path",
    [
        "/../canary",
        "/..",
        "/%2e%2e/canary",
        "/%2e./canary",
        "/..%2fcanary",
        "/..%2Foutside%2Fcanary",
        "/%2e%2e%2fcanary",
        "/%252e%252e/canary",
        "/%252e%252e%252fcanary",
        "/....//canary",
        "/..%5ccanary",
        "/..\\canary",
        "/\\..\\canary",
        "/..;/canary",
        "/sub/../../canary",
        "/sub/%2e%2e/%2e%2e/outside/canary",
        "/sub/deep/../../../outside/sub/canary",
        "/sub/..%2f..%2fcanary",
        "/sub%2ftail",
        "/sub%2Ftail",
        "/count.sh/..",
        "/count.sh/../count.sh",
        "/count.sh/a/%2e%2e/%2e%2e/%2e%2e/canary",
        "/count.sh/a%2fb",
        "/../binary/canary",
        "/../bin/count.sh",
        "/..%c0%afcanary",
        "/%c0%ae%c0%ae%c0%afcanary",
        "/..%ef%bc%8fcanary",
        "/.%00./canary",
        "/count.sh%00",
        "/count.sh%00.txt",
        "/%00/../canary",
        "/..%0acanary",
        "/..%0d%0a/canary",
        "/..%09/canary",
        "/file:///canary",
        "/tools/../../canary",
        "/tools/%2e%2e/canary",
    ],
)
def test_traversal(gw, path):
    """Every way that has led out of a directory somewhere."""
    refuses(gw, path, 400, 404)


def test_absolute_and_odd_targets(gw):
    """An authority form, a scheme, a fragment or no slash is no path."""
    for target in ("http://x/../canary", "../canary", "*", "count.sh", "/count.sh#x"):
        assert gw.http(wsraw.upgrade(target, host=gw.host)).status == 400


def test_no_name_of_256(gw):
    """255 bytes are a name, one more is none."""
    for n in (254, 255):
        script(gw.dir / "bin", "n" * n, TELL)
        starts(gw, "/" + "n" * n, "/" + "n" * n)
    refuses(gw, "/" + "n" * 256, 404)


def test_fifo_does_not_block(gw):
    """A FIFO that nobody writes, executable or not, is not waited for; the same worker goes on."""
    with gw.ws("/count.sh") as ws:
        for _ in range(20):
            refuses_at_once = gw.refused("/fifo")
            assert refuses_at_once.status == 404
        ws.recv_text()
    assert not [line for line in gw.log_lines() if line.get("level") == "error"]


def test_a_socket_and_a_device_are_no_programs(gw):
    path = gw.dir / "bin/socket"
    with socket.socket(socket.AF_UNIX) as it:
        it.bind(str(path))
        path.chmod(0o777)
        refuses(gw, "/socket", 404)
    path.unlink()


def test_origin_comes_first(gw):
    """A page that may not connect can't find out either which programs there are."""
    for path in ("/origin/count.sh", "/origin/nothing", "/origin/out"):
        assert gw.refused(path, headers=[("Origin", "https://evil.example")]).status == 403


def test_method(gw):
    assert gw.http(wsraw.upgrade("/count.sh", host=gw.host, method="POST")).status == 405


# a plain request


def test_plain(gw):
    """426 where there is a program, else 404; never its source."""
    for path in ("/count.sh", "/sub/tail/x", "/in", "/tools/count.sh"):
        for method in ("GET", "HEAD"):
            answer = gw.get(path, method)
            assert answer.status == 426
            assert answer.header("Sec-WebSocket-Version") == "13"
            assert b"printf" not in answer.body
    for path in ("/nothing", "/sub", "/", "/out", "/.dot", "/tools/nothing", "/text"):
        assert gw.get(path).status == 404
    assert gw.get("/tools/page.html").body == b"page"
    assert gw.refused("/tools/page.html").status == 404
    for path in ("/con/count.sh", "/con/nothing", "/con/"):
        answer = gw.get(path)
        assert answer.status == 200 and "text/html" in answer.header("Content-Type")


# races


def exchange(one, other):
    """Swaps two names in one step (renameat2)."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def test_swapped(gw):
    """A directory and a program that become links out of there, and back, again and again: the canary never speaks."""
    bin = gw.dir / "bin"
    script(bin / "swap", "inner", TELL)
    script(bin, "turn", TELL)
    (gw.dir / "trap-swap").symlink_to("../outside")
    (gw.dir / "trap-turn").symlink_to("../outside/nothing")
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            exchange(bin / "swap", gw.dir / "trap-swap")
            exchange(bin / "turn", gw.dir / "trap-turn")

    swapper = threading.Thread(target=swap)
    swapper.start()
    seen = {}
    try:
        for i in range(12000):  # one in ten is met when all is in its place, and fewer elsewhere
            if i >= 600 and 101 in seen["/swap/inner"] & seen["/turn"]:
                break
            path = ("/swap/canary", "/swap/inner", "/turn", "/out-directory/canary")[i % 4]
            with gw.connect() as raw:
                raw.send(wsraw.upgrade(path, host=gw.host))
                answer = raw.response()
                said = answer.body
                if answer.status == 101:
                    data, code, _ = raw.recv_all()
                    said += data
                assert CANARY.encode() not in said + answer.head, path
                seen.setdefault(path, set()).add(answer.status)
    finally:
        stop.set()
        swapper.join()
    assert seen["/swap/canary"] <= {404, 502} and seen["/out-directory/canary"] == {404}
    # Who is started is looked for twice, and may be gone the second time (502).
    assert 101 in seen["/swap/inner"] and seen["/swap/inner"] <= {101, 404, 502}, seen
    assert 101 in seen["/turn"] and seen["/turn"] <= {101, 404, 502}, seen


def test_directory_replaced(gateway, tmp_path):
    """A deployment by rename, or by another target of a link, counts from the next request on."""
    for name in ("one", "two"):
        script(tmp_path / name, "which", f"echo {name}\n")
    link = tmp_path / "current"
    link.symlink_to("one")
    gw = gateway({"route /*": {"dir": link}})

    def which():
        with gw.ws("/which") as ws:
            said = ws.recv_text()
            ws.recv_close(1000)
            return said

    assert which() == "one"
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").rename(link)
    assert which() == "two"
    link.unlink()
    answer = gw.refused("/which")
    assert answer.status == 503 and answer.header("Retry-After")
    (tmp_path / "one").rename(link)
    assert which() == "one"


# together with static files


@pytest.mark.parametrize("dir,static", [("bin", "bin"), ("www/bin", "www"), ("bin", "bin/www"), ("link", "www")])
@pytest.mark.parametrize("routes", [1, 2])
def test_source_is_never_served(tmp_path, dir, static, routes):
    """Programs beneath a static directory, or the reverse: no start, and --check says so."""
    for name in ("bin/www", "www/bin"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to("www/bin")
    both = {"dir": tmp_path / dir, "static": tmp_path / static}
    sections = {"route /*": both} if routes == 1 else {f"route /{key}/*": {key: both[key]} for key in both}
    file = tmp_path / "wsluice.ini"
    file.write_text(ini({"listen main": {"address": "127.0.0.1:0"}, **sections}))
    status, out, err = run(f"--config={file}")
    assert status == 1 and "listening" not in err
    wrong = [line for line in err.splitlines() if "anybody could download programs" in line]
    assert len(wrong) == 1 and str(tmp_path / dir) in wrong[0] and str(tmp_path / static) in wrong[0], err
    status, out, err = run(f"--config={file}", "--check")
    assert (status, out) == (1, "")
    section = next(iter(sections if routes == 1 else [name for name in sections if "dir" in name]))
    assert err.startswith(f"[{section}] dir: {tmp_path / dir}: anybody could download programs: "), err


def test_hidden_from_static_files(gateway, tmp_path):
    """Where neither serves the other they may lie together."""
    script(tmp_path / "www/.bin", "hello", "echo hello\n")
    (tmp_path / "www/page.html").write_text("page")
    gw = gateway({"route /*": {"dir": tmp_path / "www/.bin", "static": tmp_path / "www"}})
    assert gw.get("/.bin/hello").status == 404
    assert gw.get("/page.html").body == b"page"
    with gw.ws("/hello") as ws:
        assert ws.recv_text() == "hello"
        ws.recv_close(1000)
