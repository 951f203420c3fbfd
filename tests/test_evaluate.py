"""Evaluation against scikit-learn and a plain loop over the runtime; parts, limits and notes."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import RunCli
from helpers_data import write_csv, write_idx
from helpers_models import dense_file, nearest_mean, plain_loop, write
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support
from sklearn.neighbors import NearestCentroid

from edgedigits.convert.stamp import stamp
from edgedigits.data.builtin import load_digits
from edgedigits.data.csv import load_csv
from edgedigits.data.dataset import DataSet, Pictures
from edgedigits.data.registry import load_data
from edgedigits.device.classifier import Classifier
from edgedigits.device.metadata import Metadata
from edgedigits.errors import DataError, DownloadError, UsageError
from edgedigits.evaluate import Part, answer, choose_part, evaluate, evaluate_file, take_at_most
from edgedigits.preprocess import Preprocessing

DIGITS = tuple("0123456789")


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return load_digits()


def _means(digits: DataSet, classes: int = 10) -> bytes:
    assert digits.train.labels is not None
    return dense_file(*nearest_mean(digits.train.images, digits.train.labels, classes))


def _stamped(
    data: bytes, *, digest: str = "", name: str = "digits", labels: tuple[str, ...] = DIGITS
) -> bytes:
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
            data=name,
            digests={"data": digest},
        ),
    )


@pytest.fixture(scope="module")
def means(digits: DataSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A foreign file of ten classes."""
    return write(tmp_path_factory.mktemp("means") / "means.tflite", _means(digits))


