"""An image as a report refers to it."""

from __future__ import annotations

from pydicom.dataset import Dataset

_KEPT = (
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPClassUID",
    "SOPInstanceUID",
    "Modality",
    "Rows",
    "Columns",
)
_WRITTEN_LATER = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
)


def evidence(image: Dataset) -> Dataset:
    """What a report needs of an image: no pixels, and no name that a library could put into a warning."""
    header = Dataset()
    for keyword in _KEPT:
        setattr(header, keyword, image.get(keyword))
    for keyword in _WRITTEN_LATER:
        setattr(header, keyword, "")
    header.StudyDate = header.StudyTime = None
    return header
