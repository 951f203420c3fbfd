"""``edgedigits prune``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgedigits.cli.common import (
    DataDirOption,
    JsonOption,
    RunArgument,
    print_json,
    progress,
    stdout,
)

if TYPE_CHECKING:
    from edgedigits.prune import PruneResult
    from edgedigits.prune.pruning import Measured


def prune(
    run: RunArgument,
    sparsity: Annotated[
        float | None,
        typer.Option(
            help="Share of the weights set to zero (default 0.8), or of the filters and units "
            "removed from each layer (default 0.5)."
        ),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            help="magnitude: single weights become zero, only compression sees it. "
            "channels: whole filters and units go, file and arithmetic shrink."
        ),
    ] = "magnitude",
    epochs: Annotated[
        int | None,
        typer.Option(help="Of retraining. Default: 4, more where the data set is small."),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Pictures a step. Default: as the run was trained.")
    ] = None,
    learning_rate: Annotated[
        float, typer.Option(help="Of the Adam optimiser, falling to 0 on a cosine.")
    ] = 0.001,
    augment: Annotated[
        bool | None,
        typer.Option(
            "--augment/--no-augment",
            help="Change the pictures while retraining. Default: as the run's training did.",
        ),
    ] = None,
    augment_strength: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="How far, above 0 to 1. Default: as training did."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the order of the pictures.")] = 0,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prune a run's model and retrain it: into pruned.keras or channels.keras.

    Example: edgedigits prune runs/a --method channels --sparsity 0.5
    """
    from edgedigits.prune import PruneSettings
    from edgedigits.prune import prune as prune_run
    from edgedigits.run import open_run

    settings = PruneSettings(
        method=method,  # type: ignore[arg-type]  # checked with the other settings
        sparsity=sparsity,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        augment=augment,
        augment_strength=augment_strength,
    )
    with progress() as shown:
        result = prune_run(open_run(run), settings, data_dir=data_dir, progress=shown)
    if as_json:
        print_json({"run": str(run), **result.to_json()})
    else:
        _show(result)


def _show(result: PruneResult) -> None:
    from rich.table import Table

    layers = Table("layer", box=None, pad_edge=False)
    for name in ("outputs", "left", "weights", "left", "of these zero"):
        layers.add_column(name, justify="right")
    for row in result.layers:
        layers.add_row(
            row.name,
            f"{row.outputs_before:,}",
            f"{row.outputs_after:,}",
            f"{row.weights_before:,}",
            f"{row.weights_after:,}",
            f"{100 * row.sparsity:.1f} %",
        )
    console = stdout()
    console.print(layers)
    console.print()
    console.print(_whole(result))
    said = f"{result.file}: epoch {result.best.epoch} of {len(result.epochs)}"
    console.print(said, markup=False, soft_wrap=True)


def _whole(result: PruneResult) -> Any:
    from rich.table import Table

    table = Table("model", box=None, pad_edge=False)
    for name in ("parameters", "MACs", "weights zero", "validation", "test"):
        table.add_column(name, justify="right")

    def add(name: str, measured: Measured, sparsity: str) -> None:
        test = measured.test_accuracy
        table.add_row(
            name,
            f"{measured.parameters:,}",
            f"{measured.macs:,}",
            sparsity,
            f"{measured.validation_accuracy:.4f}",
            "" if test is None else f"{test:.4f}",
        )

    add("before", result.before, "")
    add("after", result.after, f"{100 * result.measured_sparsity:.1f} %")
    return table
