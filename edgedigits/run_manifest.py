"""What ``run.json`` may hold: the kind of every value that is read back from it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgedigits.errors import RunError

Kind = tuple[str, Callable[[Any], bool]]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_shape(value: Any) -> bool:
    return isinstance(value, list) and 0 < len(value) <= 3 and all(map(_is_count, value))


def _is_range(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value))


def _or_null(kind: Kind) -> Kind:
    name, fits = kind
    return f"{name} or null", lambda value: value is None or fits(value)


OBJECT: Kind = ("an object", lambda value: isinstance(value, dict))
TEXT: Kind = ("a text", lambda value: isinstance(value, str))
TRUTH: Kind = ("true or false", lambda value: isinstance(value, bool))
COUNT: Kind = ("a whole number from 0", _is_count)
NUMBER: Kind = ("a number", _is_number)
FIGURES: Kind = (
    "an object of numbers",
    lambda value: (
        isinstance(value, dict)
        and all(one is None or isinstance(one, int | float) for one in value.values())
    ),
)
TEXTS: Kind = (
    "a list of texts",
    lambda value: isinstance(value, list) and all(isinstance(text, str) for text in value),
)

KINDS: dict[str, dict[str, Kind]] = {
    "model": {
        "name": TEXT,
        "input_shape": ("a list of one to three sizes", _is_shape),
        "classes": COUNT,
        "input_range": ("two numbers", _is_range),
    },
    "data": {
        "name": TEXT,
        "location": _or_null(TEXT),
        "data_dir": _or_null(TEXT),
        "digest": TEXT,
        "class_names": TEXTS,
    },
    "settings": {
        **dict.fromkeys(("model", "data", "schedule", "precision", "keep"), TEXT),
        **dict.fromkeys(("epochs", "batch_size", "early_stopping", "seed", "views"), COUNT),
        **dict.fromkeys(
            ("learning_rate", "augment_strength", "validation", "temperature", "replay"), NUMBER
        ),
        **dict.fromkeys(("augment", "normalise", "average"), TRUTH),
        **dict.fromkeys(("init", "teacher", "finetune", "crops"), _or_null(TEXT)),
        "augmentation": _or_null(OBJECT),
    },
    "training": {"complete": TRUTH, "results": FIGURES},
    "pruning": dict.fromkeys(("pruned", "channels"), OBJECT),
    "qat": {},
    "refused": {},
}


def check_manifest(manifest: dict[str, Any], path: Path) -> None:
    """Hold what a manifest says against what it may say; what it lacks is not missed here.

    Args:
        manifest: the content of ``run.json``. path: the file, for the message.

    Raises:
        RunError: a value is of another kind.
    """
    for part, kinds in KINDS.items():
        if part not in manifest:
            continue
        inside = manifest[part]
        _check(inside, OBJECT, part, path)
        for name, kind in kinds.items():
            if name in inside:
                _check(inside[name], kind, f"{part}.{name}", path)
    if "seed" in manifest:
        _check(manifest["seed"], COUNT, "seed", path)


def _check(value: Any, kind: Kind, name: str, path: Path) -> None:
    wanted, fits = kind
    if not fits(value):
        found = " ".join(repr(value).split())
        found = found if len(found) <= 40 else f"{found[:40]}…"
        raise RunError(
            f"{path}: damaged, {name} is {found} instead of {wanted}; make the run again"
        )
