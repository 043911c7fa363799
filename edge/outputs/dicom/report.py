"""The finding as a Comprehensive SR after TID 1500 "Measurement Report" (PS3.16)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec
import numpy as np
from highdicom import sr
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian
from pydicom.valuerep import DA, TM

from edge.contract.roi import Roi
from edge.outputs.dicom.finding import Finding
from edge.outputs.dicom.identity import dicom_date, dicom_time
from edge.outputs.dicom.order import Order
from edge.outputs.dicom.study import MANUFACTURER, RESEARCH_USE, Study
from edge.outputs.dicom.uids import uid

SCHEME = "99SONOCART"
"""Designator of the kit's own codes (PS3.16 8.2: private ones begin with 99)."""

_NO_DATE, _NO_TIME = "19000101", "000000"
"""Dummies where the standard demands a date and the identity profile forbids the true one (PS3.15 E.1-1)."""

_CATEGORY = CodedConcept("CATEGORY", SCHEME, "Risk category at the operating point")
_ABOVE = CodedConcept("ABOVE", SCHEME, "At or above the operating point")
_BELOW = CodedConcept("BELOW", SCHEME, "Below the operating point")
_OPERATING_POINT = CodedConcept("OPERATING_POINT", SCHEME, "Operating point")
_INTERVAL = CodedConcept("INTERVAL", SCHEME, "Interval of the probability")
_STATEMENT = CodedConcept("RESEARCH_USE", SCHEME, "Statement of intended use")
_QUALITATIVE = CodedConcept("C0034375", "UMLS", "Qualitative Evaluations")
_FRAMES = CodedConcept("FRAMES_USED", SCHEME, "Number of frames used")
_PERCENT = codes.UCUM.Percent


def report(
    finding: Finding,
    study: Study,
    images: Sequence[Dataset],
    still: Dataset | None,
    pixel_mm: float | None,
    *,
    number: int = 1,
    lesion: int = 1,
) -> Dataset:
    """The structured report of one finding.

    Args:
        finding: what was found.
        study: the study that it belongs to.
        images: `evidence` of every image of the study; all stand in the image library.
        still: the clean still among them, in whose pixels the lesion's box is.
        pixel_mm: side of its pixels, for the lesion's width and height; None leaves them out.
        number: Instance Number.
        lesion: which of the study's lesions, see `Exam`.
    """
    # One report for one finding over these very images, whatever the day it is written.
    content = msgspec.json.encode([finding, pixel_mm], order="sorted")
    sources = [str(image.SOPInstanceUID) for image in images]
    instance = uid(study.uid, "report", hashlib.sha256(content).hexdigest(), *sources)
    document = sr.ComprehensiveSR(
        evidence=list(images),
        content=_content(finding, study, images, still, pixel_mm, lesion)[0],
        series_instance_uid=study.series("report"),
        series_number=3,
        sop_instance_uid=instance,
        instance_number=number,
        manufacturer=MANUFACTURER,
        is_complete=True,
        is_final=False,  # nobody has verified it
        transfer_syntax_uid=ExplicitVRLittleEndian,
        series_description="sonocart report",
        coding_schemes=[_scheme()],
    )
    if isinstance(study.identity, Order):
        document.ReferencedRequestSequence = [_request(study.identity, study.uid)]
    study.finish(document, str(document.SOPClassUID), ExplicitVRLittleEndian, instance)
    # The day of writing is neither the report's own nor allowed without identity.
    del document.InstanceCreationDate, document.InstanceCreationTime
    for equipment in document.ContributingEquipmentSequence:
        del equipment.ContributionDateTime
    when = finding.captured_at
    document.ContentDate = DA(dicom_date(when) if study.dated else _NO_DATE)
    document.ContentTime = TM(dicom_time(when) if study.dated else _NO_TIME)
    return document


def _request(order: Order, study_uid: str) -> Dataset:
    """What was ordered, as a report refers to it (PS3.3 C.17.2)."""
    item = Dataset()
    item.StudyInstanceUID, item.AccessionNumber = study_uid, order.accession_number
    item.ReferencedStudySequence, item.RequestedProcedureCodeSequence = [], []
    item.PlacerOrderNumberImagingServiceRequest = item.FillerOrderNumberImagingServiceRequest = ""
    item.RequestedProcedureID = order.procedure_id
    item.RequestedProcedureDescription = order.procedure_description
    return item


def _scheme() -> CodingSchemeIdentificationItem:
    """What the designator of the kit's own codes means."""
    return CodingSchemeIdentificationItem(
        designator=SCHEME,
        name="sonocart report codes",
        version="1",
        responsible_organization=MANUFACTURER,
    )


def _content(
    finding: Finding,
    study: Study,
    images: Sequence[Dataset],
    still: Dataset | None,
    pixel_mm: float | None,
    lesion: int,
) -> sr.MeasurementReport:
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=uid("device", finding.model.bundle_id, study.software),
        name=f"sonocart {study.software}",
        manufacturer_name=MANUFACTURER,
        model_name=f"{finding.model.name} {finding.model.version}",
    )
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(
            observer_device_context=sr.ObserverContext(
                observer_type=codes.DCM.Device, observer_identifying_attributes=device
            )
        ),
        procedure_reported=codes.SCT.DiagnosticUltrasonography,
        imaging_measurements=[_group(finding, study, images, still, pixel_mm, lesion)],
        title=codes.DCM.ImagingMeasurementReport,
        referenced_images=list(images),
    )
    content[0].ContentSequence.append(_texts(finding))
    return content


