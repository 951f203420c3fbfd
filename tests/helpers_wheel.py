"""What a wheel of edgedigits has to hold, and nothing else.

python tests/helpers_wheel.py dist/*.whl        exits with 1 when something is wrong
"""

from __future__ import annotations

import re
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

CHECKOUT = Path(__file__).parent.parent
LINKED = ("calibration", "convert", "device")
DATA_SUFFIXES = {".html", ".json", ".md", ".npz", ".tflite", ".typed"}
PLAIN = {
    *("numpy", "opencv-python-headless", "ai-edge-litert", "tflite-runtime", "flatbuffers"),
    *("typer", "rich", "pooch"),
}


def checkout_files() -> set[str]:
    """Names that the wheel's package should have, read from the folders of the checkout.

    The linked folders are listed at the top level, where the files really lie.
    """
    places = {CHECKOUT / "edgedigits": "edgedigits"}
    places |= {CHECKOUT / name: f"edgedigits/{name}" for name in LINKED}
    return {
        f"{prefix}/{file.relative_to(folder).as_posix()}"
        for folder, prefix in places.items()
        for file in folder.rglob("*")
        if file.is_file()
        and (file.suffix == ".py" or file.suffix in DATA_SUFFIXES)
        and not any(part in LINKED for part in file.relative_to(folder).parts)
    }


def wheel_faults(wheel: Path) -> list[str]:
    """What is wrong with a wheel, one line each; empty when nothing is."""
    with zipfile.ZipFile(wheel) as archive:
        names = {info.filename for info in archive.infolist() if not info.is_dir()}
        empty = {info.filename for info in archive.infolist() if info.file_size == 0}
        info = next(name.partition("/")[0] for name in names if ".dist-info/" in name)
        metadata = Parser().parsestr(archive.read(f"{info}/METADATA").decode())
        entry_points = archive.read(f"{info}/entry_points.txt").decode()
    files = {name for name in names if not name.startswith(f"{info}/")}
    wanted = checkout_files()
    faults = [f"holds {name}, which the package does not" for name in sorted(files - wanted)]
    faults += [f"lacks {name}" for name in sorted(wanted - files)]
    faults += [f"{name} is empty" for name in sorted(empty & files) if not name.endswith(".typed")]
    if not any(name.endswith("/LICENSE") for name in names - files):
        faults.append("lacks the licence")
    if "edgedigits = edgedigits.cli.main:run" not in entry_points:
        faults.append("lacks the program")
    required = [entry for entry in metadata.get_all("Requires-Dist", []) if "extra ==" not in entry]
    plain = {re.split(r"[^A-Za-z0-9-]", entry)[0] for entry in required}
    faults += [f"a plain install needs {name}" for name in sorted(plain - PLAIN)]
    faults += [f"a plain install does not bring {name}" for name in sorted(PLAIN - plain)]
    return faults


def main() -> None:
    """Entry point."""
    wheels = [Path(argument) for argument in sys.argv[1:]]
    if len(wheels) != 1:
        sys.exit(f"name one wheel, not {len(wheels)}")
    faults = wheel_faults(wheels[0])
    if faults:
        sys.exit("\n".join(f"{wheels[0].name}: {fault}" for fault in faults))
    print(f"{wheels[0].name}: holds the package's {len(checkout_files())} files and nothing else")


if __name__ == "__main__":
    main()
