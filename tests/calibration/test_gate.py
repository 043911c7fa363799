"""The clinical gate passes what costs no sensitivity and refuses what does."""

import numpy as np
import pytest

from calibration.gate import fit_temperature, judge, needed, stricter, upper_bound
from edge.contract.qualification import Verdict
from edge.contract.spec import OperatingPoint


def sample(images=200, seed=0):
    rng = np.random.default_rng(seed)
    malignant = np.arange(images) % 2 == 0
    risk = np.clip(rng.normal(np.where(malignant, 0.65, 0.35), 0.15), 0.01, 0.99).astype(np.float32)
    return risk, malignant, [f"p{i // 2}" for i in range(images)]


BALANCED = OperatingPoint(name="balanced", threshold=0.5)


def run(reference, risk, malignant, groups, limit=-0.05, points=(BALANCED,)):
    return judge(reference, risk, malignant, groups, points, limit, (1.0, 1.0))


def test_equal_risks_pass_with_no_difference():
    risk, malignant, groups = sample()
    gate = run(risk, risk, malignant, groups)
    (point,) = gate.points
    assert gate.verdict is Verdict.PASSES
    for figure in (point.sensitivity, point.specificity, gate.auc):
        assert (figure.value, figure.low, figure.high) == (0, 0, 0)
    assert (gate.groups, point.malignant_groups, point.lost_groups, point.flips) == (100, 100, 0, 0)


def test_nothing_lost_by_few_patients_is_too_few_to_tell_and_says_how_many_are_needed():
    """The bootstrap of equal decisions is a point, however few there are: an exact bound is not."""
    risk, malignant, groups = sample(images=40)
    gate = run(risk, risk, malignant, groups)
    (point,) = gate.points
    assert gate.verdict is Verdict.TOO_FEW
    assert point.worst_loss == pytest.approx(1 - 0.025 ** (1 / 20))
    assert point.needed_groups == 72
    enough = sample(images=144)
    assert run(enough[0], *enough).verdict is Verdict.PASSES


def test_the_exact_bound_is_clopper_and_pearsons():
    assert upper_bound(0, 72) == pytest.approx(1 - 0.025 ** (1 / 72))
    assert upper_bound(3, 100) == pytest.approx(0.0852, abs=1e-4)  # their table
    assert upper_bound(5, 5) == 1.0
    assert needed(0, 10, 0.05) == 72
    assert upper_bound(2, needed(2, 10, 0.05)) < 0.05 <= upper_bound(2, needed(2, 10, 0.05) - 1)


def test_every_operating_point_is_judged_and_the_worst_decides():
    risk, malignant, groups = sample()
    worse = risk.copy()
    between = malignant & (risk > 0.5) & (risk < 0.7)
    worse[between] -= 0.15  # crosses 0.7 nowhere, 0.5 for some
    points = (OperatingPoint(name="specific", threshold=0.7), BALANCED)
    gate = run(risk, worse, malignant, groups, points=points)
    assert [point.verdict for point in gate.points] == [Verdict.PASSES, Verdict.FAILS]
    assert gate.verdict is Verdict.FAILS
    assert gate.weakest.name == "balanced"
    assert gate.points[0].flips == 0 < gate.points[1].flips


def test_lost_sensitivity_fails_and_is_measured():
    risk, malignant, groups = sample()
    worse = risk - np.where(malignant, 0.1, 0.0).astype(np.float32)
    gate = run(risk, worse, malignant, groups)
    lost = np.mean(risk[malignant] >= 0.5) - np.mean(worse[malignant] >= 0.5)
    (point,) = gate.points
    assert point.sensitivity.value == pytest.approx(-lost)
    assert point.sensitivity.low < -lost < point.sensitivity.high
    assert point.specificity.value == 0
    assert gate.verdict is Verdict.FAILS


def test_the_bound_decides_and_not_the_value():
    """Four of a hundred lost: less than the limit, but the interval reaches beyond it."""
    risk, malignant, groups = sample()
    worse = risk.copy()
    called = np.flatnonzero(malignant & (risk >= 0.5))[:4]
    worse[called] = 0.4
    gate = run(risk, worse, malignant, groups)
    (point,) = gate.points
    assert point.sensitivity.value == pytest.approx(-0.04)
    assert point.sensitivity.low < -0.05
    assert point.lost_groups == 4
    assert gate.verdict is Verdict.FAILS
    assert run(risk, worse, malignant, groups, limit=-0.2).verdict is Verdict.PASSES


def test_auc_difference_is_the_rank_statistics():
    from sklearn.metrics import roc_auc_score

    risk, malignant, groups = sample()
    noisy = risk + np.random.default_rng(1).normal(0, 0.2, len(risk)).astype(np.float32)
    gate = run(risk, noisy, malignant, groups)
    expected = roc_auc_score(malignant, noisy) - roc_auc_score(malignant, risk)
    assert gate.auc.value == pytest.approx(expected)
    assert gate.auc.low < expected < gate.auc.high


def test_images_of_a_patient_are_drawn_together():
    """One patient with many flipped images widens the interval that single images would make narrow."""
    risk, malignant, _ = sample()
    worse = risk.copy()
    worse[np.flatnonzero(malignant & (risk >= 0.5))[:10]] = 0.4
    alone = run(risk, worse, malignant, [str(i) for i in range(len(risk))])
    few = run(risk, worse, malignant, [str(i // 20) for i in range(len(risk))])
    assert few.points[0].sensitivity.low < alone.points[0].sensitivity.low
    assert (few.points[0].malignant_groups, alone.points[0].malignant_groups) == (10, 100)


def test_temperature_is_recovered():
    rng = np.random.default_rng(2)
    logit = rng.normal(0, 1.5, 20_000)
    malignant = rng.random(20_000) < 1 / (1 + np.exp(-logit))
    overconfident = (1 / (1 + np.exp(-2 * logit))).astype(np.float32)
    assert fit_temperature(overconfident, malignant) == pytest.approx(2.0, rel=0.05)


def test_the_stricter_of_two_gates_decides():
    risk, malignant, groups = sample()
    worse = risk - np.where(malignant, 0.1, 0.0).astype(np.float32)
    passes, fails = run(risk, risk, malignant, groups), run(risk, worse, malignant, groups)
    assert stricter(passes, fails) is stricter(fails, passes) is fails
