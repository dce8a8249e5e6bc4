"""Programs that a run starts and that are gone when it ends. What they say goes to a file."""
import itertools
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time

LONGEST_START = 60  # seconds
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # that end a run


class NotStarted(SystemExit):
    """A program that does not run: the whole comparison ends with this sentence."""


class Process:
    """A program in a session of its own, so that a Ctrl-C reaches this runner only, and all of it can be ended."""

    def __init__(self, name, argv, directory):
        self.name = name
        self.log = os.path.join(directory, name.replace("/", "-") + ".log")
        try:
            with open(self.log, "ab") as log:
                self.child = subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
        except OSError as error:
            raise NotStarted("compare: %s: %s: %s" % (name, argv[0], error.strerror)) from error
        self.pid = self.child.pid

    def said(self):
        """What it wrote so far."""
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def wait_for(self, condition, what):
        """Returns what the condition gives once that is true. The run is over if the program ends first, or is slow."""
        deadline = time.monotonic() + LONGEST_START
        while time.monotonic() < deadline:
            found = condition()
            if found:
                return found
            if self.child.poll() is not None:
                break
            time.sleep(0.005)
        ended = self.child.poll()
        how = "%s within %d s" % (what, LONGEST_START) if ended is None else "it ended with status %d" % ended
        raise NotStarted("compare: %s did not start: %s\n%s" % (self.name, how, self.said()[-2000:]))

    def read_address(self):
        """The first address that it says."""
        pattern = re.compile(r"(?:127\.0\.0\.1|\[::1\]):[0-9]+")
        return self.wait_for(lambda: pattern.search(self.said()), "said no address").group()

    def wait_until_open(self, addresses):
        """Returns when it accepts connections at all of them."""
        for address in addresses:
            self.wait_for(lambda: accepts(address), "accepted no connection at " + address)

    def stop(self):
        """Ends the program and all that it left behind in its session."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(30)
            except subprocess.TimeoutExpired:
                say("compare: %s had to be killed" % self.name)
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.child.wait()


def ignore_signals():
    """From now on nothing interrupts the end of the run."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def say(text):
    """Says how it goes, if somebody still listens; what was measured is not lost with a terminal."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def accepts(address):
    """Does something accept connections there?"""
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


given = []  # a name that only one process can have for each port that was given away last


def take_port(port):
    """Is it free, and ours? The tests in tests/e2e, which may run at the same time, ask the same way."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind("\0wsluice-tests-port-%d" % port)
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        name.close()
        return False
    given.append(name)
    return True


def free_addresses(n):
    """Picks n addresses that are free, for those that can't pick their own or don't say which. They stay so until the next
    are picked: they are below those that the kernel might give to somebody else, as a client's or for a listener without
    a port of its own."""
    while given:
        given.pop().close()
    ports = range(10000, 30000)
    found = list(itertools.islice(filter(take_port, random.sample(ports, len(ports))), n))
    if len(found) < n:
        raise NotStarted("compare: there are no %d free ports from %d to %d" % (n, ports[0], ports[-1]))
    return ["127.0.0.1:%d" % port for port in found]
