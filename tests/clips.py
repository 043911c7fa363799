"""Small videos and frames made on the spot."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from edge.contract.frame import Frame, Matrix, PixelFormat
from edge.pictures import rows_of


def tissue(seed: int, height: int = 96, width: int = 128, field: tuple[int, int, int, int] | None = None):
    """A scanner-like luma picture: speckle in `field` (x, y, width, height), black elsewhere."""
    rng = np.random.default_rng(seed)
    x, y, w, h = field or (width // 4, height // 8, width // 2, 3 * height // 4)
    picture = np.full((height, width), 16, np.uint8)
    speckle = cv2.GaussianBlur(rng.rayleigh(1.0, (h, w)), (0, 0), 1.2) * 70
    picture[y : y + h, x : x + w] = np.clip(speckle + 16, 16, 235).astype(np.uint8)
    return picture


def i420(luma, *, sequence=0, captured_ns=0, full_range=False, matrix=Matrix.BT709) -> Frame:
    """A grey I420 frame around `luma`, which is copied."""
    half = (luma.shape[0] // 2, luma.shape[1] // 2)
    planes = (luma.copy(), np.full(half, 128, np.uint8), np.full(half, 128, np.uint8))
    return Frame(planes, PixelFormat.I420, sequence, captured_ns, full_range, matrix)


def write_clip(
    path: Path, lumas, *, fps=25, codec="libx264", pix_fmt="yuv420p", options=None, colour=None
) -> Path:
    """Encode grey pictures; `colour` is (color_range, colorspace) in FFmpeg's numbers."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream(
            codec, rate=fps, options=options or {"crf": "10", "preset": "ultrafast"}
        )
        stream.height, stream.width = lumas[0].shape
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = Fraction(1, fps)
        if colour is not None:
            stream.codec_context.color_range, stream.codec_context.colorspace = colour
        for index, luma in enumerate(lumas):
            picture = av.VideoFrame(luma.shape[1], luma.shape[0], "yuv420p")
            for plane, values in zip(picture.planes, (luma, 128, 128), strict=True):
                rows_of(plane)[:, : plane.width] = values
            picture.pts = index
            if colour is not None:
                picture.color_range, picture.colorspace = colour
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def read_clip(path: Path) -> list[np.ndarray]:
    """The luma planes of a video."""
    with av.open(str(path)) as container:
        return [rows_of(p.planes[0])[:, : p.width].copy() for p in container.decode(video=0)]
