"""Trained int8 files that come with the package, each with how it was made beside it."""

from __future__ import annotations

from pathlib import Path

READER = "digit-reader.tflite"


def reader_file() -> Path:
    """The file that ``edgedigits recognise`` and ``camera`` use unless told otherwise."""
    return Path(__file__).parent / READER
