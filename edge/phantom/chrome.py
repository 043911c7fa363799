"""A scanner's screen around the picture: depth scale, grey bar, focus mark, texts. No maker's screen is
copied.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.roi import Roi
from edge.phantom.scanner import Scanner

Luma = NDArray[np.uint8]

CLINIC = "STUDY CLINIC NORTH"  # fictional


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a screen puts its parts, as shares of the frame's width and height."""

    name: str
    field: tuple[float, float, float, float]
    background: int
    header: int
    scale_side: int  # +1: depth scale right of the picture, -1: left
    bar: tuple[float, float, float, float]
    texts: tuple[float, float]
    dots: bool


LAYOUTS = {
    "aster": Layout(
        name="aster",
        field=(0.20, 0.075, 0.60, 0.865),
        background=6,
        header=34,
        scale_side=1,
        bar=(0.955, 0.12, 0.012, 0.40),
        texts=(0.015, 0.14),
        dots=False,
    ),
    "boreal": Layout(
        name="boreal",
        field=(0.10, 0.085, 0.58, 0.86),
        background=14,
        header=20,
        scale_side=-1,
        bar=(0.035, 0.12, 0.010, 0.30),
        texts=(0.76, 0.16),
        dots=True,
    ),
}


def field_of(layout: Layout, scanner: Scanner, width: int, height: int) -> tuple[Roi, float]:
    """Where the ultrasound picture goes on a frame of that size, and its scale in pixels per mm."""
    left, top, wide, high = layout.field
    tall = scanner.depth + scanner.rise
    scale = min(wide * width / scanner.span, high * height / tall)
    picture_width, picture_height = round(scanner.span * scale), round(tall * scale)
    x = round(left * width + (wide * width - picture_width) / 2)
    return Roi(x, round(top * height), picture_width, picture_height), scale


def draw_screen(layout: Layout, scanner: Scanner, width: int, height: int, seed: int) -> Luma:
    """Everything that does not change from frame to frame, (height, width) uint8, full range."""
    screen = np.full((height, width), layout.background, np.uint8)
    field, scale = field_of(layout, scanner, width, height)
    screen[: round(0.055 * height)] = layout.header
    screen[field.y : field.bottom, field.x : field.right] = 0
    _draw_texts(screen, layout, scanner, seed)
    _draw_bar(screen, layout)
    _draw_scale(screen, layout, scanner, field, scale)
    return screen


def _draw_texts(screen: Luma, layout: Layout, scanner: Scanner, seed: int) -> None:
    day = np.random.default_rng([seed, 9]).integers(1, 29)
    _write(screen, f"{CLINIC}   PHANTOM, P.   ID 0000-{seed % 10000:04d}", 0.015, 0.036, 0.024, 200)
    _write(screen, f"{day:02d}.03.2031 10:{int(day) * 2:02d}", 0.70, 0.036, 0.022, 170)
    _write(screen, f"MI {0.6 + scanner.frequency / 25:.1f}  TIs 0.2", 0.87, 0.036, 0.022, 190)
    lines = (
        f"{'L' if scanner.geometry == 'linear' else 'C'}{scanner.name.split('-')[1].upper()}",
        "Parotid",
        f"Fr {scanner.frequency:.1f} MHz",
        f"D {scanner.depth / 10:.1f} cm",
        f"G {50 + scanner.gain:.0f} %",
        f"DR {scanner.dynamic_range:.0f} dB",
        f"FR {14 + 8 * (4 - scanner.looks)} Hz",
    )
    left, top = layout.texts
    for index, line in enumerate(lines):
        _write(screen, line, left, top + 0.036 * index, 0.022, 185)
    _write(screen, "SYNTHETIC - NOT A PATIENT", 0.60, 0.985, 0.020, 150)


def _draw_bar(screen: Luma, layout: Layout) -> None:
    height, width = screen.shape
    x, y, wide, high = (
        round(part * size) for part, size in zip(layout.bar, (width, height, width, height), strict=True)
    )
    screen[y : y + high, x : x + wide] = np.linspace(255, 0, high, dtype=np.float32).astype(np.uint8)[:, None]
    cv2.rectangle(screen, (x - 1, y - 1), (x + wide, y + high), 90, 1)


def _draw_scale(screen: Luma, layout: Layout, scanner: Scanner, field: Roi, scale: float) -> None:
    """Ticks every 5 mm, longer and numbered every centimetre; the focus as a triangle; the probe's mark."""
    unit = screen.shape[0] / 1080
    x = round(field.right + 14 * unit) if layout.scale_side > 0 else round(field.x - 14 * unit)
    top = field.y + scanner.rise * scale
    for tick in range(int(scanner.depth / 5) + 1):
        y = round(top + 5 * tick * scale)
        whole = tick % 2 == 0
        if layout.dots:
            cv2.circle(screen, (x, y), max(1, round((4 if whole else 2) * unit)), 210, -1, cv2.LINE_AA)
        else:
            length = round((16 if whole else 8) * unit) * layout.scale_side
            cv2.line(screen, (x, y), (x + length, y), 210, max(1, round(2 * unit)))
        if whole and tick:
            offset = 24 * unit if layout.scale_side > 0 else -48 * unit
            place = (x + offset) / screen.shape[1], (y + 7 * unit) / screen.shape[0]
            _write(screen, f"{tick // 2}", *place, 0.019, 190)
    y = round(top + scanner.focus * scale)
    tip, base = x - layout.scale_side * round(4 * unit), x - layout.scale_side * round(13 * unit)
    arm = round(7 * unit)
    cv2.fillPoly(
        screen, [np.asarray([(base, y - arm), (base, y + arm), (tip, y)], np.int32)], 225, cv2.LINE_AA
    )
    mark = (round(field.x + 0.02 * field.width), round(field.y - 14 * unit))
    if layout.dots:
        cv2.circle(screen, mark, round(7 * unit), 230, max(1, round(2 * unit)), cv2.LINE_AA)
    else:
        _write(screen, "A>", mark[0] / screen.shape[1], field.y / screen.shape[0] - 0.006, 0.022, 230)


def _write(screen: Luma, text: str, x: float, y: float, size: float, level: int) -> None:
    """Text with its baseline's left end at the share (x, y) of the frame, `size` frame heights tall."""
    height, width = screen.shape
    scale = size * height / 30
    position, thickness = (round(x * width), round(y * height)), max(1, round(height / 720))
    cv2.putText(screen, text, position, cv2.FONT_HERSHEY_SIMPLEX, scale, level, thickness, cv2.LINE_AA)
