"""Draws letters and shapes on a panel, in units that follow the picture's height."""

from __future__ import annotations

from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from edge.blit import Colour
from edge.errors import UnavailableError

_BLEED = 4  # pixels that letters may reach beyond their advance
_LEAST_LETTERS = 11.0  # pixels
_SHRUNK = 0.85  # of their size may a name and its value become to stay together


class Pen:
    """Draws a strip of the panel; heights are in units of 1/1080 of the picture's, from the panel's top."""

    def __init__(self, image: Image.Image, unit: float, top: int):
        """Draw into `image`, whose first row is the panel's row `top`."""
        self.unit = unit
        self.left = 18 * unit
        self.right = image.width - 18 * unit
        self._image = image
        self._draw = ImageDraw.Draw(image)
        self._top = top

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
        """One line, its letters shrunk to stay between the margins, and cut where too small."""
        left = self.left + indent * self.unit
        mask, length = _letters(text, round(size * self.unit, 1), round(self.right - left, 1), bold)
        x = self.right - length if right else left
        self._paste(mask, x, top, colour)

    def pair(self, top: float, size: float, name: str, value: str, colours: tuple[Colour, Colour]) -> None:
        """A name and its value on one line; both shrink together, and then the name is left out or cut.

        It is left out where the value says more than a number: "hypoechoic 12 %".
        """
        pixels, room = size * self.unit, self.right - self.left - 8 * self.unit
        wanted = _font(pixels).getlength(name) + _font(pixels).getlength(value)
        if wanted * _SHRUNK > room and value[0].isalpha():
            self.text(top, size, value, colours[1])
            return
        pixels = round(max(_LEAST_LETTERS, pixels * min(1.0, room / wanted)), 1)
        mask, length = _letters(value, pixels, round(room, 1), bold=False)
        self._paste(mask, self.right - length, top, colours[1])
        mask, _ = _letters(name, pixels, round(room - length, 1), bold=False)
        self._paste(mask, self.left, top, colours[0])

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

    def paragraph(
        self, top: float, bottom: float, sizes: tuple[float, ...], text: str, colour: Colour
    ) -> None:
        """Lines from `top` on, of the first size in which all of them end above `bottom`, or of the last."""
        for size in sizes:
            lines, step = self.wrap(text, size), 1.19 * size
            rows = int((bottom - top) / step)
            if len(lines) <= rows:
                break
        for row, line in enumerate(lines[:rows]):
            self.text(top + step * row, size, line, colour)

    @property
    def wide(self) -> bool:
        """There is room for more than the figures."""
        return self.right - self.left > 280 * self.unit

    def line(self, top: float, colour: Colour) -> None:
        """A horizontal rule between the margins."""
        y = round(top * self.unit) - self._top
        self._draw.line((self.left, y, self.right, y), fill=colour)

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """A filled rectangle; left and right are pixels, top and bottom units."""
        self._draw.rectangle((left, self._y(top), right, self._y(bottom)), fill=colour)

    def disc(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """A filled ellipse, given as a box."""
        self._draw.ellipse((left, self._y(top), right, self._y(bottom)), fill=colour)

    def shape(self, points: list[tuple[float, float]], colour: Colour) -> None:
        """A filled polygon of points (x in pixels, y in units)."""
        self._draw.polygon([(x, self._y(y)) for x, y in points], fill=colour)

    def edge(self, height: int, colour: Colour) -> None:
        """This strip's part of the line around a panel of `height` pixels."""
        around = (0, -self._top, self._image.width - 1, height - 1 - self._top)
        self._draw.rectangle(around, outline=colour, width=max(1, int(2 * self.unit)))

    def _paste(self, mask: Image.Image, x: float, top: float, colour: Colour) -> None:
        self._image.paste(colour, (round(x) - _BLEED, round(top * self.unit) - _BLEED - self._top), mask)

    def _y(self, units: float) -> float:
        return units * self.unit - self._top


@lru_cache(maxsize=256)
def _letters(text: str, size: float, room: float, bold: bool) -> tuple[Image.Image, float]:
    """Coverage of a line of text, grey, with `_BLEED` pixels around it, and its length in pixels.

    Kept, because drawing letters is what a panel costs, and most lines stay as they are.
    """
    font = _font(size)
    length = font.getlength(text)
    while length > room and font.size > _LEAST_LETTERS:  # hinted letters do not shrink in proportion
        size = min(size * room / length, size - 0.1)
        font = _font(size)
        length = font.getlength(text)
    while length > room and len(text) > 1:
        text = text.rstrip("…")[:-1] + "…"
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
