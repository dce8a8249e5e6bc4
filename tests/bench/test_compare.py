"""The runner of `make bench`: its arithmetic on rounds that were made up, and one short run with a gateway."""
import json
import os
import signal
import subprocess
import sys
import time
from xml.etree import ElementTree

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)

import chart  # noqa: E402
import compare  # noqa: E402
import figures  # noqa: E402
import publish  # noqa: E402
import report  # noqa: E402
import rounds  # noqa: E402
import sizing  # noqa: E402
from works import WORKS, Target, Work  # noqa: E402

WSLUICE = os.path.abspath(os.environ.get("WSLUICE", os.path.join(ROOT, "build/wsluice")))
BENCH = os.path.join(ROOT, "build/tests/bench")
PATIENCE = 120  # seconds for anything to end, on a machine that may have much else to do


def echoed(messages, cpu_seconds, size=1024):
    """What load reports of one second of echoes."""
    return {
        "mode": "echo", "seconds": 1.0, "messages": messages, "bytes": messages * size, "cpu_seconds": cpu_seconds,
        "children_cpu_seconds": 0.25,
        "p50_us": 10.0, "p99_us": 20.0, "p999_us": 30.0,
    }  # fmt: skip


def work(*targets, name="work", reference="nginx"):
    """A row with these targets."""
    return Work(name, "tcp", "echo", "message_us", {"mode": "echo"}, list(targets), reference=reference)


def test_figures_of_echoes():
    """CPU time by message and by MiB, what was moved in a second, and load's latencies."""
    found = figures.figures_of(echoed(messages=2048, cpu_seconds=0.5))
    assert found == {
        "rate": 2048, "mib_rate": 2, "message_us": pytest.approx(244.14, rel=1e-4), "mib_us": 250000,
        "p50_us": 10, "p99_us": 20, "p999_us": 30,
    }  # fmt: skip


def test_whose_children_count():
    """Those of a contestant that forks are its own work; programs are not, and stand beside it."""
    assert figures.figures_of(echoed(messages=1000, cpu_seconds=0.5), forks=True)["message_us"] == 750
    started = figures.figures_of(echoed(messages=1000, cpu_seconds=0.5) | {"mode": "run"})
    assert (started["start_us"], started["start_all_us"]) == (500, 750)


def test_figures_of_idle_sessions():
    """What memory has grown by, by sessions."""
    report_of_load = {"mode": "idle", "sessions": 100, "pss_kib": [1000, 1330, 1010]}
    report_of_load |= {"cpu_seconds": 0.1, "children_cpu_seconds": 0}
    assert figures.figures_of(report_of_load) == {"session_kib": 3.3}


def test_figures_without_messages():
    """A contestant that did nothing has no cost: no division by zero, and no figure."""
    assert "message_us" not in figures.figures_of(echoed(messages=0, cpu_seconds=0.5))


@pytest.mark.parametrize(
    "values, expected",
    [([], None), ([None], None), ([2], [2, 2, 2]), ([1, 3], [1.5, 2, 2.5]), ([5, None, 1, 3, 2, 4], [2, 3, 4])],
)
def test_middle(values, expected):
    """Median and quartiles of what there is."""
    assert figures.middle(values) == expected


def test_ratios_are_of_the_same_round():
    """A slow round is slow for both; one that failed for either counts for none."""
    mine = [{"rate": 10}, {"rate": 100}, None, {"rate": 7}, {}]
    reference = [{"rate": 20}, {"rate": 200}, {"rate": 1}, None, {"rate": 5}]
    assert figures.ratios(mine, reference, "rate") == [0.5, 0.5, None, None, None]


@pytest.mark.parametrize("target, met", [
    (Target("rate", False, 1.5), True), (Target("rate", False, 1.51), False), (Target("rate", True, 1.5), True),
    (Target("rate", True, 1.49), False), (Target("rate", True, 15, absolute=True), True),
    (Target("rate", True, 14, absolute=True), False), (Target("p50_us", True, 1), None),
])  # fmt: skip
def test_targets(target, met):
    """By the median, of ratios or of figures as they are."""
    assert figures.is_met(target, [{"rate": 15}] * 3, [{"rate": 10}] * 3) is met


