"""The depth scale is read, or nothing is said."""

from dataclasses import replace

import numpy as np
import pytest

from edge.contract.frame import still
from edge.exam.scale import read_scale
from edge.phantom.chrome import LAYOUTS, draw_screen, field_of
from edge.phantom.patient import draw_patient
from edge.phantom.scanner import draw_scanner


def screen(seed, layout, geometry, size, *, ticks=True):
    patient = draw_patient(seed, 0, "benign")
    scanner = draw_scanner(np.random.default_rng([seed, 0, 2]), patient.lesion, geometry)
    field, scale = field_of(LAYOUTS[layout], scanner, *size)
    luma = draw_screen(LAYOUTS[layout], replace(scanner, px_per_mm=scale), *size, seed)
    if not ticks:
        luma[:, field.right :] = luma[:, : field.x] = LAYOUTS[layout].background
    speckle = np.random.default_rng(seed).rayleigh(50, (field.height, field.width))
    luma[field.y : field.bottom, field.x : field.right] = np.clip(speckle, 0, 255)
    return still(luma), field, scale


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("geometry", ["linear", "sector"])
@pytest.mark.parametrize("size", [(960, 720), (1920, 1080)])
def test_marks_beside_the_field_give_the_scale(layout, geometry, size):
    for seed in range(4):
        frame, field, scale = screen(seed, layout, geometry, size)
        assert read_scale(frame, field) == pytest.approx(scale, rel=0.01)


def test_without_marks_nothing_is_read():
    frame, field, _ = screen(1, "aster", "linear", (960, 720), ticks=False)
    assert read_scale(frame, field) is None


def test_marks_that_are_all_alike_may_be_anything():
    frame, field, _ = screen(1, "aster", "linear", (960, 720), ticks=False)
    for row in range(field.y, field.bottom, 30):
        frame.planes[0][row : row + 2, field.right + 10 : field.right + 20] = 210
    assert read_scale(frame, field) is None
