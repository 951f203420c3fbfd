"""``edgedigits data`` as a user runs it; and how DATA is understood."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import RunCli
from helpers_data import (
    NAMES,
    idx_images,
    make_images,
    make_labels,
    write_csv,
    write_idx,
    write_pictures,
)

from edgedigits.data.registry import load_data
from edgedigits.errors import UsageError


def test_list_says_what_is_here_and_what_would_come(tmp_path: Path, run_cli: RunCli) -> None:
    for part in ("train", "test"):
        write_idx(tmp_path / "mnist", part)
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    code, out, err = run_cli("data", "list", "--json", "--data-dir", tmp_path, env=cache)
    assert (code, err) == (0, "")
    rows = {row["name"]: row for row in json.loads(out)}
    assert list(rows) == ["digits", "mnist", "fashion-mnist"]
    assert (rows["digits"]["train"], rows["digits"]["test"]) == (1437, 360)
    assert rows["mnist"]["where"] == str(tmp_path / "mnist")
    assert rows["fashion-mnist"]["where"] is None
    assert rows["fashion-mnist"]["download_to"] == str(tmp_path / "fashion-mnist")
    assert rows["fashion-mnist"]["download_bytes"] == 26421880 + 29515 + 4422102 + 5148
    code, out, err = run_cli("data", "list", env={**cache, "EDGEDIGITS_DATA": str(tmp_path)})
    assert (code, err) == (0, "")
    assert "31 MB" in out
    assert "1,437" in out


def test_look_tells_of_the_embedded_digits(tmp_path: Path, run_cli: RunCli) -> None:
    code, out, err = run_cli("data", "look", "digits", "--out", "pictures", cwd=tmp_path)
    assert (code, err) == (0, "")
    assert "1,437" in out
    assert "enlarged to 28×28" in out
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == [
        "labels.png",
        "samples.png",
    ]
    code, out, err = run_cli("data", "look", "digits", "--json", cwd=tmp_path)
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document["schema_version"] == 1
    assert sum(document["parts"][0]["class_counts"]) == 1437
    assert document["pictures"] == []


def test_look_tells_what_was_converted(tmp_path: Path, run_cli: RunCli) -> None:
    np.savez(tmp_path / "a.npz", x=make_images(10) / 255.0, y=make_labels(10))
    code, out, _ = run_cli("data", "look", tmp_path / "a.npz")
    assert code == 0
    assert "float64 values 0 to 1 were multiplied by 255" in out


def test_look_tells_of_csv_with_and_without_labels(tmp_path: Path, run_cli: RunCli) -> None:
    """The whole folder, and the file without labels alone: text, JSON and pictures."""
    code, _, err = run_cli("data", "csv", "digits", "--out", "csv", cwd=tmp_path)
    assert code == 0, err
    digits = load_data("digits")
    assert digits.test is not None
    counts = [
        np.bincount(part.labels).tolist()  # type: ignore[arg-type]
        for part in (digits.train, digits.test)
    ]
    for data, parts, classes, drawn in (
        ("csv", ["train", "test"], counts, ["labels.png", "samples.png"]),
        ("csv/test-unlabelled.csv", ["train"], [None], ["samples.png"]),
    ):
        folder = f"look-{len(parts)}"
        code, out, err = run_cli("data", "look", data, "--json", "--out", folder, cwd=tmp_path)
        assert (code, err) == (0, "")
        document = json.loads(out)
        assert document["pictures"] == [f"{folder}/{name}" for name in drawn]
        assert sorted(path.name for path in (tmp_path / folder).iterdir()) == drawn
        assert [part["part"] for part in document["parts"]] == parts
        assert [part["class_counts"] for part in document["parts"]] == classes
        assert document["parts"][-1]["shape"] == [360, 28, 28]
        code, out, err = run_cli("data", "look", data, cwd=tmp_path)
        assert (code, err) == (0, "")
        assert ("labels\nclass" in out) == (classes != [None])
        assert ("test-unlabelled.csv has no label column" in out) == (classes == [None])


def _csv_with_letters(folder: Path) -> Path:
    path = write_csv(folder / "a.csv", make_images(2), make_labels(2))
    path.write_text(path.read_text().replace("\n1,0", "\n1,x", 1))
    return path


def _short_csv(folder: Path) -> Path:
    path = folder / "short.csv"
    path.write_text("label,a,b\n1,2,3\n")
    return path


def _empty_csv(folder: Path) -> Path:
    path = folder / "empty.csv"
    path.touch()
    return path


def _truncated_idx(folder: Path) -> Path:
    write_idx(folder, "train")
    content = idx_images(make_images(20))[:5000]
    (folder / f"{NAMES['train'][0]}.gz").write_bytes(gzip.compress(content))
    return folder


def _wrong_magic(folder: Path) -> Path:
    write_idx(folder, "train", zipped=False)
    (folder / NAMES["train"][0]).write_bytes(b"GIF89a and more")
    return folder


def _npz_without_arrays(folder: Path) -> Path:
    np.savez(folder / "a.npz", pictures=make_images(2))
    return folder / "a.npz"


def _no_picture(folder: Path) -> Path:
    write_pictures(folder, make_images(4), make_labels(4, 2), ["a", "b"])
    (folder / "a" / "bad.png").write_text("no picture")
    return folder


def _one_class(folder: Path) -> Path:
    write_pictures(folder, make_images(4), make_labels(4, 1), ["a"])
    return folder


def _missing(folder: Path) -> Path:
    return folder / "missing.csv"


def _foreign(folder: Path) -> Path:
    (folder / "a.txt").write_text("text")
    return folder / "a.txt"


@pytest.mark.parametrize(
    ("make", "code", "message"),
    [
        (_csv_with_letters, 1, "line 3, column 'pixel0': 'x"),
        (_short_csv, 1, "short.csv: line 1 names 2 columns"),
        (_empty_csv, 1, "empty.csv: the file is empty"),
        (_truncated_idx, 1, "truncated"),
        (_wrong_magic, 1, "not an IDX file of images"),
        (_npz_without_arrays, 1, "holds pictures; expected"),
        (_no_picture, 1, "bad.png: is no picture"),
        (_one_class, 1, "holds a single class"),
        (_missing, 2, "missing.csv: no such file or folder"),
        (_foreign, 2, "a.txt: a file of this kind"),
    ],
)
def test_bad_data_is_one_clear_line(
    tmp_path: Path, run_cli: RunCli, make: Callable[[Path], Path], code: int, message: str
) -> None:
    path = make(tmp_path)
    found, out, err = run_cli("data", "look", path, "--json")
    assert (found, out) == (code, "")
    assert message in err
    assert err.startswith("edgedigits: ")
    assert err.count("\n") == 1


def test_an_unknown_name_is_a_usage_error(run_cli: RunCli) -> None:
    code, out, err = run_cli("data", "look", "mnits")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "unknown data set 'mnits'; did you mean mnist? known are digits, mnist, fashion" in err


@pytest.mark.parametrize(
    ("data", "hint"),
    [("MNIST", "did you mean mnist?"), ("fashion", "did you mean fashion-mnist?"), ("qq", "")],
)
def test_near_names_are_offered(data: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_data(data)
    assert ("did you mean" in str(caught.value)) == bool(hint)
    assert hint in str(caught.value)


def test_a_name_goes_before_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_idx(tmp_path / "digits", "train")
    monkeypatch.chdir(tmp_path)
    assert len(load_data("digits").train) == 1437
    assert len(load_data("./digits").train) == 20


@pytest.mark.parametrize("command", ["list", "look"])
def test_help_ends_with_an_example(run_cli: RunCli, command: str) -> None:
    code, out, _ = run_cli("data", command, "--help")
    assert code == 0
    assert f"Example: edgedigits data {command}" in out