def test_report_of_made_up_rounds():
    """Ratio, target, the reference's own figure and a failure, where a reader looks for them."""
    row = work(Target("message_us", True, 1.0))
    results = {"work": {"nginx": [echoed(1000, 0.1)] * 3, "wsluice": [echoed(1000, 0.05)] * 3, "other": [None] * 3}}
    settings = {"gateways": ["wsluice"], "rounds": 3, "seconds": 1, "workers": 2}
    data = report.collect([row], results, {("work", "other"): "no reason"}, settings=settings)
    assert report.target_tables(data).splitlines() == [
        "| work | measure | target | nginx | wsluice | target met | other |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| work | CPU time | at most 1.0 | 100.00 us/message | **0.50** 0.50-0.50 | yes | failed |",
    ]
    assert report.failures(data).endswith("- work, other, 3 of 3 rounds: `no reason`")
    assert "**0.50** 0.50-0.50" in report.compared(data)
    json.dumps(data)


def test_one_round_is_no_quartiles():
    """Nor does it say whether a target is met."""
    results = {"work": {"nginx": [echoed(1000, 0.1)], "wsluice": [echoed(1000, 0.05)]}}
    settings = {"gateways": ["wsluice"], "rounds": 1, "seconds": 1, "workers": 2}
    data = report.collect([work(Target("message_us", True, 1.0))], results, {}, settings=settings)
    assert report.target_tables(data).endswith("| 100.00 us/message | **0.50** |  |")
    assert report.compared(data).startswith("1 round of 1 s: no quartiles.")


@pytest.mark.parametrize("load, says", [(2.0, False), (2.1, True)])
def test_busy_machine(load, says):
    """A warning when the load average was above the number of cores."""
    assert ("busy" in report.busy({"machine": {"cores": 2, "load_before": [load, 0, 0]}})) is says


def reported(one):
    """What load reports in a work: 20 us a message, 3.1 KiB an idle session."""
    base = echoed(1000, 0.02, one.options.get("size", 64)) | {"mode": one.options["mode"]}
    return base | {"sessions": 1000, "pss_kib": [0, 3100, 0]}


def made_up_report(works):
    """All of a report, of two rounds."""
    results = {one.name: {"wsluice": [reported(one)] * 2} for one in works}
    settings = {"gateways": ["wsluice"], "rounds": 2, "seconds": 1, "workers": 2}
    machine = {"cores": 2, "processor": "p", "kernel": "k", "memory_gib": 1, "load_before": [0], "load_after": [1]}
    return report.collect(works, results, {}, settings=settings, machine=machine, contestants={})


def test_sizes_are_computed(tmp_path):
    """Tables and examples of docs/performance.md come from a report, and nothing else in it changes."""
    path = tmp_path / "page.md"
    path.write_text(
        "a\n<!-- report: x -->\nbefore it\n<!-- end of report -->\nb\n<!-- sizing: x -->\n<!-- end of sizing -->\nc\n"
    )
    publish.into(made_up_report(WORKS), path)
    text = path.read_text()
    for line in (
        "| to a TCP service | 3.1 KiB | 2 | 7.5 KiB |",
        "| messages of 64 B, each by itself | 20 | 20 |",
        "| sessions, from connect to close | 20 | 20 |",
        "| the same, with what `true` takes | 270 |  |",
    ):
        assert line in text.splitlines()
    assert "10,000 * (3.1 + 7.5) KiB =\n  100 MiB" in text
    assert text.startswith("a\n<!-- report: x -->\n2 rounds of 1 s") and "before it" not in text
    assert text.endswith("<!-- end of sizing -->\nc\n")
    with pytest.raises(sizing.Missing, match="idle"):
        sizing.section(made_up_report(WORKS[:3]))
    with pytest.raises(publish.NoMark):
        publish.put(text, "nothing", "")


