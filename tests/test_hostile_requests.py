"""The pages of a running camera under hostile requests, and that the judge of them can see."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import hostile_requests

    return hostile_requests


def test_the_judge_sees_what_is_wrong(script: ModuleType) -> None:
    cases = sys.modules["hostile_cases"]
    target = cases.Target("t", 1, "t0ken", ("/metrics",), (b"edgedigits_frames",))
    good = b"HTTP/1.1 200 OK\r\n\r\nedgedigits_frames_taken 3"
    refused = b"HTTP/1.1 403 Forbidden\r\n\r\nadd ?token=\xe2\x80\xa6 to the address"

    def fault(shows: bool | None, answer: bytes) -> object:
        return script.fault(target, cases.Case("x", b"", shows), answer)

    assert fault(True, good) is fault(None, good) is fault(False, refused) is None
    assert fault(None, refused) is fault(False, b"") is None
    assert fault(False, good) == "shows a page"
    assert fault(True, refused) == fault(True, b"") == "shows no page"
    assert fault(None, refused * 2) == "holds two answers"
    assert fault(None, refused + b"t0ken") == "holds the token"
    for never in (b"Traceback (most", b"root:x:0:0", b"Server: BaseHTTP Python/3.11"):
        assert fault(None, refused + never) == "holds what no answer may"


def test_every_kind_of_request_is_made_and_the_same_ones_for_a_seed(script: ModuleType) -> None:
    cases = sys.modules["hostile_cases"]
    target = cases.Target("t", 1, "t0ken", ("/", "/state.json"), ())
    made = [case for _, case in cases.cases([target], 1500, 7)]
    assert made == [case for _, case in cases.cases([target], 1500, 7)]
    assert len({case.kind for case in made}) == len(cases.COMMON) + len(cases.HANGING)
    assert len({case.data for case in made}) > 400


@pytest.mark.slow
def test_a_running_camera_under_hostile_requests(script: ModuleType) -> None:
    found = script.run(300, 1)
    assert found["failures"] == []
    assert [camera["exit_code"] for camera in found["cameras"]] == [0, 0]
    assert sum(sum(counts.values()) for counts in found["answers"].values()) == 300
    assert found["answers"]["token"]["403"] > 0
