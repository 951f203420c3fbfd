"""What the documents say is there, and is what was measured."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
# With PYTHONSAFEPATH a script does not find those beside it.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
CHECK = [sys.executable, "benchmarks/render.py", "--check"]
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing


def test_the_benchmark_page_says_what_the_results_do() -> None:
    check = subprocess.run(
        CHECK, cwd=ROOT, capture_output=True, text=True, check=False, env=ENVIRONMENT
    )
    assert check.returncode == 0, check.stderr


def test_a_changed_figure_on_the_benchmark_page_is_noticed(tmp_path: Path) -> None:
    for folder in ("benchmarks", "docs"):
        (tmp_path / folder).mkdir()
    (tmp_path / "benchmarks" / "results").symlink_to(ROOT / "benchmarks" / "results")
    for script in (ROOT / "benchmarks").glob("render*.py"):
        shutil.copy(script, tmp_path / "benchmarks")
    for source in (ROOT / "docs").glob("*.md"):
        shutil.copy(source, tmp_path / "docs")
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    changed = re.sub(r"(\| `int8` \| )9", r"\g<1>8", page, count=1)
    assert changed != page
    (tmp_path / "docs" / "benchmarks.md").write_text(changed, encoding="utf-8")
    check = subprocess.run(
        CHECK, cwd=tmp_path, capture_output=True, text=True, check=False, env=ENVIRONMENT
    )
    assert check.returncode == 1
    assert "does not say what benchmarks/results do" in check.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_named_in_code_spans_exist(page: Path) -> None:
    """Paths under our own folders that the text names as code."""
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:docs|benchmarks|examples|tests|edgedigits)/[\w./-]+\.\w+)`", text)
    missing = [name for name in named if not (ROOT / name).exists()]
    assert not missing
