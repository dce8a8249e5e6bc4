"""How large a machine has to be: docs/performance.md's section of that name, computed from a report. Pure."""
import math

KERNEL_KIB = 7.5  # two TCP sockets: /proc/slabinfo, as the section says


class Missing(Exception):
    """A figure that the report does not have: only some of the works were measured."""


def figure(data, work, name):
    """The median of our gateway's figure in a work."""
    ours = data["settings"]["gateways"][0]
    for row in data["works"]:
        if row["name"] == work and name in row["found"].get(ours, {}).get("figures", {}):
            return row["found"][ours]["figures"][name][1]
    raise Missing("%s: %s" % (work, name))


def rough(value):
    """A number of two digits that count: 87, 870, 8,700; 0.87."""
    if value < 10:
        return "%.2g" % value
    unit = 10 ** (math.floor(math.log10(value)) - 1)
    return f"{round(value / unit) * unit:,}"


def memory_table(plain, tls, program):
    """What a session keeps, in KiB."""
    return f"""| a session | gateway's memory | descriptors | kernel's, for sockets |
| --- | --- | --- | --- |
| to a TCP service | {plain} KiB | 2 | {KERNEL_KIB} KiB |
| the same, visitors by TLS | {tls} KiB | 2 | {KERNEL_KIB} KiB |
| to a service by TLS (`tls://`; not of `make bench`) | 22 KiB | 2 | {KERNEL_KIB} KiB |
| with `deflate` | as without, but for contexts: see below | | |
| with a program | {program} KiB, and the program: 250 KiB for `cat` | 5 | 4 KiB, and pipes |

Memory is that of the idle rows above."""


def cpu_table(data):
    """CPU time of a thousand of each: as many milliseconds as one has microseconds."""
    lines = [
        ("messages of 64 B, each by itself", "64 B echo, 20,000/s", "message_us", True),
        ("messages of 64 B, many at once", "64 B echo, 16 in flight", "message_us", False),
        ("messages of 64 KiB (62.5 MiB)", "64 KiB echo", "message_us", True),
        ("sessions, from connect to close", "connect, echo, close", "session_us", True),
        ("starts of a program", "program starts", "start_us", False),
        ("the same, with what `true` takes", "program starts", "start_all_us", False),
    ]
    rows = [
        "| %s | %s | %s |"
        % (text, rough(figure(data, work, name)), rough(figure(data, "TLS, " + work, name)) if by_tls else "")
        for text, work, name, by_tls in lines
    ]
    return "\n".join(["| 1,000 of | plain | TLS |", "| --- | --- | --- |"] + rows)


def chat(data, tls_kib):
    """Many visitors, few messages."""
    message = figure(data, "TLS, 64 B echo, 20,000/s", "message_us")
    session = figure(data, "TLS, connect, echo, close", "session_us")
    mib = 10000 * (tls_kib + KERNEL_KIB) / 1024
    return f"""- **A chat.** 10,000 visitors by TLS, each with a message every ten seconds that the service answers: 1,000 messages a
  second are {rough(message)} ms, {rough(message / 10)} % of a core. A service that passes each on to a room of N visitors has it sent N times, which is about
  half a message each: in rooms of 20 that is ten times as much, {rough(message)} % of a core. Memory: 10,000 * ({tls_kib} + {KERNEL_KIB}) KiB =
  {rough(mib)} MiB. Descriptors: 20,000. `max_sessions` is just enough. When all come back after a restart: 10,000 * {rough(session / 1000)} ms =
  {rough(session / 100)} s of CPU time, on two cores half as many seconds. So two small cores, and those for the restart."""


def screens(data, plain_kib):
    """Few visitors, many bytes. What TLS adds is that of large echoes, half of it for each direction."""
    mib_us = figure(data, "flood from the service", "mib_us")
    more_us = max(0, (figure(data, "TLS, 64 KiB echo", "mib_us") - figure(data, "64 KiB echo", "mib_us")) / 2)
    return f"""- **Screens.** 200 visitors of VNC servers at 2 MiB/s each: 400 MiB/s to the clients at {rough(mib_us / 1000)} ms for a MiB (the flood from the
  service) are {rough(mib_us * 400 / 1e4)} % of a core; with TLS, another {rough(more_us / 1000)} ms (half of what it adds to 64 KiB echoes), {rough((mib_us + more_us) * 400 / 1e4)} %. Memory:
  200 * ({plain_kib} + {KERNEL_KIB}) KiB = {rough(200 * (plain_kib + KERNEL_KIB) / 1024)} MiB, and 200 * 256 KiB = 50 MiB when all are slow at once."""


def programs(data, program_kib):
    """A program each."""
    all_us = figure(data, "program starts", "start_all_us")
    return f"""- **Programs.** 500 sessions with a program of 10 MiB each: 4.9 GiB, of which the gateway has {rough(500 * program_kib / 1024)} MiB; 2,500 descriptors.
  `TasksMax=` counts threads: programs (with theirs) + `workers` + 3, 505 with two workers. If 50 of them come and go each
  second: 50 * {rough(all_us / 1000)} ms, {rough(all_us * 50 / 1e4)} % of a core, and what the programs do."""


def section(data):
    """The tables and the examples."""
    works = ("2,000 idle sessions", "TLS, 2,000 idle sessions", "200 idle programs")
    plain, tls, program = (round(figure(data, work, "session_kib"), 1) for work in works)
    return "\n\n".join(
        [
            memory_table(plain, tls, program),
            "CPU time, in milliseconds of a core for 1,000, from the table of all figures; a message is there and back:",
            cpu_table(data),
            "\n".join([chat(data, tls), screens(data, plain), programs(data, program)]),
        ]
    )
