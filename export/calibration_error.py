"""What the expected calibration error would be if the risks were exactly right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.statistics import expected_calibration_error

ROUNDS = 1000


@dataclass(frozen=True, slots=True)
class PerfectError:
    """Of a perfectly calibrated model on so many images: the mean, and what one in twenty exceeds."""

    mean: float
    high: float


def perfect_calibration_error(risks: NDArray[np.float64], seed: int = 0) -> PerfectError:
    """ECE of risks (N,) that hold: pathologies are drawn from them (consistency; Bröcker and Smith 2007).

    ECE is a mean of magnitudes, so it never is 0 by chance: fifty images give about 0.1 to a perfect model.
    """
    rng = np.random.default_rng(seed)
    drawn = [expected_calibration_error(rng.random(len(risks)) < risks, risks) for _ in range(ROUNDS)]
    return PerfectError(float(np.mean(drawn)), float(np.quantile(drawn, 0.95)))
