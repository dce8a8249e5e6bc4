"""The report: all that was found as one table for JSON, and that as Markdown. Pure, so that it can be printed again."""
from dataclasses import asdict

from figures import figures_of, is_met, middle, ratios
from works import FIGURES


def collect(works, results, failures, forking=(), **about):
    """What goes into report.json: about (settings, machine, contestants), and for each work what the rounds found."""
    rows = []
    for work in works:
        found = {
            name: [report and figures_of(report, name in forking) for report in reports]
            for name, reports in results[work.name].items()
        }
        failed = {name: text for (of, name), text in failures.items() if of == work.name}
        rows.append(asdict(work) | {"rounds": found, "failed": failed, "found": summary(work, found)})
    return about | {"works": rows}


def summary(work, found):
    """For each contestant medians and quartiles: of its figures, of their ratios; and what is met."""
    reference = found.get(work.reference, [])
    result = {}
    for name, rounds in found.items():
        mine = {figure: middle([one and one.get(figure) for one in rounds]) for figure in FIGURES}
        against = {figure: middle(ratios(rounds, reference, figure)) for figure in FIGURES}
        result[name] = {
            "figures": {figure: values for figure, values in mine.items() if values},
            "ratios": {figure: values for figure, values in against.items() if values},
            "met": [is_met(target, rounds, reference) for target in work.targets],
        }
    return result


def quartiles(values, n):
    """Median, and quartiles beside it; of one round there are none."""
    low, median, high = ("%.2f" % value for value in values)
    return "**%s**" % median if n < 2 else "**%s** %s-%s" % (median, low, high)


def common_rounds(row, name):
    """How many rounds have a figure of a contestant and one of the reference."""
    found = row["rounds"]
    return sum(bool(a and b) for a, b in zip(found.get(name, []), found.get(row["reference"], [])))


def number(figure, value):
    """A figure with its unit."""
    _, unit, form = FIGURES[figure]
    text = form % value
    if "." not in text:
        text = f"{int(text):,}"
    return text + ("" if unit.startswith("/") else " ") + unit


def markdown(head, rows):
    """A table."""
    return "\n".join("| %s |" % " | ".join(row) for row in [head, ["---"] * len(head)] + rows)


def ratio_cell(row, name, figure, absolute=False):
    """What a contestant has in a row: its ratio to the reference, the reference's own figure, or why there is none."""
    found = row["found"].get(name)
    if not found or figure not in found["figures"]:
        return "failed" if name in row["failed"] else ""
    if absolute or name == row["reference"] or figure not in found["ratios"]:
        return number(figure, found["figures"][figure][1])
    return quartiles(found["ratios"][figure], common_rounds(row, name))


def limit_cell(target):
    """A target in words."""
    if target is None:
        return ""
    word = "at most" if target["at_most"] else "at least"
    return "%s %s" % (word, number(target["figure"], target["limit"]) if target["absolute"] else target["limit"])


def columns(rows, first):
    """The contestants of some rows: the reference first, then those named, then the others as they come."""
    names = list(dict.fromkeys(name for row in rows for name in row["found"]))
    return sorted(names, key=lambda name: (name != rows[0]["reference"], name not in first, names.index(name)))


def target_lines(row):
    """The lines of one work: one for each target, or one for what it costs."""
    targets = row["targets"] or [None]
    return [(target, target["figure"] if target else row["shows"] or row["cost"]) for target in targets]


def target_table(rows, gateways):
    """Ratios beside targets, and whether the gateways meet them; the rows have one reference."""
    names = columns(rows, gateways)
    head = ["work", "measure", "target"]
    for name in names:
        head += [name, "target met"] if name in gateways else [name]
    lines = []
    for row in rows:
        for i, (target, figure) in enumerate(target_lines(row)):
            line = [row["name"], FIGURES[figure][0], limit_cell(target)]
            for name in names:
                line.append(ratio_cell(row, name, figure, target is not None and target["absolute"]))
                if name in gateways:
                    line.append(met_cell(row, name, i))
            lines.append(line)
    return markdown(head, lines)


def met_cell(row, name, i):
    """Whether a target is met; one round does not tell."""
    if sum(map(bool, row["rounds"].get(name, []))) < 2:
        return ""
    met = row["found"].get(name, {}).get("met", [])
    if i >= len(met):
        return ""
    return {True: "yes", False: "**no**", None: ""}[met[i]]


def target_tables(data):
    """A table for each reference, with the reference's own figures in its column."""
    references = list(dict.fromkeys(row["reference"] for row in data["works"]))
    groups = [[row for row in data["works"] if row["reference"] == reference] for reference in references]
    return "\n\n".join(target_table(rows, data["settings"]["gateways"]) for rows in groups)


