"""The capture thread: reads a source and leaves its newest frame in a mailbox."""

from __future__ import annotations

import logging
import threading

from edge.contract.frame import Frame, with_chroma
from edge.errors import SonocartError
from edge.mailbox import Mailbox
from edge.sources.base import Condition, FrameSource, Outage, Pace, SourceEnded
from edge.timing import Timing
from edge.urgency import urgent

logger = logging.getLogger(__name__)

LEAST_WIDTH = 32
"""Pixels across that the panel needs; in a tall picture, with its larger letters, an eighth of the height."""


class Capture:
    """Owns the source from `start` to `close`."""

    def __init__(
        self,
        source: FrameSource,
        pace: Pace,
        timing: Timing,
        *,
        limit_s: float | None = None,
        rank: int | None = None,
    ):
        """Nothing is read before `start`.

        Args:
            source: opened.
            pace: LIVE drops what nobody took in time, MAX waits.
            timing: receives the stage "capture".
            limit_s: ends it after so many seconds of the frames' time.
            rank: of the thread, see `edge.urgency`.
        """
        self._rank = rank
        self.frames: Mailbox[Frame] = Mailbox()
        self._source = source
        self._pace = pace
        self._timing = timing
        self._limit_ns = None if limit_s is None else int(limit_s * 1e9)
        self._failure: SonocartError | None = None
        self._count = 0
        self._lost = 0
        self._outage: Outage | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    @property
    def count(self) -> int:
        """Frames captured so far: each was handed on or is counted as dropped."""
        return self._count

    @property
    def lost(self) -> int:
        """Pictures that the source itself says never arrived whole, from the gaps in its numbers."""
        return self._lost

    @property
    def outage(self) -> Outage | None:
        """Why no picture comes at present, where the source knows; None from the next picture on."""
        return self._outage

    @property
    def failure(self) -> SonocartError | None:
        """Why the source ended, if it did not end by itself."""
        return self._failure

    def start(self) -> None:
        """Begin reading."""
        self._thread.start()

    def close(self) -> None:
        """Stop reading. A source that hangs is left behind; its thread ends with the process."""
        self._closing = True
        self._source.close()
        self.frames.abandon()
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)

    def _run(self) -> None:
        with urgent(self._rank):
            self._read_all()

    def _read_all(self) -> None:
        first_ns: int | None = None
        last: int | None = None
        try:
            while True:
                frame = self._read()
                self._lost += 0 if last is None else max(0, frame.sequence - last - 1)
                last = frame.sequence
                first_ns = frame.captured_ns if first_ns is None else first_ns
                if self._limit_ns is not None and frame.captured_ns - first_ns >= self._limit_ns:
                    break
                if self._pace is Pace.LIVE:
                    self.frames.put(frame)
                elif not self.frames.put_when_empty(frame):
                    break
                self._count += 1
        except SourceEnded:
            how = "is closed" if self._closing else "has ended"
            logger.info("%s %s after %d frames", self._source.info.name, how, self._count)
        except SonocartError as error:
            self._failure = error
        except Exception as error:  # the top of a thread: nobody else can report it
            logger.exception("the source broke")
            self._failure = SonocartError(f"{self._source.info.name}: {error}")
        finally:
            self.frames.close()

    def _read(self) -> Frame:
        while True:
            try:
                with self._timing.stage("capture"):
                    frame = self._source.read()
                _require_room(frame)
            except Outage as outage:
                if str(outage) != str(self._outage):  # of pictures that are too small there is one for each
                    logger.warning("%s: %s", self._source.info.name, outage)
                self._outage = outage
                continue
            if self._outage is not None:
                logger.info("%s: pictures come again", self._source.info.name)
                self._outage = None
            return with_chroma(frame)


def _require_room(frame: Frame) -> None:
    least = max(LEAST_WIDTH, frame.height // 8)
    if frame.width < least:
        raise Outage(
            Condition.UNSUPPORTED,
            f"pictures of {frame.width}x{frame.height} pixels; the panel needs {least} pixels across",
        )
