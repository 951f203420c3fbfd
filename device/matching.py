"""Which box of one frame is which box of the next, also when the whole scene has moved."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

REACH = 1.5  # times a digit's longer side: the farthest the whole scene moves in one frame
OWN_REACH = 0.75  # the same for one digit among others that move differently
SPREAD = 0.35  # times a digit's longer side: how far two boxes that move together may differ
PROPOSERS = 12  # so many digits propose movements; all of them are heard

Boxes = NDArray[np.float64]  # [n, 4]: left, top, width, height


def _common(first: Boxes, second: Boxes) -> NDArray[np.float64]:
    """Area that each of ``[n, 4]`` shares with each of ``[m, 4]``: ``[n, m]``."""
    a, b = first[:, None, :], second[None, :, :]
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    return np.asarray(np.prod(np.clip(high - low, 0, None), axis=-1))


def overlaps(first: Boxes, second: Boxes) -> NDArray[np.float64]:
    """Intersection over union of each of ``[n, 4]`` with each of ``[m, 4]``: ``[n, m]``."""
    common = _common(first, second)
    areas = first[:, 2:].prod(axis=1)[:, None] + second[:, 2:].prod(axis=1)[None]
    return np.asarray(common / np.maximum(areas - common, 1e-9))


def covered(first: Boxes, second: Boxes) -> NDArray[np.bool_]:
    """Whether more than half of each of ``[n, 4]`` lies in one of ``[m, 4]``: ``[n]``."""
    areas = first[:, 2:].prod(axis=1)[:, None]
    return np.asarray((_common(first, second) > 0.5 * areas).any(axis=1))


def _steps(before: Boxes, now: Boxes) -> NDArray[np.float64]:
    """From each centre before to each centre now, ``[n, m, 2]``."""
    centres_before = before[:, :2] + before[:, 2:] / 2
    centres_now = now[:, :2] + now[:, 2:] / 2
    return np.asarray(centres_now[None] - centres_before[:, None])


def _sizes(before: Boxes, now: Boxes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean of the longer sides, and the shorter of them over the longer; both ``[n, m]``."""
    a = before[:, 2:].max(axis=1)[:, None]
    b = now[:, 2:].max(axis=1)[None]
    return np.maximum((a + b) / 2, 1.0), np.minimum(a, b) / np.maximum(np.maximum(a, b), 1.0)


def scene_shift(before: Boxes, now: Boxes, agreement: NDArray[np.float64]) -> tuple[float, float]:
    """How far the scene as a whole has moved, ``(x, y)`` in pixels.

    A digit that moved by its own width may lie on its neighbour's old place, so that boxes cannot
    be compared one by one: each pair proposes a movement, and the one with most support wins.

    Args:
        before: ``[n, 4]``.
        now: ``[m, 4]``.
        agreement: ``[n, m]``, 0 to 1: how alike the answers of a pair are.
    """
    if not (len(before) and len(now)):
        return 0.0, 0.0
    steps = _steps(before, now)
    size, alike = _sizes(before, now)
    near = (np.hypot(steps[..., 0], steps[..., 1]) <= REACH * size) & (alike >= 0.6)
    if not near.any():
        return 0.0, 0.0
    moves, sizes = steps[near], size[near]
    weights = (alike * (0.5 + agreement))[near]
    some = slice(None, None, 1 + (len(before) - 1) // PROPOSERS)
    tried = np.concatenate([np.zeros((1, 2)), steps[some][near[some]]])
    apart = np.hypot(*np.moveaxis(tried[:, None] - moves[None], -1, 0)) / (SPREAD * sizes)
    support = (weights * np.clip(1 - apart, 0, None)).sum(axis=1)
    support *= 1 - 0.3 * np.hypot(tried[:, 0], tried[:, 1]) / np.median(sizes)
    best = int(support.argmax())
    followers = moves[apart[best] < 1]
    if len(followers) == 0:
        return 0.0, 0.0
    x, y = np.median(followers, axis=0)
    return float(x), float(y)


def match(before: Boxes, now: Boxes, agreement: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Pairs ``(index before, index now)``, one to one: overlapping boxes first, then near ones.

    Args:
        before: ``[n, 4]``, already moved by :func:`scene_shift`.
        now: ``[m, 4]``.
        agreement: ``[n, m]``, 0 to 1; decides between places that are about as good.
    """
    if not (len(before) and len(now)):
        return []
    steps = _steps(before, now)
    size, alike = _sizes(before, now)
    distance = np.hypot(steps[..., 0], steps[..., 1]) / size
    overlap = overlaps(before, now)
    value = np.where(overlap > 0.1, 1 + overlap, 1 - distance) + 0.25 * agreement
    allowed = ((overlap > 0.1) | (distance < OWN_REACH)) & (alike >= 0.4)
    pairs: list[tuple[int, int]] = []
    free_before, free_now = set(range(len(before))), set(range(len(now)))
    rows, columns = np.nonzero(allowed)
    for index in np.argsort(-value[rows, columns], kind="stable"):
        one, other = int(rows[index]), int(columns[index])
        if one in free_before and other in free_now:
            pairs.append((one, other))
            free_before.discard(one)
            free_now.discard(other)
    return pairs
