"""A rectangle in a picture."""

from __future__ import annotations

from dataclasses import dataclass

from edge.errors import DataError, UsageError


@dataclass(frozen=True, slots=True)
class Roi:
    """Region of interest in whole pixels: left, top, width, height. Never empty, never left of or above 0."""

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.x < 0 or self.y < 0 or self.width < 1 or self.height < 1:
            raise DataError(
                f"region x={self.x} y={self.y} width={self.width} height={self.height} is not a rectangle: "
                "x and y must be 0 or more, width and height 1 or more"
            )

    def __str__(self) -> str:
        """As it is given on the command line."""
        return f"{self.x},{self.y},{self.width},{self.height}"

    @property
    def right(self) -> int:
        """First column right of the rectangle."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """First row below the rectangle."""
        return self.y + self.height

    def inside(self, other: Roi) -> bool:
        """True if every pixel of this rectangle is one of `other`'s."""
        return (
            self.x >= other.x
            and self.y >= other.y
            and self.right <= other.right
            and self.bottom <= other.bottom
        )

    @classmethod
    def parse(cls, text: str) -> Roi:
        """From `x,y,width,height` as given on the command line."""
        try:
            x, y, width, height = (int(part) for part in text.split(","))
        except ValueError:
            raise UsageError(f"'{text}' is not a region; expected x,y,width,height in pixels") from None
        return cls(x, y, width, height)
