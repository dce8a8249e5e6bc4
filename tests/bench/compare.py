#!/usr/bin/python3
"""compare: what a gateway costs beside others that do the same work, in the same minutes.

Starts the services (tcpd), nginx's stream relay and the contestants that are asked for, then lets each do each piece of
work in turn, round after round. Other things run on the machine too, so what counts are ratios to the reference within
a round (nginx; websocketd where programs are run), and of these the median over the rounds.

  --with=all             everyone, every work, the long report: `make bench`
  --wsluice=PATH         the gateway; repeatable as NAME=PATH: two builds beside each other, with --against=NAME
  --relay=MODE           the ways of relay.c; with none of --with and --relay: all of them
"""
import argparse
import json
import math
import os
import signal
import sys
import tempfile
from dataclasses import replace

import chart
import contestants
import machine
import publish
import report
import sizing
from ground import Ground
from process import SIGNALS, NotStarted, ignore_signals, say
from rounds import run_rounds
from works import WORKS


def works_named(words):
    """The works that are called so, or else have the word in their name; all for no words."""
    chosen = []
    for word in words or [""]:
        found = [work for work in WORKS if work.name == word] or [work for work in WORKS if word in work.name]
        if not found:
            names = "\n  ".join(work.name for work in WORKS)
            raise SystemExit("compare: no work is called '%s'; there are:\n  %s" % (word, names))
        chosen += [work for work in found if work not in chosen]
    return chosen


class Parser(argparse.ArgumentParser):
    """One that says what is wrong in one line."""

    def error(self, message):
        self.exit(2, "compare: %s; see --help\n" % message)


def whole(text):
    """A number of things, one at least."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("'%s' is no number from 1 on" % text)
    return int(text)


def positive(text):
    """A time that is more than none."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError("'%s' is no number above 0" % text)
    return value


def parse_args(argv=None):
    """Reads the command line, and refuses what would measure something else than was meant."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default="build/tests/bench", help="where load, tcpd and relay are")
    others = ["all", "none", *contestants.OTHERS]
    parser.add_argument("--with", dest="others", action="append", choices=others, default=[], help="beside nginx")
    parser.add_argument("--relay", action="append", choices=contestants.RELAY_MODES + ["none"], help="none: none")
    parser.add_argument("--wsluice", action="append", metavar="[NAME=]PATH", default=[], help="the gateway's binary")
    parser.add_argument(
        "--workers", type=whole, default=2, help="threads or processes of those that have such a setting"
    )
    parser.add_argument("--rounds", type=whole, default=7)
    parser.add_argument("--seconds", type=positive, default=1.0, help="of each run")
    parser.add_argument("--against", metavar="NAME", help="the reference of all works: old, where --wsluice=old=PATH")
    parser.add_argument("--minutes", type=positive, default=1440, help="begin no round that would end later")
    parser.add_argument("--work", action="append", help="a name or a part of it, repeatable; default: all")
    parser.add_argument("--nginx", default=contestants.Nginx.program)
    parser.add_argument("--nginx-module", default=contestants.NGINX_MODULE)
    parser.add_argument("--out", metavar="DIR", help="report.md, report.json and chart.svg go there")
    parser.add_argument("--again", metavar="FILE", help="print what is in a report.json, and measure nothing")
    parser.add_argument("--docs", metavar="FILE", help="with --again: put it between the marks of this document")
    args = parser.parse_args(argv)
    if args.docs is not None and args.again is None:
        parser.error("--docs: it puts a report there that --again names")
    args.work = works_named(args.work)
    if args.against is not None:
        args.work = [replace(work, reference=args.against) for work in args.work]
    args.everyone = "all" in args.others
    args.others = list(contestants.OTHERS) if args.everyone else [name for name in args.others if name != "none"]
    args.relay = [mode for mode in args.relay or default_relays(args) if mode != "none"]
    args.wsluice = [split_name(parser, text) for text in args.wsluice]
    return args


def default_relays(args):
    """All of them, as long as nobody else was asked for."""
    return [] if args.others else contestants.RELAY_MODES


def split_name(parser, text):
    """NAME=PATH, or PATH, whose name is wsluice."""
    name, equals, path = text.rpartition("=")
    if not path or (equals and not name):
        parser.error("--wsluice=%s: it is NAME=PATH, or PATH alone" % text)
    return (name if equals else "wsluice", path)


def assemble(args, ground):
    """The contestants, not started yet, those only that one of the works is for."""
    nginx = contestants.Nginx(ground, args.nginx)
    nginx.module = args.nginx_module
    found = [nginx] + [contestants.Relay(ground, mode) for mode in args.relay]
    found += [contestants.Wsluice(ground, path, name) for name, path in args.wsluice]
    if args.everyone and args.wsluice:
        path = args.wsluice[0][1]
        found += [contestants.WsluiceLog(ground, path), contestants.WsluiceOne(ground, path)]
    found += [contestants.OTHERS[name](ground) for name in args.others]
    return [one for one in found if any(one.kind in work.among for work in args.work)]


def with_somebody(works, taking_part):
    """The works that two at least can do."""
    return [work for work in works if sum(one.kind in work.among for one in taking_part) > 1]


def refuse_confusion(args, taking_part):
    """Ends the run where figures would be nobody's, or of two at once."""
    names = [one.name for one in taking_part]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SystemExit("compare: two that are called '%s'; --wsluice=NAME=PATH gives a build a name" % twice)
    if args.against is not None and args.against not in [one.column for one in taking_part]:
        raise SystemExit("compare: --against=%s takes no part; there are: %s" % (args.against, ", ".join(names)))
    if not with_somebody(args.work, taking_part):
        raise SystemExit("compare: no work that two could do: name a contestant by --wsluice, --with or --relay")


