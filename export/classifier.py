"""The whole classifier: networks, and for some a kernel machine over measures beside them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor, nn

from export.architecture import NETWORKS
from export.examples import Division, Examples
from export.kernel import AVERAGED, COSTS, REACHES, KernelMachine, Tried, fit_kernel
from export.measures import Measures
from export.network import ResNet
from export.statistics import auc

PULL = 0.02  # nats that a one-sided mixture must win over an equal one; held-out predictions are few


class Classifier(nn.Module):
    """One logit and one map of local logits from a picture; the mean of the map is the logit.

    Several networks of the same kind are averaged. The kernel machine sees the picture as a whole, so its
    opinion lifts or lowers the map evenly.
    """

    shares: Tensor
    offset: Tensor

    def __init__(self, name: str, members: int = 1, vectors: int = 0, reaches: int = 0):
        """A fresh classifier of `NETWORKS`; `vectors` and `reaches` are its kernel machine's, if any."""
        super().__init__()
        self.networks = nn.ModuleList(ResNet(NETWORKS[name]) for _ in range(members))
        self.measures = Measures() if NETWORKS[name].measures else None
        self.kernel = KernelMachine(Measures.NUMBER, vectors, reaches) if vectors else None
        self.register_buffer("shares", torch.tensor([1.0, 0.0]))
        self.register_buffer("offset", torch.tensor(0.0))

    @property
    def network(self) -> ResNet:
        """The first network."""
        return self.member(0)

    def member(self, number: int) -> ResNet:
        """One of the networks."""
        network = self.networks[number]
        assert isinstance(network, ResNet)
        return network

    @property
    def size(self) -> int:
        """Number of learnt numbers: the networks' parameters and the kernel machine's vectors and weights."""
        return sum(value.numel() for name, value in self.state_dict().items() if "num_batches" not in name)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N,) and local logits (N, h, w) of float (N, 1, H, W), grey levels 0 to 255."""
        return self.classify(image, self.features(image))

    def features(self, image: Tensor) -> Tensor:
        """Of the first network's last stage, (N, C, h, w)."""
        return self.network.see(self.network.prepare(image))

    def classify(self, image: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """As `forward`, where the image's `features` are known."""
        logit, local = self.network.judge(features)
        for network in self.networks[1:]:
            another, elsewhere = network(image)
            logit, local = logit + another, local + elsewhere
        if len(self.networks) > 1:
            logit, local = logit / len(self.networks), local / len(self.networks)
        if self.measures is None or self.kernel is None:
            return logit + self.offset, local + self.offset
        opinion = self.shares[1] * self.kernel(self.measures(image)) + self.offset
        return self.shares[0] * logit + opinion, self.shares[0] * local + opinion[:, None, None]


@dataclass(frozen=True, slots=True)
class Opinions:
    """Held-out logits (N,), NaN where an example was never held out; and how the kernel machine was chosen.

    Attributes:
        network: of the network that did not learn the example.
        kernel: of such a kernel machine; None where the classifier has none.
        fused: both by their shares; what is calibrated.
        choice: cost and reach of its machines, the best first.
    """

    network: NDArray[np.float64]
    kernel: NDArray[np.float64] | None
    fused: NDArray[np.float64]
    choice: tuple[tuple[float, float], ...]


def fuse(
    classifier: Classifier, examples: Examples, divisions: Sequence[Division], logits: NDArray[np.float64]
) -> Opinions:
    """Fit the kernel machine and its share beside the networks', all by what was held out of learning.

    It is the mean of the `AVERAGED` machines with the largest AUC over the held-out examples. With one
    division they learn its training examples; with several, each is held out once and in the end all are
    learnt.

    Args:
        classifier: with trained networks, on the CPU; completed in place. One without measures is left alone.
        examples: training and validation part.
        divisions: for each network, what it learnt and what was held out.
        logits: held-out logits of the networks, (N,); NaN where an example was never held out.
    """
    if classifier.measures is None:
        return Opinions(logits, None, logits, ())
    measured = measure(classifier.measures, examples.images)
    held = np.flatnonzero(~np.isnan(logits))
    truth = examples.malignant
    tried: list[tuple[float, Tried, NDArray[np.float64]]] = []
    for cost, reach in itertools.product(COSTS, REACHES):
        found = np.full(len(logits), np.nan)
        for division in divisions:
            found[division.judged] = _decide(
                fit_kernel(measured[division.train], truth[division.train], [Tried(cost, reach)]),
                measured[division.judged],
            )
        unit = float(found[held].std()) + 1e-6
        tried.append((auc(truth[held], found[held]).value, Tried(cost, reach, unit), found / unit))
    best = sorted(tried, key=lambda one: -one[0])[:AVERAGED]
    machines = [machine for _, machine, _ in best]
    opinion = np.mean([found for *_, found in best], axis=0)
    learnt = divisions[0].train if len(divisions) == 1 else np.arange(len(truth))
    classifier.kernel = fit_kernel(measured[learnt], truth[learnt], machines)
    scores = np.stack([logits, opinion])
    deviations = scores[:, held].std(1) + 1e-6
    shares = _weigh(truth[held], scores[:, held] / deviations[:, None]) / deviations
    classifier.shares.copy_(torch.from_numpy(shares))
    choice = tuple((machine.cost, machine.reach) for machine in machines)
    return Opinions(logits, opinion, shares @ scores, choice)


def measure(measures: Measures, images: NDArray[np.uint8], batch: int = 64) -> NDArray[np.float32]:
    """Measures of uint8 (N, 1, H, W), float32 (N, K)."""
    with torch.no_grad():
        parts = [
            measures(torch.from_numpy(images[i : i + batch]).float()) for i in range(0, len(images), batch)
        ]
    return np.asarray(torch.cat(parts).numpy(), np.float32)


def _decide(machine: KernelMachine, measured: NDArray[np.float32]) -> NDArray[np.float64]:
    with torch.no_grad():
        return np.asarray(machine(torch.from_numpy(measured)).numpy(), np.float64)


def _weigh(malignant: NDArray[np.bool_], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares of two standardised scores, both at least 0, by penalised logistic regression."""
    sign = np.where(malignant, 1.0, -1.0)

    def loss(parameters: NDArray[np.float64]) -> float:
        weights, bias = parameters[:2], parameters[2]
        fit = float(np.mean(np.logaddexp(0.0, -sign * (weights @ scores + bias))))
        return fit + PULL * float(((weights[0] - weights[1]) / (weights.sum() + 1e-3)) ** 2)

    best = minimize(loss, np.array([1.0, 1.0, 0.0]), bounds=[(0.0, 10.0), (0.0, 10.0), (-20.0, 20.0)])
    return np.asarray(best.x[:2], np.float64)
