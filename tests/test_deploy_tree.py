"""The folder on a device: what is kept, what is gone back to, what a cut deploy leaves."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from edgedigits.remote.there.environment import trim
from edgedigits.remote.there.talking import Trouble
from edgedigits.remote.there.tree import KEPT, READY, Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "opt")


def place(tree: Tree, environment: str = "a") -> int:
    """What a deploy does last: a whole release, the switch, and the rest removed."""
    current = tree.current()
    number = max([0, *tree.numbers()]) + 1
    release = tree.releases / str(number)
    release.mkdir()
    (tree.venvs / environment).mkdir(exist_ok=True)
    (tree.venvs / environment / READY).touch()
    (release / "venv").symlink_to(f"../../venvs/{environment}")
    before = None if current is None else int(current.name)
    (release / "release.json").write_text(json.dumps({"before": before}))
    tree.switch(release)
    tree.prove(release)
    tree.prune()
    return number


def test_the_last_three_are_kept(tree: Tree) -> None:
    with tree.alone():
        for number in range(1, KEPT + 3):
            assert place(tree) == number
            assert tree.numbers() == list(range(max(1, number - KEPT + 1), number + 1))


def test_after_going_back_what_ran_is_kept_and_gone_back_to(tree: Tree) -> None:
    with tree.alone():
        for _ in range(5):
            place(tree)
        tree.switch(tree.releases / "3")
        assert place(tree) == 6
        assert tree.numbers() == [3, 5, 6]
        current = tree.current()
        assert current is not None
        assert tree.before(current) == tree.releases / "3"  # which ran, not 5


def test_environments_stay_as_long_as_a_release_uses_them(tree: Tree) -> None:
    with tree.alone():
        for environment in ("a", "b", "b", "b"):
            place(tree, environment)
        assert sorted(path.name for path in tree.venvs.iterdir()) == ["b"]
        place(tree, "c")
        assert sorted(path.name for path in tree.venvs.iterdir()) == ["b", "c"]


def test_the_current_release_and_its_environment_always_stay(tree: Tree) -> None:
    rng = random.Random(1)
    with tree.alone():
        for _ in range(60):
            place(tree, rng.choice("abcd"))
            if rng.random() < 0.4:
                tree.switch(tree.releases / str(rng.choice(tree.numbers())))
                tree.prune()
            current = tree.current()
            assert current is not None
            assert (current / "venv" / READY).is_file()
            assert len(tree.numbers()) <= KEPT


def test_what_a_cut_deploy_left_is_cleared_and_nothing_else(tree: Tree) -> None:
    with tree.alone():
        place(tree)
        (tree.releases / ".unfinished-2").mkdir()
        (tree.venvs / "half").mkdir()
        tree.incoming.mkdir()
        (tree.prefix / ".unfinished-current-1").symlink_to("releases/2")
        (tree.prefix / "notes.txt").write_text("mine")
    with tree.alone():
        there = sorted(path.name for path in tree.prefix.iterdir())
        assert there == [
            *("current", "models", "notes.txt", "releases", "service.json", "venv", "venvs"),
        ]
        assert [path.name for path in tree.releases.iterdir()] == ["1"]
        assert [path.name for path in tree.venvs.iterdir()] == ["a"]


def test_two_cannot_hold_it(tree: Tree) -> None:
    other = Tree(tree.prefix)
    with tree.alone(), pytest.raises(Trouble, match="another deploy"), other.alone():
        pass
    with other.alone():
        pass


def test_links_lead_to_what_is_current(tree: Tree) -> None:
    with tree.alone():
        number = place(tree)
    assert (tree.prefix / "venv").resolve() == (tree.venvs / "a").resolve()
    assert (tree.prefix / "models").readlink() == Path("current/models")
    release = tree.current()
    assert release is not None
    assert release.name == str(number)
    assert tree.facts(release)["proven"]


def test_what_only_builders_and_testers_need_is_trimmed(tmp_path: Path) -> None:
    kept = ("numpy/core.py", "numpy/testing/utils.py", "ai_edge_litert/libLiteRt.so", "a/test.py")
    gone = (
        *("numpy/tests/test_a.py", "numpy/_core/include/numpy/arrayobject.h", "a/b.pyi"),
        *("ai_edge_litert/tools/x", "ai_edge_litert/vendors/y/z.so", "numpy/f2py/f.py"),
        "ai_edge_litert/libLiteRtWebGpuAccelerator.so",
    )
    for name in (*kept, *gone):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    trim(tmp_path)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == set(kept)
