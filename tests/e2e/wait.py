"""Waiting for a condition, with a deadline. Nothing else in these tests waits."""
import time


def eventually(condition, what, timeout=10.0):
    """Polls until condition() is true and returns its value; fails with `what` (a text, or a function) at the deadline."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what() if callable(what) else what}")
        time.sleep(0.005)
