"""Following is judged by the truth, also where it goes wrong."""

import argparse
import json

import numpy as np
import pytest

from edge.contract.roi import Roi
from edge.exam.following import Followed, judge_sweep, main
from edge.exam.tracker import LesionTracker
from edge.phantom.cine import CineOptions, make_cine


@pytest.fixture(scope="module")
def cine():
    return make_cine(CineOptions(7003, "benign", 640, 480, "aster", "linear", "sweep", 64), lambda _: None)


@pytest.mark.parametrize("rng", [None, np.random.default_rng(3)], ids=["exact", "rough"])
def test_lesion_of_a_sweep_is_followed(cine, rng):
    found = Followed()
    judge_sweep(cine, found, rng)
    figures = found.report()
    assert figures["kept"] > 0.55
    assert figures["overlap"] > 0.5
    assert figures["cover"] > 0.7


def test_box_that_stays_where_it_is_is_found_out(cine, monkeypatch):
    monkeypatch.setattr(LesionTracker, "follow", lambda self, frame: Roi(0, 0, 20, 20))
    found = Followed()
    judge_sweep(cine, found, np.random.default_rng(3))
    figures = found.report()
    assert figures["false"] == 1.0
    assert figures["cover"] == 0.0
    assert figures["lost_late"] == figures["ended"] > 0


def test_rough_box_that_shrinks_to_the_lesion_itself_does_not_pass_for_the_drawn_one(cine, monkeypatch):
    """Overlap is that with the drawn box as it should have moved, not with the true one."""
    start = int(np.argmax([0 if box is None else box.width * box.height for box in cine.lesions]))
    truth = cine.lesions[start]
    wide = Roi(truth.x, truth.y, round(1.6 * truth.width), truth.height)
    monkeypatch.setattr("edge.exam.following.draw_roughly", lambda *_: wide)
    monkeypatch.setattr(LesionTracker, "follow", lambda self, frame: cine.lesions[frame.sequence])
    found = Followed()
    judge_sweep(cine, found, np.random.default_rng(3))
    assert found.report()["overlap"] == pytest.approx(1 / 1.6, abs=0.02)
    assert found.report()["cover"] == 1.0


def test_figures_of_exact_rough_and_live_boxes_are_reported(cine, monkeypatch, capsys):
    monkeypatch.setattr("edge.exam.following.make_cine", lambda *_: cine)
    monkeypatch.setattr("edge.exam.following_live.make_cine", lambda *_: cine)
    monkeypatch.setattr("edge.exam.following_live.PICTURES", 40)
    assert main(argparse.Namespace(sweeps=1, seed=7003, live=1, json=True)) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["exact"]["there"] < figures["rough"]["there"]
    assert figures["scales"] == 1
    assert [(row["motion"], row["kind"]) for row in figures["live"]] == [
        ("still", "exact"), ("still", "rough"), ("sweep", "exact"), ("sweep", "rough"),
    ]  # fmt: skip
    assert main(argparse.Namespace(sweeps=1, seed=7003, live=1, json=False)) == 0
    assert "live, sweep, rough boxes: lost after" in capsys.readouterr().out
