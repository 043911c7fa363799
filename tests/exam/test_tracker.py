"""A marked lesion is followed; what cannot be followed is lost and says so."""

import numpy as np
import pytest

from edge.contract.frame import Frame, Matrix, PixelFormat
from edge.contract.roi import Roi
from edge.exam.lesion import CUT_OFF, Lesion, size_of
from edge.exam.tracker import LOST, LesionTracker

SIDE = 320
FIELD = Roi(10, 10, 300, 300)


def picture(x, y, radius=30, *, seed=0, field=True):
    """Texture that moves with the lesion, a dark disc at (x, y)."""
    rng = np.random.default_rng(7)
    grey = np.kron(rng.normal(120, 25, (60, 60)), np.ones((8, 8)))
    grey = np.roll(grey, (round(y), round(x)), (0, 1))[:SIDE, :SIDE]
    rows, columns = np.mgrid[:SIDE, :SIDE]
    grey = np.where((columns - x) ** 2 + (rows - y) ** 2 < radius**2, 40, grey)
    grey = grey + np.random.default_rng(seed).normal(0, 6, grey.shape)
    return Frame((np.clip(grey, 9, 255).astype(np.uint8),), PixelFormat.GRAY8, seed, 0, True, Matrix.BT601)


def box(x, y, radius=30):
    return Roi(round(x - radius), round(y - radius), 2 * radius, 2 * radius)


def overlap(a, b):
    wide = max(0, min(a.right, b.right) - max(a.x, b.x))
    high = max(0, min(a.bottom, b.bottom) - max(a.y, b.y))
    return wide * high / (a.width * a.height + b.width * b.height - wide * high)


def test_box_follows_the_lesion():
    tracker = LesionTracker()
    tracker.mark(picture(120, 140), box(120, 140))
    for step in range(1, 30):
        found = tracker.follow(picture(120 + 2 * step, 140 + step, seed=step))
        assert found is not None
        assert overlap(found, box(120 + 2 * step, 140 + step)) > 0.7


def test_box_shrinks_with_the_lesion_until_it_is_lost():
    tracker = LesionTracker()
    tracker.mark(picture(150, 150, 40), box(150, 150, 40))
    for step in range(1, 14):
        found = tracker.follow(picture(150, 150, 40 - 1.5 * step, seed=step))
    assert found is not None
    assert overlap(found, box(150, 150, 20)) > 0.4
    for step in range(14, 24):
        found = tracker.follow(picture(150, 150, 0, seed=step))
    assert found is None
    assert tracker.lost


ROUGH = [(0.7, 0.7, 12, -10), (1.6, 1.6, 0, 0), (1.5, 0.8, -14, 12), (1.3, 1.5, 14, 14)]


def rough(wide, high, right, low, radius=30, x=150, y=150):
    return Roi(
        round(x + right - wide * radius),
        round(y + low - high * radius),
        round(2 * wide * radius),
        round(2 * high * radius),
    )


@pytest.mark.parametrize("drawn", ROUGH)
def test_roughly_drawn_box_moves_with_the_lesion_and_stays_as_it_was_drawn(drawn):
    tracker = LesionTracker()
    tracker.mark(picture(120, 140), rough(*drawn, x=120, y=140))
    for step in range(1, 30):
        found = tracker.follow(picture(120 + 2 * step, 140 + step, seed=step))
        assert found is not None
        assert overlap(found, rough(*drawn, x=120 + 2 * step, y=140 + step)) > 0.7


@pytest.mark.parametrize("drawn", ROUGH)
def test_roughly_drawn_box_is_lost_as_soon_as_the_lesion_is_gone_though_its_surroundings_stay(drawn):
    tracker = LesionTracker()
    tracker.mark(picture(150, 150), rough(*drawn))
    assert tracker.follow(picture(150, 150, seed=1)) is not None
    for step in range(2, 5):
        found = tracker.follow(picture(150, 150, 0, seed=step))
    assert found is None
    assert tracker.lost