@pytest.fixture(scope="module")
def csv(digits: DataSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 200 test pictures as a CSV file, which has no test pictures of its own."""
    assert digits.test is not None
    path = tmp_path_factory.mktemp("csv") / "digits.csv"
    assert digits.test.labels is not None
    return write_csv(path, digits.test.images[:200], digits.test.labels[:200])


@pytest.mark.parametrize("variant", ["float32", "float16", "dynamic", "int8", "int4", "int16x8"])
def test_answers_equal_a_plain_loop_over_the_runtime(
    exported_run: Path, digits: DataSet, variant: str
) -> None:
    file = exported_run / "exports" / f"{variant}.tflite"
    evaluation, part = evaluate_file(file, "digits", limit=120)
    expected = plain_loop(file, part.pictures.images)
    np.testing.assert_array_equal(evaluation.answers, expected)
    assert evaluation.report.accuracy == accuracy_score(part.pictures.labels, expected)
    assert evaluation.report.accuracy > 0.6


def test_report_equals_scikit_learn(exported_run: Path, digits: DataSet) -> None:
    file = exported_run / "exports" / "int8.tflite"
    evaluation, _ = evaluate_file(file, None)  # the file says that it learnt from the digits
    assert digits.test is not None
    truth, answers = digits.test.labels, evaluation.answers
    assert evaluation.report.accuracy == accuracy_score(truth, answers)
    np.testing.assert_array_equal(evaluation.report.confusion, confusion_matrix(truth, answers))
    scores = precision_recall_fscore_support(truth, answers, average="macro", zero_division=0)
    macro = evaluation.report.macro
    assert (macro.precision, macro.recall, macro.f1) == pytest.approx(scores[:3], rel=1e-12)
    data = file.read_bytes()
    assert evaluation.bytes == len(data)
    assert evaluation.gzip_bytes == len(gzip.compress(data, mtime=0))
    assert evaluation.file_digest == hashlib.sha256(data).hexdigest()
    assert evaluation.notes == digits.notes  # nothing had to be assumed


@pytest.mark.filterwarnings("ignore:self.within_class_std_dev_")
def test_a_foreign_file_against_nearest_centroid(means: Path, digits: DataSet) -> None:
    evaluation, part = evaluate_file(means, "digits")
    flat = [p.reshape(len(p), -1) / 255 for p in (digits.train.images, part.pictures.images)]
    oracle = NearestCentroid().fit(flat[0], digits.train.labels).predict(flat[1])
    np.testing.assert_array_equal(evaluation.answers, oracle)
    assert evaluation.variant == "means"
    assert "no edgedigits metadata" in evaluation.notes[-1]
    with pytest.raises(UsageError, match="does not say what to evaluate it on; add --data"):
        evaluate_file(means, None)


def test_a_head_wider_than_the_data(digits: DataSet, tmp_path: Path) -> None:
    """35 outputs, ten classes: the same answers, and a row for what was answered beyond."""
    file = write(tmp_path / "wide.tflite", _means(digits, 35))
    evaluation, part = evaluate_file(file, "digits")
    assert evaluation.scores.shape == (len(part.pictures), 35)
    assert evaluation.report.confusion.shape == (10, 10)
    weights, bias = nearest_mean(digits.train.images, digits.train.labels, 35)  # type: ignore[arg-type]
    weights[33], bias[33] = weights[8], bias[8] + 0.01  # what was an 8 is now a 33
    beyond, _ = evaluate_file(write(tmp_path / "33.tflite", dense_file(weights, bias)), "digits")
    assert beyond.report.classes == (*range(10), 33)
    truth = part.pictures.labels
    labels = list(beyond.report.classes)
    np.testing.assert_array_equal(
        beyond.report.confusion, confusion_matrix(truth, beyond.answers, labels=labels)
    )
    row = beyond.report.per_class[10]
    assert (row.label, row.name, row.true_samples) == (33, "33", 0)
    assert row.classified_samples > 20
    assert beyond.report.accuracy == accuracy_score(truth, beyond.answers)


def test_a_head_narrower_than_the_data(digits: DataSet, tmp_path: Path) -> None:
    weights = np.zeros((7, 784), np.float32)
    file = write(tmp_path / "seven.tflite", dense_file(weights, np.zeros(7, np.float32)))
    with pytest.raises(DataError, match="answers 7 classes, but digits has 10"):
        evaluate_file(file, "digits")


def test_parts_of_a_set_with_its_own_test_pictures(exported_run: Path, digits: DataSet) -> None:
    classifier = Classifier(exported_run / "exports" / "int8.tflite")
    assert digits.test is not None
    for split, expected in ((None, digits.test), ("test", digits.test), ("train", digits.train)):
        part = choose_part(digits, classifier, split)
        assert part.split == (split or "test")
        assert part.pictures.digest == expected.digest
    everything = choose_part(digits, classifier, "all").pictures
    assert len(everything) == 1797
    np.testing.assert_array_equal(everything.images[-360:], digits.test.images)


def test_the_validation_part_is_the_one_of_the_run(
    exported_run: Path, digits: DataSet, means: Path
) -> None:
    classifier = Classifier(exported_run / "exports" / "int8.tflite")
    part = choose_part(digits, classifier, "validation")
    indices = json.loads((exported_run / "split.json").read_text())["validation"]
    np.testing.assert_array_equal(part.pictures.images, digits.train.images[indices])
    with pytest.raises(UsageError, match="does not lie in a run folder"):
        choose_part(digits, Classifier(means), "validation")
    other = replace(digits, train=digits.train.take(np.arange(50)), name="other")
    with pytest.raises(UsageError, match="was not trained on other"):
        choose_part(other, classifier, "validation")
    with pytest.raises(UsageError, match="--split middle: unknown; choose one of test, valid"):
        choose_part(digits, classifier, "middle")


def test_a_csv_of_another_origin_is_used_as_a_whole(means: Path, csv: Path) -> None:
    evaluation, _ = evaluate_file(means, str(csv))
    assert (evaluation.report.n, evaluation.split) == (200, "all")
    held_out, _ = evaluate_file(means, str(csv), split="test")
    assert (held_out.report.n, held_out.split) == (40, "test")
    assert any("held out as the test part" in note for note in held_out.notes)


def test_a_csv_that_the_file_learnt_from_is_divided_as_in_training(
    digits: DataSet, csv: Path, tmp_path: Path
) -> None:
    """Otherwise the accuracy would be that of pictures the model has seen."""
    dataset = load_csv(csv, str(csv))
    file = write(tmp_path / "own.tflite", _stamped(_means(digits), digest=dataset.digest))
    evaluation, part = evaluate_file(file, str(csv))
    assert (evaluation.report.n, evaluation.split) == (40, "test")
    train = choose_part(dataset, Classifier(file), "train").pictures
    assert len(train) == 160
    both = [{image.tobytes() for image in p.images} for p in (part.pictures, train)]
    assert not both[0] & both[1]


def test_test_pictures_without_labels_judge_nothing(
    means: Path, digits: DataSet, csv: Path, tmp_path: Path
) -> None:
    """A folder as from Kaggle: what was trained on it is judged by what training held out."""
    write(tmp_path / "train.csv", csv.read_bytes())
    write_csv(tmp_path / "test.csv", digits.train.images[:7], None)
    message = "its test part has no labels, so there is nothing .* 'edgedigits predict' writes"
    for split in (None, "test", "all"):
        with pytest.raises(DataError, match=message):
            evaluate_file(means, str(tmp_path), split=split)
    assert evaluate_file(means, str(tmp_path), split="train")[0].report.n == 200
    digest = load_data(str(tmp_path)).digest
    own = write(tmp_path / "own.tflite", _stamped(_means(digits), digest=digest))
    for expected, split in ((40, None), (40, "test"), (160, "train")):
        evaluation, _ = evaluate_file(own, str(tmp_path), split=split)
        assert (evaluation.report.n, evaluation.split) == (expected, split or "test")


def test_without_data_the_run_says_which_and_where(
    exported_run: Path, csv: Path, tmp_path: Path
) -> None:
    """A run trained on a path, or on downloads of a folder of their own, is enough to go by."""
    for name in ("run.json", "split.json"):
        (tmp_path / name).write_bytes((exported_run / name).read_bytes())
    source = exported_run / "exports" / "int8.tflite"
    file = write(tmp_path / "exports" / "int8.tflite", source.read_bytes())
    manifest = json.loads((tmp_path / "run.json").read_text())
    manifest["data"] |= {"name": "digits.csv", "location": str(csv)}
    (tmp_path / "run.json").write_text(json.dumps(manifest))
    assert evaluate_file(file, None)[0].report.n == 200
    folder = tmp_path / "downloads"
    write_idx(folder / "mnist", "train")
    manifest["data"] |= {"name": "mnist", "location": None, "data_dir": str(folder)}
    (tmp_path / "run.json").write_text(json.dumps(manifest))
    # Not the real MNIST, as its checksum tells; but it was looked for in the run's own folder.
    with pytest.raises(DownloadError, match=f"{folder}/mnist/.*wrong checksum"):
        evaluate_file(file, None)


def test_limit_keeps_the_shares_and_says_so(means: Path, digits: DataSet) -> None:
    evaluation, part = evaluate_file(means, "digits", limit=100)
    assert evaluation.report.n == 100
    assert any("run on 100 of 360 pictures" in note for note in evaluation.notes)
    assert digits.test is not None
    shares = np.bincount(digits.test.labels) / 3.6  # type: ignore[arg-type]
    counts = np.bincount(part.pictures.labels)  # type: ignore[arg-type]
    assert np.abs(counts - shares).max() < 1
    assert take_at_most(part, 100) is part
    for limit in (0, -5):
        with pytest.raises(UsageError, match=rf"--limit {limit}: must be 1 or more"):
            evaluate_file(means, "digits", limit=limit)


def test_labels_that_are_not_the_datas_classes_are_told(digits: DataSet, tmp_path: Path) -> None:
    names = tuple("abcdefghij")
    file = write(tmp_path / "x.tflite", _stamped(_means(digits), labels=names, name="letters"))
    evaluation, _ = evaluate_file(file, "digits")
    assert "labels (a, b, c, …) are not the data's classes (0, 1, 2, …)" in evaluation.notes[-1]
    assert "trained on letters" in evaluation.notes[-1]


def test_data_without_labels_or_pictures(means: Path, digits: DataSet, tmp_path: Path) -> None:
    bare = write_csv(tmp_path / "bare.csv", digits.train.images[:5], None)
    with pytest.raises(DataError, match="has no labels"):
        evaluate_file(means, str(bare))
    empty = Part(Pictures(digits.train.images[:0], np.empty(0, np.int64)), DIGITS, "x", "test")
    with pytest.raises(DataError, match="x: its test part holds no pictures"):
        answer(Classifier(means), empty)


def test_known_answers_are_not_asked_again(means: Path, digits: DataSet) -> None:
    classifier = Classifier(means)
    part = choose_part(digits, classifier, "test")
    answers = answer(classifier, part)
    flipped = replace(answers, scores=answers.scores[:, ::-1])
    assert part.pictures.labels is not None
    right = (9 - answers.scores.argmax(axis=1) == part.pictures.labels).mean()
    assert evaluate(classifier, part, flipped).report.accuracy == pytest.approx(right)


def test_json_has_the_keys_that_stay(exported_run: Path, run_cli: RunCli) -> None:
    file = exported_run / "exports" / "int8.tflite"
    code, out, _ = run_cli("evaluate", file, "--data", "digits", "--json")
    assert code == 0
    document = json.loads(out)
    keys = (
        "schema_version file variant data split n bytes gzip_bytes accuracy confusion per_class "
        "macro weighted"
    )
    assert set(keys.split()) <= set(document)
    row = "class true_samples classified_samples accuracy precision recall f1"
    assert set(row.split()) <= set(document["per_class"][0])
    confusion = np.array(document["confusion"])
    assert confusion.sum() == document["n"] == 360
    assert document["accuracy"] == np.trace(confusion) / 360
    assert [r["true_samples"] for r in document["per_class"]] == confusion.sum(axis=1).tolist()
    assert (document["variant"], document["data"], document["split"]) == ("int8", "digits", "test")
