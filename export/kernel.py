"""Support vector machines over the measures, as plain arithmetic in the graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import Tensor, nn

COSTS = (1.0, 3.0, 10.0)
REACHES = (0.3, 0.6, 1.0)  # of the kernel's exponent, divided by the number of measures
"""What machines are tried, each cost with each reach, on held-out predictions within the training part."""
AVERAGED = 4
"""How many of the nine speak together, the best ones: which single one is best is mostly chance in a few
hundred images, and taking it costs AUC (docs/measurements/crossval-busi.md)."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A machine's cost and reach, and what one decision of it is divided by when several are averaged."""

    cost: float
    reach: float
    unit: float = 1.0


class KernelMachine(nn.Module):
    """Mean decision of RBF machines: weight * exp(-gamma * distance^2) summed over common support vectors."""

    gammas: Tensor
    centre: Tensor
    spread: Tensor
    vectors: Tensor
    weights: Tensor
    bias: Tensor

    def __init__(self, measures: int, vectors: int, reaches: int):
        super().__init__()
        self.register_buffer("gammas", torch.zeros(reaches))
        self.register_buffer("centre", torch.zeros(measures))
        self.register_buffer("spread", torch.ones(measures))
        self.register_buffer("vectors", torch.zeros(vectors, measures))
        self.register_buffer("weights", torch.zeros(reaches, vectors))
        self.register_buffer("bias", torch.zeros(()))

    def forward(self, measures: Tensor) -> Tensor:
        """Float (N, K) to decisions (N,); above 0 speaks for malignant."""
        z = (measures - self.centre) / self.spread
        distance = ((z[:, None, :] - self.vectors[None]) ** 2).sum(2)
        near = torch.exp(-self.gammas[:, None] * distance[:, None, :])
        return (near * self.weights).sum((1, 2)) + self.bias


def fit_kernel(
    measures: NDArray[np.float32], malignant: NDArray[np.bool_], machines: Sequence[Tried]
) -> KernelMachine:
    """Fit the mean of `machines` to measures (N, K); both classes count the same."""
    scaler = StandardScaler().fit(measures.astype(np.float64))
    z = scaler.transform(measures.astype(np.float64))
    reaches = sorted({machine.reach for machine in machines})
    weights, bias = np.zeros((len(reaches), len(z))), 0.0
    for machine in machines:
        svc = SVC(C=machine.cost, gamma=machine.reach / z.shape[1], class_weight="balanced").fit(z, malignant)
        share = 1 / (len(machines) * machine.unit)
        weights[reaches.index(machine.reach), svc.support_] += share * svc.dual_coef_[0]
        bias += share * svc.intercept_[0]
    used = weights.any(0)
    fitted = KernelMachine(z.shape[1], int(used.sum()), len(reaches))
    for name, values in (
        ("gammas", np.array(reaches) / z.shape[1]),
        ("centre", scaler.mean_),
        ("spread", scaler.scale_),
        ("vectors", z[used]),
        ("weights", weights[:, used]),
        ("bias", bias),
    ):
        fitted.get_buffer(name).copy_(torch.as_tensor(np.asarray(values, np.float32)))
    return fitted
