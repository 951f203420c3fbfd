"""Data sets written as CSV: byte for byte, read back by Python's own reader, and the real MNIST."""

from __future__ import annotations

import csv
import hashlib
import json
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import RunCli
from helpers_data import make_images, make_labels, write_csv, write_idx, write_pictures

from edgedigits.data.csv_writing import write_csv_folder
from edgedigits.data.dataset import DataSet, Images, Labels, Pictures
from edgedigits.data.registry import load_data
from edgedigits.errors import DataError, RunError, UsageError

DIGITS = tuple("0123456789")
PIXELS = [f"pixel{i}" for i in range(784)]
MNIST_COUNTS = {
    "train.csv": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
    "test.csv": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
}


def make_set(*, train_labels: bool = True, test_labels: bool = True) -> DataSet:
    """1,203 pictures to learn from, more than are written at once, and 11 to test with."""
    train, test = make_images(1203, seed=1), make_images(11, seed=2)
    labels = np.random.default_rng(3).permutation(make_labels(1203))
    return DataSet(
        "mine",
        Pictures(train, labels if train_labels else None),
        Pictures(test, make_labels(11) if test_labels else None),
        DIGITS if train_labels else (),
        ("something was converted",),
    )


def read_back(path: Path) -> tuple[Images, Labels | None]:
    """By Python's csv module; asserts the header."""
    with path.open(newline="", encoding="ascii") as file:
        header, *rows = csv.reader(file)
    table = np.array(rows, dtype=np.int64)
    labels = None
    if header[0] == "label":
        header, labels, table = header[1:], table[:, 0], table[:, 1:]
    assert header == PIXELS
    assert table.min() >= 0
    assert table.max() <= 255
    return table.astype(np.uint8).reshape(-1, 28, 28), labels


