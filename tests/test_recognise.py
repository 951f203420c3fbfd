"""Recognising digits in pictures and videos, by the commands and the model that come with it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import RunCli
from helpers_frames import Connection, mjpeg_server
from helpers_recognise import page_of_digits

from edgedigits.data.registry import load_data
from edgedigits.device.opening import ASSUMED_THRESHOLD, open_recogniser
from edgedigits.device.reading import Box
from edgedigits.errors import ModelFileError, UsageError
from edgedigits.picture_files import read_picture
from edgedigits.scoring import Score, load_photo_labels, overlap, score_frame
from edgedigits.zoo import reader_file

ROWS = ["31415", "926"]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Box]]:
    """A photograph of eight of the embedded digits, and where they stand."""
    picture, boxes = page_of_digits(ROWS)
    file = tmp_path_factory.mktemp("page") / "page.png"
    cv2.imwrite(str(file), picture)
    return file, boxes


def test_the_shipped_model_is_small_and_int8() -> None:
    from edgedigits.device.classifier import Classifier

    assert reader_file().stat().st_size <= 150_000
    classifier = Classifier(reader_file())
    assert classifier.interpreter.input.dtype == np.int8
    assert classifier.interpreter.output.dtype == np.int8
    assert classifier.metadata is not None
    assert classifier.metadata.rejection is not None


def test_digits_and_their_places(page: tuple[Path, list[Box]], run_cli: RunCli) -> None:
    file, boxes = page
    code, out, error = run_cli("recognise", file, "--json")
    assert code == 0, error
    document = json.loads(out)
    assert document["text"].split("\n") == ROWS
    assert (document["source"], document["frame"]) == (str(file), 0)
    assert (document["width"], document["height"]) == (640, 480)
    assert document["ink"] == "dark on light"
    assert [digit["digit"] for digit in document["digits"]] == [int(d) for d in "".join(ROWS)]
    for digit, box in zip(document["digits"], boxes, strict=True):
        assert overlap(Box(*digit["box"]), box) > 0.7
        assert 0 < digit["score"] <= 1


def test_light_on_dark_turned_and_stored_in_every_way(
    page: tuple[Path, list[Box]], tmp_path: Path, run_cli: RunCli
) -> None:
    grey = cv2.imread(str(page[0]), cv2.IMREAD_GRAYSCALE)
    assert grey is not None
    deep = grey.astype(np.uint16) * 257
    alpha = np.dstack([np.zeros_like(grey)] * 3 + [255 - grey])
    files = {"inverted.png": 255 - grey, "deep.png": deep, "alpha.png": alpha, "soft.jpg": grey}
    for name, array in files.items():
        cv2.imwrite(str(tmp_path / name), array)
    turned = tmp_path / "turned.jpg"  # lies on its side; its EXIF data says how to turn it
    turned.write_bytes(_with_orientation(cv2.rotate(grey, cv2.ROTATE_90_COUNTERCLOCKWISE), 6))
    names = [tmp_path / name for name in (*files, "turned.jpg")]
    code, out, error = run_cli("recognise", *names, "--json")
    assert code == 0, error
    documents = [json.loads(line) for line in out.splitlines()]
    assert [document["text"].split("\n") for document in documents] == [ROWS] * 5
    assert documents[0]["ink"] == "light on dark"
    assert (documents[-1]["width"], documents[-1]["height"]) == (640, 480)


def _with_orientation(grey: np.ndarray, orientation: int) -> bytes:
    """A JPEG whose EXIF block holds nothing but the orientation."""
    _, data = cv2.imencode(".jpg", grey)
    tiff = (
        b"II*\0\x08\0\0\0" + b"\x01\0" + b"\x12\x01\x03\0\x01\0\0\0" + bytes([orientation, 0, 0, 0])
    )
    block = b"Exif\0\0" + tiff + b"\0\0\0\0"
    raw = bytes(data)
    return raw[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + raw[2:]


def test_nothing_is_read_where_nothing_is(tmp_path: Path, run_cli: RunCli) -> None:
    rng = np.random.default_rng(0)
    pictures = {
        "one.png": np.zeros((1, 1), np.uint8),
        "white.png": np.full((480, 640), 255, np.uint8),
        "noise.png": rng.integers(0, 256, (480, 640), dtype=np.uint8),
        "paper.png": np.clip(rng.normal(210, 4, (480, 640)), 0, 255).astype(np.uint8),
        "line.png": cv2.line(np.full((480, 640), 230, np.uint8), (20, 240), (600, 250), 20, 3),
    }
    for name, picture in pictures.items():
        cv2.imwrite(str(tmp_path / name), picture)
    code, out, error = run_cli("recognise", *(tmp_path / name for name in pictures), "--json")
    assert code == 0, error
    assert [json.loads(line)["digits"] for line in out.splitlines()] == [[]] * len(pictures)


def test_a_copy_with_the_digits_drawn_in(
    page: tuple[Path, list[Box]], tmp_path: Path, run_cli: RunCli
) -> None:
    out = tmp_path / "read"
    code, text, error = run_cli("recognise", page[0], "--out", out, "--save-unsure", tmp_path / "u")
    assert code == 0, error
    assert "8 digits, dark on light" in text
    assert "31415" in text
    drawn = cv2.imread(str(out / "page-read.png"))
    assert drawn is not None
    assert drawn.shape == (480, 640, 3)
    box = page[1][0]
    frame = drawn[box.y - 3 : box.y + box.h + 3, box.x - 3 : box.x + box.w + 3].astype(int)
    assert (frame[..., 1] - frame[..., 2]).max() > 60  # green is there
    again, _, error = run_cli("recognise", page[0], page[0], "--out", out)
    assert again == 2
    assert "two pictures would both become page-read.png" in error


def test_no_copy_takes_the_place_of_a_picture(
    page: tuple[Path, list[Box]], tmp_path: Path, run_cli: RunCli
) -> None:
    for name in ("b.png", "b-read.png"):
        shutil.copy(page[0], tmp_path / name)
    (tmp_path / "linked").symlink_to(tmp_path)
    for out in (".", tmp_path / "linked"):
        code, _, error = run_cli("recognise", "b.png", "b-read.png", "--out", out, cwd=tmp_path)
        assert (code, error.count("\n")) == (2, 1)
        assert "the copy of b.png would take the place of the picture" in error
    assert (tmp_path / "b-read.png").read_bytes() == page[0].read_bytes()
    (tmp_path / "a").mkdir()
    shutil.copy(page[0], tmp_path / "a" / "b.png")
    code, _, error = run_cli("recognise", "b.png", "a/b.png", "--out", "o", cwd=tmp_path)
    assert (code, error.count("\n")) == (2, 1)
    assert "two pictures would both become b-read.png" in error
    assert not (tmp_path / "o").exists()


def test_bad_input_gets_one_line(tmp_path: Path, run_cli: RunCli) -> None:
    text = tmp_path / "text.png"
    text.write_text("no picture")
    fashion = tmp_path / "other.tflite"
    fashion.write_bytes(b"nothing")
    for arguments, code, expected in (
        (("none.png",), 2, "none.png: no such file"),
        ((tmp_path,), 2, "is a folder; name picture files"),
        ((text,), 1, "is no picture that can be read"),
        ((text, "--model", tmp_path / "none.tflite"), 2, "no such file"),
        ((text, "--model", fashion), 1, "not a TFLite file"),
        ((text, "--threshold", 2), 2, "--threshold is 2; it must lie between 0 and 1"),
        ((text, "--threads", 0), 2, "--threads is 0"),
    ):
        found, _, error = run_cli("recognise", *arguments)
        assert (found, error.count("\n")) == (code, 1), error
        assert expected in error


def test_a_file_of_other_classes_is_refused(exported_run: Path) -> None:
    from edgedigits.convert.stamp import stamp
    from edgedigits.device.metadata import read_metadata

    data = (exported_run / "exports" / "int8.tflite").read_bytes()
    metadata = read_metadata(data)
    assert metadata is not None
    shirts = exported_run.parent / "shirts.tflite"
    shirts.write_bytes(stamp(data, replace(metadata, labels=("T-shirt", "trouser"))))
    with pytest.raises(ModelFileError, match="its labels are T-shirt, trouser, …, not the digits"):
        open_recogniser(shirts)
    bare = exported_run.parent / "bare.tflite"
    bare.write_bytes(stamp(data, replace(metadata, rejection=None)))
    said: list[str] = []
    assert open_recogniser(bare, say=said.append).threshold == ASSUMED_THRESHOLD
    assert "brings no threshold" in said[0]
    with pytest.raises(UsageError, match="--threads is 0"):
        open_recogniser(bare, threads=0)


def test_it_runs_without_tensorflow(page: tuple[Path, list[Box]]) -> None:
    program = (
        "import sys; sys.modules['tensorflow'] = sys.modules['tf_keras'] = None;"
        "from edgedigits.cli.main import app;"
        f"app(['recognise', {str(page[0])!r}], standalone_mode=False)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "31415" in done.stdout


def test_a_video_is_read_once_and_annotated(tmp_path: Path, run_cli: RunCli) -> None:
    video = tmp_path / "in.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 25, (640, 480))
    for i in range(24):
        shown = ["2714"] if i < 12 else ["2714", "24"]
        picture, _ = page_of_digits(shown, shift=(2 * i, i))
        writer.write(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))
    writer.release()
    copy = tmp_path / "out.avi"
    code, out, error = run_cli("camera", "--source", video, "--out", copy)
    assert code == 0, error
    lines = [line.split(maxsplit=2)[2] for line in out.splitlines()]
    assert lines == ["2714", "2714 / 24"]
    assert "24 frames recognised, 0 dropped" in error
    annotated = cv2.VideoCapture(str(copy))
    assert int(annotated.get(cv2.CAP_PROP_FRAME_COUNT)) == 24
    assert annotated.get(cv2.CAP_PROP_FPS) == 25
    code, out, error = run_cli("camera", "--source", video, "--json", "--frames", 9)
    assert code == 0, error
    documents = [json.loads(line) for line in out.splitlines()]
    assert [document["frame"] for document in documents] == list(range(9))
    assert documents[-1]["committed"] == "2714"
    assert [document["new"] for document in documents if document["new"]] == ["2714"]


def test_the_text_of_one_picture_is_said(page: tuple[Path, list[Box]], run_cli: RunCli) -> None:
    code, out, error = run_cli("camera", "--source", page[0])
    assert code == 0, error
    assert out == f"frame      0  {' / '.join(ROWS)}\n"
    code, out, error = run_cli("camera", "--source", page[0], "--json", "--frames", 1)
    assert code == 0, error
    document = json.loads(out)
    assert document["new"] == document["committed"] == document["text"] == "\n".join(ROWS)
    _, out, _ = run_cli("camera", "--source", page[0].parent)
    assert out == ""  # a folder is what a camera saw, picture after picture


@pytest.mark.shared
def test_photographs(data_part: Callable[[str], Path]) -> None:
    folder = data_part("photos")
    recogniser = open_recogniser(reader_file())
    score = Score()
    for photo in load_photo_labels(folder):
        reading = recogniser.read(read_picture(photo.path))
        found = [(candidate.digit, candidate.box) for candidate in reading.digits]
        score += score_frame(photo.digits, found, photo.rows, reading.text)
    assert score.f1 >= 0.99
    assert score.false == 0


@pytest.mark.shared
def test_mnist_through_the_preprocessor(data_dir: Path) -> None:
    from edgedigits.preprocess import place

    test = load_data("mnist", data_dir=data_dir).test
    assert test is not None
    assert test.labels is not None
    placed = np.stack([place(image) for image in test.images])
    scores = open_recogniser(reader_file()).classifier.scores(placed)
    assert (scores[:, :10].argmax(axis=1) == test.labels).mean() >= 0.994


def test_a_live_stream_with_a_page_to_watch(tmp_path: Path) -> None:
    """A real MJPEG stream, the real command, and what its page says while it runs."""
    picture, _ = page_of_digits(["314"])
    _, data = cv2.imencode(".jpg", picture)

    def send(connection: Connection) -> None:
        connection.begin()
        while not connection.closing.wait(0.05):
            connection.part(data.tobytes())

    with mjpeg_server(send) as url:
        command = [sys.executable, "-m", "edgedigits.cli.main", "camera", "--source", url]
        process = subprocess.Popen(
            [*command, "--preview", "--port", "0", "--json", "--save-unsure", str(tmp_path / "u")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        try:
            assert process.stderr is not None
            page = next(line for line in process.stderr if line.startswith("preview: "))
            address = page.removeprefix("preview: ").strip()
            deadline = time.monotonic() + 60
            state: dict[str, Any] = {}
            while "314" not in json.dumps(state) and time.monotonic() < deadline:
                with urllib.request.urlopen(f"{address}state.json", timeout=10) as answer:
                    state = json.loads(answer.read()) or {}
            assert "314" in json.dumps(state)
            process.send_signal(signal.SIGINT)
            rest = process.stderr.read()
            assert process.wait(30) == 130
            assert "Traceback" not in rest
            assert rest.strip().splitlines()[-1] == "edgedigits: interrupted"
        finally:
            process.kill()
            process.wait()
