"""From the running picture to the archive: each snapshot and each finished recording becomes DICOM and waits.

All of one examination goes into one study. It begins with the first thing that is kept and ends when the
operator begins a new case. A thread of its own writes; what cannot be written now is tried again.
"""

from __future__ import annotations

import logging
import queue
import tempfile
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol

import numpy as np

from edge.blit import restored
from edge.contract.frame import Frame, Matrix, PixelFormat
from edge.contract.roi import Roi
from edge.errors import CannotCreateError, SonocartError, UnavailableError
from edge.exam.desk import Desk
from edge.exam.evidence import RiskEstimate
from edge.exam.reading import Reading
from edge.outputs.dicom.exam import Exam, Pixels, Still
from edge.outputs.dicom.finding import Finding, Model
from edge.outputs.dicom.media import read_clip
from edge.outputs.dicom.order import Order, Subject
from edge.outputs.dicom.uids import uid
from edge.outputs.dicom.write import write_exam
from edge.outputs.encoder import as_picture
from edge.outputs.planes import as_i420
from edge.outputs.recordings import Recordings

logger = logging.getLogger(__name__)

CONFIDENCE = 0.9
"""Of the interval of a live risk, see `RiskEstimate`."""

_WAITING = 8  # snapshots that wait for the disk at most
_TRY_AGAIN_S = 10.0
_LOOK_S = 1.0  # between looks for finished recordings


class Queue(Protocol):
    """An outbox, or the courier in front of one."""

    def put(self, files: Sequence[Path]) -> list[str]:
        """Take copies of `files`."""


@dataclass(frozen=True, slots=True)
class Case:
    """One examination: who, and the UID that all of it shares."""

    identity: Order | Subject
    study_uid: str


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """A picture that the operator wants to keep."""

    case: Case
    frame: Frame
    reading: Reading
    at: datetime