def test_a_tiny_set_byte_for_byte(tmp_path: Path) -> None:
    images = np.zeros((2, 28, 28), dtype=np.uint8)
    images[0, 0, 0], images[0, 27, 27] = 7, 255
    images[1, 0, 1], images[1, 27, 27] = 10, 99
    data = DataSet(
        "tiny", Pictures(images, np.array([3, 0])), Pictures(images[1:], np.array([12])), ()
    )
    export = write_csv_folder(data, tmp_path / "new" / "folder")
    names = ",".join(PIXELS)
    first = "7," + "0," * 782 + "255\n"
    second = "0,10," + "0," * 781 + "99\n"
    expected = {
        "train.csv": f"label,{names}\n3,{first}0,{second}",
        "test.csv": f"label,{names}\n12,{second}",
        "test-unlabelled.csv": f"{names}\n{second}",
    }
    assert [made.file.name for made in export.files] == list(expected)
    assert sorted(path.name for path in export.folder.iterdir()) == sorted(expected)
    for made in export.files:
        content = made.file.read_bytes()
        assert content == expected[made.file.name].encode()
        assert (made.bytes, made.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert [made.rows for made in export.files] == [2, 1, 1]
    assert [made.columns for made in export.files] == [785, 785, 784]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    data = make_set()
    assert data.test is not None
    data.train.images[600].flat[:256] = np.arange(256)  # every value a pixel can have
    write_csv_folder(data, tmp_path)
    for part, name in ((data.train, "train.csv"), (data.test, "test.csv")):
        images, labels = read_back(tmp_path / name)
        np.testing.assert_array_equal(images, part.images)
        np.testing.assert_array_equal(labels, part.labels)
    images, labels = read_back(tmp_path / "test-unlabelled.csv")
    np.testing.assert_array_equal(images, data.test.images)
    assert labels is None
    assert load_data(str(tmp_path)).digest == data.digest


@pytest.mark.parametrize(
    ("train", "test", "files"),
    [
        (True, False, ["test-unlabelled.csv", "train.csv"]),
        (False, False, ["test-unlabelled.csv", "train-unlabelled.csv"]),
    ],
)
def test_parts_without_labels_are_unlabelled_files_only(
    tmp_path: Path, train: bool, test: bool, files: list[str]
) -> None:
    data = make_set(train_labels=train, test_labels=test)
    write_csv_folder(data, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == files
    assert data.test is not None
    for name, part in zip(files, (data.test, data.train), strict=True):
        np.testing.assert_array_equal(read_back(tmp_path / name)[0], part.images)


def test_every_label_that_can_be_read_can_be_written(tmp_path: Path) -> None:
    labels = np.array([0, 9, 10, 99, 100, 255, 256, 999])
    data = DataSet("many", Pictures(make_images(8), labels), None, ())
    write_csv_folder(data, tmp_path)
    np.testing.assert_array_equal(read_back(tmp_path / "train.csv")[1], labels)
    assert load_data(str(tmp_path)).train.digest == data.train.digest
    more = DataSet("more", Pictures(make_images(1), np.array([1000])), None, ())
    with pytest.raises(DataError, match="more: has label 1000; a label column is read with 0 to"):
        write_csv_folder(more, tmp_path / "more")
    assert not (tmp_path / "more").exists()


def test_files_are_replaced_only_when_asked(tmp_path: Path) -> None:
    old = DataSet("old", Pictures(make_images(3), make_labels(3)), None, DIGITS)
    write_csv_folder(old, tmp_path)
    before = (tmp_path / "train.csv").read_bytes()
    with pytest.raises(UsageError, match=r"train\.csv: already exists; add --overwrite, or name"):
        write_csv_folder(make_set(), tmp_path)
    assert (tmp_path / "train.csv").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1
    write_csv_folder(make_set(), tmp_path, overwrite=True)
    assert load_data(str(tmp_path)).digest == make_set().digest


def test_another_sets_test_part_does_not_stay_beside(tmp_path: Path) -> None:
    write_csv_folder(make_set(), tmp_path)
    whole = DataSet("whole", Pictures(make_images(3), make_labels(3)), None, DIGITS)
    with pytest.raises(UsageError, match=r"test\.csv: already exists, and whole has nothing to re"):
        write_csv_folder(whole, tmp_path, overwrite=True)
    assert load_data(str(tmp_path)).digest == make_set().digest


class Stopping:
    """Progress that interrupts in the middle."""

    def update(self, what: str, done: float, total: float | None, note: str = "") -> None:
        assert what == "writing train.csv"
        assert total == 1203
        if done == 1000:
            raise KeyboardInterrupt

    def say(self, line: str) -> None:
        raise AssertionError(line)


def test_an_interruption_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write_csv_folder(make_set(), tmp_path, overwrite=True, progress=Stopping())
    assert [path.name for path in tmp_path.iterdir()] == ["train.csv"]
    assert (tmp_path / "train.csv").read_text() == "old"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    with pytest.raises(UsageError, match="file: is a file, not a folder; name another --out"):
        write_csv_folder(make_set(), tmp_path / "file")
    with pytest.raises(RunError, match=r"train\.csv: cannot write: a part of the path is a file"):
        write_csv_folder(make_set(), tmp_path / "file" / "below")


def test_the_command_says_what_it_wrote(tmp_path: Path, run_cli: RunCli) -> None:
    code, out, err = run_cli("data", "csv", "digits", "--out", "csv", "--json", cwd=tmp_path)
    assert code == 0
    names = ["train.csv", "test.csv", "test-unlabelled.csv"]
    assert err.splitlines() == [f"written: csv/{name}" for name in names]
    document = json.loads(out)
    assert (document["schema_version"], document["data"]) == (1, "digits")
    assert document["class_names"] == list(DIGITS)
    for made, name, rows in zip(document["files"], names, (1437, 360, 360), strict=True):
        content = (tmp_path / "csv" / name).read_bytes()
        assert made == {
            "file": f"csv/{name}",
            "rows": rows,
            "columns": 784 if "unlabelled" in name else 785,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    written = load_data(str(tmp_path / "csv"))
    assert written.digest == load_data("digits").digest

    code, out, err = run_cli("data", "csv", "digits", "--out", "csv", "--overwrite", cwd=tmp_path)
    assert code == 0
    assert "csv/test-unlabelled.csv    360      784" in out
    assert "note: 8×8 pictures were enlarged" in out
    assert "numbers" not in out  # the classes are called by their numbers


def test_names_of_classes_are_told(tmp_path: Path, run_cli: RunCli) -> None:
    write_pictures(tmp_path / "in", make_images(4), make_labels(4, 2), ["ant", "bee"])
    code, out, _ = run_cli("data", "csv", tmp_path / "in", "--out", tmp_path / "out")
    assert code == 0
    assert "note: labels are written as numbers: 0 ant, 1 bee" in out


def _full(folder: Path) -> tuple[str, str]:
    (folder / "out").mkdir()
    (folder / "out" / "test.csv").touch()
    return "digits", "out/test.csv: already exists; add --overwrite, or name another --out"


def _unknown(folder: Path) -> tuple[str, str]:
    return "mnits", "unknown data set 'mnits'; did you mean mnist?"


def _file(folder: Path) -> tuple[str, str]:
    (folder / "out").touch()
    return "digits", "out: is a file, not a folder; name another --out"


def _wrong_label(folder: Path) -> tuple[str, str]:
    write_csv(folder / "train.csv", make_images(4), make_labels(4, 3))
    write_csv(folder / "test.csv", make_images(1), np.array([3]))
    return ".", "test.csv: label 3 is outside the classes of the training part, 0 to 2"


@pytest.mark.parametrize("make", [_full, _unknown, _file, _wrong_label])
def test_bad_input_is_one_clear_line(tmp_path: Path, run_cli: RunCli, make: object) -> None:
    assert callable(make)
    data, message = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    code, out, err = run_cli("data", "csv", data, "--out", "out", cwd=tmp_path)
    assert (code, out, err.count("\n")) == (1 if make is _wrong_label else 2, "", 1)
    assert err.startswith("edgedigits: ")
    assert message in err
    assert sorted(tmp_path.rglob("*")) == before


def test_an_idx_folder_goes_before_csv_files(tmp_path: Path) -> None:
    write_idx(tmp_path, "train", 20)
    write_csv_folder(make_set(), tmp_path)
    assert len(load_data(str(tmp_path)).train) == 20


@pytest.mark.shared
@pytest.mark.slow
def test_mnist_is_written_exactly_and_quickly(tmp_path: Path, data_dir: Path) -> None:
    data = load_data("mnist", data_dir=data_dir)
    assert data.test is not None
    start = time.perf_counter()
    write_csv_folder(data, tmp_path)
    assert time.perf_counter() - start < 10
    for name, part in (("train.csv", data.train), ("test.csv", data.test)):
        with (tmp_path / name).open(newline="", encoding="ascii") as file:
            reader = csv.reader(file)
            assert next(reader) == ["label", *PIXELS]
            labels = []
            for row, image in zip(reader, part.images, strict=True):
                labels.append(int(row[0]))
                assert (np.array(row[1:], dtype=np.uint8) == image.reshape(-1)).all()
        assert np.bincount(labels).tolist() == MNIST_COUNTS[name]
        np.testing.assert_array_equal(labels, part.labels)
    lines = (tmp_path / "test.csv").read_text().splitlines()
    bare = (tmp_path / "test-unlabelled.csv").read_text().splitlines()
    assert [line.partition(",")[2] for line in lines] == bare
    assert load_data(str(tmp_path)).digest == data.digest
