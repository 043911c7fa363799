"""Measures of a picture, computed in the graph: what a radiologist and a texture analyst would name.

Every measure is the same for a picture and its mirror image. They are many and single ones are weak; a kernel
machine (`export.kernel`) weighs them against each other.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from export import texture
from export.feature_images import gaussian

SCALES = (1.0, 2.0, 4.0, 8.0)  # pixels of the halved picture
LAGS = (1, 2, 4, 8, 16)  # pixels of the halved picture
LEVELS = 17  # of the histogram
DEPTHS = (0.3, 0.8, 1.3)  # how dark a blob is, in deviations below the middle's mean

_LESION = 3.0  # pixels of smoothing before a lesion is looked for
_SPOT = 0.6  # spread of the middle, where the lesion is looked for; half sides of the picture
_FEW = 1e-5  # the exporter drops an added constant below 1e-7 as if it were nothing


class Measures(nn.Module):
    """Histogram, energy of four scales, similarity at five lags, layout, texture, and the middle's dark blob.

    Fine texture is read from the picture as it is, everything else from one half as large.
    """

    NUMBER = LEVELS + 4 * len(SCALES) + 4 * len(LAGS) + 8 * 4 + 4 * 2 + 13 * len(DEPTHS)
    NUMBER += texture.PAIRS + texture.NEIGHBOURS

    def __init__(self) -> None:
        super().__init__()
        for index, scale in enumerate((*SCALES, _LESION)):
            self.register_buffer(f"row{index}", gaussian(scale), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Float (N, 1, H, W), grey levels 0 to 255, H and W multiples of 16, to (N, K). In full precision."""
        fine = image / 255.0
        x = F.avg_pool2d(fine, 2)
        *smooth, calm = blurs(x, [self.get_buffer(f"row{i}") for i in range(len(SCALES) + 1)]).split(1, 1)
        parts = [histogram(x), scales(x, smooth), similarity(x), layout(x), blobs(x, calm)]
        parts += [texture.pairs(fine), texture.neighbours([x, *smooth[:2]])]
        return torch.cat(parts, 1)


def blurs(x: Tensor, rows: list[Tensor]) -> Tensor:
    """(N, 1, H, W) smoothed with each of the rows, (N, R, H, W).

    As products with matrices, which the engine makes from the rows when it is loaded: a long row over a
    single channel leaves a convolution's kernels nearly idle.
    """
    height, width = x.shape[2:]
    down, across = (torch.cat([_smoothing(side, row, x) for row in rows], 1) for side in (height, width))
    return torch.matmul(torch.matmul(down, x), across.transpose(2, 3))


def histogram(x: Tensor) -> Tensor:
    """Share of pixels near each of `LEVELS` grey levels (linear bins that overlap by half)."""
    return texture.shares(x * (LEVELS - 1), LEVELS).mean(2)


def scales(x: Tensor, smooth: list[Tensor]) -> Tensor:
    """Of the detail between each two scales: energy, its share of all, skewness and peakedness."""
    band = torch.cat([x, *smooth[:-1]], 1) - torch.cat(smooth, 1)
    square = band * band
    energy = torch.sqrt(square.mean((2, 3))) + _FEW
    skewness = (square * band).mean((2, 3)) / energy**3
    fourth = (square * square).mean((2, 3)) / energy**4
    share = torch.log(energy / _deviation(x)[:, None])
    return torch.stack([torch.log(energy), share, skewness, torch.log(fourth + _FEW)], 2).flatten(1)


