"""Boxes as hands draw them, and where they belong."""

import numpy as np
import pytest

from edge.contract.roi import Roi
from edge.exam.drawn import carry, covered, draw_roughly

TRUTH = Roi(200, 100, 100, 60)


def test_drawn_boxes_vary_in_size_and_place_about_the_lesion():
    rng = np.random.default_rng(1)
    boxes = [draw_roughly(TRUTH, Roi(0, 0, 960, 720), rng) for _ in range(200)]
    widths, across = (
        [box.width / 100 for box in boxes],
        [(box.x + box.width / 2 - 250) / 100 for box in boxes],
    )
    assert min(widths) == pytest.approx(0.7, abs=0.05)
    assert max(widths) == pytest.approx(1.6, abs=0.05)
    assert min(across) == pytest.approx(-0.25, abs=0.03)
    assert max(across) == pytest.approx(0.25, abs=0.03)


def test_drawn_box_ends_at_the_field():
    field = Roi(190, 90, 120, 80)
    rng = np.random.default_rng(1)
    assert all(draw_roughly(TRUTH, field, rng).inside(field) for _ in range(50))


def test_drawn_box_moves_and_shrinks_as_the_lesion_does():
    drawn = Roi(180, 90, 140, 60)
    assert carry(drawn, TRUTH, TRUTH) == drawn
    assert carry(drawn, TRUTH, Roi(230, 100, 50, 30)) == Roi(220, 95, 70, 30)


def test_share_of_the_lesion_that_a_box_covers():
    assert covered(Roi(0, 0, 960, 720), TRUTH) == 1.0
    assert covered(Roi(200, 100, 50, 60), TRUTH) == 0.5
    assert covered(Roi(0, 0, 50, 50), TRUTH) == 0.0
