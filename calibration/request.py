"""What may be asked of a lower precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

METHODS = ("max", "entropy", "percentile", "mse")
"""How an INT8 range follows from a histogram, by the names that the literature uses."""
MIN_SQNR_DB = 36.0
"""On calibration frames; one more than the 35 dB that held-out images are to keep."""
Keep = tuple[str, ...] | int | Literal["auto"]
"""Layers that stay in FP32: names, the most sensitive ones by number, or as many as it takes."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for.

    Attributes:
        precision: fp16, int8 or int8+fp16.
        methods: of `METHODS`, compared where there are several; INT8 only.
        keep: layers that stay in FP32 on request; names alone for FP16.
        min_sqnr_db: aimed at on calibration frames; INT8 only.
        rank_layers: measure each INT8 layer alone.
    """

    precision: str
    methods: tuple[str, ...]
    keep: Keep
    min_sqnr_db: float
    rank_layers: bool
