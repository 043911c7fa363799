"""From the settings to what keeps pictures: the recorders and the way to the archive."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec
from typing import TYPE_CHECKING

from edge.contract.audit import append
from edge.contract.bundle import Bundle
from edge.errors import UnavailableError, UsageError
from edge.exam.desk import Desk
from edge.exam.reading import Identity
from edge.loop import Output
from edge.outputs.recorder import Habits, Recorder
from edge.outputs.recordings import Recordings
from edge.outputs.segment import OneFile, Shelf
from edge.settings import DicomSettings, Settings
from edge.sources.base import Pace
from edge.timing import Timing

if TYPE_CHECKING:
    from edge.outputs.dicom.order import Order, Subject

logger = logging.getLogger(__name__)

PATIENT = tuple(
    f"dicom.{key}" for key in ("identified", "worklist", "accession", "patient_id", "patient_name", "subject")
)
"""Settings that say who is examined; they may change while the cart runs."""


def recordings_of(settings: Settings) -> Recordings | None:
    """The folder of recordings, if there is to be one."""
    kept = settings.recording
    return None if kept.folder is None else Recordings(kept.folder, int(kept.cap_gb * 1e9))


def start_dicom(
    settings: Settings,
    current: Callable[[], Settings],
    bundle: Bundle,
    precision: str,
    desk: Desk,
    recordings: Recordings | None,
    stack: ExitStack,
) -> list[Output]:
    """What writes DICOM and sends it, if the settings have a queue; `stack` ends it.

    Args:
        settings: at the start.
        current: as of now; who is examined may change by a reload.
        bundle: whose estimates they are.
        precision: of the engine.
        desk: the operator's.
        recordings: whose finished ones go to the archive too.
        stack: closed at the end of the run.

    Raises:
        UnavailableError: the extra is not installed.
        UsageError: no address, or an identity that is half given.
    """
    chosen = settings.dicom
    if chosen.queue is None:
        if chosen.pacs is not None:
            raise UsageError(
                f"--pacs {chosen.pacs} has nothing to send without a queue. Give --dicom FOLDER too"
            )
        return []
    if find_spec("pynetdicom") is None or find_spec("highdicom") is None:
        raise UnavailableError("--dicom needs pydicom's family. Run: pip install 'sonocart[dicom]'")
    from edge.outputs.dicom.courier import Courier
    from edge.outputs.dicom.finding import Model
    from edge.outputs.dicom.keeper import Keeper, Queue
    from edge.outputs.dicom.outbox import Outbox
    from edge.outputs.dicom.pacs import Pacs

    outbox: Queue = Outbox(chosen.queue)
    if chosen.pacs is not None:
        courier = Courier(Outbox(chosen.queue), Pacs.parse(chosen.pacs, chosen.own_title))
        stack.callback(courier.close)
        outbox = courier
    model = Model(
        name=bundle.spec.name[:64],
        version=bundle.spec.provenance.created[:64],
        precision=precision[:64],
        bundle_id=bundle.id,
        passport_id=None,
    )
    keeper = Keeper(desk, model, lambda: _identity(current().dicom), outbox, recordings)
    stack.callback(keeper.close)
    return [keeper]


def _identity(chosen: DicomSettings) -> Order | Subject:
    """Who is examined now.

    Raises:
        NoInputError, DataError, UsageError: the worklist cannot be read, or the settings contradict.
    """
    from edge.outputs.dicom.order import Order, Subject
    from edge.outputs.dicom.worklist import read_worklist

    named = chosen.worklist is not None or chosen.patient_id is not None
    if named != chosen.identified:
        raise UsageError("dicom.identified needs dicom.worklist or dicom.patient_id, and they need it")
    if chosen.worklist is not None:
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
        if settings.model.audit is not None:
            append(settings.model.audit, "raw", "recordings keep the picture outside the ultrasound field")
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