def test_the_page_has_the_marks():
    """Those between which a report belongs."""
    with open(os.path.join(ROOT, "docs/performance.md"), encoding="utf-8") as file:
        text = file.read()
    assert all(publish.put(text, name, "x") != text for name in ("report", "sizing"))


@pytest.mark.parametrize(
    "value, text", [(0.874, "0.87"), (8.74, "8.7"), (87.4, "87"), (874, "870"), (8740, "8,700"), (99.6, "100")]
)
def test_rough(value, text):
    """Two digits that count."""
    assert sizing.rough(value) == text


def test_no_chart_of_nothing(tmp_path):
    """Works that cost no CPU time are not in a chart."""
    data = report.collect([work()], {"work": {"nginx": [echoed(1000, 0.1)]}}, {}, settings={"gateways": ["wsluice"]})
    chart.draw(data, tmp_path / "chart.svg")
    assert os.listdir(tmp_path) == []


def test_works_are_found_by_name():
    """A name means that row alone, a part of one all rows that have it; one that is none ends the run."""
    assert [one.name for one in compare.works_named(["64 KiB echo"])] == ["64 KiB echo"]
    assert len(compare.works_named(["TLS", "TLS, 64"])) == sum("TLS" in one.name for one in WORKS)
    with pytest.raises(SystemExit, match="no work is called"):
        compare.works_named(["nothing"])


def test_builds_have_names():
    """A path by itself is the gateway; NAME=PATH may be given again."""
    args = compare.parse_args(["--wsluice=a/b", "--wsluice=old=c=d/e", "--relay=none"])
    assert args.wsluice == [("wsluice", "a/b"), ("old=c", "d/e")]
    assert args.relay == []
    assert {one.reference for one in args.work} == {"nginx", "websocketd", "one worker"}
    assert {one.reference for one in compare.parse_args(["--against=old"]).work} == {"old"}


def hear_signals():
    """Who runs the tests in the background, or by nohup, has them begin with these ignored."""
    for number in signal.SIGINT, signal.SIGHUP:
        signal.signal(number, signal.SIG_DFL)


