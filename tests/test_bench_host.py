"""Files timed on a device, brought home, and shown beside the workstation's figures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import RunCli
from helpers_sshd import Device, device

from edgedigits.bench import device_speeds
from edgedigits.device.speed import measure, standard_frame, temperature
from edgedigits.files import file_digest
from edgedigits.remote.benching import bench_on
from edgedigits.remote.deploying import deploy
from edgedigits.run import RunFolder
from edgedigits.zoo import reader_file, zoo_file


@pytest.fixture(scope="module")
def pi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    with device(tmp_path_factory.mktemp("device") / "pi") as made:
        yield made


def test_the_standard_frame_shows_the_ten_digits_in_order() -> None:
    from edgedigits.device.opening import open_recogniser

    frame = standard_frame()
    assert frame.shape == (480, 640, 3)
    assert frame.dtype == np.uint8
    assert open_recogniser(reader_file()).read(frame).text == "01234\n56789"


def test_what_a_device_says_of_itself_and_of_files(tmp_path: Path) -> None:
    found = measure([reader_file()], threads=[1, 2], rounds=1)
    (file,) = found["files"]
    assert [row["threads"] for row in file["rows"]] == [1, 2]
    for row in file["rows"]:
        assert 0 < row["latency_us_p50"] <= row["latency_us_p95"]
    assert file["digits"] == 10
    assert file["fps"] == pytest.approx(1000 / file["frame_ms"])
    assert found["peak_bytes"] > 20_000_000
    json.dumps(found)


def test_the_hottest_zone_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgedigits.device.speed.ZONES", tmp_path)
    assert temperature() is None
    for name, text in (("thermal_zone0", "48312\n"), ("thermal_zone1", "51000\n"), ("x", "90000")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "temp").write_text(text)
    (tmp_path / "thermal_zone2").mkdir()
    (tmp_path / "thermal_zone2" / "temp").write_text("broken")
    assert temperature() == 51.0


def test_nothing_is_measured_where_nothing_is_deployed(pi: Device) -> None:
    (found,) = bench_on(["pi"], [zoo_file("mnist-8k")], ssh=pi.ssh(), prefix="/nonexistent")
    assert found.outcome.error is not None
    assert "nothing is deployed in /nonexistent; run 'edgedigits deploy'" in found.outcome.error
    assert found.saved == ()


def a_run(folder: Path) -> RunFolder:
    """A run that holds one exported file; the rest of a run is not looked at."""
    run = RunFolder(folder)
    run.exports.mkdir(parents=True)
    run.manifest_file.write_text('{"schema_version": 1}')
    shutil.copy(reader_file(), run.export_file("int8"))
    shutil.copy(reader_file().with_suffix(".json"), run.exports / "int8.json")
    return run


@pytest.mark.slow
def test_measured_there_and_kept_in_the_run(
    pi: Device, bundle: Path, tmp_path: Path, run_cli: RunCli
) -> None:
    (deployed,) = deploy(["pi"], bundle, pi.plan(), ssh=pi.ssh())
    assert deployed.error is None
    run = a_run(tmp_path / "run")
    options = ["--host", "pi", "-F", pi.config, "--prefix", pi.prefix, "--rounds", 1, "--json"]
    code, out, err = run_cli("bench", run.export_file("int8"), *options)
    assert code == 0, err
    (host,) = json.loads(out)["hosts"]
    assert host["saved"] == [str(run.devices / "pi.json")]
    (speed,) = device_speeds(run, file_digest(run.export_file("int8")), 1)
    assert (speed.host, speed.threads) == ("pi", 1)
    assert speed.latency_us_p50 == host["files"][0]["rows"][0]["latency_us_p50"]
    assert speed.fps == host["files"][0]["fps"]
    assert device_speeds(run, "0" * 64, 1) == ()  # another file of the same name is not meant


def test_compare_shows_a_device_in_a_column_of_its_own(tmp_path: Path) -> None:
    from edgedigits.bench import DeviceSpeed
    from edgedigits.compare import ComparisonRow
    from edgedigits.report.device_columns import device_cells, device_columns

    plain = ComparisonRow(
        *("a", "int8", tmp_path, 10, 9, 100, 0.9, 0.8, 0.95),
        *(None, None, None, None, None, None, 20.0, 30.0, True),
    )
    speed = DeviceSpeed("pi", "Cortex-A72", 1, 412.4, 590.6, 31.25, 32.0, 9, 51.0)
    shown = replace(plain, devices=(speed,))
    rows = [shown, plain]
    assert [column.name for column in device_columns(rows)] == ["pi\np50/p95 µs, fps"]
    assert device_cells(shown, rows) == ("412/591, 31.2",)
    assert device_cells(plain, rows) == ("–",)
    assert device_columns([plain]) == ()
