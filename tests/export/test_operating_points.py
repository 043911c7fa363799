"""Thresholds reach what their names promise, on the data they are chosen on."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from export.operating_points import choose_points, performance
from export.statistics import ConfusionMatrix


@given(st.integers(0, 1000), st.integers(2, 60), st.integers(2, 60))
def test_each_point_reaches_its_aim(seed, benign, malignant):
    rng = np.random.default_rng(seed)
    truth = np.arange(benign + malignant) < malignant
    risks = np.clip(rng.normal(0.4 + 0.2 * truth, 0.2), 0.02, 0.98).round(2)
    points = {point.name: point.threshold for point in choose_points(truth, risks)}
    figures = {name: ConfusionMatrix.at(truth, risks, t).figures() for name, t in points.items()}
    assert figures["high-sensitivity"]["sensitivity"].value >= 0.95
    assert figures["high-specificity"]["specificity"].value >= 0.95
    youden = {n: f["sensitivity"].value + f["specificity"].value for n, f in figures.items()}
    assert youden["balanced"] == max(youden.values())
    assert all(0 < threshold < 1 for threshold in points.values())


def test_thresholds_lie_between_risks_not_on_them():
    points = choose_points([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.8])
    assert {point.name: round(point.threshold, 3) for point in points}["balanced"] == 0.4


def test_performance_counts_what_the_threshold_calls():
    found = performance([1, 1, 1, 0, 0], [0.9, 0.5, 0.2, 0.4, 0.6], 0.5)
    assert found == {"sensitivity": 0.6667, "specificity": 0.5, "malignant": 3, "benign": 2}
