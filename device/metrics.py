"""What a running camera counts and measures, for Prometheus to read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgedigits import __version__
from edgedigits.device.handover import CaptureStats
from edgedigits.device.temperature import read_temperature
from edgedigits.device.web.connections import Answer, refusal
from edgedigits.device.web.site import Options, Site
from edgedigits.errors import MissingPackageError

if TYPE_CHECKING:
    from edgedigits.device.watching import Seen

# Seconds of reading one frame: from a small model on a fast processor to a crowded page on a Pi.
BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """Counts of one camera.

    Args:
        model: the file that reads. sha256: of it, in hexadecimal.
        clock: monotonic seconds, the clock of :attr:`Frame.seconds`.

    Attributes:
        stats: asked for the capture's counts whenever somebody looks; None before it is open.
        kept: asked how many unsure crops were kept; None where none are.

    Raises:
        MissingPackageError: prometheus-client is not installed.
    """

    def __init__(
        self, model: Path, sha256: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        try:
            import prometheus_client as prometheus
        except ImportError as error:
            raise MissingPackageError("--metrics", "service", "prometheus-client") from error
        self.stats: Callable[[], CaptureStats] | None = None
        self.kept: Callable[[], int] | None = None
        self._clock = clock
        self._last: float | None = None
        self._registry = prometheus.CollectorRegistry()
        self._frames = prometheus.Counter(
            "edgedigits_frames_recognised", "Frames that were recognised", registry=self._registry
        )
        self._texts = prometheus.Counter(
            "edgedigits_readings_committed", "Texts that were said", registry=self._registry
        )
        self._digits = prometheus.Counter(
            "edgedigits_digits_committed",
            "Digits of the texts that were said",
            registry=self._registry,
        )
        self._seconds = prometheus.Histogram(
            "edgedigits_frame_seconds",
            "Time that reading a frame took",
            buckets=BUCKETS,
            registry=self._registry,
        )
        info = prometheus.Info("edgedigits_model", "The model that reads", registry=self._registry)
        info.info({"file": model.name, "sha256": sha256, "version": __version__})
        self._registry.register(_Live(self))
        prometheus.ProcessCollector(registry=self._registry)  # memory, processor, open files
        self._prometheus = prometheus

    def recognised(self, seen: Seen) -> None:
        """A frame was recognised."""
        self._last = seen.frame.seconds
        self._frames.inc()
        self._seconds.observe(seen.seconds)
        if seen.tracked.new_text:
            self._texts.inc()
            self._digits.inc(sum(map(str.isdigit, seen.tracked.new_text)))

    def age(self) -> float | None:
        """Seconds since the last recognised frame was taken; None before the first one."""
        return None if self._last is None else max(0.0, self._clock() - self._last)

    def text(self) -> tuple[bytes, str]:
        """Everything as Prometheus reads it, and its Content-Type."""
        written: bytes = self._prometheus.generate_latest(self._registry)
        return written, self._prometheus.CONTENT_TYPE_LATEST


class _Live:
    """What is known without being told: asked for whenever somebody looks."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Any]:
        """Called by the registry."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        metrics = self._metrics
        if metrics.stats is not None:
            stats = metrics.stats()
            for name, text, value in (
                ("frames_taken", "Frames that the source gave", stats.taken),
                ("frames_dropped", "Frames that a newer one replaced", stats.dropped),
                ("source_reopened", "Times that the source was lost and came back", stats.reopened),
            ):
                yield CounterMetricFamily(f"edgedigits_{name}", text, value=value)
        if metrics.kept is not None:
            text = "Crops that were kept because the model was not sure"
            yield CounterMetricFamily("edgedigits_unsure_crops", text, value=metrics.kept())
        for name, text, number in (
            ("last_frame_age_seconds", "Since the last recognised frame was taken", metrics.age()),
            ("temperature_celsius", "Of the processor", read_temperature()),
        ):
            if number is not None:
                yield GaugeMetricFamily(f"edgedigits_{name}", text, value=number)


class MetricsServer(Site):
    """``/metrics``, at an address as :class:`Site` has it.

    Args:
        metrics: what to show. host, port, token: as for :class:`Site`.
    """

    name = "metrics"
    options = Options("--metrics-host", "--metrics")
    path = "/metrics"

    def __init__(
        self, metrics: Metrics, host: str = "127.0.0.1", port: int = 0, token: str | None = None
    ) -> None:
        self._metrics = metrics
        self._alone = threading.Lock()
        super().__init__(host, port, token)
        self.start()

    def answer(self, path: str, query: Mapping[str, Sequence[str]]) -> Answer:
        """The one thing that there is."""
        if path != self.path:
            return refusal(HTTPStatus.NOT_FOUND, f"no such page; {self.path} is the only one")
        with self._alone:  # many who ask at once take turns, so that the camera is not slowed
            body, kind = self._metrics.text()
        return Answer(body, kind)