class Keeper:
    """An output of the loop that keeps what the operator asks for."""

    def __init__(
        self,
        desk: Desk,
        model: Model,
        identify: Callable[[], Order | Subject],
        outbox: Queue,
        recordings: Recordings | None,
    ):
        """Start the thread.

        Args:
            desk: whose snapshots and new cases are followed; told what became of them.
            model: whose estimates they are.
            identify: who is examined now; asked once an examination. Where it fails the study is written
                without identity, which is said: a wrong patient would be worse than none.
            outbox: takes the objects.
            recordings: whose finished ones are kept too, if there are any.
        """
        self._desk, self._model, self._identify, self._outbox = desk, model, identify, outbox
        self._recordings = recordings
        self._event = max((event.number for event in desk.events()), default=0)
        self._cases: dict[int, Case] = {}  # by the desk's number
        self._begun = -1  # case in which the identity was asked for because a recording runs
        self._lock = threading.Lock()
        self._last: Reading | None = None
        self._known = {clip.id for clip in recordings.clips()} if recordings is not None else set[str]()
        self._jobs: queue.Queue[_Snapshot] = queue.Queue(_WAITING)
        self._held: _Snapshot | None = None  # that could not be written yet
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dicom-keeper", daemon=True)
        self._thread.start()

    def present(self, frame: Frame, reading: Reading) -> None:
        """Keep this picture if a snapshot was asked for since the last one."""
        self._last = reading
        number, recording = reading.choices.case, reading.choices.recording or self._desk.keeping.recording
        if recording and self._begun != number:
            self._begun = number  # it is finished later, perhaps when another patient is examined
            self._case(number)
        for event in self._desk.events(self._event):
            self._event = event.number
            if event.kind == "snapshot":
                self._snap(frame, reading)

    def note(self, reading: Reading) -> None:
        """No picture, nothing to keep."""

    def close(self) -> None:
        """Write what waits."""
        self._closed.set()
        self._thread.join(timeout=20.0)

    def _snap(self, frame: Frame, reading: Reading) -> None:
        try:
            self._jobs.put_nowait(_Snapshot(self._case(reading.choices.case), frame, reading, _now()))
        except queue.Full:
            self._tell("a snapshot is lost: the disk takes none, and eight wait already")

    def _case(self, number: int) -> Case:
        """The examination with the desk's `number`; who it is of can be asked only while it runs."""
        with self._lock:
            case = self._cases.get(number)
            if case is None:
                identity: Order | Subject = Subject()
                try:
                    if number != self._desk.choices.case:
                        raise UnavailableError("its case is over")
                    identity = self._identify()
                except SonocartError as error:
                    self._tell(f"this study is written without identity: {error}")
                own = identity.study_uid if isinstance(identity, Order) else ""
                case = self._cases[number] = Case(identity, own or uid("live", uuid.uuid4().hex))
            return case

    def _run(self) -> None:
        while self._next():
            pass

    def _next(self) -> bool:
        """Write one snapshot, or what has been recorded; False at the end."""
        try:
            if self._held is None:
                self._held = self._jobs.get(timeout=_LOOK_S)
            self._write(self._held)
            self._held = None
        except queue.Empty:
            self._look_for_recordings()
            return not self._closed.is_set()
        except CannotCreateError as error:
            self._tell(f"a snapshot waits: {error}")
            return not self._closed.wait(_TRY_AGAIN_S)
        except Exception as error:  # noqa: BLE001 - top of a thread: the picture goes on without it
            self._tell(f"a snapshot cannot be kept: {error}")
            self._held = None
        return True

    def _write(self, snapshot: _Snapshot) -> None:
        """The still, with overlay and without, and the report."""
        reading = snapshot.reading
        field = reading.field or reading.region
        if field is None:
            self._tell("a snapshot cannot be kept: the ultrasound field is not known, and all else is masked")
            return
        exam = Exam(
            identity=snapshot.case.identity,
            captured_at=snapshot.at,
            field=field,
            panels=() if reading.panel is None else (reading.panel,),
            finding=self._finding(snapshot, field),
            still=Still(as_rgb(restored(snapshot.frame, reading.under))),
            annotated_still=Still(as_rgb(snapshot.frame)),
            study_uid=snapshot.case.study_uid,
        )
        self._put(exam)
        self._tell("a snapshot is kept")

    def _look_for_recordings(self) -> None:
        """Keep each recording that has been finished since the start."""
        if self._recordings is None or self._last is None:
            return
        for clip in self._recordings.clips()[::-1]:
            field = self._last.field or self._last.region
            if clip.id in self._known or clip.about.state != "complete" or field is None:
                continue
            self._known.add(clip.id)
            try:
                case = self._case(clip.about.case)
                self._put(
                    Exam(
                        identity=case.identity,
                        captured_at=datetime.fromisoformat(clip.about.began),
                        field=field,
                        panels=() if self._last.panel is None else (self._last.panel,),
                        clip=read_clip(self._recordings.open(clip.id, "clean")),
                        annotated_clip=read_clip(self._recordings.open(clip.id, "annotated")),
                        study_uid=case.study_uid,
                    )
                )
                self._tell(f"recording {clip.id} is kept for the archive")
            except SonocartError as error:  # the recording itself is still there
                self._tell(f"recording {clip.id} cannot be kept for the archive: {error}")

    def _put(self, exam: Exam) -> None:
        with tempfile.TemporaryDirectory(prefix="sonocart-dicom-") as folder:
            self._outbox.put(write_exam(exam, Path(folder) / "study").files)

    def _finding(self, snapshot: _Snapshot, field: Roi) -> Finding | None:
        """What was shown with the picture; None where nothing was."""
        estimate, choices = snapshot.reading.shown, snapshot.reading.choices
        if not isinstance(estimate, RiskEstimate):
            return None
        box = choices.roi
        return Finding(
            risk=estimate.risk,
            low=min(estimate.low, estimate.risk),
            high=max(estimate.high, estimate.risk),
            confidence=CONFIDENCE,
            operating_point=choices.point.name,
            threshold=choices.point.threshold,
            frames_used=estimate.n,
            captured_at=snapshot.at,
            box=box if box is not None and box.inside(field) else None,
            model=self._model,
        )

    def _tell(self, text: str) -> None:
        logger.info("%s", text)
        self._desk.note("dicom", text)


def as_rgb(frame: Frame) -> Pixels:
    """Full-range RGB, uint8 (H, W, 3), without odd columns and rows at the right and bottom."""
    if frame.format in (PixelFormat.BGR24, PixelFormat.RGB24):
        order = slice(None) if frame.format is PixelFormat.RGB24 else slice(None, None, -1)
        return np.ascontiguousarray(frame.planes[0][..., order])
    i420 = as_i420(frame)
    picture = as_picture(i420)
    picture.color_range = 2 if i420.full_range else 1  # AVCOL_RANGE_JPEG, AVCOL_RANGE_MPEG
    picture.colorspace = 1 if i420.matrix is Matrix.BT709 else 5  # AVCOL_SPC_BT709, AVCOL_SPC_BT470BG
    return picture.to_ndarray(format="rgb24").astype(np.uint8, copy=False)


def _now() -> datetime:
    return datetime.now(timezone.utc).astimezone()
