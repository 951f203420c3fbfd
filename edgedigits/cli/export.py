"""``edgedigits calibrate`` and ``edgedigits export``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from edgedigits.cli.common import (
    DataDirOption,
    JsonOption,
    RunArgument,
    print_json,
    progress,
    stdout,
)

EDGETPU = "edgetpu-int8"  # the recipe


def calibrate(
    run: RunArgument,
    samples: Annotated[
        int | None, typer.Option(metavar="N", help="How many pictures. Default: 500.")
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="stratified (the default), random, or diverse.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the choice.")] = 0,
    folder: Annotated[
        Path | None,
        typer.Option("--from", metavar="FOLDER", help="Take all pictures of a folder instead."),
    ] = None,
    stability: Annotated[
        bool,
        typer.Option(
            "--stability", help="Also calibrate on a second draw, and report how much changes."
        ),
    ] = False,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Choose, record and check the calibration set of a run.

    Example: edgedigits calibrate runs/a --samples 500 --stability
    """
    from edgedigits.calibration.make import (
        calibration_set,
        calibration_set_from_folder,
        save_calibration_set,
    )
    from edgedigits.errors import UsageError
    from edgedigits.report.conversion import calibration_rows, stability_rows
    from edgedigits.run import open_run
    from edgedigits.run_data import load_run_data

    opened = open_run(run)
    if folder is not None and (samples is not None or method is not None):
        raise UsageError(
            "--from takes all pictures of the folder; leave out --samples and --method"
        )
    with progress() as shown:
        data = load_run_data(opened, data_dir=data_dir, progress=shown)
        chosen = (
            calibration_set(data, samples=samples, method=method, seed=seed)
            if folder is None
            else calibration_set_from_folder(data, folder, shown)
        )
        save_calibration_set(opened, chosen)
        shown.say(f"written: {opened.calibration_file}")
        moved = None
        if stability:
            from edgedigits.convert.stability import calibration_stability

            moved = calibration_stability(opened, data, chosen, data_dir=data_dir, progress=shown)
    if as_json:
        print_json(chosen.to_json() | {"stability": None if moved is None else asdict(moved)})
        return
    console = stdout()
    console.print(calibration_rows(chosen))
    if moved is not None:
        console.print(stability_rows(moved))


