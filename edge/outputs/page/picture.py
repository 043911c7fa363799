"""A picture as viewers get it, and one that is kept for them to step back to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from edge.outputs.log import Record


class View(Enum):
    """What a viewer looks at; of the last two, which are for keeping, all but field and panel is black."""

    ANNOTATED = "annotated"
    CLEAN = "clean"
    KEPT_ANNOTATED = "kept annotated"
    KEPT_CLEAN = "kept clean"

    @property
    def kept(self) -> View:
        """The same for keeping."""
        return View.KEPT_CLEAN if self in (View.CLEAN, View.KEPT_CLEAN) else View.KEPT_ANNOTATED


@dataclass(frozen=True, slots=True)
class Picture:
    """One encoded picture with its status, the same bytes for every viewer.

    `message` is the status's length in four bytes, most significant first, the status as JSON, and the JPEG,
    which is empty where nothing of the picture may be kept. `case` is whose it is.
    """

    number: int
    message: bytes
    jpeg_at: int
    case: int

    @property
    def jpeg(self) -> memoryview:
        """The picture alone."""
        return memoryview(self.message)[self.jpeg_at :]


@dataclass(frozen=True, slots=True)
class Past:
    """A picture kept for stepping back: without overlay, and its record apart."""

    number: int
    record: Record
    jpeg: bytes
