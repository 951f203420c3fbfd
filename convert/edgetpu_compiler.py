"""Google's ``edgetpu_compiler``, where it is installed: run it, and read its report.

It exists for x86-64 Linux only and in no package index. The report's form is that of versions 15
and 16; a fake one in the tests keeps to it. Nothing here was run with the real one.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgedigits.convert.contents import read_contents
from edgedigits.convert.edgetpu import EdgeTpu, map_edgetpu
from edgedigits.errors import ConversionError, RunError
from edgedigits.files import writing

PROGRAM = "edgetpu_compiler"
TIME_LIMIT = 600.0  # seconds
MAPPED = "Mapped to Edge TPU"
_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


@dataclass(frozen=True)
class CompiledOps:
    """So many operations of a kind have a status, in the compiler's words."""

    name: str
    count: int
    status: str


@dataclass(frozen=True)
class CompilerReport:
    """What the compiler said.

    Attributes:
        version: of the compiler. ops: its table. subgraphs: parts that run on the Edge TPU.
        on_chip_bytes, on_chip_left_bytes, streamed_bytes: parameters on the chip, room left there,
            and parameters sent at each run; None: it does not say.
        file: the compiled file.
    """

    version: str
    ops: tuple[CompiledOps, ...]
    subgraphs: int | None
    on_chip_bytes: int | None
    on_chip_left_bytes: int | None
    streamed_bytes: int | None
    file: Path

    @property
    def mapped(self) -> int:
        """How many operations run on the Edge TPU."""
        return sum(op.count for op in self.ops if op.status == MAPPED)

    @property
    def total(self) -> int:
        """How many operations there are."""
        return sum(op.count for op in self.ops)


@dataclass(frozen=True)
class EdgeTpuExport:
    """A file for the compiler.

    Attributes:
        file: what the compiler takes. mapping: what the documented rules say of it.
        compiler: where the program lies; None: it is not installed.
        report: what it said; None: it did not run, or made nothing.
        error: why it made nothing, as one line; None: it did not have to say.
    """

    file: Path
    mapping: EdgeTpu
    compiler: str | None
    report: CompilerReport | None
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        report = self.report
        return {
            "file": str(self.file),
            "would_map": sum(op.segment for op in self.mapping.ops),
            "operations": len(self.mapping.ops),
            "parameter_bytes": self.mapping.parameter_bytes,
            "warnings": list(self.mapping.warnings),
            "compiler": self.compiler,
            "report": None
            if report is None
            else asdict(report)
            | {"file": str(report.file), "mapped": report.mapped, "total": report.total},
            "error": self.error,
        }


def compile_files(
    files: Iterable[Path], folder: Path, say: Callable[[str], None]
) -> tuple[EdgeTpuExport, ...]:
    """Compile files for the Edge TPU where the compiler is on the PATH; otherwise say it is not.

    A file that the compiler refuses does not keep it from the others.

    Args:
        files: made for it. folder: where compiled files go. say: told what became of each.
    """
    program = shutil.which(PROGRAM)
    made = []
    for file in files:
        mapping = map_edgetpu(read_contents(file.read_bytes(), str(file)))
        would = f"{sum(op.segment for op in mapping.ops)} of {len(mapping.ops)} operations"
        if program is None:
            say(
                f"{PROGRAM} is not on the PATH, so {file} is not compiled; by the documented "
                f"rules {would} would map. Compile it on x86-64 Linux: {PROGRAM} {file.name}"
            )
            made.append(EdgeTpuExport(file, mapping, None, None))
            continue
        try:
            report = compile_file(program, file, folder)
        except (ConversionError, RunError) as error:
            made.append(EdgeTpuExport(file, mapping, program, None, str(error)))
            continue
        say(
            f"{report.file}: compiled by {PROGRAM} {report.version}; {report.mapped} of "
            f"{report.total} operations run on the Edge TPU ({would} were expected)"
        )
        made.append(EdgeTpuExport(file, mapping, program, report))
    return tuple(made)


def compile_file(program: str, file: Path, folder: Path) -> CompilerReport:
    """Run the compiler on one file.

    Raises:
        ConversionError: the compiler refuses it, or does not end. RunError: nothing can be written
            to the folder.
    """
    with writing(folder):
        folder.mkdir(exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".compile-", dir=folder))
    try:
        said = _run(program, file, work)
        made = work / f"{file.stem}_edgetpu.tflite"
        if not made.is_file():
            raise ConversionError(f"{PROGRAM}: made no file of {file}: {_reason(said)}")
        target = folder / made.name
        with writing(target):
            (folder / f"{file.stem}_edgetpu.log").write_text(said, encoding="utf-8")
            made.replace(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return read_report(said, target)


def _run(program: str, file: Path, work: Path) -> str:
    try:
        child = subprocess.run(
            [program, "-s", "-o", str(work), str(file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIME_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ConversionError(
            f"{PROGRAM}: did not end with {file} within {TIME_LIMIT:.0f} s"
        ) from None
    except OSError as error:
        raise ConversionError(f"{program}: cannot be run: {error.strerror}") from error
    said = child.stdout.decode("utf-8", "replace")
    if child.returncode:
        raise ConversionError(
            f"{PROGRAM}: refuses {file} (exit code {child.returncode}): {_reason(said)}"
        )
    return said


def _reason(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return " ".join(lines[-2:])[:300] or "it says nothing"


def read_report(said: str, file: Path) -> CompilerReport:
    """What the compiler prints, as values.

    Args:
        said: its output with the option ``-s``. file: where the compiled file lies.
    """
    version = re.search(r"Edge TPU Compiler version (\S+)", said)
    table = said.partition("Operator  ")[2].splitlines()[1:]
    rows = [re.fullmatch(r"\s*([A-Z][A-Z0-9_]*)\s+(\d+)\s+(\S.*?)\s*", line) for line in table]
    subgraphs = re.search(r"Number of Edge TPU subgraphs: (\d+)", said)
    return CompilerReport(
        version="of unknown version" if version is None else version[1],
        ops=tuple(CompiledOps(row[1], int(row[2]), row[3]) for row in rows if row is not None),
        subgraphs=None if subgraphs is None else int(subgraphs[1]),
        on_chip_bytes=_bytes(said, "On-chip memory used for caching model parameters"),
        on_chip_left_bytes=_bytes(said, "On-chip memory remaining for caching model parameters"),
        streamed_bytes=_bytes(said, "Off-chip memory used for streaming uncached model parameters"),
        file=file,
    )


def _bytes(said: str, what: str) -> int | None:
    found = re.search(rf"{re.escape(what)}: ([\d.]+)([KMG]i)?B", said)
    return None if found is None else round(float(found[1]) * _UNITS[f"{found[2] or ''}B"])
