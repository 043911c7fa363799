"""Writing one examination as a folder of DICOM files."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import msgspec
from pydicom.dataset import Dataset

from edge.errors import CannotCreateError
from edge.outputs.dicom.evidence import evidence
from edge.outputs.dicom.exam import Exam, Still
from edge.outputs.dicom.images import clip_image, still_image
from edge.outputs.dicom.order import Order
from edge.outputs.dicom.report import report
from edge.outputs.dicom.study import Study
from edge.outputs.dicom.uids import uid


@dataclass(frozen=True, slots=True)
class Written:
    """A study on disk: its folder, its files in the order in which they are to be sent, its UID."""

    folder: Path
    files: tuple[Path, ...]
    study_uid: str


def write_exam(exam: Exam, folder: Path) -> Written:
    """Write every picture and the report; the folder appears complete or not at all.

    The same examination always gives the same identifiers. Frames of a clip are encoded one by one.

    Raises:
        CannotCreateError: `folder` exists, or cannot be written.
        DataError: pictures that do not fit each other or the regions.
    """
    if folder.exists():
        raise CannotCreateError(f"'{folder}' exists already; choose another --out or remove it first")
    study = Study(exam.study_uid or _study_uid(exam), exam.identity, exam.captured_at, version("sonocart"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise CannotCreateError(f"cannot write '{folder}': {error.strerror}") from error
    try:
        partial.chmod(0o750)
        names = [_save(dataset, partial / name) for name, dataset in _objects(exam, study)]
        partial.rename(folder)
    except OSError as error:
        raise CannotCreateError(f"cannot write '{folder}': {error.strerror}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Written(folder, tuple(folder / name for name in names), study.uid)


def _objects(exam: Exam, study: Study) -> Iterator[tuple[str, Dataset]]:
    """File name and content, one at a time, so that the pixels of one picture are in memory."""
    sources = (
        ("clean-still.dcm", exam.still, False),
        ("clean-clip.dcm", exam.clip, False),
        ("annotated-still.dcm", exam.annotated_still, True),
        ("annotated-clip.dcm", exam.annotated_clip, True),
    )
    images: list[Dataset] = []
    for name, source, annotated in sources:
        if isinstance(source, Still):
            image = still_image(exam, source, study, annotated=annotated)
        elif source is not None:
            image = clip_image(exam, source, study, annotated=annotated)
        else:
            continue
        images.append(evidence(image))
        yield name, image
    if exam.finding is not None:
        still = None if exam.still is None else images[0]
        yield "report.dcm", report(exam.finding, study, images, still, exam.pixel_mm)


def _study_uid(exam: Exam) -> str:
    """The worklist's, else one that follows from the order, else from what was captured and found.

    The last never depends on who was examined, so it tells nothing about a patient.
    """
    if isinstance(exam.identity, Order):
        order = exam.identity
        if order.study_uid:
            return order.study_uid
        key = order.accession_number or exam.captured_at.isoformat()
        return uid("order", order.patient_id, key)
    digest = hashlib.sha256(msgspec.json.encode(exam.finding))
    if exam.still is not None:
        digest.update(exam.still.pixels.tobytes())
    return uid("subject", exam.identity.code, exam.captured_at.isoformat(), digest.hexdigest())


def _save(dataset: Dataset, path: Path) -> str:
    with path.open("xb") as file:
        dataset.save_as(file, enforce_file_format=True)
        file.flush()
        os.fsync(file.fileno())
    return path.name
