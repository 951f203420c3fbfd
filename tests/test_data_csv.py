"""CSV with a ``label`` column and 784 pixel columns; folders of ``train.csv`` and ``test.csv``."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers_data import make_images, make_labels, write_csv

from edgedigits.data import csv as reading
from edgedigits.data.registry import load_data
from edgedigits.errors import DataError
from edgedigits.run_data import apply_split, choose_split


@pytest.mark.parametrize("label_at", [0, 300, 784])
def test_the_label_may_stand_anywhere(tmp_path: Path, label_at: int) -> None:
    images, labels = make_images(12), make_labels(12)
    path = write_csv(tmp_path / "a.csv", images, labels, label_at=label_at)
    data = load_data(str(path))
    np.testing.assert_array_equal(data.train.images, images)
    np.testing.assert_array_equal(data.train.labels, labels)
    assert data.test is None
    assert data.class_names == tuple("0123456789")


def test_named_pixels_are_put_in_order(tmp_path: Path) -> None:
    images, labels = make_images(3), make_labels(3)
    order = np.random.default_rng(5).permutation(784)
    path = write_csv(
        tmp_path / "a.csv",
        images.reshape(3, 784)[:, order].reshape(3, 28, 28),
        labels,
        header=[f"pixel{i}" for i in order],
    )
    np.testing.assert_array_equal(load_data(str(path)).train.images, images)


def test_other_names_are_taken_from_left_to_right(tmp_path: Path) -> None:
    images = make_images(3)
    header = [f"{row}x{column}" for row in range(1, 29) for column in range(1, 29)]
    path = write_csv(tmp_path / "a.csv", images, make_labels(3), header=header)
    np.testing.assert_array_equal(load_data(str(path)).train.images, images)


def test_without_a_label_column_labels_are_none(tmp_path: Path) -> None:
    images = make_images(4)
    data = load_data(str(write_csv(tmp_path / "a.csv", images, None)))
    np.testing.assert_array_equal(data.train.images, images)
    assert data.train.labels is None
    assert data.class_names == ()
    assert "no label column" in data.notes[0]


def test_quotes_floats_windows_lines_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    images, labels = make_images(3), make_labels(3)
    text = write_csv(tmp_path / "a.csv", images, labels).read_text()
    lines = text.splitlines()
    lines[0] = ",".join(f'"{name}"' for name in lines[0].split(","))
    lines[2] = ",".join(f"{value}.0" for value in lines[2].split(","))
    lines[3] = ",".join(f'"{value}"' for value in lines[3].split(","))
    path = tmp_path / "b.csv"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    data = load_data(str(path))
    np.testing.assert_array_equal(data.train.images, images)
    np.testing.assert_array_equal(data.train.labels, labels)


@pytest.mark.parametrize("block", [1, 1000, 1 << 19])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("label_at", [0, 300, None])
def test_any_block_size_and_line_end(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    block: int,
    line_end: str,
    label_at: int | None,
) -> None:
    """Blocks begin and end anywhere, also within "\\r\\n"; the last line may have no end."""
    monkeypatch.setattr(reading, "BLOCK", block)
    if line_end != "\r":
        monkeypatch.delattr(reading, "_read_slowly")  # the quick reader is enough
    images = make_images(9)
    labels = None if label_at is None else make_labels(9) * 124  # up to 992
    path = write_csv(tmp_path / "a.csv", images, labels, label_at=label_at or 0)
    text = path.read_text().replace("\n0,", "\n000,").replace(",8,", ",08,")
    for content in (text, text.rstrip("\n")):
        path.write_bytes(content.replace("\n", line_end).encode())
        data = load_data(str(path))
        np.testing.assert_array_equal(data.train.images, images)
        if labels is not None:
            np.testing.assert_array_equal(data.train.labels, labels)


@pytest.mark.parametrize(
    ("old", "new"),
    [("\n", "\n\n"), (",", ", "), (",", " ,"), (",", ",+"), (",", ",0000"), (",", ",.0e1")],
)
def test_numbers_written_otherwise_are_read_too(tmp_path: Path, old: str, new: str) -> None:
    images, labels = make_images(3), make_labels(3)
    path = write_csv(tmp_path / "a.csv", images, labels)
    header, _, rows = path.read_text().partition("\n")
    if new.endswith("e1"):  # ".0e1", and the number, as in "0.0e17", which is 0
        images, rows = images * 0, rows.replace(",", ",0")
    path.write_text(f"{header}\n{rows.replace(old, new)}")
    data = load_data(str(path))
    np.testing.assert_array_equal(data.train.images, images)
    np.testing.assert_array_equal(data.train.labels, labels)


def test_line_ends_may_be_mixed(tmp_path: Path) -> None:
    images = make_images(4)
    path = write_csv(tmp_path / "a.csv", images, make_labels(4))
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r", 2).replace(b"\n", b"\r\n", 1))
    np.testing.assert_array_equal(load_data(str(path)).train.images, images)


@pytest.mark.parametrize(("at", "mark"), [(5, ";"), (5, "\n"), (784, ":")])
def test_a_wrong_mark_between_numbers_is_placed(tmp_path: Path, at: int, mark: str) -> None:
    """As many marks as there should be, so that only their kind tells."""
    path = write_csv(tmp_path / "a.csv", make_images(3), make_labels(3))
    header, *rows = path.read_text().splitlines()
    parts = rows[1].split(",")
    rows[1] = ",".join(parts[:at]) + mark + ",".join(parts[at:])
    path.write_text("\n".join([header, *rows]))
    with pytest.raises(DataError, match=r"line 3[:,] .*but the header has 785"):
        load_data(str(path))


@pytest.mark.parametrize("wrong", ["1 2", "1;2", "\x00", "-", "", "0x1", "²", "٣", "1_0", "1e999"])
@pytest.mark.parametrize("place", [(2, 0), (5, 300), (9, 784)])
def test_a_wrong_value_is_placed_wherever_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str, place: tuple[int, int]
) -> None:
    monkeypatch.setattr(reading, "BLOCK", 5000)
    path = write_csv(tmp_path / "a.csv", make_images(8), make_labels(8))
    cells = [line.split(",") for line in path.read_text().splitlines()]
    line, column = place
    cells[line - 1][column] = wrong
    path.write_text("\n".join(",".join(row) for row in cells))
    name = "label" if column == 0 else f"pixel{column - 1}"
    place_in_message = f"line {line}, column '{name}'|line contains NUL|cannot be read as CSV"
    with pytest.raises(DataError, match=place_in_message):
        load_data(str(path))


def _change(line: int, column: int, value: str) -> Callable[[list[list[str]]], None]:
    def change(cells: list[list[str]]) -> None:
        cells[line - 1][column] = value

    return change


def _drop(line: int, columns: slice) -> Callable[[list[list[str]]], None]:
    def change(cells: list[list[str]]) -> None:
        del cells[line - 1][columns]

    return change


def _drop_columns(columns: slice) -> Callable[[list[list[str]]], None]:
    def change(cells: list[list[str]]) -> None:
        for row in cells:
            del row[columns]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_change(3, 6, "abc"), r"line 3, column 'pixel5': 'abc' is no number"),
        (_change(3, 6, ""), r"line 3, column 'pixel5': is empty"),
        (_change(4, 784, "256"), r"line 4, column 'pixel783': 256 is out of range.*0 to 255"),
        (_change(4, 1, "-1"), r"line 4, column 'pixel0': -1 is out of range"),
        (_change(2, 1, "3.5"), r"line 2, column 'pixel0': 3.5 is no whole number"),
        (_change(2, 1, "nan"), r"line 2, column 'pixel0': nan is no whole number"),
        (_change(2, 1, "inf"), r"line 2, column 'pixel0': inf is no whole number"),
        (_change(3, 0, "-2"), r"line 3, column 'label': -2 is out of range"),
        (_change(3, 0, "1.5"), r"line 3, column 'label': 1.5 is no whole number"),
        (_change(3, 0, "seven"), r"line 3, column 'label': 'seven' is no number"),
        (_change(3, 0, "70000"), r"line 3, column 'label': 70000 is out of range"),
        (_drop(4, slice(700, None)), r"line 4: 700 columns, but the header has 785"),
        (_drop_columns(slice(5, 6)), r"column 'pixel4' is missing"),
        (_drop_columns(slice(5, 20)), r"columns 'pixel4', 'pixel5', 'pixel6' and 12 more are miss"),
        (_change(1, 0, "id"), r"column 'id' is neither 'label' nor pixel0 to pixel783"),
        (_change(1, 5, "label"), r"2 columns named 'label'"),
        (_change(1, 0, "pixel3"), r"names a pixel column twice"),
    ],
)
def test_a_bad_value_is_placed(
    tmp_path: Path, change: Callable[[list[list[str]]], None], message: str
) -> None:
    path = write_csv(tmp_path / "a.csv", make_images(4), make_labels(4))
    cells = [line.split(",") for line in path.read_text().splitlines()]
    change(cells)
    path.write_text("\n".join(",".join(row) for row in cells))
    with pytest.raises(DataError, match=message) as caught:
        load_data(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_labels_up_to_999_are_classes(tmp_path: Path) -> None:
    labels = np.array([0, 300, 999], dtype=np.int64)
    data = load_data(str(write_csv(tmp_path / "a.csv", make_images(3), labels)))
    assert data.train.labels is not None
    assert data.train.labels.tolist() == [0, 300, 999]
    assert len(data.class_names) == 1000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"label,a,b,c\n1,2,3,4\n", "line 1 names 3 columns beside 'label'; expected 784"),
        (b"label\n", "line 1 names 0 columns"),
        (",".join(["label", *(f"pixel{i}" for i in range(784))]).encode(), "no pictures"),
        (",".join(["5"] * 785).encode(), "line 1 holds numbers, not column names"),
        (bytes(range(128, 256)) * 10, "cannot be read as CSV"),
    ],
)
def test_a_file_that_is_no_table_of_pictures(
    tmp_path: Path, content: bytes, message: str, recwarn: pytest.WarningsRecorder
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_data(str(path))
    assert not recwarn.list  # NumPy's own words would stand beside the one line


def test_rows_that_are_all_too_short_are_placed(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", make_images(3), make_labels(3))
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *(row.rpartition(",")[0] for row in rows)]))
    with pytest.raises(DataError, match="line 2: 784 columns, but the header has 785"):
        load_data(str(path))


def _folder(
    folder: Path, *, train_labels: bool = True, test: list[int] | None = None, bare: bool = False
) -> Path:
    """12 training pictures of classes 0, 1 and 2, test pictures with these labels, other files."""
    labels = make_labels(12, 3) if train_labels else None
    write_csv(folder / "train.csv", make_images(12), labels)
    if test is not None:
        images = make_images(len(test), seed=1)
        write_csv(folder / "test.csv", images, None if bare else np.array(test))
    write_csv(folder / "test-unlabelled.csv", make_images(1, seed=2), None)
    (folder / "sample_submission.csv").write_text("ImageId,Label\n1,0\n")
    return folder


def test_a_folder_is_a_training_and_a_test_part(tmp_path: Path) -> None:
    data = load_data(str(_folder(tmp_path, test=[2, 0, 2])))
    np.testing.assert_array_equal(data.train.images, make_images(12))
    np.testing.assert_array_equal(data.train.labels, make_labels(12, 3))
    assert data.test is not None
    np.testing.assert_array_equal(data.test.images, make_images(3, seed=1))
    np.testing.assert_array_equal(data.test.labels, [2, 0, 2])
    assert (data.name, data.class_names, data.notes) == (str(tmp_path), ("0", "1", "2"), ())


def test_a_folder_may_hold_training_pictures_only(tmp_path: Path) -> None:
    data = load_data(str(_folder(tmp_path)))
    assert (len(data.train), data.test) == (12, None)


def test_test_pictures_of_a_folder_may_lack_labels(tmp_path: Path) -> None:
    """As Kaggle's do: such a part judges nothing, so a run holds some of the others out."""
    data = load_data(str(_folder(tmp_path, test=[0, 1], bare=True)))
    assert data.test is not None
    np.testing.assert_array_equal(data.test.images, make_images(2, seed=1))
    assert data.test.labels is None
    assert data.notes == ("test.csv has no label column: pictures without labels",)
    run = apply_split(data, choose_split(data, 0.2, 0))
    assert (len(run.train), len(run.validation), len(run.test)) == (6, 3, 3)
    assert run.test.labels is not None
    assert sorted(run.test.labels) == [0, 1, 2]
    assert "3 of 12 were held out as the test part" in run.notes[1]


