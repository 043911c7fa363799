"""The panel: everything that a glance at the screen must give, drawn as a small RGB picture."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from edge.blit import Colour
from edge.contract.spec import OperatingPoint
from edge.exam.evidence import RiskEstimate
from edge.exam.reading import Identity, Reading
from edge.exam.signal import State

# Okabe and Ito (2008): told apart with any colour vision; shape and words say the same again.
BACKGROUND: Colour = (14, 18, 22)
EDGE: Colour = (58, 68, 78)
TEXT: Colour = (236, 240, 243)
DIM: Colour = (150, 162, 172)
TRACK: Colour = (44, 52, 60)
ABOVE: Colour = (230, 159, 0)
BELOW: Colour = (86, 180, 233)
GOOD: Colour = (0, 190, 130)

WIDTHS = (360, 320, 270, 190)
"""Widths that the panel may have, in units of 1/1080 of the picture's height, the best first."""

_HEIGHT = 400
_BLEED = 4  # pixels that letters may reach beyond their advance
_LEAST_LETTERS = 9.0  # pixels
_LEAST_UNIT = 0.62  # below this the small print would be under 10 pixels high


@dataclass(frozen=True, slots=True)
class Content:
    """What the panel shows, rounded as it is shown: two equal contents give the same picture."""

    state: State
    withheld: str | None
    risk: int  # per cent
    low: int
    high: int
    n: int
    above: bool
    age_ms: int
    rate: int
    point: OperatingPoint


def content_of(reading: Reading) -> Content:
    """The figures of `reading` as the panel rounds them."""
    estimate, point = reading.shown, reading.choices.point
    rate = round(reading.rate)
    if not isinstance(estimate, RiskEstimate):
        return Content(reading.state, estimate.reason, 0, 0, 0, 0, False, 0, rate, point)
    return Content(
        reading.state,
        None,
        round(100 * estimate.risk),
        round(100 * estimate.low),
        round(100 * estimate.high),
        estimate.n,
        estimate.risk >= point.threshold,
        round(reading.age_ms or 0.0),
        rate,
        point,
    )


