"""The command lines of docs/services.md, so that what stands there is what the tests run."""
import re
import shlex

from gateway import ROOT

PAGE = ROOT / "docs/services.md"


def command(section, program="wsluice"):
    """The words after the program's name in the first such line of a section."""
    text = PAGE.read_text("utf-8").partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    found = re.search(rf"^ +{re.escape(program)} (.*(?:\\\n.*)*)$", text, re.M)
    assert found, f"{PAGE}: no {program} in {section}"
    return shlex.split(found[1].replace("\\\n", " "))


def gateway_words(section, daemon):
    """The gateway's command line, in front of a daemon, on a port of its own and with a log that tests can read."""
    words = [
        "--port=0" if word.startswith("--port=") else re.sub(r"^(--connect=)tcp://.*", rf"\1{daemon.uri}", word)
        for word in command(section)
    ]
    return ["--set", "log_format=json", *words]
