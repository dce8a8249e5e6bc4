"""Waiting for a condition, with a deadline. Nothing else in these tests waits."""
import functools
import threading
import time

played = None  # by promptly(), at present: when each thread did something, {thread: times}


def eventually(condition, what, timeout=60):
    """Polls until condition() is true and returns its value; fails with `what` (a text, or a function) at the deadline."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what() if callable(what) else what}")
        time.sleep(0.005)


def tick():
    """This thread did something that the gateway may have a time for; wsraw says so for each read and write."""
    if played is not None:
        played.setdefault(threading.get_ident(), []).append(time.monotonic())


def again_if(play, was_late):
    """play(), and again for more than a minute when it fails though it was the test that was not given the CPU in time."""
    begin = time.monotonic()
    while True:
        try:
            return play()
        except (AssertionError, EOFError, OSError):
            if not was_late() or time.monotonic() - begin > 100:
                raise


def is_late(ticks, late):
    """Were there so many seconds between two of them, or since the last one?"""
    return any(after - before >= late for before, after in zip(ticks, [*ticks[1:], time.monotonic()]))


def in_time(play, late):
    """play(tick), for a test that has to do something again and again before a time of the gateway's is up, and calls
    tick() whenever it did. When it fails though `late` seconds went by between two ticks, it was the test that was not
    given the CPU in time: then it is played again."""
    ticks = []

    def once():
        ticks[:] = [time.monotonic()]
        return play(lambda: ticks.append(time.monotonic()))

    return again_if(once, lambda: is_late(ticks, late))


def promptly(play, late=0.25):
    """play(), for a test that is given the gateway's own times for an end (seconds) and could miss them only if it had no
    CPU: the same, but who ticks is any thread of it that reads or writes."""

    def once():
        global played
        played = {}
        tick()
        return play()

    try:
        return again_if(once, lambda: any(is_late(ticks, late) for ticks in played.values()))
    finally:
        forget()


def forget():
    global played
    played = None


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
        assert time.monotonic() < deadline, f"still moving after {timeout} s: {last}"
        time.sleep(0.01)
        now = value()
        if now != last:
            last, since = now, time.monotonic()
    return last
