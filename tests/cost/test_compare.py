"""What the comparison says of reports that differ in one thing; and that callgrind's files are read right."""
import copy

import callgrind
import calls
import compare
import pytest

MADE = {"machine": "x86_64", "compiler": ["GCC: 12"], "libc": "glibc 2.36", "libevent": "2.1", "openssl": "3.0",
        "zlib": "1.2", "avx2": True}  # fmt: skip
WORK = {
    "unit": "message", "step": "16 messages", "instructions": 1000.0, "vector instructions": 200.0,
    "functions": {"a": 400.0, "b": 300.0, "c": 100.0, "d": 100.0, "e": 50.0, "f": 50.0, "mask": 200.0},
    "other libraries": {"libc": 100.0}, "library calls": {"memcpy": 2, "free": 100}, "system calls": {"recvfrom": 2},
}  # fmt: skip


def report(made=(), work=()):
    """A report of one work."""
    return {"made with": {**MADE, **dict(made)}, "works": {"echo": {**copy.deepcopy(WORK), **dict(work)}}}


def said(work, made=()):
    """What is said of a report that differs in this."""
    return "\n".join(compare.work("echo", report(), report(made, work)))


def named(work):
    """The functions that are named of one that grew."""
    return compare.work("echo", report(), report(work=work))[0].splitlines()[1:]


def test_the_same_is_nothing():
    assert said({}) == ""


@pytest.mark.parametrize("n", [951, 1049])
def test_five_percent_are_nothing(n):
    assert said({"instructions": n}) == ""


def test_growth_names_the_five_functions_that_grew_most():
    grown = {"a": 401.0, "b": 330.0, "c": 102.0, "d": 100.0, "e": 55.0, "f": 56.0, "g": 8.0, "new": 20.0, "mask": 200.0}
    lines = said({"instructions": 1065.0, "functions": grown}).splitlines()
    assert lines[0] == "instructions per message 1000.0 -> 1065.0, +6.5 %; most by"
    assert [line.split()[0] for line in lines[1:-1]] == ["b", "new", "f", "e", "g"]
    assert lines[2] == "    new under 3.6 -> 20.0"
    assert lines[-1] == compare.ACCEPT


@pytest.mark.parametrize("small", [3.5, 7.1])
def test_functions_too_small_to_be_in_the_baseline_are_not_named(small):
    grown = {**WORK["functions"], "a": 470.0, "small": small}
    assert named({"instructions": 1070.0, "functions": grown}) == ["    a 400.0 -> 470.0"]


def test_what_is_too_small_depends_on_the_whole_work_not_on_what_the_file_kept():
    short = {"functions": {"a": 400.0, "b": 300.0}}  # of 1200
    grown = {"instructions": 1070.0, "functions": {"a": 470.0, "b": 300.0, "small": 3.5}}
    lines = compare.work("echo", report(work=short), report(work=grown))
    assert lines[0].splitlines()[1:] == ["    a 400.0 -> 470.0"]


def test_static_functions_of_another_build_of_libevent_are_the_same():
    old = {"functions": {"a": 400.0, "0x0000000000026630": 100.0, "0x000000000001c7c0": 50.0}}
    moved = {"a": 470.0, "0x0000000000026640": 100.0, "0x000000000001c7d0": 50.0}
    lines = compare.work("echo", report(work=old), report(work={"instructions": 1070.0, "functions": moved}))
    assert lines[0].splitlines()[1:] == ["    a 400.0 -> 470.0"]
    moved["0x000000000001c7d0"] = 60.0
    lines = compare.work("echo", report(work=old), report(work={"instructions": 1070.0, "functions": moved}))
    assert lines[0].splitlines()[2:] == [f"    {compare.NAMELESS} 150.0 -> 160.0"]


def test_less_has_to_be_kept():
    assert said({"instructions": 940.0}) == f"instructions per message 1000.0 -> 940.0, -6.0 %; cheaper\n{compare.KEEP}"


def test_vector_instructions_only_beside_those_of_such_a_processor():
    assert said({"vector instructions": 400.0}).startswith("vector instructions per message 200.0 -> 400.0, +100.0 %")
    assert said({"vector instructions": 400.0}, {"avx2": False}) == ""


def test_growth_and_gain_are_both_told_what_to_do():
    lines = said({"instructions": 940.0, "system calls": {"recvfrom": 3}}).splitlines()
    assert lines[-2:] == [compare.ACCEPT, compare.KEEP]


@pytest.mark.parametrize(
    ("calls", "words"),
    [
        ({"recvfrom": 2, "ioctl": 1}, "system calls per 16 messages: ioctl 0 -> 1, new\n" + compare.ACCEPT),
        ({"recvfrom": 3}, "system calls per 16 messages: recvfrom 2 -> 3, more\n" + compare.ACCEPT),
        ({"recvfrom": 1}, f"system calls per 16 messages: recvfrom 2 -> 1, cheaper\n{compare.KEEP}"),
        ({"recvfrom": 2, "newfstatat": 0.1}, ""),  # a timer
    ],
)
def test_system_calls_are_exact(calls, words):
    assert said({"system calls": calls}) == words


