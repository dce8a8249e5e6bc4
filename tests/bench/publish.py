"""docs/performance.md: what is between its marks comes from a report; all else in it is written by hand."""
import os
import re

import chart
import report
import sizing


class NoMark(Exception):
    """A document without the marks between which something belongs."""


def put(text, name, new):
    """The text with what is between <!-- NAME: ... --> and <!-- end of NAME --> replaced."""
    pattern = r"(<!-- %s:[^>]*-->\n).*?(<!-- end of %s -->)" % (name, name)
    found = re.search(pattern, text, re.DOTALL)
    if not found:
        raise NoMark("no marks of '%s'" % name)
    return text[: found.end(1)] + new + "\n" + text[found.start(2) :]


def into(data, path):
    """Puts a report into the document, and the chart beside it."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    text = put(text, "report", report.full(data))
    text = put(text, "sizing", sizing.section(data))
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    chart.draw(data, os.path.splitext(path)[0] + ".svg")
