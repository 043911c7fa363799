from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pydicom
import pytest
from highdicom.sr import srread
from pydicom.dataset import Dataset

from edge.outputs.dicom.exam import Exam
from edge.outputs.dicom.write import write_exam


def items(item: Dataset) -> Iterator[Dataset]:
    yield item
    for child in item.get("ContentSequence", []):
        yield from items(child)


def named(document: Dataset, meaning: str) -> list[Dataset]:
    return [
        item
        for item in items(document)
        if "ConceptNameCodeSequence" in item and item.ConceptNameCodeSequence[0].CodeMeaning == meaning
    ]


def number(document: Dataset, meaning: str) -> tuple[float, str]:
    (item,) = named(document, meaning)
    value = item.MeasuredValueSequence[0]
    return float(value.NumericValue), value.MeasurementUnitsCodeSequence[0].CodeValue


def report_of(exam: Exam, folder: Path) -> Dataset:
    write_exam(exam, folder)
    return pydicom.dcmread(folder / "report.dcm")


def test_the_risk_its_interval_and_the_operating_point_are_in_numbers(tmp_path: Path, exam: Exam) -> None:
    document = report_of(exam, tmp_path / "study")
    assert number(document, "Probability of cancer") == (71.0, "%")
    assert number(document, "+, range of upper measurement uncertainty") == (8.0, "%")
    assert number(document, "-, range of lower measurement uncertainty") == (9.0, "%")
    assert number(document, "Threshold Value") == (50.0, "%")
    assert number(document, "Number of frames used") == (148.0, "1")
    assert number(document, "Width") == (4.0, "mm")
    assert number(document, "Height") == (3.0, "mm")
    assert named(document, "Operating point")[0].TextValue == "balanced"
    assert "confidence 95%" in named(document, "Interval of the probability")[0].TextValue


@pytest.mark.parametrize(
    ("threshold", "category"),
    [(0.71, "At or above the operating point"), (0.72, "Below the operating point")],
)
def test_the_category_follows_the_operating_point(
    tmp_path: Path, exam: Exam, threshold: float, category: str
) -> None:
    assert exam.finding is not None
    exam = replace(exam, finding=msgspec.structs.replace(exam.finding, threshold=threshold))
    (item,) = named(report_of(exam, tmp_path / "study"), "Risk category at the operating point")
    assert item.ConceptCodeSequence[0].CodeMeaning == category


def test_the_model_and_the_device_are_named(tmp_path: Path, exam: Exam) -> None:
    document = report_of(exam, tmp_path / "study")
    assert named(document, "Algorithm Name")[0].TextValue == "salivary"
    assert named(document, "Algorithm Version")[0].TextValue == "7"
    parameters = {item.TextValue for item in named(document, "Algorithm Parameters")}
    assert parameters == {"bundle abcdef012345", "precision int8", "passport p-99"}
    assert named(document, "Observer Type")[0].ConceptCodeSequence[0].CodeMeaning == "Device"
    assert named(document, "Device Observer Manufacturer")[0].TextValue == "sonocart"
    assert not named(document, "Person Observer Name")


def test_an_engine_without_a_passport_claims_none(tmp_path: Path, exam: Exam) -> None:
    assert exam.finding is not None
    model = msgspec.structs.replace(exam.finding.model, passport_id=None)
    exam = replace(exam, finding=msgspec.structs.replace(exam.finding, model=model))
    parameters = named(report_of(exam, tmp_path / "study"), "Algorithm Parameters")
    assert not any("passport" in item.TextValue for item in parameters)


def test_the_report_is_unverified_and_for_research(tmp_path: Path, exam: Exam) -> None:
    document = report_of(exam, tmp_path / "study")
    flags = (document.CompletionFlag, document.VerificationFlag, document.PreliminaryFlag)
    assert flags == ("COMPLETE", "UNVERIFIED", "PRELIMINARY")
    assert named(document, "Statement of intended use")[0].TextValue.startswith("Research use only")


def test_every_reference_leads_to_an_object_of_the_study(tmp_path: Path, exam: Exam) -> None:
    document = report_of(exam, tmp_path / "study")
    images = {
        (image.SOPClassUID, image.SOPInstanceUID, image.SeriesInstanceUID)
        for image in map(pydicom.dcmread, sorted((tmp_path / "study").glob("*-*.dcm")))
    }
    (study,) = document.CurrentRequestedProcedureEvidenceSequence
    assert study.StudyInstanceUID == document.StudyInstanceUID
    evidence = {
        (sop.ReferencedSOPClassUID, sop.ReferencedSOPInstanceUID, series.SeriesInstanceUID)
        for series in study.ReferencedSeriesSequence
        for sop in series.ReferencedSOPSequence
    }
    assert evidence == images
    referred = {
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for item in items(document)
        if item.get("ValueType") == "IMAGE"
    }
    assert referred == {instance for _, instance, _ in images}


def test_the_lesion_is_outlined_on_the_clean_still(tmp_path: Path, exam: Exam) -> None:
    document = report_of(exam, tmp_path / "study")
    (region,) = named(document, "Image Region")
    assert list(region.GraphicData) == [60, 50, 100, 50, 100, 80, 60, 80, 60, 50]
    still = pydicom.dcmread(tmp_path / "study" / "clean-still.dcm")
    source = region.ContentSequence[0].ReferencedSOPSequence[0]
    assert source.ReferencedSOPInstanceUID == still.SOPInstanceUID


def test_another_library_reads_it_as_tid_1500(tmp_path: Path, exam: Exam) -> None:
    report_of(exam, tmp_path / "study")
    (group,) = srread(tmp_path / "study" / "report.dcm").content.get_planar_roi_measurement_groups()
    assert group.finding_type.meaning == "Mass"
    assert group.finding_sites[0].topographical_modifier is None
    assert {measurement.name.meaning for measurement in group.get_measurements()} >= {"Probability of cancer"}


def test_without_an_estimate_there_is_no_report(tmp_path: Path, exam: Exam) -> None:
    files = write_exam(replace(exam, finding=None), tmp_path / "study").files
    assert "report.dcm" not in {path.name for path in files}
