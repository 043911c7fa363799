"""The panel: everything that a glance at the screen must give, drawn as a small RGB picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from edge.blit import Colour
from edge.contract.spec import OperatingPoint
from edge.errors import UnavailableError
from edge.exam.evidence import NoEstimate, RiskEstimate
from edge.exam.reading import Identity, Reading
from edge.exam.signal import State
from edge.outputs.words import feature_words, size_words

# Okabe and Ito (2008): told apart with any colour vision; shape and words say the same again.
BACKGROUND: Colour = (14, 18, 22)
EDGE: Colour = (58, 68, 78)
TEXT: Colour = (236, 240, 243)
DIM: Colour = (150, 162, 172)
TRACK: Colour = (44, 52, 60)
ABOVE: Colour = (230, 159, 0)
BELOW: Colour = (86, 180, 233)
GOOD: Colour = (0, 190, 130)

WIDTHS = (400, 340, 290, 200)
"""Widths that the panel may have, in units of 1/1080 of the picture's height, the best first."""

_HEIGHT = 522
_FEATURES = 176  # further units for the features
_BLEED = 4  # pixels that letters may reach beyond their advance
_LEAST_LETTERS = 9.0  # pixels
_LEAST_UNIT = 0.62  # below this the small print would be under 12 pixels high
_TRENDS = {1: "rising", 0: "steady", -1: "falling"}
HEAT_LEGEND = "heat map: orange speaks for malignancy"


@dataclass(frozen=True, slots=True)
class Content:
    """What the panel shows, rounded as it is shown: two equal contents give the same picture.

    Attributes:
        withheld: why no risk is shown, or None; then the figures from `risk` to `age_ms` count.
        risk, low, high: per cent.
        trend: 1 rising, 0 steady, -1 falling.
        size: of the lesion in words.
        features: name and value of each, None where the operator has not asked for them.
        flag: a warning or a legend of two lines at most.
    """

    state: State
    withheld: str | None
    risk: int
    low: int
    high: int
    n: int
    above: bool
    trend: int
    age_ms: int
    rate: int
    point: OperatingPoint
    size: str
    features: tuple[tuple[str, str], ...] | None
    flag: str | None


def content_of(reading: Reading, trend: int = 0) -> Content:
    """The figures of `reading` as the panel rounds them."""
    estimate, choices, findings = reading.shown, reading.choices, reading.findings
    known = isinstance(estimate, RiskEstimate)
    features = None
    if choices.features:
        features = () if findings.features is None else feature_words(findings.features)
    flag = findings.contradiction if known else None  # it would give a concealed risk away
    return Content(
        state=reading.state,
        withheld=estimate.reason if isinstance(estimate, NoEstimate) else None,
        risk=round(100 * estimate.risk) if isinstance(estimate, RiskEstimate) else 0,
        low=round(100 * estimate.low) if isinstance(estimate, RiskEstimate) else 0,
        high=round(100 * estimate.high) if isinstance(estimate, RiskEstimate) else 0,
        n=estimate.n if isinstance(estimate, RiskEstimate) else 0,
        above=isinstance(estimate, RiskEstimate) and estimate.risk >= choices.point.threshold,
        trend=trend if known else 0,
        age_ms=round(reading.age_ms or 0.0) if known else 0,
        rate=round(reading.rate),
        point=choices.point,
        size=size_words(findings),
        features=features,
        flag=flag or reading.slowed or (HEAT_LEGEND if choices.heatmap and known else None),
    )