def export(
    run: Annotated[
        Path | None, typer.Argument(metavar="RUN", help="A run folder; none with --from-zoo.")
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="int8 throughout, in and out.")] = False,
    float32: Annotated[bool, typer.Option("--float32", help="As trained.")] = False,
    float16: Annotated[bool, typer.Option("--float16", help="float16 weights.")] = False,
    dynamic: Annotated[
        bool, typer.Option("--dynamic", help="int8 weights, float in and out, no calibration set.")
    ] = False,
    int4: Annotated[
        bool, typer.Option("--int4", help="Dense weights in four bits, all else int8.")
    ] = False,
    int16x8: Annotated[
        bool,
        typer.Option(
            "--int16x8", help="int16 activations; tens of times slower than int8, not in --all."
        ),
    ] = False,
    qat: Annotated[
        bool, typer.Option("--qat", help="int8 after fine-tuning with quantisation in place.")
    ] = False,
    edgetpu: Annotated[
        bool,
        typer.Option(
            "--edgetpu",
            help="int8 for a Coral Edge TPU: one scale a Dense layer; compiled into RUN/edgetpu "
            "where edgetpu_compiler is on the PATH.",
        ),
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Every variant that runs at speed, of every model.")
    ] = False,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="Only of model, pruned, channels, shrunk. Default: all."
        ),
    ] = None,
    slim: Annotated[
        bool,
        typer.Option(
            "--slim",
            help="Smallest files, VARIANT-slim.tflite: without layer names, so off by default; "
            "what is known of one goes into VARIANT-slim.json, which has to stay beside it.",
        ),
    ] = False,
    qat_epochs: Annotated[int, typer.Option(help="Passes over the data for --qat.")] = 2,
    max_drop: Annotated[
        float | None,
        typer.Option(
            metavar="POINTS",
            help="Exit with 1 when a variant loses more than this many percentage points against "
            "float32 on the validation part.",
        ),
    ] = None,
    c_array: Annotated[
        bool,
        typer.Option(
            "--c-array",
            help="Also write each file that TensorFlow Lite Micro runs as C source and header.",
        ),
    ] = False,
    from_zoo: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Only write a shipped file, as 'edgedigits models' lists them, to --out, and how "
            "it was made into the JSON file beside it.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where --from-zoo writes to.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="With --from-zoo: replace what is there already.")
    ] = False,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Convert the models of a run to .tflite files, checked and with metadata inside.

    Example: edgedigits export runs/a --int8
    """
    from edgedigits.errors import UsageError

    asked = {
        "float32": float32,
        "float16": float16,
        "dynamic": dynamic,
        "int8": int8,
        "int16x8": int16x8,
        "int4": int4,
        "qat-int8": qat,
        EDGETPU: edgetpu,
    }
    if from_zoo is not None:
        if run is not None or everything or source is not None or slim or any(asked.values()):
            raise UsageError(
                "--from-zoo writes a shipped file as it is; leave out RUN and what to make of it"
            )
        _write_shipped(from_zoo, out, overwrite=overwrite, c_array=c_array, as_json=as_json)
        return
    if run is None:
        raise UsageError("no RUN: name a run folder, or a shipped file with --from-zoo NAME")
    if out is not None or overwrite:
        raise UsageError("--out and --overwrite go with --from-zoo; a run's files go into the run")
    from edgedigits.convert.c_array import check_c_array, write_c_arrays
    from edgedigits.convert.edgetpu_compiler import compile_files
    from edgedigits.convert.export import export as export_variants
    from edgedigits.convert.qat import QatSettings
    from edgedigits.gate import ExportRequest, judge_export, plan_export
    from edgedigits.report.conversion import export_json, export_rows
    from edgedigits.run import open_run
    from edgedigits.run_data import load_run_data
    from edgedigits.tf_loader import require_training

    request = ExportRequest(
        names=tuple(name for name, wanted in asked.items() if wanted),
        everything=everything,
        source=source,
        slim=slim,
        qat=QatSettings(epochs=qat_epochs),
        max_drop=max_drop,
    )
    opened = open_run(run)
    variants = plan_export(opened, request)
    if c_array:
        check_c_array(variants)
    require_training("export")
    with progress() as shown:
        data = load_run_data(opened, data_dir=data_dir, progress=shown)
        result = export_variants(
            opened, variants, data, qat=request.qat, data_dir=data_dir, progress=shown
        )
        made = [exported.file for exported in result.exported] if c_array else []
        arrays = write_c_arrays(made, shown.say)
        for_tpu = [made.file for made in result.exported if EDGETPU in made.variant]
        compiled = compile_files(for_tpu, opened.edgetpu, shown.say)
    if as_json:
        print_json(export_json(result, arrays, compiled))
    else:
        stdout().print(export_rows(result))
    with progress() as shown:
        judge_export(opened, request, result, compiled, data_dir=data_dir, progress=shown)


def _write_shipped(
    name: str, out: Path | None, *, overwrite: bool, c_array: bool, as_json: bool
) -> None:
    from edgedigits.convert.c_array import c_array_files, write_c_array
    from edgedigits.errors import UsageError
    from edgedigits.report.conversion import c_array_json
    from edgedigits.zoo import copy_out, zoo_entry

    if out is None:
        raise UsageError(f"--from-zoo {name}: add --out FILE.tflite")
    more = c_array_files(out) if c_array else ()
    target, beside = copy_out(name, out, overwrite=overwrite, more=more)
    entry = zoo_entry(name)
    arrays = [write_c_array(target)] if c_array else []
    if as_json:
        made = {"variant": entry.metadata["variant"], "file": str(target), "bytes": entry.bytes}
        exported = {"exported": [made | {"sha256": entry.sha256}], "failed": []}
        print_json(exported | ({"c_arrays": c_array_json(arrays)} if c_array else {}))
        return
    console = stdout()
    said = f"{target}: {entry.bytes:,} bytes; {beside} says how it was made"
    console.print(said, markup=False, soft_wrap=True)
    for array in arrays:
        arena = f"C, for an arena of {array.arena_bytes:,} bytes"
        text = f"{array.source} and {array.header.name}: {arena}"
        console.print(text, markup=False, soft_wrap=True)
