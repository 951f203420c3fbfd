"""The arena against what TensorFlow Lite Micro itself allocates, where its package is installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers_models import Graph, write

from edgedigits.convert.arena import plan_arena
from edgedigits.convert.contents import read_contents
from edgedigits.zoo import reader_file

pytest.importorskip("tflite_micro", reason="TensorFlow Lite Micro has no package here")

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
AMPLE = 4 << 20  # bytes


@pytest.fixture(autouse=True)
def _beside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)


def _is_exact(file: Path, *, tight: bool = True) -> None:
    """Every figure that Micro prints is ours, and it runs in the least arena, in no smaller one."""
    import micro

    arena = plan_arena(read_contents(file.read_bytes(), file.name), file.name)
    with micro.Micro(file) as runtime:
        told = runtime.allocations(AMPLE)
        assert told is not None
        assert (told.pop("total"), told.pop("head")) == (arena.bytes, arena.head)
        assert told.pop("tail") == arena.tail
        assert told == {name: arena.parts[name] for name in told}
        assert runtime.allocations(arena.smallest) is not None
        assert not tight or runtime.allocations(arena.smallest - 16) is None
    assert arena.bytes <= arena.smallest


@pytest.mark.parametrize("name", ["mnist-8k", "digit-reader"])
def test_shipped_files(name: str) -> None:
    _is_exact(reader_file().parent / f"{name}.tflite")


@pytest.mark.parametrize("variant", ["int8", "float32", "int16x8", "qat-int8"])
def test_exports(exported_run: Path, variant: str) -> None:
    _is_exact(exported_run / "exports" / f"{variant}.tflite")


def _mixed(channels: int) -> bytes:
    """Convolutions, a sum of two branches, padding, means and a Dense layer, by hand, int8."""
    graph = Graph()

    def activation(*shape: int, scale: float = 0.1, zero: int = 0) -> int:
        return graph.tensor(list(shape), "INT8", scale=scale, zero_point=zero)

    def stored(*shape: int) -> int:
        return graph.tensor(list(shape), "INT8", np.ones(shape, np.int8), scale=0.1)

    def bias(size: int) -> int:
        return graph.tensor([size], "INT32", np.zeros(size, np.int32), scale=0.01)

    picture = activation(1, 12, 12, 1)
    wide = activation(1, 12, 12, channels)
    graph.op("CONV_2D", [picture, stored(channels, 3, 3, 1), bias(channels)], [wide],
             strideW=1, strideH=1)  # fmt: skip
    deep = activation(1, 12, 12, channels)
    graph.op("DEPTHWISE_CONV_2D", [wide, stored(1, 3, 3, channels), bias(channels)], [deep],
             strideW=1, strideH=1, depthMultiplier=1)  # fmt: skip
    both = activation(1, 12, 12, channels)
    graph.op("ADD", [wide, deep], [both])
    margins = np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32)
    padded = activation(1, 14, 14, channels)
    graph.op("PAD", [both, graph.tensor([4, 2], "INT32", margins)], [padded])
    pooled = activation(1, 7, 7, channels)
    graph.op("AVERAGE_POOL_2D", [padded], [pooled], strideW=2, strideH=2, filterWidth=2,
             filterHeight=2)  # fmt: skip
    flat = activation(1, channels)
    graph.op("MEAN", [pooled, graph.tensor([2], "INT32", np.array([1, 2], np.int32))], [flat],
             keepDims=False)  # fmt: skip
    out = activation(1, 10, scale=1.0)
    graph.op("FULLY_CONNECTED", [flat, stored(10, channels), bias(10)], [out])
    scores = activation(1, 10, scale=1 / 256, zero=-128)
    graph.op("SOFTMAX", [out], [scores], beta=1.0)
    graph.ends([picture], [scores])
    return graph.bytes()


@pytest.mark.parametrize("channels", [3, 20])
def test_a_branch_by_hand(tmp_path: Path, channels: int) -> None:
    _is_exact(write(tmp_path / "mixed.tflite", _mixed(channels)))


def test_where_making_the_plan_takes_more_than_the_plan(tmp_path: Path) -> None:
    graph = Graph()
    a, b = (graph.tensor([1, 4], "INT8", scale=0.1) for _ in range(2))
    w = graph.tensor([4, 4], "INT8", np.ones((4, 4), np.int8), scale=0.1)
    graph.op("FULLY_CONNECTED", [a, w, -1], [b])
    graph.ends([a], [b])
    file = write(tmp_path / "tiny.tflite", graph.bytes())
    arena = plan_arena(read_contents(file.read_bytes(), "x"), "x")
    assert arena.smallest > arena.bytes
    _is_exact(file)


def test_scales_of_every_channel_are_counted(tmp_path: Path) -> None:
    graph = Graph()
    a, b = (graph.tensor([1, 48], "INT8", scale=0.1) for _ in range(2))
    w = graph.tensor([48, 48], "INT8", np.ones((48, 48), np.int8), scale=0.1)
    graph.part.tensors[w].quantization.scale = [0.1] * 48
    graph.part.tensors[w].quantization.zeroPoint = [0] * 48
    graph.op("FULLY_CONNECTED", [a, w, -1], [b])
    graph.ends([a], [b])
    file = write(tmp_path / "channels.tflite", graph.bytes())
    plain = read_contents(file.read_bytes(), "x")
    assert len(plain.tensors[w].scales) == 48
    # Micro lets what it keeps overlap what it has open for the moment; we do not count on that.
    _is_exact(file, tight=False)
