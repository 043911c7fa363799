"""Following live is judged by how long a box is shown, and whether it goes with the lesion."""

import numpy as np
import pytest

from edge.contract.roi import Roi
from edge.exam.following_live import judge_live
from edge.exam.tracker import LesionTracker
from edge.phantom.cine import CineOptions, make_cine

PICTURES = 100


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr("edge.exam.following_live.PICTURES", PICTURES)


def cine_of(motion, slices):
    return make_cine(CineOptions(7003, "benign", 480, 360, "aster", "linear", motion, slices), lambda _: None)


@pytest.fixture(scope="module")
def sweep():
    return cine_of("sweep", 30)


@pytest.mark.parametrize("rough", [False, True])
def test_lesion_under_a_probe_held_still_is_not_lost(rough):
    span = judge_live(cine_of("still", 4), np.random.default_rng(1), rough=rough)
    assert (span.lost, span.ended, span.late) == (PICTURES, PICTURES, False)


def test_box_that_never_goes_is_late_where_the_sweep_leaves_the_lesion(sweep, monkeypatch):
    monkeypatch.setattr(LesionTracker, "follow", lambda self, frame: Roi(0, 0, 20, 20))
    span = judge_live(sweep, np.random.default_rng(1), rough=True)
    assert span.lost == PICTURES > span.ended
    assert span.late


def test_box_that_goes_at_once_is_lost_before_the_lesion_ends(sweep, monkeypatch):
    monkeypatch.setattr(LesionTracker, "follow", lambda self, frame: None)
    rng = np.random.default_rng(1)
    spans = [judge_live(sweep, rng, rough=False) for _ in range(5)]
    assert all(span.lost == 0 and not span.late for span in spans)
    assert sum(span.ended for span in spans) > 5


def test_exact_and_rough_boxes_are_marked_at_the_same_times(sweep, monkeypatch):
    monkeypatch.setattr(LesionTracker, "follow", lambda self, frame: None)
    marked = []
    monkeypatch.setattr(LesionTracker, "mark", lambda self, frame, roi: marked.append(frame.sequence))
    for rough in (False, True):
        rng = np.random.default_rng(1)
        for _ in range(5):
            judge_live(sweep, rng, rough=rough)
    assert marked[:5] == marked[5:]
