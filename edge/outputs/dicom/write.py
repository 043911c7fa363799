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
from edge.outputs.dicom.images import clip_images, still_image
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
    study = _study(exam)
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


def write_each(exam: Exam, folder: Path) -> Iterator[Path]:
    """The same files one after the other, in a `folder` that exists, for whoever takes each away at once.

    Raises:
        OSError: it cannot be written.
        DataError: as `write_exam`.
    """
    for name, dataset in _objects(exam, _study(exam)):
        path = folder / _save(dataset, folder / name)
        del dataset  # before the next is made
        yield path


def _study(exam: Exam) -> Study:
    began = exam.began or exam.captured_at
    return Study(exam.study_uid or _study_uid(exam), exam.identity, began, version("sonocart"))


def _objects(exam: Exam, study: Study) -> Iterator[tuple[str, Dataset]]:
    """File name and content, one at a time, so that the pixels of one picture are in memory."""
    sources = (
        ("clean-still", exam.still, False),
        ("clean-clip", exam.clip, False),
        ("annotated-still", exam.annotated_still, True),
        ("annotated-clip", exam.annotated_clip, True),
    )
    images: list[Dataset] = []
    for name, source, annotated in sources:
        if source is None:
            continue
        parts = (
            iter([still_image(exam, source, study, annotated=annotated)])
            if isinstance(source, Still)
            else clip_images(exam, source, study, annotated=annotated)
        )
        for part, image in enumerate(parts, 1):
            images.append(evidence(image))
            yield f"{name}.dcm" if part == 1 else f"{name}-{part}.dcm", image
            del image  # before the next is made
    if exam.finding is not None:
        still = None if exam.still is None else images[0]
        yield (
            "report.dcm",
            report(exam.finding, study, images, still, exam.pixel_mm, number=exam.number, lesion=exam.lesion),
        )


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