def refuse_missing(args):
    """Ends the run when there is nothing to measure with, or no place for the report."""
    for name in ("load", "tcpd"):
        if not os.access(os.path.join(args.bench, name), os.X_OK):
            raise NotStarted("compare: no program %s/%s (make benches)" % (args.bench, name))
    if args.out is not None:
        try:
            os.makedirs(args.out, exist_ok=True)
            tempfile.TemporaryFile(dir=args.out).close()
        except OSError as error:
            raise SystemExit("compare: --out=%s: %s" % (args.out, error.strerror)) from error


def compare(args):
    """Starts all, compares, stops all: what goes into report.json."""
    ground = Ground(args.bench, args.workers)
    taking_part = assemble(args, ground)
    refuse_confusion(args, taking_part)
    refuse_missing(args)
    works = with_somebody(args.work, taking_part)
    versions = {one.name: one.version() for one in taking_part}
    about_machine = machine.describe()
    with ground:
        try:
            for one in taking_part:
                one.start()
            contestants_in_words = {
                one.name: {"program": one.program, "version": versions[one.name], "configuration": one.configuration}
                for one in taking_part
            }
            outcome = run_rounds(ground, works, taking_part, args.rounds, args.seconds, args.minutes)
        finally:
            ignore_signals()
            for one in taking_part:
                one.stop()
    forking = [one.column for one in taking_part if "--forks" in one.watch]
    settings = {
        "seconds": args.seconds,
        "workers": args.workers,
        "gateways": [name for name, _ in args.wsluice],
        "rounds": outcome.rounds,
        "rounds_wanted": args.rounds,
        "interrupted": outcome.interrupted,
    }
    about = {"settings": settings, "machine": about_machine | machine.afterwards(), "contestants": contestants_in_words}
    return report.collect(works, outcome.results, outcome.failures, forking, **about)


def write(directory, data):
    """Leaves the report in a directory."""
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "report.json"), "w", encoding="utf-8") as file:
        json.dump(data, file, indent="\t")
    with open(os.path.join(directory, "report.md"), "w", encoding="utf-8") as file:
        file.write(report.full(data) + "\n")
    try:
        chart.draw(data, os.path.join(directory, "chart.svg"))
    except ImportError as error:
        say("compare: no chart: %s" % error)


def on_signal(*_):
    """What ends the run ends it as Ctrl-C does."""
    raise KeyboardInterrupt


def measure(args):
    """Compares, until a signal says that it is enough; one that was ignored by who started us (nohup) still is."""
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, on_signal)
    try:
        return compare(args)
    except KeyboardInterrupt:
        ignore_signals()
        raise SystemExit("compare: interrupted") from None


def read(path):
    """A report that was left by write(), and what it says."""
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        return data, report.full(data)
    except OSError as error:
        raise SystemExit("compare: --again=%s: %s" % (path, error.strerror)) from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise SystemExit("compare: --again=%s: this is no report.json of ours" % path) from error


def put_into(path, data):
    """Renews a document."""
    try:
        publish.into(data, path)
    except OSError as error:
        raise SystemExit("compare: --docs=%s: %s" % (path, error.strerror)) from error
    except publish.NoMark as error:
        raise SystemExit("compare: --docs=%s: %s" % (path, error)) from error
    except sizing.Missing as error:
        raise SystemExit("compare: --docs=%s: the report has no figure of '%s'" % (path, error)) from error


def show(text):
    """Prints what was found, as far as somebody reads it."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    try:
        print(text, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main():
    """Compares, leaves the report, prints it; fails when a gateway of ours did, or when it was interrupted."""
    args = parse_args()
    if args.again is not None:
        data, text = read(args.again)
    else:
        data = measure(args)
        text = report.full(data) if args.everyone else report.compared(data)
    if args.out is not None:
        write(args.out, data)
    if args.docs is not None:
        put_into(args.docs, data)
    else:
        show(text)
    if args.out is not None:
        say("compare: the report is in %s: %s" % (args.out, ", ".join(sorted(os.listdir(args.out)))))
    settings = data["settings"]
    ours = set(settings["gateways"])
    sys.exit(settings.get("interrupted", False) or any(ours & set(row["failed"]) for row in data["works"]))


if __name__ == "__main__":
    main()
