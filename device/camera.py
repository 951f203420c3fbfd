"""The camera program: source, recogniser, tracker and outputs put together."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgedigits.device.capture import Capture
from edgedigits.device.metrics import Metrics, MetricsServer
from edgedigits.device.mqtt import MqttOptions
from edgedigits.device.outputs import Terminal, Video, json_line
from edgedigits.device.preview import PreviewServer
from edgedigits.device.recogniser import Recogniser
from edgedigits.device.service.memory import keep_memory_flat
from edgedigits.device.service.notify import Notifier
from edgedigits.device.service.stopping import StopRequest
from edgedigits.device.sources import open_source
from edgedigits.device.sources.pictures import is_picture
from edgedigits.device.tracking import Tracker
from edgedigits.device.unsure import open_unsure
from edgedigits.device.watching import Seen, watch
from edgedigits.errors import UsageError
from edgedigits.files import file_digest
from edgedigits.progress import SILENT, Progress

LOOPBACK, PORT = "127.0.0.1", 8000  # of the page
FIRST_FRAME = 30.0  # seconds for a live source to give one
Output = Callable[[Seen], None]


@dataclass(frozen=True)
class CameraOptions:
    """What ``edgedigits camera`` was asked for.

    Attributes:
        source: as for :func:`edgedigits.device.sources.open_source`; size, fps: asked of a camera.
        frames: end after so many; None: go on.
        commit_after: frames that a digit must be steady for; 1 where the source is one picture.
        preview, host, port, token: the page, at 127.0.0.1 and 8000 where these are None; the token
            is for the metrics too.
        metrics: the port of the metrics, 0 for any; None: none. metrics_host: their address;
            None: 127.0.0.1.
        out: an annotated video. save_unsure: a folder for unsure crops.
        as_json: a JSON line a frame instead of committed texts.
        mqtt: a broker that gets committed readings.
    """

    source: str = "0"
    size: tuple[int, int] | None = None
    fps: float | None = None
    frames: int | None = None
    commit_after: int = 5
    preview: bool = False
    host: str | None = None
    port: int | None = None
    token: str | None = None
    metrics: int | None = None
    metrics_host: str | None = None
    out: Path | None = None
    save_unsure: Path | None = None
    as_json: bool = False
    mqtt: MqttOptions | None = None


def run_camera(
    options: CameraOptions,
    recogniser: Recogniser,
    *,
    write: Callable[[str], None],
    progress: Progress = SILENT,
) -> None:
    """Recognise until the source ends, SIGTERM comes or the user interrupts.

    Where systemd started it, systemd is told of the frames; see
    :class:`edgedigits.device.service.notify.Notifier`.

    Args:
        options: what was asked for.
        recogniser: what reads each frame.
        write: takes the lines of the result.
        progress: told of everything else.

    Raises:
        UsageError: an option does not fit. SourceError: the source cannot be opened, or never gives
            a frame.
        KeyboardInterrupt: the user ended it; everything written is complete.
    """
    for name, value in (("frames", options.frames), ("commit-after", options.commit_after)):
        if value is not None and value < 1:
            raise UsageError(f"--{name} is {value}; it must be 1 or more")
    _check_pages(options)
    keep_memory_flat()
    # No second frame of a picture will ever come to hold the first one against.
    tracker = Tracker(1 if is_picture(options.source) else options.commit_after)
    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(StopRequest())
        notifier = stack.enter_context(Notifier())
        metrics = _metrics(options, recogniser, progress, stack)

        def say(line: str) -> None:
            progress.say(line)
            notifier.event(line)

        capture = Capture(
            lambda: open_source(options.source, size=options.size, fps=options.fps),
            give_up=None if notifier.told else FIRST_FRAME,  # a service has its own time for that
            say=say,
        )
        outputs = _outputs(options, recogniser, write, progress, stack, metrics, capture)
        stack.enter_context(capture)
        if metrics is not None:
            metrics.stats = capture.stats
            outputs.append(metrics.recognised)
        outputs.append(lambda seen: notifier.recognised(_status(seen)))  # after all the others
        ink = None
        for seen in watch(
            capture, recogniser, tracker, frames=options.frames, stopped=lambda: stop.asked
        ):
            if seen.reading.digits and seen.reading.dark_on_light != ink:
                ink = seen.reading.dark_on_light
                progress.say(f"ink: {'dark on light' if ink else 'light on dark'}")
            for output in outputs:
                output(seen)
        notifier.stopping()
        stats = capture.stats()
        progress.say(
            f"{capture.name}: {stats.handed_over:,} frames recognised, {stats.dropped:,} dropped"
        )


def _check_pages(options: CameraOptions) -> None:
    """Refuse options of pages that there will not be."""
    if options.token is not None and not options.preview and options.metrics is None:
        raise UsageError("--token is for --preview and --metrics; add one, or leave it out")
    for name, value in (("host", options.host), ("port", options.port)):
        if value is not None and not options.preview:
            raise UsageError(f"--{name} is for --preview; add that, or leave it out")
    if options.metrics_host is not None and options.metrics is None:
        raise UsageError("--metrics-host is for --metrics PORT; add that, or leave it out")


def _outputs(
    options: CameraOptions,
    recogniser: Recogniser,
    write: Callable[[str], None],
    progress: Progress,
    stack: contextlib.ExitStack,
    metrics: Metrics | None,
    capture: Capture,
) -> list[Output]:
    outputs: list[Output] = []
    if options.mqtt is not None:  # first: what is said has been kept
        from edgedigits.device.mqtt.publisher import open_mqtt

        outputs.append(stack.enter_context(open_mqtt(options.mqtt, progress)))
    if options.as_json:
        outputs.append(lambda seen: write(json_line(seen.to_json())))
    else:
        outputs.append(Terminal(write))
    if options.out is not None:
        video = Video(options.out, lambda: options.fps or capture.fps)
        outputs.append(stack.enter_context(contextlib.closing(video)))
    unsure = stack.enter_context(open_unsure(options.save_unsure, recogniser.threshold, progress))
    if unsure is not None:
        outputs.append(lambda seen: _keep(unsure.add, seen))
        if metrics is not None:
            metrics.kept = lambda: unsure.taken
    if options.preview:
        port = PORT if options.port is None else options.port
        page = PreviewServer(options.host or LOOPBACK, port, options.token)
        server = stack.enter_context(page)
        progress.say(f"preview: {server.url}")
        outputs.append(lambda seen: _publish(server, seen))
    return outputs


def _metrics(
    options: CameraOptions,
    recogniser: Recogniser,
    progress: Progress,
    stack: contextlib.ExitStack,
) -> Metrics | None:
    if options.metrics is None:
        return None
    model = recogniser.classifier.path
    metrics = Metrics(model, file_digest(model))
    host = options.metrics_host or LOOPBACK
    server = MetricsServer(metrics, host, options.metrics, options.token)
    stack.enter_context(server)
    progress.say(f"metrics: {server.url}")
    return metrics


def _status(seen: Seen) -> str:
    stats = seen.stats
    return (
        f"{seen.source}: {stats.handed_over:,} frames recognised, {stats.dropped:,} dropped, "
        f"{stats.fps:.1f} a second"
    )


def _keep(add: Callable[..., int], seen: Seen) -> None:
    add(seen.frame.image, seen.reading, source=seen.source, frame=seen.frame.number)


def _publish(server: PreviewServer, seen: Seen) -> None:
    stats = {
        "source": seen.source,
        "fps": seen.stats.fps,
        "frames": seen.stats.handed_over,
        "dropped": seen.stats.dropped,
    }
    server.publish(seen.frame.image, seen.reading, seen.tracked, stats)
