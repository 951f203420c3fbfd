"""``edgedigits recognise`` and ``edgedigits camera``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from edgedigits.cli.common import progress, stdout
from edgedigits.cli.mqtt import (
    BrokerOption,
    MqttConfigOption,
    MqttNameOption,
    MqttTopicOption,
    QueueOption,
    mqtt_options,
)
from edgedigits.errors import UsageError

ModelOption = Annotated[
    Path | None,
    typer.Option(
        "--model",
        metavar="FILE",
        help="A .tflite file or bundle of digits, or the name of a shipped file. "
        "Default: digit-reader.",
    ),
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(
        metavar="SCORE",
        help="Score, 0 to 1, that a digit needs; sure digits beside it lower that, standing alone "
        "raises it. Default: the file's own.",
    ),
]
ThreadsOption = Annotated[int, typer.Option(help="Processor threads.")]
DelegateOption = Annotated[
    str | None,
    typer.Option(
        metavar="LIBRARY",
        help="Run the model on an accelerator, for example libedgetpu.so.1. Where that does not "
        "work, a warning is given and the processor is used.",
    ),
]
UnsureOption = Annotated[
    Path | None,
    typer.Option(
        "--save-unsure",
        metavar="FOLDER",
        help="Keep the crops it was not sure about there, 50 MB at most.",
    ),
]
LinesOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document a frame, a line each.")
]


def recognise(
    pictures: Annotated[list[Path], typer.Argument(metavar="PICTURE", help="Picture files.")],
    model: ModelOption = None,
    threshold: ThresholdOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FOLDER", help="Write copies with the digits drawn in, NAME-read.png."
        ),
    ] = None,
    save_unsure: UnsureOption = None,
    threads: ThreadsOption = 1,
    delegate: DelegateOption = None,
    as_json: LinesOption = False,
) -> None:
    """Find and recognise the digits in pictures.

    Example: edgedigits recognise photo.jpg --out read
    """
    from rich.text import Text

    from edgedigits.device.bundle.opening import resolve_model
    from edgedigits.device.opening import open_recogniser
    from edgedigits.device.outputs import json_line
    from edgedigits.device.pictures import check_pictures, recognise_pictures
    from edgedigits.zoo import reader_file

    check_pictures(pictures, out)
    with progress() as shown:
        recogniser = open_recogniser(
            reader_file() if model is None else resolve_model(model),
            threshold=threshold,
            threads=threads,
            delegate=delegate,
            say=shown.say,
        )
        for read in recognise_pictures(
            pictures, recogniser, out=out, save_unsure=save_unsure, progress=shown
        ):
            if as_json:
                typer.echo(json_line(read.to_json()))
            else:
                stdout().print(Text(read.view()))


def camera(
    source: Annotated[
        str,
        typer.Option(
            help="0, 1 or /dev/video0; picamera; a video file; a folder of pictures or "
            "img_%03d.png; an http:// or rtsp:// address."
        ),
    ] = "0",
    model: ModelOption = None,
    threshold: ThresholdOption = None,
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Frame size to ask a camera for, as 640x480.")
    ] = None,
    fps: Annotated[float | None, typer.Option(help="Frames a second to ask a camera for.")] = None,
    frames: Annotated[int | None, typer.Option(metavar="N", help="End after N frames.")] = None,
    commit_after: Annotated[
        int, typer.Option(metavar="K", help="Frames that a digit must be steady for.")
    ] = 5,
    preview: Annotated[
        bool, typer.Option("--preview", help="Show frame, crops and scores on a web page.")
    ] = False,
    host: Annotated[
        str | None,
        typer.Option(
            help="Address of the page; another than this machine's needs --token. "
            "Default: 127.0.0.1."
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port of the page; 0: any that is free. Default: 8000.")
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(help="Text that viewers of page and metrics must bring as ?token=TEXT."),
    ] = None,
    metrics: Annotated[
        int | None,
        typer.Option(metavar="PORT", help="Serve /metrics for Prometheus there; 0: any free port."),
    ] = None,
    metrics_host: Annotated[
        str | None,
        typer.Option(
            help="Address of the metrics; another than this machine's needs --token. "
            "Default: 127.0.0.1."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="VIDEO", help="Write an annotated .avi or .mp4."),
    ] = None,
    save_unsure: UnsureOption = None,
    threads: ThreadsOption = 1,
    delegate: DelegateOption = None,
    mqtt: BrokerOption = None,
    mqtt_topic: MqttTopicOption = None,
    mqtt_name: MqttNameOption = None,
    mqtt_config: MqttConfigOption = None,
    queue: QueueOption = None,
    as_json: LinesOption = False,
) -> None:
    """Recognise digits in a camera, a video or a stream, and say each text once.

    Example: edgedigits camera --source 0 --preview
    """
    from edgedigits.device.bundle.opening import resolve_model
    from edgedigits.device.camera import CameraOptions, run_camera
    from edgedigits.device.opening import open_recogniser
    from edgedigits.zoo import reader_file

    options = CameraOptions(
        source=source,
        size=_size(size),
        fps=fps,
        frames=frames,
        commit_after=commit_after,
        preview=preview,
        host=host,
        port=port,
        token=token,
        metrics=metrics,
        metrics_host=metrics_host,
        out=out,
        save_unsure=save_unsure,
        as_json=as_json,
        mqtt=mqtt_options(mqtt, mqtt_topic, mqtt_name, mqtt_config, queue),
    )
    with progress() as shown:
        recogniser = open_recogniser(
            reader_file() if model is None else resolve_model(model),
            threshold=threshold,
            threads=threads,
            delegate=delegate,
            say=shown.say,
        )
        run_camera(options, recogniser, write=typer.echo, progress=shown)


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)[x×](\d+)", text)
    if found is None:
        raise UsageError(f"--size is {text}; it must be like 640x480")
    return int(found[1]), int(found[2])
