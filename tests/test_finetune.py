"""Fine-tuning on labelled crops: learns them, forgets little, and is on record."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import RunCli
from helpers_crops import labelled_crops, noise_crops, write_crops
from helpers_training import small_npz, some_digits

from edgedigits.data.crops import is_for_choosing, is_held_out
from edgedigits.errors import RunError, UsageError
from edgedigits.files import file_digest
from edgedigits.keras_files import load_keras
from edgedigits.run import RunFolder
from edgedigits.run_data import load_run_data, load_split
from edgedigits.train import TrainSettings, measure, resume, train
from edgedigits.train.finetuning import choosing_pictures, filled_from_run, replayed
from edgedigits.train.settings import plan

NEW = 240
SHAPE = (28, 28, 1)


def mirrored() -> tuple[np.ndarray, list[int]]:
    """Digits in mirror writing, of which the old model knows nothing."""
    pictures = some_digits(NEW, start=600)
    assert pictures.labels is not None
    return np.ascontiguousarray(pictures.images[:, :, ::-1]), pictures.labels.tolist()


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    images, labels = mirrored()
    extra = noise_crops(8)
    folder = tmp_path_factory.mktemp("crops") / "unsure"
    return labelled_crops(folder, np.concatenate([images, extra]), [*labels, *[10] * 8])


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("old")
    data = small_npz(folder / "small.npz", train=600, test=200)
    return train(TrainSettings("tiny-cnn", str(data), epochs=8, seed=3), folder / "run").run


@pytest.fixture(scope="module")
def new(old: RunFolder, crops: Path) -> RunFolder:
    settings = TrainSettings(
        finetune=str(old.path), crops=str(crops), replay=2, learning_rate=2e-3, epochs=8
    )
    return train(settings, old.path.with_name("new")).run


@pytest.mark.slow
def test_it_learns_the_crops_and_keeps_the_old(old: RunFolder, new: RunFolder) -> None:
    images, labels = mirrored()
    held = is_held_out(images)
    data = load_run_data(new)
    before, after = (load_keras(run.model_file()) for run in (old, new))

    def right(model: object, part: np.ndarray, truth: np.ndarray) -> float:
        answers = model.predict(part[..., None].astype(np.float32) / 255, verbose=0)  # type: ignore[attr-defined]
        return float((answers.argmax(axis=1) == truth).mean())

    truth = np.array(labels)[held]
    assert right(after, images[held], truth) > right(before, images[held], truth) + 0.2
    lost = measure(before, data.test, SHAPE)[1] - measure(after, data.test, SHAPE)[1]
    assert lost < 0.03


@pytest.mark.slow
def test_old_parts_stay_and_no_held_out_crop_is_learnt(
    old: RunFolder, new: RunFolder, crops: Path
) -> None:
    images, _ = mirrored()
    before, after = load_run_data(old), load_run_data(new)
    assert before.test.digest == after.test.digest
    assert before.validation.digest == after.validation.digest
    np.testing.assert_array_equal(load_split(old).validation, load_split(new).validation)
    assert after.crops is not None
    learnt = {image.tobytes() for image in after.train.images[len(before.train) :]}
    aside = {image.tobytes() for image in after.crops.choosing.images}
    held, choosing = is_held_out(images), is_for_choosing(images)
    assert learnt == {image.tobytes() for image in images[~held & ~choosing]}
    assert aside == {image.tobytes() for image in images[~held & choosing]}
    # What a calibration set is recorded by leads to the crops too.
    last = int(after.train_indices[-1])
    np.testing.assert_array_equal(after.dataset.train.images[last], after.train.images[-1])


@pytest.mark.slow
def test_what_is_recorded(old: RunFolder, new: RunFolder, crops: Path) -> None:
    manifest = new.manifest()
    images, labels = mirrored()
    learnt = ~is_held_out(images) & ~is_for_choosing(images)
    counts = np.bincount(np.array(labels)[learnt], minlength=10).tolist()
    assert manifest["crops"]["labels"] == counts
    assert manifest["crops"]["train"] == learnt.sum()
    assert manifest["crops"]["origin"] == str(crops)
    assert manifest["finetuned_from"] == str(old.path)
    assert manifest["init_sha256"] == file_digest(old.model_file())
    assert manifest["data"]["digest"] == old.manifest()["data"]["digest"]
    settings = manifest["settings"]
    assert (settings["model"], settings["replay"], settings["schedule"]) == (
        "tiny-cnn", 2, "cosine",
    )  # fmt: skip


@pytest.mark.slow
def test_an_epoch_shows_every_crop_and_a_draw_of_the_old(new: RunFolder, crops: Path) -> None:
    data = load_run_data(new)
    assert data.crops is not None
    made = plan(TrainSettings("tiny-cnn", "digits", replay=2))
    picked = replayed(data, made)
    assert picked is not None
    number, start = len(data.crops.train), len(data.train) - len(data.crops.train)
    draws = [picked(epoch) for epoch in (1, 2, 1)]
    for drawn in draws:
        assert len(set(drawn.tolist())) == len(drawn) == number + min(start, 2 * number)
        assert set(range(start, start + number)) <= set(drawn.tolist())
    np.testing.assert_array_equal(draws[0], draws[2])
    assert set(draws[0].tolist()) != set(draws[1].tolist())
    # The epoch is chosen half by old pictures and half by crops.
    chosen = choosing_pictures(data)
    old_ones = {image.tobytes() for image in data.validation.images}
    of_old = sum(image.tobytes() in old_ones for image in chosen.images)
    assert of_old == len(data.validation)
    assert of_old / len(chosen) == pytest.approx(0.5, abs=0.15)


@pytest.mark.slow
def test_it_goes_on_after_more_labels_and_once_more(
    new: RunFolder, tmp_path: Path, crops: Path
) -> None:
    """Crops live on with the run; a second fine-tuning keeps what the first one learnt."""
    more = labelled_crops(tmp_path / "more", noise_crops(20, seed=5), [4] * 20)
    settings = TrainSettings(finetune=str(new.path), crops=str(more), epochs=1, replay=1)
    second = load_run_data(train(settings, tmp_path / "second").run)
    first = load_run_data(new)
    assert second.crops is not None
    assert first.crops is not None
    learnt = {image.tobytes() for image in second.crops.train.images}
    assert {image.tobytes() for image in first.crops.train.images} < learnt
    held = is_held_out(noise_crops(20, seed=5))
    assert not learnt & {crop.tobytes() for crop in noise_crops(20, seed=5)[held]}


@pytest.mark.slow
def test_a_stopped_one_goes_on(old: RunFolder, crops: Path, tmp_path: Path) -> None:
    class Stops:
        def update(self, what: str, done: float, total: float | None, note: str = "") -> None:
            """Ignore."""

        def say(self, line: str) -> None:
            if line.startswith("epoch 2/"):
                raise KeyboardInterrupt

    settings = TrainSettings(finetune=str(old.path), crops=str(crops), epochs=4, replay=1)
    with pytest.raises(KeyboardInterrupt):
        train(settings, tmp_path / "run", progress=Stops())
    result = resume(TrainSettings(), tmp_path / "run")
    assert [epoch.epoch for epoch in result.epochs] == [1, 2, 3, 4]


@pytest.mark.slow
def test_damaged_crops_of_a_run_are_named(new: RunFolder, tmp_path: Path) -> None:
    copy = RunFolder(Path(shutil.copytree(new.path, tmp_path / "run")))
    with np.load(copy.crops_file) as stored:
        arrays = dict(stored)
    arrays["y_train"] = arrays["y_train"][::-1].copy()
    np.savez_compressed(copy.crops_file, **arrays)
    with pytest.raises(RunError, match="not the crops this run was made with"):
        load_run_data(copy)
    copy.crops_file.write_bytes(b"PK")
    with pytest.raises(RunError, match="missing or damaged"):
        load_run_data(copy)


@pytest.mark.slow
def test_what_does_not_go_with_it(
    old: RunFolder, crops: Path, tmp_path: Path, run_cli: RunCli
) -> None:
    from_old = TrainSettings(finetune=str(old.path), crops=str(crops))
    made = plan(filled_from_run(from_old))
    assert made.learning_rate == pytest.approx(old.manifest()["settings"]["learning_rate"] / 10)
    unlabelled = write_crops(tmp_path / "new", noise_crops(3))
    run = ["--run", tmp_path / "run"]
    tune = ["train", "--finetune", old.path, *run]
    for arguments, expected, words in (
        (["train", "--finetune", "digit-reader", "--data", crops, *run], 2, "must be a run folder"),
        (["train", "--finetune", old.model_file(), "--data", crops, *run], 2, "must be a run"),
        (["train", "--finetune", "none", "--data", crops, *run], 2, "no such run folder"),
        (tune, 2, "needs --data FOLDER"),
        ([*tune, "--data", "mnist"], 2, "is no folder of crops"),
        ([*tune, "--data", unlabelled], 1, "none of its crops is labelled"),
        ([*tune, "--data", crops, "--init", old.path], 2, "exclude each other"),
        ([*tune, "--data", crops, "--replay", -1], 2, "--replay is -1"),
        (["train", "mnist-cnn", *tune[1:], "--data", crops], 2, "holds tiny-cnn; leave it out"),
        (["train", "tiny-cnn", "--replay", 3, *run], 2, "go with --finetune"),
        (["train", *run], 2, "no MODEL"),
    ):
        code, out, error = run_cli(*arguments)
        assert (code, out) == (expected, ""), error
        assert words in error.splitlines()[-1]
        assert not (tmp_path / "run").exists()


def test_what_was_imported_cannot_be_finetuned(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.update_manifest(model={"origin": "imported"})
    run.model_file().write_bytes(b"x")
    with pytest.raises(RunError, match="was not made by 'edgedigits train'"):
        filled_from_run(TrainSettings(finetune=str(tmp_path), crops="x"))


def test_a_shipped_name_is_no_run() -> None:
    with pytest.raises(UsageError, match="shipped or exported"):
        filled_from_run(TrainSettings(finetune="digit-reader", crops="x"))
