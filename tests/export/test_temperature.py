"""Logits become probabilities on the validation part."""

import numpy as np
import pytest
from scipy.special import expit

from export.statistics import expected_calibration_error
from export.temperature import fit_scaling


@pytest.fixture
def overconfident():
    """True log-odds, and logits three times too large and shifted by a balanced loss."""
    rng = np.random.default_rng(0)
    odds = rng.normal(-0.7, 1.5, 3000)
    return rng.random(3000) < expit(odds), odds * 3 + 2


def test_scaling_undoes_temperature_and_shift(overconfident):
    scaling = fit_scaling(*overconfident)
    assert scaling.temperature == pytest.approx(3, rel=0.1)
    assert scaling.offset == pytest.approx(-2, abs=0.3)
    assert expected_calibration_error(overconfident[0], scaling.risk(overconfident[1])) < 0.03


def test_the_order_of_cases_never_changes(overconfident):
    truth, logits = overconfident
    assert np.array_equal(np.argsort(fit_scaling(truth, logits).risk(logits)), np.argsort(logits))


def test_a_perfectly_separated_part_gives_no_certainty():
    risk = fit_scaling([0, 0, 0, 1, 1, 1], [-3, -2, -1, 1, 2, 3]).risk([-3, 3])
    assert 0.001 < risk[0] < 0.5 < risk[1] < 0.999
