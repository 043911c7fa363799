"""What may differ between two pictures of the same lesion, done to a whole batch at once.

Only what physics and the scanner's knobs allow: probe position (small affine), patient's side (mirror),
overall and depth gain, dynamic range (gamma), another draw of the speckle. Never upside down: depth has a
direction, and posterior shadow or enhancement is a sign.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

ROTATION = math.radians(12)
SCALE = 0.15
SHEAR = 0.08
SHIFT = 0.08  # of the picture's side
GAIN = 0.08  # of full scale; a 60 dB display moves by 5 dB
DEPTH_GAIN = 0.08  # of full scale, over the picture's depth
GAMMA = 0.25  # spread of the exponent's logarithm
SPECKLE = 0.06  # of full scale: log compression makes multiplicative speckle additive


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """A new variant of each image.

    Args:
        images: float (N, 1, H, W), grey levels 0 to 255; not changed.
        generator: of the random numbers, on the CPU.

    Returns:
        float (N, 1, H, W), 0 to 255. What was black (0) around the field stays black.
    """
    x = _move(images / 255.0, generator)
    inside = x > 0
    n = len(x)
    depth = torch.linspace(-0.5, 0.5, x.shape[2])[None, None, :, None]
    gain = GAIN * _uniform(n, generator) + DEPTH_GAIN * _uniform(n, generator) * depth
    gamma = torch.exp(GAMMA * _uniform(n, generator))
    x = x.clamp(min=1e-6) ** gamma + gain.to(x.device) + _speckle(x, generator)
    return torch.where(inside, x.clamp(0.0, 1.0), 0.0) * 255.0


def _uniform(n: int, generator: torch.Generator) -> Tensor:
    """(n, 1, 1, 1), -1 to 1."""
    return torch.rand(n, 1, 1, 1, generator=generator) * 2 - 1


def _move(x: Tensor, generator: torch.Generator) -> Tensor:
    n = len(x)
    turn, grow, shear, right, down = (_uniform(n, generator).flatten() for _ in range(5))
    mirror = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(turn * ROTATION), torch.sin(turn * ROTATION)
    scale = torch.exp(grow * SCALE)
    theta = torch.stack(
        [
            torch.stack([cos * scale * mirror, (shear * SHEAR - sin) * scale, right * 2 * SHIFT], 1),
            torch.stack([sin * scale * mirror, cos * scale, down * 2 * SHIFT], 1),
        ],
        1,
    )
    grid = F.affine_grid(theta.to(x.device), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _speckle(x: Tensor, generator: torch.Generator) -> Tensor:
    """Noise of the width of a resolution cell, weaker where the picture is dark."""
    noise = torch.randn(x.shape, generator=generator).to(x.device)
    noise = F.avg_pool2d(noise, 3, 1, 1) * 3  # averaging nine values divides the deviation by three
    strength = SPECKLE * torch.rand(len(x), 1, 1, 1, generator=generator).to(x.device)
    return strength * noise * (0.3 + 0.7 * x)
