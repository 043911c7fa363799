"""From the running picture to the archive: each snapshot and each finished recording becomes DICOM and waits.

All of one examination goes into one study. It begins with the first thing that is kept and ends when the
operator begins a new case. A thread of its own writes; what cannot be written now is tried again.
"""

from __future__ import annotations

import logging
import queue
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol

import numpy as np

from edge.blit import restored
from edge.clock import wrong_clock
from edge.contract.frame import Frame, Matrix, PixelFormat
from edge.contract.roi import Roi
from edge.errors import CannotCreateError, DataError, SonocartError, UnavailableError
from edge.exam.desk import Desk
from edge.exam.evidence import RiskEstimate
from edge.exam.reading import Reading
from edge.outputs.dicom.exam import Exam, Pixels, Still, Uncut
from edge.outputs.dicom.finding import Finding, Model
from edge.outputs.dicom.media import read_clip
from edge.outputs.dicom.order import Order, Subject
from edge.outputs.dicom.uids import uid
from edge.outputs.dicom.write import write_each
from edge.outputs.encoder import as_picture
from edge.outputs.planes import as_i420
from edge.outputs.recordings import Clip as Recorded
from edge.outputs.recordings import Recordings
from edge.outputs.tape import read_lines

logger = logging.getLogger(__name__)

CONFIDENCE = 0.9
"""Of the interval of a live risk, see `RiskEstimate`."""

_WAITING = 8  # snapshots that wait for the disk at most
_TRY_AGAIN_S = 10.0
_PARTS = 1000  # of a recording, at most; Instance Numbers that are kept free for it
_LOOK_S = 1.0  # between looks for finished recordings
_FINISHED_S = 60.0  # a recording has come to its folder so long after its case, at the latest


class Queue(Protocol):
    """An outbox, or the courier in front of one."""

    def put(self, files: Sequence[Path]) -> list[str]:
        """Take copies of `files`."""


@dataclass(frozen=True, slots=True)
class Case:
    """One examination.

    Attributes:
        identity: who.
        study_uid, began: that all of it shares.
        marks: the lesions that were marked, in the order in which something of them was kept.
    """

    identity: Order | Subject
    study_uid: str
    began: datetime
    marks: list[Roi] = field(default_factory=list)

    def lesion(self, mark: Roi | None) -> int:
        """Number of a marked lesion, from 1; 0 for none. A new object is a new mark, see `Choices.lesion`."""
        if mark is None:
            return 0
        if not any(mark is known for known in self.marks):
            self.marks.append(mark)
        return next(number for number, known in enumerate(self.marks, 1) if known is mark)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """A picture that the operator wants to keep."""

    frame: Frame
    reading: Reading
    at: datetime


