"""Waiting for a condition, with a deadline. Nothing else in these tests waits."""
import time


def eventually(condition, what, timeout=30):
    """Polls until condition() is true and returns its value; fails with `what` (a text, or a function) at the deadline."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what() if callable(what) else what}")
        time.sleep(0.005)


def in_time(play, late):
    """play(tick), for a test that has to do something again and again before a time of the gateway's is up, and calls
    tick() whenever it did. When it fails though `late` seconds went by between two ticks, it was the test that was not
    given the CPU in time: then it is played again, for a minute."""
    begin = time.monotonic()
    while True:
        ticks = [time.monotonic()]
        try:
            return play(lambda: ticks.append(time.monotonic()))
        except (AssertionError, EOFError, OSError):
            ticks.append(time.monotonic())
            gap = max(after - before for before, after in zip(ticks, ticks[1:]))
            if gap < late or ticks[-1] - begin > 60:
                raise


def plateau(value, window=0.3, timeout=20.0):
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
