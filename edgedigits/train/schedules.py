"""How the learning rate falls while training."""

from __future__ import annotations

import math
from typing import Any, Literal

from edgedigits.tf_loader import import_tf_keras

Schedule = Literal["constant", "cosine", "restarts"]
SCHEDULES: tuple[Schedule, ...] = ("constant", "cosine", "restarts")
CYCLES = 3  # of a rate with restarts


def falling(learning_rate: float, schedule: Schedule, steps: int) -> Any:
    """What a Keras optimiser takes as its learning rate.

    Args:
        learning_rate: at the start.
        schedule: ``"constant"``; ``"cosine"``: falling to 0; or ``"restarts"``: falling to 0 three
            times, each fall twice as long as the one before (I. Loshchilov, F. Hutter, "SGDR:
            stochastic gradient descent with warm restarts", ICLR 2017).
        steps: of the whole training.
    """
    schedules = import_tf_keras().optimizers.schedules
    if schedule == "cosine":
        return schedules.CosineDecay(learning_rate, steps)
    if schedule == "restarts":  # rounded up, or a fourth cycle would begin before the last step
        first = math.ceil(steps / (2**CYCLES - 1))
        return schedules.CosineDecayRestarts(learning_rate, first, t_mul=2.0)
    return learning_rate
