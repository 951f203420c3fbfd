"""``edgedigits evaluate``, ``predict``, ``compare``, ``inspect`` and ``bench``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from edgedigits.cli.common import (
    DATA_HELP,
    FILE_HELP,
    DataDirOption,
    DataOption,
    JsonOption,
    print_json,
    progress,
    stdout,
)
from edgedigits.cli.deploy import (
    OPT,
    ConfigOption,
    PrefixOption,
    PythonOption,
    SshOption,
    bench_on_hosts,
)

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help=FILE_HELP)]


def evaluate(
    file: FileArgument,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="DATA",
            help=f"{DATA_HELP} Default: what it was trained on.",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="test, validation, train or all. Default: the test pictures; where the data has "
            "none of its own, all of it."
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", help="Run on N pictures only, chosen by class share.")
    ] = None,
    threads: Annotated[int, typer.Option(help="Processor threads.")] = 1,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FOLDER",
            help="Also draw the confusion matrix, example predictions and worst mistakes there.",
        ),
    ] = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Accuracy, confusion matrix and per-class report of a .tflite file.

    Example: edgedigits evaluate runs/a/exports/int8.tflite --data mnist
    """
    from edgedigits.device.bundle.opening import as_given, resolve_model
    from edgedigits.evaluate import evaluate_file
    from edgedigits.report.documents import evaluation_json
    from edgedigits.report.tables import evaluation_view

    with progress() as shown:
        evaluation, part = evaluate_file(
            resolve_model(file),
            data,
            split=split,
            limit=limit,
            threads=threads,
            data_dir=data_dir,
            progress=shown,
        )
        if out is not None:
            from edgedigits.report.pictures import draw_evaluation

            for picture in draw_evaluation(evaluation, part.pictures.images, out):
                shown.say(f"written: {picture}")
    evaluation = as_given(evaluation)
    if as_json:
        print_json(evaluation_json(evaluation))
    else:
        stdout().print(evaluation_view(evaluation))


def predict(
    file: FileArgument,
    data: DataOption,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="The CSV file the answers go into.")
    ],
    split: Annotated[
        str | None,
        typer.Option(
            help="test, validation, train or all. Default: the test pictures; where the data has "
            "none of its own, all of it."
        ),
    ] = None,
    threads: Annotated[int, typer.Option(help="Processor threads.")] = 1,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file if it is there already.")
    ] = False,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the answers of a .tflite file down as CSV: ImageId,Label; needs no labels.

    Example: edgedigits predict int8.tflite --data mnist --out predictions.csv
    """
    from edgedigits.device.bundle.opening import as_given, resolve_model
    from edgedigits.predict import predict_file
    from edgedigits.report.predictions import predictions_json, predictions_view

    with progress() as shown:
        predictions = predict_file(
            resolve_model(file),
            data,
            out,
            split=split,
            threads=threads,
            overwrite=overwrite,
            data_dir=data_dir,
            progress=shown,
        )
    predictions = as_given(predictions)
    if as_json:
        print_json(predictions_json(predictions))
    else:
        stdout().print(predictions_view(predictions))


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="One or more run folders.")],
    split: Annotated[
        str, typer.Option(help="test, for reporting; validation, for choosing.")
    ] = "test",
    threads: Annotated[int, typer.Option(help="Processor threads for latency.")] = 1,
    max_drop: Annotated[
        float | None,
        typer.Option(
            metavar="POINTS",
            help="Exit with 1 when a variant loses more than this many percentage points against "
            "float32; with --crops, against the old run.",
        ),
    ] = None,
    crops: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Labelled crops: hold an old run and a new one against each other, on their test "
            "pictures and on crops held out. Exit with 1 when the new one is worse on the former.",
        ),
    ] = None,
    allow_worse: Annotated[
        bool, typer.Option("--allow-worse", help="With --crops: only say it.")
    ] = False,
    scenes: Annotated[
        int,
        typer.Option(
            metavar="N", help="Synthetic camera frames to read with every file of digits; 0: none."
        ),
    ] = 24,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FOLDER",
            help="Where the report goes. Default: RUN/report of the first; with --crops, of the "
            "new one.",
        ),
    ] = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Accuracy against size of every variant: table, picture, and one HTML file.

    An old run and a new one: edgedigits compare runs/a runs/b --crops unsure

    Example: edgedigits compare runs/a --max-drop 0.5
    """
    from edgedigits.compare import compare as compare_runs
    from edgedigits.errors import UsageError
    from edgedigits.gate import check_drop, check_improvement, check_limit
    from edgedigits.improvement import check_crops, measure_improvement
    from edgedigits.report.documents import comparison_json
    from edgedigits.report.files import save_comparison
    from edgedigits.report.improvement import improvement_view
    from edgedigits.report.tables import comparison_view
    from edgedigits.run import open_run

    if allow_worse and crops is None:
        raise UsageError("--allow-worse goes with --crops FOLDER")
    if max_drop is not None:
        check_limit(max_drop)
    opened = [open_run(run) for run in runs]
    if crops is not None:
        check_crops(opened, crops)
        out = opened[1].report if out is None else out
    with progress() as shown:
        comparison = compare_runs(
            opened,
            split=split,
            threads=threads,
            scenes=scenes,
            data_dir=data_dir,
            progress=shown,
        )
        improvement = (
            None if crops is None else measure_improvement(opened, comparison, crops, shown)
        )
        save_comparison(
            comparison, opened, out, improvement=improvement, data_dir=data_dir, progress=shown
        )
    if as_json:
        print_json(comparison_json(comparison, improvement))
    else:
        stdout().print(comparison_view(comparison))
        if improvement is not None:
            stdout().print(improvement_view(improvement))
    if improvement is None:
        if max_drop is not None:
            check_drop(comparison, max_drop)
    elif not allow_worse:
        check_improvement(improvement, max_drop)


