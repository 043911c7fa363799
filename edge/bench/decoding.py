"""Decoding alone, which every loop pays for a video: to be taken off, or added to the floor."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from pathlib import Path

import av

from edge.contract.frame import Frame, Plane
from edge.pictures import rows_of
from edge.sources.base import Pace, SourceEnded
from edge.sources.slabs import Slabs
from edge.sources.video import VideoSource, as_frame


class Decoder:
    """Decodes a file for ever as `VideoSource` does, and looks at nothing.

    Attributes:
        copy_ms: CPU time of taking each picture out of the decoder's hands.
    """

    def __init__(self, path: Path):
        """Open the file at the first frame."""
        self._path = path
        self._pictures = self._play()
        self._slabs = Slabs()
        self.copy_ms: list[float] = []

    def play(self, frames: int) -> None:
        """Decode so many."""
        for _ in range(frames):
            picture = next(self._pictures)
            begin = time.thread_time_ns()
            as_frame(picture, 0, 0, self._slabs)
            self.copy_ms.append((time.thread_time_ns() - begin) / 1e6)

    def close(self) -> None:
        """Close the file."""
        self._pictures.close()

    def _play(self) -> Generator[av.VideoFrame]:
        with av.open(str(self._path)) as container:
            while True:
                yield from container.decode(container.streams.video[0])
                container.seek(0)


def all_lumas(path: Path) -> Iterator[Plane]:
    """The luma planes of a file, each valid until the next is asked for."""
    with av.open(str(path)) as container:
        for picture in container.decode(container.streams.video[0]):
            yield rows_of(picture.planes[0])[:, : picture.width]


def first_frames(path: Path, count: int) -> list[Frame]:
    """Up to `count` frames of a file."""
    source = VideoSource(path, pace=Pace.MAX)
    found: list[Frame] = []
    try:
        while len(found) < count:
            found.append(source.read())
    except SourceEnded:
        pass
    finally:
        source.close()
    return found
