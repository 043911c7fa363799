"""Reading a Modality Worklist item (PS3.4 K): a .wl file as worklist servers keep it, or DICOM JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from edge.errors import DataError, NoInputError
from edge.outputs.dicom.order import Order

_LARGEST = 16 << 20  # bytes

_STUDY = {
    "patient_id": "PatientID",
    "patient_name": "PatientName",
    "birth_date": "PatientBirthDate",
    "sex": "PatientSex",
    "accession_number": "AccessionNumber",
    "study_uid": "StudyInstanceUID",
    "procedure_id": "RequestedProcedureID",
    "procedure_description": "RequestedProcedureDescription",
    "referring_physician": "ReferringPhysicianName",
}
_STEP = {"step_id": "ScheduledProcedureStepID", "step_description": "ScheduledProcedureStepDescription"}


def read_worklist(path: Path, accession_number: str | None = None) -> Order:
    """The order in a worklist file.

    Args:
        path: a DICOM worklist item (with or without the Part 10 header) or DICOM JSON (PS3.18 F), one
            item or a list of them.
        accession_number: which item, where the file holds several.

    Raises:
        NoInputError: the file cannot be read.
        DataError: not a worklist, no such order, or a value that DICOM does not allow. No message shows a
            value of the file.
    """
    items = _items(path)
    if accession_number is not None:
        items = [item for item in items if _text(item, "AccessionNumber") == accession_number]
        if not items:
            raise DataError(f"worklist '{path}' has no order with this accession number")
    if len(items) != 1:
        raise DataError(f"worklist '{path}' holds {len(items)} orders, expected 1. Choose with --accession")
    item = items[0]
    values = {field: _text(item, keyword) for field, keyword in _STUDY.items()}
    steps = item.get("ScheduledProcedureStepSequence")
    if steps:
        values.update({field: _text(steps[0], keyword) for field, keyword in _STEP.items()})
    try:
        return Order(**values)
    except DataError as error:
        raise DataError(f"worklist '{path}': {error}") from error


def _items(path: Path) -> list[Dataset]:
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except OSError as error:
        raise NoInputError(f"cannot read the worklist '{path}': {error.strerror}") from error
    if not raw or len(raw) > _LARGEST:
        raise DataError(f"worklist '{path}' has {len(raw)} bytes, expected 1 to {_LARGEST}")
    # What is read is checked field by field in Order; pydicom's own warnings would print the values.
    with pydicom.config.disable_value_validation():
        try:
            items = _from_json(raw) if raw.lstrip()[:1] in (b"{", b"[") else [_from_dicom(path)]
            for item in items:
                item.decode()  # now, so that a bad character set is found here
        except _MALFORMED as error:
            raise DataError(
                f"'{path}' is no worklist item, neither DICOM nor DICOM JSON ({type(error).__name__})"
            ) from error
    return items


_MALFORMED = (
    ArithmeticError,
    AttributeError,
    InvalidDicomError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    msgspec.MsgspecError,
)
"""What parsers of foreign bytes raise."""


def _from_json(raw: bytes) -> list[Dataset]:
    decoded: Any = msgspec.json.decode(raw)
    return [Dataset.from_json(item) for item in (decoded if isinstance(decoded, list) else [decoded])]


def _from_dicom(path: Path) -> Dataset:
    dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True)
    if "PatientID" not in dataset:  # forced reading makes something of any bytes
        raise InvalidDicomError
    return dataset


def _text(item: Dataset, keyword: str) -> str:
    value = item.get(keyword)
    return "" if value is None else str(value).strip(" \0")
