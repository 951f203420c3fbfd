"""The look into a data set: its figures against plain NumPy, its text, its pictures."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers_data import make_images, make_labels

from edgedigits.data.dataset import DataSet, Pictures
from edgedigits.data.look import look
from edgedigits.data.registry import load_data
from edgedigits.errors import RunError
from edgedigits.report.look import render_text, to_json, write_pictures
from edgedigits.report.rows import as_text

NAMES = ("ant", "[b]bee[/b]", "cat")


def make_set() -> DataSet:
    """36 + 12 pictures; two repeated in train, three of test also in train; no test cats."""
    train, test = make_images(36, seed=1), make_images(12, seed=2)
    train[10] = train[20] = train[0]
    test[0], test[1], test[11] = train[3], train[0], train[35]
    return DataSet(
        "mine",
        Pictures(train, make_labels(36, 3)),
        Pictures(test, make_labels(12, 2)),
        NAMES,
        ("something was converted",),
    )


def test_figures_are_those_of_numpy() -> None:
    data = make_set()
    found = look(data)
    assert data.test is not None
    for part, pictures in zip(found.parts, (data.train, data.test), strict=True):
        images = pictures.images
        assert part.shape == images.shape
        assert part.dtype == "uint8"
        assert part.mean == pytest.approx((images / 255).mean(), rel=1e-12)
        assert part.std == pytest.approx((images / 255).std(), rel=1e-12)
        assert (part.minimum, part.maximum) == (images.min(), images.max())
        assert part.zero_share == pytest.approx((images == 0).mean(), rel=1e-12)
        whole = len(images)
        assert part.duplicates == whole - len(np.unique(images.reshape(whole, -1), axis=0))
    assert found.parts[0].class_counts == (12, 12, 12)
    assert found.parts[1].class_counts == (6, 6, 0)
    assert found.parts[0].duplicates == 2
    assert found.duplicates_between == 3
    assert found.digest == data.digest
    assert found.notes == data.notes


def test_samples_are_of_their_class_and_the_same_every_time() -> None:
    data = make_set()
    part = look(data).parts[0]
    assert data.train.labels is not None
    assert [len(indices) for indices in part.sample_indices] == [10, 10, 10]
    for label, indices in enumerate(part.sample_indices):
        assert len(set(indices)) == 10
        assert (data.train.labels[list(indices)] == label).all()
    assert look(data).parts[0].sample_indices == part.sample_indices
    assert look(data).parts[1].sample_indices[2] == ()


@pytest.mark.shared
def test_the_published_statistics_of_mnist(data_dir: Path) -> None:
    found = look(load_data("mnist", data_dir=data_dir))
    train, test = found.parts
    assert f"{train.mean:.4f} {train.std:.4f}" == "0.1307 0.3081"
    counts = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
    assert train.class_counts == counts
    assert test.class_counts == (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
    assert (train.duplicates, test.duplicates, found.duplicates_between) == (0, 0, 0)


def test_the_text_shows_every_class_as_it_is_written() -> None:
    text = as_text(render_text(look(make_set())))
    lines = text.splitlines()
    (bee,) = [line for line in lines if "[b]bee[/b]" in line]
    assert bee.split()[:2] == ["[b]bee[/b]", "12"]
    assert "█" in bee
    (cat,) = [line for line in lines if line.startswith("cat")]
    assert cat.split()[1] == "12"
    assert cat.split()[-2:] == ["0", "0.0"]
    assert "test pictures that also occur in train: 3" in lines
    assert "note: something was converted" in lines


def test_bars_are_in_proportion() -> None:
    labels = np.repeat([0, 1, 2], [24, 12, 1])
    data = DataSet("mine", Pictures(make_images(37), labels), None, ("a", "b", "c"))
    lines = as_text(render_text(look(data))).splitlines()
    bars = {line.split()[0]: line.count("█") for line in lines if "█" in line}
    assert bars == {"a": 24, "b": 12, "c": 1}


def test_json_is_plain() -> None:
    document = json.loads(json.dumps(to_json(look(make_set())), allow_nan=False))
    assert document["class_names"] == list(NAMES)
    assert document["parts"][0]["shape"] == [36, 28, 28]
    assert document["parts"][1]["class_counts"] == [6, 6, 0]


def test_pictures_show_the_samples(tmp_path: Path) -> None:
    data = make_set()
    found = look(data)
    written = write_pictures(found, data, tmp_path / "out")
    assert [path.name for path in written] == ["labels.png", "samples.png"]
    labels = cv2.imread(str(written[0]))
    assert labels is not None
    assert labels.std() > 10
    # Without any ink the sheet of samples is lighter: the pictures are really drawn.
    drawn = cv2.imread(str(written[1]), cv2.IMREAD_GRAYSCALE)
    data.train.images[:] = 0
    write_pictures(found, data, tmp_path / "empty")
    empty = cv2.imread(str(tmp_path / "empty" / "samples.png"), cv2.IMREAD_GRAYSCALE)
    assert drawn is not None
    assert empty is not None
    assert drawn.mean() < empty.mean() - 5


def test_pictures_without_labels_are_samples_only(tmp_path: Path) -> None:
    data = DataSet("mine", Pictures(make_images(37), None), None, ())
    found = look(data)
    assert found.parts[0].class_counts is None
    assert sorted(found.parts[0].sample_indices[0]) == list(range(37))
    written = write_pictures(found, data, tmp_path)
    assert [path.name for path in written] == ["samples.png"]
    text = as_text(render_text(found))
    assert "train" in text
    assert "labels" not in text


def test_a_test_part_without_labels_has_no_distribution(tmp_path: Path) -> None:
    labelled, bare = make_set(), make_images(12, seed=2)
    data = replace(labelled, test=Pictures(bare, None))
    found = look(data)
    assert [part.class_counts for part in found.parts] == [(12, 12, 12), None]
    lines = as_text(render_text(found)).splitlines()
    assert any(line.split() == ["ant", "12", "33.3", "█" * 24, "–", "–"] for line in lines)
    heights = []
    for part in (data, labelled):
        picture = cv2.imread(str(write_pictures(look(part), part, tmp_path)[0]))
        assert picture is not None
        heights.append(picture.shape[0])
    assert heights[1] == 2 * heights[0]  # one part drawn, and two


def test_many_classes_fit(tmp_path: Path) -> None:
    labels = make_labels(500, 250)
    names = tuple(f"character {i}" for i in range(250))
    data = DataSet("many", Pictures(make_images(500), labels), None, names)
    written = write_pictures(look(data), data, tmp_path)
    for path in written:
        picture = cv2.imread(str(path))
        assert picture is not None
        assert max(picture.shape) < 10000


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    data = make_set()
    with pytest.raises(RunError, match=r"out.*cannot write"):
        write_pictures(look(data), data, tmp_path / "out")


def test_without_matplotlib_the_extra_is_named(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "sys.modules['matplotlib'] = None\n"
        "sys.modules['matplotlib.figure'] = None\n"
        "from edgedigits.cli.main import run\n"
        f"sys.argv = ['edgedigits', 'data', 'look', 'digits', '--out', {str(tmp_path / 'o')!r}]\n"
        "run()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "edgedigits: drawing pictures needs matplotlib, which is not installed: "
        "pip install 'edgedigits[report]'\n"
    )
    assert not (tmp_path / "o").exists()
