"""The loop that most people would write: the yardstick of the pipeline bench.

OpenCV reads, converts and resizes whole frames, some runtime has its defaults, a translucent panel is blended
over the whole frame, and OpenCV encodes the JPEG.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from edge.contract.preprocess import Tensor
from edge.contract.spec import Preprocessing
from edge.errors import DataError

Infer = Callable[[Tensor], float]
STEPS = ("read", "convert", "infer", "blend", "encode")


def blend(frame: cv2.typing.MatLike, risk: float) -> cv2.typing.MatLike:
    """A translucent panel with the risk over a BGR frame, mixed as a whole."""
    overlay = frame.copy()
    cv2.rectangle(overlay, (1540, 20), (1900, 420), (20, 20, 20), -1)
    mixed = cv2.addWeighted(overlay, 0.7, frame, 0.3, 0)
    return cv2.putText(
        mixed, f"risk {risk:.2f}", (1560, 200), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (255, 255, 255), 3
    )


class NaiveLoop:
    """Plays a file for ever; one `step` a frame. `cpu_ms` collects each step's process CPU time."""

    def __init__(self, infer: Infer, preprocessing: Preprocessing, path: Path, quality: int):
        """Open the file; `infer` gives the risk of a tensor."""
        self._infer = infer
        self._size = (preprocessing.width, preprocessing.height)
        self._quality = quality
        self._path = path
        self._capture = cv2.VideoCapture(str(path))
        self.cpu_ms: dict[str, list[float]] = {step: [] for step in STEPS}

    def step(self) -> bytes:
        """One frame from the file to a JPEG with the risk in it."""
        marks = [time.process_time_ns()]
        frame = self._read()
        marks.append(time.process_time_ns())
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        tensor: Tensor = np.asarray(cv2.resize(grey, self._size), np.uint8)[None, None]
        marks.append(time.process_time_ns())
        risk = self._infer(tensor)
        marks.append(time.process_time_ns())
        frame = blend(frame, risk)
        marks.append(time.process_time_ns())
        _, jpeg = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, self._quality])
        marks.append(time.process_time_ns())
        for step, begin, end in zip(STEPS, marks[:-1], marks[1:], strict=True):
            self.cpu_ms[step].append((end - begin) / 1e6)
        return jpeg.tobytes()

    def close(self) -> None:
        """Close the file."""
        self._capture.release()

    def _read(self) -> cv2.typing.MatLike:
        good, frame = self._capture.read()
        if not good:
            self._capture.release()
            self._capture = cv2.VideoCapture(str(self._path))
            good, frame = self._capture.read()
        if not good:
            raise DataError(f"OpenCV cannot read '{self._path}'")
        return frame
