"""A ``.tflite`` file as C source for TensorFlow Lite Micro, which runs without a file system."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from edgedigits.convert.arena import Arena, plan_arena
from edgedigits.convert.contents import TensorContents, read_contents
from edgedigits.convert.micro import why_not_micro
from edgedigits.convert.recipes import Variant
from edgedigits.device.metadata import read_metadata, read_model_bytes
from edgedigits.errors import ConversionError, UsageError
from edgedigits.files import write_together

BYTES_A_LINE = 16
NAME = "_model"  # ends the name of an array, and of its files
MICRO_RECIPES = ("float32", "int8", "int16x8", "qat-int8", "edgetpu-int8")

_HEADER = """\
/* {file}: a model for TensorFlow Lite Micro, written by edgedigits.
 *
 * Input:  {input}
 * Output: {output}
 * Operations to register: {ops}.
 */
#ifndef {guard}
#define {guard}

#define {upper}_LENGTH {length}
#define {upper}_LABEL_COUNT {count}

/* Working memory to reserve, in bytes: {head:,} for the tensors and {tail:,} for the tables of
 * TensorFlow Lite Micro, as its reference kernels ask for on a 64-bit machine; on 32 bits they want
 * {target:,}. Optimised kernels may want more. Where AllocateTensors() fails, raise it;
 * arena_used_bytes() then says what is needed. */
#define {upper}_ARENA_BYTES {arena}

#ifdef __cplusplus
extern "C" {{
#endif

extern const unsigned char {name}[];
extern const unsigned int {name}_length;
extern const char* const {name}_labels[{upper}_LABEL_COUNT];

#ifdef __cplusplus
}}
#endif

#endif
"""

_SOURCE = """\
/* {file}, {length:,} bytes, written by edgedigits. Compiles as C11 and as C++11. */
#include "{name}.h"

#ifndef __cplusplus
#include <stdalign.h>
#endif

alignas(16) const unsigned char {name}[] = {{
{data}
}};

const unsigned int {name}_length = {upper}_LENGTH;

const char* const {name}_labels[{upper}_LABEL_COUNT] = {{
{labels}
}};
"""


@dataclass(frozen=True)
class CArray:
    """A model as C.

    Attributes:
        name: of the array, and of both files without their suffix.
        header, source: text of the two files.
        arena: the memory that the header tells to reserve.
    """

    name: str
    header: str
    source: str
    arena: Arena


@dataclass(frozen=True)
class CArrayFiles:
    """Where a model was written as C, and how many bytes of memory its header says to reserve."""

    source: Path
    header: Path
    arena_bytes: int


def check_c_array(variants: Iterable[Variant]) -> None:
    """Refuse, before they are made, variants of which none could be written as C.

    Raises:
        UsageError: TensorFlow Lite Micro runs none of them.
    """
    # A recipe stands here once for each of the run's models.
    names = list(dict.fromkeys(variant.recipe.name for variant in variants))
    if not set(names) & set(MICRO_RECIPES):
        raise UsageError(
            f"--c-array: TensorFlow Lite Micro does not run {' or '.join(names)}; "
            "add --int8 or --float32"
        )


def write_c_arrays(files: Iterable[Path], say: Callable[[str], None]) -> tuple[CArrayFiles, ...]:
    """Write as C what can be written, beside each file.

    Args:
        files: models. say: told of each that was written, and of each that was left out, and why.

    Raises:
        UsageError, ModelFileError, RunError: as :func:`write_c_array`.
    """
    written = []
    for file in files:
        try:
            made = write_c_array(file)
        except ConversionError as error:
            say(f"not written as C: {error}")
            continue
        say(f"written: {made.source} and {made.header.name}")
        written.append(made)
    return tuple(written)


def write_c_array(file: Path, folder: Path | None = None) -> CArrayFiles:
    """Write ``NAME_model.c`` and ``NAME_model.h`` for a file ``NAME.tflite``.

    Args:
        file: the model. folder: where to; None: beside it.

    Raises:
        UsageError, ModelFileError: the file is missing or damaged.
        ConversionError: TensorFlow Lite Micro does not run it. RunError: it cannot be written.
    """
    made = c_array(read_model_bytes(file), file.name)
    source, header = c_array_files(file, folder)
    write_together((header, made.header.encode()), (source, made.source.encode()))
    return CArrayFiles(source, header, made.arena.smallest)


def c_array_files(file: Path, folder: Path | None = None) -> tuple[Path, Path]:
    """The C source and header of a file; arguments as :func:`write_c_array`."""
    target = (folder or file.parent) / (identifier(file.stem) + NAME)
    return target.with_suffix(".c"), target.with_suffix(".h")


def c_array(data: bytes, file: str) -> CArray:
    """A model as C source and header.

    Args:
        data: the bytes of a ``.tflite`` file. file: its name, which names the array too.

    Raises:
        ModelFileError: the file is damaged.
        ConversionError: TensorFlow Lite Micro does not run it.
    """
    contents = read_contents(data, file)
    if reason := why_not_micro(contents):
        raise ConversionError(
            f"{file}: {reason}, which TensorFlow Lite Micro does not run; "
            f"use one of {', '.join(MICRO_RECIPES)}"
        )
    arena = plan_arena(contents, file)
    ends = (contents.tensors[contents.inputs[0]], contents.tensors[contents.outputs[0]])
    metadata = read_metadata(data)
    numbered = tuple(str(i) for i in range(ends[1].shape[-1]))
    labels = numbered if metadata is None else metadata.labels
    name = identifier(Path(file).stem) + NAME
    words = {
        "file": _in_comment(Path(file).name),
        "name": name,
        "upper": name.upper(),
        "length": len(data),
    }
    header = _HEADER.format(
        **words,
        guard=f"{name.upper()}_H",
        input=_described(ends[0]),
        output=_described(ends[1]),
        ops=", ".join(sorted({_in_comment(op.name) for op in contents.ops})),
        count=len(labels),
        head=arena.head,
        tail=arena.tail,
        target=arena.target,
        arena=arena.smallest,
    )
    quoted = ",\n".join(f"    {quote(label)}" for label in labels)
    source = _SOURCE.format(**words, data=_rows(data), labels=quoted)
    return CArray(name, header, source, arena)


def identifier(stem: str) -> str:
    """A name that C allows: other characters become ``_``; none begins with a digit."""
    name = re.sub(r"[^0-9A-Za-z_]", "_", stem)
    return f"m{name}" if name[:1].isdigit() or not name.strip("_") else name


def quote(text: str) -> str:
    """A C string literal of the text in UTF-8, in ASCII characters."""
    plain = re.compile(rb"[ -~]")
    special = b'"\\?'  # ? would begin a trigraph
    parts = (
        chr(byte) if plain.match(bytes([byte])) and byte not in special else f"\\{byte:03o}"
        for byte in text.encode()
    )
    return '"' + "".join(parts) + '"'


def _rows(data: bytes) -> str:
    starts = range(0, len(data), BYTES_A_LINE)
    return ",\n".join(
        "    " + ", ".join(f"0x{byte:02x}" for byte in data[start : start + BYTES_A_LINE])
        for start in starts
    )


def _described(tensor: TensorContents) -> str:
    shape = "x".join(map(str, tensor.shape))
    if not tensor.scales:
        return f"{tensor.dtype.lower()} {shape}"
    scale, zero = tensor.scales[0], tensor.zero_points[0]
    return f"{tensor.dtype.lower()} {shape}; real value = {scale:.9g} * (stored - ({zero}))"


def _in_comment(text: str) -> str:
    return "".join(c if c.isascii() and c.isprintable() else "_" for c in text).replace("*/", "*_")
