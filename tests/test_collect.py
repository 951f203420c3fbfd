"""Crops brought home over a real sshd: none lost, none twice, none half."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import RunCli
from helpers_sshd import Device, device
from helpers_unsure import LIMIT, fill, pixels

from edgedigits.device.unsure_folder import CropFolder
from edgedigits.errors import UsageError
from edgedigits.remote.collecting import collect

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def pi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    with device(tmp_path_factory.mktemp("device") / "pi") as made:
        yield made


@pytest.fixture
def there(pi: Device) -> Path:
    """The device's folder, empty."""
    folder = pi.folder / "unsure"
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_all_come_home_and_none_of_them_twice(pi: Device, there: Path, tmp_path: Path) -> None:
    fill(there, 5)
    before = pixels(there)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".pi-0123456789ab-crop-x1y2.png").write_bytes(b"half")
    (first,) = collect(["pi"], tmp_path / "home", ssh=pi.ssh(), folder=str(there))
    assert (first.found, first.new, first.removed, first.error) == (5, 5, 0, None)
    assert pixels(tmp_path / "home") == before
    fill(there, 2, seed=1)
    (second,) = collect(["pi"], tmp_path / "home", ssh=pi.ssh(), folder=str(there))
    assert (second.found, second.new) == (7, 2)
    assert pixels(tmp_path / "home") == pixels(there)
    assert len(files(tmp_path / "home")) == 2 * 7 + 1
    assert len(files(there)) == 2 * 7 + 1


def test_moved_crops_are_gone_there_and_the_camera_numbers_on(
    pi: Device, there: Path, tmp_path: Path
) -> None:
    fill(there, 3)
    before = pixels(there)
    (moved,) = collect(["pi"], tmp_path / "home", ssh=pi.ssh(), folder=str(there), move=True)
    assert (moved.new, moved.removed) == (3, 3)
    assert files(there) == {"index.jsonl"}
    fill(there, 3, seed=1)
    assert "unsure-00000004-crop.png" in files(there)
    (more,) = collect(["pi"], tmp_path / "home", ssh=pi.ssh(), folder=str(there), move=True)
    assert (more.found, more.new, more.removed) == (3, 3, 3)
    home = pixels(tmp_path / "home")
    assert len(home) == 6
    assert set(home.values()) == {1}
    assert before.keys() <= home.keys()


def test_two_devices_with_the_same_names(pi: Device, there: Path, tmp_path: Path) -> None:
    with device(tmp_path / "shelf", "shelf") as shelf:
        fill(there, 2)
        fill(shelf.folder / "unsure", 2, seed=5)
        home = tmp_path / "home"
        collect(["pi"], home, ssh=pi.ssh(), folder=str(there))
        collect(["shelf"], home, ssh=shelf.ssh(), folder=str(shelf.folder / "unsure"))
        assert pixels(home) == pixels(there) + pixels(shelf.folder / "unsure")


def test_a_crop_damaged_at_home_is_fetched_again_and_not_moved_before(
    pi: Device, there: Path, tmp_path: Path
) -> None:
    fill(there, 2)
    home = tmp_path / "home"
    collect(["pi"], home, ssh=pi.ssh(), folder=str(there))
    crop = next(home.glob("*-crop.png"))
    crop.write_bytes(crop.read_bytes()[:-1])
    (again,) = collect(["pi"], home, ssh=pi.ssh(), folder=str(there), move=True)
    assert (again.new, again.removed) == (1, 2)
    assert len(pixels(home)) == 2


def test_half_a_line_and_a_picture_that_has_gone_are_passed_over(
    pi: Device, there: Path, tmp_path: Path
) -> None:
    fill(there, 3)
    (there / "unsure-00000002-cut.png").unlink()
    with (there / "index.jsonl").open("a") as index:
        index.write('{"crop": "unsure-00000009-cr')
    (found,) = collect(["pi"], tmp_path / "home", ssh=pi.ssh(), folder=str(there), move=True)
    assert (found.found, found.new, found.removed) == (2, 2, 2)


@pytest.mark.parametrize("name", ["../secret.png", "/etc/hostname", "a/b.png"])
def test_an_index_that_names_other_places_gets_nothing(
    pi: Device, there: Path, tmp_path: Path, name: str
) -> None:
    there.mkdir()
    (there.parent / "secret.png").write_bytes(b"secret")
    (there / "index.jsonl").write_text(json.dumps({"crop": name}) + "\n")
    (found,) = collect(["pi"], tmp_path / "home", ssh=pi.ssh(), folder=str(there), move=True)
    assert (found.found, found.removed) == (0, 0)
    assert (there.parent / "secret.png").exists()


def test_one_host_that_fails_does_not_keep_the_other_from_coming(
    pi: Device, there: Path, tmp_path: Path, run_cli: RunCli
) -> None:
    fill(there, 1)
    home = tmp_path / "home"
    code, out, err = run_cli(
        *("collect", "nowhere.invalid", "pi", "--out", home, "--from", there, "-F", pi.config),
        "--json",
    )
    assert code == 1
    assert [host["new"] for host in json.loads(out)["hosts"]] == [0, 1]
    assert err == "edgedigits: nowhere.invalid: there is no host of this name\n"
    missing = collect(["pi"], home, ssh=pi.ssh(), folder=f"{pi.folder}/none")[0].error
    assert missing is not None
    assert missing.startswith(f"pi: {pi.folder}/none: no such folder")


def test_a_folder_in_use_and_a_file_are_refused(pi: Device, there: Path, tmp_path: Path) -> None:
    crops = CropFolder(tmp_path / "home", LIMIT)
    try:
        with pytest.raises(UsageError, match="another program keeps crops there"):
            collect(["pi"], tmp_path / "home", ssh=pi.ssh(), folder=str(there))
    finally:
        crops.close()
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="--from unsure: must be absolute"):
        collect(["pi"], tmp_path / "home", ssh=pi.ssh(), folder="unsure")
    with pytest.raises(UsageError, match="is a file"):
        collect(["pi"], tmp_path / "file", ssh=pi.ssh(), folder=str(there))


@pytest.mark.slow
def test_killed_at_random_moments_nothing_is_lost_or_doubled(
    pi: Device, there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import collect_kills

    found = collect_kills.measure(pi, tmp_path, kills=6, seed=3)
    assert found["kills"] >= 3
    assert (found["crops"], found["lost"], found["doubled"]) == (700, 0, 0)
    assert not found["left_there"]
    assert not found["left_over"]