def inspect(file: FileArgument, as_json: JsonOption = False) -> None:
    """What is really in a .tflite file: operations, types, scales, costs, and what could run it.

    Layer by layer: parameters, multiplications, bytes, compression, sparsity. Then which operations
    would map to a Coral Edge TPU and to TensorFlow Lite Micro, and the working memory needed there.
    Exits with 1 where the file holds what nothing here runs: custom operations, several graphs.

    Example: edgedigits inspect runs/a/exports/int8.tflite
    """
    from edgedigits.convert.inspection import inspect_file
    from edgedigits.device.bundle.opening import as_given, resolve_model
    from edgedigits.errors import ModelFileError
    from edgedigits.report.inspection import inspection_json, inspection_view

    found = as_given(inspect_file(resolve_model(file)))
    if as_json:
        print_json(inspection_json(found))
    else:
        console = stdout()
        for part in inspection_view(found):
            console.print(part, markup=False, soft_wrap=isinstance(part, str))
        if found.metadata is not None:
            console.print_json(data=found.metadata.to_json(), indent=1)
    if why := found.objections():
        raise ModelFileError(why)


def bench(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Files, or names of shipped ones.")
    ],
    threads: Annotated[
        list[int] | None, typer.Option(help="Processor threads; may be given several times.")
    ] = None,
    rounds: Annotated[int, typer.Option(help="Turns of each file.")] = 20,
    host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST",
            help="Measure there, by what 'edgedigits deploy' put there; repeat for several.",
        ),
    ] = None,
    prefix: PrefixOption = OPT,
    ssh_config: ConfigOption = None,
    ssh_option: SshOption = None,
    python: PythonOption = "python3",
    as_json: JsonOption = False,
) -> None:
    """Latency of .tflite files, one picture at a time: p50 and p95, on this machine or on devices.

    On a device also frames a second, memory and temperature; for files of a run they are kept in
    RUN/devices, where 'compare' finds them.

    Example: edgedigits bench runs/a/exports/int8.tflite --threads 1 --threads 2
    """
    from edgedigits.device.bundle.opening import as_given, resolve_model

    found = [resolve_model(file) for file in files]
    if host:
        from edgedigits.remote.ssh import Ssh

        ssh = Ssh(ssh_config, ssh_option or (), python)
        bench_on_hosts(host, found, ssh, prefix, threads or [1], rounds, as_json=as_json)
        return
    from edgedigits.bench import bench_files
    from edgedigits.report.conversion import latency_json, latency_rows

    result = bench_files(found, threads=threads or [1], rounds=rounds)
    result = replace(result, rows=tuple(as_given(row) for row in result.rows))
    if as_json:
        print_json(latency_json(result))
    else:
        stdout().print(latency_rows(result))
