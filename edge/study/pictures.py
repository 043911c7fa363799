"""The picture of a case, and whether its boxes lie in it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.contract.roi import Roi
from edge.errors import DataError
from edge.study.cases import Case
from edge.study.images import read_image


def case_picture(case: Case) -> NDArray[np.uint8]:
    """One picture, uint8 (H, W) grey or (H, W, 3) RGB; belongs to the caller.

    Raises:
        NoInputError: it cannot be read.
        DataError: it is damaged, or a box of the manifest leaves it.
    """
    picture = read_image(case.path, case.frame)
    bounds = Roi(0, 0, picture.shape[1], picture.shape[0])
    for name, box in (("lesion", case.lesion), ("field", case.field)):
        if box is not None and not box.inside(bounds):
            raise DataError(
                f"{name} box {box.x},{box.y},{box.width},{box.height} leaves the image '{case.path}' of "
                f"{bounds.width}x{bounds.height} pixels; correct the manifest"
            )
    return picture
