"""The picture shows what the patient has."""

from dataclasses import replace

import numpy as np
import pytest

from edge.contract.roi import Roi
from edge.phantom.bmode import Picture, View, bounding_box, take_picture
from edge.phantom.echo import Speckle
from edge.phantom.patient import Lesion, Patient, draw_patient
from edge.phantom.scanner import Scanner, draw_scanner


def picture_of(patient: Patient, geometry: str, offset: float = 0.0) -> tuple[Picture, Scanner]:
    scanner = draw_scanner(np.random.default_rng(3), patient.lesion, geometry)
    view = View(0.0, offset, 0.0)
    return take_picture(patient, scanner, view, Speckle([1], scanner), np.random.default_rng(1)), scanner


def with_lesion(patient: Patient, **changes: float) -> Patient:
    lesion: Lesion = replace(patient.lesion, **changes)  # type: ignore[arg-type]
    return replace(patient, lesion=lesion, bone=None, vessels=())


@pytest.mark.parametrize("geometry", ["linear", "sector"])
@pytest.mark.parametrize(("attenuation", "sign"), [(0.05, 1), (1.3, -1)])
def test_posterior_enhancement_and_shadow_show_behind_the_lesion(
    geometry: str, attenuation: float, sign: int
) -> None:
    plain = with_lesion(draw_patient(5, 1, "benign"), cystic_part=0.001)
    ordinary, scanner = picture_of(with_lesion(plain, attenuation=0.6), geometry)
    changed, _ = picture_of(with_lesion(plain, attenuation=attenuation), geometry)
    assert changed.lesion is not None
    box, below = changed.lesion, round(5 * scanner.px_per_mm)
    behind = np.s_[box.bottom + 5 : box.bottom + below, box.x + box.width // 3 : box.right - box.width // 3]
    assert sign * (changed.luma[behind].mean() - ordinary.luma[behind].mean()) > 12
    before = np.s_[: box.y - 10]
    np.testing.assert_array_equal(changed.luma[before], ordinary.luma[before])


@pytest.mark.parametrize("geometry", ["linear", "sector"])
def test_the_lesion_is_dark_inside_its_box_and_the_box_inside_the_picture(geometry: str) -> None:
    patient = with_lesion(draw_patient(6, 2, "benign"), echogenicity=-18.0, attenuation=0.6)
    picture, scanner = picture_of(patient, geometry)
    height, width = picture.luma.shape
    assert (width, height) == scanner.image_size
    box = picture.lesion
    assert box is not None
    assert box.inside(Roi(0, 0, width, height))
    rows = slice(box.y + box.height // 3, box.bottom - box.height // 3)
    inside = picture.luma[rows, box.x + box.width // 3 : box.right - box.width // 3]
    beside = picture.luma[rows, max(box.x - 40, 0) : box.x - 8]
    assert beside.mean() - inside.mean() > 30


def test_a_plane_beside_the_lesion_has_no_box() -> None:
    patient = draw_patient(6, 2, "benign")
    picture, _ = picture_of(patient, "linear", offset=2 * patient.lesion.radii[1] + 5)
    assert picture.lesion is None


def test_a_sector_picture_is_black_outside_its_field() -> None:
    picture, _ = picture_of(draw_patient(6, 2, "benign"), "sector")
    assert not picture.luma[:20, :20].any()
    assert not picture.luma[-5:, -5:].any()


def test_same_seeds_same_picture_and_another_speckle_another() -> None:
    patient = draw_patient(6, 2, "benign")
    first, scanner = picture_of(patient, "linear")
    second, _ = picture_of(draw_patient(6, 2, "benign"), "linear")
    np.testing.assert_array_equal(first.luma, second.luma)
    other = take_picture(
        patient, scanner, View(0.0, 0.0, 0.0), Speckle([2], scanner), np.random.default_rng(1)
    )
    assert np.abs(other.luma.astype(int) - first.luma).mean() > 3


def test_bounding_box_takes_the_largest_blob_and_ignores_specks() -> None:
    mask = np.zeros((60, 80), bool)
    assert bounding_box(mask) is None
    mask[2:5, 2:5] = True
    assert bounding_box(mask) is None
    mask[20:40, 30:61] = True
    assert bounding_box(mask) == Roi(30, 20, 31, 20)
