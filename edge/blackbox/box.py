"""The ring that always holds the last minute. Its memory is taken at the start and never grows."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from edge.blackbox import recording as file
from edge.contract.frame import Frame
from edge.contract.preprocess import Tensor
from edge.contract.roi import Roi
from edge.contract.spec import OperatingPoint
from edge.engines.worker import Answer
from edge.errors import SonocartError
from edge.exam.evidence import Sums

logger = logging.getLogger(__name__)

SECONDS = 60.0
RATE = 60  # risks a second that are held at most; memory that fewer never reach is not taken
LUMA_BYTES = 256 << 20
"""Room for the pictures themselves; the newest are kept. What the network was handed is kept for all."""

KEPT = 20
"""Files; older ones make room, so that a fault that comes again and again fills no disk."""

_PAUSE_S = 10.0  # between two dumps for a fault: a fault may come again and again


@dataclass(slots=True)
class _Held:
    """One entry; `start` counts all bytes of luma ever written."""

    frame: tuple[int, int, tuple[int, int], bool]  # sequence, captured_ns, size, full_range
    region: Roi
    slot: int
    start: int | None
    on_device: bool
    point: OperatingPoint
    quality: float = 1.0
    answer: Answer | None = None
    before: Sums | None = None
    after: Sums | None = None


class BlackBox:
    """`ask` and `answer` are the loop's and wait for nothing but a copy; `dump` is for any thread."""

    def __init__(
        self,
        width: int,
        height: int,
        subject: file.Subject,
        folder: Path,
        *,
        luma_bytes: int = LUMA_BYTES,
        tell: Callable[[str], object] = logger.debug,
    ):
        """Take the memory.

        Args:
            width: of the network's tensor, pixels.
            height: of the network's tensor.
            subject: what runs.
            folder: where `request` writes to.
            luma_bytes: room for pictures.
            tell: is told of each file, or why there is none, in words that begin with "last minute".
        """
        self.subject = subject
        self._size = width, height
        self._folder = folder
        self._tell = tell
        self._slots = int(SECONDS * RATE)
        self._tensors = np.zeros((self._slots, height, width), np.uint8)
        self._luma = np.zeros(luma_bytes, np.uint8)  # zeros are not touched until they are used
        self._end = 0  # bytes of luma ever written
        self._count = 0
        self._held: deque[_Held] = deque(maxlen=self._slots)
        self._lock = threading.Lock()
        self._asked = threading.Event()
        self._reason, self._level = "", logging.INFO
        self._closed = False
        self._last_s: float | None = None
        self._thread = threading.Thread(target=self._run, name="black-box", daemon=True)
        self._thread.start()

    def ask(
        self, part: Frame, region: Roi, size: tuple[int, int], tensor: Tensor | None, point: OperatingPoint
    ) -> None:
        """The network is asked about `part`, prepared as `tensor`. Both are copied.

        Args:
            part: of a frame, see `Frame.part`.
            region: where it lies there.
            size: of that frame, pixels across and down.
            tensor: None where it is made on the network's own device; it comes with the answer then.
            point: in force.
        """
        luma = part.luma(part.bounds)
        with self._lock:
            slot = self._count % self._slots
            self._count += 1
            if tensor is not None:
                self._tensors[slot] = tensor[0, 0]
            about = part.sequence, part.captured_ns, size, part.full_range
            self._held.append(_Held(about, region, slot, self._store(luma), tensor is None, point))

    def answer(self, answer: Answer, quality: float, before: Sums, after: Sums) -> None:
        """The network has answered what was asked last.

        Args:
            answer: as it came.
            quality: of the picture that it is about.
            before: the evidence until then.
            after: the evidence with it.
        """
        with self._lock:
            if self._held and self._held[-1].frame[0] == answer.sequence:
                held = self._held[-1]
                held.answer, held.quality = answer, quality
                if answer.tensor is not None:
                    self._tensors[held.slot] = answer.tensor[0, 0]
                if after is not before and after.newest[0] == answer.sequence:
                    held.before, held.after = before, after
        if answer.inference is None:
            self.request(answer.reason, fault=True)

    def request(self, reason: str, *, fault: bool = False) -> None:
        """Ask for a file, written by the box's own thread; for faults not more often than every 10 s."""
        now = time.monotonic()
        if fault and self._last_s is not None and now - self._last_s < _PAUSE_S:
            return
        self._last_s, self._reason, self._level = now, reason, logging.WARNING if fault else logging.INFO
        self._asked.set()

    def dump(self, path: Path, reason: str) -> int:
        """Write what is held; returns the number of entries.

        Raises:
            CannotCreateError: it cannot be written.
        """
        with self._lock:
            held = list(self._held)
        newest = held[-1].frame[1] if held else 0
        entries = [self._entry(one) for one in held if newest - one.frame[1] <= SECONDS * 1e9]
        kept = [entry for entry in entries if entry is not None]
        width, height = self._size
        created = datetime.now(timezone.utc).isoformat(timespec="seconds")
        file.write_recording(
            path, file.Recording(file.SCHEMA, created, reason, self.subject, width, height, kept)
        )
        return len(kept)

    def close(self, patience_s: float = 30.0) -> None:
        """Finish a file that is being written, for `patience_s` seconds at most."""
        self._closed = True
        self._asked.set()
        self._thread.join(timeout=patience_s)

    def _store(self, luma: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> int | None:
        """Where the bytes went, None if they are more than the room; a picture is never split."""
        size, room = luma.size, len(self._luma)
        if size > room:
            return None
        if self._end % room + size > room:
            self._end += room - self._end % room
        start = self._end
        place = start % room
        self._luma[place : place + size].reshape(luma.shape)[:] = luma
        self._end += size
        return start

    def _entry(self, held: _Held) -> file.Entry | None:
        """Copied under the lock, one at a time; None if it was overwritten meanwhile."""
        region, (sequence, captured_ns, picture, full_range) = held.region, held.frame
        with self._lock:
            if not self._held or sequence < self._held[0].frame[0]:
                return None
            tensor = self._tensors[held.slot].tobytes()
            luma = None
            if held.start is not None and self._end - held.start <= len(self._luma):
                place = held.start % len(self._luma)
                luma = self._luma[place : place + region.width * region.height].tobytes()
        answer = held.answer
        inference = None if answer is None else answer.inference
        return file.Entry(
            sequence,
            captured_ns,
            picture,
            (region.x, region.y, region.width, region.height),
            full_range,
            tensor,
            luma,
            held.quality,
            None if inference is None else inference.risk,
            "no answer" if answer is None else answer.reason,
            None if held.before is None else packed(held.before),
            None if held.after is None else packed(held.after),
            held.on_device,
            held.point.name,
            held.point.threshold,
        )

    def _run(self) -> None:
        while True:
            self._asked.wait()
            self._asked.clear()
            if self._reason:
                reason, level, self._reason = self._reason, self._level, ""
                stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S")
                before = _numbered(self._folder)
                number = 1 + (_number(before[-1]) if before else 0)
                path = self._folder / f"blackbox-{number:06}-{stamp}.sono"
                try:
                    count = self.dump(path, reason)
                    logger.log(level, "black box: %d risks written to %s (%s)", count, path, reason)
                    self._tell(f"last minute: {count} risks written to {path.name} ({reason})")
                    for old in _numbered(self._folder)[:-KEPT]:
                        old.unlink(missing_ok=True)
                except (SonocartError, OSError) as error:
                    logger.error("black box: %s", error)
                    self._tell(f"last minute: {error}")
            if self._closed:
                return


def _numbered(folder: Path) -> list[Path]:
    """The files there in the order in which they were written, whatever the clock has said."""
    return sorted(filter(_number, folder.glob("blackbox-*.sono")), key=_number)


def _number(path: Path) -> int:
    """Of a file, from 1 on; 0 of one that has none."""
    found = re.fullmatch(r"blackbox-([0-9]{6,})-.*", path.name)
    return int(found[1]) if found else 0


def packed(sums: Sums) -> file.Sums:
    """As it is written."""
    key = None if sums.key is None else sums.key.tobytes()
    return file.Sums(sums.n, sums.weight, sums.total, sums.squares, sums.looks, sums.part, sums.newest, key)
