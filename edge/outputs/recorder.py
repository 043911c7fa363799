"""Records the pictures in a thread of its own, so that no disk and no encoder holds up the loop.

What is recorded is black outside the ultrasound field, where scanners write the patient's name, unless it is
asked for raw. Only whole seconds are written: a kill costs one, and a full disk leaves a file that plays.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from edge.blit import encoding_of, restored
from edge.contract.frame import Frame
from edge.errors import SonocartError
from edge.exam.desk import Desk, Keeping
from edge.exam.reading import Identity, Reading
from edge.outputs.log import record_of
from edge.outputs.masking import masked
from edge.outputs.planes import as_i420
from edge.outputs.recordings import About, now
from edge.outputs.segment import Segment
from edge.outputs.tape import Piece, Remarks, Tape
from edge.timing import Timing

logger = logging.getLogger(__name__)

QUEUE = 8
"""Frames that wait for the encoder at most; further ones are dropped and counted, never waited for."""

SEGMENT_S = 600.0
"""A recording goes on in a new one after this long, so that the oldest part of a long session can go."""

RING_BYTES = 64 << 20
"""Of encoded video kept from before the start, at most."""

_GAP_NS = 500_000_000
_TRY_AGAIN_NS = 10_000_000_000
_IDLE_S = 0.5


class Target(Protocol):
    """Where recordings go."""

    @property
    def parts(self) -> tuple[str, ...]:
        """Of "clean" and "annotated"."""

    def refusal(self) -> str | None:
        """Why nothing can be recorded, or None."""

    def begin(self, about: About) -> Segment:
        """A new recording."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How to record.

    Attributes:
        rate: nominal frames a second; time stamps are the frames' own.
        before_s: seconds from before the start that are kept ready and recorded too.
        raw: keep the picture outside the ultrasound field, patient text and all.
        wait: let `present` wait for a slow encoder instead of dropping, for sources that can wait too.
        on_request: record while the operator wants it; else always.
    """

    rate: float
    before_s: float = 0.0
    raw: bool = False
    wait: bool = False
    on_request: bool = False


class Recorder:
    """An output of the loop."""

    def __init__(
        self, target: Target, identity: Identity, habits: Habits, timing: Timing, desk: Desk | None = None
    ):
        """Start the thread; nothing is written before the first frame.

        Args:
            target: where to.
            identity: of the model, for the side file.
            habits: how.
            timing: receives the stage "record".
            desk: told what is being recorded, and asked for marks.
        """
        self.written = 0
        self.failure: str | None = None
        self._target, self._identity, self._habits, self._timing = target, identity, habits, timing
        self._desk = desk
        self._late = 0  # pictures that the encoder was too late for; counted in the loop's thread alone
        self._refused = 0  # between a disk's error and the next attempt; counted in our own thread alone
        self._told = 0  # of the late ones, in the side file
        self._event = 0  # number of the desk's event looked at last
        self._tape: Tape | None = None
        self._segment: Segment | None = None
        self._ring: deque[Piece] = deque()
        self._like: object = None  # what must stay the same within a tape
        self._case = 0  # that the tape is of
        self._last_ns: int | None = None  # of the picture recorded last
        self._silence = ""  # what the loop said while no picture came
        self._recording = False  # the picture taken last was to be kept
        self._closed = False
        self._problem: str | None = None
        self._blind = False  # the newest picture is recorded all black
        self._seen_ns = self._not_before_ns = 0
        self._refusal = target.refusal()
        if self._refusal is not None:
            logger.warning("%s", self._refusal)
        self._say()
        self._queue: queue.Queue[tuple[Frame, Reading, int] | None] = queue.Queue(QUEUE)
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Pictures that were to be recorded and are not."""
        return self._late + self._refused

    def present(self, frame: Frame, reading: Reading) -> None:
        """Hand over a frame with its overlay, which nobody may write to any more."""
        if not (self._wanted(reading) or self._habits.before_s or self._tape is not None):
            self._pass_over()
            return
        if self._refusal is not None or not self._thread.is_alive():
            self._late += self._wanted(reading)
            return
        try:
            self._queue.put((frame, reading, self._late), block=self._habits.wait)
        except queue.Full:
            self._late += 1

    def note(self, reading: Reading) -> None:
        """No picture comes: the gap will say why."""
        self._silence = reading.state.value

    def close(self, patience_s: float = 60.0) -> None:
        """Write what waits and finish the recording, for `patience_s` seconds at most."""
        end_s = time.monotonic() + patience_s
        if self._thread.is_alive():
            with suppress(queue.Full):
                self._queue.put(None, timeout=patience_s)
        self._thread.join(timeout=max(0.0, end_s - time.monotonic()))

    def _wanted(self, reading: Reading) -> bool:
        return not self._habits.on_request or reading.choices.recording

    def _run(self) -> None:
        while not self._closed:
            self._next()

    def _next(self) -> None:
        """Wait for one frame and record it."""
        try:
            item = self._queue.get(timeout=_IDLE_S)
            if item is None:
                self._closed = True
                self._end()
            else:
                with self._timing.stage("record"):
                    self._take(*item)
        except queue.Empty:
            if self._desk is not None and self._recording and self._stopped(self._desk):
                self._end()
        except Exception as error:  # noqa: BLE001 - top of a thread: the picture goes on without it
            self._fail(error)

    def _stopped(self, desk: Desk) -> bool:
        """True if the operator wants no more; asked while no picture comes that would say so."""
        return self._habits.on_request and not desk.choices.recording

    def _take(self, frame: Frame, reading: Reading, late: int) -> None:
        """Record it; `late` is how many had been when it came."""
        wanted, self._seen_ns = self._wanted(reading), frame.captured_ns
        like = (frame.bounds, encoding_of(frame), reading.choices.case)  # no recording shows two patients
        too_long = self._segment is not None and self._segment.seconds >= SEGMENT_S
        if like != self._like or too_long or (self._recording and not wanted):
            self._end()
        if not wanted and not self._habits.before_s:
            self._pass_over()
            return
        if wanted and frame.captured_ns < self._not_before_ns:
            self._refused += 1
            self._pass_over()
            return
        pictures = self._pictures(frame, reading)
        if self._tape is None:
            self._tape = Tape(pictures, self._habits.rate, frame.captured_ns)
            self._like, self._last_ns, self._case = like, None, reading.choices.case
            self._told = late  # what was missed before is no part of this recording
        pieces = self._tape.add(
            pictures,
            frame.captured_ns,
            record_of(reading, reading.estimate),
            self._remarks(frame, reading, late),
        )
        self._last_ns = frame.captured_ns
        self._ring += pieces
        self._recording = wanted
        if wanted:
            self._write()
        else:
            self._trim()

    def _pictures(self, frame: Frame, reading: Reading) -> dict[str, Frame]:
        """The parts, as I420, black outside the field; without a field, all black."""
        kept = [] if reading.kept is None else [reading.kept]
        self._blind = not kept and not self._habits.raw
        found = {}
        for part in self._target.parts:
            picture = restored(frame, reading.under) if part == "clean" else frame
            if not self._habits.raw:
                panel = [reading.panel] if part == "annotated" and reading.panel is not None else []
                picture = masked(picture, kept + panel)
            found[part] = as_i420(picture)
        return found

    def _remarks(self, frame: Frame, reading: Reading, late: int) -> Remarks:
        silence, self._silence = self._silence, ""
        missed, self._told = late - self._told, late
        gap_s, gap = 0.0, ""
        if self._last_ns is not None and frame.captured_ns - self._last_ns >= _GAP_NS:
            gap_s = round((frame.captured_ns - self._last_ns) / 1e9, 3)
            gap = silence or "pictures were dropped"
        return Remarks(gap_s, gap, missed, reading.kept, reading.panel, self._marks())

    def _pass_over(self) -> None:
        """What was noted up to a picture that is not recorded stands in no recording."""
        if self._desk is not None:
            self._event = self._desk.noted

    def _marks(self) -> tuple[str, ...]:
        """Noted since the picture before, of the tape's case alone."""
        if self._desk is None:
            return ()
        events = self._desk.events(self._event)
        self._event = events[-1].number if events else self._event
        kinds = ("mark", "snapshot", "grade")
        return tuple(f"{e.kind}: {e.text}" for e in events if e.kind in kinds and e.case == self._case)

    def _write(self) -> None:
        """Write what the tape has given, beginning a recording where there is none yet."""
        assert self._tape is not None
        while self._ring:
            if self._segment is None:
                self._segment = self._target.begin(self._about())
            self._segment.write(self._tape.headers, self._ring[0])
            self.written += len(self._ring.popleft().lines)
            self._problem = None
            self._say()

    def _trim(self) -> None:
        """Keep whole pieces of `before_s` seconds, and no more than `RING_BYTES`."""
        while len(self._ring) > self._habits.before_s or sum(p.size for p in self._ring) > RING_BYTES:
            self._ring.popleft()

    def _end(self) -> None:
        """Finish the tape, and the recording if there is one."""
        try:
            if self._tape is not None:
                self._ring += self._tape.finish()
                if self._recording:
                    self._write()
        finally:
            self._drop("")

    def _drop(self, reason: str) -> None:
        """Let go of everything; `reason` is why a recording is incomplete."""
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.close(reason)
        self._tape, self._like, self._recording = None, None, False
        self._ring.clear()
        self._say()

    def _fail(self, error: Exception) -> None:
        """Say what happened, finish what can be finished, and try again later."""
        words = (
            str(error)
            if isinstance(error, SonocartError)
            else getattr(error, "strerror", None) or repr(error)
        )
        self.failure = self._problem = f"the recording has stopped: {words}"
        logger.error("%s", self.failure)
        self._not_before_ns = self._seen_ns + _TRY_AGAIN_NS
        self._drop(words)

    def _about(self) -> About:
        assert self._tape is not None
        return About(
            state="recording",
            began=now(),
            width=self._tape.bounds.width,
            height=self._tape.bounds.height,
            raw=self._habits.raw,
            model=self._identity.model,
            bundle=self._identity.bundle,
            precision=self._identity.precision,
            case=self._case,
        )

    def _say(self) -> None:
        """Tell the operator."""
        if self._desk is None:
            return
        segment, refusal = self._segment, self._refusal
        text = self._problem or ""
        if segment is not None:
            text = f"{segment.name}, {int(segment.seconds) // 60}:{int(segment.seconds) % 60:02}"
            if segment.missed:
                text += (
                    f", {segment.missed} of {segment.missed + segment.frames} pictures not recorded: too slow"
                )
            if self._blind:
                text += ", black: the ultrasound field is not known"
        if refusal is None and not self._habits.on_request:
            refusal = "everything is recorded from the start"
        self._desk.keeping = Keeping(segment is not None, refusal, text)
