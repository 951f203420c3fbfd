"""From the page to the frame: how the camera looks at it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class View:
    """A homography, and a page that is not flat.

    Attributes:
        matrix: float64 ``[3, 3]``, page pixels to frame pixels.
        bend: pixels by which the frame's left and right edges sag.
        width, height: of the frame, in pixels.
    """

    matrix: F64
    bend: float
    width: int
    height: int

    def points(self, page: F64) -> F64:
        """Frame positions ``[n, 2]`` of page positions ``[n, 2]``."""
        lifted = page @ self.matrix[:, :2].T + self.matrix[:, 2]
        frame = lifted[:, :2] / lifted[:, 2:]
        frame[:, 1] += self.bend * (2 * frame[:, 0] / self.width - 1) ** 2
        return np.asarray(frame)

    def around(self, x: float, y: float) -> F64:
        """The homography ``[3, 3]`` that holds near page position ``(x, y)``, with the bend."""
        at = self.matrix @ np.array([x, y, 1.0])
        sag = self.bend * (2 * at[0] / at[2] / self.width - 1) ** 2
        return np.array([[1, 0, 0], [0, 1, sag], [0, 0, 1]]) @ self.matrix

    def scale(self, x: float, y: float) -> float:
        """Frame pixels a page pixel near page position ``(x, y)``."""
        corners = self.points(np.array([[x, y], [x + 1, y], [x, y + 1]]))
        across, along = corners[1] - corners[0], corners[2] - corners[0]
        return float(np.sqrt(abs(across[0] * along[1] - across[1] * along[0])))


def look(rng: np.random.Generator, width: int, height: int, tilt: float | None) -> View:
    """A camera held almost straight, or tilted.

    Args:
        rng: source of chance.
        width, height: of the frame, in pixels.
        tilt: 0 to 1, how far; None for a camera held straight.
    """
    sign, keystone, lean, bend = rng.uniform(-1, 1, 4)
    most = 0.8 if tilt is None else 2 + 6 * tilt
    angle = np.deg2rad(most * (np.sign(sign) * (0.4 + 0.6 * abs(sign))))
    reach = 0.0 if tilt is None else 0.04 + 0.12 * tilt
    cos, sin = np.cos(angle), np.sin(angle)
    centre = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1]])
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    away = np.eye(3)
    away[2, :2] = keystone * reach / width, lean * reach / height
    back = np.array([[1, 0, width / 2], [0, 1, height / 2], [0, 0, 1]])
    sag = 0.0 if tilt is None else bend * tilt * 0.015 * height
    return View(np.asarray(back @ away @ turn @ centre), float(sag), width, height)
