from __future__ import annotations

from typing import Any

import pytest

from edge.errors import DataError
from edge.outputs.dicom.order import Order, Subject


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("patient_id", ""),
        ("patient_id", "   "),
        ("patient_id", "A\\B"),
        ("patient_id", "A\x1b$B"),
        ("patient_id", "A\nB"),
        ("patient_id", "x" * 65),
        ("patient_name", "A^B^C^D^E^F"),
        ("patient_name", "A=B=C=D"),
        ("patient_name", "x" * 65),
        ("birth_date", "1970-01-01"),
        ("sex", "X"),
        ("accession_number", "x" * 17),
        ("study_uid", "../../etc/passwd"),
        ("study_uid", "1.02.3"),
        ("study_uid", "1." + "2" * 63),
    ],
)
def test_a_value_that_dicom_cannot_hold_is_refused_by_field_and_never_shown(field: str, value: str) -> None:
    values: dict[str, Any] = {"patient_id": "1", field: value}
    with pytest.raises(DataError, match=field) as error:
        Order(**values)
    assert len(value.strip()) < 3 or value not in str(error.value)


def test_names_of_any_script_are_kept() -> None:
    assert Order("1", "Yamada^Tarou=山田^太郎=やまだ^たろう").patient_name.endswith("たろう")


@pytest.mark.parametrize("code", ["", "Müller^Eva", "a\\b", "x" * 65])
def test_a_subject_is_a_code_and_no_name(code: str) -> None:
    with pytest.raises(DataError, match="subject"):
        Subject(code)