def similarity(x: Tensor) -> Tensor:
    """Autocorrelation and mean difference across and down at each of `LAGS`."""
    height, width = x.shape[2:]
    z = ((x - _wide(_mean(x))) / _wide(_deviation(x)))[:, 0]
    # Products of all columns, of all rows: those at one lag stand on one diagonal.
    columns = torch.matmul(z.transpose(1, 2), z).flatten(1)
    rows = torch.matmul(z, z.transpose(1, 2)).flatten(1)
    out = []
    for lag in LAGS:
        out += [
            columns[:, lag * width :: width + 1].mean(1) / height,
            rows[:, lag * height :: height + 1].mean(1) / width,
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


def blobs(x: Tensor, calm: Tensor) -> Tensor:
    """The dark part in the middle: size, place, shape, margin, echogenicity, heterogeneity, what lies behind.

    A soft mask of what is darker than the middle's mean by some deviations stands for the lesion; all of
    these for each of `DEPTHS`.
    """
    height, width = x.shape[2:]
    down = torch.linspace(-1, 1, height, device=x.device)
    right = torch.linspace(-1, 1, width, device=x.device)
    middle = torch.exp(-(((down + 0.1) / _SPOT) ** 2))[:, None] * torch.exp(-((right / _SPOT) ** 2))
    middle = middle[None, None]
    level = _mean(calm * middle) / _mean(middle)
    spread = torch.sqrt(_mean((calm - _wide(level)) ** 2 * middle) / _mean(middle)) + 1e-3
    depths = torch.tensor(DEPTHS, device=x.device)
    limits = level[:, None] - depths * spread[:, None]
    mask = torch.sigmoid((limits[..., None, None] - calm) / _wide(0.15 * spread)) * middle

    # Sums of the mask times powers of both places: [i, j] is of down**i * right**j.
    powers = [torch.stack([torch.ones_like(line), line, line * line]) for line in (down, right)]
    sums = torch.matmul(powers[0], torch.matmul(mask, powers[1].T))
    total = sums[..., 0, 0]
    size = total + 1.0
    across, along = sums[..., 0, 1] / size, sums[..., 1, 0] / size
    wide = (sums[..., 0, 2] - across * (2 * sums[..., 0, 1] - across * total)) / size
    tall = (sums[..., 2, 0] - along * (2 * sums[..., 1, 0] - along * total)) / size
    tilt = sums[..., 1, 1] - across * sums[..., 1, 0] - along * (sums[..., 0, 1] - across * total)
    tilt = tilt / size

    def mean_over(weights: Tensor) -> Tensor:
        return _meet(weights, x) / (weights.sum((2, 3)) + 1.0)

    area = size / (height * width)
    outline = _slope(mask)
    length = outline.sum((2, 3))
    grey = _meet(mask, x) / size
    roughness = _meet(mask, (x - grey[..., None, None]) ** 2) / size
    outside = 1 - mask
    around = mean_over(outside * middle)
    step_down, step_right = height // 5, width // 5
    behind = mean_over(F.pad(mask[:, :, :-step_down], (0, 0, step_down, 0)) * outside)
    left = F.pad(mask[..., step_right:], (0, step_right, 0, 0))
    beside = mean_over((left + F.pad(mask[..., :-step_right], (step_right, 0, 0, 0))) * outside)
    return torch.stack(
        [
            area,
            across.abs(),
            along,
            torch.log((tall + 1e-3) / (wide + 1e-3)),  # taller than wide
            wide + tall,
            torch.log(torch.sqrt(F.relu(wide * tall - tilt * tilt) + 1e-6) / area),  # compactness
            torch.log(length / torch.sqrt(size)),  # irregularity of the outline
            _meet(outline, _slope(calm)) / length,  # sharpness of the margin
            grey,
            around - grey,  # echogenicity
            torch.sqrt(roughness),  # heterogeneity
            behind - around,  # posterior enhancement or shadow
            behind - beside,
        ],
        2,
    ).flatten(1)


def _smoothing(side: int, row: Tensor, like: Tensor) -> Tensor:
    """(1, 1, side, side): the matrix that smooths a column as `blur` does, its ends repeated."""
    places = torch.arange(side, device=like.device)
    unity = (places[:, None] == places).to(like.dtype)[None, None]
    half = row.shape[3] // 2
    return F.conv2d(F.pad(unity, (0, 0, half, half), mode="replicate"), row.transpose(2, 3))


def _meet(weights: Tensor, values: Tensor) -> Tensor:
    """Sums of (N, D, H, W) times (N, 1, H, W): (N, D)."""
    return (weights * values).sum((2, 3))


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
