"""The folder of recordings: what is there, what is protected, and what goes when room is needed.

    000017/clean.mp4  annotated.mp4  estimates.jsonl  recording.json  protected  for-the-archive

Ids count up whatever the clock says, and whoever asks gives an id: no file name ever comes from outside.
Where the cap or the disk is full, the oldest recording that is neither protected nor open goes first.
"""

from __future__ import annotations

import errno
import logging
import mmap
import os
import re
import shutil
import threading
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from edge.atomic import replace_file
from edge.errors import BusyError, CannotCreateError, NoInputError, RefusedError, TransferError
from edge.outputs.encoder import boxes

logger = logging.getLogger(__name__)

PARTS = {"clean": "clean.mp4", "annotated": "annotated.mp4", "estimates": "estimates.jsonl"}
FULL = (errno.ENOSPC, errno.EDQUOT)
"""Errors of a disk without room."""

_ABOUT, _PROTECTED, _WAITING = "recording.json", "protected", "for-the-archive"
_ID = re.compile(r"[0-9]{6,9}")


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a recording is, as its `recording.json` says.

    Attributes:
        state: "recording", "complete", or "incomplete" where it was cut off.
        reason: of an incomplete one, in words.
        began: wall clock, ISO 8601 with offset.
        width, height: of the picture, pixels.
        frames: pictures recorded.
        missed: pictures that were shown and not recorded, because the encoder was late.
        seconds: of video.
        raw: True if the picture was kept outside the ultrasound field too.
        model, bundle, precision: whose estimates they are.
        case: see `edge.exam.desk.Choices`; counts anew with each start of the program.
    """

    state: str
    reason: str = ""
    began: str
    width: int
    height: int
    frames: int = 0
    missed: int = 0
    seconds: float = 0.0
    raw: bool
    model: str
    bundle: str
    precision: str
    case: int = 0


class Clip(msgspec.Struct, frozen=True):
    """A recording in a list."""

    id: str
    about: About
    size: int
    protected: bool
    waiting: bool = False  # for the archive


class Recordings:
    """One folder, one process that records into it, any thread that lists, opens, protects and deletes."""

    def __init__(self, folder: Path, cap: int, *, archive: bool = False):
        """Nothing is written yet.

        Args:
            folder: made where it does not exist.
            cap: bytes that all recordings may take together.
            archive: each that begins waits for the archive, over restarts, until `archived` is told.
        """
        self._archive = archive
        self.folder = folder
        self.cap = cap
        self._lock = threading.RLock()
        self._open: str | None = None  # being recorded; never deleted
        self._newest = 0  # number given last; a deleted one's never comes back to stand for another

    def refusal(self) -> str | None:
        """Why nothing can be recorded here, or None; mends what a kill has left behind."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            probe = self.folder / ".probe"
            probe.write_bytes(b"")
            probe.unlink()
            self._mend()
        except OSError as error:
            return f"recording is off: cannot write in '{self.folder}': {error.strerror}"
        return None

    def clips(self) -> list[Clip]:
        """All of them, newest first; one that cannot be read is left out."""
        clips = []
        for path in self._folders():
            with suppress(OSError, msgspec.MsgspecError):
                clips.append(self._clip(path))
        return clips[::-1]

    def open(self, clip: str, part: str) -> Path:
        """The file of a part: "clean", "annotated" or "estimates".

        Raises:
            NoInputError: no such recording, or it has no such part.
        """
        path = self._path(clip) / PARTS.get(part, "none")
        if not path.is_file():
            raise NoInputError(f"recording {clip} has no part '{part}'; expected one of: {', '.join(PARTS)}")
        return path

    def protect(self, clip: str, on: bool) -> None:
        """Keep a recording whatever room is needed, or no longer.

        Raises:
            NoInputError: no such recording.
            TransferError: it cannot be written.
        """
        mark = self._path(clip) / _PROTECTED
        try:
            if on:
                mark.touch()
            else:
                mark.unlink(missing_ok=True)
        except OSError as error:
            raise TransferError(f"cannot change recording {clip}: {error.strerror}") from error

    def delete(self, clip: str) -> None:
        """Remove a recording for ever.

        Raises:
            NoInputError: no such recording.
            RefusedError: it is protected.
            BusyError: it is being recorded.
            TransferError: it cannot be removed.
        """
        with self._lock:
            path = self._path(clip)
            if clip == self._open:
                raise BusyError(f"recording {clip} is still being recorded; stop it first")
            if (path / _PROTECTED).exists():
                raise RefusedError(f"recording {clip} is protected; take the protection away first")
            try:
                self._remove(path)
            except OSError as error:
                raise TransferError(f"cannot delete recording {clip}: {error.strerror}") from error

    def begin(self, about: About) -> str:
        """A new recording's id; its folder holds `about`.

        Raises:
            CannotCreateError: the folder cannot be written.
        """
        with self._lock:
            number = max((int(path.name) for path in self._folders()), default=0)
            self._newest = max(number, self._newest) + 1
            path = self.folder / f"{self._newest:06}"
            self._open = path.name
            try:
                self._make(path, about)
            except OSError as error:
                self._open = None
                shutil.rmtree(path, ignore_errors=True)
                raise CannotCreateError(f"cannot record in '{self.folder}': {error.strerror}") from error
            return path.name

    def describe(self, clip: str, about: About) -> None:
        """Replace what is said about a recording, as a whole or not at all.

        Raises:
            CannotCreateError: it cannot be written.
        """
        path = self.folder / clip / _ABOUT
        try:
            replace_file(path, msgspec.json.encode(about))
        except OSError as error:
            raise CannotCreateError(f"cannot write '{path}': {error.strerror}") from error

    def archived(self, clip: str) -> None:
        """It waits for the archive no longer; a disk that refuses leaves it waiting for the next start."""
        with suppress(OSError):
            (self.folder / clip / _WAITING).unlink(missing_ok=True)

    def end(self) -> None:
        """What was being recorded is so no longer."""
        self._open = None

    def make_room(self, size: int) -> bool:
        """Delete the oldest until `size` more bytes fit under the cap; False if the rest is protected."""
        with self._lock:
            used = sum(_size(path) for path in self._folders())
            while used + size > self.cap:
                freed = self.free_oldest()
                if not freed:
                    return False
                used -= freed
            return True

    def free_oldest(self) -> int:
        """Delete the oldest recording that is neither protected nor open; the bytes that it had."""
        with self._lock:
            for path in self._folders():
                if path.name != self._open and not (path / _PROTECTED).exists():
                    size = _size(path)
                    self._remove(path)
                    return max(size, 1)
            return 0

    def _make(self, path: Path, about: About) -> None:
        """A recording's folder; where the disk is full, the oldest goes for it."""
        try:
            path.mkdir(mode=0o750, exist_ok=True)
            replace_file(path / _ABOUT, msgspec.json.encode(about))
            if self._archive:
                (path / _WAITING).touch()
        except OSError as error:
            if error.errno not in FULL or not self.free_oldest():
                raise
            self._make(path, about)

    def _mend(self) -> None:
        """After a kill: cut torn ends, say that they were cut off, drop what never had a picture."""
        for path in self.folder.glob(".gone-*"):
            shutil.rmtree(path, ignore_errors=True)
        for path in self._folders():
            try:
                about = self._clip(path).about
            except (OSError, msgspec.MsgspecError):
                about = None
            if about is not None and about.state != "recording":
                continue
            videos = [path / name for name in PARTS.values() if name.endswith(".mp4")]
            for video in filter(Path.exists, videos):
                _cut(video)
            if not any(video.exists() and video.stat().st_size for video in videos):
                self._remove(path)
                continue
            if about is None:  # damaged, or of another version: pictures are not thrown away for that
                logger.warning("recording %s cannot be listed: its %s cannot be read", path.name, _ABOUT)
                continue
            reason = "cut off: the program or the power was gone"
            frames, seconds = max(_played(video) for video in videos if video.exists())
            self.describe(
                path.name,
                msgspec.structs.replace(
                    about, state="incomplete", reason=reason, frames=frames, seconds=round(seconds, 3)
                ),
            )

    def _clip(self, path: Path) -> Clip:
        about = msgspec.json.decode((path / _ABOUT).read_bytes(), type=About)
        protected, waiting = (path / _PROTECTED).exists(), (path / _WAITING).exists()
        return Clip(path.name, about, _size(path), protected, waiting)

    def _folders(self) -> list[Path]:
        """Oldest first."""
        try:
            entries = list(self.folder.iterdir())
        except OSError:
            return []
        return sorted((path for path in entries if _ID.fullmatch(path.name)), key=lambda path: int(path.name))

    def _path(self, clip: str) -> Path:
        path = self.folder / clip
        if not _ID.fullmatch(clip) or not path.is_dir():
            raise NoInputError("there is no such recording; list them again")
        return path

    def _remove(self, path: Path) -> None:
        """First out of the list by one rename, then for good: a kill in between leaves no half of one."""
        gone = path.with_name(f".gone-{path.name}")
        path.rename(gone)
        shutil.rmtree(gone)


def now() -> str:
    """The wall clock, for people; nothing is ordered by it."""
    return datetime.now(timezone.utc).astimezone().isoformat(timespec="seconds")


def _size(path: Path) -> int:
    total = 0
    with suppress(OSError):
        for entry in os.scandir(path):
            with suppress(OSError):
                total += entry.stat(follow_symlinks=False).st_size
    return total


def _cut(video: Path) -> None:
    """Cut a torn fragment off the end, so that every player takes the file."""
    size = video.stat().st_size
    if not size:
        return
    with video.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        end = max((end for kind, end in boxes(data) if kind == b"mdat"), default=0)
    if end < size:
        os.truncate(video, end)


def _played(video: Path) -> tuple[int, float]:
    """Pictures of a video, and the time of the last one in seconds; 0 where no player would take it."""
    import av

    try:
        with av.open(video) as container:
            packets = container.demux(container.streams.video)
            times = [float(one.pts * one.time_base) for one in packets if one.pts is not None]
    except (av.FFmpegError, OSError):
        return 0, 0.0
    return len(times), max(times, default=0.0)