def panel_sizes(width: int, height: int, *, features: bool = False) -> list[tuple[int, int]]:
    """Sizes in even pixels that the panel may have on a picture of `width` x `height`, the best first."""
    unit = _unit(height)
    tall = int((_HEIGHT + _FEATURES * features) * unit)
    return [(min(int(w * unit), width) // 2 * 2, min(tall, height) // 2 * 2) for w in WIDTHS]


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
    pen.text(332, 23, content.size, DIM if content.size.startswith("no ") else TEXT)
    if content.flag is not None:
        colour = DIM if content.flag == HEAT_LEGEND else ABOVE
        for row, line in enumerate(pen.wrap(content.flag, 20)[:2]):
            pen.text(364 + 24 * row, 20, line, colour)
    top = 420.0
    if content.features is not None:
        pen.line(top, EDGE)
        for row, (name, value) in enumerate(content.features or (("features", "no lesion"),)):
            pen.text(top + 10 + 27 * row, 20, name, DIM)
            pen.text(top + 10 + 27 * row, 20, value, TEXT, right=True)
        top += _FEATURES
    pen.line(top, EDGE)
    pen.text(top + 10, 19, f"{identity.model}  ·  {identity.precision}", DIM)
    pen.text(top + 34, 19, f"bundle {identity.bundle}", DIM)
    pen.text(top + 60, 20, "RESEARCH USE ONLY", TEXT)
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
        """Lines of whole words that fit between the margins; a longer word has a line of its own."""
        font, lines = _font(size * self.unit), [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            if lines[-1] and font.getlength(longer) > self.right - self.left:
                lines.append(word)
            else:
                lines[-1] = longer
        return lines

    @property
    def wide(self) -> bool:
        """There is room for more than the figures."""
        return self.right - self.left > 280 * self.unit

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
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise UnavailableError(
            "the overlay's font is missing: this Pillow was built without FreeType. "
            "Run: pip install --force-reinstall pillow"
        )
    return font


def require_font() -> None:
    """Know before the first picture that there are letters to draw with.

    Raises:
        UnavailableError: there are none.
    """
    _font(20.0)


def _unit(height: int) -> float:
    return max(height / 1080.0, _LEAST_UNIT)


def _state(pen: _Pen, content: Content) -> None:
    """The state light with its word; a square where it is not live, so that the shape tells too."""
    unit = pen.unit
    light = (pen.left, 22 * unit, pen.left + 22 * unit, 44 * unit)
    if content.state in (State.LIVE, State.STILL):
        pen.draw.ellipse(light, fill=GOOD)
    else:
        pen.draw.rectangle(light, fill=ABOVE)
    pen.text(16, 30, content.state.value.upper(), TEXT, indent=34, bold=True)
    if content.state is State.LIVE:  # longer words need the room
        pen.text(23, 20, f"{content.rate} fps", DIM, right=True)


def _risk(pen: _Pen, content: Content) -> None:
    colour = ABOVE if content.above else BELOW
    pen.text(60, 20, f"RISK, {_TRENDS[content.trend]}" if pen.wide else "RISK", DIM)
    pen.text(60, 20, f"age {content.age_ms} ms", DIM, right=True)
    pen.text(74, 98, f"{content.risk} %", TEXT, bold=True)
    _arrow(pen, content.trend)
    _bar(pen, content, content.point.threshold, colour)
    pen.text(226, 23, f"{content.low} to {content.high} %  ·  {_counted(content.n)}", TEXT)
    unit = pen.unit
    tip, base = (266, 288) if content.above else (288, 266)
    triangle = [
        (pen.left, base * unit),
        (pen.left + 24 * unit, base * unit),
        (pen.left + 12 * unit, tip * unit),
    ]
    pen.draw.polygon(triangle, fill=colour)
    word = ("above" if content.above else "below") + (" threshold" if pen.wide else "")
    pen.text(260, 29, word, colour, indent=36, bold=True)
    pen.text(302, 20, f"{content.point.name}, {100 * content.point.threshold:.0f} %", DIM)


def _counted(frames: int) -> str:
    return f"{frames} frame" if frames == 1 else f"{frames} frames"


def _arrow(pen: _Pen, trend: int) -> None:
    """Up, level or down, at the right of the figure; the word above says the same."""
    unit, right, middle = pen.unit, pen.right, 128 * pen.unit
    left = right - 40 * unit
    if not pen.wide:
        return  # a narrow panel keeps its room for the figure
    if trend == 0:
        pen.draw.rectangle((left, middle - 4 * unit, right, middle + 4 * unit), fill=DIM)
    else:
        reach = 20 * unit * trend
        points = [(left, middle + reach), (right, middle + reach), ((left + right) / 2, middle - reach)]
        pen.draw.polygon(points, fill=TEXT)


def _bar(pen: _Pen, content: Content, threshold: float, colour: Colour) -> None:
    """From 0 to 100 %: the interval in colour, the risk as a white stroke, the threshold as a notch."""

    def at(fraction: float) -> float:
        return pen.left + fraction * (pen.right - pen.left)

    unit = pen.unit
    pen.box(pen.left, 197, pen.right, 213, TRACK)
    pen.box(at(content.low / 100), 197, max(at(content.high / 100), at(content.low / 100) + 2), 213, colour)
    stroke = max(1.0, 2 * unit)
    pen.box(at(content.risk / 100) - stroke, 193, at(content.risk / 100) + stroke, 217, TEXT)
    x = at(threshold)
    pen.draw.polygon([(x - 7 * unit, 184 * unit), (x + 7 * unit, 184 * unit), (x, 195 * unit)], fill=TEXT)
    pen.box(x - stroke / 2, 194, x + stroke / 2, 215, TEXT)


def _withheld(pen: _Pen, reason: str) -> None:
    pen.text(60, 20, "RISK", DIM)
    pen.text(80, 64, "withheld", DIM)
    for row, line in enumerate(pen.wrap(reason, 27)[:5]):
        pen.text(166 + 32 * row, 27, line, TEXT)
