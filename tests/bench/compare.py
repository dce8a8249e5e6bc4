#!/usr/bin/python3
"""compare: the CPU time of a gateway against nginx's stream relay, on the same work in the same minute.

Starts the services (tcpd), nginx, and the other contestants, then lets them do each piece of work in turn, round
after round: A B C, A B C, ... Other things run on the machine too, so only the ratio to nginx within a round is
used, and of these the median over the rounds. Contestants: the modes of relay.c, and the gateway itself with
--wsluice=PATH, which does the same work over WebSocket while nginx does it over the bare bytes.
"""
import argparse
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

RELAYS = ["bufferevent", "tricks", "evbuffer", "bare"]

SOURCE_BYTES = 64 << 20  # a source ends: what is lost at the end would be seen

# name: (service, what a cost is counted per, options of load)
WORK = {
    "64 B echo, saturated": ("echo", "message", ["--sessions=64", "--size=64"]),
    "64 B echo, 20,000/s": ("echo", "message", ["--sessions=64", "--size=64", "--rate=20000"]),
    "64 B echo, 16 in flight": ("echo", "message", ["--sessions=64", "--size=64", "--inflight=16"]),
    "64 KiB echo": ("echo", "MiB", ["--sessions=8", "--size=65536", "--inflight=2"]),
    "flood to the service": ("sink", "MiB", ["--mode=flood-to", "--sessions=4", "--size=65536"]),
    "flood from the service": ("source", "MiB", ["--mode=flood-from", "--sessions=4", "--bytes=%d" % SOURCE_BYTES]),
    "connect, echo, close": ("echo", "message", ["--mode=connect", "--sessions=32", "--size=64"]),
}

NGINX = """load_module {module};
daemon off;
worker_processes {workers};
pid {prefix}/nginx.pid;
error_log stderr error;
events {{ worker_connections 20000; }}
stream {{
	access_log off;
	proxy_buffer_size 64k;
{servers}
}}
"""


class Process:
    """A started program whose address is the first one that it says on stdout or stderr."""

    def __init__(self, argv, address=None):
        self.child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.address = address or self.read_address(argv)

    def read_address(self, argv):
        """Reads lines until one has an address."""
        for line in self.child.stdout:
            found = re.search(rb"(127\.0\.0\.1|\[::1\]):([0-9]+)", line)
            if found:
                return found.group().decode()
            sys.stderr.write(line.decode(errors="replace"))
        raise SystemExit("%s said no address" % argv)

    def stop(self):
        """Ends the program and waits for it."""
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def wait_until_open(address):
    """Returns when something accepts connections there."""
    host, port = address.rsplit(":", 1)
    for _ in range(500):
        try:
            socket.create_connection((host, int(port))).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.01)
    raise SystemExit("nothing listens on " + address)


