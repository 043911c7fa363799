"""Between the loop and the viewers: the newest picture, encoded once for all, and only if somebody looks."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from dataclasses import dataclass

import msgspec

from edge.contract.frame import Frame
from edge.exam.desk import Desk
from edge.exam.reading import Identity, Reading
from edge.mailbox import Mailbox
from edge.outputs.log import Record, record_of
from edge.outputs.planes import as_jpeg
from edge.timing import Timing

logger = logging.getLogger(__name__)

QUALITY = 80


class Status(msgspec.Struct, frozen=True):
    """What the page is told with each picture, and by /health."""

    record: Record
    width: int
    height: int
    fps: float
    dropped: int
    point: str
    threshold: float
    model: str
    bundle: str
    precision: str
    n: int
    region: tuple[int, int, int, int] | None
    chosen: bool
    hidden: bool
    points: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """One encoded picture with its status, the same bytes for every viewer."""

    number: int
    status: bytes
    jpeg: bytes


class Hub:
    """`present` is the loop's side and never waits; the coroutines are the viewers' side."""

    def __init__(self, identity: Identity, desk: Desk, timing: Timing):
        """Start the encoder's thread, which sleeps while there are no viewers."""
        self.status: Status | None = None
        self.desk = desk
        self.presented_s = 0.0  # time.monotonic of the newest picture
        self._identity = identity
        self._timing = timing
        self._viewers = 0
        self._picture: Picture | None = None
        self._frames: Mailbox[tuple[Frame, Status]] = Mailbox()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Condition()
        self._thread = threading.Thread(target=self._encode, name="page-encoder", daemon=True)
        self._thread.start()

    @property
    def viewers(self) -> int:
        """Connected now."""
        return self._viewers

    def present(self, frame: Frame, reading: Reading) -> None:
        """The loop has presented `frame`, to which nobody may write any more."""
        region, choices = reading.region, reading.choices
        self.status = Status(
            record=record_of(reading, reading.shown),
            width=frame.width,
            height=frame.height,
            fps=round(reading.rate, 1),
            dropped=reading.dropped,
            point=choices.point.name,
            threshold=choices.point.threshold,
            model=self._identity.model,
            bundle=self._identity.bundle,
            precision=self._identity.precision,
            n=getattr(reading.shown, "n", 0),
            region=None if region is None else (region.x, region.y, region.width, region.height),
            chosen=choices.roi is not None,
            hidden=choices.hidden,
            points=tuple(point.name for point in self.desk.points),
        )
        self.presented_s = time.monotonic()
        if self._viewers:
            self._frames.put((frame, self.status))

    def note(self, reading: Reading) -> None:
        """The state has changed while no picture came: viewers keep the last one and are told."""
        if self.status is not None:
            self.status = msgspec.structs.replace(self.status, record=record_of(reading, reading.shown))

    def close(self) -> None:
        """Stop encoding."""
        self._frames.close()
        self._thread.join(timeout=2.0)

    async def join(self) -> None:
        """A viewer has come."""
        self._loop = asyncio.get_running_loop()
        self._viewers += 1

    def leave(self) -> None:
        """A viewer has gone."""
        self._viewers -= 1
        if not self._viewers:
            self._picture = None  # the next viewer must not be shown an old one

    async def next(self, after: int) -> Picture:
        """The newest picture, waiting until there is one newer than number `after`."""
        async with self._news:
            await self._news.wait_for(lambda: self._picture is not None and self._picture.number > after)
            assert self._picture is not None
            return self._picture

    def _encode(self) -> None:
        number = 0
        while (item := self._frames.take(None)) is not None:
            frame, status = item
            try:
                with self._timing.stage("encode"):
                    jpeg = as_jpeg(frame, QUALITY)
            except Exception:  # the top of a thread: the page must outlive one picture
                logger.exception("a picture for the page could not be encoded")
                continue
            number += 1
            picture = Picture(number, msgspec.json.encode(status), jpeg)
            if self._loop is not None and not self._loop.is_closed():
                asyncio.run_coroutine_threadsafe(self._publish(picture), self._loop)

    async def _publish(self, picture: Picture) -> None:
        async with self._news:
            if not self._viewers:
                return  # the last one left while this was encoded; the next must not be shown an old picture
            self._picture = picture
            self._news.notify_all()
