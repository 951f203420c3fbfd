"""What ``--overwrite`` moves aside, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgedigits.errors import UsageError
from edgedigits.new_run import check_new_run, create_run
from edgedigits.train import TrainSettings, train
from edgedigits.train.importing import import_model


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


@pytest.mark.parametrize("name", ["a", "a/model.keras", "link", "a.previous/model.keras"])
def test_what_a_run_is_made_from_is_not_moved_aside_with_it(name: str, tmp_path: Path) -> None:
    run(tmp_path / "a", "new")
    run(tmp_path / "a.previous", "old")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    sources = [("--init other", tmp_path / "other"), (f"--init {name}", tmp_path / name)]
    with pytest.raises(UsageError, match=rf"--init {name}: lies in .*, which --run .*/a --overw"):
        check_new_run(tmp_path / "a", overwrite=True, sources=sources)
    check_new_run(tmp_path / "a", overwrite=True, sources=sources[:1])
    check_new_run(tmp_path / "new", overwrite=True, sources=[("--init", tmp_path / "new.previous")])


@pytest.mark.parametrize(
    "settings",
    [
        TrainSettings("tiny-cnn", init="a"),
        TrainSettings("tiny-cnn", init="a/model.keras"),
        TrainSettings("tiny-cnn", init="a.previous"),
        TrainSettings("tiny-cnn", teacher="b,a"),
        TrainSettings("tiny-cnn", data="a/data.npz"),
        TrainSettings(finetune="a", crops="crops"),
    ],
)
def test_a_training_from_the_run_it_would_overwrite_is_refused(
    settings: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "a.previous"):
        run(tmp_path / name, name)
    (tmp_path / "a/run.json").write_text(
        '{"schema_version": 1, "settings": {"model": "tiny-cnn", "batch_size": 32, "augment": '
        'false, "augment_strength": 1, "validation": 0.1, "precision": "float32", '
        '"learning_rate": 0.001}, "data": {"name": "digits"}}'
    )
    with pytest.raises(UsageError, match=r"--\w+ \S+: lies in a.*, which --run a --overwrite"):
        train(settings, Path("a"), overwrite=True)
    assert (tmp_path / "a/model.keras").read_text() == "a"
    assert (tmp_path / "a.previous/model.keras").read_text() == "a.previous"


def test_an_import_of_the_run_it_would_overwrite_is_refused(tmp_path: Path) -> None:
    run(tmp_path / "a", "new")
    with pytest.raises(UsageError, match=r"model\.keras: lies in .*/a, which --run"):
        import_model(tmp_path / "a/model.keras", "digits", tmp_path / "a", overwrite=True)
    assert (tmp_path / "a/model.keras").read_text() == "new"


@pytest.mark.parametrize("name", [".", "..", "../a", "../a/sub/..", "{}/a", "sub/.."])
def test_the_folder_one_stands_in_is_not_moved(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run(tmp_path / "a", "new") / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "a/sub" if name == ".." else tmp_path / "a")
    with pytest.raises(UsageError, match="is the folder you stand in, or one above it"):
        create_run(Path(name.format(tmp_path)), overwrite=True)
    assert (tmp_path / "a/model.keras").read_text() == "new"


def test_links_are_not_followed(tmp_path: Path) -> None:
    run(tmp_path / "real", "new")
    run(tmp_path / "a", "other")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "a.previous").symlink_to("real")
    (tmp_path / "nowhere").symlink_to("none")
    for name, said in (
        ("link", r"/link: is a symbolic link to .*/real, and --overwrite would move the link only"),
        ("a", r"/a\.previous: is a symbolic link, and .*/a would be moved there"),
        ("nowhere", "/nowhere: is a symbolic link that leads nowhere"),
    ):
        with pytest.raises(UsageError, match=said):
            create_run(tmp_path / name, overwrite=True)
    assert (tmp_path / "link/model.keras").read_text() == "new"
    assert (tmp_path / "a/model.keras").read_text() == "other"


UNFINISHED = '{"schema_version": 1, "settings": {}, "training": {"complete": false}}'


def test_resume_is_advised_only_where_it_works(tmp_path: Path) -> None:
    manifest = run(tmp_path / "a", None) / "run.json"
    anew = "already holds a run; add --overwrite, or name another --run"
    for content, resume, said in (
        (UNFINISHED, True, anew.replace("add", "add --resume,")),
        (UNFINISHED, False, anew),  # as demo and import, which have no --resume
        (UNFINISHED.replace("false", "true"), True, anew),
        ('{"schema_version": 1, "model": {"origin": "imported"}}', True, anew),
        ("damaged", True, anew),
    ):
        manifest.write_text(content)
        with pytest.raises(UsageError, match=said):
            check_new_run(tmp_path / "a", resume=resume)
