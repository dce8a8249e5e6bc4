"""What each work costs is within 5 % of baseline.json, in calls the same. Lower is as wrong as higher, until the baseline
says so too: one that is too high lets that much be lost again unseen."""
import os
import warnings
from pathlib import Path

import before
import compare
import pytest
import report
from works import WORKS

ROOT = Path(__file__).resolve().parents[2]
BASELINE = Path(__file__).with_name("baseline.json")


@pytest.fixture(scope="session")
def now():
    """The report of the build under test."""
    return report.measure(Path(os.environ.get("WSLUICE", ROOT / "build/wsluice")), WORKS)


@pytest.fixture(scope="session")
def rebuilt(now):
    """The report of the baseline's commit, built here, of the works that the file's can't be compared with."""
    saved = report.load(BASELINE)
    works = [work for work in WORKS if compare.differs(saved, now, work.name)]
    try:
        return report.measure(before.build(ROOT, BASELINE, now["made with"]["compiler"]), works)
    except before.Unknown as why:
        return f"no build of the baseline's commit to compare with instead: {why}"


def base_of(name, now, request):
    """The baseline of a work, or what takes its place here."""
    saved = report.load(BASELINE)
    others = "; ".join(compare.differs(saved, now, name))
    if not others:
        return saved
    base = request.getfixturevalue("rebuilt")
    if isinstance(base, str):
        pytest.fail(f"{name}: the baseline is of {others}; {base}", pytrace=False)
    still = "; ".join(compare.differs(base, now, name))
    if still:
        pytest.fail(f"{name}: the baseline's commit was built with {still}: CC is another here", pytrace=False)
    warnings.warn(f"the baseline is of {others}: compared with a build of its commit instead")
    return base


@pytest.mark.parametrize("name", [work.name for work in WORKS])
def test_cost(name, now, request):
    said = compare.work(name, base_of(name, now, request), now)
    if said:
        pytest.fail("\n".join([f"{name}:", *said]), pytrace=False)
