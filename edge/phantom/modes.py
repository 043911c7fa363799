"""What a scanner shows besides a plain B-mode picture.

Doppler, elastography, calipers, menus, dual view, and what a probe without contact or a wrong setting
makes of the picture. Drawn as the machines draw them, not as a gate would like them: thin, half transparent,
in the scanner's own colours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.blit import encoding_of, make_sprite, paste
from edge.contract.frame import Frame
from edge.contract.preprocess import expand
from edge.contract.roi import Roi

Rgb = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Scene:
    """What is where: the `field`, the `lesion` or about where one would be, and a running `number`."""

    field: Roi
    lesion: Roi
    number: int


def show(frame: Frame, name: str, scene: Scene) -> None:
    """Draw the mode called `name` into a grey `frame` of any pixel format, in place."""
    field = scene.field
    area = Roi(field.x & ~1, field.y & ~1, (field.width - 1) & ~1, (field.height - 1) & ~1)
    lesion = Roi(max(0, scene.lesion.x - area.x), max(0, scene.lesion.y - area.y), *_sides(scene.lesion))
    luma = frame.luma(area)
    if not frame.full_range:
        luma = expand(luma)
    rgb = np.repeat(luma[..., None], 3, axis=2)
    MODES[name](rgb, replace(scene, lesion=lesion))
    paste(frame, make_sprite(rgb, encoding_of(frame)), area.x, area.y)


def _random(scene: Scene) -> np.random.Generator:
    """What changes from picture to picture."""
    return np.random.default_rng([scene.number, 7])


def _sides(roi: Roi) -> tuple[int, int]:
    return roi.width, roi.height


def _box(rgb: Rgb, lesion: Roi) -> tuple[int, int, int, int]:
    """The colour box that is drawn about a lesion: left, top, right, bottom."""
    height, width = rgb.shape[:2]
    left, right = max(0, lesion.x - lesion.width // 3), min(width - 1, lesion.right + lesion.width // 3)
    return (
        left,
        max(0, lesion.y - lesion.height // 3),
        right,
        min(height - 1, lesion.bottom + lesion.height // 3),
    )


def _flow(rgb: Rgb, lesion: Roi, number: int, colours: tuple[tuple[int, int, int], ...]) -> None:
    """Vessels about the lesion that pulse, in their colours, and the thin outline of the colour box."""
    left, top, right, bottom = _box(rgb, lesion)
    still = np.random.default_rng(11)  # the vessels stay where they are
    pulse = 0.75 + 0.25 * np.sin(number * 0.8)
    layer = np.zeros((bottom - top, right - left), np.uint8)
    for _ in range(5):
        start, way = still.random(2) * (right - left, bottom - top), still.normal(0, 1, 2)
        thick = max(2, int(0.05 * (right - left) * pulse * still.uniform(0.6, 1.4)))
        end = start + way / np.linalg.norm(way) * 0.3 * (right - left)
        at = [(int(x), int(y)) for x, y in (start, end)]
        cv2.line(layer, at[0], at[1], int(still.integers(1, len(colours) + 1)), thick)
    part = rgb[top:bottom, left:right]
    for index, colour in enumerate(colours, start=1):
        part[layer == index] = colour
    cv2.rectangle(rgb, (left, top), (right, bottom), (210, 210, 210), 1)


def _doppler(rgb: Rgb, scene: Scene) -> None:
    _flow(rgb, scene.lesion, scene.number, ((196, 44, 20), (24, 70, 205), (230, 140, 40)))


def _power(rgb: Rgb, scene: Scene) -> None:
    _flow(rgb, scene.lesion, scene.number, ((190, 80, 10), (225, 130, 30)))


def _elastography(rgb: Rgb, scene: Scene) -> None:
    left, top, right, bottom = _box(rgb, scene.lesion)
    coarse = np.random.default_rng(5).random((6, 8), np.float32)
    coarse += 0.1 * _random(scene).random((6, 8), np.float32)
    stiff = cv2.resize(coarse, (right - left, bottom - top), interpolation=cv2.INTER_CUBIC)
    colours = cv2.applyColorMap((np.clip(stiff, 0, 1) * 255).astype(np.uint8), cv2.COLORMAP_JET)[..., ::-1]
    part = rgb[top:bottom, left:right]
    part[:] = cv2.addWeighted(part, 0.6, np.ascontiguousarray(colours), 0.4, 0)


def _calipers(rgb: Rgb, lesion: Roi, colour: tuple[int, int, int]) -> None:
    height = rgb.shape[0]
    arm, thick = max(4, height // 90), max(1, round(height / 600))
    across = (lesion.x, lesion.y + lesion.height // 2), (lesion.right, lesion.y + lesion.height // 2)
    deep = (lesion.x + lesion.width // 2, lesion.y), (lesion.x + lesion.width // 2, lesion.bottom)
    for (x0, y0), (x1, y1) in (across, deep):
        for x, y in ((x0, y0), (x1, y1)):
            cv2.line(rgb, (x - arm, y), (x + arm, y), colour, thick)
            cv2.line(rgb, (x, y - arm), (x, y + arm), colour, thick)
        dots = max(4, int(np.hypot(x1 - x0, y1 - y0)) // (3 * thick + 5))
        for share in np.linspace(0, 1, dots):
            x, y = round(x0 + share * (x1 - x0)), round(y0 + share * (y1 - y0))
            rgb[y : y + thick, x : x + thick] = colour


def _caliper(rgb: Rgb, scene: Scene) -> None:
    _calipers(rgb, scene.lesion, (240, 240, 240))


def _caliper_yellow(rgb: Rgb, scene: Scene) -> None:
    _calipers(rgb, scene.lesion, (240, 225, 60))


def _annotation(rgb: Rgb, scene: Scene) -> None:
    height, width = rgb.shape[:2]
    place, size = (int(0.3 * width), max(20, scene.lesion.y - height // 30)), height / 900
    thick = max(1, round(1.5 * size))
    cv2.putText(rgb, "PAROTID R", place, cv2.FONT_HERSHEY_SIMPLEX, size, (235, 235, 235), thick, cv2.LINE_AA)


def _menu(rgb: Rgb, _scene: Scene) -> None:
    height, width = rgb.shape[:2]
    left, top, right, bottom = int(0.05 * width), int(0.1 * height), int(0.45 * width), int(0.8 * height)
    rgb[top:bottom, left:right] = (52, 58, 66)
    for row, word in enumerate(
        ("Gain", "Dynamic range", "Frequency", "Focus", "Persistence", "Grey map", "Exit")
    ):
        place = (left + width // 40, top + (row + 1) * (bottom - top) // 8)
        cv2.putText(rgb, word, place, cv2.FONT_HERSHEY_SIMPLEX, height / 900, (220, 220, 220), 1, cv2.LINE_AA)


def _dual(rgb: Rgb, _scene: Scene) -> None:
    width = rgb.shape[1]
    half, gap = width // 2, max(4, width // 50)
    middle = rgb[:, width // 4 : width // 4 + half].copy()
    rgb[:, :half], rgb[:, width - half :] = middle, middle[:, ::-1]
    rgb[:, half - gap // 2 : half + gap // 2] = 6


def _air(rgb: Rgb, scene: Scene) -> None:
    """Reverberations of the probe's own face, fading with depth, over electronic noise."""
    height, width = rgb.shape[:2]
    depth = np.arange(height) / height
    bands = 170 * np.exp(-depth / 0.05) * (0.6 + 0.4 * np.cos(2 * np.pi * depth / 0.035))
    noise = _random(scene).rayleigh(1.5, (height, width)) + bands[:, None] * _random(scene).uniform(
        0.85, 1.0, (1, width)
    )
    mask = rgb.max(2) > 0  # beside a sector it stays black
    rgb[:] = (np.clip(noise, 0, 255) * mask).astype(np.uint8)[..., None]


