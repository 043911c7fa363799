"""What a radiologist would name of the marked lesion, measured on the cart in half a millisecond.

The arithmetic is that of `export.measures.blobs`, which the network is trained with; a test holds both to
each other. Single features are weak: they are shown, and never decide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.frame import Frame
from edge.contract.preprocess import prepare
from edge.contract.roi import Roi

SIDE = 64  # pixels of the square that is measured
CONTEXT = 1.6  # its side over the lesion's longer one
REGULAR = -2.1  # irregularity below which an outline is called regular; set by eye on the phantom, not fitted
ENHANCED = 0.04  # share of the grey scale above which it is called enhancement; set in the same way

_DEPTH = 0.8  # how dark a lesion is, in deviations below the middle's mean
_SPOT = 0.6  # spread of the middle, half sides of the square
_SIGMA = 3.0  # pixels; speckle is gone beyond
_FEW = 1e-5

Grey = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LesionFeatures:
    """Of the dark blob in the middle of the marked box. Grey levels are shares of the full scale.

    Attributes:
        echogenicity: how much brighter the surroundings are; above 0 is hypoechoic.
        heterogeneity: deviation of the grey inside.
        margin: mean slope of the grey along the outline, a pixel of `SIDE`; more is sharper.
        posterior: how much brighter it is behind the lesion than beside that place; above 0 is enhancement,
            below it shadow.
        orientation: logarithm of height over width; above 0 is taller than wide.
        irregularity: logarithm of the outline's length over the root of the area; more is less regular.
    """

    echogenicity: float
    heterogeneity: float
    margin: float
    posterior: float
    orientation: float
    irregularity: float

    @property
    def looks_benign(self) -> bool:
        """Regular with enhancement behind: what the false benigns of the literature looked like.

        Jiang et al. 2024: of the malignant parotid tumours that a network called benign, 58 % were regular
        in shape and 67 % had posterior enhancement.
        """
        return self.irregularity < REGULAR and self.posterior > ENHANCED


def measure_lesion(frame: Frame, box: Roi) -> LesionFeatures:
    """Features of the lesion in `box`, which must meet the picture; reads the luma alone."""
    side = max(2, round(max(box.width, box.height) * CONTEXT))
    left, top = box.x + (box.width - side) // 2, box.y + (box.height - side) // 2
    right, bottom = min(left + side, frame.width), min(top + side, frame.height)
    left, top = max(0, left), max(0, top)
    square = Roi(left, top, right - left, bottom - top)
    return features_of(prepare(frame, square, SIDE, SIDE)[0, 0])


def features_of(picture: NDArray[np.uint8]) -> LesionFeatures:
    """Features of the dark blob in the middle of `picture`, uint8 (h, w), full range."""
    x = picture.astype(np.float32) / np.float32(255)
    height, width = x.shape
    side = 2 * math.ceil(3 * _SIGMA) + 1
    calm = np.asarray(cv2.GaussianBlur(x, (side, side), _SIGMA, borderType=cv2.BORDER_REPLICATE), np.float32)
    middle, right, down = _middle(height, width)
    level = float((calm * middle).sum() / middle.sum())
    spread = math.sqrt(float((np.square(calm - level) * middle).sum() / middle.sum())) + 1e-3
    beyond = (calm - np.float32(level - _DEPTH * spread)) / np.float32(0.15 * spread)
    mask = middle / (1 + np.exp(beyond))
    size = float(mask.sum()) + 1.0

    def inside(values: Grey) -> float:
        return float((mask * values).sum()) / size

    def mean_over(weights: Grey) -> float:
        return float((weights * x).sum()) / (float(weights.sum()) + 1.0)

    across, along = inside(right), inside(down)
    wide, tall = inside(np.square(right - across)), inside(np.square(down - along))
    outline = _slope(mask)
    length = float(outline.sum())
    grey, around = inside(x), mean_over((1 - mask) * middle)
    step_down, step_right = height // 5, width // 5
    behind, beside = np.zeros_like(mask), np.zeros_like(mask)
    behind[step_down:] = mask[:-step_down]
    beside[:, step_right:] = mask[:, :-step_right]
    beside[:, :-step_right] += mask[:, step_right:]
    return LesionFeatures(
        echogenicity=around - grey,
        heterogeneity=math.sqrt(inside(np.square(x - grey))),
        margin=float((outline * _slope(calm)).sum()) / length,
        posterior=mean_over(behind * (1 - mask)) - mean_over(beside * (1 - mask)),
        orientation=math.log((tall + 1e-3) / (wide + 1e-3)),
        irregularity=math.log(length / math.sqrt(size)),
    )


def _slope(x: Grey) -> Grey:
    """Central differences, nothing at the border."""
    across, down = np.zeros_like(x), np.zeros_like(x)
    across[:, 1:-1] = x[:, 2:] - x[:, :-2]
    down[1:-1] = x[2:] - x[:-2]
    return np.sqrt(across * across + down * down + np.float32(_FEW))


@lru_cache(maxsize=2)
def _middle(height: int, width: int) -> tuple[Grey, Grey, Grey]:
    """Where a lesion is looked for, and the columns' and rows' places from -1 to 1."""
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    right = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    middle = np.exp(
        -np.square(right / np.float32(_SPOT)) - np.square((down + np.float32(0.1)) / np.float32(_SPOT))
    )
    return middle, right, down
