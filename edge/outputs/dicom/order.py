"""Who is examined and by which order: from a worklist or entered, never from the picture."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from datetime import date

from edge.errors import DataError

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")  # a backslash would split the value in two (PS3.5 6.2)
_LENGTH = {"SH": 16, "LO": 64, "DA": 8, "CS": 16, "UI": 64, "PN": 194}
_PATTERN = {"DA": r"[0-9]{8}", "CS": r"[A-Z0-9 _]+", "UI": r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+"}
_SHAPE = {"DA": "YYYYMMDD", "CS": "capital letters", "UI": "a DICOM UID"}

VR = {
    "patient_id": "LO",
    "patient_name": "PN",
    "birth_date": "DA",
    "sex": "CS",
    "accession_number": "SH",
    "study_uid": "UI",
    "procedure_id": "SH",
    "procedure_description": "LO",
    "step_id": "SH",
    "step_description": "LO",
    "referring_physician": "PN",
}
"""DICOM's value representation of each field of `Order`: what may stand in it, and how much."""


def check_value(name: str, vr: str, value: str) -> None:
    """Refuse a value that DICOM cannot hold. The message never shows the value: it may name a patient.

    Raises:
        DataError: too long, control characters, a backslash, or not of the required shape.
    """
    if _CONTROL.search(value):
        raise DataError(f"'{name}' holds control characters or a backslash; correct it")
    if len(value) > _LENGTH[vr]:
        raise DataError(f"'{name}' has {len(value)} characters, at most {_LENGTH[vr]} are allowed")
    if value and vr in _PATTERN and not re.fullmatch(_PATTERN[vr], value):
        raise DataError(f"'{name}' is not {_SHAPE[vr]}")
    if value and vr == "DA" and not _is_date(value):
        raise DataError(f"'{name}' is no day of the calendar")
    if vr == "PN" and (value.count("=") > 2 or any(part.count("^") > 4 for part in value.split("="))):
        raise DataError(f"'{name}' is not a DICOM name, Family^Given^Middle^Prefix^Suffix")
    if vr == "PN" and any(len(part) > 64 for part in value.split("=")):
        raise DataError(f"'{name}' has a part of more than 64 characters")


def _is_date(value: str) -> bool:
    try:
        date(int(value[:4]), int(value[4:6]), int(value[6:]))
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Order:
    """An identified patient and what was ordered. Empty text where it is not known.

    Attributes:
        patient_id: never empty.
        patient_name: DICOM's form, Family^Given.
        birth_date: YYYYMMDD.
        sex: M, F or O.
        accession_number: of the order.
        study_uid: that the worklist foresees for the study; empty lets the kit make one.
        procedure_id: Requested Procedure ID.
        procedure_description: Requested Procedure Description.
        step_id: Scheduled Procedure Step ID.
        step_description: Scheduled Procedure Step Description.
        referring_physician: DICOM's form of a name.
    """

    patient_id: str
    patient_name: str = ""
    birth_date: str = ""
    sex: str = ""
    accession_number: str = ""
    study_uid: str = ""
    procedure_id: str = ""
    procedure_description: str = ""
    step_id: str = ""
    step_description: str = ""
    referring_physician: str = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            check_value(field.name, VR[field.name], getattr(self, field.name))
        if not self.patient_id.strip():
            raise DataError("'patient_id' is empty; an identified study needs one")
        if self.sex not in ("", "M", "F", "O"):
            raise DataError("'sex' is not M, F or O")


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody whose identity is not kept: a code, given by the study's own list, instead of a name."""

    code: str = "ANONYMOUS"

    def __post_init__(self) -> None:
        check_value("subject", "LO", self.code)
        if not self.code.strip() or "^" in self.code or "=" in self.code:
            raise DataError("'subject' is not a code: it is empty or looks like a person's name")