def shown(row, medians):
    """The cells of one contestant in one work: what is too small to say anything is left to report.json."""
    flood = row["options"]["mode"].startswith("flood")
    small = row["options"].get("size", 65536) < 1024
    hidden = ("rate",) if flood else ("mib_rate", "mib_us") if small else ()
    groups = [
        ("rate", "mib_rate"),
        ("message_us", "session_us", "start_us", "start_all_us", "mib_us"),
        ("p50_us",),
        ("p99_us",),
        ("p999_us",),
        ("session_kib",),
    ]
    return [", ".join(medians[name] for name in group if name in medians and name not in hidden) for group in groups]


def figure_table(data):
    """What each contestant did in each work: medians of the rounds, not ratios."""
    lines = []
    for row in data["works"]:
        for name, found in row["found"].items():
            medians = {figure: number(figure, values[1]) for figure, values in found["figures"].items()}
            lines.append([row["name"], name] + shown(row, medians))
    return markdown(["work", "who", "throughput", "CPU time", "p50", "p99", "p99.9", "memory"], lines)


def failures(data):
    """What went wrong, a line for each contestant and work; nothing when all went well."""
    lines = []
    for row in data["works"]:
        for name, text in row["failed"].items():
            n = sum(one is None for one in row["rounds"][name])
            lines.append("- %s, %s, %d of %d rounds: `%s`" % (row["name"], name, n, len(row["rounds"][name]), text))
    return "Failed:\n\n" + "\n".join(lines) if lines else ""


def compared_table(data, title, figure_of_row):
    """One figure of every row: the reference's as it is, the others as ratios. For builds beside each other."""
    parts = []
    for reference in dict.fromkeys(row["reference"] for row in data["works"]):
        rows = [row for row in data["works"] if row["reference"] == reference and figure_of_row(row)]
        if not rows:
            continue
        names = columns(rows, [])
        lines = [[row["name"]] + [ratio_cell(row, name, figure_of_row(row)) for name in names] for row in rows]
        parts.append(markdown(["work"] + names, lines))
    return title + "\n\n" + "\n\n".join(parts) if parts else ""


COSTS = "CPU time, or memory of idle sessions; the others as a ratio to the first:"


def rounds_of(settings):
    """How many rounds it were, and how many were asked for when it were fewer."""
    n, wanted = settings["rounds"], settings.get("rounds_wanted", settings["rounds"])
    text = "%d round%s of %g s" % (n, "" if n == 1 else "s", settings["seconds"])
    return text if n == wanted else text + " (%d were asked for)" % wanted


def compared(data):
    """The short report: costs, then throughput."""
    rounds, n = rounds_of(data["settings"]), data["settings"]["rounds"]
    parts = [
        "%s: no quartiles." % rounds if n == 1 else "%s; the medians in bold, and the quartiles." % rounds,
        compared_table(data, COSTS, lambda row: row["cost"]),
        compared_table(data, "Throughput, the others as a ratio to the first's:", throughput_of),
        busy(data),
    ]
    return "\n\n".join(part for part in parts if part)


def throughput_of(row):
    """The figure that is a work's throughput."""
    if row["cost"] == "session_kib":
        return None
    return "mib_rate" if row["cost"] == "mib_us" else "rate"


def about(data):
    """What was measured on what."""
    settings, machine = data["settings"], data["machine"]
    programs = {one["program"]: "%s %s" % (name, one["version"]) for name, one in reversed(data["contestants"].items())}
    versions = ", ".join(reversed(programs.values()))
    return (
        rounds_of(settings)
        + ", %(workers)d workers, clients and services on the same machine. " % settings
        + "%(cores)d cores (%(processor)s), Linux %(kernel)s, %(memory_gib).0f GiB. " % machine
        + load_average(machine)
        + versions
        + "."
    )


def load_average(machine):
    """That of the last minute: what else ran before, and with the measuring itself at its end."""
    if "load_after" not in machine:
        return ""
    return "Load average %.1f before, %.1f at the end, this run's own with it. " % (
        machine["load_before"][0],
        machine["load_after"][0],
    )


def busy(data):
    """A warning when others had the machine."""
    machine = data.get("machine", {})
    if not machine or machine["load_before"][0] <= machine["cores"]:
        return ""
    return (
        "**The machine was busy before it began** (load average %.1f, %d cores): times and rates are those of what it left; "
        "ratios hold as far as their quartiles are close." % (machine["load_before"][0], machine["cores"])
    )


LEGEND = """\
The first column of figures is the reference's, as it is. All others are ratios to it: in bold the median over the rounds of
what a contestant had divided by what the first had in the same round, beside it the quartiles. Less CPU time, latency and
memory is better, more throughput. Memory that has a target stands as it is, and is of three rounds at most. Empty: not for
this contestant."""

ONE_ROUND = "It was one round: ratios without quartiles, and nothing is said of targets."


def full(data):
    """The long report, as docs/performance.md has it."""
    head, tail = "<details><summary>All figures, medians of the rounds</summary>", "</details>"
    one = ONE_ROUND if data["settings"]["rounds"] == 1 else ""
    parts = [about(data), busy(data), LEGEND, one, target_tables(data), failures(data), head, figure_table(data), tail]
    return "\n\n".join(part for part in parts if part)
