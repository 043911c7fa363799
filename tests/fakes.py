"""Stand-ins at the engine line, and a specification to go with them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edge.contract.spec import (
    PREPROCESSING_ID,
    SCHEMA,
    ModelSpec,
    OperatingPoint,
    Preprocessing,
    Provenance,
    TensorSpec,
)
from edge.engines.base import Inference, checked


def spec(width: int = 32, height: int = 24) -> ModelSpec:
    """A small valid specification."""
    return ModelSpec(
        schema=SCHEMA,
        name="fake",
        labels=("benign", "malignant"),
        input=TensorSpec(name="frame", dtype="uint8", shape=(1, 1, height, width), meaning="luma"),
        outputs=(
            TensorSpec(name="risk", dtype="float32", shape=(1,), meaning="probability"),
            TensorSpec(name="heatmap", dtype="float32", shape=(1, 4, 4), meaning="class activation"),
            TensorSpec(name="ood", dtype="float32", shape=(1,), meaning="distance"),
        ),
        preprocessing=Preprocessing(
            id=PREPROCESSING_ID, width=width, height=height, region="field", context=1.0
        ),
        temperature=1.0,
        operating_points=(OperatingPoint(name="balanced", threshold=0.5),),
        operating_point="balanced",
        ood_threshold=2.0,
        sensitivity_margin=0.05,
        intended_use="tests",
        limits="tests",
        provenance=Provenance(
            created="2026-01-01T00:00:00Z",
            sonocart="0",
            torch="0",
            network="fake",
            parameters=0,
            seed=0,
            study_sha256="0" * 64,
            images={"train": 0, "validation": 0, "test": 0},
            groups={"train": 0, "validation": 0, "test": 0},
        ),
    )


class FakeEngine:
    """An engine whose risk is a function of the tensor; by default its mean grey level over 255."""

    name = "fake"
    precision = "fp32"

    def __init__(self, risk: Callable[[np.ndarray], float] = lambda tensor: float(tensor.mean()) / 255):
        self._risk = risk
        self.calls = 0
        self.closed = False

    def infer(self, tensor: np.ndarray) -> Inference:
        self.calls += 1
        level = float(tensor.mean()) / 255
        return checked(self._risk(tensor), np.full((4, 4), level, np.float32), 1.0)

    def close(self) -> None:
        self.closed = True
