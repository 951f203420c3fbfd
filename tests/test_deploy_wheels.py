"""Wheels made of what is installed, and the choice of what a device is sent."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email.parser import Parser
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest
from helpers_wheel import wheel_faults

import edgedigits
from edgedigits.errors import DeviceError, UsageError
from edgedigits.remote.packages import choose_packages, constraints_for, platform_tags
from edgedigits.remote.wheels import own_wheel, pip_wheel

PI = {"python": [3, 11, 2], "machine": "aarch64", "libc": ["glibc", "2.36"], "system_numpy": ""}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return own_wheel(tmp_path_factory.mktemp("wheel"))


def test_its_own_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    assert wheel_faults(wheel) == []


def test_it_needs_what_the_project_says_now(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    extras = metadata.get_all("Provides-Extra") or []
    assert {"service", "signing", "train"} <= set(extras)
    needs = metadata.get_all("Requires-Dist") or []
    assert any(need.startswith("paho-mqtt") and "service" in need for need in needs)


def test_from_a_checkout_beside_its_egg_info(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Python finds first when it is started in a checkout that was built."""
    found = tmp_path / "edgedigits.egg-info"
    found.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        for inside, name in (("METADATA", "PKG-INFO"), ("entry_points.txt", "entry_points.txt")):
            info = f"edgedigits-{edgedigits.__version__}.dist-info"
            (found / name).write_bytes(archive.read(f"{info}/{inside}"))
    (found / "SOURCES.txt").write_text("pyproject.toml\nedgedigits/__init__.py\n")
    monkeypatch.setattr(
        "edgedigits.remote.wheels.distribution", lambda name: PathDistribution(found)
    )
    (tmp_path / "out").mkdir()
    assert wheel_faults(own_wheel(tmp_path / "out")) == []


def test_the_same_code_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    assert own_wheel(tmp_path).read_bytes() == wheel.read_bytes()


def test_pip_runs_from_its_wheel_and_takes_ours(wheel: Path, tmp_path: Path) -> None:
    """pip holds every file against RECORD, and refuses what is no wheel."""
    pip = pip_wheel(tmp_path)
    command = [sys.executable, "-I", f"{pip}/pip", "install", "--no-deps", "--no-compile"]
    command += ["--no-index", "--disable-pip-version-check", "--quiet"]
    command += ["--target", str(tmp_path / "site"), str(wheel)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "site" / "edgedigits" / "zoo" / "digit-reader.tflite").is_file()
    program = (tmp_path / "site" / "bin" / "edgedigits").read_text()
    assert "edgedigits.cli.main" in program


def test_of_a_folder_of_wheels_only_those_for_the_device_are_sent(
    wheel: Path, tmp_path: Path
) -> None:
    good = (
        "numpy-2.4.6-cp311-cp311-manylinux_2_28_aarch64.whl",
        "opencv_python_headless-5.0-cp37-abi3-manylinux_2_28_aarch64.whl",
        "rich-15.0-py3-none-any.whl",
        "shellingham-1.5-py2.py3-none-any.whl",
    )
    bad = (
        "numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl",
        "numpy-2.4.6-cp313-cp313-manylinux_2_28_aarch64.whl",
        "edgedigits-0.0.1-py3-none-any.whl",
    )
    for name in (*good, *bad):
        (tmp_path / name).touch()
    chosen = choose_packages(PI, wheel=wheel, wheels=tmp_path)
    assert sorted(path.name for path in chosen.others) == sorted(good)
    assert chosen.offline
    (tmp_path / "none").mkdir()
    with pytest.raises(UsageError, match="holds no wheel for aarch64"):
        choose_packages(PI, wheel=wheel, wheels=tmp_path / "none")


def test_an_environment_is_named_by_what_is_in_it(wheel: Path, tmp_path: Path) -> None:
    first = choose_packages(PI, wheel=wheel).name
    assert first.startswith("0.1.0-")
    assert choose_packages(dict(PI), wheel=wheel).name == first
    others = [
        choose_packages({**PI, "python": [3, 13, 0]}, wheel=wheel).name,
        choose_packages(PI, wheel=wheel, extras="service,signing").name,
    ]
    changed = tmp_path / wheel.name
    changed.write_bytes(wheel.read_bytes() + b"x")
    others.append(choose_packages(PI, wheel=changed).name)
    assert len({first, *others}) == 4


def test_versions_are_those_of_the_devices_python_and_of_its_picamera2() -> None:
    modern = constraints_for(PI).splitlines()
    assert not [line for line in modern if ";" in line]
    (numpy,) = [line for line in modern if line.startswith("numpy=")]
    (older,) = [
        line
        for line in constraints_for({**PI, "python": [3, 10, 0]}).splitlines()
        if line.startswith("numpy=")
    ]
    assert numpy != older  # constraints.txt has one for each
    bookworm = constraints_for({**PI, "picamera2": True, "system_numpy": "1.24.2"}).splitlines()
    assert "numpy<2" in bookworm
    assert not [line for line in bookworm if line.startswith("numpy=")]
    trixie = constraints_for({**PI, "picamera2": True, "system_numpy": "2.2.4"})
    assert trixie.splitlines() == modern


def test_tags_go_down_from_the_devices_c_library() -> None:
    tags = platform_tags(PI)
    assert tags[0] == "manylinux_2_36_aarch64"
    assert "manylinux_2_28_aarch64" in tags
    assert "manylinux_2_37_aarch64" not in tags
    assert tags[-2:] == ["manylinux2014_aarch64", "linux_aarch64"]
    with pytest.raises(DeviceError, match="C library"):
        platform_tags({**PI, "libc": ["", ""]})