def test_box_drawn_up_to_the_pictures_border_is_followed_inside_it():
    tracker = LesionTracker()
    drawn = Roi(0, 100, 80, 90)
    tracker.mark(picture(45, 150), drawn)
    for step in range(1, 10):
        found = tracker.follow(picture(45 - step, 150, seed=step))
        assert found is not None
        assert found.x == 0
        assert found.width < 80


def test_another_scene_is_lost_and_stays_lost():
    tracker = LesionTracker()
    tracker.mark(picture(150, 150), box(150, 150))
    noise = np.random.default_rng(1).integers(0, 255, (SIDE, SIDE), np.uint8)
    assert tracker.follow(Frame((noise,), PixelFormat.GRAY8, 1, 0, True, Matrix.BT601)) is None
    assert tracker.follow(picture(150, 150)) is None


def test_other_geometry_is_lost():
    tracker = LesionTracker()
    tracker.mark(picture(150, 150), box(150, 150))
    small = picture(150, 150).planes[0][:200, :200].copy()
    assert tracker.follow(Frame((small,), PixelFormat.GRAY8, 1, 0, True, Matrix.BT601)) is None


def look(lesion, frame, mark, *, ms=0, fresh=True, field=FIELD):
    return lesion.look(frame, mark, field, ms * 1_000_000, fresh=fresh)


def test_lost_lesion_says_so_and_the_same_box_drawn_again_marks_it_again():
    lesion, mark = Lesion(), box(150, 150)
    assert look(lesion, picture(150, 150), mark)
    assert lesion.reason is None
    lesion.lose()
    assert not look(lesion, picture(150, 150), mark)
    assert (lesion.box, lesion.reason, lesion.features) == (None, LOST, None)
    assert look(lesion, picture(150, 150), box(150, 150))
    assert lesion.reason is None


def test_frozen_picture_moves_nothing():
    lesion, mark = Lesion(), box(150, 150)
    look(lesion, picture(150, 150), mark)
    look(lesion, picture(190, 150), mark, fresh=False)
    assert lesion.box == mark


@pytest.mark.parametrize("at", [(38, 150), (282, 150), (150, 281)])
def test_lesion_at_the_fields_edge_is_cut_off(at):
    lesion = Lesion()
    look(lesion, picture(*at), box(*at))
    assert lesion.reason == CUT_OFF


def test_what_is_left_of_a_lesion_that_is_cut_off_stays_so_until_it_is_well_inside(monkeypatch):
    """The box shrinks about what is left, and by that alone leaves the edge by some pixels."""
    lesion, mark = Lesion(), box(38, 150)
    look(lesion, picture(38, 150), mark)
    reasons = []
    for left in (13, 18, 24, 40, 24):
        monkeypatch.setattr(lesion._tracker, "follow", lambda frame, left=left: Roi(left, 120, 40, 60))
        look(lesion, picture(38, 150), mark)
        reasons.append(lesion.reason)
    assert reasons == [CUT_OFF, CUT_OFF, CUT_OFF, None, None]


def test_lesion_marked_after_one_that_is_cut_off_is_judged_by_itself():
    lesion, near = Lesion(), Roi(18, 120, 60, 60)
    look(lesion, picture(48, 150), near)
    assert lesion.reason is None
    look(lesion, picture(38, 150), box(38, 150))
    assert lesion.reason == CUT_OFF
    look(lesion, picture(48, 150), Roi(18, 120, 60, 60))
    assert lesion.reason is None


def test_lesion_beside_a_sectors_tissue_is_cut_off():
    frame = picture(150, 150)
    frame.planes[0][:, :125] = 0
    lesion = Lesion()
    look(lesion, frame, box(150, 150))
    assert lesion.reason == CUT_OFF


def test_features_are_measured_some_times_a_second(monkeypatch):
    calls = []
    monkeypatch.setattr("edge.exam.lesion.measure_lesion", lambda *_: calls.append(1))
    lesion, mark = Lesion(), box(150, 150)
    for index in range(31):
        look(lesion, picture(150, 150, seed=index), mark, ms=index * 33)
    assert 4 <= len(calls) <= 6


def test_size_in_millimetres():
    assert size_of(Roi(0, 0, 150, 97), 10.0) == (15.0, 9.7)
