"""Synthetic camera frames of handwriting, each with the truth about its digits."""

from edgedigits.scenes.conditions import CONDITIONS, Conditions, conditions_for, hard_mix
from edgedigits.scenes.scene import Scene, SceneDigit, make_scene

__all__ = [
    "CONDITIONS",
    "Conditions",
    "Scene",
    "SceneDigit",
    "conditions_for",
    "hard_mix",
    "make_scene",
]
