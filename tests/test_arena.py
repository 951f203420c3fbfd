"""Plans of working memory, against small graphs laid out by hand."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
from helpers_models import Graph, endless_file

from edgedigits.convert.arena import Arena, plan_arena
from edgedigits.convert.contents import read_contents
from edgedigits.errors import ModelFileError
from edgedigits.zoo import reader_file


def planned(data: bytes) -> Arena:
    return plan_arena(read_contents(data, "hand"), "hand")


def offsets(arena: Arena) -> dict[int, int]:
    return {placed.tensor: placed.offset for placed in arena.tensors}


def chain(*sizes: int) -> bytes:
    """Operations one after the other, each reading what the one before wrote."""
    graph = Graph()
    tensors = [graph.tensor([1, size], "INT8") for size in sizes]
    for before, after in pairwise(tensors):
        graph.op("ABS", [before], [after])
    graph.ends(tensors[:1], tensors[-1:])
    return graph.bytes()


def test_a_chain_needs_its_widest_pair() -> None:
    # 96 goes to 0; 64 before it and 48 behind it live beside it, but not together.
    arena = planned(chain(64, 96, 48, 16))
    assert offsets(arena) == {0: 96, 1: 0, 2: 96, 3: 0}
    assert arena.head == 96 + 64


def test_sizes_are_rounded_up_to_16_bytes() -> None:
    arena = planned(chain(1, 17))
    assert offsets(arena) == {0: 32, 1: 0}
    assert arena.head == 32 + 16


def test_a_tensor_that_is_read_later_stays_beside_all_in_between() -> None:
    graph = Graph()
    a, b, c, d = (graph.tensor([1, size], "INT8") for size in (32, 80, 64, 32))
    graph.op("ABS", [a], [b])
    graph.op("ABS", [b], [c])
    graph.op("ADD", [a, c], [d])
    graph.ends([a], [d])
    arena = planned(graph.bytes())
    # b at 0, c behind it, a (alive throughout) behind both; d only beside c and a: where b was.
    assert offsets(arena) == {a: 144, b: 0, c: 80, d: 0}
    assert arena.head == 80 + 64 + 32


def test_inputs_live_from_the_start_and_outputs_to_the_end() -> None:
    graph = Graph()
    a, late, early, b, c = (graph.tensor([1, size], "INT8") for size in (16, 96, 80, 64, 32))
    graph.op("ABS", [a], [early])
    graph.op("ABS", [a], [b])
    graph.op("ADD", [b, late], [c])
    graph.ends([a, late], [early, c])
    arena = planned(graph.bytes())
    # All of late, early and b live at once; c takes the place of a, which lives no longer.
    assert offsets(arena) == {a: 240, late: 0, early: 96, b: 176, c: 240}
    lives = {placed.tensor: (placed.first, placed.last) for placed in arena.tensors}
    assert lives == {a: (0, 2), late: (0, 3), early: (1, 3), b: (2, 3), c: (3, 3)}


def test_of_equal_tensors_the_later_is_placed_first() -> None:
    assert offsets(planned(chain(16, 16))) == {0: 16, 1: 0}


def test_a_gap_is_used_before_the_end() -> None:
    graph = Graph()
    a, b, c, d, e = (graph.tensor([1, size], "INT8") for size in (48, 64, 96, 32, 16))
    graph.op("ABS", [a], [b])  # alive: a b
    graph.op("ADD", [a, b], [c])  # alive: a b c
    graph.op("ADD", [a, c], [d])  # alive: a c d; b has gone from between
    graph.op("ABS", [d], [e])
    graph.ends([a], [e])
    arena = planned(graph.bytes())
    # c at 0, b at 96, a at 160; d between c and a, where b was.
    assert offsets(arena) == {a: 160, b: 96, c: 0, d: 96, e: 0}
    assert arena.head == 160 + 48


def test_stored_tensors_take_no_place_and_floats_take_four_bytes() -> None:
    graph = Graph()
    picture, out = graph.tensor([1, 4]), graph.tensor([1, 2])
    weights = graph.tensor([2, 4], data=np.ones((2, 4), np.float32))
    bias = graph.tensor([2], data=np.ones(2, np.float32))
    graph.op("FULLY_CONNECTED", [picture, weights, bias], [out])
    graph.ends([picture], [out])
    arena = planned(graph.bytes())
    assert offsets(arena) == {picture: 16, out: 0}
    assert arena.head == 32


def test_nothing_that_lives_at_the_same_time_overlaps_in_a_shipped_file() -> None:
    arena = planned(reader_file().read_bytes())
    steps = range(max(placed.last for placed in arena.tensors) + 1)
    peak = 0
    for step in steps:
        alive = [p for p in arena.tensors if p.first <= step <= p.last]
        taken = [byte for p in alive for byte in range(p.offset, p.offset + p.bytes)]
        assert len(taken) == len(set(taken))
        peak = max(peak, len(taken))
    assert peak <= arena.head <= sum(placed.bytes for placed in arena.tensors)
    assert all(placed.offset % 16 == 0 for placed in arena.tensors)


def test_the_head_that_micro_itself_reports() -> None:
    # Two published int8 models, 28×28 → conv 28×28×32 → pool 14×14×32 → conv 14×14×64 → pool …,
    # made TensorFlow Lite Micro report a head of 31,360 bytes.
    sizes = (28 * 28, 28 * 28 * 32, 14 * 14 * 32, 14 * 14 * 64, 7 * 7 * 64, 128, 10, 10)
    assert planned(chain(*sizes)).head == 31_360


def test_the_tail_by_hand() -> None:
    # On 64 bits: allocators 104 + 72 + 272 + 16 + 24, 3 tensors of 24, 2 nodes of 64, the kernel
    # ABS keeps 28 bytes from a multiple of 16 on; then for input and output each a pointer from a
    # multiple of 16 on and a tensor of 64.
    arena = planned(chain(64, 96, 48))
    used = 104 + 72 + 272 + 16 + 24 + 3 * 24 + 2 * 64
    for size, alignment in [(28, 16), (28, 16), *[(8, 16), (64, 8)] * 2]:
        used = -(-(used + size) // alignment) * alignment
    assert arena.tail == used == sum(arena.parts.values())
    assert arena.bytes == arena.head + arena.tail
    assert arena.guessed == ()


def test_a_32_bit_processor_needs_less() -> None:
    arena = planned(reader_file().read_bytes())
    assert arena.head < arena.target < arena.bytes


def test_an_operation_whose_kernel_is_not_known_is_named_and_has_room() -> None:
    def one(name: str) -> Arena:
        graph = Graph()
        a, b = graph.tensor([1, 64], "INT8"), graph.tensor([1, 64], "INT8")
        graph.op(name, [a], [b])
        graph.ends([a], [b])
        return planned(graph.bytes())

    known, guessed = one("EXP"), one("CUMSUM")
    assert guessed.guessed == ("CUMSUM",)
    assert guessed.bytes == known.bytes + 512


def test_a_tensor_that_nothing_uses_is_planned_all_the_same() -> None:
    graph = Graph()
    a, b = graph.tensor([1, 16], "INT8"), graph.tensor([1, 16], "INT8")
    graph.tensor([1, 160], "INT8")
    graph.op("ABS", [a], [b])
    graph.ends([a], [b])
    assert planned(graph.bytes()).head == 160


def test_several_graphs_and_unknown_sizes_are_refused() -> None:
    with pytest.raises(ModelFileError, match=re.escape("hand: holds 3 graphs")):
        planned(endless_file())
    graph = Graph()
    a, b = graph.tensor([1, -1], "INT8"), graph.tensor([1, 4], "INT8")
    graph.op("ABS", [a], [b])
    graph.ends([a], [b])
    with pytest.raises(ModelFileError, match=re.escape("tensor 0 (int8 [1, -1])")):
        planned(graph.bytes())
