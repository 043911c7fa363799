"""The gate between torch and ONNX Runtime: the exported graph must say what the trained network says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from edge.engines.golden import Outputs
from edge.errors import InternalError
from export.deployed import Deployed

TOLERANCE = 1e-4  # of a probability; both compute in float32, so only the order of sums differs


@dataclass(frozen=True, slots=True)
class Parity:
    """Largest differences between torch and ONNX Runtime over `frames` tensors; of `ood` it is relative."""

    frames: int
    risk: float
    heatmap: float
    ood: float


def torch_outputs(model: Deployed, tensors: NDArray[np.uint8]) -> Outputs:
    """Outputs of the network in torch for uint8 (N, 1, H, W), one by one as the cart runs them."""
    with torch.no_grad():
        results = [model(torch.from_numpy(tensors[i : i + 1])) for i in range(len(tensors))]
    return Outputs(
        np.array([float(risk[0]) for risk, _, _ in results], np.float32),
        np.stack([heatmap[0].numpy() for _, heatmap, _ in results]),
        np.array([float(ood[0]) for _, _, ood in results], np.float32),
    )


def check_parity(expected: Outputs, found: Outputs) -> Parity:
    """Compare.

    Raises:
        InternalError: a risk or a point of a heat map differs by more than `TOLERANCE`, or is no number.
    """
    parity = Parity(
        len(expected.risk),
        float(np.abs(expected.risk - found.risk).max()),
        float(np.abs(expected.heatmap - found.heatmap).max()),
        float((np.abs(expected.ood - found.ood) / expected.ood).max()),
    )
    # Whitening magnifies what differs, hence ten times as much; NaN fails too.
    if not (parity.risk <= TOLERANCE and parity.heatmap <= TOLERANCE and parity.ood <= 10 * TOLERANCE):
        raise InternalError(
            f"torch and ONNX Runtime differ by {parity.risk:.2g} in risk, {parity.heatmap:.2g} in the "
            f"heat map and {parity.ood:.2g} of ood over {parity.frames} frames (allowed: {TOLERANCE:g}, "
            f"{TOLERANCE:g}, {10 * TOLERANCE:g}); nothing was exported. Try "
            "another version of torch or onnxruntime (constraints.txt has the tested ones)"
        )
    return parity