def test_library_calls_are_exact_when_few():
    assert said({"library calls": {"memcpy": 2, "free": 104}}) == ""
    assert said({"library calls": {"memcpy": 1}}) == ""
    more, new = {"memcpy": 2, "free": 106}, {"memcpy": 2, "free": 100, "malloc": 1}
    assert said({"library calls": more}).startswith("library calls per 16 messages: free 100 -> 106, more\n")
    assert said({"library calls": new}).startswith("library calls per 16 messages: malloc 0 -> 1, new\n")


@pytest.mark.parametrize("what", compare.DEPENDS)
def test_what_the_counts_depend_on(what):
    assert compare.differs(report(), report({what: "other"}), "echo") == [f"{what} {MADE[what]}, here other"]
    assert not compare.differs(report(), report({"avx2": False}), "echo")


@pytest.mark.parametrize(("file", "what"), [("libssl", "openssl"), ("libz", "zlib")])
def test_libraries_that_only_some_works_use_matter_only_there(file, what):
    other = report({what: "other"})
    assert not compare.differs(report(), other, "echo")
    using = report(work={"other libraries": {"libc": 100.0, file: 10.0}})
    assert compare.differs(using, other, "echo") == [f"{what} {MADE[what]}, here other"]


def test_a_work_that_is_new_is_compared_with_nothing():
    base = {**report(), "works": {}}
    assert not compare.differs(base, report({"openssl": "other"}), "echo")


def test_a_work_without_baseline():
    assert compare.work("new", report(), report()) == ["there is no baseline: make cost-baseline"]


FILE = """\
ob=/src/build/wsluice
fl=/src/src/ws/frame.c
fn=frame_decode
10 7
fi=/usr/include/x.h
11 2
cob=/lib/x86_64-linux-gnu/libc.so.6
cfn=__memmove_avx_unaligned_erms
calls=3 0
12 90
cfn=frame_check
calls=0 0
13 4000
14 1

ob=/lib/x86_64-linux-gnu/libevent_core-2.1.so.7.0.1
fl=???
fn=0x0000000000026630
0 20
cob=/src/build/wsluice
cfn=stream_on_readable
calls=1 0
0 500

ob=/lib/x86_64-linux-gnu/libc.so.6
fn=__memmove_avx_unaligned_erms
0 90
"""


def test_a_file_of_callgrind():
    profile = callgrind.parse(FILE)
    assert profile.costs == {
        ("wsluice", "frame.c", "frame_decode"): 10,
        ("libevent_core", "???", "0x0000000000026630"): 20,
        ("libc", "???", "__memmove_avx_unaligned_erms"): 90,
    }
    assert profile.calls == {"memcpy": 3}
    profile = callgrind.parse(FILE, ["frame.c"])
    assert (profile.total(), profile.calls) == (110, {})


SPAWNER = """\
epoll_wait(3, [{events=EPOLLIN, data=0x1}], 1, -1) = 1
recvmsg(8, {msg_name=NULL}, MSG_DONTWAIT) = 554
clone(child_stack=0x7ffd, flags=CLONE_VM|CLONE_VFORK|SIGCHLD) = 7
epoll_ctl(3, EPOLL_CTL_ADD, 6, {events=EPOLLIN, data=0x2}) = 0
epoll_ctl(3, EPOLL_CTL_MOD, 5, {events=0, data=0x3}) = 0
read(5, ""..., 128) = 128
lseek(4, 0, SEEK_SET) = 0
"""


def test_the_looks_of_the_spawner_are_no_part_of_a_start():
    assert calls.parse_spawner(SPAWNER) == {"recvmsg": 1, "clone": 1, "epoll_ctl": 1}


def test_a_birth_ends_when_there_is_a_program():
    assert calls.parse_birth("setsid() = 7\ndup2(6, 0) = 0\nexecve(\"true\") = 0\nbrk(NULL) = 1\n") == {
        "setsid": 1, "dup2": 1, "execve": 1,
    }  # fmt: skip
    assert calls.parse_birth("setsid() = 7\nexecve(\"true\"") == {"setsid": 1}


@pytest.mark.parametrize(
    ("function", "name"),
    [
        ("__memmove_sse2_unaligned_erms", "memcpy"), ("__memcpy_avx512_unaligned", "memcpy"), ("__memset_evex_unaligned", "memset"),
        ("__strlen_avx2", "strlen"), ("clock_gettime@@GLIBC_2.17", "clock_gettime"), ("SSL_read", "SSL_read"),
    ],
)  # fmt: skip
def test_names_of_calls_are_the_same_on_every_processor(function, name):
    assert callgrind.called(function) == name
