"""One recording being written: files that grow by whole pieces, and stay whole where a write fails."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import msgspec

from edge.errors import CannotCreateError, TransferError
from edge.outputs.encoder import CLOCK, shifted
from edge.outputs.recordings import FULL, About, Recordings
from edge.outputs.tape import Line, Piece


class Segment(Protocol):
    """What a recorder writes into."""

    name: str
    frames: int
    missed: int
    seconds: float

    def write(self, headers: dict[str, bytes], piece: Piece) -> None:
        """Append a piece; TransferError where that fails, with the files whole as before."""

    def close(self, reason: str = "") -> None:
        """No more comes; `reason` says why it is incomplete, if it is. Never raises."""


class _Files:
    """Files that grow by whole pieces, cut back to the last whole one where a write fails."""

    def __init__(self, make_room: Callable[[], int]):
        """`make_room` frees bytes on a full disk; it returns 0 where it cannot."""
        self._make_room = make_room
        self._open: dict[Path, int] = {}

    def append(self, path: Path, data: bytes, header: bytes = b"") -> None:
        """Add `data` at the end, after `header` if the file is new, and see it to the disk."""
        if path not in self._open:
            self._open[path] = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
            data = header + data
        file = self._open[path]
        whole = os.lseek(file, 0, os.SEEK_CUR)
        try:
            _write(file, data)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(file, whole)
                os.lseek(file, whole, os.SEEK_SET)
            if error.errno not in FULL or not self._make_room():
                raise
            self.append(path, data)

    def close(self) -> None:
        """Close all; a file that was never whole goes."""
        for path, file in self._open.items():
            with suppress(OSError):
                empty = os.fstat(file).st_size == 0
                os.close(file)
                if empty and path.is_file():
                    path.unlink()
        self._open = {}


class OneFile:
    """The annotated picture in one file that the user has named; another size or case goes beside it."""

    @property
    def parts(self) -> tuple[str, ...]:
        """No clean picture."""
        return ("annotated",)

    def __init__(self, path: Path):
        """Nothing is touched: an older recording there stays."""
        self._path = path

    def refusal(self) -> str | None:
        """None: `require_writable` has been asked."""
        return None

    def begin(self, about: About) -> Segment:  # noqa: ARG002 - see Target
        """The first file that is not there yet: OUT.mp4, then OUT-2.mp4."""
        path, count = self._path, 1
        while path.exists() and path.stat().st_size:
            count += 1
            path = self._path.with_name(f"{self._path.stem}-{count}{self._path.suffix}")
        return _FileSegment(path)


class _FileSegment:
    """See `OneFile`."""

    def __init__(self, path: Path):
        self.name = path.name
        self.frames = self.missed = 0
        self.seconds = 0.0
        self._path = path
        self._files = _Files(lambda: 0)

    def write(self, headers: dict[str, bytes], piece: Piece) -> None:
        try:
            self._files.append(self._path, piece.fragments["annotated"], headers["annotated"])
        except OSError as error:
            raise TransferError(error.strerror or str(error)) from error
        self.frames += len(piece.lines)
        self.missed += sum(line.missed for line in piece.lines)
        self.seconds = piece.lines[-1].time_s

    def close(self, reason: str = "") -> None:  # noqa: ARG002 - a single file has nowhere to say it
        self._files.close()


class Shelf:
    """Recordings in their folder: clean and annotated video, and the side file."""

    @property
    def parts(self) -> tuple[str, ...]:
        """Both."""
        return ("clean", "annotated")

    def __init__(self, recordings: Recordings):
        self._recordings = recordings

    def refusal(self) -> str | None:
        """Why nothing can be recorded, or None."""
        return self._recordings.refusal()

    def begin(self, about: About) -> Segment:
        """A new recording.

        Raises:
            CannotCreateError: the folder cannot be written.
        """
        return _ShelfSegment(self._recordings, about)


class _ShelfSegment:
    """See `Shelf`."""

    def __init__(self, recordings: Recordings, about: About):
        self.id = recordings.begin(about)
        self.name = f"recording {self.id}"
        self.frames = self.missed = 0
        self.seconds = 0.0
        self._recordings = recordings
        self._about = about
        self._first: int | None = None
        self._files = _Files(recordings.free_oldest)

    def write(self, headers: dict[str, bytes], piece: Piece) -> None:
        if not self._recordings.make_room(piece.size):
            raise TransferError(
                f"the recordings' {self._recordings.cap / 1e9:.1f} GB are full and what is there is protected"
            )
        first = self._first = piece.ticks if self._first is None else self._first
        folder = self._recordings.folder / self.id
        lines = b"".join(_encoded(line, self.frames + i, first) for i, line in enumerate(piece.lines))
        try:
            # The lines first: no picture is kept without its own.
            self._files.append(folder / "estimates.jsonl", lines)
            for part, fragment in piece.fragments.items():
                self._files.append(folder / f"{part}.mp4", shifted(fragment, first), headers[part])
        except OSError as error:
            raise TransferError(error.strerror or str(error)) from error
        self.frames += len(piece.lines)
        self.missed += sum(line.missed for line in piece.lines)
        self.seconds = piece.lines[-1].time_s - first / CLOCK

    def close(self, reason: str = "") -> None:
        self._files.close()
        state = "incomplete" if reason else "complete"
        about = msgspec.structs.replace(
            self._about,
            state=state,
            reason=reason,
            frames=self.frames,
            missed=self.missed,
            seconds=round(self.seconds, 3),
        )
        with suppress(CannotCreateError):  # a disk that refuses is why it ends; the next start mends it
            self._recordings.describe(self.id, about)
        self._recordings.end()


def _encoded(line: Line, frame: int, first: int) -> bytes:
    time_s = round(line.time_s - first / CLOCK, 4)
    return msgspec.json.encode(msgspec.structs.replace(line, frame=frame, time_s=time_s)) + b"\n"


def _write(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]
    os.fdatasync(file)
