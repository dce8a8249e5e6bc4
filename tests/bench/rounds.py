"""Rounds: every contestant does the same work in turn, A B C, C B A, A B C, ...; what load reported of each."""
import json
import subprocess
import time
from dataclasses import dataclass

from process import ignore_signals, say


class Failed(Exception):
    """A piece of work that a contestant did not do right, in load's words."""


def options_of(work, contestant, seconds):
    """The options of load, as a table: the work's own, and how long."""
    options = {"seconds": seconds, "warmup": seconds / 5, **work.options}
    most = getattr(contestant, "most_sessions", None)
    if most and options["mode"] == "idle":
        options["sessions"] = min(most, options["sessions"])
    return options


def run_load(ground, work, contestant, seconds):
    """One run of the load generator against a contestant that is there: its report."""
    way = (work.via, work.service)
    argv = [ground.bench + "/load", "--to=" + contestant.urls[way], "--json"]
    argv += ["--pid=%d" % pid for pid in contestant.pids(way)] + contestant.watch
    for name, value in options_of(work, contestant, seconds).items():
        argv.append("--" + name if value is True else "--%s=%s" % (name, value))
    try:
        done = subprocess.run(argv, capture_output=True, start_new_session=True, check=False, timeout=90 + seconds)
    except subprocess.TimeoutExpired as error:
        raise Failed("no end after %d s" % error.timeout) from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise Failed(said or "load ended with status %d" % done.returncode)
    return json.loads(done.stdout)


def run_fresh(ground, work, contestant, seconds):
    """The same, against a contestant that is started for it."""
    contestant.stop()
    contestant.start()
    return run_load(ground, work, contestant, seconds)


def run_round(ground, works, contestants, turn, seconds):
    """One round: {(work's name, contestant's column): report, or Failed}."""
    found = {}
    for work in works:
        mine = [c for c in contestants if c.kind in work.among]
        for contestant in mine if turn % 2 == 0 else mine[::-1]:
            try:
                result = (run_fresh if work.fresh else run_load)(ground, work, contestant, seconds)
            except Failed as error:
                result = error
                say("failed: %s, %s: %s" % (work.name, contestant.name, error))
            found[work.name, contestant.column] = result
        say("round %d: %s" % (turn + 1, work.name))
    return found


@dataclass
class Outcome:
    """What the rounds found: {work's name: {contestant's column: [report or None, ...]}}; failures by both names."""

    results: dict
    failures: dict
    rounds: int
    interrupted: bool


def gather(works, contestants, rounds, interrupted):
    """The Outcome of rounds, each as run_round() gives it."""
    results = {work.name: {c.column: [] for c in contestants if c.kind in work.among} for work in works}
    failures = {}
    for found in rounds:
        for (work, column), result in found.items():
            failed = isinstance(result, Failed)
            results[work][column].append(None if failed else result)
            if failed:
                failures[work, column] = str(result)
    return Outcome(results, failures, len(rounds), interrupted)


def run_rounds(ground, works, contestants, rounds, seconds, minutes):
    """All of it: the Outcome.

    A round that would probably end after so many minutes is not begun, but for the first. One that a signal interrupts
    is the last, and forgotten; when it is the first there is nothing to tell.
    """
    complete = []
    begun = time.monotonic()
    try:
        for turn in range(rounds):
            if turn and (time.monotonic() - begun) * (turn + 1) / turn > minutes * 60:
                say("no time for more than %d rounds" % turn)
                break
            todo = [work for work in works if turn < work.most_rounds]
            complete.append(run_round(ground, todo, contestants, turn, seconds))
            say("round %d of %d done, %d s" % (turn + 1, rounds, time.monotonic() - begun))
    except KeyboardInterrupt:
        ignore_signals()
        if not complete:
            raise
        say("compare: interrupted: the report is of the complete rounds, %d of %d" % (len(complete), rounds))
        return gather(works, contestants, complete, True)
    ignore_signals()
    return gather(works, contestants, complete, False)
