"""Worn copies of digits: still placed by MNIST's rule, still the same digits, coarser."""

from __future__ import annotations

import numpy as np

from edgedigits.data.registry import load_data
from edgedigits.preprocess import place
from edgedigits.wear import worn


def test_worn_digits_are_the_same_ones_and_coarser() -> None:
    digits = load_data("digits").train.images[:300]
    copies = worn(np.random.default_rng(5), digits)
    assert copies.shape == digits.shape
    assert copies.dtype == np.uint8
    assert not np.array_equal(copies, digits)
    for copy in copies[:40]:  # placed already: placing again moves nothing by more than a pixel
        again = place(copy)
        assert np.abs(np.argwhere(again > 60).mean(0) - np.argwhere(copy > 60).mean(0)).max() < 1.1
    # Each copy is nearer to its own digit than to most others.
    flat = digits.reshape(300, -1).astype(float)
    flat = (flat - flat.mean(1, keepdims=True)) / flat.std(1, keepdims=True)
    own = copies.reshape(300, -1).astype(float)
    own = (own - own.mean(1, keepdims=True)) / own.std(1, keepdims=True)
    alike = own @ flat.T / flat.shape[1]
    assert np.mean(alike.diagonal() >= np.quantile(alike, 0.9, axis=1)) > 0.95


def test_the_state_of_chance_decides_and_nothing_stays_nothing() -> None:
    digits = load_data("digits").train.images[:20]
    first, again = (worn(np.random.default_rng(1), digits) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not worn(np.random.default_rng(1), np.zeros((2, 28, 28), np.uint8)).any()
    assert worn(np.random.default_rng(1), digits[:0]).shape == (0, 28, 28)
