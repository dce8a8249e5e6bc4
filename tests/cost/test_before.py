"""From what the baseline's gateway is built: its commit, when that can be found; else a sentence says why not."""
import os
import subprocess

import before
import pytest

MAKEFILE = "build/wsluice:\n\tmkdir -p build\n\tcp text $@\n"


def git(directory, *words):
    """Runs it, as somebody."""
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a"}
    nothing = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CEILING_DIRECTORIES": str(directory.parent)}
    environment = {**os.environ, **who, **nothing}
    run = subprocess.run(["git", "-C", directory, *words], check=True, capture_output=True, text=True, env=environment)
    return run.stdout.strip()


def committed(directory, **files):
    """A commit with these files changed; its name."""
    for name, text in files.items():
        (directory / name).write_text(text)
    git(directory, "add", ".")
    git(directory, "commit", "-q", "-m", "x")
    return git(directory, "rev-parse", "HEAD")


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Three commits, of which the second made the baseline; .second is its name."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setattr(before.report, "compiler", lambda binary: ["GCC"])
    directory = tmp_path / "tree"
    directory.mkdir()
    git(directory, "init", "-q")
    committed(directory, Makefile=MAKEFILE, text="first")
    committed(directory, baseline="{}", text="second")
    committed(directory, text="third")
    return directory


def cloned(tree, depth):
    """A shallow clone."""
    git(tree, "clone", "-q", f"--depth={depth}", f"file://{tree}", "clone")
    return tree / "clone"


def built(tree):
    """What the gateway of the baseline's commit was made of."""
    return before.build(tree, tree / "baseline", ["GCC"]).read_text()


@pytest.mark.parametrize("depth", [None, 3])
def test_the_commit_that_changed_the_baseline_is_built(tree, depth):
    assert built(cloned(tree, depth) if depth else tree) == "second"


@pytest.mark.parametrize("depth", [1, 2])
def test_a_shallow_clone_that_may_begin_later_says_so(tree, depth):
    """The first commit it has would seem to be the baseline's, and nothing would have grown since."""
    with pytest.raises(before.Unknown, match="git fetch --unshallow"):
        built(cloned(tree, depth))


def test_a_tree_without_git_says_so(tree):
    (tree / ".git").rename(tree / "other")
    with pytest.raises(before.Unknown, match="not a git repository"):
        built(tree)


def test_a_machine_without_git_says_so(tree, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(before.Unknown, match="there is no git here"):
        built(tree)


def test_a_baseline_that_was_never_committed_says_so(tree):
    with pytest.raises(before.Unknown, match="no commit has other"):
        before.build(tree, tree / "other", ["GCC"])


def test_a_commit_that_does_not_compile_says_so(tree):
    commit = committed(tree, baseline="{ }", Makefile="build/wsluice:\n\tfalse\n")
    with pytest.raises(before.Unknown, match=f"commit {commit[:12]} can't be built here: .*Error 1"):
        built(tree)


def test_it_is_built_once_and_again_by_another_compiler(tree, monkeypatch):
    binary = before.build(tree, tree / "baseline", ["GCC"])
    binary.write_text("kept")
    assert built(tree) == "kept"
    monkeypatch.setattr(before.report, "compiler", lambda binary: ["older"])
    assert built(tree) == "second"
