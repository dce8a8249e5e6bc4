"""Programs for tests, written as shell scripts, and one that is none."""
import stat

# Notes in a file each line that it reads, the end of its input, and TERM, by which it dies: whatever it has read before
# that is noted before. A shell would take the signal between a line and what it does with it, or sleep through it.
NOTES = """#!/usr/bin/python3 -IS
import os, select, signal
log, data, (woken, wake) = os.open("{}", os.O_WRONLY | os.O_CREAT | os.O_APPEND), b"", os.pipe()
os.set_blocking(wake, False)
signal.signal(signal.SIGTERM, lambda *_: None)
signal.set_wakeup_fd(wake)
while True:
    if 0 not in select.select([0, woken], [], [])[0]:
        os.write(log, b"TERM\\n")
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
    got = os.read(0, 65536)
    if not got:
        os.write(log, b"EOF " + data + b"\\n")
        os._exit(0)
    *lines, data = (data + got).split(b"\\n")
    os.write(log, b"".join(b"ran " + line + b"\\n" for line in lines))
"""


def script(directory, name, text):
    """Writes an executable sh script and returns its path."""
    path = directory / name
    directory.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def notes(directory, name, log):
    """A program of NOTES that writes this log."""
    path = directory / name
    directory.mkdir(parents=True, exist_ok=True)
    path.write_text(NOTES.format(log))
    path.chmod(0o755)
    return path
