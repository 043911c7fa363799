"""Writing who was examined into a dataset, or that it is not known (PS3.15 E)."""

from __future__ import annotations

from datetime import datetime

from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from edge.outputs.dicom.order import Order, Subject

_METHOD = "Written without identity; pixels outside the field blacked out"

_OPTIONS = (
    codes.DCM.BasicApplicationConfidentialityProfile,
    codes.DCM.CleanPixelDataOption,
    codes.DCM.CleanStructuredContentOption,
    codes.DCM.CleanDescriptorsOption,
)


def code_item(value: str, scheme: str, meaning: str) -> Dataset:
    """An item of a code sequence (PS3.3 8.8)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def write_identity(dataset: Dataset, identity: Order | Subject, began: datetime) -> None:
    """Fill the Patient and General Study modules and say truthfully whether an identity was removed.

    Args:
        dataset: any object of the study; written.
        identity: whose.
        began: date and time of the study; for a `Subject` no date is written at all.
    """
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientBirthDate = dataset.PatientSex = dataset.AccessionNumber = dataset.StudyID = ""
    dataset.ReferringPhysicianName = dataset.StudyDate = dataset.StudyTime = ""
    if isinstance(identity, Subject):
        dataset.PatientID = identity.code
        dataset.PatientName = (
            f"{identity.code}^"  # the caret says that one component is meant (PS3.5 6.2.1.1)
        )
        dataset.PatientIdentityRemoved = "YES"
        dataset.DeidentificationMethod = _METHOD
        dataset.DeidentificationMethodCodeSequence = [
            code_item(code.value, code.scheme_designator, code.meaning) for code in _OPTIONS
        ]
        dataset.LongitudinalTemporalInformationModified = "REMOVED"
        return
    dataset.PatientID, dataset.PatientName = identity.patient_id, identity.patient_name
    dataset.PatientBirthDate, dataset.PatientSex = identity.birth_date, identity.sex
    dataset.AccessionNumber, dataset.StudyID = identity.accession_number, identity.procedure_id
    dataset.ReferringPhysicianName = identity.referring_physician
    dataset.StudyDate, dataset.StudyTime = dicom_date(began), dicom_time(began)
    dataset.TimezoneOffsetFromUTC = began.strftime("%z")[:5]
    dataset.PatientIdentityRemoved = "NO"
    dataset.LongitudinalTemporalInformationModified = "UNMODIFIED"
    if identity.procedure_description:
        dataset.StudyDescription = identity.procedure_description


def dicom_date(when: datetime) -> str:
    """DA, in the time zone of `when`."""
    return when.strftime("%Y%m%d")


def dicom_time(when: datetime) -> str:
    """TM with microseconds, in the time zone of `when`."""
    return when.strftime("%H%M%S.%f")
