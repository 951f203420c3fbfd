"""What all tests share: the real data's folder, and the real program."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from helpers_programs import lacking

if TYPE_CHECKING:
    from edgedigits.device.preview import PreviewServer

CliResult = tuple[int, str, str]
RunCli = Callable[..., CliResult]

DATA_PROMISED = "EDGEDIGITS_REQUIRE_DATA"  # set by .ci/run where the data lies beside the checkout
DATA_FILES = [
    f"{part}-{kind}-ubyte.gz"
    for part in ("train", "t10k")
    for kind in ("images-idx3", "labels-idx1")
]


def _missing_data() -> str:
    """Why the real data cannot be used, or an empty string."""
    folder = os.environ.get("EDGEDIGITS_DATA")
    if not folder:
        return "EDGEDIGITS_DATA is not set"
    missing = [name for name in DATA_FILES if not (Path(folder) / "mnist" / name).is_file()]
    return f"EDGEDIGITS_DATA={folder} lacks mnist/{missing[0]}" if missing else ""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs the real data where it is missing, but fail where it was promised."""
    if item.get_closest_marker("shared") and (reason := _missing_data()):
        lacking(reason, promised=DATA_PROMISED)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of the real data sets; for tests marked ``shared``."""
    return Path(os.environ["EDGEDIGITS_DATA"])


@pytest.fixture(scope="session")
def data_part(data_dir: Path) -> Callable[[str], Path]:
    """A folder beside MNIST, ``data_part("photos")``; skips where it is missing, as above."""

    def part(name: str) -> Path:
        folder = data_dir / name
        if not folder.is_dir():
            lacking(f"{data_dir} lacks {name}", promised=DATA_PROMISED)
        return folder

    return part


@pytest.fixture
def preview() -> Iterator[PreviewServer]:
    """A preview page on a free port of loopback."""
    from edgedigits.device.preview import PreviewServer

    with PreviewServer(port=0) as running:
        yield running


@pytest.fixture(scope="session")
def run_cli() -> RunCli:
    """Run the real program: ``code, stdout, stderr = run_cli("data", "list", env={...})``.

    ``cwd`` sets the folder, ``env`` adds variables (None takes one away), ``timeout`` is in
    seconds. The caller's ``EDGEDIGITS_DATA`` is not passed on: name ``--data-dir`` instead.
    """

    def run(
        *arguments: object,
        cwd: Path | None = None,
        env: dict[str, str | None] | None = None,
        timeout: float = 240,
    ) -> CliResult:
        variables: dict[str, str | None] = {**os.environ, "EDGEDIGITS_DATA": None, **(env or {})}
        process = subprocess.run(
            [sys.executable, "-m", "edgedigits.cli.main", *map(str, arguments)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            cwd=cwd,
            env={key: value for key, value in variables.items() if value is not None},
            timeout=timeout,
            check=False,
        )
        return process.returncode, process.stdout, process.stderr

    return run


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory, run_cli: RunCli) -> Path:
    """A run of ``tiny-cnn``, trained a little on the embedded digits. Copy it to change it."""
    run = tmp_path_factory.mktemp("runs") / "trained"
    code, _, error = run_cli("train", "tiny-cnn", "--run", run, "--epochs", 2)
    assert code == 0, error
    return run


@pytest.fixture(scope="session")
def exported_run(trained_run: Path, run_cli: RunCli) -> Path:
    """The same run with every variant exported, as if pruned also. Copy it to change it.

    As on a machine without the Edge TPU's compiler, whether this one has it or not.
    """
    run = trained_run.with_name("exported")
    shutil.copytree(trained_run, run)
    shutil.copy(run / "model.keras", run / "pruned.keras")
    options = ["--all", "--int16x8", "--edgetpu", "--qat-epochs", 1, "--json"]
    folders = os.environ["PATH"].split(os.pathsep)
    without = [each for each in folders if not (Path(each) / "edgetpu_compiler").exists()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.pathsep.join(without))
        code, out, error = run_cli("export", run, *options)
    assert code == 0, error
    (run / "export.json").write_text(out)
    return run


@pytest.fixture
def run(exported_run: Path, tmp_path: Path) -> Path:
    """A copy of the exported run that a test may change."""
    return Path(shutil.copytree(exported_run, tmp_path / "run"))


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the smallest shipped file. Copy it to change it."""
    from edgedigits.bundling import make_bundle
    from edgedigits.zoo import zoo_file

    out = tmp_path_factory.mktemp("bundle") / "a.bundle"
    make_bundle(zoo_file("mnist-8k"), out)
    return out
