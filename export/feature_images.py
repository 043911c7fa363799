"""Feature images: fixed channels computed in the graph, so that they run wherever the network runs.

The paper behind the project claims that manually extracted feature images help the network. Coarse channels
are computed on a shrunk picture, which costs a tenth and loses nothing at their scale.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NAMES = ("grey", "gradient", "edges fine", "edges coarse", "mean", "deviation", "speckle", "depth")

_WINDOW = 9  # pixels of the tensor: about three resolution cells
_SHRINK = 4


class FeatureImages(nn.Module):
    """Eight channels of a grey image.

    The image itself, gradient, difference of Gaussians at two scales (Marr and Hildreth 1980), mean of the
    surroundings, local deviation, speckle contrast (local deviation over mean), and depth.
    """

    fine: Tensor
    medium: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("fine", gaussian(1.0), persistent=False)
        self.register_buffer("medium", gaussian(2.0), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Float (N, 1, H, W), grey levels 0 to 255, to (N, 8, H, W), each channel of about unit size.

        Call it in full precision: local deviations are differences of nearly equal numbers.
        """
        x = image / 255.0
        calm = blur(x, self.fine)
        across = F.pad(calm[..., 2:] - calm[..., :-2], (1, 1, 0, 0))
        down = F.pad(calm[..., 2:, :] - calm[..., :-2, :], (0, 0, 1, 1))
        mean = box(x, _WINDOW)
        deviation = torch.sqrt(torch.clamp(box(x * x, _WINDOW) - mean * mean, min=0) + 1e-5)
        small = F.avg_pool2d(x, _SHRINK)
        around = blur(small, self.medium)
        depth = torch.linspace(-1, 1, image.shape[2], device=image.device, dtype=image.dtype)
        channels = (
            (x - 0.3) * 4,
            torch.sqrt(across * across + down * down + 1e-6) * 8,
            (calm - blur(calm, self.medium)) * 12,
            enlarge(blur(small, self.fine) - around, image) * 10,
            enlarge(around - 0.3, image) * 5,
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


def blur(x: Tensor, row: Tensor) -> Tensor:
    """Smooth (N, 1, H, W) along both axes; the border is repeated, so that it makes no edge."""
    half = row.shape[3] // 2
    x = F.conv2d(F.pad(x, (half, half, 0, 0), mode="replicate"), row)
    return F.conv2d(F.pad(x, (0, 0, half, half), mode="replicate"), row.transpose(2, 3))


def box(x: Tensor, side: int) -> Tensor:
    """Mean over a square window, one axis after the other."""
    half = side // 2
    x = F.avg_pool2d(F.pad(x, (half, half, half, half), mode="replicate"), (1, side), 1)
    return F.avg_pool2d(x, (side, 1), 1)


def enlarge(x: Tensor, like: Tensor) -> Tensor:
    """Back to the size of `like`."""
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)
