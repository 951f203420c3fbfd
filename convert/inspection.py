"""Everything that ``edgedigits inspect`` tells of a ``.tflite`` file."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgedigits.convert.arena import Arena, plan_arena
from edgedigits.convert.contents import read_contents
from edgedigits.convert.edgetpu import EdgeTpu, map_edgetpu
from edgedigits.convert.graph import EDGETPU_OP, Contents
from edgedigits.convert.layer_facts import GzipSize, LayerFacts, gzip_size, layer_facts
from edgedigits.convert.micro import MicroOp, map_micro
from edgedigits.device.metadata import Metadata, read_model_bytes
from edgedigits.device.sidecar import file_metadata, is_as_written
from edgedigits.device.trial import run_trial, try_in_child
from edgedigits.errors import ModelFileError

TIME_LIMIT = 30.0  # seconds for a file of unknown origin
PLANNED = 4_000  # tensors, operations; a plan of more would take long


@dataclass(frozen=True)
class Inspection:
    """What is in a file, and what could run it.

    Attributes:
        file: where it lies. bytes: its length. gzip: of the whole.
        contents: its graph. layers: by operation.
        arena: working memory in TensorFlow Lite Micro; None: not known, and arena_why says why.
        edgetpu, micro: which operations would map.
        metadata: ours, inside the file or beside it; None: there is none.
    """

    file: Path
    bytes: int
    gzip: GzipSize
    contents: Contents
    layers: tuple[LayerFacts, ...]
    arena: Arena | None
    arena_why: str
    edgetpu: EdgeTpu
    micro: tuple[MicroOp, ...]
    metadata: Metadata | None

    @property
    def parameters(self) -> int:
        """Learnt numbers that the file stores."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiplications of one run."""
        return sum(layer.macs for layer in self.layers)

    def objections(self) -> str:
        """Why nothing here could run the file, or what of it is not shown; empty: nothing."""
        customs = self.contents.customs()
        if EDGETPU_OP in customs:
            return (
                f"{self.file}: compiled for the Edge TPU (custom operation {EDGETPU_OP}); it runs "
                "there alone, and what was compiled is not visible"
            )
        if customs:
            words = "operation" if len(customs) == 1 else "operations"
            return f"{self.file}: unknown custom {words} {', '.join(customs)}; nothing here runs it"
        if self.contents.subgraphs > 1:
            return f"{self.file}: holds {self.contents.subgraphs} graphs; only the first is shown"
        return ""


def inspect_file(path: Path) -> Inspection:
    """Look into any ``.tflite`` file, also one that no runtime here would run.

    Raises:
        UsageError: no such file. ModelFileError: it cannot be read, and why.
    """
    data = read_model_bytes(path)
    if not is_as_written(path, data):
        try_in_child(path, module="edgedigits.convert.inspection", time_limit=TIME_LIMIT)
    return examine(data, path)


def examine(data: bytes, path: Path) -> Inspection:
    """The same of bytes that were read already, in this process.

    Raises:
        ModelFileError: they cannot be read, and why.
    """
    contents = read_contents(data, str(path))
    try:
        layers = layer_facts(contents)
        edgetpu, micro = map_edgetpu(contents), map_micro(contents)
        arena, why = _arena(contents, path)
    except Exception as error:  # what does not fit together in a damaged graph
        raise ModelFileError(
            f"{path}: its operations and tensors do not fit together; the file is damaged"
        ) from error
    return Inspection(
        file=path,
        bytes=len(data),
        gzip=gzip_size(np.frombuffer(data, np.uint8)),
        contents=contents,
        layers=layers,
        arena=arena,
        arena_why=why,
        edgetpu=edgetpu,
        micro=micro,
        metadata=file_metadata(path, data),
    )


def _arena(contents: Contents, path: Path) -> tuple[Arena | None, str]:
    if max(len(contents.tensors), len(contents.ops)) > PLANNED:
        return None, f"more than {PLANNED:,} tensors or operations"
    if contents.customs():
        return None, "custom operations"
    try:
        return plan_arena(contents, str(path)), ""
    except ModelFileError as error:
        return None, str(error).removeprefix(f"{path}: ")


def _main(path: Path) -> int:
    return run_trial(path, lambda data: examine(data, path))


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1])))
