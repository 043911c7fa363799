"""The clinical gate passes what costs no sensitivity and refuses what does."""

import numpy as np
import pytest

from calibration.gate import fit_temperature, judge


def sample(images=200, seed=0):
    rng = np.random.default_rng(seed)
    malignant = np.arange(images) % 2 == 0
    risk = np.clip(rng.normal(np.where(malignant, 0.65, 0.35), 0.15), 0.01, 0.99).astype(np.float32)
    return risk, malignant, [f"p{i // 2}" for i in range(images)]


def run(reference, risk, malignant, groups, limit=-0.05):
    return judge(reference, risk, malignant, groups, 0.5, limit, (1.0, 1.0))


def test_equal_risks_pass_with_no_difference():
    risk, malignant, groups = sample()
    gate = run(risk, risk, malignant, groups)
    assert gate.passes
    for figure in (gate.sensitivity, gate.specificity, gate.auc):
        assert (figure.value, figure.low, figure.high) == (0, 0, 0)
    assert gate.groups == 100


def test_lost_sensitivity_fails_and_is_measured():
    risk, malignant, groups = sample()
    worse = risk - np.where(malignant, 0.1, 0.0).astype(np.float32)
    gate = run(risk, worse, malignant, groups)
    lost = np.mean(risk[malignant] >= 0.5) - np.mean(worse[malignant] >= 0.5)
    assert gate.sensitivity.value == pytest.approx(-lost)
    assert gate.sensitivity.low < -lost < gate.sensitivity.high
    assert gate.specificity.value == 0
    assert not gate.passes


def test_the_bound_decides_and_not_the_value():
    """Four of a hundred lost: less than the limit, but the interval reaches beyond it."""
    risk, malignant, groups = sample()
    worse = risk.copy()
    called = np.flatnonzero(malignant & (risk >= 0.5))[:4]
    worse[called] = 0.4
    gate = run(risk, worse, malignant, groups)
    assert gate.sensitivity.value == pytest.approx(-0.04)
    assert gate.sensitivity.low < -0.05
    assert not gate.passes
    assert run(risk, worse, malignant, groups, limit=-0.2).passes


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
    assert few.sensitivity.low < alone.sensitivity.low


def test_temperature_is_recovered():
    rng = np.random.default_rng(2)
    logit = rng.normal(0, 1.5, 20_000)
    malignant = rng.random(20_000) < 1 / (1 + np.exp(-logit))
    overconfident = (1 / (1 + np.exp(-2 * logit))).astype(np.float32)
    assert fit_temperature(overconfident, malignant) == pytest.approx(2.0, rel=0.05)
