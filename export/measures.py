"""Measures of a picture, computed in the graph: what a radiologist and a texture analyst would name.

Every measure is the same for a picture and its mirror image. They are many and single ones are weak; a kernel
machine (`export.kernel`) weighs them against each other.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from export.feature_images import blur, gaussian

SCALES = (1.0, 2.0, 4.0, 8.0)  # pixels of the tensor
LAGS = (1, 2, 4, 8, 16)  # pixels
LEVELS = 17  # of the histogram
DEPTHS = (0.3, 0.8, 1.3)  # how dark a blob is, in deviations below the middle's mean

_SPOT = 0.6  # spread of the middle, where the lesion is looked for; half sides of the picture
_FEW = 1e-5  # the exporter drops an added constant below 1e-7 as if it were nothing


class Measures(nn.Module):
    """Histogram, energy of four scales, similarity at five lags, layout, and the dark blob in the middle."""

    NUMBER = LEVELS + 4 * len(SCALES) + 4 * len(LAGS) + 8 * 4 + 4 * 2 + 13 * len(DEPTHS)

    def __init__(self) -> None:
        super().__init__()
        for index, scale in enumerate(SCALES):
            self.register_buffer(f"row{index}", gaussian(scale), persistent=False)
        self.register_buffer("row_lesion", gaussian(3.0), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Float (N, 1, H, W), grey levels 0 to 255, H and W multiples of 8, to (N, K). In full precision."""
        x = image / 255.0
        smooth = [blur(x, self.get_buffer(f"row{index}")) for index in range(len(SCALES))]
        calm = blur(x, self.get_buffer("row_lesion"))
        parts = [histogram(x), scales(x, smooth), similarity(x), layout(x)]
        parts += [blob(x, calm, depth) for depth in DEPTHS]
        return torch.cat(parts, 1)


def histogram(x: Tensor) -> Tensor:
    """Share of pixels near each of `LEVELS` grey levels (linear bins that overlap by half)."""
    levels = torch.linspace(0, 1, LEVELS, device=x.device).tolist()
    return torch.stack([_mean(F.relu(1 - (x - level).abs() * (LEVELS - 1))) for level in levels], 1)


def scales(x: Tensor, smooth: list[Tensor]) -> Tensor:
    """Of the detail between each two scales: energy, its share of all, skewness and peakedness."""
    spread = _deviation(x)
    out = []
    for finer, coarser in zip([x, *smooth[:-1]], smooth, strict=True):
        band = finer - coarser
        energy = torch.sqrt(_mean(band * band)) + _FEW
        fourth = _mean(band * band * band * band) / energy**4
        out += [
            torch.log(energy),
            torch.log(energy / spread),
            _mean(band * band * band) / energy**3,
            torch.log(fourth + _FEW),
        ]
    return torch.stack(out, 1)


def similarity(x: Tensor) -> Tensor:
    """Autocorrelation and mean difference across and down at each of `LAGS`."""
    z = (x - _wide(_mean(x))) / _wide(_deviation(x))
    out = []
    for lag in LAGS:
        out += [
            _mean(z[..., lag:] * z[..., :-lag]),
            _mean(z[..., lag:, :] * z[..., :-lag, :]),
            _mean((x[..., lag:] - x[..., :-lag]).abs()),
            _mean((x[..., lag:, :] - x[..., :-lag, :]).abs()),
        ]
    return torch.stack(out, 1)


def layout(x: Tensor) -> Tensor:
    """Mean grey of 8x8 fields and deviation of 4x4 fields; left and right are averaged."""
    height, width = x.shape[2:]
    mean = F.avg_pool2d(x, (height // 8, width // 8))
    coarse = F.avg_pool2d(x, (height // 4, width // 4))
    square = F.avg_pool2d(x * x, (height // 4, width // 4))
    deviation = torch.sqrt(F.relu(square - coarse * coarse))
    return torch.cat([_fold(mean), _fold(deviation)], 1)


def blob(x: Tensor, calm: Tensor, depth: float) -> Tensor:
    """The dark part in the middle: size, place, shape, margin, echogenicity, heterogeneity, what lies behind.

    A soft mask of what is darker than the middle's mean by `depth` deviations stands for the lesion.
    """
    height, width = x.shape[2:]
    down = torch.linspace(-1, 1, height, device=x.device)[None, None, :, None]
    right = torch.linspace(-1, 1, width, device=x.device)[None, None, None, :]
    middle = torch.exp(-((right / _SPOT) ** 2) - ((down + 0.1) / _SPOT) ** 2)
    level = (calm * middle).sum((1, 2, 3)) / middle.sum()
    spread = torch.sqrt(((calm - _wide(level)) ** 2 * middle).sum((1, 2, 3)) / middle.sum()) + 1e-3
    mask = torch.sigmoid((_wide(level - depth * spread) - calm) / _wide(0.15 * spread)) * middle
    size = mask.sum((1, 2, 3)) + 1.0

    def inside(values: Tensor) -> Tensor:
        return (mask * values).sum((1, 2, 3)) / size

    def mean_over(weights: Tensor) -> Tensor:
        return (weights * x).sum((1, 2, 3)) / (weights.sum((1, 2, 3)) + 1.0)

    across, along = inside(right), inside(down)
    wide = inside((right - _wide(across)) ** 2)
    tall = inside((down - _wide(along)) ** 2)
    tilt = inside((right - _wide(across)) * (down - _wide(along)))
    area = size / (height * width)
    outline = _slope(mask)
    length = outline.sum((1, 2, 3))
    grey = inside(x)
    around = mean_over((1 - mask) * middle)
    step_down, step_right = height // 5, width // 5
    behind = F.pad(mask, (0, 0, step_down, 0))[:, :, :height] * (1 - mask)
    beside = (
        F.pad(mask, (step_right, 0, 0, 0))[..., :width] + F.pad(mask, (0, step_right, 0, 0))[..., step_right:]
    )
    return torch.stack(
        [
            area,
            across.abs(),
            along,
            torch.log((tall + 1e-3) / (wide + 1e-3)),  # taller than wide
            wide + tall,
            torch.log(torch.sqrt(F.relu(wide * tall - tilt * tilt) + 1e-6) / area),  # compactness
            torch.log(length / torch.sqrt(size)),  # irregularity of the outline
            (outline * _slope(calm)).sum((1, 2, 3)) / length,  # sharpness of the margin
            grey,
            around - grey,  # echogenicity
            torch.sqrt(inside((x - _wide(grey)) ** 2)),  # heterogeneity
            mean_over(behind) - around,  # posterior enhancement or shadow
            mean_over(behind) - mean_over(beside * (1 - mask)),
        ],
        1,
    )


def _mean(x: Tensor) -> Tensor:
    return x.mean((1, 2, 3))


def _deviation(x: Tensor) -> Tensor:
    return torch.sqrt(_mean((x - _wide(_mean(x))) ** 2)) + 1e-4


def _wide(values: Tensor) -> Tensor:
    return values[:, None, None, None]


def _fold(fields: Tensor) -> Tensor:
    half = fields.shape[3] // 2
    return (fields[..., :half] + fields.flip(3)[..., :half]).flatten(1) / 2


def _slope(x: Tensor) -> Tensor:
    across = F.pad(x[..., 2:] - x[..., :-2], (1, 1, 0, 0))
    down = F.pad(x[..., 2:, :] - x[..., :-2, :], (0, 0, 1, 1))
    return torch.sqrt(across * across + down * down + _FEW)
