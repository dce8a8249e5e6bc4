"""Waiting for a condition, with a deadline. Nothing else in these tests waits."""
import functools
import glob
import os
import threading
import time
import warnings

BEAT = 0.02  # seconds
REPLAYS = 3  # of one test at most, ...
WITHIN = 50  # ... and none later than this: shorter than any wait for what never comes


class Deadline(AssertionError):
    """Something did not come, however long it was waited for."""


def eventually(condition, what, timeout=60):
    """Polls until condition() is true and returns its value; fails with `what` (a text, or a function) at the deadline."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Deadline(f"not within {timeout} s: {what() if callable(what) else what}")
        time.sleep(0.005)


def waited_for_cpu():
    """How long each thread of this process and of those below it could have run and had no CPU: {thread: seconds}."""
    found, pids = {}, [os.getpid()]
    for pid in pids:
        for task in glob.glob(f"/proc/{pid}/task/*"):
            try:
                with open(f"{task}/schedstat") as schedstat, open(f"{task}/children") as children:
                    found[task] = int(schedstat.read().split()[1]) / 1e9
                    pids += children.read().split()
            except OSError:
                pass  # it has ended
    return found


class Lateness:
    """How late the machine has been since this was made. Who waits for another one, be it for ever, is not late: it is
    who wants to run and can't, of the threads of the test, of its gateways and of their programs; or else the heart
    beats late, and the whole test, or the whole machine, stood still."""

    def __init__(self):
        self.before, self.gap, self.over = waited_for_cpu(), 0, threading.Event()
        threading.Thread(target=self.beat, daemon=True).start()

    def beat(self):
        while not self.over.is_set():
            begin = time.monotonic()
            self.over.wait(BEAT)
            self.gap = max(self.gap, time.monotonic() - begin - BEAT)

    def seconds(self):
        return max(self.gap, sum(now - self.before.get(task, 0) for task, now in waited_for_cpu().items()))


def promptly(play, late=0.25):
    """play(), for a test that has to do something, or has it done by a program, before a time of the gateway's is up. When
    it fails and the machine was `late` seconds late meanwhile, it is played again, which a warning tells. What fails at a
    deadline hangs, and that it would do on any machine."""
    begin = time.monotonic()
    for n in range(REPLAYS + 1):
        lateness = Lateness()
        try:
            return play()
        except (Deadline, TimeoutError):
            raise
        except (AssertionError, EOFError, OSError) as error:
            seconds = lateness.seconds()
            if seconds < late or n == REPLAYS or time.monotonic() - begin > WITHIN:
                raise
            warnings.warn(f"played again, since the machine was {seconds:.2f} s late: {error!r:.500}")
        finally:
            lateness.over.set()


def prompt(test):
    """For a test that promptly() is to play; its gateway, `gw`, is at rest each time."""

    @functools.wraps(test)
    def run(**fixtures):
        def play():
            if "gw" in fixtures:
                fixtures["gw"].rest()
            return test(**fixtures)

        return promptly(play)

    return run


def plateau(value, window=0.3, timeout=60.0):
    """Polls until value() has not changed for `window` seconds, and returns it: whoever moves it has been stopped."""
    deadline = time.monotonic() + timeout
    last, since = value(), time.monotonic()
    while time.monotonic() - since < window:
        if time.monotonic() > deadline:
            raise Deadline(f"still moving after {timeout} s: {last}")
        time.sleep(0.01)
        now = value()
        if now != last:
            last, since = now, time.monotonic()
    return last
