"""What ``--overwrite`` moves aside, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgedigits.errors import UsageError
from edgedigits.run import create_run


def run(path: Path, model: str | None) -> Path:
    path.mkdir()
    (path / "run.json").write_text("{}")
    if model is not None:
        (path / "model.keras").write_text(model)
    return path


def test_a_run_is_moved_aside_and_the_one_before_it_goes(tmp_path: Path) -> None:
    run(tmp_path / "a", "new")
    run(tmp_path / "a.previous", "old")
    create_run(tmp_path / "a", overwrite=True)
    assert (tmp_path / "a.previous/model.keras").read_text() == "new"
    assert not list((tmp_path / "a").iterdir())


def test_a_run_that_never_had_a_model_does_not_replace_one_that_has(tmp_path: Path) -> None:
    run(tmp_path / "a", None)
    run(tmp_path / "a.previous", "good")
    create_run(tmp_path / "a", overwrite=True)
    assert (tmp_path / "a.previous/model.keras").read_text() == "good"
    assert not list((tmp_path / "a").iterdir())


def test_a_folder_of_that_name_that_is_no_run_is_left_alone(tmp_path: Path) -> None:
    run(tmp_path / "a", "new")
    (tmp_path / "a.previous").mkdir()
    (tmp_path / "a.previous/mine.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"a\.previous: is not a run, and .*a would be moved"):
        create_run(tmp_path / "a", overwrite=True)
    assert (tmp_path / "a.previous/mine.txt").read_text() == "mine"
    assert (tmp_path / "a/model.keras").read_text() == "new"
