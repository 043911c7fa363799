"""What is known of the marked lesion, for overlay, page, log and report. Nothing of it decides."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.contract.roi import Roi
from edge.exam.features import LesionFeatures


@dataclass(frozen=True, slots=True)
class BestFrame:
    """One of the best pictures of the lesion so far.

    Attributes:
        sequence, captured_ns: of the picture.
        risk: of the network, for this picture alone, 0 to 1.
        quality: 0 to 1.
        picture: uint8 (h, w) of the region that the network saw, small, full range; read-only.
    """

    sequence: int
    captured_ns: int
    risk: float
    quality: float
    picture: NDArray[np.uint8] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Findings:
    """As of one picture.

    Attributes:
        lesion: where the marked lesion is now; None where none is marked or it is lost.
        px_per_mm: the depth scale, None where it could not be read.
        size_mm: width and height of the lesion's box, None without a scale.
        features: of the lesion, measured some times a second; None without a lesion.
        contradiction: why risk and features do not go together, or None.
        lost: a lesion was marked and is no longer found.
        best: the best distinct pictures of this lesion and scene, the best first; six at most, and none of a
            lesion that is lost.
        quality: of this picture, 0 to 1.
    """

    lesion: Roi | None = None
    px_per_mm: float | None = None
    size_mm: tuple[float, float] | None = None
    features: LesionFeatures | None = None
    contradiction: str | None = None
    lost: bool = False
    best: tuple[BestFrame, ...] = ()
    quality: float = 1.0


NOTHING = Findings()