def free_addresses(n):
    """Picks n addresses that were free a moment ago (nginx can't pick its own)."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    addresses = ["127.0.0.1:%d" % s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return addresses


def start_nginx(services, args, prefix):
    """One nginx in front of all services: {service: (url, pid)}."""
    addresses = dict(zip(services, free_addresses(len(services))))
    servers = "\n".join(
        "\tserver { listen %s backlog=4096; proxy_pass %s; }" % (addresses[name], service.address)
        for name, service in services.items()
    )
    conf = os.path.join(prefix, "nginx.conf")
    with open(conf, "w", encoding="ascii") as file:
        file.write(NGINX.format(module=args.nginx_module, workers=args.workers, prefix=prefix, servers=servers))
    process = Process([args.nginx, "-e", "stderr", "-p", prefix, "-c", conf], address="-")
    for address in addresses.values():
        wait_until_open(address)
    return [process], {name: ("tcp://" + address, process.child.pid) for name, address in addresses.items()}


def start_relay(services, args, mode):
    """A relay for each service."""
    relays = {name: Process([args.bench + "/relay", mode, s.address]) for name, s in services.items()}
    return list(relays.values()), {name: ("tcp://" + r.address, r.child.pid) for name, r in relays.items()}


def start_wsluice(services, args):
    """A gateway for each service."""
    gateways = {
        name: Process(
            [args.wsluice, "--port=0", "--set", "gateway.workers=%d" % args.workers, "--connect=tcp://" + s.address]
        )
        for name, s in services.items()
    }
    return list(gateways.values()), {
        name: ("ws://" + g.address + "/", g.child.pid) for name, g in gateways.items()
    }


def run_load(args, url, pid, options):
    """One run of the load generator: its report."""
    argv = [args.bench + "/load", "--to=" + url, "--pid=%d" % pid, "--children", "--json"]
    argv += ["--seconds=%g" % args.seconds, "--warmup=%g" % (args.seconds / 5)] + options
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=False, timeout=60 + args.seconds)
    if done.returncode != 0:
        raise SystemExit("failed: " + " ".join(argv))
    return json.loads(done.stdout)


def cost(report, unit):
    """CPU microseconds for each message or MiB."""
    n = report["messages"] if unit == "message" else report["bytes"] / 1048576
    return report["cpu_seconds"] * 1e6 / n


def speed(report):
    """Messages or bytes a second, whichever: only ratios are used."""
    return (report["bytes"] or report["messages"]) / report["seconds"]


def compare(args, contestants):
    """All rounds: {work: {contestant: [(cost, speed, p99), ...]}}."""
    results = {work: {name: [] for name in contestants} for work in args.work}
    for turn in range(args.rounds):
        for work in args.work:
            service, unit, options = WORK[work]
            for name, targets in contestants.items():
                report = run_load(args, *targets[service], options)
                results[work][name].append((cost(report, unit), speed(report), report["p99_us"]))
        print("round %d of %d done" % (turn + 1, args.rounds), file=sys.stderr)
    return results


def ratio(results, name, column):
    """The median over the rounds of a figure's ratio to nginx's in the same round, and the quartiles."""
    ratios = [a[column] / b[column] for a, b in zip(results[name], results["nginx"])]
    low, middle, high = statistics.quantiles(ratios, method="inclusive") if len(ratios) > 1 else ratios * 3
    return "**%.2f** %.2f-%.2f" % (middle, low, high)


def table(args, results, names, column, title):
    """The figures as a Markdown table."""
    lines = ["", title, "", "| work | nginx | " + " | ".join(names) + " |", "| --- |" + " --- |" * (len(names) + 1)]
    for work in args.work:
        mine = statistics.median(row[column] for row in results[work]["nginx"])
        own = "%.1f us/%s" % (mine, WORK[work][1]) if column == 0 else "1"
        ratios = [ratio(results[work], name, column) for name in names]
        lines.append("| %s | %s | %s |" % (work, own, " | ".join(ratios)))
    return "\n".join(lines)


def parse_args():
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default="build/tests/bench", help="where load, tcpd and relay are")
    parser.add_argument("--relay", action="append", choices=RELAYS + ["none"], help="default: all; none: none")
    parser.add_argument("--wsluice", help="the gateway's binary: a contestant too")
    parser.add_argument("--workers", type=int, default=1, help="threads of wsluice, processes of nginx")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each run")
    parser.add_argument("--work", action="append", choices=list(WORK), help="default: all")
    parser.add_argument("--nginx", default="/usr/sbin/nginx")
    parser.add_argument("--nginx-module", default="/usr/lib/nginx/modules/ngx_stream_module.so")
    args = parser.parse_args()
    args.work = args.work or list(WORK)
    args.relay = [mode for mode in args.relay or RELAYS if mode != "none"]
    return args


def main():
    """Starts all, compares, prints, stops all."""
    args = parse_args()
    processes = []
    with tempfile.TemporaryDirectory() as prefix:
        try:
            services = {}
            for mode in ("echo", "sink", "source"):
                services[mode] = Process([args.bench + "/tcpd", "--mode=" + mode, "--bytes=%d" % SOURCE_BYTES])
                processes.append(services[mode])
            started = {"nginx": start_nginx(services, args, prefix)}
            started.update({mode: start_relay(services, args, mode) for mode in args.relay})
            if args.wsluice:
                started["wsluice"] = start_wsluice(services, args)
            processes += [process for mine, _ in started.values() for process in mine]
            results = compare(args, {name: targets for name, (_, targets) in started.items()})
            names = [name for name in started if name != "nginx"]
            print("Medians and quartiles of %d rounds of %g s." % (args.rounds, args.seconds))
            print(table(args, results, names, 0, "CPU time, nginx absolute, the others as a ratio to it:"))
            print(table(args, results, names, 1, "Throughput as a ratio to nginx's:"))
        finally:
            for process in reversed(processes):
                process.stop()


if __name__ == "__main__":
    main()
