"""Ultrasound stills and clips in DICOM, as 8-bit pictures with the field that the scanner names."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edge.contract.roi import Roi
from edge.errors import DataError, UnavailableError
from edge.study.window import has_window, through_window

if TYPE_CHECKING:
    from pydicom import Dataset

_TISSUE = 1  # DICOM PS3.3 C.8.5.5.1.2, Region Data Type: tissue
_TWO_D = 1  # C.8.5.5.1.1, Region Spatial Format: 2D
_WHOLE = 0.95  # of a picture, above which a region says nothing of where its text is
_CENTIMETRES = 3  # C.8.5.5.1.15, Physical Units


@dataclass(frozen=True, slots=True)
class Described:
    """What a DICOM file says of its picture.

    Attributes:
        frames: number of pictures.
        field: the 2D tissue region, pixels; None where none is given or the one given makes no sense.
        regions: number of such regions that make sense; of several, `field` is the largest.
        px_per_mm: from that region.
        notes: what does not fit, one sentence each.
    """

    frames: int
    field: Roi | None
    regions: int
    px_per_mm: float | None
    notes: tuple[str, ...]


def describe(path: Path) -> Described:
    """Read the header alone.

    Raises:
        DataError: not a DICOM picture.
        UnavailableError: pydicom is not installed.
    """
    dataset = read_dataset(path, pixels=False)
    bounds = Roi(0, 0, int(dataset.Columns), int(dataset.Rows))
    regions = [
        region
        for region in dataset.get("SequenceOfUltrasoundRegions", [])
        if region.get("RegionSpatialFormat") == _TWO_D and region.get("RegionDataType") == _TISSUE
    ]
    boxes = [_box(region, bounds) for region in regions]
    notes = []
    fitting = [(box, region) for box, region in zip(boxes, regions, strict=True) if box is not None]
    if len(fitting) < len(regions):
        notes.append(
            f"ultrasound region of '{path.name}' leaves its picture of {bounds.width}x{bounds.height} pixels "
            "and is not used"
        )
    if len(fitting) > 1:
        notes.append(f"'{path.name}' shows {len(fitting)} tissue regions; the largest, then leftmost is used")
    if not fitting:
        return Described(frame_count(dataset), None, 0, None, tuple(notes))
    field, region = max(fitting, key=lambda pair: (pair[0].width * pair[0].height, -pair[0].x))
    delta = region.get("PhysicalDeltaX")
    in_cm = region.get("PhysicalUnitsXDirection") == _CENTIMETRES and delta
    scale = 0.1 / abs(float(delta)) if in_cm else None
    return Described(frame_count(dataset), field, len(fitting), scale, tuple(notes))


def part_of_screen(path: Path) -> Roi | None:
    """The 2D tissue region; None where none is named, or nearly the whole picture, text and all.

    Of several none is the one to be judged: a dual view is for the gates.

    Raises:
        DataError: not a DICOM picture.
        UnavailableError: pydicom is not installed.
    """
    dataset, about = read_dataset(path, pixels=False), describe(path)
    whole, field = int(dataset.Rows) * int(dataset.Columns), about.field
    if field is None or about.regions > 1 or field.width * field.height >= _WHOLE * whole:
        return None
    return field


def read_dicom(path: Path, frame: int) -> NDArray[np.uint8]:
    """One picture, through palette, colour space and display window.

    Returns:
        uint8 (H, W) grey or (H, W, 3) RGB; belongs to the caller.

    Raises:
        DataError: no such frame, pixel data shorter than the header says, damaged, or more than 8 bits with
            no display window.
        UnavailableError: pydicom or the decoder for its compression is not installed.
    """
    dataset = read_dataset(path, pixels=True)
    frames = frame_count(dataset)
    if frame >= frames:
        raise DataError(f"'{path}' has {frames} frame(s), so there is no frame {frame}")
    from pydicom.pixels.utils import pixel_array

    with decoding(path):
        stored = np.asarray(pixel_array(dataset, index=frame))
        return eight_bits(dataset, stored, path)


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """What goes wrong with the pixels of `path` in here becomes DataError or UnavailableError."""
    try:
        yield
    except (NotImplementedError, ImportError) as error:
        raise UnavailableError(
            f"no decoder for '{path}': {error}. Run: pip install 'sonocart[train]'"
        ) from error
    except (ValueError, RuntimeError, AttributeError, IndexError, KeyError, OSError, EOFError) as error:
        raise DataError(f"pixels of '{path}' do not fit its header or are damaged: {error}") from error


def eight_bits(dataset: Dataset, stored: NDArray[Any], path: Path) -> NDArray[np.uint8]:
    """A stored frame as it is to be shown, uint8 (H, W) or (H, W, 3) RGB."""
    from pydicom.pixels.processing import apply_color_lut

    kind = str(dataset.PhotometricInterpretation)
    if kind == "PALETTE COLOR":
        colour = np.asarray(apply_color_lut(stored, dataset))
        if colour.dtype == np.uint16:  # palettes of 16 bits use the upper eight (PS3.3 C.7.6.3.1.6)
            colour = colour >> 8
        return np.ascontiguousarray(colour[..., :3].astype(np.uint8))
    if stored.ndim == 3:
        if stored.dtype != np.uint8:
            raise DataError(f"'{path}' has colour of {stored.dtype}, expected 8 bits")
        return np.array(stored)
    windowed = has_window(dataset)
    if int(dataset.BitsStored) > 8 and not windowed:
        raise DataError(
            f"'{path}' has {dataset.BitsStored} bits and no display window; export it as the scanner shows it"
        )
    grey = through_window(dataset, stored) if windowed else stored.astype(np.float64)
    if kind == "MONOCHROME1":
        grey = 255.0 - grey
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def read_dataset(path: Path, *, pixels: bool) -> Dataset:
    """The header, with or without what follows it; DataError where it is none of a picture."""
    try:
        import pydicom
        from pydicom.errors import InvalidDicomError
    except ModuleNotFoundError as error:
        raise UnavailableError(f"'{path}' needs pydicom. Run: pip install 'sonocart[train]'") from error
    # What it warns of is either read correctly all the same or refused here with the file's name.
    warnings.filterwarnings("ignore", module=r"pydicom\.")
    logging.getLogger("pydicom").setLevel(logging.ERROR)
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=not pixels)
        int(dataset.Rows), int(dataset.Columns)
    except InvalidDicomError as error:
        raise DataError(f"'{path}' is no DICOM file; export it again, or give it its own suffix") from error
    except (AttributeError, ValueError, TypeError, EOFError, OSError) as error:
        raise DataError(f"'{path}' is no DICOM picture: {error}. Export it again") from error
    return dataset


def frame_count(dataset: Dataset) -> int:
    """As the header declares."""
    return int(dataset.get("NumberOfFrames") or 1)


def _box(region: Dataset, bounds: Roi) -> Roi | None:
    """The region's box; None where it makes no sense or leaves the picture.

    The standard counts the last column and row as inside; scanners that name one further are forgiven.
    """
    try:
        left, top = int(region.RegionLocationMinX0), int(region.RegionLocationMinY0)
        right, bottom = int(region.RegionLocationMaxX1) + 1, int(region.RegionLocationMaxY1) + 1
        right = bounds.right if right == bounds.right + 1 else right
        bottom = bounds.bottom if bottom == bounds.bottom + 1 else bottom
        box = Roi(left, top, right - left, bottom - top)
    except (AttributeError, TypeError, ValueError, DataError):
        return None
    return box if box.inside(bounds) else None
