"""The panel: everything that a glance at the screen must give, in strips that are drawn when they change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from PIL import Image

from edge.blit import Encoding, Sprite, make_sprite, stacked
from edge.contract.spec import OperatingPoint
from edge.exam.reading import Identity
from edge.exam.signal import State
from edge.outputs.content import HEAT_LEGEND, Content
from edge.outputs.palette import ABOVE, BACKGROUND, BELOW, DIM, EDGE, GOOD, TEXT, TRACK
from edge.outputs.pen import Pen

WIDTHS = (400, 340, 290, 230)
"""Widths that the panel may have, in units of 1/1080 of the picture's height, the best first."""

_FOOT = 420  # units above who speaks, and above the features
_FEATURES = 176  # further units for the features
_LINE = 21  # units for each line of who speaks
_LAST = 39  # units for RESEARCH USE ONLY and the space around it
_COMPACT = 294  # units of the panel that has room for the figures alone
_LEAST_UNIT = 0.62  # below this small print would be under 11 pixels high
_TRENDS = {1: "rising", 0: "steady", -1: "falling"}


def panel_sizes(
    width: int, height: int, identity: Identity, *, features: bool = False
) -> list[tuple[int, int]]:
    """Sizes in even pixels that the panel may have on a picture of `width` x `height`, the best first.

    None but the narrowest is wider than half of the picture. Features go where there is no room for them, and
    a picture that has no room for the panel without them gets a compact one.
    """
    unit = _unit(height)
    talls = (_tall(identity, unit, features=shown) for shown in (features, False))
    tall = next((tall for tall in talls if tall <= height), None)
    narrow = min(int(WIDTHS[-1] * unit), width) // 2 * 2
    if tall is None:
        return [(narrow, min(int(_COMPACT * unit), height) // 2 * 2)]
    wide = [int(w * unit) // 2 * 2 for w in WIDTHS if 2 * w * unit <= width] or [narrow]
    return [(w, tall) for w in wide]


@dataclass(frozen=True, slots=True)
class Strip:
    """A part of the panel from one side to the other.

    Attributes:
        top: units; it ends where the next one begins.
        draw: draws it.
        shows: all that it shows: what `draw` takes after the pen.
    """

    top: float
    draw: Callable[..., None]
    shows: tuple[object, ...]


def draw_panel(
    content: Content, identity: Identity, size: tuple[int, int], height: int, encoding: Encoding
) -> Sprite:
    """Draw the panel.

    Args:
        content: what it shows.
        identity: of the model.
        size: of the panel, from `panel_sizes`.
        height: of the picture, for the size of the letters.
        encoding: of the frames that it is drawn into.
    """
    unit = _unit(height)
    if size[1] < _tall(identity, unit, features=False):
        strips = _compact(content)
    else:
        roomy = size[1] >= _tall(identity, unit, features=True)
        strips = _strips(content if roomy else replace(content, features=None), identity)
    tops = [min(round(strip.top * unit) & ~1, size[1]) for strip in strips] + [size[1]]
    return stacked(
        [
            _drawn(strip.draw, strip.shows, size, (top, bottom), unit, encoding)
            for strip, top, bottom in zip(strips, tops, tops[1:], strict=False)
            if bottom > top
        ]
    )


@lru_cache(maxsize=128)
def _drawn(
    draw: Callable[..., None],
    shows: tuple[object, ...],
    size: tuple[int, int],
    rows: tuple[int, int],
    unit: float,
    encoding: Encoding,
) -> Sprite:
    """One strip, kept: most of them stay as they are from one figure to the next."""
    top, bottom = rows
    image = Image.new("RGB", (size[0], bottom - top), BACKGROUND)
    pen = Pen(image, unit, top)
    pen.edge(size[1], EDGE)
    draw(pen, *shows)
    return make_sprite(np.asarray(image), encoding)


def _strips(content: Content, identity: Identity) -> list[Strip]:
    point, above = content.point, content.above
    if content.withheld is None:
        middle = [
            Strip(58, _head, (content.trend, content.age_ms)),
            Strip(88, _figure, (content.risk, content.trend)),
            Strip(182, _bar, (content.low, content.high, content.risk, point.threshold, above)),
            Strip(222, _interval, (content.low, content.high, content.n)),
            Strip(256, _category, (above, point)),
        ]
    else:
        middle = [Strip(58, _withheld, (content.withheld,))]
    features = [] if content.features is None else [Strip(_FOOT, _features, (content.features,))]
    foot = _FOOT + _FEATURES * len(features)
    return [
        Strip(0, _state, (content.state, content.rate)),
        *middle,
        Strip(330, _size, (content.size,)),
        Strip(362, _flag, (content.flag, 364, _FOOT)),
        *features,
        Strip(foot, _identity, (_speaks(identity), foot)),
    ]


def _compact(content: Content) -> list[Strip]:
    """The figures and what they are for, where there is room for nothing else."""
    point, above = content.point, content.above
    if content.withheld is None:
        middle = [
            Strip(44, _number, (content.risk, above)),
            Strip(118, _bar, (content.low, content.high, content.risk, point.threshold, above, 122)),
            Strip(154, _few, (content.low, content.high, content.age_ms, above, point)),
        ]
    else:
        middle = [Strip(44, _why, (content.withheld,))]
    return [
        Strip(0, _state, (content.state, None, 8)),
        *middle,
        Strip(202, _flag, (content.flag, 204, 248)),
        Strip(248, _research, (254,)),
    ]


def _speaks(identity: Identity) -> tuple[str, ...]:
    """Who speaks: a line each, so that not even the narrowest panel cuts off a verdict on the precision."""
    # Of the passport's digits the first; the page tells all.
    passport = () if identity.passport is None else (f"passport {identity.passport[:8]}",)
    precision, gate, verdict = identity.precision.partition(" (")
    return (
        identity.model,
        precision,
        *([f"({verdict}"] if gate else []),
        f"bundle {identity.bundle}",
        *passport,
    )


def _tall(identity: Identity, unit: float, *, features: bool) -> int:
    """Height of the whole panel in even pixels."""
    units = _FOOT + _FEATURES * features + _LINE * len(_speaks(identity)) + _LAST
    return int(units * unit) // 2 * 2


def _unit(height: int) -> float:
    return max(height / 1080.0, _LEAST_UNIT)


def _state(pen: Pen, state: State, rate: int | None, top: int = 16) -> None:
    """The state light with its word; a square where it is not live, so that the shape tells too."""
    right = pen.left + 22 * pen.unit
    if state in (State.LIVE, State.STILL):
        pen.disc(pen.left, top + 6, right, top + 28, GOOD)
    else:
        pen.box(pen.left, top + 6, right, top + 28, ABOVE)
    pen.text(top, 30, state.value.upper(), TEXT, indent=34, bold=True)
    if state is State.LIVE and rate is not None:  # longer words need the room
        pen.text(23, 20, f"{rate} fps", DIM, right=True)


def _head(pen: Pen, trend: int, age_ms: int) -> None:
    pen.text(60, 20, f"RISK, {_TRENDS[trend]}" if pen.wide else "RISK", DIM)
    pen.text(60, 20, f"age {age_ms} ms", DIM, right=True)


def _figure(pen: Pen, risk: int, trend: int) -> None:
    """The risk, and an arrow up, level or down at its right; the word above says the same."""
    pen.text(74, 98, f"{risk} %", TEXT, bold=True)
    if not pen.wide:
        return  # a narrow panel keeps its room for the figure
    right, left = pen.right, pen.right - 40 * pen.unit
    if trend == 0:
        pen.box(left, 124, right, 132, DIM)
    else:
        base, tip = 128 + 20 * trend, 128 - 20 * trend
        pen.shape([(left, base), (right, base), ((left + right) / 2, tip)], TEXT)


def _bar(pen: Pen, low: int, high: int, risk: int, threshold: float, above: bool, top: float = 184) -> None:
    """From 0 to 100 %: the interval in colour, the risk as a white stroke, the threshold as a notch."""

    def at(fraction: float) -> float:
        return pen.left + fraction * (pen.right - pen.left)

    pen.box(pen.left, top + 13, pen.right, top + 29, TRACK)
    end = max(at(high / 100), at(low / 100) + 2)
    pen.box(at(low / 100), top + 13, end, top + 29, ABOVE if above else BELOW)
    stroke, x = max(1.0, 2 * pen.unit), at(threshold)
    pen.box(at(risk / 100) - stroke, top + 9, at(risk / 100) + stroke, top + 33, TEXT)
    pen.shape([(x - 7 * pen.unit, top), (x + 7 * pen.unit, top), (x, top + 11)], TEXT)
    pen.box(x - stroke / 2, top + 10, x + stroke / 2, top + 31, TEXT)


def _interval(pen: Pen, low: int, high: int, n: int) -> None:
    frames = f"{n} frame" if n == 1 else f"{n} frames"
    pen.text(226, 23, f"{low} to {high} %  ·  {frames}", TEXT)


def _category(pen: Pen, above: bool, point: OperatingPoint) -> None:
    """In colour, shape and word; below it the operating point."""
    colour = ABOVE if above else BELOW
    tip, base = (266, 288) if above else (288, 266)
    width = 24 * pen.unit
    pen.shape([(pen.left, base), (pen.left + width, base), (pen.left + width / 2, tip)], colour)
    word = ("above" if above else "below") + (" threshold" if pen.wide else "")
    pen.text(260, 29, word, colour, indent=36, bold=True)
    pen.text(302, 20, f"{point.name}, {100 * point.threshold:.0f} %", DIM)


def _withheld(pen: Pen, reason: str) -> None:
    pen.text(60, 20, "RISK", DIM)
    pen.text(80, 64, "withheld", DIM)
    pen.paragraph(166, 328, (27, 22, 18), reason, TEXT)


def _number(pen: Pen, risk: int, above: bool) -> None:
    """The risk, with a triangle for above or below."""
    pen.text(40, 72, f"{risk} %", TEXT, bold=True)
    tip, base = (62, 100) if above else (100, 62)
    left, right = pen.right - 36 * pen.unit, pen.right
    pen.shape([(left, base), (right, base), ((left + right) / 2, tip)], ABOVE if above else BELOW)


def _few(pen: Pen, low: int, high: int, age_ms: int, above: bool, point: OperatingPoint) -> None:
    pen.pair(155, 20, f"{low} to {high} %", f"age {age_ms} ms", (TEXT, DIM))
    side = "above" if above else "below"
    pen.text(178, 20, f"{side} {100 * point.threshold:.0f} %", ABOVE if above else BELOW, bold=True)


def _why(pen: Pen, reason: str) -> None:
    pen.text(46, 26, "risk withheld", DIM)
    pen.paragraph(78, 202, (20, 18), reason, TEXT)


def _research(pen: Pen, top: float) -> None:
    pen.text(top, 20, "RESEARCH USE ONLY", TEXT)


def _size(pen: Pen, size: str) -> None:
    pen.text(332, 23, size, DIM if size.startswith("no ") else TEXT)


def _flag(pen: Pen, flag: str | None, top: float, bottom: float) -> None:
    pen.paragraph(top, bottom, (20, 18), flag or "", DIM if flag == HEAT_LEGEND else ABOVE)


def _features(pen: Pen, features: tuple[tuple[str, str], ...]) -> None:
    pen.line(_FOOT, EDGE)
    for row, (name, value) in enumerate(features or (("features", "no lesion"),)):
        pen.pair(_FOOT + 10 + 27 * row, 20, name, value, (DIM, TEXT))


def _identity(pen: Pen, lines: tuple[str, ...], top: float) -> None:
    """Who speaks, and that it is no medical device."""
    pen.line(top, EDGE)
    for row, line in enumerate(lines):
        pen.text(top + 5 + _LINE * row, _LINE - 2, line, DIM)
    _research(pen, top + 6 + _LINE * len(lines))
