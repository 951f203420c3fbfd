"""What Prometheus reads of a running camera, and who may read it."""

from __future__ import annotations

import hashlib
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from conftest import RunCli
from helpers_camera import Stream, camera
from helpers_capture import Clock
from helpers_frames import mjpeg_server
from helpers_preview import ask
from helpers_reading import line, reading
from prometheus_client.parser import text_string_to_metric_families

from edgedigits.device.frames import Frame
from edgedigits.device.handover import CaptureStats
from edgedigits.device.metrics import Metrics, MetricsServer
from edgedigits.device.tracking import Tracker
from edgedigits.device.watching import Seen
from edgedigits.errors import MissingPackageError, UsageError
from edgedigits.zoo import reader_file

STATS = CaptureStats(taken=20, handed_over=12, dropped=7, waiting=1, reopened=2, fps=9.5)


def values(text: str) -> dict[str, float]:
    """Samples by name; of those with labels by the first label's value too."""
    return {
        sample.name + "".join(f" {value}" for value in list(sample.labels.values())[:1]): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def watched(metrics: Metrics, texts: list[str], seconds: float) -> None:
    """Frames that show these texts, a second apart."""
    tracker = Tracker(commit_after=1)
    for number, text in enumerate(texts):
        found = reading(line(text, 50, 50)) if text else reading()
        frame = Frame(np.zeros((4, 4), np.uint8), number, 100.0 + number)
        metrics.recognised(Seen("0", frame, found, tracker.update(found), STATS, seconds))


def test_counts_of_what_was_seen() -> None:
    clock = Clock()
    clock.now = 104.5
    metrics = Metrics(Path("a/int8.tflite"), "ab" * 32, clock=clock)
    before = values(metrics.text()[0].decode())
    assert "edgedigits_last_frame_age_seconds" not in before
    assert "edgedigits_frames_dropped_total" not in before
    assert before["edgedigits_frames_recognised_total"] == 0
    metrics.stats = lambda: STATS
    metrics.kept = lambda: 5
    watched(metrics, ["31", "31", "", "4"], 0.03)
    text, kind = metrics.text()
    assert kind.startswith("text/plain")
    found = values(text.decode())
    assert found["edgedigits_frames_recognised_total"] == 4
    assert found["edgedigits_readings_committed_total"] == 2
    assert found["edgedigits_digits_committed_total"] == 3
    assert found["edgedigits_frames_taken_total"] == 20
    assert found["edgedigits_frames_dropped_total"] == 7
    assert found["edgedigits_source_reopened_total"] == 2
    assert found["edgedigits_unsure_crops_total"] == 5
    assert found["edgedigits_last_frame_age_seconds"] == 1.5  # 104.5 − 103
    assert found["edgedigits_frame_seconds_bucket 0.02"] == 0
    assert found["edgedigits_frame_seconds_bucket 0.05"] == 4
    assert found["edgedigits_frame_seconds_sum"] == pytest.approx(0.12)
    assert found["process_resident_memory_bytes"] > 1e7
    assert f'sha256="{"ab" * 32}"' in text.decode()
    assert 'file="int8.tflite"' in text.decode()


def test_two_cameras_do_not_share_counts() -> None:
    first, second = Metrics(Path("a"), "0"), Metrics(Path("b"), "1")
    watched(first, ["7"], 0.01)
    assert values(second.text()[0].decode())["edgedigits_frames_recognised_total"] == 0


def test_who_may_read_it() -> None:
    metrics = Metrics(Path("a"), "0")
    with MetricsServer(metrics) as server:
        assert ask(server, "/metrics")[0] == 200
        assert ask(server, "/metrics", headers={"Host": "evil.example"})[0] == 403
        assert ask(server, "/metrics", method="POST")[0] == 501
        for path in ("/", "/metrics/", "/state.json", "/../metrics"):
            assert ask(server, path)[0] == 404
    with MetricsServer(metrics, "0.0.0.0", 0, "s3cret") as server:
        assert server.url.endswith(f":{server.port}/metrics?token=s3cret")
        for headers in (
            {},
            {"Authorization": "Bearer"},
            {"Authorization": "Bearer wrong"},
            {"Authorization": "Basic s3cret"},
            {"Authorization": "s3cret"},
        ):
            assert ask(server, "/metrics", headers=headers)[0] == 403
        assert ask(server, "/metrics?token=s3cret")[0] == 200
        for scheme in ("Bearer", "bearer"):
            assert ask(server, "/metrics", headers={"Authorization": f"{scheme} s3cret"})[0] == 200
    with pytest.raises(UsageError, match=r"--metrics-host 0\.0\.0\.0: .*--token"):
        MetricsServer(metrics, "0.0.0.0")
    with pytest.raises(UsageError, match="--metrics 70000"):
        MetricsServer(metrics, port=70000)


def test_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(MissingPackageError) as caught:
        Metrics(Path("a"), "0")
    assert str(caught.value) == (
        "--metrics needs prometheus-client, which is not installed: "
        "pip install 'edgedigits[service]'"
    )


def test_options_that_do_not_fit(run_cli: RunCli) -> None:
    for arguments, expected in (
        (("--metrics", 70000), "--metrics 70000: ports go from 0"),
        (("--metrics", 0, "--metrics-host", "0.0.0.0"), "add --token TEXT"),
        (("--token", "x"), "--token is for --preview and --metrics"),
    ):
        code, _, error = run_cli("camera", *arguments)
        assert (code, error.count("\n")) == (2, 1), error
        assert expected in error


def scrape(address: str) -> dict[str, float]:
    with urllib.request.urlopen(address, timeout=30) as answer:
        return values(answer.read().decode())


def wait_for(address: str, name: str, least: float) -> dict[str, float]:
    until = time.monotonic() + 60
    while (found := scrape(address)).get(name, -1) < least:
        assert time.monotonic() < until, (name, found)
        threading.Event().wait(0.1)
    return found


def test_a_running_camera_that_loses_its_source(tmp_path: Path) -> None:
    stream = Stream("31")
    with mjpeg_server(stream) as url:
        options = ["--metrics", 0, "--preview", "--port", 0, "--token", "s3cret"]
        with camera("--source", url, *options, "--save-unsure", tmp_path) as running:
            address = running.line(r"metrics: (http://127\.0\.0\.1:\d+/metrics\?token=s3cret)")[1]
            page = running.line(r"preview: (http://127\.0\.0\.1:\d+/)\?token=s3cret")[1]
            found = wait_for(address, "edgedigits_digits_committed_total", 2)
            digest = hashlib.sha256(reader_file().read_bytes()).hexdigest()
            assert found["edgedigits_readings_committed_total"] == 1
            assert found["edgedigits_source_reopened_total"] == 0
            assert found["edgedigits_last_frame_age_seconds"] < 10
            with urllib.request.urlopen(address, timeout=30) as answer:
                assert f'sha256="{digest}"' in answer.read().decode()
            bearer = {"Authorization": "Bearer s3cret"}
            request = urllib.request.Request(f"{page}state.json", headers=bearer)
            with urllib.request.urlopen(request, timeout=30) as answer:
                assert answer.status == 200
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(f"{page}state.json", timeout=30)
            stream.flowing.clear()
            running.line("reopening")
            lost = scrape(address)
            assert lost["edgedigits_last_frame_age_seconds"] >= 2.9  # nothing for three seconds
            stream.flowing.set()
            back = wait_for(address, "edgedigits_source_reopened_total", 1)
            assert (
                back["edgedigits_frames_recognised_total"]
                >= (lost["edgedigits_frames_recognised_total"])
            )
            assert running.end() == 0
