"""Make a shipped file again, from data to export, by the commands in the JSON file beside it.

    python benchmarks/make_rung.py mnist-4k [--seed 1] [--folder made]

Hours for the larger ones. Runs go into ``FOLDER/runs``. Interrupted, the same command goes on:
trainings that are complete stay, teachers among them, so that several files share theirs. At the
end the file is measured on validation and test pictures, beside what is recorded for this seed.
Data lies under EDGEDIGITS_DATA. Trainings are not the same to the last bit everywhere: expect the
recorded accuracies within their spread, not the same bytes.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ship_model import candidate

from edgedigits.errors import EdgedigitsError, RunError, UsageError
from edgedigits.run import RunFolder, open_run
from edgedigits.zoo import SeedResult, ZooEntry, zoo_entry

Run = Callable[[list[str]], None]  # words of a command, without "edgedigits"


def steps(entry: ZooEntry, seed: int) -> list[list[str]]:
    """The commands that make a file from a seed, as words without ``edgedigits``.

    Raises:
        UsageError: the file was made from one seed alone, and this is another.
    """
    if seed != entry.shipped_seed and not any("SEED" in command for command in entry.commands):
        raise UsageError(f"--seed {seed}: {entry.name} has commands for {entry.shipped_seed} alone")
    return [shlex.split(command.replace("SEED", str(seed)))[1:] for command in entry.commands]


def outstanding(step: list[str], folder: Path) -> list[str] | None:
    """What is left to do of a step: all of it, the rest of a training, or None.

    Raises:
        UsageError: the folder holds something else under that name.
        RunError: what it holds is damaged.
    """
    if step[0] == "data":
        return None if (folder / step[step.index("--out") + 1]).exists() else step
    if step[0] != "train":
        return step
    name = step[step.index("--run") + 1]
    run = RunFolder(folder / name)
    if not run.path.exists():
        return step
    manifest = run.manifest()
    if manifest.get("command") != shlex.join(["edgedigits", *step]):
        raise UsageError(
            f"{run.path}: was not made by 'edgedigits {shlex.join(step)}', but by "
            f"{manifest.get('command')!r}; choose another --folder"
        )
    complete = manifest.get("training", {}).get("complete")
    return None if complete else ["train", "--run", name, "--resume"]


def make(entry: ZooEntry, seed: int, folder: Path, run: Run) -> tuple[Path, SeedResult]:
    """Do what is outstanding, and measure the file.

    Args:
        run: called for each command, to be run in ``folder``; raises where it fails.

    Returns:
        The file, and what it reached.

    Raises:
        EdgedigitsError: as :func:`steps`, :func:`outstanding` and ``ship_model.candidate``.
    """
    every = steps(entry, seed)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"--folder {folder}: {error.strerror}; name a folder that is there or can be made"
        ) from error
    for step in every:
        left = outstanding(step, folder)
        if left is None:
            print(f"there already: {shlex.join(step)}", file=sys.stderr)
        else:
            run(left)
    export = every[-1]
    kind = "qat-int8-slim" if "--qat" in export else "int8-slim"
    made = candidate(open_run(folder / export[1]), kind)
    return made.file, made.result


def _edgedigits_in(folder: Path) -> Run:
    data = os.environ.get("EDGEDIGITS_DATA")
    found = {} if data is None else {"EDGEDIGITS_DATA": str(Path(data).absolute())}
    program = [sys.executable, "-m", "edgedigits.cli.main"]

    def run(words: list[str]) -> None:
        print(f"edgedigits {shlex.join(words)}", file=sys.stderr)
        child = subprocess.Popen([*program, *words], cwd=folder, env=os.environ | found)
        try:
            code = child.wait()
        except KeyboardInterrupt:
            child.wait()  # it has heard of it too, and says how to go on
            raise
        if code:
            raise RunError(f"{folder}: stopped at 'edgedigits {shlex.join(words)}', see above")

    return run


def told(entry: ZooEntry, file: Path, result: SeedResult) -> str:
    """What was made, and beside it what is recorded, as lines of text."""
    lines = [f"{file}: {file.stat().st_size:,} bytes ({entry.name} has {entry.bytes:,})"]
    recorded = {each.seed: each for each in entry.seeds}.get(result.seed)
    for split in ("validation", "test"):
        now = getattr(result, f"{split}_accuracy")
        was = getattr(recorded, f"{split}_accuracy", None)
        beside = "not recorded" if was is None else f"recorded {100 * was:.2f} %"
        lines.append(f"{split}: {100 * now:.2f} %, seed {result.seed} ({beside})")
    return "\n".join(lines)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="a shipped file that 'edgedigits models' lists")
    parser.add_argument("--seed", type=int, help="default: that of the shipped file")
    parser.add_argument("--folder", type=Path, default=Path("made"))
    options = parser.parse_args()
    try:
        entry = zoo_entry(options.name)
        seed = entry.shipped_seed if options.seed is None else options.seed
        made = make(entry, seed, options.folder, _edgedigits_in(options.folder))
    except KeyboardInterrupt:
        sys.exit(130)
    except EdgedigitsError as error:
        sys.exit(str(error))
    print(told(entry, *made))


if __name__ == "__main__":
    main()
