"""Draws the panel and the region's corners into a frame, in place and in the frame's own format."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge.blit import (
    Colour,
    Encoding,
    Patch,
    Sprite,
    encoding_of,
    lift,
    lift_light,
    lighten,
    make_colour,
    paste,
)
from edge.contract.frame import Frame
from edge.contract.roi import Roi
from edge.exam.evidence import NoEstimate, RiskEstimate
from edge.exam.reading import Identity, Reading
from edge.outputs.content import Content, content_of
from edge.outputs.heat import Heat
from edge.outputs.panel import draw_panel, panel_sizes
from edge.outputs.pen import require_font
from edge.outputs.place import find_place
from edge.outputs.trend import Trend

REFRESH_NS = 250_000_000
"""Figures change at most this often, so that they can be read. A change of state is drawn at once."""


CORNER: Colour = (160, 160, 160)
"""No colour at all: only the brightness is drawn, and encoders find colour in the panel alone."""


class Overlay:
    """Keeps the rendered panel until what it shows changes."""

    def __init__(self, identity: Identity):
        """`identity` is drawn on every panel.

        Raises:
            UnavailableError: there is no font to draw with.
        """
        require_font()
        self._identity = identity
        self._trend = Trend()
        self._heat = Heat()
        self._content: Content | None = None
        self._meaning: tuple[object, ...] | None = None
        self._looked_ns = 0
        self._placed_for: tuple[object, ...] | None = None
        self._place = Roi(0, 0, 2, 2)
        self._panel: Sprite | None = None
        self._grey = 0  # of the strokes, in the frame's own range

    def draw(self, frame: Frame, reading: Reading, lit: NDArray[np.uint8]) -> tuple[Patch, ...]:
        """Write panel and corners over `frame`'s own pixels.

        Args:
            frame: whose planes may be written to.
            reading: of this frame.
            lit: uint8 small picture of the screen, read only when the panel has to be placed.

        Returns:
            What was covered, copied, in the order of drawing.
        """
        encoding = encoding_of(frame)
        anatomy = reading.field or reading.region
        choices = reading.choices
        wanted = (frame.bounds, anatomy, encoding, choices.place, choices.features)
        if wanted != self._placed_for:
            sizes = panel_sizes(frame.width, frame.height, self._identity, features=choices.features)
            if choices.place is None:
                _, self._place = find_place(sizes, frame.bounds, anatomy, lit)
            else:  # it is moved as it is
                size = (self._place.width, self._place.height)
                self._place = _moved(size if size in sizes else sizes[0], choices.place, frame.bounds)
            self._grey = int(make_colour(CORNER, encoding).planes[0].flat[0])
            self._placed_for, self._panel = wanted, None
        panel = self._refresh(reading, frame.height, encoding)
        strokes: tuple[Roi, ...] = ()
        covered: tuple[Roi, ...] = ()
        if reading.region is not None:
            strokes = corners(reading.region, frame.bounds)
            covered = _squares(strokes)
        lesion = reading.findings.lesion
        if lesion is not None and lesion != reading.region:
            box = outline(lesion, frame.height)
            strokes, covered = strokes + box, covered + box
        heat = reading.heat if choices.heatmap and isinstance(reading.shown, RiskEstimate) else None
        tinted = [] if heat is None else [_even(heat.area)]
        under = (
            *[lift(frame, area) for area in tinted],
            *[lift_light(frame, area) for area in covered],
            lift(frame, self._place),
        )
        if heat is not None:
            self._heat.draw(frame, heat, tinted[0])
        for stroke in strokes:
            lighten(frame, stroke, self._grey)
        paste(frame, panel, self._place.x, self._place.y)
        return under

    def _trend_of(self, reading: Reading) -> int:
        shown = reading.shown
        if isinstance(shown, RiskEstimate):
            return self._trend.look(shown.captured_ns, shown.risk)
        self._trend.forget()
        return 0

    @property
    def place(self) -> Roi:
        """Of the panel, in pixels of the last picture."""
        return self._place

    def _refresh(self, reading: Reading, height: int, encoding: Encoding) -> Sprite:
        """The panel, rendered again if it shows something else: at once where more than figures differ."""
        trend, meaning, now_ns = self._trend_of(reading), _meaning(reading), reading.captured_ns
        early = meaning == self._meaning and 0 <= now_ns - self._looked_ns < REFRESH_NS
        if self._panel is not None and early:
            return self._panel
        content = content_of(reading, trend)
        self._meaning, self._looked_ns = meaning, now_ns
        if self._panel is None or content != self._content:
            size = (self._place.width, self._place.height)
            self._panel = draw_panel(content, self._identity, size, height, encoding)
            self._content = content
        return self._panel


def _moved(size: tuple[int, int], place: tuple[int, int], bounds: Roi) -> Roi:
    """The panel where the operator wants it, on even pixels and wholly inside the picture."""
    width, height = size
    x, y = min(place[0], bounds.width - width), min(place[1], bounds.height - height)
    return Roi(max(0, x) & ~1, max(0, y) & ~1, width, height)


def _meaning(reading: Reading) -> tuple[object, ...]:
    """All that the panel shows but the figures."""
    shown, choices = reading.shown, reading.choices
    said = shown.reason if isinstance(shown, NoEstimate) else shown.risk >= choices.point.threshold
    flags = reading.findings.contradiction, reading.slowed, choices.heatmap
    return reading.state, said, choices.point, flags


def _even(area: Roi) -> Roi:
    """Shrunk to even pixels."""
    x, y = (area.x + 1) & ~1, (area.y + 1) & ~1
    return Roi(x, y, max(2, (area.right & ~1) - x), max(2, (area.bottom & ~1) - y))


@lru_cache(maxsize=8)
def _squares(strokes: tuple[Roi, ...]) -> tuple[Roi, ...]:
    """One area for the two strokes of each of the corners: few copies cost less than small ones."""
    squares = []
    for number, stroke in enumerate(strokes[:4]):  # the level ones; those at the bottom are every second
        y = stroke.bottom - stroke.width if number % 2 else stroke.y
        squares.append(Roi(stroke.x, y, stroke.width, stroke.width))
    return tuple(squares)


@lru_cache(maxsize=8)
def outline(box: Roi, height: int) -> tuple[Roi, ...]:
    """Four strokes on even pixels just inside `box`."""
    thick = max(2, height // 540 * 2)
    box = _even(box)
    if min(box.width, box.height) <= 2 * thick:
        return ()
    level = [Roi(box.x, y, box.width, thick) for y in (box.y, box.bottom - thick)]
    tall = box.height - 2 * thick
    return (*level, *(Roi(x, box.y + thick, thick, tall) for x in (box.x, box.right - thick)))


@lru_cache(maxsize=8)
def corners(region: Roi, bounds: Roi) -> tuple[Roi, ...]:
    """Eight strokes on even pixels that mark the corners of `region`: around it, as far as `bounds` allow."""
    thick = max(2, bounds.height // 540 * 2)
    left, top = (max(region.x - thick, 0) + 1) & ~1, (max(region.y - thick, 0) + 1) & ~1
    right, bottom = (
        min(region.right + thick, bounds.right) & ~1,
        min(region.bottom + thick, bounds.bottom) & ~1,
    )
    length = min(max(12, bounds.height // 36), right - left, bottom - top) & ~1
    if length <= thick:
        return ()
    strokes = []
    for x in (left, right - length):
        strokes += [Roi(x, y, length, thick) for y in (top, bottom - thick)]
    for y in (top, bottom - length):
        strokes += [Roi(x, y, thick, length) for x in (left, right - thick)]
    return tuple(strokes)
