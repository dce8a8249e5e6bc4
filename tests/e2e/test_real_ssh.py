"""OpenSSH, whose ProxyCommand is wspipe, as docs/services.md says."""
import os
import shlex
import subprocess

import daemons
import pytest
from recipes import command, gateway_words, pipe_words

BYTES = os.urandom(8 << 20)
SECTION = "ssh"


@pytest.fixture(scope="module")
def server():
    with daemons.sshd() as it:
        yield it


@pytest.fixture
def ssh(gateway, server, tmp_path):
    """Runs ssh, or another program that takes its options, through a gateway."""
    gw = gateway(argv=gateway_words(SECTION, server))
    known = tmp_path / "known_hosts"
    known.write_text("host " + (server.dir / "host.pub").read_text())
    options = ["BatchMode=yes", f"UserKnownHostsFile={known}", f"IdentityFile={server.dir}/user", "IdentitiesOnly=yes"]

    def run(*words, program="ssh", stdin=b""):
        told = command(SECTION, program)
        proxy = told[1].partition("=")[2]
        proxy_words = pipe_words(gw, *shlex.split(proxy)[1:])
        own = [word for option in [*options, f"ProxyCommand={shlex.join(proxy_words)}"] for word in ("-o", option)]
        return subprocess.run(
            [program, "-F", "none", *own, *words], input=stdin, capture_output=True, timeout=80, env=daemons.LOCALE
        )

    run.gateway = gw
    run.host = f"{daemons.us()}@host"
    return run


def test_exit_status(ssh):
    """What a command says, on which output, and how it ends."""
    done = ssh(ssh.host, "echo out; echo err >&2; exit 42")
    assert (done.returncode, done.stdout, done.stderr) == (42, b"out\n", b"err\n")
    assert ssh.gateway.wait_log("session ended")["code_sent"] == 1000


def test_both_ways(ssh):
    """8 MiB there and back at the same time."""
    done = ssh(ssh.host, "cat", stdin=BYTES)
    assert (done.returncode, done.stderr, done.stdout == BYTES) == (0, b"", True)


def test_end_of_input(ssh):
    """The input ends, and only then there is something to say."""
    lines = [f"{i * 7919 % 20000:05}\n" for i in range(20000)]
    done = ssh(ssh.host, "LC_ALL=C sort", stdin="".join(lines).encode())
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == "".join(sorted(lines))


def test_scp(ssh, tmp_path):
    """A file there and, as another one, back."""
    mine, theirs, again = (tmp_path / name for name in ("mine", "theirs", "again"))
    mine.write_bytes(BYTES)
    for words in ((mine, f"{ssh.host}:{theirs}"), (f"{ssh.host}:{theirs}", again)):
        done = ssh("-q", *words, program="scp")
        assert done.returncode == 0, done.stderr
    assert [path.read_bytes() == BYTES for path in (theirs, again)] == [True, True]
