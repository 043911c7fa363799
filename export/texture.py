"""Texture as soft counts: which grey levels lie beside each other, and who is brighter than its neighbours.

Both count what analysts of texture have counted since Haralick et al. (1973) and Ojala et al. (2002), with
overlapping bins, so that a grey level more or less changes little. A mirrored picture counts the same.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LEVELS = 6  # of the co-occurrence
BRIGHTEST = 0.7  # what is brighter belongs to the last level; little of a B-mode picture is
LAGS = (1, 3, 9)  # pixels
RADII = (1, 2, 4)  # pixels
TURNS = (0, 2, 4, 6, 8)  # changes between brighter and darker on the way round

PAIRS = len(LAGS) * (LEVELS * (LEVELS + 1) // 2 + LEVELS * LEVELS)
NEIGHBOURS = len(RADII) * (9 + len(TURNS)) * 2
"""How many numbers `pairs` and `neighbours` give."""

_AROUND = ((1, 2), (2, 2), (2, 1), (2, 0), (1, 0), (0, 0), (0, 1), (0, 2))  # where (1, 1) is the pixel itself
_STEP = 0.02  # difference that is clearly one, of full scale
_FEW = 1e-5  # no count is exactly zero: the root's slope would be endless


def pairs(x: Tensor) -> Tensor:
    """Root of the share of pixels that have level i where their neighbour at a lag has level j.

    Neighbours across are counted in both directions, for the mirror; those below are not, for depth has one.

    Args:
        x: float (N, 1, H, W), 0 to 1.

    Returns:
        (N, PAIRS).
    """
    above = _above(x * ((LEVELS - 1) / BRIGHTEST), range(1, LEVELS))
    levels = F.pad(above, (0, 0, 0, 0, 1, 0), value=1.0) - F.pad(above, (0, 0, 0, 0, 0, 1))
    upper = [row * LEVELS + column for row in range(LEVELS) for column in range(row, LEVELS)]
    height, width = x.shape[2:]
    out = []
    for lag in LAGS:
        # Beyond the edge there is no level, so only one of both has to be moved.
        beside = _meet(F.pad(levels, (-lag, lag)), levels) / (height * (width - lag))
        out.append(((beside + beside.transpose(1, 2)) / 2).flatten(1)[:, upper])
        below = _meet(F.pad(levels, (0, 0, -lag, lag)), levels) / ((height - lag) * width)
        out.append(below.flatten(1))
    return torch.sqrt(torch.cat(out, 1) + _FEW)


def neighbours(smooth: list[Tensor]) -> Tensor:
    """Root of the share of pixels with so many brighter neighbours, and so many turns; upper and lower half.

    Args:
        smooth: float (N, 1, H, W), 0 to 1, for each of `RADII` without what is smaller.

    Returns:
        (N, NEIGHBOURS).
    """
    differences = [
        [[((y, x) == place) - ((y, x) == (1, 1)) for x in range(3)] for y in range(3)] for place in _AROUND
    ]
    steps = torch.tensor(differences, dtype=torch.float32, device=smooth[0].device)[:, None] / _STEP
    unity = torch.eye(len(_AROUND), device=smooth[0].device)
    turn, all_of = unity.roll(1, 0) - unity, torch.ones_like(unity[:1])
    out = []
    for radius, calm in zip(RADII, smooth, strict=True):
        padded = F.pad(calm, (radius,) * 4, mode="replicate")
        brighter = torch.sigmoid(F.conv2d(padded, steps, dilation=radius))
        flat = brighter.flatten(2)
        count, changes = torch.matmul(all_of, flat), torch.matmul(all_of, torch.matmul(turn, flat).abs())
        out.append(shares(count.view(calm.shape), 9).flatten(1))
        out.append(shares(changes.view(calm.shape) / 2, len(TURNS)).flatten(1))
    return torch.sqrt(torch.cat(out, 1) + _FEW)


def shares(x: Tensor, levels: int) -> Tensor:
    """Share of pixels near each whole number from 0, in the upper and in the lower half.

    Bins are linear and overlap by half: each is the difference of two ramps, and where nothing lies in a bin
    both are the same sum, so that its share is exactly 0.

    Args:
        x: float (N, 1, H, W), 0 to `levels - 1`.
        levels: number of bins.

    Returns:
        (N, levels, 2).
    """
    above: Tensor = _above(x, range(levels + 1)).unflatten(2, (2, x.shape[2] // 2)).mean((3, 4))
    return above[:, :-1] - above[:, 1:]


def _above(x: Tensor, levels: range) -> Tensor:
    """(N, L, H, W): 0 where (N, 1, H, W) is one or more below the level, 1 where it has reached it."""
    starts = torch.tensor([1.0 - level for level in levels], device=x.device)
    return (x + starts[:, None, None]).clamp(0, 1)


def _meet(one: Tensor, other: Tensor) -> Tensor:
    """(N, L, L): sum over pixels at which `one` has the row's level and `other` the column's."""
    return torch.matmul(one.flatten(2), other.flatten(2).transpose(1, 2))
