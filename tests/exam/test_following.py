"""Following is judged by the truth, also where it goes wrong."""

import pytest

from edge.contract.roi import Roi
from edge.exam.following import Followed, judge_sweep, report
from edge.exam.tracker import LesionTracker
from edge.phantom.cine import CineOptions, make_cine


@pytest.fixture(scope="module")
def cine():
    return make_cine(CineOptions(7003, "benign", 640, 480, "aster", "linear", "sweep", 64), lambda _: None)


def test_lesion_of_a_sweep_is_followed(cine):
    found = Followed()
    judge_sweep(cine, found)
    figures = report(found, 1)
    assert figures["kept"] > 0.55
    assert figures["overlap"] > 0.5
    assert figures["scales"] == 1


def test_box_that_stays_where_it_is_is_found_out(cine, monkeypatch):
    monkeypatch.setattr(LesionTracker, "follow", lambda self, frame: Roi(0, 0, 20, 20))
    found = Followed()
    judge_sweep(cine, found)
    figures = report(found, 1)
    assert figures["false"] == 1.0
    assert figures["lost_late"] == figures["ended"] > 0
