"""The frames that ranges are taken from: images of the model's own training and validation parts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.contract.preprocess import tensor_hash
from edge.study.cases import Case

MAX_FRAMES = 512
"""More do not move a range: the histograms of 512 frames hold 10^8 values and more per tensor."""


@dataclass(frozen=True, slots=True)
class CalibrationSet:
    """What the ranges come from.

    Attributes:
        tensors: uint8 (N, 1, height, width), from `prepare`.
        sha256: of the sorted hashes of the tensors: equal content gives an equal hash in any order.
    """

    tensors: NDArray[np.uint8]
    sha256: str


def thin(cases: Sequence[Case], limit: int) -> tuple[Case, ...]:
    """At most `limit` of the cases, evenly spaced, so that every part of a study is met."""
    if len(cases) <= limit:
        return tuple(cases)
    return tuple(cases[round(i * (len(cases) - 1) / (limit - 1))] for i in range(limit))


def calibration_set(tensors: NDArray[np.uint8]) -> CalibrationSet:
    """Bind tensors to their content hash."""
    hashes = sorted(tensor_hash(tensor[None]) for tensor in tensors)
    return CalibrationSet(tensors, hashlib.sha256("".join(hashes).encode()).hexdigest())
