"""Predictions against the argmax of an independent NumPy model, with labels and without."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import RunCli
from helpers_data import write_csv
from helpers_models import dense_file, nearest_mean, write
from numpy.typing import NDArray

from edgedigits.convert.stamp import stamp
from edgedigits.data.builtin import load_digits
from edgedigits.data.csv_writing import write_csv_folder
from edgedigits.data.dataset import DataSet, Images
from edgedigits.device.metadata import Metadata
from edgedigits.errors import RunError, UsageError
from edgedigits.evaluate import evaluate_file
from edgedigits.predict import predict_file
from edgedigits.preprocess import Preprocessing
from edgedigits.run import RunFolder
from edgedigits.run_data import choose_split, data_record

Model = tuple[NDArray[np.float32], NDArray[np.float32]]


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return load_digits()


@pytest.fixture(scope="module")
def model(digits: DataSet) -> Model:
    """Weights and bias of the nearest-mean classifier."""
    assert digits.train.labels is not None
    return nearest_mean(digits.train.images, digits.train.labels, 10)


@pytest.fixture(scope="module")
def means(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a foreign file."""
    return write(tmp_path_factory.mktemp("means") / "means.tflite", dense_file(*model))


@pytest.fixture(scope="module")
def csv_folder(digits: DataSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits as CSV files."""
    return write_csv_folder(digits, tmp_path_factory.mktemp("csv")).folder


def in_numpy(model: Model, images: Images) -> NDArray[np.int64]:
    weights, bias = model
    scores = images.reshape(-1, 784) / 255 @ weights.T.astype(np.float64) + bias
    return np.asarray(scores.argmax(axis=1))


def read_back(path: Path) -> list[str]:
    """The labels by Python's csv module; asserts header and numbering."""
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["ImageId", "Label"]
    assert [row[0] for row in rows] == [str(i) for i in range(1, len(rows) + 1)]
    return [row[1] for row in rows]


def _stamped(data: bytes, labels: tuple[str, ...], digest: str = "") -> bytes:
    return stamp(
        data,
        Metadata(
            variant="float32",
            source="model",
            model="means",
            recipe={"name": "float32"},
            labels=labels,
            preprocessing=Preprocessing(),
            output="probabilities",
            data="letters",
            digests={"data": digest},
        ),
    )


def test_answers_are_those_of_numpy(
    means: Path, digits: DataSet, model: Model, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "predictions.csv"
    predictions = predict_file(means, "digits", out)
    assert digits.test is not None
    expected = in_numpy(model, digits.test.images)
    np.testing.assert_array_equal(predictions.answers, expected)
    lines = "".join(f"{i},{answer}\n" for i, answer in enumerate(expected, start=1))
    assert out.read_bytes() == f"ImageId,Label\n{lines}".encode()
    assert predictions.sha256 == hashlib.sha256(out.read_bytes()).hexdigest()
    numbers = np.bincount(expected, minlength=10)
    assert predictions.counts == {str(i): n for i, n in enumerate(numbers)}
    assert (predictions.split, predictions.n) == ("test", 360)
    assert any("no edgedigits metadata" in note for note in predictions.notes)
    evaluation, _ = evaluate_file(means, "digits")
    np.testing.assert_array_equal(predictions.answers, evaluation.answers)


def test_labels_make_no_difference(means: Path, csv_folder: Path, tmp_path: Path) -> None:
    files = {
        name: (csv_folder / name if name else csv_folder, tmp_path / f"of-{name}")
        for name in ("", "test.csv", "test-unlabelled.csv")
    }
    made = [predict_file(means, str(data), out) for data, out in files.values()]
    assert [predictions.split for predictions in made] == ["test", "all", "all"]
    assert len({predictions.sha256 for predictions in made}) == 1
    assert any("no label column" in note for note in made[2].notes)


def test_parts(
    means: Path, digits: DataSet, model: Model, csv_folder: Path, tmp_path: Path
) -> None:
    assert digits.test is not None
    train, test = (in_numpy(model, part.images) for part in (digits.train, digits.test))
    for split, expected in (("train", train), ("all", np.concatenate([train, test]))):
        found = predict_file(means, "digits", tmp_path / split, split=split)
        np.testing.assert_array_equal(found.answers, expected)
        assert found.split == split
    bare = str(csv_folder / "test-unlabelled.csv")
    held_out = predict_file(means, bare, tmp_path / "held-out", split="test")
    assert held_out.n == 72
    assert any("72 of 360 pictures were held out" in note for note in held_out.notes)


def test_the_validation_part_is_that_of_the_run(
    digits: DataSet, model: Model, means: Path, tmp_path: Path
) -> None:
    run = RunFolder(tmp_path / "run")
    file = write(run.export_file("float32"), means.read_bytes())
    run.update_manifest(data=data_record(digits, "digits", None))
    split = choose_split(digits, 0.1, 0)
    split.save(run)
    found = predict_file(file, "digits", tmp_path / "out.csv", split="validation")
    expected = in_numpy(model, digits.train.images[split.validation])
    np.testing.assert_array_equal(found.answers, expected)


def test_classes_have_the_names_that_the_file_gives_them(
    digits: DataSet, model: Model, tmp_path: Path
) -> None:
    labels = ("zero", "one, or a bar", 'a "2"', "three", "vier", "fünf", "6", "7")
    file = write(tmp_path / "named.tflite", _stamped(dense_file(*model), labels))
    out = tmp_path / "out.csv"
    found = predict_file(file, "digits", out)
    names = (*labels, "8", "9")  # the file names eight of its ten classes
    assert digits.test is not None
    expected = [names[answer] for answer in in_numpy(model, digits.test.images)]
    assert read_back(out) == expected
    assert list(found.counts) == list(names)
    assert b"\r" not in out.read_bytes()
    assert found.variant == "float32"


def test_a_file_that_is_there_is_kept(means: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("old")
    with pytest.raises(UsageError, match=r"out\.csv: already exists; add --overwrite, or name an"):
        predict_file(means, "digits", out)
    assert out.read_text() == "old"
    with pytest.raises(UsageError, match="is a folder; name a file with --out"):
        predict_file(means, "digits", tmp_path, overwrite=True)
    with pytest.raises(UsageError, match="--threads 0: must be 1 or more"):
        predict_file(means, "digits", tmp_path / "new.csv", threads=0)
    with pytest.raises(UsageError, match="--split half: unknown; choose one of test, validation"):
        predict_file(means, "digits", tmp_path / "new.csv", split="half")
    with pytest.raises(RunError, match="cannot write: a part of the path is a file"):
        predict_file(means, "digits", out / "below" / "new.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
    predict_file(means, "digits", out, overwrite=True)
    assert len(read_back(out)) == 360


def test_evaluation_without_labels_names_this_command(
    means: Path, digits: DataSet, tmp_path: Path, run_cli: RunCli
) -> None:
    bare = write_csv(tmp_path / "bare.csv", digits.train.images[:5], None)
    code, out, err = run_cli("evaluate", means, "--data", bare)
    assert (code, out) == (1, "")
    assert err == (
        f"edgedigits: {bare}: has no labels, so there is nothing to hold answers against; "
        "'edgedigits predict' writes the answers down\n"
    )


def test_the_command(means: Path, csv_folder: Path, tmp_path: Path, run_cli: RunCli) -> None:
    bare = csv_folder / "test-unlabelled.csv"
    command = ("predict", means, "--data", bare, "--out", "answers.csv")
    code, out, err = run_cli(*command, "--json", cwd=tmp_path)
    assert (code, err) == (0, "written: answers.csv\n")
    answers = read_back(tmp_path / "answers.csv")
    document = json.loads(out)
    assert document["counts"] == {str(i): answers.count(str(i)) for i in range(10)}
    assert (document["schema_version"], document["n"], document["split"]) == (1, 360, "all")
    assert (document["file"], document["data"]) == (str(means), str(bare))
    assert document["out"] == "answers.csv"
    content = (tmp_path / "answers.csv").read_bytes()
    assert document["sha256"] == hashlib.sha256(content).hexdigest()

    code, out, err = run_cli(*command, cwd=tmp_path)
    assert (code, out) == (2, "")
    assert err == (
        "edgedigits: answers.csv: already exists; add --overwrite, or name another --out\n"
    )

    code, out, _ = run_cli(*command, "--overwrite", cwd=tmp_path)
    assert code == 0
    assert f"Answers of means on {bare}, all: 360 pictures" in out
    rows = [line.split() for line in out.splitlines()]
    assert ["4", document["counts"]["4"], f"{document['counts']['4'] / 3.6:.1f}"] in [
        [row[0], int(row[1]), row[2]] for row in rows if len(row) == 3 and row[1].isdecimal()
    ]
