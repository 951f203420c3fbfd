"""The plain install's wheel on an emulated Raspberry Pi (``make pi``): the same answers as here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers_programs import lacking
from helpers_recognise import page_of_digits

from edgedigits.bundling import make_bundle
from edgedigits.zoo import zoo_file

PI = Path(os.environ.get("EDGEDIGITS_PI", Path(__file__).parent.parent / ".pi" / "python"))
SCORE_STEPS = 3  # of 1/256, seen: 2
PHOTOGRAPH = "paper_blue_20digits.jpg"


@pytest.fixture(scope="module", autouse=True)
def _needs_the_pi() -> None:
    if not PI.exists():
        lacking(f"no emulated Pi at {PI}: make pi")


def on_the_pi(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PI, *words], cwd=cwd, capture_output=True, text=True, timeout=280)


def answer(python: str | Path, *words: str | Path, cwd: Path) -> list[dict[str, Any]]:
    """The JSON lines of a command, and nothing but a clean end."""
    command = [python, "-m", "edgedigits.cli.main", *words, "--json"]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    text = done.stdout
    return [json.loads(text)] if text.startswith("{\n") else [*map(json.loads, text.splitlines())]


def both(*words: str | Path, cwd: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return answer(PI, *words, cwd=cwd), answer(sys.executable, *words, cwd=cwd)


def same_answers(
    there: list[dict[str, Any]], here: list[dict[str, Any]], number_of_digits: int
) -> None:
    """Equal line by line but for the scores: OpenCV's resizing rounds otherwise there."""
    assert len(there) == len(here)
    for pi, workstation in zip(there, here, strict=True):
        found, wanted = pi.pop("digits"), workstation.pop("digits")
        assert pi == workstation
        assert len(found) == number_of_digits
        for own, other in zip(found, wanted, strict=True):
            assert own.pop("score") == pytest.approx(other.pop("score"), abs=SCORE_STEPS / 256)
            assert own == other


def test_it_is_another_machine(tmp_path: Path) -> None:
    code = (
        "import json, platform, sys, edgedigits, numpy, cv2, ai_edge_litert;"
        "print(json.dumps([platform.machine(), sys.version_info[:2], edgedigits.__file__]))"
    )
    machine, version, file = json.loads(on_the_pi("-c", code, cwd=tmp_path).stdout)
    assert (machine, version) == ("aarch64", [3, 11])
    assert Path(file).is_relative_to(PI.parent / "site")
    absent = on_the_pi("-c", "import tensorflow", cwd=tmp_path)
    assert "No module named 'tensorflow'" in absent.stderr


@pytest.mark.parametrize("model", ["digit-reader", "mnist-8k"])
def test_a_bundle_holds_there(model: str, tmp_path: Path) -> None:
    """Equal with the reference kernels, at most one step apart with XNNPACK's."""
    make_bundle(zoo_file(model), tmp_path / "a.bundle")
    (document,) = answer(PI, "verify", "a.bundle", cwd=tmp_path)
    assert document["here"]["host"]["machine"] == "aarch64"
    assert document["here"]["host"]["processor"] == "Raspberry Pi 4 Model B Rev 1.5"
    largest = {row["kernels"]: row["largest"] for row in document["rows"]}
    assert largest["reference"] == 0
    assert largest["default"] <= 1
    assert document["holds"]
    assert not any(row["changed"] for row in document["rows"])


def test_its_fast_kernels_are_xnnpack(tmp_path: Path) -> None:
    """Without it, the default kernels would prove nothing of a real Pi."""
    done = on_the_pi(
        "-c",
        "from edgedigits.zoo import reader_file\n"
        "from ai_edge_litert.interpreter import Interpreter\n"
        "Interpreter(model_path=str(reader_file())).allocate_tensors()",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "XNNPACK" in done.stderr


def test_a_drawn_page_reads_the_same(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "page.png"), page_of_digits(["31415", "926"])[0])
    there, here = both("recognise", "page.png", cwd=tmp_path)
    assert there[0]["text"] == "31415\n926"
    same_answers(there, here, 8)


@pytest.mark.shared
def test_a_photograph_reads_the_same(data_part: Callable[[str], Path], tmp_path: Path) -> None:
    there, here = both("recognise", data_part("photos") / PHOTOGRAPH, cwd=tmp_path)
    same_answers(there, here, 20)


def test_a_video_through_the_camera(tmp_path: Path) -> None:
    """FFV1 is lossless, and decoded there by the wheel's own FFmpeg."""
    page = cv2.cvtColor(page_of_digits(["31415"])[0], cv2.COLOR_GRAY2BGR)
    writer = cv2.VideoWriter(
        str(tmp_path / "v.avi"), cv2.VideoWriter.fourcc(*"FFV1"), 10, page.shape[1::-1]
    )
    for shift in range(6):
        writer.write(np.roll(page, 2 * shift, axis=1))
    writer.release()
    there, here = both("camera", "--source", "v.avi", cwd=tmp_path)
    assert [line["frame"] for line in there] == list(range(6))
    assert {line["text"] for line in there} == {"31415"}
    same_answers(there, here, 5)


def test_doctor_knows_where_it_is(tmp_path: Path) -> None:
    done = on_the_pi("-m", "edgedigits.cli.main", "doctor", "--json", cwd=tmp_path)
    assert done.returncode in (0, 1), done.stderr  # 1: this machine's disk or memory is short
    states = {
        row["name"]: (row["state"], row["found"]) for row in json.loads(done.stdout)["checks"]
    }
    assert states["64 bits"] == ("ok", "aarch64, a Python of 64 bits")
    assert states["Python"][1].startswith("3.11.2")
    assert states["packages"][0] == states["runtime"][0] == "ok"
