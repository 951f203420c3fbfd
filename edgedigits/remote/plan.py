"""What a deploy is to do, and how the service is to run where nothing new was said."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from edgedigits.device.service.unit import WATCHDOG_SECONDS, Service
from edgedigits.errors import UsageError

PREFIX = "/opt/edgedigits"
UNITS = "/etc/systemd/system"
SETTLE_SECONDS = 3.0
PATIENCE_SECONDS = 60.0
WHEEL_PARTS = 5  # of a wheel's name, at least


@dataclass(frozen=True)
class Wish:
    """How the service is to run; None: as the deploy before this one was told.

    Attributes:
        service: whether there is to be one at all.
        source, options, credentials, groups, watchdog: as for ``device.service.unit.Service``.
    """

    service: bool | None = None
    source: str | None = None
    options: Sequence[str] | None = None
    credentials: Mapping[str, str] | None = None
    groups: Sequence[str] | None = None
    watchdog: int | None = None


@dataclass(frozen=True)
class Plan:
    """What a deploy brings along, and how it goes about it.

    Attributes:
        wish: how the service is to run. forget: what an earlier deploy was told does not count.
        prefix: the folder on the device; "~/" is the user's home. units: of unit files.
        wheel: of edgedigits; None: made of what runs here. wheels, offline: what it needs.
        key: the owner's public key, against which the device too checks the bundle.
        any_clock: whether the device's clock may be wrong. settle: seconds the service must run.
    """

    wish: Wish = field(default_factory=Wish)
    forget: bool = False
    prefix: str = PREFIX
    units: str = UNITS
    wheel: Path | None = None
    wheels: Path | None = None
    offline: bool = False
    key: Path | None = None
    any_clock: bool = False
    settle: float = SETTLE_SECONDS
    patience: float = PATIENCE_SECONDS


def settled(plan: Plan, facts: Mapping[str, Any]) -> tuple[Service | None, dict[str, Any]]:
    """The service as wished, else as told before; and what the device keeps of it."""
    told: Mapping[str, Any] = {} if plan.forget else facts["told"]
    default = Service()
    fallback: dict[str, Any] = {
        "service": True,
        "source": default.source,
        "options": list(default.options),
        "credentials": {},
        "groups": list(default.groups),
        "watchdog": WATCHDOG_SECONDS,
    }
    settings: dict[str, Any] = {}
    for key, value in fallback.items():
        wished = getattr(plan.wish, key)
        before = told.get(key)
        settings[key] = wished if wished is not None else value if before is None else before
    how = {key: value for key, value in settings.items() if key != "service"}
    service = Service(prefix=PurePosixPath(facts["prefix"]), **how) if settings["service"] else None
    return service, {**settings, "units": plan.units}


def check_paths(plan: Plan) -> None:
    """Raise UsageError for a path that is not there, or cannot be a prefix."""
    if not plan.prefix.startswith(("/", "~/")):
        raise UsageError(f"--prefix {plan.prefix}: must be absolute, like {PREFIX}")
    if not plan.units.startswith("/"):
        raise UsageError(f"--unit-folder {plan.units}: must be absolute, like {UNITS}")
    if not 0 <= plan.settle < math.inf:
        raise UsageError(f"--settle {plan.settle}: must be a number of seconds, 0 or more")
    if (plan.wish.watchdog or 0) < 0:
        raise UsageError(f"--watchdog {plan.wish.watchdog}: must be 0 or more seconds")
    if plan.wheel is not None and plan.wheel.is_file() and not _is_wheel(plan.wheel):
        raise UsageError(f"--wheel {plan.wheel}: is no wheel of edgedigits")
    for option, path, good in (
        ("wheel", plan.wheel, plan.wheel is None or plan.wheel.is_file()),
        ("wheels", plan.wheels, plan.wheels is None or plan.wheels.is_dir()),
        ("key", plan.key, plan.key is None or plan.key.is_file()),
    ):
        if not good:
            raise UsageError(f"--{option} {path}: not found")


def _is_wheel(path: Path) -> bool:
    name = path.name.removesuffix(".whl").split("-")
    return name[0] == "edgedigits" and len(name) >= WHEEL_PARTS and zipfile.is_zipfile(path)
