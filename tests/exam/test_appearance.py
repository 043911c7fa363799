"""The marked lesion is found again where and as large as it is, and not where it is not."""

import cv2
import numpy as np
import pytest

from edge.exam.appearance import Appearance, Box

MARKED = Box(48, 48, 40, 30)


def window(x=48.0, y=48.0, width=40.0, height=30.0, *, depth=80, seed=0):
    """A smoothed window with a dark ellipse that has a notch, so that it has no other place or size."""
    rows, columns = np.mgrid[:96, :96]
    across, down = (columns - x) / (width / 2), (rows - y) / (height / 2)
    inside = (across**2 + down**2 < 1) & ~((across > 0.2) & (down > 0.2))
    grey = 130 - depth * inside + np.random.default_rng(seed).normal(0, 12, inside.shape)
    return cv2.GaussianBlur(np.clip(grey, 0, 255), (0, 0), 2.0).astype(np.uint8)


@pytest.mark.parametrize(("x", "y", "share"), [(52, 45, 1.0), (48, 48, 0.9), (45, 50, 0.9)])
def test_lesion_is_found_where_and_as_large_as_it_is(x, y, share):
    appearance = Appearance(window(), MARKED)
    box, alike = appearance.find(window(x, y, share * 40, share * 30, seed=1), MARKED, MARKED)
    assert abs(box.x - x) < 1.5
    assert abs(box.y - y) < 1.5
    assert box.width == pytest.approx(share * 40)
    assert box.height == pytest.approx(share * 30)
    assert alike > 0.9


def test_brightness_alone_changes_nothing():
    appearance = Appearance(window(), MARKED)
    box, alike = appearance.find(window(seed=1) // 2 + 60, MARKED, MARKED)
    assert (box.width, box.height) == (40, 30)
    assert alike > 0.9


def test_lesion_that_fades_or_becomes_another_is_not_there_any_more():
    appearance = Appearance(window(), MARKED)
    assert appearance.holds(window(seed=1), MARKED, 0.9)
    assert not appearance.holds(window(depth=25, seed=2), MARKED, 0.9)
    assert not appearance.holds(window(seed=3), MARKED, 0.3)
    assert not appearance.holds(255 - window(seed=4), MARKED, 0.9)


def test_box_grows_with_a_lesion_that_was_marked_while_its_cut_was_small():
    small = Box(48, 48, 24, 18)
    appearance, box = Appearance(window(width=24, height=18), small), small
    for step in range(1, 13):
        now = window(width=24 + 1.5 * step, height=18 + 1.1 * step, seed=step)
        box, alike = appearance.find(now, box, small)
        assert appearance.holds(now, box, alike)
    assert box.width == pytest.approx(42, rel=0.15)
    assert box.height == pytest.approx(31, rel=0.15)


def test_box_neither_grows_nor_shrinks_without_end():
    appearance = Appearance(window(), MARKED)
    box = MARKED
    for seed in range(20):
        box, _ = appearance.find(
            np.random.default_rng(seed).integers(0, 255, (96, 96), np.uint8), box, MARKED
        )
        assert 0.25 <= box.width / 40 <= 2.0
        assert 0.25 <= box.height / 30 <= 2.0


def test_region_without_any_contrast_is_never_held():
    flat = np.full((96, 96), 90, np.uint8)
    appearance = Appearance(flat, MARKED)
    _, alike = appearance.find(flat, MARKED, MARKED)
    assert not appearance.holds(flat, MARKED, alike)
