"""Between the loop and the viewers: the newest picture, encoded once for all, and only if somebody looks."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum

import msgspec

from edge.blit import restored
from edge.contract.frame import Frame
from edge.contract.roi import Roi
from edge.exam.desk import GRADES, Choices, Desk
from edge.exam.findings import BestFrame
from edge.exam.performance import Performance
from edge.exam.reading import Identity, Reading
from edge.mailbox import Mailbox
from edge.outputs.log import Record, record_of
from edge.outputs.planes import as_jpeg
from edge.outputs.words import feature_words, size_words
from edge.timing import Timing

logger = logging.getLogger(__name__)

QUALITY = 80
STALE_S = 1.0
"""The page greys itself out when its picture is older; nothing said about an older one is repeated."""

PAST = 24  # pictures kept to step back through
_PAST_NS = 500_000_000  # between two of them


class View(Enum):
    """What a viewer looks at."""

    ANNOTATED = "annotated"
    CLEAN = "clean"


class Status(msgspec.Struct, frozen=True):
    """What the page is told with each picture. Without a risk that may be shown, none is in it."""

    record: Record
    width: int
    height: int
    fps: float
    dropped: int
    latency_ms: float
    point: str
    threshold: float
    n: int
    region: tuple[int, int, int, int] | None
    panel: tuple[int, int, int, int] | None
    chosen: bool
    hidden: bool
    second_reader: bool
    grade: str | None
    heatmap: bool
    features_shown: bool
    lesion: tuple[int, int, int, int] | None
    marked: bool
    size: str
    features: tuple[tuple[str, str], ...]
    contradiction: str | None
    best: tuple[tuple[int, float | None, float], ...]  # sequence, risk, quality
    moved: bool
    prevalence: float | None
    ppv: float | None
    npv: float | None
    recording: bool
    recording_refused: str | None
    recording_text: str
    events: int
    viewers: int


@dataclass(frozen=True, slots=True)
class Picture:
    """One encoded picture with its status, the same bytes for every viewer.

    `message` is the status's length in four bytes, most significant first, the status as JSON, and the JPEG.
    """

    number: int
    message: bytes
    jpeg_at: int

    @property
    def jpeg(self) -> memoryview:
        """The picture alone."""
        return memoryview(self.message)[self.jpeg_at :]


@dataclass(frozen=True, slots=True)
class Past:
    """A picture kept for stepping back: without overlay, and its record apart."""

    number: int
    record: Record
    jpeg: bytes


class Hub:
    """`present` is the loop's side and never waits; the coroutines are the viewers' side."""

    def __init__(
        self,
        identity: Identity,
        desk: Desk,
        timing: Timing,
        performance: Mapping[str, Performance] | None = None,
    ):
        """Start the encoder's thread, which sleeps while there are no viewers.

        Args:
            identity: of the model.
            desk: what orders change.
            timing: receives the stage "encode".
            performance: of the operating points, for PPV and NPV; empty where the bundle knows none.
        """
        self.status: Status | None = None
        self.desk = desk
        self._best: dict[int, BestFrame] = {}
        self.presented_s = 0.0  # time.monotonic of the newest picture
        self._told_s = 0.0  # time.monotonic of the newest word from the loop
        self._identity = identity
        self._performance = performance or {}
        self._timing = timing
        self._viewers: Counter[View] = Counter()
        self._pictures: dict[View, Picture] = {}
        self._past: deque[Past] = deque(maxlen=PAST)
        self._said = ""
        self._frames: Mailbox[tuple[Frame, Reading, Status]] = Mailbox()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Condition()
        self._thread = threading.Thread(target=self._encode, name="page-encoder", daemon=True)
        self._thread.start()

    @property
    def viewers(self) -> int:
        """Connected now."""
        return self._viewers.total()

    @property
    def silent_s(self) -> float:
        """Since the loop last said anything; a loop that waits for a picture still says so."""
        return time.monotonic() - self._told_s

    @property
    def past(self) -> tuple[Past, ...]:
        """Pictures to step back through, oldest first."""
        return tuple(self._past)

    def identity(self) -> dict[str, str]:
        """Of the model."""
        return {
            "model": self._identity.model,
            "bundle": self._identity.bundle,
            "precision": self._identity.precision,
        }

    def best(self, sequence: int) -> BestFrame | None:
        """One of the lesion's best pictures; those that viewers were told of a moment ago are kept too."""
        return self._best.get(sequence)

    def hello(self) -> dict[str, object]:
        """What does not change while the page is served."""
        return {
            **self.identity(),
            "grades": GRADES,
            "points": [
                {"name": point.name, "threshold": point.threshold}
                | ({} if (known := self._performance.get(point.name)) is None else asdict(known))
                for point in self.desk.points
            ],
        }

    def present(self, frame: Frame, reading: Reading) -> None:
        """The loop has presented `frame`, to which nobody may write any more."""
        now_ns = time.monotonic_ns()
        self.status = self._status(frame, reading, now_ns)
        self.presented_s = self._told_s = now_ns / 1e9
        self._keep_best(reading.findings.best)
        self._log_state(self.status.record)
        if self.viewers:
            self._frames.put((frame, reading, self.status))

    def note(self, reading: Reading) -> None:
        """The state has changed while no picture came: viewers keep the last one and are told."""
        self._told_s = time.monotonic()
        if self.status is not None:
            findings = reading.findings
            self.status = msgspec.structs.replace(
                self.status,
                record=record_of(reading, reading.shown),
                contradiction=None,  # it speaks of a risk, and of a picture that is no longer there
                best=_best(findings.best, reading.choices),
            )
            self._log_state(self.status.record)

    def close(self) -> None:
        """Stop encoding."""
        self._frames.close()
        self._thread.join(timeout=2.0)

    async def join(self, view: View) -> None:
        """A viewer has come."""
        self._loop = asyncio.get_running_loop()
        self._viewers[view] += 1

    def leave(self, view: View) -> None:
        """A viewer has gone."""
        self._viewers[view] -= 1
        if not self._viewers[view]:
            self._pictures.pop(view, None)  # the next viewer must not be shown an old one
        if not self.viewers:
            self._past.clear()

    async def next(self, view: View, after: int) -> Picture:
        """The newest picture, waiting until there is one newer than number `after`.

        One from before the loop fell silent is not given to whoever comes later: it would be taken for live.
        """

        def news() -> bool:
            fresh = time.monotonic() - self.presented_s < STALE_S
            return fresh and view in self._pictures and self._pictures[view].number > after

        async with self._news:
            await self._news.wait_for(news)
            return self._pictures[view]

    def _keep_best(self, best: tuple[BestFrame, ...]) -> None:
        for one in best:
            self._best[one.sequence] = one
        while len(self._best) > PAST:
            self._best.pop(next(iter(self._best)))

    def _status(self, frame: Frame, reading: Reading, now_ns: int) -> Status:
        choices, keeping, findings = reading.choices, self.desk.keeping, reading.findings
        known = None if choices.prevalence is None else self._performance.get(choices.point.name)
        return Status(
            record=record_of(reading, reading.shown),
            width=frame.width,
            height=frame.height,
            fps=round(reading.rate, 1),
            dropped=reading.dropped,
            latency_ms=round((now_ns - frame.captured_ns) / 1e6, 1),
            point=choices.point.name,
            threshold=choices.point.threshold,
            n=getattr(reading.shown, "n", 0),
            region=_box(reading.region),
            panel=_box(reading.panel),
            chosen=choices.roi is not None,
            hidden=choices.hidden,
            second_reader=choices.second_reader,
            grade=choices.grade,
            heatmap=choices.heatmap,
            features_shown=choices.features,
            lesion=_box(findings.lesion),
            marked=choices.lesion is not None,
            size=size_words(findings),
            features=() if findings.features is None else feature_words(findings.features),
            contradiction=None if choices.concealed else findings.contradiction,
            best=_best(findings.best, choices),
            moved=choices.place is not None,
            prevalence=choices.prevalence,
            ppv=None if known is None else known.ppv(choices.prevalence or 0.0),
            npv=None if known is None else known.npv(choices.prevalence or 0.0),
            recording=keeping.recording,
            recording_refused=keeping.refused,
            recording_text=keeping.text,
            events=self.desk.noted,
            viewers=self.viewers,
        )

    def _log_state(self, record: Record) -> None:
        """Note what is said when it changes by more than its figures."""
        said = record.state if record.reason is None else f"{record.state}: {record.reason}"
        if re.sub(r"[\d.]+", "", said) != re.sub(r"[\d.]+", "", self._said):
            self._said = said
            self.desk.note("state", said)

    def _encode(self) -> None:
        number, kept_ns, case = 0, 0, 0
        while (item := self._frames.take(None)) is not None:
            frame, reading, status = item
            if reading.choices.case != case:
                case = reading.choices.case
                self._past.clear()  # nobody steps back to another patient
            try:
                with self._timing.stage("encode"):
                    jpegs = self._jpegs(frame, reading)
                    if frame.captured_ns - kept_ns >= _PAST_NS and status.record.state == "live":
                        kept_ns = frame.captured_ns
                        clean = jpegs.get(View.CLEAN) or as_jpeg(restored(frame, reading.under), QUALITY)
                        self._past.append(Past(number + 1, status.record, clean))
            except Exception:  # the top of a thread: the page must outlive one picture
                logger.exception("a picture for the page could not be encoded")
                continue
            number += 1
            said = msgspec.json.encode(status)
            head = len(said).to_bytes(4, "big") + said
            pictures = {view: Picture(number, head + jpeg, len(head)) for view, jpeg in jpegs.items()}
            if self._loop is not None and not self._loop.is_closed():
                asyncio.run_coroutine_threadsafe(self._publish(pictures), self._loop)

    def _jpegs(self, frame: Frame, reading: Reading) -> dict[View, bytes]:
        """One JPEG for each view that somebody looks at."""
        jpegs = {}
        if self._viewers[View.ANNOTATED]:
            jpegs[View.ANNOTATED] = as_jpeg(frame, QUALITY)
        if self._viewers[View.CLEAN]:
            jpegs[View.CLEAN] = as_jpeg(restored(frame, reading.under), QUALITY)
        return jpegs

    async def _publish(self, pictures: dict[View, Picture]) -> None:
        async with self._news:
            # The last viewer may have left while this was encoded; the next must not be shown an old picture.
            self._pictures.update({view: p for view, p in pictures.items() if self._viewers[view]})
            self._news.notify_all()


def _best(frames: tuple[BestFrame, ...], choices: Choices) -> tuple[tuple[int, float | None, float], ...]:
    """Number, risk where it may be shown, and quality."""
    return tuple(
        (one.sequence, None if choices.concealed else round(one.risk, 4), round(one.quality, 3))
        for one in frames
    )


def _box(roi: Roi | None) -> tuple[int, int, int, int] | None:
    return None if roi is None else (roi.x, roi.y, roi.width, roi.height)
