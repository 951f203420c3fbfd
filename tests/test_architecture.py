"""ARCHITECTURE.md names every module, in the paragraph of its folder."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parent.parent
TOP = ("edgedigits", "convert", "device", "calibration")
HEADING = re.compile(r"\*\*`([\w/]+)/`\*\*")


def paragraphs() -> dict[str, str]:
    """The text of the part "File by file" by the folder that it is about."""
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    part = page.partition("## File by file\n")[2].partition("\n## ")[0]
    found: dict[str, str] = {}
    for text in part.split("\n\n"):
        for folder in HEADING.findall(text):
            found[folder] = found.get(folder, "") + text
    return found


def modules() -> list[str]:
    """Every module of ours; a package's own file is described by its folder."""
    found = []
    for top in TOP:
        for folder, _, files in os.walk(ROOT / top):  # links are not followed: named once
            below = Path(folder).relative_to(ROOT)
            found += [(below / name).as_posix() for name in files if name.endswith(".py")]
    return sorted(name for name in found if "__init__" not in name)


def test_every_module_is_named_where_its_folder_is_described() -> None:
    described = paragraphs()
    missing = []
    for module in modules():
        path = PurePosixPath(module)
        # A folder without a paragraph is described in that of the folder around it.
        folder = next(str(above) for above in path.parents if str(above) in described)
        if f"`{path.name}`" not in described[folder]:
            missing.append(module)
    assert not missing


def test_every_module_that_is_named_is_there() -> None:
    there = {PurePosixPath(module).name for module in modules()}
    named = re.findall(r"`(?!benchmarks/)(?:\w+/)*(\w+\.py)`", "".join(paragraphs().values()))
    assert len(named) > 200
    assert not set(named) - there
