"""From the settings to what keeps pictures: the recorders and the way to the archive."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec

from edge.closing import SPARE_S, Closing
from edge.contract.bundle import Bundle
from edge.errors import UnavailableError
from edge.exam.desk import Desk
from edge.exam.reading import Identity
from edge.loop import Output
from edge.outputs.dicom.order import Order, Subject
from edge.outputs.reception import Reception
from edge.outputs.recorder import Habits, Recorder
from edge.outputs.recordings import Recordings
from edge.outputs.segment import OneFile, Shelf
from edge.service.audited import audited
from edge.settings import DicomSettings, Settings
from edge.sources.base import Pace
from edge.timing import Timing

logger = logging.getLogger(__name__)

PATIENT = tuple(
    f"dicom.{key}" for key in ("identified", "worklist", "accession", "patient_id", "patient_name", "subject")
)
"""Settings that say who is examined; they may change while the cart runs."""


def recordings_of(settings: Settings) -> Recordings | None:
    """The folder of recordings, if there is to be one."""
    kept = settings.recording
    if kept.folder is None:
        return None
    return Recordings(kept.folder, int(kept.cap_gb * 1e9), archive=settings.dicom.queue is not None)


def reception_of(settings: Settings, desk: Desk) -> Reception | None:
    """Where patients are entered, if anything is written that could name one."""
    if settings.dicom.queue is None:
        return None
    return Reception(desk, partial(_identity, settings.dicom), settings.dicom.worklist)


def another_patient(desk: Desk, reception: Reception | None, new: Settings) -> None:
    """A reload has changed one of `PATIENT`: a case begins, of whom `new` names and nobody else."""
    if reception is None:
        desk.new_case()
    else:
        reception.configure(partial(_identity, new.dicom), new.dicom.worklist)


def start_dicom(
    settings: Settings,
    bundle: Bundle,
    identity: Identity,
    desk: Desk,
    reception: Reception | None,
    recordings: Recordings | None,
    stack: ExitStack,
    closing: Closing,
) -> list[Output]:
    """What writes DICOM and sends it, if the settings have a queue; `stack` ends it.

    Args:
        settings: at the start.
        bundle: whose estimates they are.
        identity: of the model, as it is shown.
        desk: the operator's.
        reception: knows who is examined.
        recordings: whose finished ones go to the archive too.
        stack: closed at the end of the run.
        closing: how long finishing may take.

    Raises:
        UnavailableError: the extra is not installed.
    """
    chosen = settings.dicom
    if chosen.queue is None or reception is None:
        return []
    if find_spec("pynetdicom") is None or find_spec("highdicom") is None:
        raise UnavailableError("--dicom needs pydicom's family. Run: pip install 'sonocart[dicom]'")
    from edge.outputs.dicom.address import Pacs
    from edge.outputs.dicom.courier import Courier
    from edge.outputs.dicom.finding import Model
    from edge.outputs.dicom.keeper import Keeper, Queue
    from edge.outputs.dicom.outbox import Outbox

    outbox: Queue = Outbox(chosen.queue)
    if chosen.pacs is not None:
        courier = Courier(Outbox(chosen.queue), Pacs.parse(chosen.pacs, chosen.own_title))
        stack.callback(courier.close)
        outbox = courier
    model = Model(
        name=bundle.spec.name[:64],
        version=bundle.spec.provenance.created[:64],
        precision=identity.precision[:64],
        bundle_id=bundle.id,
        passport_id=identity.passport,
    )
    keeper = Keeper(desk, model, reception.identify, outbox, recordings)
    stack.callback(closing.close, keeper, SPARE_S / 3)
    return [keeper]


def _identity(chosen: DicomSettings) -> Order | Subject:
    """Who is examined now.

    Raises:
        NoInputError, DataError, UsageError: the worklist cannot be read, or the patient's number is none.
    """
    if not chosen.identified:  # orders of a worklist are then chosen by the operator
        return Subject(chosen.subject)
    if chosen.worklist is not None:
        from edge.outputs.dicom.worklist import read_worklist

        return read_worklist(chosen.worklist, chosen.accession)
    if chosen.patient_id is not None:
        return Order(chosen.patient_id, chosen.patient_name, accession_number=chosen.accession or "")
    return Subject(chosen.subject)


def start_recorders(
    settings: Settings,
    recordings: Recordings | None,
    identity: Identity,
    rate: float,
    timing: Timing,
    desk: Desk,
) -> list[Recorder]:
    """One for the file that was named, one for the folder of recordings; `rate` is the source's."""
    kept, wait = settings.recording, settings.source.pace is Pace.MAX
    if kept.raw and (kept.video or kept.folder):
        logger.warning("recordings keep the whole picture, patient text included: --record-raw")
        what = "recordings keep the picture outside the ultrasound field"
        audited(settings.model.audit, "raw", what, partial(desk.note, "audit"))
    recorders = []
    if kept.video is not None:
        habits = Habits(rate, raw=kept.raw, wait=wait)
        recorders.append(
            Recorder(OneFile(kept.video), identity, habits, timing, None if kept.folder else desk)
        )
    if recordings is not None:
        habits = Habits(rate, kept.before_s, kept.raw, wait, on_request=not kept.always)
        recorders.append(Recorder(Shelf(recordings), identity, habits, timing, desk))
    return recorders
