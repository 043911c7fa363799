"""The clean and the annotated picture encoded in step, with what was said of each picture."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge.contract.frame import Frame
from edge.contract.roi import Roi
from edge.errors import DataError, NoInputError
from edge.outputs.encoder import CLOCK, FRAGMENT_TICKS, Encoder, frames_in
from edge.outputs.log import Record


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of the side file: one for each picture of the video, in its order.

    Attributes:
        frame: number of the picture in the video, from 0.
        time_s: its time in the video.
        estimate: what was said of it.
        gap_s: seconds without any recorded picture before this one.
        gap: why, as far as known.
        missed: pictures shown and not recorded between the one before and this one: the encoder was late.
        field, panel: x, y, width, height in the picture; left out where they are not known.
        marks: what the operator marked since the picture before.
    """

    frame: int
    time_s: float
    estimate: Record
    gap_s: float = 0.0
    gap: str = ""
    missed: int = 0
    field: tuple[int, int, int, int] | None = None
    panel: tuple[int, int, int, int] | None = None
    marks: tuple[str, ...] = ()


def read_lines(path: Path) -> list[Line]:
    """The lines of a side file.

    Raises:
        NoInputError: it cannot be read.
        DataError: it is damaged.
    """
    try:
        return msgspec.json.Decoder(Line).decode_lines(path.read_bytes())
    except OSError as error:
        raise NoInputError(f"cannot read '{path}': {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataError(f"'{path}' is no side file of a recording: {error}") from error


@dataclass(frozen=True, slots=True)
class Piece:
    """A second of everything.

    Attributes:
        fragments: by part, "clean" or "annotated".
        lines: one for each picture; `frame` and `time_s` count from the tape's beginning.
    """

    fragments: dict[str, bytes]
    lines: tuple[Line, ...]

    @property
    def size(self) -> int:
        """Bytes of video."""
        return sum(map(len, self.fragments.values()))

    @property
    def ticks(self) -> int:
        """Of its first picture."""
        return round(self.lines[0].time_s * CLOCK)


class Tape:
    """Pictures of one size and colour in, pieces out."""

    def __init__(self, pictures: dict[str, Frame], rate: float, captured_ns: int):
        """Begin with the I420 pictures by part, which are not yet added; the first is at time 0."""
        self.bounds = next(iter(pictures.values())).bounds
        self._encoders = {part: Encoder(picture, rate) for part, picture in pictures.items()}
        self.headers = {part: encoder.header for part, encoder in self._encoders.items()}
        self._waiting: dict[str, deque[bytes]] = {part: deque() for part in pictures}
        self._lines: deque[Line] = deque()
        self._first_ns = captured_ns
        self._frames = 0
        self._ticks = -1
        self._next_key = 0

    def add(
        self, pictures: dict[str, Frame], captured_ns: int, estimate: Record, about: Remarks
    ) -> list[Piece]:
        """One picture of each part; what pieces are complete now."""
        ticks = (captured_ns - self._first_ns) * CLOCK // 1_000_000_000
        self._ticks = max(ticks, self._ticks + 1)
        key = self._ticks >= self._next_key
        if key:
            self._next_key = self._ticks + FRAGMENT_TICKS
        time_s = self._ticks / CLOCK
        self._lines.append(
            Line(
                self._frames,
                time_s,
                estimate,
                about.gap_s,
                about.gap,
                about.missed,
                _corners(about.field),
                _corners(about.panel),
                about.marks,
            )
        )
        self._frames += 1
        for part, encoder in self._encoders.items():
            self._waiting[part] += encoder.encode(pictures[part], self._ticks, key=key)
        return self._complete()

    def finish(self) -> list[Piece]:
        """What is left; the tape is over."""
        for part, encoder in self._encoders.items():
            self._waiting[part] += encoder.finish()
        return self._complete()

    def _complete(self) -> list[Piece]:
        pieces = []
        while all(self._waiting.values()):
            fragments = {part: waiting.popleft() for part, waiting in self._waiting.items()}
            count = frames_in(next(iter(fragments.values())))
            pieces.append(Piece(fragments, tuple(self._lines.popleft() for _ in range(count))))
        return pieces


@dataclass(frozen=True, slots=True)
class Remarks:
    """What a line says beside the estimate, see `Line`."""

    gap_s: float = 0.0
    gap: str = ""
    missed: int = 0
    field: Roi | None = None
    panel: Roi | None = None
    marks: tuple[str, ...] = ()


def _corners(roi: Roi | None) -> tuple[int, int, int, int] | None:
    return None if roi is None else (roi.x, roi.y, roi.width, roi.height)
