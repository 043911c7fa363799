"""Draws the panel and the region's corners into a frame, in place and in the frame's own format."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.blit import (
    Colour,
    Encoding,
    Patch,
    Sprite,
    encoding_of,
    fill,
    lift,
    make_colour,
    make_sprite,
    paste,
)
from edge.contract.frame import Frame
from edge.contract.roi import Roi
from edge.exam.evidence import RiskEstimate
from edge.exam.reading import Identity, Reading
from edge.outputs.heat import Heat
from edge.outputs.panel import Content, content_of, draw_panel, panel_sizes, require_font
from edge.outputs.place import find_place
from edge.outputs.trend import Trend

REFRESH_NS = 250_000_000
"""Figures change at most this often, so that they can be read. A change of state is drawn at once."""


CORNER: Colour = (160, 160, 160)
"""No colour at all: encoders then find colour in the panel alone and convert no more than that."""


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
        self._rendered_ns = 0
        self._placed_for: tuple[object, ...] | None = None
        self._place = Roi(0, 0, 2, 2)
        self._panel: Sprite | None = None
        self._line: Sprite | None = None

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
            sizes = panel_sizes(frame.width, frame.height, features=choices.features)
            if choices.place is None:
                _, self._place = find_place(sizes, frame.bounds, anatomy, lit)
            else:
                self._place = _moved(sizes[0], choices.place, frame.bounds)
            self._line = make_colour(CORNER, encoding)
            self._placed_for, self._panel = wanted, None
        self._refresh(
            content_of(reading, self._trend_of(reading)), reading.captured_ns, frame.height, encoding
        )
        assert self._panel is not None
        assert self._line is not None
        strokes = [] if reading.region is None else corners(reading.region, frame.height)
        covered = _squares(strokes)
        lesion = reading.findings.lesion
        if lesion is not None and lesion != reading.region:
            box = outline(lesion, frame.height)
            strokes, covered = strokes + box, covered + box
        heat = reading.heat if choices.heatmap and isinstance(reading.shown, RiskEstimate) else None
        tinted = [] if heat is None else [_even(heat.area)]
        under = tuple(lift(frame, area) for area in (*tinted, *covered, self._place))
        if heat is not None:
            self._heat.draw(frame, heat.activation, heat.sequence, tinted[0])
        for stroke in strokes:
            fill(frame, stroke, self._line)
        paste(frame, self._panel, self._place.x, self._place.y)
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

    def _refresh(self, content: Content, now_ns: int, height: int, encoding: Encoding) -> None:
        """Render again if the content differs, at once where more than figures has changed."""
        before = self._content
        if self._panel is not None and before is not None:
            if content == before:
                return
            same = _meaning(content) == _meaning(before)
            if same and 0 <= now_ns - self._rendered_ns < REFRESH_NS:
                return
        size = (self._place.width, self._place.height)
        self._panel = make_sprite(draw_panel(content, self._identity, size, height), encoding)
        self._content, self._rendered_ns = content, now_ns


def _moved(size: tuple[int, int], place: tuple[int, int], bounds: Roi) -> Roi:
    """The panel where the operator wants it, on even pixels and wholly inside the picture."""
    width, height = size
    x, y = min(place[0], bounds.width - width), min(place[1], bounds.height - height)
    return Roi(max(0, x) & ~1, max(0, y) & ~1, width, height)


def _meaning(content: Content) -> tuple[object, ...]:
    """All but the figures."""
    return content.state, content.withheld, content.above, content.point, content.flag


def _even(area: Roi) -> Roi:
    """Shrunk to even pixels."""
    x, y = (area.x + 1) & ~1, (area.y + 1) & ~1
    return Roi(x, y, max(2, (area.right & ~1) - x), max(2, (area.bottom & ~1) - y))


def _squares(strokes: list[Roi]) -> list[Roi]:
    """One area for the two strokes of each of the corners: few copies cost less than small ones."""
    squares = []
    for number, stroke in enumerate(strokes[:4]):  # the level ones; those at the bottom are every second
        y = stroke.bottom - stroke.width if number % 2 else stroke.y
        squares.append(Roi(stroke.x, y, stroke.width, stroke.width))
    return squares


def outline(box: Roi, height: int) -> list[Roi]:
    """Four strokes on even pixels just inside `box`."""
    thick = max(2, height // 540 * 2)
    box = _even(box)
    if min(box.width, box.height) <= 2 * thick:
        return []
    level = [Roi(box.x, y, box.width, thick) for y in (box.y, box.bottom - thick)]
    tall = box.height - 2 * thick
    return level + [Roi(x, box.y + thick, thick, tall) for x in (box.x, box.right - thick)]


def corners(region: Roi, height: int) -> list[Roi]:
    """Eight strokes on even pixels that mark the corners of `region` just inside it."""
    thick = max(2, height // 540 * 2)
    left, top = (region.x + 1) & ~1, (region.y + 1) & ~1
    right, bottom = region.right & ~1, region.bottom & ~1
    length = min(max(12, height // 36), right - left, bottom - top) & ~1
    if length <= thick:
        return []
    strokes = []
    for x in (left, right - length):
        strokes += [Roi(x, y, length, thick) for y in (top, bottom - thick)]
    for y in (top, bottom - length):
        strokes += [Roi(x, y, thick, length) for x in (left, right - thick)]
    return strokes
