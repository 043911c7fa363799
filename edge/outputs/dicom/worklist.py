"""Reading a Modality Worklist item (PS3.4 K): a .wl file as worklist servers keep it, or DICOM JSON."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.valuerep import PersonName

from edge.errors import DataError, NoInputError
from edge.outputs.dicom.order import Order
from edge.outputs.dicom.parsing import unvalidated

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
    try:
        if accession_number is not None:
            items = [item for item in items if _text(item, "AccessionNumber") == accession_number]
        if len(items) != 1:
            which = "" if accession_number is None else " with this accession number"
            raise DataError(f"{len(items)} orders{which}, expected 1; choose with --accession")
        return _order(items[0])
    except DataError as error:
        raise DataError(f"worklist '{path}': {error}") from error


def read_orders(path: Path) -> tuple[tuple[Order, ...], tuple[str, ...]]:
    """All orders of a worklist file that can be used, and what is wrong with the others.

    Raises:
        NoInputError: the file cannot be read.
        DataError: not a worklist.
    """
    found = [_order_or_fault(number, item) for number, item in enumerate(_items(path), 1)]
    orders = tuple(one for one in found if isinstance(one, Order))
    return orders, tuple(one for one in found if isinstance(one, str))


def _order_or_fault(number: int, item: Dataset) -> Order | str:
    try:
        return _order(item)
    except DataError as error:
        return f"order {number} of the worklist: {error}"


def _order(item: Dataset) -> Order:
    values = {field: _text(item, keyword) for field, keyword in _STUDY.items()}
    steps = item.get("ScheduledProcedureStepSequence")
    if steps:
        values.update({field: _text(steps[0], keyword) for field, keyword in _STEP.items()})
    return Order(**values)


def _items(path: Path) -> list[Dataset]:
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except OSError as error:
        raise NoInputError(f"cannot read the worklist '{path}': {error.strerror}") from error
    if not raw or len(raw) > _LARGEST:
        raise DataError(f"worklist '{path}' has {len(raw)} bytes, expected 1 to {_LARGEST}")
    # Order checks each value; pydicom's own checks would print them. What it still warns of (cut off, unknown
    # character set) would garble a name, so it counts as malformed.
    with unvalidated(strict=True):
        try:
            return _from_json(raw) if raw.lstrip()[:1] in (b"{", b"[") else [_from_dicom(raw)]
        except _MALFORMED as error:
            raise DataError(
                f"'{path}' is no worklist item, neither DICOM nor DICOM JSON ({type(error).__name__})"
            ) from error


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
    Warning,
    msgspec.MsgspecError,
    struct.error,
)
"""What parsers of foreign bytes raise."""


def _from_json(raw: bytes) -> list[Dataset]:
    decoded: Any = msgspec.json.decode(raw)
    return [Dataset.from_json(item) for item in (decoded if isinstance(decoded, list) else [decoded])]


def _from_dicom(raw: bytes) -> Dataset:
    dataset = pydicom.dcmread(BytesIO(raw), force=True, stop_before_pixels=True)
    if "PatientID" not in dataset:  # forced reading makes something of any bytes
        raise InvalidDicomError
    dataset.decode()  # now, so that a bad character set is found here
    return dataset


def _text(item: Dataset, keyword: str) -> str:
    value = item.get(keyword)
    if value is None:
        return ""
    if not isinstance(value, (str, PersonName)):  # several values, a sequence, a number
        raise DataError(f"{keyword} is {type(value).__name__}, expected one text")
    return str(value).strip(" \0")