class Keeper:
    """An output of the loop that keeps what the operator asks for."""

    def __init__(
        self,
        desk: Desk,
        model: Model,
        identify: Callable[[int], Future[Order | Subject]],
        outbox: Queue,
        recordings: Recordings | None,
    ):
        """Start the thread.

        Args:
            desk: whose snapshots and new cases are followed; told what became of them.
            model: whose estimates they are.
            identify: who is examined in a case, by its number; asked when the first thing is to be kept.
                Where it fails the study is written without identity, which is said: a wrong patient would be
                worse than none.
            outbox: takes the objects.
            recordings: whose finished ones are kept too, if there are any.
        """
        self._desk, self._model, self._identify, self._outbox = desk, model, identify, outbox
        self._recordings = recordings
        self._event = max((event.number for event in desk.events()), default=0)
        # By the desk's number: who, and since when something is kept.
        self._asked: dict[int, tuple[Future[Order | Subject], datetime]] = {}
        self._newest, self._begun_s = -1, 0.0  # case, and time.monotonic of its first picture
        self._cases: dict[int, Case] = {}  # of our own thread
        self._numbers: Counter[str] = Counter()  # last Instance Number, by study
        self._waiting = ""  # what was said last of something that waits
        self._known = set[str]()  # recordings that are dealt with
        self._before = {clip.id for clip in recordings.clips()} if recordings is not None else set[str]()
        self._jobs: queue.Queue[_Snapshot] = queue.Queue(_WAITING)
        self._held: _Snapshot | None = None  # that could not be written yet
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dicom-keeper", daemon=True)
        self._thread.start()

    def present(self, frame: Frame, reading: Reading) -> None:
        """Keep this picture if a snapshot was asked for since the last one."""
        number, recording = reading.choices.case, reading.choices.recording or self._desk.keeping.recording
        if number != self._newest:
            self._newest, self._begun_s = number, time.monotonic()
        if recording:
            self._ask(number)  # now: it is finished later, perhaps when another patient is examined
        for event in self._desk.events(self._event):
            self._event = event.number
            if event.kind == "snapshot":
                self._snap(frame, reading)

    def note(self, reading: Reading) -> None:
        """No picture, nothing to keep."""

    def close(self, patience_s: float = 20.0) -> None:
        """Write what waits, for `patience_s` seconds at most."""
        self._closed.set()
        self._thread.join(timeout=patience_s)

    def _ask(self, number: int) -> None:
        """Learn who it is of, which can be asked only while the case runs, and waits for nothing."""
        if number not in self._asked:
            self._asked[number] = self._identify(number), _now()

    def _snap(self, frame: Frame, reading: Reading) -> None:
        self._ask(reading.choices.case)
        try:
            self._jobs.put_nowait(_Snapshot(frame, reading, _now()))
        except queue.Full:
            self._tell("a snapshot is lost: the disk takes none, and eight wait already")

    def _case(self, number: int, at: datetime) -> Case:
        """The examination with the desk's `number`; waits for who it is of, in our own thread.

        `at` is when that of it which is to be kept was captured.
        """
        case = self._cases.get(number)
        if case is None:
            identity: Order | Subject = Subject()
            try:
                if number not in self._asked:
                    raise UnavailableError("its case is over")
                identity = self._asked[number][0].result()
            except SonocartError as error:
                self._tell(f"this study is written without identity: {error}")
            wrong = wrong_clock()
            if wrong:
                self._tell(f"the cart's clock says {wrong}: what is kept now is dated wrongly")
            own = identity.study_uid if isinstance(identity, Order) else ""
            began = self._asked[number][1] if number in self._asked else at
            case = self._cases[number] = Case(identity, own or uid("live", uuid.uuid4().hex), began)
        return case

    def _run(self) -> None:
        while self._next():
            pass

    def _next(self) -> bool:
        """Write one snapshot, or what has been recorded; False at the end."""
        if self._held is None:
            with suppress(queue.Empty):
                self._held = self._jobs.get(timeout=_LOOK_S)
        what = "recording" if self._held is None else "snapshot"
        try:
            if self._held is None:
                self._look_for_recordings()
                return not self._closed.is_set()
            self._write_held()
        except (CannotCreateError, OSError) as error:
            self._tell_once(f"a {what} waits: {error}")
            return not self._closed.wait(_TRY_AGAIN_S)
        except Exception as error:  # noqa: BLE001 - top of a thread: the picture goes on without it
            self._tell(f"a {what} cannot be kept: {error}")
        self._waiting = ""
        return True

    def _write_held(self) -> None:
        """Write the snapshot that is held.

        Raises:
            CannotCreateError, OSError: there is no room now; it stays held.
        """
        assert self._held is not None
        try:
            self._write(self._held)
        except (CannotCreateError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, once is enough
            self._tell(f"a snapshot cannot be kept: {error}")
        self._held = None

    def _write_waiting(self) -> None:
        """Snapshots go first: a long recording takes minutes, and only a few can wait.

        Raises:
            CannotCreateError, OSError: as `_write_held`.
        """
        with suppress(queue.Empty):
            while True:
                if self._held is None:
                    self._held = self._jobs.get_nowait()
                self._write_held()

    def _write(self, snapshot: _Snapshot) -> None:
        """The still, with overlay and without, and the report."""
        reading = snapshot.reading
        clean, annotated = as_rgb(restored(snapshot.frame, reading.under)), as_rgb(snapshot.frame)
        height, width = clean.shape[:2]
        field = _within(reading.kept, width, height)
        if field is None:
            self._tell("a snapshot cannot be kept: the ultrasound field is not known, and all else is masked")
            return
        panel, px_per_mm = _within(reading.panel, width, height), reading.findings.px_per_mm
        case = self._case(reading.choices.case, snapshot.at)
        exam = Exam(
            identity=case.identity,
            captured_at=snapshot.at,
            field=field,
            panels=() if panel is None else (panel,),
            pixel_mm=None if px_per_mm is None else 1.0 / px_per_mm,
            finding=self._finding(snapshot, field),
            still=Still(clean),
            annotated_still=Still(annotated),
            study_uid=case.study_uid,
            began=case.began,
            number=self._number(case, 1),
            lesion=case.lesion(reading.choices.lesion),
        )
        for _ in self._put(exam):
            pass
        self._tell("a snapshot is kept")

    def _look_for_recordings(self) -> None:
        """Keep each finished recording that waits for it, and forget whom no more can come of.

        Raises:
            CannotCreateError, OSError: one could not be kept now.
        """
        clips = [] if self._recordings is None else self._recordings.clips()[::-1]
        clips = [clip for clip in clips if clip.waiting and clip.id not in self._known]
        for clip in clips:
            if clip.about.state == "recording":
                continue
            self._known.add(clip.id)  # whatever else is wrong with it, once is enough
            try:
                if clip.about.state == "complete":
                    self._keep(clip)
            except (CannotCreateError, OSError):
                self._known.discard(clip.id)
                raise
            except SonocartError as error:  # the recording itself is still there
                self._tell(f"recording {clip.id} cannot be kept for the archive: {error}")
            if self._recordings is not None:
                self._recordings.archived(clip.id)
        self._waiting = ""
        if time.monotonic() - self._begun_s > _FINISHED_S:
            running = {clip.about.case for clip in clips if clip.id not in self._known}
            for number in list(self._asked):
                if number != self._newest and number not in running:
                    del self._asked[number]
                    self._cases.pop(number, None)

    def _keep(self, clip: Recorded) -> None:
        """Queue a finished recording.

        Raises:
            SonocartError, OSError: it cannot be read or queued.
        """
        assert self._recordings is not None
        captured_at = datetime.fromisoformat(clip.about.began)
        if clip.id in self._before:  # its case's number counts from another start, and stands for nobody now
            self._tell(f"recording {clip.id} is of an earlier start: it is written without identity")
            case = Case(
                Subject(), uid("recording", clip.id, clip.about.began, clip.about.bundle), captured_at
            )
        else:
            case = self._case(clip.about.case, captured_at)
        field, panels = self._shown_in(clip)
        exam = Exam(
            identity=case.identity,
            captured_at=captured_at,
            field=field,
            panels=panels,
            clip=read_clip(self._recordings.open(clip.id, "clean")),
            annotated_clip=read_clip(self._recordings.open(clip.id, "annotated")),
            study_uid=case.study_uid,
            began=case.began,
            number=self._number(case, _PARTS),
        )
        for _ in self._put(exam):
            self._write_waiting()
        self._tell(f"recording {clip.id} is kept for the archive")

    def _number(self, case: Case, images: int) -> int:
        """Instance Number of the first of so many images that follow."""
        self._numbers[case.study_uid] += images
        return self._numbers[case.study_uid] - images + 1

    def _shown_in(self, clip: Recorded) -> tuple[Roi | Uncut, tuple[Roi, ...]]:
        """Field and panel of a recording. One that was masked as it was made needs no second mask.

        Raises:
            DataError: the whole picture was recorded, and its field was not known all the time.
        """
        assert self._recordings is not None
        if not clip.about.raw:
            return Uncut.CLEAN, ()
        lines = read_lines(self._recordings.open(clip.id, "estimates"))
        size = clip.about.width, clip.about.height
        field = _within(_common([line.field for line in lines]), *size)
        if field is None:
            raise DataError("its ultrasound field is not known, and all else has to be masked")
        panel = _within(_common([line.panel for line in lines]), *size)
        return field, () if panel is None else (panel,)

    def _put(self, exam: Exam) -> Iterator[None]:
        """Queue it object by object, so that no second copy of all of it is ever on the disk.

        Raises:
            CannotCreateError: there is no room now, there or in the folder for temporary files.
            DataError: DICOM cannot hold it.
        """
        try:
            with tempfile.TemporaryDirectory(prefix="sonocart-dicom-") as folder:
                for path in write_each(exam, Path(folder)):
                    self._outbox.put([path])
                    path.unlink()
                    yield
        except OSError as error:
            raise CannotCreateError(f"cannot write: {error.strerror or error}") from error

    def _finding(self, snapshot: _Snapshot, field: Roi) -> Finding | None:
        """What was shown with the picture; None where nothing was."""
        estimate, choices = snapshot.reading.shown, snapshot.reading.choices
        if not isinstance(estimate, RiskEstimate):
            return None
        box = snapshot.reading.findings.lesion
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

    def _tell_once(self, text: str) -> None:
        """Of something that is tried again and again."""
        if text != self._waiting:
            self._waiting = text
            self._tell(text)

    def _tell(self, text: str) -> None:
        logger.info("%s", text)
        self._desk.note("dicom", text)


def _common(boxes: Sequence[tuple[int, int, int, int] | None]) -> Roi | None:
    """What all of them share; None where one is missing or they have nothing in common."""
    rois = [Roi(*box) for box in boxes if box is not None]
    if not rois or len(rois) < len(boxes):
        return None
    left, top = max(roi.x for roi in rois), max(roi.y for roi in rois)
    right, bottom = min(roi.right for roi in rois), min(roi.bottom for roi in rois)
    return Roi(left, top, right - left, bottom - top) if right > left and bottom > top else None


def _within(roi: Roi | None, width: int, height: int) -> Roi | None:
    """What of it lies in a picture, which may have lost an odd column or row; None for nothing."""
    if roi is None:
        return None
    right, bottom = min(roi.right, width), min(roi.bottom, height)
    return Roi(roi.x, roi.y, right - roi.x, bottom - roi.y) if right > roi.x and bottom > roi.y else None


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
