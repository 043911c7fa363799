"""Frames of speckle in every pixel format."""

import cv2
import numpy as np

from edge.contract.frame import Frame, Matrix, PixelFormat

WIDTH, HEIGHT = 322, 202


def make_frame(layout, *, full_range=True, width=WIDTH, height=HEIGHT, seed=0):
    """Speckle in any format, with padding behind each row where the format's planes allow it."""
    rng = np.random.default_rng(seed)
    grey = cv2.GaussianBlur(rng.rayleigh(60, (height, width)), (0, 0), 1.0).clip(0, 255).astype(np.uint8)
    padded = np.zeros((height, width + 14), np.uint8)
    padded[:, :width] = grey
    luma = padded[:, :width]
    if layout is PixelFormat.GRAY8:
        planes = (luma,)
    elif layout is PixelFormat.I420:
        planes = (luma, *(np.full((height // 2, width // 2), 128, np.uint8) for _ in range(2)))
    elif layout is PixelFormat.NV12:
        planes = (luma, np.full((height // 2, width // 2, 2), 128, np.uint8))
    elif layout is PixelFormat.YUYV:
        planes = (np.dstack([grey, rng.integers(0, 255, grey.shape, np.uint8)]),)
    else:
        colours = [grey, np.roll(grey, 1), rng.integers(0, 255, grey.shape, np.uint8)]
        planes = (np.ascontiguousarray(np.dstack(colours)),)
    return Frame(planes, layout, 0, 0, full_range=full_range, matrix=Matrix.BT601)
