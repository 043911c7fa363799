"""Thresholds keep what their names promise, also on images that they were not chosen on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from export.operating_points import choose_points, performance
from export.statistics import ConfusionMatrix


def thresholds(truth, risks):
    return {point.name: point.threshold for point in choose_points(truth, risks)}


@given(st.integers(0, 1000), st.integers(2, 60), st.integers(2, 60))
def test_one_sided_points_reach_their_aim_on_the_images_that_they_are_chosen_on(seed, benign, malignant):
    rng = np.random.default_rng(seed)
    truth = np.arange(benign + malignant) < malignant
    risks = np.clip(rng.normal(0.4 + 0.2 * truth, 0.2), 0.001, 0.999).round(3)
    chosen = thresholds(truth, risks)
    figures = {name: ConfusionMatrix.at(truth, risks, t).figures() for name, t in chosen.items()}
    assert figures["high-sensitivity"]["sensitivity"].value >= 0.95
    assert figures["high-specificity"]["specificity"].value >= 0.95
    assert all(0 < threshold < 1 for threshold in chosen.values())


def draw(rng, malignant, benign):
    """Truth and calibrated risks of images of which 30 % are malignant."""
    truth = np.arange(malignant + benign) < malignant
    logits = rng.normal(np.where(truth, 1.0, -1.0), np.sqrt(2.0))
    return truth, expit(logits + np.log(malignant / benign))


@pytest.mark.parametrize("malignant", [20, 35, 110])
def test_one_sided_points_transfer_on_average(malignant):
    rng = np.random.default_rng(0)
    sensitivity, specificity = [], []
    for _ in range(300):
        chosen = thresholds(*draw(rng, malignant, 2 * malignant))
        truth, risks = draw(rng, 1000, 2000)
        sensitivity.append((risks[truth] >= chosen["high-sensitivity"]).mean())
        specificity.append((risks[~truth] < chosen["high-specificity"]).mean())
    assert np.mean(sensitivity) > 0.945
    assert np.mean(specificity) > 0.945


def test_the_balanced_point_is_the_prevalence_where_sensitivity_plus_specificity_is_largest():
    truth, risks = draw(np.random.default_rng(1), 3000, 6000)
    balanced = thresholds(truth, risks)["balanced"]
    assert balanced == pytest.approx(1 / 3)
    sums = [(risks[truth] >= t).mean() + (risks[~truth] < t).mean() for t in np.linspace(0.05, 0.95, 91)]
    own = (risks[truth] >= balanced).mean() + (risks[~truth] < balanced).mean()
    assert own > max(sums) - 0.01


def test_few_images_say_nothing_about_the_last_twentieth():
    chosen = thresholds([1] * 18 + [0] * 18, [0.6] * 18 + [0.4] * 18)
    assert 0.4 < chosen["high-sensitivity"] < 0.6
    assert chosen["high-specificity"] < 0.6
    assert thresholds([1, 1, 0], [0.2, 0.9, 0.1])["high-sensitivity"] < 0.2


def test_risks_of_exactly_zero_and_one_still_give_thresholds():
    truth = np.arange(60) < 30
    chosen = thresholds(truth, np.ones(60))
    assert all(0 < threshold < 1 for threshold in chosen.values())
    chosen = thresholds(truth, np.zeros(60))
    assert all(0 < threshold < 1 for threshold in chosen.values())


def test_a_small_risk_is_not_cut_off():
    truth = np.arange(100) < 50
    risks = np.where(truth, 0.002, 0.0001)
    assert (risks[truth] >= thresholds(truth, risks)["high-sensitivity"]).all()


def test_thresholds_lie_between_risks_not_on_them():
    chosen = thresholds([0] * 20 + [1] * 20, [0.1] * 20 + [0.5] * 20)
    assert chosen["high-sensitivity"] == pytest.approx(0.3)
    chosen = thresholds([0] * 20 + [1] * 20, [0.5] * 20 + [0.9] * 20)
    assert chosen["high-specificity"] == pytest.approx(0.7)


def test_the_order_is_kept_where_the_classes_lie_far_apart():
    for low, high in ((0.0, 0.2), (0.8, 1.0), (0.01, 0.99)):
        chosen = thresholds([0] * 30 + [1] * 20, [low] * 30 + [high] * 20)
        assert chosen["high-sensitivity"] <= chosen["balanced"] <= chosen["high-specificity"]


def test_performance_counts_what_the_threshold_calls():
    found = performance([1, 1, 1, 0, 0], [0.9, 0.5, 0.2, 0.4, 0.6], 0.5)
    assert found == {"sensitivity": 0.6667, "specificity": 0.5, "malignant": 3, "benign": 2}
