"""psql and PostgreSQL, with wspipe in between, as docs/services.md says."""
import hashlib
import os
import re
import signal
import struct
import subprocess

import daemons
import pytest
from recipes import command, gateway_words, local_port
from wait import eventually

ROWS = [os.urandom(65536) for _ in range(64)]
SECTION = "PostgreSQL"


@pytest.fixture(scope="module")
def server():
    with daemons.postgres() as it:
        yield it


@pytest.fixture
def psql(gateway, server):
    """Starts psql with commands, through a gateway (its attribute `gateway`)."""
    gw = gateway(argv=gateway_words(SECTION, server))
    started = []
    with local_port(gw, SECTION) as port:
        where = re.sub(r"port=\d+", f"port={port}", command(SECTION, "psql")[0])

        def start(*commands):
            words = [word for text in commands for word in ("-c", text)]
            process = subprocess.Popen(
                ["psql", "-X", "-q", "-At", *words, where],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=daemons.LOCALE,
            )
            started.append(process)
            return process

        start.gateway = gw
        try:
            yield start
        finally:
            for process in started:
                process.kill()
                process.communicate()


def outcome(process):
    """Its exit status, stdout and stderr."""
    out, err = process.communicate(timeout=80)
    return process.returncode, out, err


def copy_file(rows):
    """COPY's binary format: a header, for each row the number of its columns and each column with its length, -1."""
    columns = b"".join(struct.pack(">hii", 2, 4, i) + struct.pack(">i", len(row)) + row for i, row in enumerate(rows))
    return b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0) + columns + struct.pack(">h", -1)


def test_copy(psql, tmp_path):
    """4 MiB of any bytes there and back: the same sum over there, the same file over here."""
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(copy_file(ROWS))
    status, out, err = outcome(
        psql(
            "create temp table t (i int, data bytea)",
            f"\\copy t from '{there}' (format binary)",
            "select count(*), sum(length(data)), md5(string_agg(md5(data), '' order by i)) from t",
            f"\\copy (select * from t order by i) to '{back}' (format binary)",
        )
    )
    assert status == 0, err
    sums = "".join(hashlib.md5(row).hexdigest() for row in ROWS)
    assert out == f"{len(ROWS)}|{sum(map(len, ROWS))}|{hashlib.md5(sums.encode()).hexdigest()}\n"
    same = back.read_bytes() == there.read_bytes()
    assert same
    line = psql.gateway.wait_log("session ended")
    assert line["code_sent"] == 1000 and min(line["in_bytes"], line["out_bytes"]) > sum(map(len, ROWS))


def test_many_rows(psql):
    """Small rows in great number, each one what it should be."""
    status, out, err = outcome(psql("select i, md5(i::text) from generate_series(1, 20000) i"))
    assert status == 0, err
    assert out == "".join(f"{i}|{hashlib.md5(str(i).encode()).hexdigest()}\n" for i in range(1, 20001))


def test_cancel(psql):
    """An interrupt goes as a request of its own, on a connection of its own, and the query's session hears of it."""
    sleeper = psql("select pg_sleep(600)")
    sleeping = "select count(*) from pg_stat_activity where state = 'active' and query = 'select pg_sleep(600)'"
    eventually(lambda: outcome(psql(sleeping))[1] == "1\n", "the query does not run")
    before = len(psql.gateway.logged("session ended"))
    sleeper.send_signal(signal.SIGINT)
    assert "canceling statement due to user request" in outcome(sleeper)[2]
    ended = [psql.gateway.wait_log("session ended", n=before + n) for n in (1, 2)]
    assert [line["code_sent"] for line in ended] == [1000, 1000], ended


def test_error(psql):
    status, out, err = outcome(psql("select 1 / 0", "select 'still here'"))
    assert (status, out) == (0, "still here\n") and "division by zero" in err


def test_terminated(psql):
    """The server's last words arrive before the end that it makes."""
    status, _, err = outcome(psql("select pg_terminate_backend(pg_backend_pid())"))
    assert status == 2 and "terminating connection due to administrator command" in err
    assert psql.gateway.wait_log("session ended")["code_sent"] == 1000