def test_labels_that_do_not_fit_together_name_the_file(tmp_path: Path) -> None:
    _folder(tmp_path, test=[0, 3])
    message = f"^{tmp_path}/test.csv: label 3 is outside the classes of the training part, 0 to 2$"
    with pytest.raises(DataError, match=message):
        load_data(str(tmp_path))
    _folder(tmp_path, train_labels=False, test=[0])
    message = f"^{tmp_path}/test.csv: has labels, but train.csv beside it has none$"
    with pytest.raises(DataError, match=message):
        load_data(str(tmp_path))
    (tmp_path / "test.csv").write_text("label,a\n1,2\n")
    with pytest.raises(DataError, match=rf"^{tmp_path}/test\.csv: line 1 names 1 columns beside"):
        load_data(str(tmp_path))


@pytest.mark.shared
@pytest.mark.slow
def test_mnist_as_csv_is_the_same_and_quick(tmp_path: Path, data_dir: Path) -> None:
    train = load_data("mnist", data_dir=data_dir).train
    assert train.labels is not None
    path = tmp_path / "train.csv"
    with path.open("w") as file:
        file.write("label," + ",".join(f"pixel{i}" for i in range(784)) + "\n")
        table = np.c_[train.labels, train.images.reshape(-1, 784)]
        for row in table:
            file.write(",".join(map(str, row)) + "\n")
    start = time.perf_counter()
    data = load_data(str(path))
    assert time.perf_counter() - start < 7
    assert data.train.digest == train.digest
