"""The pictures that every later step is checked on: phantoms and two extremes, none of a person."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.frame import still
from edge.contract.preprocess import prepare
from edge.phantom.study import scan_patient
from edge.study.cases import LABELS

SIDE = 400  # pixels; all frames share one array
PATIENTS = 6
SEED = 20260101  # no study's seed, so that no golden frame is a training image


def golden_frames() -> NDArray[np.uint8]:
    """uint8 (N, SIDE, SIDE): phantoms of both labels, a black frame and noise."""
    pictures = []
    for number in range(PATIENTS):
        (picture,) = scan_patient(SEED, 1, number, LABELS[number % 2])
        luma = cv2.imdecode(np.frombuffer(picture.png, np.uint8), cv2.IMREAD_GRAYSCALE)
        frame = still(np.asarray(luma, np.uint8))
        pictures.append(prepare(frame, frame.bounds, SIDE, SIDE)[0, 0])
    pictures.append(np.zeros((SIDE, SIDE), np.uint8))
    pictures.append(np.random.default_rng(SEED).integers(0, 256, (SIDE, SIDE), np.uint8))
    return np.stack(pictures)
