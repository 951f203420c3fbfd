"""The label page: labels by keyboard in a real browser, and what it refuses."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np
import pytest
from conftest import RunCli
from helpers_browser import NEEDS_BROWSER, Browser, browser
from helpers_crops import crop_name, noise_crops, write_crops

from edgedigits.data.crop_labels import read_crop_labels
from edgedigits.errors import DataError
from edgedigits.labelling import LabelServer, LabelStore
from edgedigits.labelling.counting import count_labels

CROPS = noise_crops(6)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_crops(tmp_path / "unsure", CROPS)


@pytest.fixture
def page(folder: Path) -> Iterator[LabelServer]:
    with LabelStore(folder) as store, LabelServer(store) as running:
        yield running


def token_of(page: LabelServer) -> str:
    assert page.token is not None
    return page.token


def ask(
    page: LabelServer,
    path: str,
    body: Any = None,
    *,
    method: str | None = None,
    token: str | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, bytes]:
    """A request; a body is sent as JSON in the way of the page, unless headers say otherwise."""
    given = quote(token_of(page) if token is None else token, safe="")
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=60)
    try:
        connection.request(
            method or ("GET" if body is None else "POST"),
            f"{path}{'&' if '?' in path else '?'}token={given}",
            None if body is None else body if isinstance(body, bytes) else json.dumps(body),
            ({} if body is None else {"Content-Type": "application/json"}) | (headers or {}),
        )
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def labels_of(folder: Path) -> dict[int, str]:
    """The labels by the number of the crop."""
    return {int(name[7:15]): known.label for name, known in read_crop_labels(folder).items()}


def test_what_the_page_is_told(page: LabelServer) -> None:
    known = json.loads(ask(page, "/crops.json")[1])
    assert known["names"] == [*"0123456789", "not a digit", "several digits"]
    assert [one["file"] for one in known["crops"]] == [crop_name(n) for n in range(1, 7)]
    third = known["crops"][2]
    assert (third["digit"], third["score"], third["accepted"]) == (2, 0.6, False)
    assert third["time"] == "2023-11-14T22:13:22+00:00"  # 1,700,000,002
    assert len(third["scores"]) == 10
    for number, crop in enumerate(CROPS, 1):
        status, body = ask(page, f"/crop.png?file={crop_name(number)}")
        assert status == 200
        shown = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(shown, crop)
    cut = ask(page, f"/cut.png?file={crop_name(1)}")[1]
    shown = cv2.imdecode(np.frombuffer(cut, np.uint8), cv2.IMREAD_UNCHANGED)
    assert shown is not None
    assert shown.shape == (60, 50, 3)


def test_a_label_is_on_the_disk_when_it_is_answered(page: LabelServer, folder: Path) -> None:
    for number, label in ((3, "7"), (1, "not a digit"), (3, "8"), (5, "several digits")):
        status, body = ask(page, "/label", {"file": crop_name(number), "label": label})
        assert status == 200
        assert json.loads(body)["label"] == label
        assert labels_of(folder)[number] == label
    assert ask(page, "/label", {"file": crop_name(1), "label": None})[0] == 200
    lines = (folder / "labels.csv").read_text().splitlines()
    assert [line.rpartition(",")[0] for line in lines] == [
        "file,label",
        "unsure-00000003-crop.png,8",
        "unsure-00000005-crop.png,several digits",
    ]
    assert all((folder / crop_name(number)).is_file() for number in range(1, 7))
    assert list(folder.glob(".labels*")) == []


def test_what_is_none_of_our_labels_is_refused(page: LabelServer, folder: Path) -> None:
    good = {"file": crop_name(1), "label": "7"}
    for bad in (
        {**good, "label": "10"},
        {**good, "label": 7},
        {**good, "file": "labels.csv"},
        {**good, "file": "../unsure/" + crop_name(1)},
        {**good, "file": str(folder / crop_name(1))},
        {**good, "file": None},
        {"file": crop_name(1)},
        [good],
        "x",
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 900,
    ):
        assert ask(page, "/label", bad)[0] == 400, bad
    assert ask(page, "/label", {**good, "x": "y" * 2000})[0] == 413
    assert not (folder / "labels.csv").exists()


def test_other_pages_cannot_label(page: LabelServer, folder: Path) -> None:
    """What a browser sends for a page of another origin, a form, or a name pointed at us."""
    good = {"file": crop_name(1), "label": "7"}
    mine = f"http://127.0.0.1:{page.port}"
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://127.0.0.1:{page.port + 1}"},
        {"Origin": f"https://127.0.0.1:{page.port}"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
    ):
        assert ask(page, "/label", good, headers=headers)[0] == 403, headers
    assert ask(page, "/label", good, token="wrong")[0] == 403
    assert ask(page, "/label", good, token="")[0] == 403
    assert not (folder / "labels.csv").exists()
    for method in ("OPTIONS", "PUT", "DELETE"):
        assert ask(page, "/label", good, method=method)[0] == 501
    assert ask(page, "/", good)[0] == 404
    assert ask(page, "/label", good, headers={"Origin": mine})[0] == 200


def test_nothing_is_served_without_the_token(page: LabelServer) -> None:
    paths = ["/", "/crops.json", f"/crop.png?file={crop_name(1)}", f"/cut.png?file={crop_name(1)}"]
    for path in paths:
        assert ask(page, path)[0] == 200
        for token in ("", "wrong", token_of(page)[:-1], token_of(page) + "x"):
            assert ask(page, path, token=token)[0] == 403
        assert ask(page, path, headers={"Host": "evil.example"})[0] == 403


@pytest.mark.parametrize("count", [500, pytest.param(5000, marks=pytest.mark.slow)])
def test_hostile_requests_change_nothing(page: LabelServer, folder: Path, count: int) -> None:
    rng = random.Random(count)
    secret = folder.parent / "secret.png"
    cv2.imwrite(str(secret), np.zeros((5, 5), np.uint8))
    names = ["../secret.png", "..%2fsecret.png", str(secret), "labels.csv", "index.jsonl", ".", ""]
    paths = ["/../secret.png", "/unsure-00000001-crop.png", "//x", "/label", "/%00", "*"]
    paths += [f"/{kind}.png?file={name}" for kind in ("crop", "cut") for name in names]
    bodies = [b"{}", b"\0" * 50, b'{"file":[],"label":{}}', b'{"file":"x","label":"1"}', b"1" * 999]
    for _ in range(count):
        headers = rng.choice([{}, {"Content-Length": "-1"}, {"Content-Length": "9" * 30}])
        headers |= rng.choice([{}, {"Transfer-Encoding": "chunked"}, {"Host": "x"}, {"Origin": ""}])
        token = rng.choice([None, None, "", "wrong"])
        path = rng.choice(paths)
        if rng.random() < 0.5:
            status, body = ask(page, path, token=token, headers=headers)
        else:
            status, body = ask(page, path, rng.choice(bodies), token=token, headers=headers)
        assert 400 <= status < 500, (path, headers, status)
        assert len(body) < 200
    assert not (folder / "labels.csv").exists()
    assert ask(page, "/crops.json")[0] == 200


def test_a_line_of_the_index_that_makes_no_sense(tmp_path: Path) -> None:
    folder = write_crops(tmp_path / "unsure", CROPS[:2])
    index = folder / "index.jsonl"
    first = json.loads(index.read_text().splitlines()[0])
    first |= {"cut": "../../etc/passwd", "score": float("nan"), "scores": ["<b>"], "digit": 1e9}
    index.write_text(json.dumps(first | {"source": "</script>", "time": 1e300}) + "\n[]\n{\n")
    with LabelStore(folder) as store, LabelServer(store) as page:
        status, body = ask(page, "/crops.json")
        assert status == 200
        one, other = json.loads(body)["crops"]
        assert (one["cut"], one["score"], one["scores"], one["digit"]) == (False, None, [], None)
        assert one["time"] is None
        assert (other["digit"], other["cut"]) == (None, False)
        assert ask(page, f"/cut.png?file={crop_name(1)}")[0] == 404


def test_damaged_crops_are_listed_and_not_shown(folder: Path) -> None:
    (folder / crop_name(2)).write_bytes(b"no picture")
    cv2.imwrite(str(folder / crop_name(4)), np.zeros((30, 28), np.uint8))
    (folder / crop_name(5)).write_bytes(b"")
    with LabelStore(folder) as store:
        assert store.damaged == (crop_name(2), crop_name(4), crop_name(5))
        assert store.names == (crop_name(1), crop_name(3), crop_name(6))
        with pytest.raises(KeyError):
            store.set(crop_name(2), "1")
    counts = count_labels(folder)
    assert (counts.crops, counts.damaged) == (3, (crop_name(2), crop_name(4), crop_name(5)))


def test_what_others_wrote_meanwhile_stays(folder: Path) -> None:
    with LabelStore(folder) as store:
        store.set(crop_name(1), "1")
        with (folder / "labels.csv").open("a") as file:
            file.write("another-crop.png,4,2026-01-01\n")
        store.set(crop_name(2), "2")
        assert read_crop_labels(folder)["another-crop.png"].label == "4"
        before = (folder / "labels.csv").read_text() + "half a li"
        (folder / "labels.csv").write_text(before)
        with pytest.raises(DataError, match="line 5"):
            store.set(crop_name(3), "3")
        assert (folder / "labels.csv").read_text() == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "first line"),
        ("a,b\n", "first line"),
        ("file,label,when\nx-crop.png,10,t\n", "line 2"),
        ("file,label,when\n../x-crop.png,1,t\n", "line 2"),
        ("file,label,when\nx-crop.png,1\n", "line 2"),
        ('file,label,when\n"x-crop.png,1,t\n', "no CSV"),
    ],
)
def test_a_labels_file_that_is_not_ours_is_left_alone(
    folder: Path, text: str, message: str, run_cli: RunCli
) -> None:
    (folder / "labels.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        LabelStore(folder)
    assert (folder / "labels.csv").read_text() == text


def test_folders_that_cannot_be_labelled(folder: Path, tmp_path: Path, run_cli: RunCli) -> None:
    (tmp_path / "empty").mkdir()
    for place, expected, word in ((tmp_path / "empty", 1, "no crops"), (tmp_path / "x", 2, "such")):
        code, out, error = run_cli("label", place)
        assert (code, out) == (expected, "")
        assert word in error
        assert error.count("\n") == 1
    with LabelStore(folder):
        code, out, error = run_cli("label", folder)
    assert (code, out) == (1, "")
    assert error == (
        f"edgedigits: {folder}: is being labelled already; "
        "use the page that is open, or end its program\n"
    )


def start(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """The real program, and the page's address."""
    running = subprocess.Popen(
        [sys.executable, "-m", "edgedigits.cli.main", "label", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        # A background job is started with Ctrl-C ignored, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert running.stderr is not None
    for line in running.stderr:
        if line.startswith("http://127.0.0.1:"):
            return running, line.strip()
    raise AssertionError("the program has ended")


def test_nothing_is_lost_when_the_program_is_killed(folder: Path) -> None:
    """Whatever was answered before kill -9 is there; then the folder can be opened again."""
    rng = random.Random(1)
    saved: dict[int, str] = {}
    for _ in range(3):
        running, url = start(folder)
        port = int(url.split(":")[2].split("/")[0])
        end = time.monotonic() + rng.uniform(0.05, 0.3)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while time.monotonic() < end:
            number, label = rng.randint(1, 6), str(rng.randint(0, 9))
            body = json.dumps({"file": crop_name(number), "label": label})
            path = f"/label?{url.partition('?')[2]}"
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
            saved[number] = label
        number, label = 1, "5"  # perhaps written, perhaps not, but never half
        body = json.dumps({"file": crop_name(number), "label": label})
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        os.kill(running.pid, signal.SIGKILL)
        running.communicate()
        connection.close()
        found = labels_of(folder)
        if found.get(1) == "5":
            saved[1] = "5"
        assert found == saved


def test_ctrl_c_ends_it_with_the_counts(folder: Path) -> None:
    running, _ = start(folder)
    running.send_signal(signal.SIGINT)
    out, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    assert "not labelled" in out


def press(page: Browser, keys: str) -> None:
    for key in keys.split():
        page.press({"space": " "}.get(key, key))


@NEEDS_BROWSER
def test_labelling_by_keyboard_in_a_real_browser(folder: Path, tmp_path: Path) -> None:
    with (
        LabelStore(folder) as store,
        LabelServer(store) as running,
        browser(tmp_path / "profile") as page,
    ):
        page.open(running.url)
        page.until("document.getElementById('progress').textContent === '0 of 6 labelled'")
        page.until("document.getElementById('crop').naturalWidth === 28")
        assert page.ask("document.getElementById('guess').textContent") == (
            "Guess: 0, 60.0 % sure, not taken"
        )
        press(page, "7 s n space m")  # 1: 7, 2: skipped, 3: none, 4: skipped, 5: several
        page.until("document.getElementById('progress').textContent === '3 of 6 labelled'")
        page.until("waiting === 0")
        assert labels_of(folder) == {1: "7", 3: "not a digit", 5: "several digits"}
        assert page.ask("at") == 5
        press(page, "u Backspace")  # the last two are taken back; we are at the third
        page.until("waiting === 0")
        assert labels_of(folder) == {1: "7"}
        assert page.ask("at") == 2
        press(page, "ArrowLeft ArrowLeft 4")  # the first once more, and on to the next unlabelled
        page.until("waiting === 0")
        assert labels_of(folder) == {1: "4"}
        assert page.ask("at") == 1
        press(page, "ArrowRight ?")
        assert page.ask("document.getElementById('keys').open") is True
        press(page, "3")  # the help is open: no label
        press(page, "Escape")
        page.until("!document.getElementById('keys').open")
        assert labels_of(folder) == {1: "4"}
        press(page, "1 1 1 1 1")
        page.until("document.getElementById('status').textContent === 'All crops are labelled.'")
        page.until("waiting === 0")
        assert labels_of(folder) == {1: "4", **dict.fromkeys((2, 3, 4, 5, 6), "1")}
        assert page.ask("document.getElementById('bar').value") == 6
        # The space bar presses a button that has the focus, and skips nothing.
        page.ask("document.querySelector('[data-label=\"9\"]').focus()")
        press(page, "space")
        page.until("waiting === 0")
        assert "9" in labels_of(folder).values()
        page.dark()
        assert page.ask("getComputedStyle(document.body).backgroundColor") == "rgb(18, 21, 24)"


@NEEDS_BROWSER
def test_a_label_that_is_not_saved_is_said(folder: Path, tmp_path: Path) -> None:
    with (
        LabelStore(folder) as store,
        LabelServer(store) as running,
        browser(tmp_path / "profile") as page,
    ):
        page.open(running.url)
        page.until("document.getElementById('progress').textContent === '0 of 6 labelled'")
        (folder / "labels.csv").write_text("not ours")
        press(page, "7 8")
        page.until("document.getElementById('status').textContent.startsWith('Not saved')")
        page.until("waiting === 0")
        assert page.ask("crops.filter((crop) => crop.label !== null).length") == 0
        assert page.ask("at") == 1 or page.ask("at") == 0
        (folder / "labels.csv").unlink()
        running.close()
        press(page, "7")
        page.until("document.getElementById('status').textContent.includes('no answer')")
        assert not (folder / "labels.csv").exists()
