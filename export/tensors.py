"""A study's tensors in memory, made once by the cart's own road."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count

import numpy as np
from numpy.typing import NDArray

from edge.contract.spec import Preprocessing
from edge.study.cases import Case
from edge.study.tensors import case_tensor


def load_tensors(
    cases: Sequence[Case], preprocessing: Preprocessing, progress: Callable[[int], None]
) -> NDArray[np.uint8]:
    """`case_tensor` of every case, uint8 (N, 1, height, width), in their order.

    Decoding and resizing let go of Python's lock, so threads keep every core busy.
    """
    out = np.empty((len(cases), 1, preprocessing.height, preprocessing.width), np.uint8)
    with ThreadPoolExecutor(cpu_count()) as pool:
        for index, tensor in enumerate(pool.map(lambda case: case_tensor(case, preprocessing), cases)):
            out[index] = tensor[0]
            progress(index + 1)
    return out
