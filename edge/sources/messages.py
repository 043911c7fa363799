"""What a decoding process says to the cart. JSON, and checked: the process may have been taken over."""

from __future__ import annotations

import os
from typing import Annotated

import msgspec
from msgspec import Meta

from edge.contract.frame import Matrix, PixelFormat

MAX_PIXELS = 8192 * 4608
"""Largest picture that is decoded. A file may declare any size, and its buffers would be allocated."""

SLOTS = 8
SLOT_BYTES = 3 * MAX_PIXELS
"""Of shared memory, one picture; only what is written to takes up memory."""

MESSAGE_BYTES = 4096
Count = Annotated[int, Meta(ge=0, lt=1 << 62)]
Side = Annotated[int, Meta(ge=0, le=1 << 16)]


class Message(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Any of those below."""


class Ready(Message, frozen=True):
    """The process has started; what takes time from here on is the source."""


class Opened(Message, frozen=True):
    """The source's `SourceInfo`; said again where it changes."""

    name: str
    width: Side
    height: Side
    rate: float
    field: tuple[Side, Side, Side, Side] | None = None  # x, y, width, height


class Picture(Message, frozen=True):
    """A frame whose planes lie one after the other in a slot of the shared memory."""

    slot: Annotated[int, Meta(ge=0, lt=SLOTS)]
    format: PixelFormat
    shapes: tuple[tuple[Side, ...], ...]
    sequence: Count
    captured_ns: Count
    full_range: bool
    matrix: Matrix


class Ended(Message, frozen=True):
    """The source has no more."""


class Lost(Message, frozen=True):
    """The source has no picture at present, and tries again by itself: the text of an `Outage`."""

    text: str


class Failed(Message, frozen=True):
    """The source broke: the name of a class in `edge.errors` and its message."""

    error: str
    text: str


class Request(msgspec.Struct, frozen=True):
    """What is to be decoded: `address` as `edge.sources.decoder` opens it; numbers go on from `first`.

    `address` is in the file system's bytes, for a file's name need not be text. `memory_bytes` is of address
    space.
    """

    address: bytes
    pace: str
    repeat: bool
    first: int
    memory_bytes: int

    @property
    def source(self) -> str:
        """The address; bytes that are no text are surrogates."""
        return os.fsdecode(self.address)


Said = Ready | Opened | Picture | Lost | Ended | Failed