def start(*words, **more):
    """Starts the runner with short rounds."""
    argv = [sys.executable, os.path.join(HERE, "compare.py"), "--bench=" + BENCH, "--relay=none", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(argv, cwd=ROOT, preexec_fn=hear_signals, **pipes, **more)


def test_one_round(tmp_path):
    """nginx and the gateway, one row: all that a report has is there."""
    words = ["--work=64 KiB echo", "--rounds=1", "--seconds=1", f"--out={tmp_path}"]  # long enough for one message at least
    runner = start(f"--wsluice={WSLUICE}", *words)
    said, complaint = runner.communicate(timeout=PATIENCE)
    assert runner.returncode == 0, complaint
    assert "| 64 KiB echo | " in said
    assert complaint.splitlines() == [
        "round 1: 64 KiB echo",
        "round 1 of 1 done, %s" % complaint.splitlines()[1].rpartition(", ")[2],
        f"compare: the report is in {tmp_path}: chart.svg, report.json, report.md",
    ]
    data = json.loads((tmp_path / "report.json").read_text())
    assert data["settings"]["rounds"] == 1
    assert data["machine"]["cores"] > 0
    assert set(data["contestants"]) == {"nginx", "wsluice"}
    for one in data["contestants"].values():
        assert one["version"][0].isdigit() and "127.0.0.1:" in one["configuration"]
    row = next(row for row in data["works"] if row["name"] == "64 KiB echo")
    assert row["failed"] == {}
    for name in ("nginx", "wsluice"):
        (found,) = row["rounds"][name]
        assert found["mib_us"] > 0 and found["mib_rate"] > 0
        assert 0 < found["p50_us"] <= found["p99_us"] <= found["p999_us"]
    assert row["found"]["wsluice"]["ratios"]["mib_us"][1] > 0
    assert row["found"]["wsluice"]["met"] in ([True], [False])
    text = (tmp_path / "report.md").read_text()
    assert "64 KiB echo" in text
    again = start(f"--again={tmp_path}/report.json")
    assert again.communicate(timeout=PATIENCE)[0] == text
    drawn = (tmp_path / "chart.svg").read_text()
    assert {"64 KiB echo", "wsluice"} <= {element.text for element in ElementTree.fromstring(drawn).iter()}
    assert "color-scheme:light dark" in drawn
    assert "<script" not in drawn and "href" not in drawn and "file:" not in drawn


def test_what_does_not_start_is_said(tmp_path):
    """In a sentence, with what the program said, and with nothing left behind."""
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\n[ $# -eq 1 ] && [ $1 = --version ] && exit 0\necho no licence; exit 3\n")
    broken.chmod(0o755)
    runner = start(f"--wsluice={broken}", "--work=64 KiB echo")
    _, complaint = runner.communicate(timeout=PATIENCE)
    assert runner.returncode == 1
    assert complaint == "compare: wsluice did not start: it ended with status 3\nno licence\n\n"


def processes_with(word):
    """The processes that have a word in their command line."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if word.encode() in file.read() and int(pid) != os.getpid():
                    found.append(int(pid))
        except OSError:
            pass
    return found


REFUSED = [
    (["--rounds=0"], "--rounds: '0' is no number from 1 on"),
    (["--rounds=-1"], "--rounds: '-1' is no number from 1 on"),
    (["--workers=0"], "--workers: '0' is no number from 1 on"),
    (["--seconds=0"], "--seconds: '0' is no number above 0"),
    (["--seconds=nan"], "--seconds: 'nan' is no number above 0"),
    (["--minutes=-1"], "--minutes: '-1' is no number above 0"),
    (["--wsluice=old="], "--wsluice=old=: it is NAME=PATH, or PATH alone"),
    (["--wsluice==a"], "--wsluice==a: it is NAME=PATH, or PATH alone"),
    (["--wsluice="], "--wsluice=: it is NAME=PATH, or PATH alone"),
    (["--wsluice=a", "--wsluice=b"], "two that are called 'wsluice'"),
    (["--wsluice=nginx=a"], "two that are called 'nginx'"),
    (["--with=haproxy", "--with=haproxy"], "two that are called 'haproxy'"),
    (["--wsluice=a", "--against=nobody"], "--against=nobody takes no part; there are: nginx, wsluice"),
    (["--wsluice=a", "--against="], "--against= takes no part"),
    ([], "no work that two could do"),
    (["--wsluice=/proc/nonexistent"], "/proc/nonexistent: No such file or directory (make)"),
    (["--wsluice=a", "--bench=/proc/nonexistent"], "no program /proc/nonexistent/load (make benches)"),
    (["--wsluice=a", "--out=/dev/null/x"], "--out=/dev/null/x: Not a directory"),
    (["--docs=x"], "--docs: it puts a report there that --again names"),
    (["--again="], "--again=: No such file or directory"),
    (["--again=/proc/nonexistent"], "--again=/proc/nonexistent: No such file or directory"),
    (["--again=/dev/null"], "--again=/dev/null: this is no report.json of ours"),
    (["--again=" + os.path.join(ROOT, "tests/cost/baseline.json")], "this is no report.json of ours"),
]


@pytest.mark.parametrize("words, sentence", REFUSED, ids=[" ".join(map(os.path.basename, row[0])) for row in REFUSED])
def test_refused(monkeypatch, capsys, words, sentence):
    """Before anything starts, in one sentence."""
    monkeypatch.setattr(compare.Ground, "__enter__", lambda _: pytest.fail("it started"))
    monkeypatch.setattr(compare, "SIGNALS", ())
    monkeypatch.setattr(sys, "argv", ["compare.py", "--bench=" + BENCH, "--relay=none", *words])
    with pytest.raises(SystemExit) as end:
        compare.main()
    said = str(end.value) if isinstance(end.value.code, str) else capsys.readouterr().err
    assert said.startswith("compare: ") and sentence in said and said.strip().count("\n") == 0


@pytest.mark.parametrize(
    "argv, sentence",
    [
        ("load --to=ws://localhost:1/", "load: --to=ws://localhost:1/: not a numeric address with a port; see --help"),
        ("load --to=ws://127.0.0.1:1/ --pid=99999999", "load: --pid=99999999: no such process; see --help"),
        ("load --to=ws://127.0.0.1:1/ --pid=0", "load: --pid=0: no such process; see --help"),
        ("load --rate=x", "load: --rate=x: not a number; see --help"),
        ("load --sessions=1.5", "load: --sessions=1.5: not a whole number; see --help"),
        ("load --mode=x", "load: --mode=x: no such mode; see --help"),
        ("tcpd --listen=localhost:1", "tcpd: --listen=localhost:1: not a numeric address with a port, nor unix:PATH"),
        ("tcpd --port=65536", "tcpd: --port=65536: not a port"),
        ("tcpd --bytes=", "tcpd: --bytes=: not a number"),
        ("tcpd --mode=x", "tcpd: --mode=x: no such mode"),
        ("tcpd --listen=unix:/proc/nonexistent/x", "tcpd: unix:/proc/nonexistent/x: No such file or directory"),
    ],
)
def test_programs_refuse(argv, sentence):
    """load and tcpd name the option, its value and what is wrong."""
    done = subprocess.run(f"{BENCH}/{argv}".split(), capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode in (1, 2) and done.stderr == sentence + "\n"


def eventually(condition):
    """Waits until it holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_measuring(runner):
    """Does it run load?"""
    return any(runner.pid == parent_of(pid) for pid in processes_with(BENCH + "/load"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted(tmp_path, number):
    """Ctrl-C in the middle of the first round: a word, status 1, no process, no directory."""
    words = [f"--wsluice={WSLUICE}", "--work=64 KiB echo", "--seconds=30"]
    runner = start(*words, env=os.environ | {"TMPDIR": str(tmp_path)})
    eventually(lambda: is_measuring(runner) or runner.poll() is not None)
    assert runner.poll() is None
    assert processes_with(str(tmp_path))
    runner.send_signal(number)
    _, complaint = runner.communicate(timeout=PATIENCE)
    assert (runner.returncode, complaint) == (1, "compare: interrupted\n")
    eventually(lambda: processes_with(str(tmp_path)) == [])  # who was killed may still be about to be gone
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("at, complete", [("round 1", 1), ("round 2", 2)])
def test_interrupted_between_rounds(monkeypatch, at, complete):
    """A signal that comes when a round has just ended takes nothing of it away."""

    def say(text):
        if text.startswith(at):
            raise KeyboardInterrupt

    monkeypatch.setattr(rounds, "say", say)
    monkeypatch.setattr(rounds, "ignore_signals", lambda: None)
    monkeypatch.setattr(rounds, "run_round", lambda *_: {})
    outcome = rounds.run_rounds(None, [], [], rounds=9, seconds=1, minutes=1)
    assert (outcome.rounds, outcome.interrupted) == (complete, True)


def test_complete_rounds_are_kept(tmp_path):
    """What was measured before a signal is reported, with a status that says so; nobody has to read it."""
    words = [f"--wsluice={WSLUICE}", "--work=64 KiB echo", "--seconds=0.05", "--rounds=1000", f"--out={tmp_path}"]
    runner = start(*words)
    runner.stdout.close()
    said = ""
    while "round 1 of 1000 done" not in said:
        line = runner.stderr.readline()
        assert line, said
        said += line
    runner.send_signal(signal.SIGHUP)
    said = runner.stderr.read()
    assert runner.wait(PATIENCE) == 1
    assert "compare: interrupted: the report is of the complete rounds" in said and "Traceback" not in said
    data = json.loads((tmp_path / "report.json").read_text())
    assert 1 <= data["settings"]["rounds"] < 1000
    (row,) = data["works"]
    assert all(len(rounds) == data["settings"]["rounds"] and all(rounds) for rounds in row["rounds"].values())
    assert "rounds" in (tmp_path / "report.md").read_text()


def parent_of(pid):
    """The parent of a process, None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return None
