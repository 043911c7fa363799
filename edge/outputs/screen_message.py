"""What the loop's side and the screen's process say to each other, one JSON object a line."""

from __future__ import annotations

import msgspec

LARGEST = 8192 * 4608 * 3
"""Bytes of the shared memory: the largest picture that any source gives, in RGB."""


class Picture(msgspec.Struct, frozen=True, tag="picture"):
    """A picture lies in the shared memory, plane after plane without padding.

    Attributes:
        width, height: pixels.
        layout: a `PixelFormat`.
        full_range: 0..255, else 16..235.
        matrix: a `Matrix`.
        case: whose picture it is, see `edge.exam.desk.Choices`.
        concealed: the risk is hidden, and so none is in the picture.
        word: what a key has done, to be shown over the picture; empty for nothing.
    """

    width: int
    height: int
    layout: str
    full_range: bool
    matrix: str
    case: int
    concealed: bool
    word: str = ""


class Note(msgspec.Struct, frozen=True, tag="note"):
    """No picture comes, and why; the rest as in `Picture`."""

    text: str
    case: int
    concealed: bool
    word: str = ""


class Said(msgspec.Struct, frozen=True):
    """From the process: "taken" (the memory is free, or a note read), "shown", "key" and which, "failed"."""

    kind: str
    text: str = ""
