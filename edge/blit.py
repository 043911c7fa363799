"""Draws small pictures and lines into a frame's planes, in its own format, and touches nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.frame import Frame, Matrix, PixelFormat, Plane
from edge.contract.roi import Roi

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""

_WEIGHTS = {Matrix.BT601: (0.299, 0.114), Matrix.BT709: (0.2126, 0.0722)}  # Kr, Kb


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a frame's samples stand for colours: all that a sprite has to match."""

    format: PixelFormat
    full_range: bool
    matrix: Matrix


@dataclass(frozen=True, slots=True)
class Sprite:
    """A picture in a frame's encoding, as planes to be copied in. Width and height are even."""

    planes: tuple[Plane, ...]
    encoding: Encoding


def encoding_of(frame: Frame) -> Encoding:
    """The encoding that a sprite for `frame` needs."""
    return Encoding(frame.format, frame.full_range, frame.matrix)


def make_sprite(rgb: NDArray[np.uint8], encoding: Encoding) -> Sprite:
    """Convert a small picture once.

    Args:
        rgb: uint8 (h, w, 3), full range, h and w even.
        encoding: of the frames that it will be drawn into.
    """
    layout = encoding.format
    if layout is PixelFormat.RGB24:
        return Sprite((rgb,), encoding)
    if layout is PixelFormat.BGR24:
        return Sprite((np.ascontiguousarray(rgb[..., ::-1]),), encoding)
    luma, blue, red = (np.asarray(p, np.uint8) for p in cv2.split(cv2.transform(rgb, _to_yuv(encoding))))
    if layout is PixelFormat.GRAY8:
        return Sprite((luma,), encoding)
    height, width = luma.shape
    if layout is PixelFormat.YUYV:
        packed = np.empty((height, width, 2), np.uint8)
        packed[..., 0] = luma
        packed[:, 0::2, 1] = _shrunk(blue, width // 2, height)
        packed[:, 1::2, 1] = _shrunk(red, width // 2, height)
        return Sprite((packed,), encoding)
    blue, red = (_shrunk(plane, width // 2, height // 2) for plane in (blue, red))
    if layout is PixelFormat.NV12:
        return Sprite((luma, np.dstack([blue, red])), encoding)
    return Sprite((luma, blue, red), encoding)


def stacked(sprites: Sequence[Sprite]) -> Sprite:
    """One sprite of several of the same width and encoding, from top to bottom."""
    parts = zip(*(sprite.planes for sprite in sprites), strict=True)
    return Sprite(tuple(np.concatenate(planes) for planes in parts), sprites[0].encoding)


def paste(frame: Frame, sprite: Sprite, x: int, y: int) -> None:
    """Copy `sprite` over the frame's pixels at column `x` and row `y`, both even, wholly inside."""
    for index, (plane, part) in enumerate(zip(frame.planes, sprite.planes, strict=True)):
        left, top = (x // 2, y // 2) if index else (x, y)
        height, width = part.shape[:2]
        plane[top : top + height, left : left + width] = part


def fill(frame: Frame, area: Roi, sprite: Sprite) -> None:
    """Fill `area` with the colour of a `sprite` of 2x2 pixels; `area` lies inside on even pixels."""
    cuts = _cuts(area)
    if sprite.encoding.format is PixelFormat.YUYV:
        target, part = frame.planes[0][cuts[0]], sprite.planes[0]
        target[:, 0::2], target[:, 1::2] = part[0, 0], part[0, 1]
        return
    for index, (plane, part) in enumerate(zip(frame.planes, sprite.planes, strict=True)):
        plane[cuts[index > 0]] = part[0, 0]


def lighten(frame: Frame, area: Roi, grey: int) -> None:
    """Give `area` one brightness, in the frame's own range; colour stays where it has planes of its own."""
    plane = frame.planes[0]
    if frame.format is PixelFormat.YUYV:
        plane = plane[..., 0]
    plane[_cuts(area)[0]] = grey


@dataclass(frozen=True, slots=True)
class Patch:
    """A copy of a frame's own samples in `area`, which lies on even pixels: of all planes or the first."""

    area: Roi
    planes: tuple[Plane, ...]


def lift(frame: Frame, area: Roi) -> Patch:
    """Copy what a frame shows in `area`, before something is drawn there."""
    return Patch(area, tuple(part.copy() for part in _parts(frame, area)))


def lift_light(frame: Frame, area: Roi) -> Patch:
    """Copy what `lighten` changes."""
    return Patch(area, (frame.planes[0][_cuts(area)[0]].copy(),))


def restored(frame: Frame, under: tuple[Patch, ...]) -> Frame:
    """A copy of `frame` with `under` put back, the first patch last: it was lifted first."""
    clean = replace(frame, planes=tuple(plane.copy() for plane in frame.planes))
    for patch in reversed(under):
        for target, part in zip(_parts(clean, patch.area), patch.planes, strict=False):
            target[:] = part
    return clean


def _parts(frame: Frame, area: Roi) -> list[Plane]:
    """Views of `area` in each plane; chroma planes of half the size come after the luma."""
    whole, half = _cuts(area)
    return [frame.planes[0][whole], *[plane[half] for plane in frame.planes[1:]]]


_Cut = tuple[slice, slice]


@lru_cache(maxsize=256)
def _cuts(area: Roi) -> tuple[_Cut, _Cut]:
    """Where `area` lies in the luma, and in a chroma plane of half the size."""
    left, top, right, bottom = area.x, area.y, area.right, area.bottom
    return np.s_[top:bottom, left:right], np.s_[top // 2 : bottom // 2, left // 2 : right // 2]


def make_colour(colour: Colour, encoding: Encoding) -> Sprite:
    """The sprite of 2x2 pixels that `fill` takes."""
    return make_sprite(np.full((2, 2, 3), colour, np.uint8), encoding)


def _shrunk(chroma: Plane, width: int, height: int) -> Plane:
    return np.asarray(cv2.resize(chroma, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _to_yuv(encoding: Encoding) -> NDArray[np.float64]:
    """3x4 matrix from full-range RGB to the encoding's luma and chroma (ITU-R BT.601, BT.709)."""
    kr, kb = _WEIGHTS[encoding.matrix]
    luma = np.array([kr, 1.0 - kr - kb, kb])
    blue = (np.array([0.0, 0.0, 1.0]) - luma) / (2.0 * (1.0 - kb))
    red = (np.array([1.0, 0.0, 0.0]) - luma) / (2.0 * (1.0 - kr))
    luma_scale, chroma_scale = (1.0, 1.0) if encoding.full_range else (219.0 / 255.0, 224.0 / 255.0)
    offset = 0.0 if encoding.full_range else 16.0
    return np.array(
        [[*(luma_scale * luma), offset], [*(chroma_scale * blue), 128.0], [*(chroma_scale * red), 128.0]]
    )
