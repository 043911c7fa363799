"""A roughly drawn box is taken for the dark ellipse that it is meant for."""

import numpy as np
import pytest

from edge.contract.frame import Frame, Matrix, PixelFormat
from edge.contract.roi import Roi
from edge.exam.appearance import Box
from edge.exam.ellipse import fit_ellipse

TRUTH = Roi(220, 140, 120, 80)


def picture(truth=TRUTH, *, depth=60, seed=0):
    """Speckle with a darker ellipse in it."""
    rows, columns = np.mgrid[:360, :480] + 0.5
    away = np.hypot(
        (columns - truth.x - truth.width / 2) / truth.width,
        (rows - truth.y - truth.height / 2) / truth.height,
    )
    grey = 120 - depth * (away < 0.5) + np.random.default_rng(seed).normal(0, 25, away.shape)
    return Frame((np.clip(grey, 0, 255).astype(np.uint8),), PixelFormat.GRAY8, seed, 0, True, Matrix.BT601)


@pytest.mark.parametrize(
    "drawn",
    [
        TRUTH,
        Roi(190, 120, 190, 128),  # larger
        Roi(240, 150, 84, 56),  # smaller
        Roi(250, 160, 120, 80),  # beside it
        Roi(205, 148, 150, 64),  # wider and lower
    ],
)
def test_lesion_is_found_in_whatever_box_is_drawn_around_it(drawn):
    box = fit_ellipse(picture(), drawn)
    assert box.x == pytest.approx(280, abs=15)
    assert box.y == pytest.approx(180, abs=12)
    assert box.width == pytest.approx(120, rel=0.3)
    assert box.height == pytest.approx(80, rel=0.3)


def test_box_in_which_nothing_is_darker_stays_as_it_was_drawn():
    flat = Frame((np.full((360, 480), 90, np.uint8),), PixelFormat.GRAY8, 0, 0, True, Matrix.BT601)
    assert fit_ellipse(flat, TRUTH) == Box(280, 180, 120, 80)


@pytest.mark.parametrize(
    "drawn", [Roi(0, 0, 40, 30), Roi(440, 330, 40, 30), Roi(0, 0, 480, 360), Roi(479, 0, 1, 1)]
)
def test_box_at_the_pictures_border_has_its_centre_inside(drawn):
    box = fit_ellipse(picture(), drawn)
    assert 0 <= box.x < 480
    assert 0 <= box.y < 360


def test_darker_neighbour_outside_the_drawn_box_is_not_taken_for_it():
    frame = picture()
    frame.planes[0][140:220, 30:130] = 5
    box = fit_ellipse(frame, Roi(215, 135, 130, 90))
    assert box.x == pytest.approx(280, abs=15)
