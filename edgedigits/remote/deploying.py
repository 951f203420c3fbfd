"""Put a model, and the edgedigits that runs it, onto devices."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import edgedigits
from edgedigits.bundling import make_bundle
from edgedigits.device.bundle.contents import Bundle, is_bundle, open_bundle
from edgedigits.device.bundle.opening import resolve_model
from edgedigits.device.bundle.verifying import check_signature
from edgedigits.device.service.unit import unit_text
from edgedigits.errors import UsageError
from edgedigits.progress import SILENT, Progress
from edgedigits.remote.judging import look, needs_root, require
from edgedigits.remote.many import Outcome, Say, follow, on_all
from edgedigits.remote.packages import EXTRAS, PIP, Packages, choose_packages
from edgedigits.remote.plan import Plan, check_paths, settled
from edgedigits.remote.ssh import Ssh, connect, file_list
from edgedigits.remote.wheels import own_wheel
from edgedigits.run import RunFolder
from edgedigits.zoo import READER

BUNDLE = "model.bundle"
KEY = "owner.pub"


def deploy(
    hosts: Sequence[str],
    file: str | Path | None,
    plan: Plan,
    *,
    ssh: Ssh,
    data: str | None = None,
    data_dir: Path | None = None,
    progress: Progress = SILENT,
) -> list[Outcome]:
    """Bring a model to hosts, several at once; an error on one is no error of the others.

    Args:
        file: a bundle, a ``.tflite`` file, a run folder, or a shipped file's name; None: the
            shipped reader. data: of golden pictures, where a bundle must be made first.

    Raises:
        UsageError, BundleError, ModelFileError, DataError: nothing that could be sent.
    """
    check_paths(plan)
    with tempfile.TemporaryDirectory(prefix="edgedigits-deploy-") as own:
        folder = Path(own)
        bundle = _bundle(file, folder, data, data_dir, progress)
        check_signature(bundle, plan.key)
        wheel = own_wheel(folder) if plan.wheel is None else plan.wheel
        kit = _Kit(plan, ssh, folder, bundle, wheel)
        return on_all(hosts, kit.deploy, progress)


def _bundle(
    file: str | Path | None,
    folder: Path,
    data: str | None,
    data_dir: Path | None,
    progress: Progress,
) -> Bundle:
    """The bundle that a command's FILE means, made where it is none yet."""
    path = Path(READER if file is None else file)
    if path.is_dir():
        path = RunFolder(path).export_file("int8")
        if not path.is_file():
            raise UsageError(f"{path}: not found; run 'edgedigits export', or name a file")
    if path.is_file() and is_bundle(path):
        return open_bundle(path)
    out = folder / BUNDLE
    return make_bundle(resolve_model(path), out, data=data, data_dir=data_dir, progress=progress)


@dataclass(frozen=True)
class _Kit:
    """What is the same for all hosts."""

    plan: Plan
    ssh: Ssh
    folder: Path
    bundle: Bundle
    wheel: Path
    _fetching: threading.Lock = field(default_factory=threading.Lock)

    def deploy(self, host: str, say: Say) -> tuple[dict[str, Any], bool]:
        """Deploy to one host; returns what is then in place."""
        plan = self.plan
        facts = look(self.ssh, host, plan.prefix, plan.units)
        service, settings = settled(plan, facts)
        wanted = {"service": service is not None, "any_clock": plan.any_clock}
        require(host, facts, **wanted, new=False)
        packages = self._packages(facts)
        require(host, facts, **wanted, new=packages.name not in facts["environments"])
        request = {
            "do": "deploy",
            "prefix": facts["prefix"],
            "python": self.ssh.python,
            "environment": packages.name,
            "wheel": packages.wheel.name,
            "pip": PIP,
            "offline": packages.offline,
            "extras": packages.extras,
            "edgedigits": edgedigits.__version__,
            "bundle": self.bundle.path.name,
            "key": None if plan.key is None else KEY,
            "unit": None if service is None else unit_text(service, systemd=facts["systemd"]),
            "settle": plan.settle,
            "patience": plan.patience,
            **settings,
        }
        root = needs_root(facts, service=service is not None)
        with connect(self.ssh, host, "work", root=root) as connection:
            connection.write(request)
            have = bool(connection.read()["have"])
            files = self._files(packages, have)
            connection.write({"files": file_list(files)})
            connection.send_files(files)
            return follow(connection, say), have

    def _packages(self, facts: Mapping[str, Any]) -> Packages:
        plan = self.plan
        with self._fetching:  # devices of one kind need the same wheels, fetched once
            return choose_packages(
                facts,
                wheel=self.wheel,
                wheels=plan.wheels,
                offline=plan.offline,
                extras=EXTRAS if plan.key is None else f"{EXTRAS},signing",
            )

    def _files(self, packages: Packages, have: bool) -> dict[str, Path]:
        files = {BUNDLE: self.bundle.path}
        if self.plan.key is not None:
            files[KEY] = self.plan.key
        if not have:
            with self._fetching:
                files |= packages.files(self.folder)
        return files
