"""Programs for tests, written as shell scripts."""
import stat


def script(directory, name, text):
    """Writes an executable sh script and returns its path."""
    path = directory / name
    directory.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path
