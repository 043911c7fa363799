"""Ultrasound Image, Ultrasound Multi-frame Image and Secondary Capture (PS3.3 A.6, A.7, A.8)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
import simplejpeg
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
)

from edge.contract.roi import Roi
from edge.errors import DataError
from edge.outputs.dicom.exam import Clip, Exam, Pixels, Still, Uncut
from edge.outputs.dicom.identity import code_item, dicom_date, dicom_time
from edge.outputs.dicom.mask import keep_only
from edge.outputs.dicom.order import Order
from edge.outputs.dicom.study import RESEARCH_USE, Study
from edge.outputs.dicom.uids import uid

JPEG_QUALITY = 92
"""Of clips. Uncompressed, ten seconds of 1080p are 1.8 GB, more than many a PACS takes."""

PART = 128 << 20
"""Bytes of pictures in one object, at most: a longer clip becomes several. Writing one takes thrice that."""

_CENTIMETRES = 3  # C.8.5.5.1.15


def still_image(exam: Exam, still: Still, study: Study, *, annotated: bool) -> Dataset:
    """The still without loss: an Ultrasound Image, or, with overlay, a Secondary Capture of the screen.

    Raises:
        DataError: not a picture, or a region leaves it.
    """
    pixels = _masked(still.pixels, exam, annotated)
    instance = uid(study.uid, "still", str(annotated), _sha256(pixels))
    sop_class = SecondaryCaptureImageStorage if annotated else UltrasoundImageStorage
    dataset = study.start(sop_class, ExplicitVRLittleEndian, instance)
    _describe(dataset, exam, study, pixels, exam.captured_at, annotated=annotated)
    dataset.InstanceNumber = exam.number
    if annotated:
        dataset.ConversionType = "WSD"  # workstation
    _pixels(dataset, pixels, "MONOCHROME2" if pixels.ndim == 2 else "RGB")
    _losses(dataset, still.lossy)
    raw = pixels.tobytes()
    dataset.PixelData = raw + b"\0" * (len(raw) % 2)
    dataset["PixelData"].VR = "OB"
    return dataset


def clip_images(exam: Exam, clip: Clip, study: Study, *, annotated: bool) -> Iterator[Dataset]:
    """The clip as Ultrasound Multi-frame Images in JPEG baseline, which every PACS of the field reads.

    One for each `PART`, in order and in one series; the pictures of one are in memory at a time.

    Raises:
        DataError: no frames, frames of different shapes, or a region leaves the picture.
    """
    if not 1.0 <= clip.frame_ms <= 10_000.0:
        raise DataError(f"{clip.frame_ms} ms from frame to frame is no clip")
    first: Pixels | None = None
    frames: list[bytes] = []
    size = before = part = 0
    for pixels in _frames(clip, exam, annotated):
        if first is None:
            first = pixels
        elif pixels.shape != first.shape:
            number = before + len(frames) + 1
            raise DataError(f"frame {number} of the clip is {pixels.shape}, the first {first.shape}")
        frame = _jpeg(pixels)
        if frames and size + len(frame) > PART:
            yield _part(exam, clip, study, first, frames, before, part, annotated=annotated)
            before, part, frames, size = before + len(frames), part + 1, [], 0
        frames.append(frame)
        size += len(frame)
    if first is None:
        raise DataError("the clip has no frames")
    yield _part(exam, clip, study, first, frames, before, part, annotated=annotated)


def _part(
    exam: Exam,
    clip: Clip,
    study: Study,
    first: Pixels,
    frames: list[bytes],
    before: int,
    part: int,
    *,
    annotated: bool,
) -> Dataset:
    """An object of `frames`, which are part number `part` of the clip and come after `before` others."""
    size = sum(map(len, frames))
    digest = hashlib.sha256()
    for frame in frames:
        digest.update(frame)
    instance = uid(study.uid, "clip", str(annotated), str(part), digest.hexdigest())
    dataset = study.start(UltrasoundMultiFrameImageStorage, JPEGBaseline8Bit, instance)
    at = exam.captured_at + timedelta(milliseconds=before * clip.frame_ms)
    _describe(dataset, exam, study, first, at, annotated=annotated)
    dataset.InstanceNumber = exam.number + (exam.still is not None) + part
    dataset.NumberOfFrames = len(frames)
    dataset.FrameTime = f"{clip.frame_ms:.8g}"
    dataset.FrameIncrementPointer = 0x00181063  # Frame Time
    dataset.CineRate = dataset.RecommendedDisplayFrameRate = max(1, round(1000.0 / clip.frame_ms))
    dataset.ActualFrameDuration = round(clip.frame_ms)
    _pixels(dataset, first, "MONOCHROME2" if first.ndim == 2 else "YBR_FULL_422")
    _losses(dataset, (*clip.lossy, "ISO_10918_1"), ratio=first.nbytes * len(frames) / size)
    dataset.PixelData = encapsulate(frames)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return dataset


def _frames(clip: Clip, exam: Exam, annotated: bool) -> Iterator[Pixels]:
    for pixels in clip.frames:
        yield _masked(pixels, exam, annotated)


def _masked(pixels: Pixels, exam: Exam, annotated: bool) -> Pixels:
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        raise DataError(f"a picture is {pixels.dtype} {pixels.shape}, expected uint8 (H, W) or (H, W, 3)")
    if max(pixels.shape[:2]) > 65535 or min(pixels.shape[:2]) < 1:
        raise DataError(f"a picture of {pixels.shape[1]}x{pixels.shape[0]} pixels does not go into DICOM")
    kept = exam.kept(annotated)
    return np.ascontiguousarray(pixels) if kept is None else keep_only(pixels, kept)


def _sha256(pixels: Pixels) -> str:
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()


def _jpeg(pixels: Pixels) -> bytes:
    if pixels.ndim == 2:
        encoded = simplejpeg.encode_jpeg(pixels[..., None], quality=JPEG_QUALITY, colorspace="GRAY")
    else:
        encoded = simplejpeg.encode_jpeg(
            pixels, quality=JPEG_QUALITY, colorspace="RGB", colorsubsampling="422"
        )
    return bytes(encoded)


def _describe(
    dataset: Dataset, exam: Exam, study: Study, pixels: Pixels, at: datetime, *, annotated: bool
) -> None:
    name = "annotated" if annotated else "clean"
    dataset.Modality = "US"
    dataset.SeriesInstanceUID = study.series(name)
    dataset.SeriesNumber = 2 if annotated else 1
    dataset.SeriesDescription = f"sonocart {name}"
    dataset.Laterality = dataset.PatientOrientation = ""  # not known
    # The source's picture was captured from the scanner's video output and, as a rule, masked: derived.
    dataset.ImageType = ["DERIVED", "SECONDARY" if annotated else "PRIMARY"]
    dataset.BurnedInAnnotation = "YES" if exam.field is Uncut.WITH_TEXT else "NO"
    dataset.RecognizableVisualFeatures = "NO"
    if annotated:
        dataset.ImageComments = RESEARCH_USE
    if study.dated:
        dataset.ContentDate, dataset.ContentTime = dicom_date(at), dicom_time(at)
        dataset.AcquisitionDateTime = at.strftime("%Y%m%d%H%M%S.%f%z")
    if isinstance(study.identity, Order) and study.identity.procedure_id and study.identity.step_id:
        dataset.RequestAttributesSequence = [_request(study.identity)]
    dataset.AnatomicRegionSequence = [code_item("385294005", "SCT", "Salivary gland")]
    if exam.pixel_mm is not None and not annotated:
        whole = Roi(0, 0, pixels.shape[1], pixels.shape[0])
        field = exam.field if isinstance(exam.field, Roi) else whole
        dataset.SequenceOfUltrasoundRegions = [_region(field, exam.pixel_mm)]


def _request(order: Order) -> Dataset:
    """What was ordered, as the images of an order carry it (PS3.3 10.6)."""
    item = Dataset()
    item.RequestedProcedureID, item.ScheduledProcedureStepID = order.procedure_id, order.step_id
    item.RequestedProcedureDescription = order.procedure_description
    item.ScheduledProcedureStepDescription = order.step_description
    return item


def _region(field: Roi, pixel_mm: float) -> Dataset:
    """US Region Calibration (C.8.5.5), so that a viewer measures in millimetres."""
    item = Dataset()
    item.RegionSpatialFormat = item.RegionDataType = 1  # 2D, tissue
    item.RegionFlags = 0
    item.RegionLocationMinX0, item.RegionLocationMinY0 = field.x, field.y
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = field.right - 1, field.bottom - 1
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = _CENTIMETRES
    item.PhysicalDeltaX = item.PhysicalDeltaY = pixel_mm / 10.0
    return item


def _pixels(dataset: Dataset, pixels: Pixels, photometric: str) -> None:
    dataset.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    dataset.PhotometricInterpretation = photometric
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0


def _losses(dataset: Dataset, methods: tuple[str, ...], ratio: float | None = None) -> None:
    """Lossy compression, once and for ever (C.7.6.1.1.5); the ratio only where the kit did the only one."""
    dataset.LossyImageCompression = "01" if methods else "00"
    if methods:
        dataset.LossyImageCompressionMethod = list(methods)
    if ratio is not None and len(methods) == 1:
        dataset.LossyImageCompressionRatio = f"{ratio:.2f}"