def _group(
    finding: Finding,
    study: Study,
    images: Sequence[Dataset],
    still: Dataset | None,
    pixel_mm: float | None,
    lesion: int,
) -> sr.PlanarROIMeasurementsAndQualitativeEvaluations | sr.MeasurementsAndQualitativeEvaluations:
    # With the time, for a study of the worklist may go on after a restart, which counts lesions anew.
    tracking = sr.TrackingIdentifier(
        uid=uid(study.uid, "lesion", study.began.isoformat(), str(lesion)),
        identifier=f"Lesion {lesion}" if lesion else "Not marked",
    )
    category = sr.QualitativeEvaluation(name=_CATEGORY, value=_ABOVE if finding.above else _BELOW)
    site = [sr.FindingSite(anatomic_location=codes.SCT.SalivaryGland)]
    measurements = _measurements(finding, pixel_mm)
    if finding.box is None or still is None:
        return sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=tracking,
            finding_type=codes.SCT.Mass,
            algorithm_id=_algorithm(finding),
            finding_sites=site,
            measurements=measurements,
            qualitative_evaluations=[category],
            source_images=[
                sr.SourceImageForMeasurementGroup(image.SOPClassUID, image.SOPInstanceUID)
                for image in images[:1]
            ],
        )
    return sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking,
        referenced_region=sr.ImageRegion(
            graphic_type=sr.GraphicTypeValues.POLYLINE,
            graphic_data=_outline(finding.box),
            source_image=sr.SourceImageForRegion(still.SOPClassUID, still.SOPInstanceUID),
        ),
        finding_type=codes.SCT.Mass,
        algorithm_id=_algorithm(finding),
        finding_sites=site,
        measurements=measurements,
        qualitative_evaluations=[category],
    )


def _measurements(finding: Finding, pixel_mm: float | None) -> list[sr.Measurement]:
    measurements = [
        _probability(finding),
        sr.Measurement(name=codes.DCM.ThresholdValue, value=_percent(finding.threshold), unit=_PERCENT),
        sr.Measurement(name=_FRAMES, value=finding.frames_used, unit=codes.UCUM.NoUnits),
    ]
    if finding.box is not None and pixel_mm is not None:
        measurements += [
            sr.Measurement(name=name, value=round(pixels * pixel_mm, 2), unit=codes.UCUM.Millimeter)
            for name, pixels in ((codes.SCT.Width, finding.box.width), (codes.DCM.Height, finding.box.height))
        ]
    return measurements


def _probability(finding: Finding) -> sr.Measurement:
    """The risk with its interval as TID 310 rows 6 and 7, in the unit of the risk."""
    measurement = sr.Measurement(
        name=codes.DCM.ProbabilityOfCancer, value=_percent(finding.risk), unit=_PERCENT
    )
    ends = (
        (codes.SCT.RangeOfUpperMeasurementUncertainty, finding.high - finding.risk),
        (codes.SCT.RangeOfLowerMeasurementUncertainty, finding.risk - finding.low),
    )
    measurement[0].ContentSequence = sr.ContentSequence(
        [
            sr.NumContentItem(
                name=name,
                value=_percent(distance),
                unit=_PERCENT,
                relationship_type=sr.RelationshipTypeValues.HAS_PROPERTIES,
            )
            for name, distance in ends
        ]
    )
    return measurement


def _algorithm(finding: Finding) -> sr.AlgorithmIdentification:
    model = finding.model
    parameters = [f"bundle {model.bundle_id}", f"precision {model.precision}"]
    if model.passport_id is not None:
        parameters.append(f"passport {model.passport_id}")
    return sr.AlgorithmIdentification(
        name=model.name, version=model.version, parameters=parameters, family=codes.DCM.ArtificialIntelligence
    )


def _texts(finding: Finding) -> sr.ContainerContentItem:
    """TID 1500 row 12: what has no number, in words."""
    container = sr.ContainerContentItem(
        name=_QUALITATIVE, relationship_type=sr.RelationshipTypeValues.CONTAINS
    )
    interval = f"{finding.low:.1%} to {finding.high:.1%}, confidence {finding.confidence:.0%}"
    words = ((_OPERATING_POINT, finding.operating_point), (_INTERVAL, interval), (_STATEMENT, RESEARCH_USE))
    container.ContentSequence = sr.ContentSequence(
        [
            sr.TextContentItem(name=name, value=text, relationship_type=sr.RelationshipTypeValues.CONTAINS)
            for name, text in words
        ]
    )
    return container


def _outline(box: Roi) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Closed polyline along the outer edges of the box's pixels; (0, 0) is the first pixel's corner."""
    left, top, right, bottom = box.x, box.y, box.right, box.bottom
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom], [left, top]], np.float64)


def _percent(probability: float) -> float:
    return round(100.0 * probability, 2)  # finer than any estimate knows, and short enough for DICOM
