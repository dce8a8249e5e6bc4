"""What is done with the contestants: a row for each piece of work, with its target where there is one.

A row's reference is what the others are divided by, in the same round. Rows by way of programs have websocketd for it,
all others nginx's stream relay, which carries the bare bytes where a gateway carries WebSocket.
"""
from dataclasses import dataclass, field

from ground import SOURCE_BYTES

RELAYS = ("nginx", "haproxy", "wsluice", "lighttpd", "websockify")  # what carries bytes to a TCP service
GATEWAYS = ("websocketd", "wsluice")  # what runs programs

# What is measured: how it is called, in which unit, how it is written.
FIGURES = {
    "message_us": ("CPU time", "us/message", "%.2f"),
    "mib_us": ("CPU time", "us/MiB", "%.0f"),
    "session_us": ("CPU time", "us/session", "%.1f"),
    "start_us": ("CPU time", "us/start", "%.0f"),
    "start_all_us": ("CPU time with the program", "us/start with the program", "%.0f"),
    "rate": ("throughput", "/s", "%.0f"),
    "mib_rate": ("throughput", "MiB/s", "%.0f"),
    "session_kib": ("memory", "KiB/session", "%.2f"),
    "p50_us": ("p50", "us", "%.0f"),
    "p99_us": ("p99", "us", "%.0f"),
    "p999_us": ("p99.9", "us", "%.0f"),
}


@dataclass
class Target:
    """A figure, and how large or small it has to be: a ratio to the reference's, or a figure as it is."""

    figure: str
    at_most: bool
    limit: float
    absolute: bool = False


@dataclass
class Work:
    """A piece of work: what is behind the contestant and how it is reached (via), and what load does with it."""

    name: str
    via: str  # tcp: a service; tls: a service, the client by TLS; program
    service: str
    cost: str  # the figure that says what it costs
    options: dict
    targets: list = field(default_factory=list)
    among: tuple = RELAYS + ("relay",)  # the kinds of contestants that can do it
    reference: str = "nginx"
    shows: str = ""  # the figure that a table shows where there is no target; else what it costs
    fresh: bool = False  # each time with a contestant that was just started
    most_rounds: int = 1000


def at_most(figure, limit, **more):
    """A target from above."""
    return [Target(figure, True, limit, **more)]


def at_least(figure, limit, **more):
    """A target from below."""
    return [Target(figure, False, limit, **more)]


def echo(sessions, size, **more):
    """Options of load for echoes."""
    return {"mode": "echo", "sessions": sessions, "size": size, **more}


def bytes_by(via, service, cost):
    """A row whose figures are bytes or messages: what all of these have in common."""

    def row(name, options, targets=(), **more):
        return Work(name, via, service, cost, options, list(targets), **more)

    return row


CONNECT = {"mode": "connect", "sessions": 32, "size": 64}


def plain():
    """To a TCP service, without TLS."""
    small = bytes_by("tcp", "echo", "message_us")
    large = bytes_by("tcp", "echo", "mib_us")
    session = bytes_by("tcp", "echo", "session_us")
    to_client = {"mode": "flood-from", "sessions": 4, "bytes": SOURCE_BYTES}
    to_service = {"mode": "flood-to", "sessions": 4, "size": 65536}
    return [
        small("64 B echo, 20,000/s", echo(64, 64, rate=20000), at_most("message_us", 1.0)),
        small("64 B echo, saturated", echo(64, 64), at_least("rate", 1.0)),
        small("64 B echo, 16 in flight", echo(64, 64, inflight=16)),
        small("1 KiB echo, 16 in flight", echo(64, 1024, inflight=16), at_most("message_us", 1.15)),
        large("64 KiB echo", echo(8, 65536, inflight=2), at_most("mib_us", 1.25)),
        Work("flood from the service", "tcp", "source", "mib_us", to_client, at_most("mib_us", 1.0)),
        Work("flood to the service", "tcp", "sink", "mib_us", to_service, at_most("mib_us", 1.3)),
        session("connect, echo, close", CONNECT, at_most("session_us", 1.15)),
        session("connect, echo, close, each logged", CONNECT, among=("nginx", "wsluice-log")),
    ]


def secure():
    """The same, by TLS."""
    small = bytes_by("tls", "echo", "message_us")
    return [
        small("TLS, 64 B echo, 20,000/s", echo(64, 64, rate=20000), at_most("message_us", 1.1)),
        small("TLS, 64 B echo, saturated", echo(64, 64), at_most("message_us", 1.1)),
        Work("TLS, 64 KiB echo", "tls", "echo", "mib_us", echo(8, 65536, inflight=2), at_most("mib_us", 1.1)),
        Work("TLS, connect, echo, close", "tls", "echo", "session_us", CONNECT),
    ]


def idle(name, via, kib):
    """The memory of sessions that had one message there and back."""
    options = {"mode": "idle", "sessions": 2000, "size": 64, "seconds": 0.2}
    targets = at_most("session_kib", kib, absolute=True)
    return Work(name, via, "echo", "session_kib", options, targets, fresh=True, most_rounds=3)


def program(name, service, cost, options, targets, **more):
    """By way of a program for each session. Longer warm-up: websocketd clears some MiB for each that it opened."""
    options = {"warmup": 0.6} | options
    return Work(name, "program", service, cost, options, targets, among=GATEWAYS, reference="websocketd", **more)


STARTS = {"mode": "run", "sessions": 8, "seconds": 1}  # the kernel counts ended programs in ticks of 10 ms


def programs():
    """Bytes and lines through cat, and starts of a program that ends at once."""
    small, large = echo(16, 64), echo(4, 65536, inflight=2)
    held = {"mode": "idle", "sessions": 200, "opening": 8, "size": 64, "seconds": 0.2, "text": True}
    few, cheap = at_most("message_us", 0.5), at_most("mib_us", 0.3)
    return [
        program("program, 64 B, stream", "stream", "message_us", small, few),
        program("program, 64 B, lines", "lines", "message_us", small | {"text": True}, few),
        program("program, 64 KiB, stream", "stream", "mib_us", large, cheap),
        program("program, 64 KiB, lines", "lines", "mib_us", large | {"text": True}, cheap),
        program("200 idle programs", "lines", "session_kib", held, [], fresh=True, most_rounds=3),
        program("program starts", "starts", "start_us", STARTS, at_least("rate", 1.5) + at_most("start_us", 0.5)),
    ]


def two_workers():
    """Against one, from enough clients that both have something to do. What the cores allow is not ours to say."""
    among = ("wsluice", "wsluice-one")
    small = bytes_by("tcp", "echo", "message_us")
    return small("two workers against one", echo(256, 64), among=among, reference="one worker", shows="rate")


WORKS = (
    plain()
    + secure()
    + [idle("2,000 idle sessions", "tcp", 3.3), idle("TLS, 2,000 idle sessions", "tls", 20)]
    + programs()
    + [two_workers()]
)
