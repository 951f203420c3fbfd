"""Make ``edgedigits/data/digits.npz`` from scikit-learn's copy of the UCI digits.

Example: python benchmarks/make_digits.py edgedigits/data/digits.npz
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from edgedigits.data.split import stratified_sample

TEST_PICTURES = 360  # a fifth of 1,797, to the next ten
SEED = 0


def main(target: Path) -> None:
    """Write pictures, labels and the positions of the test part."""
    digits = load_digits()
    np.savez_compressed(
        target,
        images=digits.images.astype(np.uint8),
        labels=digits.target.astype(np.uint8),
        test_indices=stratified_sample(digits.target, TEST_PICTURES, SEED).astype(np.int16),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
