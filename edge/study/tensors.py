"""From a case to the network's tensor: the only road for training, calibration and evaluation."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count

import numpy as np
from numpy.typing import NDArray

from edge.contract.frame import still
from edge.contract.preprocess import Tensor, prepare
from edge.contract.spec import Preprocessing
from edge.errors import DataError
from edge.study.cases import Case
from edge.study.faults import Faults
from edge.study.images import read_image


def load_tensors(
    cases: Sequence[Case], preprocessing: Preprocessing, progress: Callable[[int], None]
) -> NDArray[np.uint8]:
    """`case_tensor` of every case, uint8 (N, 1, height, width), in their order.

    Decoding and resizing let go of Python's lock, so threads keep every core busy.

    Raises:
        NoInputError, DataError: of all cases that have no tensor.
    """
    out = np.empty((len(cases), 1, preprocessing.height, preprocessing.width), np.uint8)
    faults = Faults()
    with ThreadPoolExecutor(cpu_count()) as pool:
        waiting = deque(pool.submit(case_tensor, case, preprocessing) for case in cases)
        for index in range(len(cases)):
            with faults.gather():
                out[index] = waiting.popleft().result()[0]
            progress(index + 1)
    faults.refuse()
    return out


def case_tensor(case: Case, preprocessing: Preprocessing) -> Tensor:
    """The tensor that the cart would make of this image.

    Returns:
        uint8 (1, 1, height, width); belongs to the caller.

    Raises:
        NoInputError: the image cannot be read.
        DataError: the image is damaged, the case has no lesion box where the model needs one, or a box
            leaves the image. The message names the image.
    """
    frame = still(read_image(case.path, case.frame))
    box = case.field or frame.bounds
    if preprocessing.region == "lesion":
        if case.lesion is None:
            raise DataError(
                f"image '{case.path}' has no lesion box, but this model looks at lesions; add lesion_x, "
                "lesion_y, lesion_w and lesion_h to the manifest, or train with --region field"
            )
        box = case.lesion
    if not box.inside(frame.bounds):
        raise DataError(
            f"{preprocessing.region} box {box.x},{box.y},{box.width},{box.height} leaves the image "
            f"'{case.path}' of {frame.width}x{frame.height} pixels"
        )
    return prepare(frame, preprocessing.crop(box, frame.bounds), preprocessing.width, preprocessing.height)
