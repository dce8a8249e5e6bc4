"""The system calls that a unit leaves to a service, as a filter of the kernel's: what systemd would set up for it."""
import ctypes
import errno
import functools
import re
import socket
import struct
import subprocess

from gateway import ROOT

LOAD, AND, EQUAL, ANY_BIT, RETURN = 0x20, 0x54, 0x15, 0x45, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
NAMESPACES = 0x7E020000  # all CLONE_NEW... that clone() knows
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
libc = ctypes.CDLL(None, use_errno=True)


def instruction(code, k, yes=0, no=0):
    return struct.pack("=HBBI", code, yes, no, k)


def argument(i, high=False):
    """Loads half of an argument of the call."""
    return instruction(LOAD, 16 + 8 * i + (4 if high else 0))


def refuse(error):
    return instruction(RETURN, ERRNO | error)


def when(number, *body):
    """For this call the body decides, which always returns; for another one it is jumped over."""
    return instruction(EQUAL, number, 0, len(body)) + b"".join(body)


@functools.cache
def numbers():
    """{name of a system call: its number here}."""
    text = subprocess.run(
        ["cc", "-E", "-dM", "-include", "sys/syscall.h", "-"], input="", capture_output=True, text=True, check=True
    ).stdout
    return {name: int(number) for name, number in re.findall(r"^#define __NR_(\w+) (\d+)$", text, re.M)}


@functools.cache
def group(name):
    """The calls of a group of systemd's, or the one call of that name."""
    if not name.startswith("@"):
        return frozenset([name])
    text = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True).stdout
    words = [line.strip() for line in text.splitlines()[1:]]
    return frozenset().union(*(group(word) for word in words if word and not word.startswith("#")))


def directives(*files):
    """The values of each directive in these units or drop-ins, in order."""
    found = {}
    for file in files:
        for name, value in re.findall(r"^(\w+)=(.*)$", (ROOT / "systemd" / file).read_text(), re.M):
            found.setdefault(name, []).append(value)
    return found


def allowed(unit):
    """The names that SystemCallFilter= leaves."""
    left = frozenset()
    for line in unit["SystemCallFilter"]:
        calls = frozenset().union(*(group(word) for word in line.lstrip("~").split()))
        left = left - calls if line.startswith("~") else left | calls
    return left


def compile_filter(unit, limits):
    """The filter. limits: may limits be set? (Our C library sets them by a call that systemd's groups leave.)"""
    call = numbers()
    families = []
    for line in unit["RestrictAddressFamilies"]:
        families = families + line.split() if line else []
    program = when(call["clone3"], refuse(errno.ENOSYS))  # its flags can't be seen, so that clone() is used
    program += when(
        call["clone"], argument(0), instruction(ANY_BIT, NAMESPACES, 0, 1), refuse(errno.EPERM), instruction(RETURN, ALLOW)
    )
    checks = [
        instruction(EQUAL, int(getattr(socket, name)), len(families) - i) for i, name in enumerate(families)
    ]
    program += when(
        call["socket"], argument(0), *checks, refuse(errno.EAFNOSUPPORT), instruction(RETURN, ALLOW)
    )
    if not limits:
        program += when(
            call["prlimit64"], argument(2), instruction(EQUAL, 0, 0, 2), argument(2, True), instruction(EQUAL, 0, 1),
            refuse(errno.EPERM), instruction(RETURN, ALLOW),
        )  # fmt: skip
    if unit.get("MemoryDenyWriteExecute") == ["yes"]:
        program += when(
            call["mmap"], argument(2), instruction(AND, 6), instruction(EQUAL, 6, 0, 1), refuse(errno.EPERM),
            instruction(RETURN, ALLOW),
        )  # fmt: skip
        program += when(
            call["mprotect"], argument(2), instruction(ANY_BIT, 4, 0, 1), refuse(errno.EPERM), instruction(RETURN, ALLOW)
        )
    for name in sorted(allowed(unit) & call.keys()):
        program += when(call[name], instruction(RETURN, ALLOW))
    assert unit["SystemCallErrorNumber"] == ["EPERM"]
    return instruction(LOAD, 0) + program + refuse(errno.EPERM)


def filtered(*files, limits=True):
    """A function that puts the calling process under the filter of these units, for good."""
    code = compile_filter(directives(*files), limits)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer)))

    def enter():
        assert buffer  # lives as long as this
        if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program):
            raise OSError(ctypes.get_errno(), "seccomp")

    return enter
