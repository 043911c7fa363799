"""The one seam between the kit and whatever delivers pictures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

from edge.contract.frame import Frame
from edge.contract.roi import Roi
from edge.sources.pace import Pace as Pace


class SourceEnded(Exception):  # noqa: N818 - an ending is no error
    """The source has no more frames: a file's end, or `close` from another thread."""


class Condition(Enum):
    """Why an opened source has no picture at present; the value is what is shown."""

    NO_SIGNAL = "no signal"  # nothing is plugged in, switched on or answering
    NO_LOCK = "no lock"  # something is, but it cannot be made out
    UNSUPPORTED = "unsupported"  # it can, but it is nothing that is taken; the detail names it
    DEVICE_LOST = "device lost"  # the card itself is gone, busy or broken


class Outage(Exception):  # noqa: N818 - a state of the world, not a failure of the program
    """A source has no picture at present, and why. Calling `read` again waits for the cure."""

    def __init__(self, condition: Condition, detail: str):
        """`detail` is for the operator and the log: what was seen, and what to do if anything."""
        super().__init__(f"{condition.value}: {detail}")
        self.condition = condition
        self.detail = detail


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known before the first frame: name for messages, pixels, nominal frames a second.

    `field` is the ultrasound field that the source itself names, if any.
    """

    name: str
    width: int
    height: int
    rate: float
    field: Roi | None = None


class FrameSource(Protocol):
    """An opened source. One thread calls `read`; any thread may call `close`, which ends a waiting `read`."""

    @property
    def info(self) -> SourceInfo:
        """Name, size and nominal rate; the last two may change with what the source receives."""

    def read(self) -> Frame:
        """The next frame, waiting for it.

        The frame's planes may be written to by whoever holds it: nothing of a later frame depends on them.

        Raises:
            SourceEnded: there is none.
            Outage: none comes at present; raised once for each new reason, never for a mere delay.
            SonocartError: the source broke; the message says how.
        """

    def close(self) -> None:
        """Let go of the device or file. Safe to call twice."""


@runtime_checkable
class Counting(Protocol):
    """A source that counts what befalls it."""

    counts: Counter[str]
