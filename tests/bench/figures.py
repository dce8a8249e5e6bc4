"""From reports to figures: what load reported becomes costs and rates, rounds become medians of ratios. Pure."""
import statistics


def figures_of(report, forks=False):
    """The figures of one run, by the names of works.FIGURES; what a run has none of is left out.

    The processes of a contestant that forks for each session are its own; else those that it waited for are programs.
    """
    cpu_us = report["cpu_seconds"] * 1e6
    ended_us = report["children_cpu_seconds"] * 1e6
    mode = report["mode"]
    if forks:
        cpu_us += ended_us
    found = {}
    if mode == "idle":
        found["session_kib"] = (report["pss_kib"][1] - report["pss_kib"][0]) / report["sessions"]
        return found
    found["rate"] = report["messages"] / report["seconds"]
    if mode in ("connect", "run"):
        found["session_us" if mode == "connect" else "start_us"] = ratio(cpu_us, report["messages"])
        if mode == "run":
            found["start_all_us"] = ratio(cpu_us + ended_us, report["messages"])
    else:
        mib = report["bytes"] / 1048576
        found["mib_rate"] = mib / report["seconds"]
        found["mib_us"] = ratio(cpu_us, mib)
        if mode == "echo":
            found["message_us"] = ratio(cpu_us, report["messages"])
    if mode in ("echo", "connect", "run"):
        found.update({name: report[name] for name in ("p50_us", "p99_us", "p999_us")})
    return {name: value for name, value in found.items() if value is not None}


def ratio(a, b):
    """a / b, or None when there is none."""
    return a / b if a is not None and b else None


def middle(values):
    """Median and quartiles of what is there: [low, median, high], or None when nothing is."""
    there = [value for value in values if value is not None]
    if not there:
        return None
    return statistics.quantiles(there, method="inclusive") if len(there) > 1 else there * 3


def ratios(mine, reference, figure):
    """The figure of one contestant as a ratio to the reference's of the same round, round by round."""
    return [ratio(a.get(figure), b.get(figure)) if a and b else None for a, b in zip(mine, reference)]


def is_met(target, mine, reference):
    """Does the median hold the target? None when that can't be told."""
    values = [a and a.get(target.figure) for a in mine] if target.absolute else ratios(mine, reference, target.figure)
    found = middle(values)
    if found is None:
        return None
    return found[1] <= target.limit if target.at_most else found[1] >= target.limit
