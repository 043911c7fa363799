"""A folder of images, or a DICOM cine, played like a clip."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

from edge.contract.frame import Frame, Plane, still
from edge.contract.roi import Roi
from edge.errors import NoInputError, UsageError
from edge.sources.base import Pace, SourceEnded, SourceInfo
from edge.sources.clock import LiveClock
from edge.sources.still import PICTURES, held_still

SCHEME = "images:"
RATE = 25.0  # of a folder, where none is given


def parse_images(text: str) -> tuple[Path, float]:
    """The folder and the rate in `images:FOLDER[,fps=N]`.

    Raises:
        UsageError: a rate that cannot be.
    """
    folder, comma, option = text.removeprefix(SCHEME).rpartition(",")
    if not comma or not option.startswith("fps="):
        return Path(text.removeprefix(SCHEME)), RATE
    value = option.removeprefix("fps=")
    if not re.fullmatch(r"\d{1,3}(\.\d+)?", value) or not 0.1 <= float(value) <= 240:
        raise UsageError(f"found '{option}' in the source '{text}', expected fps=0.1 to 240")
    return Path(folder), float(value)


class StillsSource:
    """Pictures one after the other at one rate, each read when its turn comes."""

    def __init__(
        self,
        name: str,
        pictures: Callable[[], Iterator[Plane]],
        rate: float,
        *,
        pace: Pace,
        repeat: bool,
        first: int = 0,
        field: Roi | None = None,
    ):
        """Read the first picture.

        Args:
            name: for messages.
            pictures: begins anew at each call; uint8 (H, W) or (H, W, 3) RGB, full range.
            rate: pictures a second.
            pace: LIVE or MAX, see `Pace`.
            repeat: begin again at the end, for ever.
            first: pictures before this one are not handed out.
            field: the ultrasound field, where the file names it.

        Raises:
            SonocartError: of the first picture.
        """
        self._again = pictures
        self._pictures = pictures()
        self._next: Plane | None = next(self._pictures, None)
        if self._next is None:
            raise NoInputError(f"'{name}' has no picture")
        height, width = self._next.shape[:2]
        self._info = SourceInfo(name, width, height, rate, field)
        self._pace = pace
        self._repeat = repeat
        self._closed = threading.Event()
        self._sequence = 0
        for _ in range(0 if repeat else first):
            self._advance()
        self._clock = LiveClock(self._closed)

    @property
    def info(self) -> SourceInfo:
        """Of the first picture."""
        return self._info

    def read(self) -> Frame:
        """See `FrameSource.read`."""
        picture, sequence, captured_ns = self._next, self._sequence, self._time_ns()
        if self._pace is Pace.LIVE:
            captured_ns = self._clock.wait(captured_ns)
        if picture is None or self._closed.is_set():
            raise SourceEnded
        self._advance()
        return replace(still(picture), sequence=sequence, captured_ns=captured_ns)

    def close(self) -> None:
        """End a waiting `read`."""
        self._closed.set()

    def _advance(self) -> None:
        self._next = next(self._pictures, None)
        if self._next is None and self._repeat:
            self._pictures = self._again()
            self._next = next(self._pictures, None)
        self._sequence += 1

    def _time_ns(self) -> int:
        return int(self._sequence * 1e9 / self._info.rate)


def folder_source(text: str, *, pace: Pace, repeat: bool, first: int) -> StillsSource:
    """The images in `images:FOLDER[,fps=N]`, in the order of the numbers in their names."""
    from edge.study.images import is_image_name, read_image

    folder, rate = parse_images(text)
    paths = sorted((path for path in folder.iterdir() if is_image_name(path)), key=_by_number)
    if not paths:
        raise NoInputError(f"'{folder}' has no PNG, JPEG, BMP or DICOM image")
    return StillsSource(
        folder.name, lambda: map(read_image, paths), rate, pace=pace, repeat=repeat, first=first
    )


def dicom_source(path: Path, *, pace: Pace, repeat: bool, first: int) -> StillsSource:
    """The frames of a DICOM file at the rate that it names, with the field that it names.

    One of a single frame is a probe held still: live until it is closed, else `PICTURES` times.
    """
    from edge.study.cine import iterate_cine, rate_of
    from edge.study.dicom import part_of_screen

    def pictures() -> Iterator[Plane]:
        frames = iterate_cine(path)
        begin = list(islice(frames, 2))
        if len(begin) == 1:
            return islice(held_still(begin[0]), None if pace is Pace.LIVE else PICTURES)
        return chain(begin, frames)

    return StillsSource(
        path.name,
        pictures,
        rate_of(path),
        pace=pace,
        repeat=repeat,
        first=first,
        field=part_of_screen(path),
    )


def _by_number(path: Path) -> list[tuple[int, str]]:
    parts = re.findall(r"\d+|\D+", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
