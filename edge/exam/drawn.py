"""A box as a hand draws it around a lesion, and where it belongs once the lesion has moved."""

from __future__ import annotations

import numpy as np

from edge.contract.roi import Roi

_SIDES = 0.7, 1.6  # of the drawn box over the lesion's, from least to most
_OFF = 0.25  # of the lesion's sides that the centre may be off


def draw_roughly(truth: Roi, within: Roi, rng: np.random.Generator) -> Roi:
    """A box around `truth` as a hand draws it, cut at `within`; whole pixels."""
    wide, high = np.exp(rng.uniform(np.log(_SIDES[0]), np.log(_SIDES[1]), 2))
    right, low = rng.uniform(-_OFF, _OFF, 2)
    width, height = truth.width * wide, truth.height * high
    x, y = truth.x + truth.width * (0.5 + right), truth.y + truth.height * (0.5 + low)
    left, top = max(within.x, round(x - width / 2)), max(within.y, round(y - height / 2))
    return Roi(
        left,
        top,
        min(within.right, round(x + width / 2)) - left,
        min(within.bottom, round(y + height / 2)) - top,
    )


def carry(drawn: Roi, marked: Roi, truth: Roi) -> Roi:
    """`drawn` around the lesion when its box was `marked`, moved and scaled to where its box is `truth`."""
    across, down = truth.width / marked.width, truth.height / marked.height
    width, height = max(1, round(drawn.width * across)), max(1, round(drawn.height * down))
    return Roi(
        round(truth.x + (drawn.x - marked.x) * across),
        round(truth.y + (drawn.y - marked.y) * down),
        width,
        height,
    )


def covered(box: Roi, truth: Roi) -> float:
    """Share of `truth` that lies in `box`, 0 to 1."""
    wide = max(0, min(box.right, truth.right) - max(box.x, truth.x))
    high = max(0, min(box.bottom, truth.bottom) - max(box.y, truth.y))
    return wide * high / (truth.width * truth.height)
