"""How far a picture lies from the training images, computed in the graph: the output `ood`.

The pooled features of the last stage are compared with their distribution over the training images by
Mahalanobis' distance (Lee et al. 2018), with Ledoit and Wolf's (2004) shrunk covariance, since a few hundred
images do not determine some two hundred features.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from torch import Tensor, nn

from edge.errors import DataError
from export.checkpoint import load_checkpoint, save_checkpoint
from export.network import ResNet

FALSE_ALARM = 0.05
"""Largest share of validation images that the threshold withholds."""

FILE = "familiarity.safetensors"


class Distance(nn.Module):
    """Root mean square of the whitened features: 1 is typical of a training image."""

    centre: Tensor
    whitening: Tensor

    def __init__(self, features: int):
        super().__init__()
        self.register_buffer("centre", torch.zeros(features))
        self.register_buffer("whitening", torch.eye(features))

    def forward(self, features: Tensor) -> Tensor:
        """Float (N, K) to distances (N,). In full precision."""
        z = torch.matmul(features - self.centre, self.whitening)
        return torch.sqrt((z * z).mean(1))


@dataclass(frozen=True, slots=True)
class Familiarity:
    """A fitted distance, and the value above which a picture counts as unlike the training images."""

    distance: Distance
    threshold: float


def fit_familiarity(network: ResNet, train: NDArray[np.uint8], held_out: NDArray[np.uint8]) -> Familiarity:
    """Fit the distribution on what the network has learnt from, the threshold on what it has not.

    Args:
        network: trained, on the CPU.
        train: tensors uint8 (N, 1, H, W), as they are: their augmented variants would make nearly everything
            familiar.
        held_out: tensors uint8 (M, 1, H, W) of the validation part.
    """
    features = embed(network, train)
    spread = features.std(0) + 1e-3 * features.std()  # a feature that never fires has no spread
    shrunk = LedoitWolf().fit((features - features.mean(0)) / spread)
    distance = Distance(features.shape[1])
    distance.centre.copy_(torch.from_numpy(features.mean(0)))
    whitening = np.linalg.cholesky(shrunk.precision_) / spread[:, None]
    typical = np.sqrt(np.mean(((features - features.mean(0)) @ whitening) ** 2))
    distance.whitening.copy_(torch.from_numpy(whitening / typical))
    with torch.no_grad():
        found = distance(torch.from_numpy(embed(network, held_out)).float()).numpy()
    rank = math.ceil(len(found) * (1 - FALSE_ALARM))
    return Familiarity(distance, float(np.sort(found)[rank - 1]))


@torch.no_grad()
def embed(network: ResNet, images: NDArray[np.uint8], batch: int = 64) -> NDArray[np.float64]:
    """Pooled features of tensors uint8 (N, 1, H, W): float64 (N, K)."""
    network.eval()
    parts = [
        network.embed(torch.from_numpy(images[i : i + batch]).float()) for i in range(0, len(images), batch)
    ]
    return torch.cat(parts).double().numpy()


def write_familiarity(folder: Path, familiarity: Familiarity) -> None:
    """Into the folder of a run."""
    save_checkpoint(folder / FILE, familiarity.distance.state_dict(), {"threshold": familiarity.threshold})


def read_familiarity(folder: Path) -> Familiarity:
    """What `write_familiarity` wrote.

    Raises:
        DataError: there is none, or it is damaged.
    """
    tensors, about = load_checkpoint(folder / FILE)
    threshold = about.get("threshold")
    if set(tensors) != {"centre", "whitening"} or not isinstance(threshold, float):
        raise DataError(f"'{folder / FILE}' holds {json.dumps(sorted(tensors))}; train again")
    distance = Distance(len(tensors["centre"]))
    distance.load_state_dict(tensors)
    return Familiarity(distance.eval(), threshold)
