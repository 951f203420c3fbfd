"""The benchmark of faults in short, and what it takes for a failure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from helpers_programs import need

if TYPE_CHECKING:
    from types import ModuleType

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
GOOD: dict[str, Any] = {
    "exit_code_of_interrupt": 130,
    "longest_recovery_s": 4.9,
    "resident_growth": 4_000_000,
    "readings_in_order": True,
    "delegate_refused": 1,
    "traceback": False,
}


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import faults

    return faults


@pytest.mark.parametrize(
    "bad",
    [
        {"exit_code_of_interrupt": -9},
        {"longest_recovery_s": 5.1},
        {"resident_growth": 5_000_001},
        {"readings_in_order": False},
        {"delegate_refused": 0},
        {"traceback": True},
    ],
    ids=lambda bad: next(iter(bad)),
)
def test_one_failure_is_enough(bad: dict[str, Any], faults: ModuleType) -> None:
    assert faults.met(GOOD)
    assert not faults.met({**GOOD, **bad})


def test_growth_counts_from_the_end_of_the_first_cycle(faults: ModuleType) -> None:
    first = [(n, 50 + n) for n in range(len(faults.FAULTS))]  # warming up
    later = [(100, 70), (200, 75), (300, 72)]
    assert faults.growth([*first, *later]) == (70, 5)


@pytest.mark.slow
def test_the_camera_survives_every_fault(faults: ModuleType, tmp_path: Path) -> None:
    need("mosquitto")
    result = faults.measure(1500, 2, tmp_path, scale=0.45)
    assert result["faults"] == 2 * len(faults.FAULTS)
    assert result["frames"] >= 1500
    # Without this, a frame that claims to be huge would have been decoded.
    assert result["resident_peak"] < result["resident_at_end"] + 60_000_000
    assert faults.met(result), {key: result[key] for key in GOOD}
