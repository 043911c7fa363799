"""The one seam between the kit and whatever delivers pictures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from edge.contract.frame import Frame


class Pace(Enum):
    """How fast a source that could deliver at any speed delivers.

    LIVE  as a scanner would: by its time stamps, dropping what nobody took in time.
    MAX   as fast as its consumer goes; no frame is dropped and time is the clip's own.
    """

    LIVE = "live"
    MAX = "max"


class SourceEnded(Exception):  # noqa: N818 - an ending is no error
    """The source has no more frames: a file's end, or `close` from another thread."""


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known before the first frame: name for messages, pixels, nominal frames a second."""

    name: str
    width: int
    height: int
    rate: float


class FrameSource(Protocol):
    """An opened source. One thread calls `read`; any thread may call `close`, which ends a waiting `read`."""

    @property
    def info(self) -> SourceInfo:
        """Name, size and nominal rate."""

    def read(self) -> Frame:
        """The next frame, waiting for it.

        The frame's planes may be written to by whoever holds it: nothing of a later frame depends on them.

        Raises:
            SourceEnded: there is none.
            SonocartError: the source broke; the message says how.
        """

    def close(self) -> None:
        """Let go of the device or file. Safe to call twice."""
