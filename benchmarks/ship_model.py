"""Put an exported file into the package, with how it was made and what other seeds reached.

    python benchmarks/ship_model.py NAME --variant int8-slim --run RUN [--run RUN …] --command "…"

The runs are of one recipe, each with a seed of its own; each holds the variant and the float32 file
it is held against. The file with the best validation accuracy is shipped. Writes
``edgedigits/zoo/NAME.tflite`` and ``edgedigits/zoo/NAME.json``. The commands are those that made
the runs, from data to export, as a user would type them, with SEED where the seed goes.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgedigits.compare import compare
from edgedigits.convert.arena import plan_arena
from edgedigits.convert.contents import Contents, read_contents
from edgedigits.device.metadata import Metadata
from edgedigits.device.sidecar import file_metadata
from edgedigits.errors import EdgedigitsError, RunError, UsageError
from edgedigits.files import file_digest, write_bytes, write_json
from edgedigits.run import RunFolder, open_run
from edgedigits.zoo import FOLDER, SeedResult, spread

MAY_DIFFER = (
    "seed",
    "data",
    "init",
    "teacher",
)  # settings that the runs of one recipe may differ in
ACCURACIES = (
    "validation_accuracy",
    "test_accuracy",
    "float_validation_accuracy",
    "float_test_accuracy",
)


@dataclass(frozen=True)
class Candidate:
    """The exported file of one run, and what it reached."""

    run: RunFolder
    file: Path
    metadata: Metadata
    manifest: dict[str, Any]
    result: SeedResult


def candidate(run: RunFolder, variant: str) -> Candidate:
    """Measure a run's file and its float32 file on validation and test pictures.

    Raises:
        EdgedigitsError: the run lacks a file, or a file is not of what the run holds now.
    """
    file = run.export_file(variant)
    metadata = file_metadata(file, file.read_bytes()) if file.is_file() else None
    if metadata is None:
        raise UsageError(f"{file}: not there, or without metadata; export it")
    own = "float32" if metadata.source == "model" else f"{metadata.source}-float32"
    own = own if run.export_file(own).is_file() else f"{own}-slim"
    measured = {}
    for split in ("validation", "test"):
        compared = compare([run], split=split, only={variant, own}, latency=False)
        rows = {row.variant: row for row in compared.rows}
        for row in rows.values():
            if row.note:
                raise RunError(f"{row.file}: {row.note}")
        measured[f"{split}_accuracy"] = rows[variant].accuracy
        measured[f"float_{split}_accuracy"] = rows[own].accuracy
    manifest = run.manifest()
    result = SeedResult(seed=int(manifest["seed"]), **measured)
    return Candidate(run, file, metadata, manifest, result)


def check_one_recipe(candidates: list[Candidate]) -> None:
    """Refuse runs that differ in more than their seed. Raises UsageError naming the difference."""
    first = _recipe(candidates[0])
    for other in candidates[1:]:
        theirs = _recipe(other)
        differing = [key for key in first.keys() | theirs if first.get(key) != theirs.get(key)]
        if differing:
            raise UsageError(
                f"{other.run.path}: differs from {candidates[0].run.path} in "
                f"{', '.join(sorted(differing))}; ship runs of one recipe"
            )
    seeds = [each.result.seed for each in candidates]
    if len(set(seeds)) < len(seeds):
        raise UsageError(f"the runs have the seeds {seeds}; each seed counts once")


def _recipe(of: Candidate) -> dict[str, Any]:
    settings = {k: v for k, v in of.manifest["settings"].items() if k not in MAY_DIFFER}
    return {
        **settings,
        "data digest": of.manifest["data"]["digest"],
        "pruning": pruning(of),
        "quantisation-aware training": quantisation_aware(of),
    }


def pruning(of: Candidate) -> dict[str, Any] | None:
    """By which method and to which sparsity the file's model was pruned; None: it was not."""
    if of.metadata.source == "model":
        return None
    record = of.manifest["pruning"][of.metadata.source]
    return {key: record[key] for key in ("method", "sparsity")}


