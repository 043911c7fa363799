"""Between the loop and the viewers: the newest picture, encoded once for all, and only if somebody looks."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict

import msgspec

from edge.blit import restored
from edge.contract.frame import Frame
from edge.contract.roi import Roi
from edge.exam.desk import GRADES, Desk
from edge.exam.findings import BestFrame
from edge.exam.performance import Performance
from edge.exam.reading import Identity, Reading
from edge.exam.signal import State
from edge.mailbox import Mailbox
from edge.outputs.log import Record
from edge.outputs.masking import masked
from edge.outputs.page.pace import MEGABITS, QUALITY, Pace
from edge.outputs.page.picture import Past, Picture, View
from edge.outputs.page.status import Status, status_of
from edge.outputs.page.waiting import settled, wake
from edge.outputs.planes import as_jpeg
from edge.outputs.words import without_times
from edge.timing import Timing
from edge.urgency import urgent

logger = logging.getLogger(__name__)

STALE_S = 1.0
"""The page greys itself out when its picture is older; nothing said about an older one is repeated."""

PAST = 24  # pictures kept to step back through
_PAST_NS = 500_000_000  # between two of them


class Hub:
    """`present` is the loop's side and never waits; the coroutines are the viewers' side."""

    def __init__(
        self,
        identity: Identity,
        desk: Desk,
        timing: Timing,
        performance: Mapping[str, Performance] | None = None,
        megabits: float = MEGABITS,
        *,
        rank: int | None = None,
    ):
        """Start the encoder's thread, which sleeps while there are no viewers.

        Args:
            identity: of the model.
            desk: what orders change.
            timing: receives the stage "encode".
            performance: of the operating points, for PPV and NPV; empty where the bundle knows none.
            megabits: a second, for all viewers together; with more viewers each gets fewer pictures.
            rank: of the encoder's thread, see `edge.urgency.urgent`.
        """
        self._rank = rank
        self.status: Status | None = None
        self.desk = desk
        self._best: dict[int, BestFrame] = {}
        self.presented_s = 0.0  # time.monotonic of the newest picture
        self._told_s = time.monotonic()  # of the newest word from the loop, which begins after this
        self._identity = identity
        self._performance = performance or {}
        self._timing = timing
        self._pace = Pace(megabits)
        self._viewers: Counter[View] = Counter()
        self._pictures: dict[View, Picture] = {}
        self._past: deque[Past] = deque(maxlen=PAST)
        self._case: int | None = None  # whose pictures may be kept in `_past`
        self._keeping = threading.Lock()  # of the two above
        self._said = ""
        self._frames: Mailbox[tuple[Frame, Reading, Status]] = Mailbox()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiters: set[asyncio.Future[bool]] = set()
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
        with self._keeping:
            return tuple(self._past)

    def identity(self) -> dict[str, str | None]:
        """Of the model."""
        return {
            "model": self._identity.model,
            "bundle": self._identity.bundle,
            "precision": self._identity.precision,
            "passport": self._identity.passport,
        }

    def best(self, sequence: int) -> BestFrame | None:
        """One of the lesion's best pictures; those that viewers were told of a moment ago are kept too."""
        return self._best.get(sequence)

    def hello(self) -> dict[str, object]:
        """What does not change while the page is served."""
        return {
            **self.identity(),
            "grades": GRADES,
            "black_box": self.desk.black_box is not None,
            "points": [
                {"name": point.name, "threshold": point.threshold}
                | ({} if (known := self._performance.get(point.name)) is None else asdict(known))
                for point in self.desk.points
            ],
        }

    def present(self, frame: Frame, reading: Reading) -> None:
        """The loop has presented `frame`, to which nobody may write any more."""
        now_ns = time.monotonic_ns()
        size, latency_ms = (frame.width, frame.height), (now_ns - frame.captured_ns) / 1e6
        self._forget_before(reading.choices.case)
        served = self.viewers, self._pace.rate
        self.status = status_of(size, latency_ms, reading, self.desk, self._performance, served)
        self.presented_s = self._told_s = now_ns / 1e9
        self._keep_best(reading.findings.best)
        self._log_state(self.status.record)
        # What the operator has asked for is seen at once, and so is another state.
        if self.viewers and self._pace.open(now_ns, (reading.choices, reading.state)):
            self._frames.put((frame, reading, self.status))

    def note(self, reading: Reading) -> None:
        """The state has changed while no picture came: viewers keep the last one and are told."""
        self._told_s = time.monotonic()
        self._forget_before(reading.choices.case)
        size, latency_ms = (0, 0), 0.0
        if self.status is not None:
            size, latency_ms = (self.status.width, self.status.height), self.status.latency_ms
        served = self.viewers, self._pace.rate
        said = status_of(size, latency_ms, reading, self.desk, self._performance, served)
        # A contradiction speaks of a risk, and of a picture that is no longer there.
        self.status = msgspec.structs.replace(said, contradiction=None)
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
            with self._keeping:
                self._past.clear()

    async def next(self, view: View, after: int, patience_s: float) -> Picture | None:
        """The newest picture, waiting until there is one newer than number `after`; None if none comes.

        One from before the loop fell silent is not given to whoever comes later: it would be taken for live.
        """
        loop = asyncio.get_running_loop()
        end_s = loop.time() + patience_s
        while True:
            picture = self._pictures.get(view)
            fresh = time.monotonic() - self.presented_s < STALE_S
            own = picture is not None and picture.case == self._case
            if picture is not None and own and picture.number > after and fresh:
                return picture
            waiter = loop.create_future()
            self._waiters.add(waiter)
            try:
                if not await settled(waiter, end_s - loop.time()):
                    return None
            finally:
                self._waiters.discard(waiter)

    def _forget_before(self, case: int) -> None:
        """Pictures of another patient are shown to nobody any more."""
        if self._case != case:
            self._best.clear()
            with self._keeping:
                self._case = case
                self._past.clear()

    def _keep_best(self, best: tuple[BestFrame, ...]) -> None:
        for one in best:
            self._best[one.sequence] = one
        while len(self._best) > PAST:
            self._best.pop(next(iter(self._best)))

    def _log_state(self, record: Record) -> None:
        """Note what is said when it changes by more than its figures."""
        said = record.state if record.reason is None else f"{record.state}: {record.reason}"
        if without_times(said) != without_times(self._said):
            self._said = said
            self.desk.note("state", said)

    def _encode(self) -> None:
        with urgent(self._rank):
            self._encode_all()

    def _encode_all(self) -> None:
        number, kept_ns = 0, 0
        while (item := self._frames.take(None)) is not None:
            frame, reading, status = item
            try:
                with self._timing.stage("encode"):
                    jpegs = self._jpegs(frame, reading)
                    alive = status.record.state in (State.LIVE.value, State.STILL.value)
                    if alive and frame.captured_ns - kept_ns >= _PAST_NS:
                        kept_ns = frame.captured_ns
                        clean = jpegs.get(View.CLEAN) or self._clean(frame, reading, QUALITY)
                        self._keep(status.case, Past(number + 1, status.record, clean))
            except Exception:  # the top of a thread: the page must outlive one picture
                logger.exception("a picture for the page could not be encoded")
                continue
            size = sum(len(jpeg) * self._viewers[view] for view, jpeg in jpegs.items())
            self._pace.spend(time.monotonic_ns(), size)
            number += 1
            said = msgspec.json.encode(status)
            head = len(said).to_bytes(4, "big") + said
            pictures = {
                view: Picture(number, head + jpeg, len(head), status.case) for view, jpeg in jpegs.items()
            }
            if self._loop is not None:
                with suppress(RuntimeError):  # the server has ended meanwhile
                    self._loop.call_soon_threadsafe(self._publish, pictures)

    def _keep(self, case: int, past: Past) -> None:
        """Of a probe held still the first and the newest alone: one steps back to the sweep before it.

        Nothing where another patient's case has begun while it was encoded.
        """
        with self._keeping:
            if case != self._case:
                return
            newest = [*[*self._past][-2:], past]
            if len(newest) == 3 and all(one.record.state == State.STILL.value for one in newest):
                self._past.pop()
            self._past.append(past)

    def _jpegs(self, frame: Frame, reading: Reading) -> dict[View, bytes]:
        """One JPEG for each view that somebody looks at."""
        jpegs = {}
        if self._viewers[View.ANNOTATED]:
            jpegs[View.ANNOTATED] = as_jpeg(frame, self._pace.quality)
        if self._viewers[View.CLEAN]:
            jpegs[View.CLEAN] = self._clean(frame, reading, self._pace.quality)
        if self._viewers[View.KEPT_ANNOTATED]:
            panel = () if reading.panel is None else (reading.panel,)
            jpegs[View.KEPT_ANNOTATED] = _for_keeping(frame, reading, *panel)
        if self._viewers[View.KEPT_CLEAN]:
            jpegs[View.KEPT_CLEAN] = _for_keeping(restored(frame, reading.under), reading)
        return jpegs

    def _clean(self, frame: Frame, reading: Reading, quality: int) -> bytes:
        """A JPEG of what the source gave."""
        return as_jpeg(restored(frame, reading.under), quality)

    def _publish(self, pictures: dict[View, Picture]) -> None:
        """In the viewers' thread."""
        # The last viewer may have left while this was encoded; the next must not be shown an old picture.
        # Nobody is shown one of another patient, whose case was over before it was encoded.
        self._pictures.update(
            {view: p for view, p in pictures.items() if self._viewers[view] and p.case == self._case}
        )
        for waiter in self._waiters:
            wake(waiter)


def _for_keeping(frame: Frame, reading: Reading, *panels: Roi) -> bytes:
    """A JPEG that is black where scanners write the patient's name; empty where the field is not known."""
    return b"" if reading.kept is None else as_jpeg(masked(frame, [reading.kept, *panels]), QUALITY)
