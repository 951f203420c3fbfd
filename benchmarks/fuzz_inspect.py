"""What ``edgedigits inspect`` makes of damaged files.

    python benchmarks/fuzz_inspect.py [--files 10000] [--seed 0] [FILE…]

Each mutant is read, examined and made a document of in this process, without the child that the
command opens foreign files in: it must be shown, or refused in one line, within a second. Mutants:
bytes, words and bits changed, parts cut out, doubled, moved or zeroed, ends cut off. Without FILE
the shipped ones. Writes ``benchmarks/results/fuzz-inspect.json``; exits with 1 where one got
through.
"""

from __future__ import annotations

import argparse
import collections
import json
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgedigits.convert.inspection import examine
from edgedigits.errors import ModelFileError
from edgedigits.files import write_json
from edgedigits.provenance import host_facts, package_versions
from edgedigits.report.inspection import inspection_json, inspection_view
from edgedigits.zoo import reader_file

RESULT = Path(__file__).parent / "results" / "fuzz-inspect.json"
LONGEST = 1.0  # seconds a file, of the processor
WORDS = (0, 1, 2, 4, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 1 << 20, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
DENSE = 2048  # mutants are half of the time among so many of the last bytes, where the graph is

Mutate = Callable[[bytearray, np.random.Generator], None]


def _somewhere(data: bytearray, rng: np.random.Generator) -> int:
    low = max(len(data) - DENSE, 0) if rng.random() < 0.5 else 0
    return int(rng.integers(low, max(len(data), 1)))


def _flip(data: bytearray, rng: np.random.Generator) -> None:
    data[_somewhere(data, rng)] ^= 1 << int(rng.integers(8))


def _byte(data: bytearray, rng: np.random.Generator) -> None:
    data[_somewhere(data, rng)] = int(rng.integers(256))


def _word(data: bytearray, rng: np.random.Generator) -> None:
    place = _somewhere(data, rng) // 4 * 4
    small = int(rng.integers(-64, 64)) & 0xFFFFFFFF
    value = small if rng.random() < 0.3 else int(rng.choice(WORDS))
    data[place : place + 4] = struct.pack("<I", value)


def _cut(data: bytearray, rng: np.random.Generator) -> None:
    del data[int(rng.integers(8, len(data))) :]


def _remove(data: bytearray, rng: np.random.Generator) -> None:
    place = _somewhere(data, rng)
    del data[place : place + int(rng.integers(1, 64))]


def _double(data: bytearray, rng: np.random.Generator) -> None:
    place, size = _somewhere(data, rng), int(rng.integers(1, 256))
    data[place:place] = data[place : place + size]


def _move(data: bytearray, rng: np.random.Generator) -> None:
    size = int(rng.integers(1, 256))
    source, target = _somewhere(data, rng), _somewhere(data, rng)
    part = data[source : source + size]
    data[target : target + len(part)] = part


def _zero(data: bytearray, rng: np.random.Generator) -> None:
    place, size = _somewhere(data, rng), int(rng.integers(1, 64))
    data[place : place + size] = bytes(len(data[place : place + size]))


MUTATIONS: tuple[Mutate, ...] = (_flip, _byte, _word, _word, _cut, _remove, _double, _move, _zero)


def mutants(files: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Damaged files, the same ones for the same seed; the identifier is kept.

    Args:
        files: whole ones. count: how many to make.
    """
    rng = np.random.default_rng(seed)
    for i in range(count):
        data = bytearray(files[i % len(files)])
        for _ in range(int(rng.integers(1, 6))):
            MUTATIONS[int(rng.integers(len(MUTATIONS)))](data, rng)
            if len(data) < 16:
                break
        data[4:8] = b"TFL3"
        yield bytes(data)


def outcome(data: bytes) -> tuple[str, float]:
    """(what becomes of a file, seconds of the processor); any other exception is not caught."""
    began = time.process_time()
    try:
        found = examine(data, Path("mutant.tflite"))
        json.dumps(inspection_json(found), allow_nan=False)
        for part in inspection_view(found):
            str(part)
        what = "objected" if found.objections() else "shown"
    except ModelFileError as error:
        if "\n" in str(error):
            raise AssertionError(f"more than one line: {error}") from error
        what = "refused"
    return what, time.process_time() - began


def run(files: list[bytes], count: int, seed: int) -> dict[str, Any]:
    """How many mutants were shown, objected to and refused, and the longest time."""
    counts: collections.Counter[str] = collections.Counter()
    longest, failures = 0.0, []
    for i, data in enumerate(mutants(files, count, seed)):
        try:
            what, seconds = outcome(data)
        except Exception as error:
            failures.append(f"mutant {i}: {type(error).__name__}: {error}")
            continue
        if seconds > LONGEST:
            failures.append(f"mutant {i}: {seconds:.1f} s")
        counts[what] += 1
        longest = max(longest, seconds)
    return {
        "files": count,
        "seed": seed,
        "outcomes": dict(sorted(counts.items())),
        "longest_seconds": longest,
        "failures": failures,
    }


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("whole", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--files", type=int, default=10_000, help="how many mutants")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULT, help="where to write the result")
    asked = parser.parse_args()
    whole = asked.whole or sorted(reader_file().parent.glob("*.tflite"))
    began = time.perf_counter()
    document = {
        "command": f"python benchmarks/fuzz_inspect.py --files {asked.files} --seed {asked.seed}",
        **run([path.read_bytes() for path in whole], asked.files, asked.seed),
        "mutated": [path.name for path in whole],
        "seconds": time.perf_counter() - began,
        "versions": package_versions("ai-edge-litert", "flatbuffers", "numpy"),
        "host": host_facts(),
    }
    write_json(asked.out, document)
    print(f"written: {asked.out}: {document['outcomes']}", file=sys.stderr)
    for failure in document["failures"][:20]:
        print(failure, file=sys.stderr)
    sys.exit(bool(document["failures"]))


if __name__ == "__main__":
    main()