def quantisation_aware(of: Candidate) -> dict[str, Any] | None:
    """Settings of the quantisation-aware training that the file comes from; None: of none."""
    if not of.metadata.recipe.get("name", "").startswith("qat"):
        return None
    made_of = of.manifest["qat"]["made_of"]
    return {key: value for key, value in made_of.items() if key != "source_sha256"}


def counts(contents: Contents) -> tuple[int, int]:
    """Numbers stored in a file's layers, and multiplications with addition for one picture."""
    stored: dict[int, int] = {}
    macs = 0
    for op in contents.ops:
        if op.name not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            continue
        for number in op.inputs[1:]:
            stored[number] = math.prod(contents.tensors[number].shape)
        places = contents.tensors[op.outputs[0]].shape[1:-1]
        macs += stored[op.inputs[1]] * math.prod(places)
    return sum(stored.values()), macs


def description(
    candidates: list[Candidate],
    best: Candidate,
    *,
    name: str,
    commands: list[str],
    arena_bytes: int | None,
) -> dict[str, Any]:
    """What ``NAME.json`` says: plain values, the shipped file's digest and metadata among them."""
    data = best.file.read_bytes()
    parameters, macs = counts(read_contents(data, str(best.file)))
    metadata, manifest = best.metadata, best.manifest
    by_field = {field: [getattr(each.result, field) for each in candidates] for field in ACCURACIES}
    spreads = {field: spread(values) for field, values in by_field.items()}
    record = manifest["data"]
    return {
        "file": f"{name}.tflite",
        "bytes": len(data),
        "sha256": file_digest(best.file),
        "commands": commands,
        "model": metadata.model,
        "parameters": parameters,
        "macs": macs,
        "arena_bytes": arena_bytes,
        "recipe": metadata.recipe,
        "settings": {k: v for k, v in manifest["settings"].items() if k != "data"},
        "pruning": pruning(best),
        "quantisation_aware": quantisation_aware(best),
        "data": {
            "name": metadata.data,
            **{key: record[key] for key in ("digest", "train_pictures")},
        },
        "shipped_seed": best.result.seed,
        "seeds": [{**asdict(each.result), "code": each.manifest["code"]} for each in candidates],
        **{field: asdict(found) for field, found in spreads.items() if found is not None},
        "training": manifest["training"]["results"],
        "rejection": None if metadata.rejection is None else asdict(metadata.rejection),
        "code": manifest["code"],
        "versions": metadata.versions,
        "metadata": metadata.to_json(),
    }


def ship(
    name: str,
    variant: str,
    runs: list[Path],
    commands: list[str],
    *,
    arena_bytes: int | None = None,
    folder: Path = FOLDER,
) -> Path:
    """Measure the runs, choose the best on validation, and write its two files; returns the first.

    Raises:
        EdgedigitsError: as :func:`candidate` and :func:`check_one_recipe`.
    """
    candidates = [candidate(open_run(run), variant) for run in runs]
    check_one_recipe(candidates)
    best = max(candidates, key=lambda each: each.result.validation_accuracy or 0.0)
    if arena_bytes is None:
        arena_bytes = plan_arena(read_contents(best.file.read_bytes(), name), name).bytes
    document = description(candidates, best, name=name, commands=commands, arena_bytes=arena_bytes)
    target = folder / f"{name}.tflite"
    write_json(target.with_suffix(".json"), document)
    write_bytes(target, best.file.read_bytes())
    return target


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name")
    parser.add_argument("--variant", default="int8-slim")
    parser.add_argument("--run", action="append", required=True, dest="runs", type=Path)
    parser.add_argument("--command", action="append", required=True, dest="commands")
    parser.add_argument(
        "--arena-bytes",
        type=int,
        help="working memory where it was measured; else an estimate is written",
    )
    options = parser.parse_args()
    try:
        target = ship(
            options.name,
            options.variant,
            options.runs,
            options.commands,
            arena_bytes=options.arena_bytes,
        )
    except EdgedigitsError as error:
        sys.exit(str(error))
    print(f"written: {target} and {target.with_suffix('.json')}", file=sys.stderr)


if __name__ == "__main__":
    main()
