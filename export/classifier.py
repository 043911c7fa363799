"""The whole classifier: the network, and for "fused" a kernel machine over measures beside it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from torch import Tensor, nn

from export.kernel import KernelMachine, fit_kernel
from export.measures import Measures
from export.network import NETWORKS, ResNet

PULL = 0.02  # nats that a one-sided mixture must win over an equal one; the validation part is small


class Classifier(nn.Module):
    """One logit and one map of local logits from a picture; the mean of the map is the logit.

    The kernel machine sees the picture as a whole, so its opinion lifts or lowers the map evenly.
    """

    shares: Tensor
    offset: Tensor

    def __init__(self, name: str, vectors: int = 0):
        """A fresh classifier of `NETWORKS`; `vectors` is the size of its kernel machine, if it has one."""
        super().__init__()
        self.network = ResNet(NETWORKS[name])
        self.measures = Measures() if NETWORKS[name].measures else None
        self.kernel = KernelMachine(Measures.NUMBER, vectors) if vectors else None
        self.register_buffer("shares", torch.tensor([1.0, 0.0]))
        self.register_buffer("offset", torch.tensor(0.0))

    @property
    def size(self) -> int:
        """Number of learnt numbers: the network's parameters and the kernel machine's vectors and weights."""
        return sum(value.numel() for name, value in self.state_dict().items() if "num_batches" not in name)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N,) and local logits (N, h, w) of float (N, 1, H, W), grey levels 0 to 255."""
        logit, local = self.network(image)
        if self.measures is None or self.kernel is None:
            return logit + self.offset, local + self.offset
        opinion = self.shares[1] * self.kernel(self.measures(image)) + self.offset
        return self.shares[0] * logit + opinion, self.shares[0] * local + opinion[:, None, None]


def fuse(
    classifier: Classifier,
    train: NDArray[np.uint8],
    train_malignant: NDArray[np.bool_],
    validation: NDArray[np.uint8],
    validation_malignant: NDArray[np.bool_],
    logits: ArrayLike,
) -> None:
    """Fit the kernel machine on the training part, and its share beside the network's on the validation part.

    Args:
        classifier: with a trained network; completed in place. One without measures is left alone.
        train: tensors uint8 (N, 1, H, W).
        train_malignant: bool (N,).
        validation: tensors uint8 (M, 1, H, W).
        validation_malignant: bool (M,).
        logits: of the network for `validation`, (M,).
    """
    if classifier.measures is None:
        return
    classifier.kernel = fit_kernel(measure(classifier.measures, train), train_malignant)
    with torch.no_grad():
        opinions = classifier.kernel(torch.from_numpy(measure(classifier.measures, validation))).numpy()
    scores = np.stack([np.asarray(logits, np.float64), opinions.astype(np.float64)])
    deviations = scores.std(1) + 1e-6
    classifier.shares.copy_(
        torch.from_numpy(_weigh(validation_malignant, scores / deviations[:, None]) / deviations)
    )


def measure(measures: Measures, images: NDArray[np.uint8], batch: int = 64) -> NDArray[np.float32]:
    """Measures of uint8 (N, 1, H, W), float32 (N, K)."""
    with torch.no_grad():
        parts = [
            measures(torch.from_numpy(images[i : i + batch]).float()) for i in range(0, len(images), batch)
        ]
    return np.asarray(torch.cat(parts).numpy(), np.float32)


def _weigh(malignant: NDArray[np.bool_], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares of two standardised scores, both at least 0, by penalised logistic regression."""
    sign = np.where(malignant, 1.0, -1.0)

    def loss(parameters: NDArray[np.float64]) -> float:
        weights, bias = parameters[:2], parameters[2]
        fit = float(np.mean(np.logaddexp(0.0, -sign * (weights @ scores + bias))))
        return fit + PULL * float(((weights[0] - weights[1]) / (weights.sum() + 1e-3)) ** 2)

    best = minimize(loss, np.array([1.0, 1.0, 0.0]), bounds=[(0.0, 10.0), (0.0, 10.0), (-20.0, 20.0)])
    return np.asarray(best.x[:2], np.float64)
