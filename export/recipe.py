"""How a network is trained. Needs no torch: the command line is checked with it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train. The defaults are the ones that docs/measurements reports on."""

    epochs: int = 60
    batch: int = 32
    learning_rate: float = 2e-3  # peak, for a batch of 32
    weight_decay: float = 0.02
    warmup: float = 0.1  # share of all steps
    ema: float = 0.98  # of each step's weights; a memory of 50 steps, some five epochs of 350 images
    patience: int | None = 30  # epochs without a better validation AUC; None: keep the last
    smoothing: float = 0.05  # of labels; pathology is certain, but one image of it is not
