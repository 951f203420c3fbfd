"""Every model by its name."""

from __future__ import annotations

import difflib

from edgedigits.errors import UsageError
from edgedigits.models import ladder, reference
from edgedigits.models.default import DIGIT_READER, TEACHER_CNN, TINY_CNN
from edgedigits.models.spec import ModelSpec

OURS = (TINY_CNN, DIGIT_READER, TEACHER_CNN)
MODELS: dict[str, ModelSpec] = {
    spec.name: spec for spec in (*OURS, *ladder.MODELS, *reference.MODELS)
}


def get_model(name: str) -> ModelSpec:
    """The model of that name.

    Raises:
        UsageError: there is none; the message names the nearest, or all.
    """
    if name in MODELS:
        return MODELS[name]
    near = difflib.get_close_matches(name, MODELS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(MODELS)}"
    raise UsageError(f"no model is called {name}: {hint}")
