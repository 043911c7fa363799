"""A support vector machine over the measures, as plain arithmetic in the graph."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import Tensor, nn

COSTS = (1.0, 3.0, 10.0)
REACHES = (0.3, 0.6, 1.0)  # of the kernel's exponent, divided by the number of measures
"""What is chosen from, on held-out predictions within the training part."""


class KernelMachine(nn.Module):
    """Decision of an RBF machine: sum of weight * exp(-gamma * distance^2) over its support vectors."""

    gamma: Tensor
    centre: Tensor
    spread: Tensor
    vectors: Tensor
    weights: Tensor
    bias: Tensor

    def __init__(self, measures: int, vectors: int):
        super().__init__()
        self.register_buffer("gamma", torch.zeros(()))
        self.register_buffer("centre", torch.zeros(measures))
        self.register_buffer("spread", torch.ones(measures))
        self.register_buffer("vectors", torch.zeros(vectors, measures))
        self.register_buffer("weights", torch.zeros(vectors))
        self.register_buffer("bias", torch.zeros(()))

    def forward(self, measures: Tensor) -> Tensor:
        """Float (N, K) to decisions (N,); above 0 speaks for malignant."""
        z = (measures - self.centre) / self.spread
        distance = ((z[:, None, :] - self.vectors[None]) ** 2).sum(2)
        return (torch.exp(-self.gamma * distance) * self.weights).sum(1) + self.bias


def fit_kernel(
    measures: NDArray[np.float32], malignant: NDArray[np.bool_], cost: float, reach: float
) -> KernelMachine:
    """Fit to measures (N, K); both classes count the same."""
    scaler = StandardScaler().fit(measures.astype(np.float64))
    svc = SVC(C=cost, gamma=reach / measures.shape[1], class_weight="balanced")
    svc.fit(scaler.transform(measures.astype(np.float64)), malignant)
    machine = KernelMachine(measures.shape[1], len(svc.support_vectors_))
    for name, values in (
        ("gamma", svc.gamma),
        ("centre", scaler.mean_),
        ("spread", scaler.scale_),
        ("vectors", svc.support_vectors_),
        ("weights", svc.dual_coef_[0]),
        ("bias", svc.intercept_[0]),
    ):
        machine.get_buffer(name).copy_(torch.as_tensor(np.asarray(values, np.float32)))
    return machine
