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
