"""The command lines of docs/services.md and docs/terminals.md, so that what stands there is what the tests run."""
import re
import shlex
import subprocess
import sys
import textwrap
from contextlib import contextmanager

import certs
from gateway import ROOT

PAGE = ROOT / "docs/services.md"
TERMINALS = ROOT / "docs/terminals.md"


def section_text(section, page=PAGE):
    return page.read_text("utf-8").partition(f"\n## {section}\n")[2].partition("\n## ")[0]


def module_text(section, gw):
    """The module for node in a section, for a gateway on another port."""
    found = re.search(r"^ {4}import .*\n(?:(?: {4}.*)?\n)*", section_text(section), re.M)
    assert found and "8080" in found[0], f"{PAGE}: no module in {section}"
    return textwrap.dedent(found[0]).replace("8080", str(gw.port))


def command(section, program="wsluice", page=PAGE):
    """The words after the program's name in the first such line of a section."""
    found = re.search(rf"^ +{re.escape(program)} ((?:.*\\\n)*.*)$", section_text(section, page), re.M)
    assert found, f"{page}: no {program} in {section}"
    return shlex.split(found[1].replace("\\\n", " "))


def files(page):
    """The pieces of ini files on a page, each from its first section to the next line that is not indented."""
    found = re.findall(r"^ {4}\[.*\n(?:(?: {4}.*)?\n)*", page.read_text("utf-8"), re.M)
    assert found, f"{page}: no files"
    return [textwrap.dedent(text) for text in found]


def gateway_words(section, daemon):
    """The gateway's command line, in front of a daemon, on a port of its own and with a log that tests can read."""
    words = [
        "--port=0"
        if word.startswith("--port=")
        else re.sub(r"^(--connect=t\w+)://.*", rf"\1://127.0.0.1:{daemon.port}", word)
        for word in command(section)
    ]
    return ["--set", "log_format=json", *words]


def pipe_words(gw, *words):
    """The command line of wspipe, from one of the page, for a gateway, as a shell is told it."""
    trust = ["--cafile", str(certs.run_authority().certificate)] if gw.tls else []
    url = [re.sub(r"^ws://[^/]*", gw.url, word) for word in words]
    return [sys.executable, str(ROOT / url[0]), *trust, *url[1:]]


@contextmanager
def listening(gw, *words):
    """wspipe as a port of this host."""
    process = subprocess.Popen(pipe_words(gw, *words), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        said = process.stderr.readline()
        assert "listening on 127.0.0.1:" in said, said
        yield int(said.rsplit(":", 1)[1])
    finally:
        process.terminate()
        process.wait()
        process.stderr.close()


def local_port(gw, section):
    """The same, as the page has it."""
    return listening(
        gw, *("--listen=0" if word.startswith("--listen=") else word for word in command(section, "python3"))
    )
