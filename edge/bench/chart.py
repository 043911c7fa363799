"""The axes of a small SVG chart: no library on the cart draws one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 880, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 34, 44
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6b5b95", "#444444")
"""Okabe and Ito's palette, which colour-blind readers can tell apart, and two more."""

Values = NDArray[np.float64]


@dataclass(slots=True)
class Chart:
    """Collects SVG elements; data coordinates are turned into pixels by `x` and `y`.

    Attributes:
        x_range: data at the left and right end.
        y_range: data at the bottom and top end.
    """

    title: str
    x_label: str
    y_label: str
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    parts: list[str] = field(default_factory=list)
    legend: list[tuple[str, str]] = field(default_factory=list)

    def x(self, value: float) -> float:
        """Pixel column."""
        low, high = self.x_range
        return LEFT + (value - low) / ((high - low) or 1.0) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Pixel row."""
        low, high = self.y_range
        return HEIGHT - BOTTOM - (value - low) / ((high - low) or 1.0) * (HEIGHT - TOP - BOTTOM)

    def line(self, xs: Values, ys: Values, colour: str, name: str | None = None) -> None:
        """A polyline, listed in the legend under `name`."""
        self.parts.append(
            f'<polyline points="{self._points(xs, ys)}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
        )
        if name is not None:
            self.legend.append((name, colour))

    def area(self, xs: Values, lower: Values, upper: Values, colour: str) -> None:
        """A translucent band between two curves."""
        points = f"{self._points(xs, upper)} {self._points(xs[::-1], lower[::-1])}"
        self.parts.append(f'<polygon points="{points}" fill="{colour}" fill-opacity="0.22"/>')

    def bar(self, left: float, right: float, row: float, height: float, colour: str, text: str) -> None:
        """A horizontal bar at data row `row`, `height` pixels thick, with a tooltip."""
        x, width = self.x(left), max(1.0, self.x(right) - self.x(left))
        self.parts.append(
            f'<rect x="{x:.1f}" y="{self.y(row) - height / 2:.1f}" width="{width:.1f}" '
            f'height="{height:.1f}" fill="{colour}"><title>{escape(text)}</title></rect>'
        )

    def text(self, x: float, y: float, content: str, anchor: str = "start") -> None:
        """A label at a pixel position."""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(content)}</text>')

    def svg(
        self,
        x_ticks: Sequence[float],
        y_ticks: Sequence[float],
        y_format: Callable[[float], str] = "{:g}".format,
    ) -> str:
        """The finished element; ticks are data values."""
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        frame = [f'<text x="{LEFT}" y="18" class="title">{escape(self.title)}</text>']
        for tick in x_ticks:
            x = self.x(tick)
            frame.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}" class="grid"/>')
            frame.append(f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{tick:g}</text>')
        for tick in y_ticks:
            y = self.y(tick)
            frame.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" class="grid"/>')
            frame.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{y_format(tick)}</text>')
        frame.append(f'<text x="{right}" y="{HEIGHT - 8}" text-anchor="end">{escape(self.x_label)}</text>')
        frame.append(
            f'<text x="14" y="{(TOP + bottom) / 2}" text-anchor="middle" '
            f'transform="rotate(-90 14 {(TOP + bottom) / 2})">{escape(self.y_label)}</text>'
        )
        place = LEFT  # below the axis, where it meets no title however many there are
        for name, colour in self.legend:
            frame.append(f'<rect x="{place}" y="{HEIGHT - 18}" width="12" height="12" fill="{colour}"/>')
            frame.append(f'<text x="{place + 16}" y="{HEIGHT - 8}">{escape(name)}</text>')
            place += 7 * len(name) + 32
        return (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(self.title)}">'
            f"{''.join(frame)}{''.join(self.parts)}</svg>"
        )

    def _points(self, xs: Values, ys: Values) -> str:
        return " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in zip(xs, ys, strict=True))


def ticks(low: float, high: float, count: int = 6) -> list[float]:
    """Round values between `low` and `high`, at steps of 1, 2 or 5 times a power of ten."""
    span = (high - low) or 1.0
    step = 10 ** math.floor(math.log10(span / count))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= count)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 10) for k in range(first, math.floor(high / step + 1e-9) + 1)]
