"""Feature images: fixed channels computed in the graph, so that they run wherever the network runs.

The paper behind the project claims that manually extracted feature images help the network; `sonocart ablate`
tests that claim on a given study.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NAMES = (
    "grey",
    "gradient",
    "edges fine",
    "edges coarse",
    "local mean",
    "local deviation",
    "speckle",
    "depth",
)

_FINE, _COARSE = 1.5, 4.0  # pixels of the tensor: width of the Laplacians of Gaussian
_WINDOW = 9  # pixels: about three resolution cells
_AREA = 25  # pixels: tissue around a point


class FeatureImages(nn.Module):
    """Eight channels of a grey image.

    The image itself, gradient, Laplacian of Gaussian at two scales (Marr and Hildreth 1980), local mean and
    deviation, speckle contrast (local deviation over mean), and depth.
    """

    smooth: Tensor
    fine: Tensor
    coarse: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("smooth", gaussian(1.0), persistent=False)
        self.register_buffer("fine", laplacian_of_gaussian(_FINE), persistent=False)
        self.register_buffer("coarse", laplacian_of_gaussian(_COARSE), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Float (N, 1, H, W), grey levels 0 to 255, to (N, 8, H, W), each channel of about unit size."""
        x = image / 255.0
        calm = blur(blur(x, self.smooth), self.smooth.transpose(2, 3))
        across = calm[:, :, 1:-1, 2:] - calm[:, :, 1:-1, :-2]
        down = calm[:, :, 2:, 1:-1] - calm[:, :, :-2, 1:-1]
        gradient = F.pad(torch.sqrt(across * across + down * down + 1e-6), (1, 1, 1, 1))
        mean = box(x, _WINDOW)
        deviation = torch.sqrt(torch.clamp(box(x * x, _WINDOW) - mean * mean, min=0) + 1e-5)
        depth = torch.linspace(-1, 1, image.shape[2], device=image.device, dtype=image.dtype)
        channels = (
            (x - 0.3) * 4,
            gradient * 8,
            blur(x, self.fine) * 10,
            blur(x, self.coarse) * 10,
            (box(x, _AREA) - 0.3) * 5,
            (deviation - 0.08) * 15,
            deviation / (mean + 0.1) - 0.3,
            depth[None, None, :, None].expand(image.shape),
        )
        return torch.cat(channels, 1)


def gaussian(sigma: float) -> Tensor:
    """A row (1, 1, 1, K) that sums to one."""
    half = math.ceil(3 * sigma)
    x = torch.arange(-half, half + 1, dtype=torch.float32)
    row = torch.exp(-0.5 * (x / sigma) ** 2)
    return (row / row.sum())[None, None, None]


def laplacian_of_gaussian(sigma: float) -> Tensor:
    """A kernel (1, 1, K, K) of sum zero, normalised for scale (Lindeberg 1998); positive on dark blobs."""
    half = math.ceil(3 * sigma)
    y, x = torch.meshgrid(*[torch.arange(-half, half + 1, dtype=torch.float32)] * 2, indexing="ij")
    square = (x * x + y * y) / (sigma * sigma)
    kernel = (square - 2) * torch.exp(-square / 2) / (2 * math.pi * sigma**2)
    return (kernel - kernel.mean())[None, None]


def blur(x: Tensor, kernel: Tensor) -> Tensor:
    """Correlation with an odd kernel; the border is repeated, so that it makes no edge."""
    height, width = kernel.shape[2] // 2, kernel.shape[3] // 2
    return F.conv2d(F.pad(x, (width, width, height, height), mode="replicate"), kernel)


def box(x: Tensor, side: int) -> Tensor:
    """Mean over a square window."""
    half = side // 2
    return F.avg_pool2d(F.pad(x, (half, half, half, half), mode="replicate"), side, 1)