def _half_air(rgb: Rgb, scene: Scene) -> None:
    """One side of the probe has no contact: half of the picture is a shadow from the skin down."""
    width = rgb.shape[1]
    shadow = rgb[:, : width * 45 // 100]
    kept = shadow.copy()
    _air(kept, scene)
    shadow[:] = kept


def _dim(rgb: Rgb, _scene: Scene) -> None:
    rgb[:] = np.clip(rgb.astype(np.int16) - 125, 0, 255).astype(np.uint8)  # 30 dB of 62 too little gain


def _glaring(rgb: Rgb, _scene: Scene) -> None:
    mask = rgb > 0
    rgb[:] = np.where(mask, np.clip(rgb.astype(np.int16) + 110, 0, 255), 0).astype(np.uint8)


def _blurred(rgb: Rgb, _scene: Scene) -> None:
    rgb[:] = cv2.GaussianBlur(rgb, (0, 0), rgb.shape[0] / 130)


MODES: dict[str, Callable[[Rgb, Scene], None]] = {
    "doppler": _doppler,
    "power": _power,
    "elastography": _elastography,
    "caliper": _caliper,
    "caliper-yellow": _caliper_yellow,
    "annotation": _annotation,
    "menu": _menu,
    "dual": _dual,
    "air": _air,
    "half-air": _half_air,
    "dim": _dim,
    "glaring": _glaring,
    "blurred": _blurred,
}