def panel_sizes(width: int, height: int) -> list[tuple[int, int]]:
    """Sizes in even pixels that the panel may have on a picture of `width` x `height`, the best first."""
    unit = _unit(height)
    return [(min(int(w * unit), width) // 2 * 2, min(int(_HEIGHT * unit), height) // 2 * 2) for w in WIDTHS]


def draw_panel(content: Content, identity: Identity, size: tuple[int, int], height: int) -> NDArray[np.uint8]:
    """Draw the panel.

    Args:
        content: what it shows.
        identity: of the model.
        size: of the panel, from `panel_sizes`.
        height: of the picture, for the size of the letters.

    Returns:
        uint8 (size[1], size[0], 3) RGB.
    """
    image = Image.new("RGB", size, BACKGROUND)
    pen = _Pen(image, _unit(height))
    pen.draw.rectangle((0, 0, size[0] - 1, size[1] - 1), outline=EDGE, width=max(1, int(2 * pen.unit)))
    _state(pen, content)
    if content.withheld is None:
        _risk(pen, content)
    else:
        _withheld(pen, content.withheld)
    pen.line(312, EDGE)
    pen.text(322, 17, f"{identity.model}  ·  {identity.precision}", DIM)
    pen.text(344, 17, f"bundle {identity.bundle}", DIM)
    pen.text(368, 17, "RESEARCH USE ONLY", TEXT)
    return np.asarray(image)


class _Pen:
    """Draws in units of 1/1080 of the picture's height, between the panel's margins."""

    def __init__(self, image: Image.Image, unit: float):
        self.image = image
        self.draw = ImageDraw.Draw(image)
        self.unit = unit
        self.left = 18 * unit
        self.right = image.width - 18 * unit

    def text(
        self,
        top: float,
        size: float,
        text: str,
        colour: Colour,
        *,
        indent: float = 0.0,
        right: bool = False,
        bold: bool = False,
    ) -> None:
        """One line, its letters shrunk as far as needed to stay between the margins."""
        left = self.left + indent * self.unit
        mask, length = _letters(text, round(size * self.unit, 1), round(self.right - left, 1), bold)
        x = self.right - length if right else left
        self.image.paste(colour, (round(x) - _BLEED, round(top * self.unit) - _BLEED), mask)

    def wrap(self, text: str, size: float) -> list[str]:
        """Lines of whole words that fit between the margins."""
        columns = (self.right - self.left) / _font(size * self.unit).getlength("n")
        return textwrap.wrap(text, max(8, int(columns)))

    def line(self, top: float, colour: Colour) -> None:
        """A horizontal rule between the margins."""
        y = round(top * self.unit)
        self.draw.line((self.left, y, self.right, y), fill=colour)

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """A filled rectangle; left and right are pixels, top and bottom units."""
        self.draw.rectangle((left, top * self.unit, right, bottom * self.unit), fill=colour)


@lru_cache(maxsize=256)
def _letters(text: str, size: float, room: float, bold: bool) -> tuple[Image.Image, float]:
    """Coverage of a line of text, grey, with `_BLEED` pixels around it, and its length in pixels.

    Kept, because drawing letters is what a panel costs, and most lines stay as they are.
    """
    font = _font(size)
    length = font.getlength(text)
    if length > room:
        font = _font(size * room / length)
        length = font.getlength(text)
    weight = 0.022 * size if bold else 0.0
    mask = Image.new("L", (int(length) + 2 * _BLEED + 1, int(1.3 * size) + 2 * _BLEED + 1))
    draw = ImageDraw.Draw(mask)
    draw.text((_BLEED, _BLEED), text, fill=255, font=font, anchor="la", stroke_width=weight)
    return mask, length


@lru_cache(maxsize=64)
def _font(size: float) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(max(_LEAST_LETTERS, round(size, 1)))
    assert isinstance(font, ImageFont.FreeTypeFont)  # Pillow's wheels bring FreeType and the font
    return font


def _unit(height: int) -> float:
    return max(height / 1080.0, _LEAST_UNIT)


def _state(pen: _Pen, content: Content) -> None:
    """The state light with its word; a square where it is not live, so that the shape tells too."""
    unit = pen.unit
    light = (pen.left, 20 * unit, pen.left + 20 * unit, 40 * unit)
    if content.state in (State.LIVE, State.STILL):
        pen.draw.ellipse(light, fill=GOOD)
    else:
        pen.draw.rectangle(light, fill=ABOVE)
    pen.text(18, 25, content.state.value.upper(), TEXT, indent=30, bold=True)
    pen.text(23, 18, f"{content.rate} fps", DIM, right=True)


def _risk(pen: _Pen, content: Content) -> None:
    colour = ABOVE if content.above else BELOW
    pen.text(58, 17, "RISK", DIM)
    pen.text(58, 17, f"age {content.age_ms} ms", DIM, right=True)
    pen.text(70, 92, f"{content.risk} %", TEXT, bold=True)
    _bar(pen, content, content.point.threshold, colour)
    pen.text(210, 19, f"{content.low} to {content.high} %  ·  {content.n} frames", TEXT)
    unit = pen.unit
    tip, base = (246, 264) if content.above else (264, 246)
    triangle = [
        (pen.left, base * unit),
        (pen.left + 20 * unit, base * unit),
        (pen.left + 10 * unit, tip * unit),
    ]
    pen.draw.polygon(triangle, fill=colour)
    word = "above" if content.above else "below"
    pen.text(242, 24, f"{word} threshold", colour, indent=30, bold=True)
    pen.text(278, 17, f"{content.point.name}, {100 * content.point.threshold:.0f} %", DIM)


def _bar(pen: _Pen, content: Content, threshold: float, colour: Colour) -> None:
    """From 0 to 100 %: the interval in colour, the risk as a white stroke, the threshold as a notch."""

    def at(fraction: float) -> float:
        return pen.left + fraction * (pen.right - pen.left)

    unit = pen.unit
    pen.box(pen.left, 184, pen.right, 198, TRACK)
    pen.box(at(content.low / 100), 184, max(at(content.high / 100), at(content.low / 100) + 2), 198, colour)
    stroke = max(1.0, 2 * unit)
    pen.box(at(content.risk / 100) - stroke, 181, at(content.risk / 100) + stroke, 201, TEXT)
    x = at(threshold)
    pen.draw.polygon([(x - 6 * unit, 174 * unit), (x + 6 * unit, 174 * unit), (x, 183 * unit)], fill=TEXT)
    pen.box(x - stroke / 2, 182, x + stroke / 2, 200, TEXT)


def _withheld(pen: _Pen, reason: str) -> None:
    pen.text(58, 17, "RISK", DIM)
    pen.text(76, 60, "withheld", DIM)
    for row, line in enumerate(pen.wrap(reason, 23)[:5]):
        pen.text(158 + 28 * row, 23, line, TEXT)
