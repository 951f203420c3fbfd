"""``edgedigits train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgedigits.cli.common import DATA_HELP, DataDirOption, JsonOption, print_json, progress, stdout

if TYPE_CHECKING:
    from edgedigits.train import TrainResult


def train(
    run: Annotated[Path, typer.Option("--run", metavar="RUN", help="The run folder to make.")],
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="A name that 'edgedigits models' lists; none with --finetune or --resume.",
        ),
    ] = None,
    finetune: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Go on from this run's model, which learns the labelled crops of --data FOLDER "
            "beside its own data, at a tenth of its learning rate.",
        ),
    ] = None,
    old: Annotated[
        str | None,
        typer.Option(
            "--with",
            metavar="DATA",
            help="With --finetune: the old data. Default: what the run was trained on.",
        ),
    ] = None,
    replay: Annotated[
        float | None,
        typer.Option(
            metavar="RATIO",
            help="With --finetune: old pictures that an epoch shows for each crop. Default: 10.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="DATA",
            help=f"{DATA_HELP} Default: what the model is meant for.",
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the data. Default: the model's own.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Pictures a step. Default: the model's own.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Of the Adam optimiser. Default: the model's own.")
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            help="Of the learning rate: constant, cosine (falling to 0), or restarts (falling to 0 "
            "three times, each twice as long)."
        ),
    ] = None,
    average: Annotated[
        bool | None,
        typer.Option(
            "--average/--no-average",
            help="Keep the running mean of the weights instead of the weights of the last step.",
        ),
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(
            metavar="EPOCH",
            help="Which epoch's model: best on the validation part, or last. Default: best.",
        ),
    ] = None,
    augment: Annotated[
        bool | None,
        typer.Option(
            "--augment/--no-augment",
            help="Shift, turn, shear, scale and warp the training pictures, and vary the stroke.",
        ),
    ] = None,
    augment_strength: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="How far --augment goes, above 0 to 1. Default: 1."),
    ] = None,
    early_stopping: Annotated[
        int | None,
        typer.Option(
            metavar="PATIENCE",
            help="Stop after so many epochs without a better one on the validation part; 0: never.",
        ),
    ] = None,
    validation: Annotated[
        float | None,
        typer.Option(
            metavar="FRACTION",
            help="Share of the training pictures by which the best epoch is chosen. Default: 0.1.",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random. Default: 0.")] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="float32, or bfloat16 for inner arithmetic: faster on processors that have it."
        ),
    ] = None,
    normalise: Annotated[
        bool | None,
        typer.Option(
            "--normalise/--no-normalise",
            help="Batch normalisation after each convolution while training; the model that is "
            "kept has it folded in.",
        ),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="RUN|FILE",
            help="Start from the weights of a run or .keras file, layer by layer where they fit. "
            "After a run on the same data, what validated that one validates this one.",
        ),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            metavar="RUN[,RUN…]",
            help="Learn the answers of these runs' models beside the labels (distillation).",
        ),
    ] = None,
    views: Annotated[
        int | None,
        typer.Option(
            help="Changed copies of each picture that the teacher answers one by one, the student "
            "learning one an epoch. Default: 0, its mean answer."
        ),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(help="By which the teacher's answers are made softer. Default: 1."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted training.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Move an existing run to NAME.previous.")
    ] = False,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a model into a run folder. Ctrl-C keeps the best model so far.

    Or go on from another run: edgedigits train --finetune RUN --data FOLDER --run NEW

    Example: edgedigits train mnist-cnn --data mnist --run runs/a --augment
    """
    from edgedigits.errors import UsageError
    from edgedigits.train import TrainSettings
    from edgedigits.train import resume as resume_training
    from edgedigits.train import train as start_training

    if resume and overwrite:
        raise UsageError("--resume and --overwrite exclude each other; leave one out")
    if finetune is None and not resume and (old is not None or replay is not None):
        raise UsageError("--with and --replay go with --finetune RUN")
    settings = TrainSettings(
        model=model,
        data=data if finetune is None else old,
        crops=None if finetune is None else data,
        finetune=finetune,
        replay=replay,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        schedule=schedule,  # type: ignore[arg-type]  # checked with the other settings
        average=average,
        keep=keep,  # type: ignore[arg-type]
        augment=augment,
        augment_strength=augment_strength,
        early_stopping=early_stopping,
        validation=validation,
        seed=seed,
        precision=precision,  # type: ignore[arg-type]
        normalise=normalise,
        init=init,
        teacher=teacher,
        views=views,
        temperature=temperature,
    )
    with progress() as shown:
        if resume:
            result = resume_training(settings, run, data_dir=data_dir, progress=shown)
        else:
            result = start_training(
                settings, run, data_dir=data_dir, overwrite=overwrite, progress=shown
            )
    if as_json:
        print_json(
            {
                "run": str(run),
                "model": result.plan.model,
                "data": result.plan.data,
                "file": str(result.run.model_file()),
                **result.to_json(),
                "history": [epoch.to_json() for epoch in result.epochs],
                "notes": list(result.notes),
            }
        )
    else:
        stopped = ", stopped early" if result.stopped_early else ""
        kept = f"epoch {result.best.epoch} of {len(result.epochs)}{stopped}"
        stdout().print(f"{result.run.model_file()}: {kept}", markup=False, soft_wrap=True)
        stdout().print(_table(result))


def _table(result: TrainResult) -> Any:
    from rich.table import Table

    table = Table("part", box=None, pad_edge=False)
    table.add_column("accuracy", justify="right")
    table.add_column("loss", justify="right")
    table.add_row("training", f"{result.train_accuracy:.4f}", f"{result.train_loss:.4f}")
    table.add_row(
        "validation", f"{result.validation_accuracy:.4f}", f"{result.validation_loss:.4f}"
    )
    if result.test_accuracy is not None:
        table.add_row("test", f"{result.test_accuracy:.4f}", f"{result.test_loss:.4f}")
    return table
