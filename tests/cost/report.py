"""A report of what all works cost, with what it was made with, as the file baseline.json has it."""
import json
import os
import platform
import re
import subprocess

import callgrind
import calls
from compare import KEPT


def output(*command):
    """What a command prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def library_version(name):
    """Of a library that can be compiled for, without what updates for security change."""
    return ".".join(output("pkg-config", "--modversion", name).strip().split(".")[:2])


def compiler(binary):
    """What compiled a program, without the revisions of the package, which do not change what it makes."""
    found = re.findall(r"\]\s+(.*)", output("readelf", "-p", ".comment", str(binary)))
    return sorted({re.sub(r"(\d)-[^\s)]+", r"\1", name) for name in found})


def made_with(binary):
    """What the counts depend on besides the sources."""
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        avx2 = bool(re.search(r"^flags.*\bavx2\b", file.read(), re.M))
    return {
        "machine": platform.machine(),
        "compiler": compiler(binary),
        "libc": os.confstr("CS_GNU_LIBC_VERSION"),
        **{name: library_version(name) for name in ("libevent", "openssl", "zlib")},
        "avx2": avx2,
    }


def measure(binary, works, tables=("instructions", "system calls")):
    """The report of a build."""
    report = {"made with": made_with(binary), "works": {work.name: {} for work in works}}
    if "instructions" in tables:
        profiles = callgrind.measure(binary, works)
        for work in works:
            report["works"][work.name] = callgrind.summary(work, profiles[work.name])
    if "system calls" in tables:
        for name, called in calls.measure(binary, works).items():
            report["works"][name]["system calls"] = called
    return report


def rounded(costs, least=0.0):
    """The largest first, to a tenth; what is less than `least` is left out."""
    ordered = sorted(costs.items(), key=lambda item: (-round(item[1], 1), item[0]))
    return {name: round(n, 1) for name, n in ordered if n >= least and round(n, 1)}


def save(report, path):
    """Writes a report into a file, a function or call to a line."""
    works = {}
    for name, work in report["works"].items():
        works[name] = {
            **work,
            "instructions": round(work["instructions"], 1),
            "vector instructions": round(work["vector instructions"], 1),
            "functions": rounded(work["functions"], KEPT * sum(work["functions"].values())),
            "other libraries": rounded(work["other libraries"]),
            "library calls": {call: round(n) for call, n in sorted(work["library calls"].items()) if round(n)},
            "system calls": {call: round(n) for call, n in sorted(work["system calls"].items()) if round(n)},
        }
    path.write_text(json.dumps({**report, "works": works}, indent="\t") + "\n")


def load(path):
    """Reads it again."""
    return json.loads(path.read_text())
