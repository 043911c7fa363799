"""From a patient to a B-mode picture: cut, scan, detect, compound, compress, convert to the screen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.contract.roi import Roi
from edge.phantom.echo import AXIAL_STEP, Speckle, echoes, ranges_of
from edge.phantom.fields import Map, Plane
from edge.phantom.patient import Patient
from edge.phantom.scanner import Scanner
from edge.phantom.tissue import Tissue, tissue_on

Luma = NDArray[np.uint8]

TISSUE_STEP = 0.13  # mm between points of the tissue maps
MIDDLE_GREY = 0.44  # where parenchyma lies on the grey scale at no gain
LEAST_LESION = 30  # pixels that a lesion must cover to be called cut


@dataclass(frozen=True, slots=True)
class View:
    """How the probe is held: rotation (radians), distance from the lesion's centre, shift (mm)."""

    angle: float
    offset: float
    shift: float


@dataclass(frozen=True, slots=True)
class Picture:
    """Full-range `luma` (H, W) uint8 and the `lesion`'s bounding box, None where the plane misses it."""

    luma: Luma
    lesion: Roi | None


def take_picture(
    patient: Patient, scanner: Scanner, view: View, speckle: Speckle, noise: np.random.Generator
) -> Picture:
    """Scan one plane of the patient: scatterers come from `speckle`, electronic noise from `noise`."""
    u = np.arange(-scanner.span / 2, scanner.span / 2 + TISSUE_STEP, TISSUE_STEP, dtype=np.float32)
    z = np.arange(0, scanner.depth + TISSUE_STEP, TISSUE_STEP, dtype=np.float32)
    x, y, _ = patient.lesion.centre
    along = -x * np.sin(view.angle) + y * np.cos(view.angle)
    aside = x * np.cos(view.angle) + y * np.sin(view.angle) + view.shift
    plane = Plane(view.angle, float(along) + view.offset, u + np.float32(aside), z)
    tissue = along_beams(tissue_on(patient, plane), scanner)
    lines_aside = round(view.shift * scanner.lines / scanner.span)
    power = np.zeros(tissue.echo.shape, np.float32)
    for look in range(scanner.looks):
        power += np.square(np.abs(echoes(tissue, scanner, speckle.at(view.offset, lines_aside, look), noise)))
    return _present(power / np.float32(scanner.looks), tissue.cut, scanner)


def along_beams(tissue: Tissue, scanner: Scanner) -> Tissue:
    """Resample tissue maps from the plane's grid to the beams, (samples, lines)."""
    to_u, to_z = _tissue_lookup(scanner)
    maps = [
        cv2.remap(values, to_u, to_z, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for values in (tissue.echo, tissue.attenuation, tissue.specular, tissue.cut)
    ]
    return Tissue(*(np.asarray(values, np.float32) for values in maps))


def bounding_box(mask: NDArray[np.bool_]) -> Roi | None:
    """Box around the mask's largest blob, None if it has under `LEAST_LESION` pixels."""
    blobs, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if blobs < 2:
        return None
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    x, y, width, height, area = (int(value) for value in stats[largest])
    return Roi(x, y, width, height) if area >= LEAST_LESION else None


def _present(power: Map, cut: Map, scanner: Scanner) -> Picture:
    level = 10 * np.log10(np.maximum(power, 1e-12)) + np.float32(scanner.gain)
    share = np.clip(level / np.float32(scanner.dynamic_range) + np.float32(MIDDLE_GREY), 0, 1)
    to_line, to_sample = _scan_conversion(scanner)
    grey = cv2.remap((share * 255).astype(np.float32), to_line, to_sample, cv2.INTER_LINEAR)
    inside = cv2.remap(cut, to_line, to_sample, cv2.INTER_LINEAR, borderValue=-99)
    return Picture(np.rint(grey).astype(np.uint8), bounding_box(np.asarray(inside) > 0))


@lru_cache(maxsize=8)
def _scan_conversion(scanner: Scanner) -> tuple[Map, Map]:
    """Beam line and sample of every pixel of the picture."""
    width, height = scanner.image_size
    pixel = np.float32(1 / scanner.px_per_mm)
    u = (np.arange(width, dtype=np.float32) + 0.5) * pixel - np.float32(scanner.span / 2)
    z = (np.arange(height, dtype=np.float32) + 0.5) * pixel - np.float32(scanner.rise)
    line, depth = scanner.beam_indices(u[None, :], z[:, None])
    return np.ascontiguousarray(line, np.float32), np.ascontiguousarray(depth / AXIAL_STEP, np.float32)


@lru_cache(maxsize=8)
def _tissue_lookup(scanner: Scanner) -> tuple[Map, Map]:
    """Column and row in the plane's grid of every sample of the beams."""
    u, z = scanner.beam_points(ranges_of(scanner))
    return (
        np.ascontiguousarray((u + np.float32(scanner.span / 2)) / TISSUE_STEP, np.float32),
        np.ascontiguousarray(z / TISSUE_STEP, np.float32),
    )
