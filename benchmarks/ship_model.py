"""Put an exported file into the package, with how it was made beside it.

    python benchmarks/ship_model.py RUN VARIANT NAME --command "…" [--command "…"]

Writes ``edgedigits/zoo/NAME.tflite`` and ``edgedigits/zoo/NAME.json``. The commands are those that
made the run, from data to export, as a user would type them.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

import edgedigits.zoo
from edgedigits.device.metadata import read_metadata
from edgedigits.run import RunFolder, file_digest, write_json

ZOO = Path(edgedigits.zoo.__file__).parent


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("variant")
    parser.add_argument("name")
    parser.add_argument("--command", action="append", required=True, dest="commands")
    options = parser.parse_args()
    run = RunFolder(options.run)
    manifest = run.manifest()
    target = ZOO / f"{options.name}.tflite"
    shutil.copyfile(run.export_file(options.variant), target)
    metadata = read_metadata(target.read_bytes())
    assert metadata is not None
    settings = {key: value for key, value in manifest["settings"].items() if key != "data"}
    write_json(
        target.with_suffix(".json"),
        {
            "file": target.name,
            "bytes": target.stat().st_size,
            "sha256": file_digest(target),
            "commands": options.commands,
            "model": metadata.model,
            "recipe": metadata.recipe,
            "settings": settings,
            "data": {key: manifest["data"][key] for key in ("digest", "train_pictures")},
            "training": manifest["training"]["results"],
            "rejection": None if metadata.rejection is None else asdict(metadata.rejection),
            "code": manifest["code"],
            "versions": metadata.versions,
        },
    )
    print(f"written: {target} and {target.with_suffix('.json')}", file=sys.stderr)


if __name__ == "__main__":
    main()
