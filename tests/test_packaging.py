"""The sdist, the wheel built from it, the licence and the pins."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from helpers_wheel import CHECKOUT, LINKED, wheel_faults
from packaging.requirements import Requirement

PYTHONS = ["3.10", "3.11", "3.12", "3.13"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an sdist and a wheel made from that sdist, without the network."""
    out = tmp_path_factory.mktemp("dist")
    process = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(CHECKOUT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout[-2000:] + process.stderr[-2000:]
    return out


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    assert wheel_faults(wheel) == []
    assert wheel.name.endswith("-py3-none-any.whl")


@pytest.mark.slow
def test_the_sdist_holds_the_linked_folders_as_files(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        members = {member.name.partition("/")[2]: member for member in archive.getmembers()}
    for name in LINKED:
        assert members[f"edgedigits/{name}/__init__.py"].isfile()
    assert members["LICENSE"].isfile()


@pytest.mark.slow
def test_what_is_wrong_with_a_wheel_is_found(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    spoilt = tmp_path / wheel.name
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(spoilt, "w") as target:
        for item in source.infolist():
            if item.filename != "edgedigits/device/interpreter.py":
                target.writestr(item, source.read(item))
        target.writestr("convert/__init__.py", "'top level'")
    assert wheel_faults(spoilt) == [
        "holds convert/__init__.py, which the package does not",
        "lacks edgedigits/device/interpreter.py",
    ]


def test_the_licence_is_apache_2() -> None:
    text = (CHECKOUT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert '\nlicense = "Apache-2.0"\n' in (CHECKOUT / "pyproject.toml").read_text()


def pins() -> list[Requirement]:
    lines = (CHECKOUT / "constraints.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def wanted() -> list[Requirement]:
    """Every requirement that pyproject.toml spells out, of the plain install and the extras."""
    text = (CHECKOUT / "pyproject.toml").read_text()
    text = text[text.index("dependencies = [") : text.index("[project.scripts]")]
    found = [Requirement(entry) for entry in re.findall(r'"([^"]+)"', text)]
    return [entry for entry in found if entry.name != "edgedigits"]


@pytest.mark.parametrize("python", PYTHONS)
def test_every_requirement_is_pinned_once_within_its_range(python: str) -> None:
    environment = {"python_version": python, "platform_machine": "x86_64"}
    pinned: dict[str, str] = {}
    for pin in pins():
        if pin.marker is None or pin.marker.evaluate(environment):
            assert pin.name not in pinned, f"{pin.name} is pinned twice"
            (only,) = pin.specifier
            assert only.operator == "=="
            pinned[pin.name] = only.version
    requirements = [
        entry for entry in wanted() if not entry.marker or entry.marker.evaluate(environment)
    ]
    assert len(requirements) > 15
    for entry in requirements:
        assert pinned[entry.name] in entry.specifier, entry


def test_the_pins_name_no_place_to_download_from() -> None:
    text = (CHECKOUT / "constraints.txt").read_text() + (CHECKOUT / "pyproject.toml").read_text()
    assert "index-url" not in text
    assert "find-links" not in text
    assert re.findall(r"https?://\S+", text) == ['https://github.com/edgedigits/edgedigits#readme"']
