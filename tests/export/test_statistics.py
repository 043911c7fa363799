"""Figures come from one confusion matrix, and agree with published reference numbers."""

import math

import numpy as np
import pytest
from scipy.stats import norm, ttest_1samp

from export.statistics import (
    ConfusionMatrix,
    auc,
    brier,
    compare_auc,
    corrected_t_test,
    delong,
    expected_calibration_error,
    wilson,
)


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_limits_of_newcombe_1998_table_i(hits, trials, low, high):
    figure = wilson(hits, trials)
    assert figure.value == hits / trials
    assert figure.low == pytest.approx(low, abs=5e-5)
    assert figure.high == pytest.approx(high, abs=5e-5)


def test_a_perfect_proportion_stays_inside_its_interval():
    assert wilson(20, 20).high == 1.0
    assert wilson(20, 20).low == pytest.approx(1 - 0.1611, abs=5e-5)


def test_nothing_counted_is_no_number_and_null_in_json():
    figure = wilson(0, 0)
    assert math.isnan(figure.value)
    assert figure.json() == {"value": None, "low": None, "high": None}
    assert "-" in str(figure)


@pytest.fixture
def ratings():
    """109 CT images rated 1 to 5 (Hanley and McNeil 1982, table I)."""
    normal, abnormal = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)
    scores = np.repeat([1, 2, 3, 4, 5, 1, 2, 3, 4, 5], normal + abnormal)
    return np.arange(109) >= 58, scores


def test_auc_and_delong_interval_of_the_ct_ratings(ratings):
    """As `roctab` in the Stata manual prints them: 0.8932, standard error 0.0307, 0.83295 to 0.95339."""
    area = auc(*ratings)
    assert area.value == pytest.approx(0.8932, abs=5e-5)
    assert area.low == pytest.approx(0.83295, abs=5e-5)
    assert area.high == pytest.approx(0.95339, abs=5e-5)


def test_delong_covariance_is_that_of_its_definition():
    rng = np.random.default_rng(5)
    truth = rng.random(60) < 0.4
    scores = np.round(rng.normal(size=(2, 60)) + truth + rng.normal(size=60), 1)  # with ties
    kernel = [(s[truth][:, None] > s[~truth]) + 0.5 * (s[truth][:, None] == s[~truth]) for s in scores]
    v10, v01 = np.stack([k.mean(1) for k in kernel]), np.stack([k.mean(0) for k in kernel])
    areas, covariance = delong(truth, scores)
    assert areas == pytest.approx([k.mean() for k in kernel])
    assert covariance == pytest.approx(np.cov(v10) / truth.sum() + np.cov(v01) / (~truth).sum())


def test_paired_comparison_of_correlated_scores_finds_what_separate_intervals_hide():
    rng = np.random.default_rng(1)
    truth = np.arange(400) % 2 == 0
    shared = rng.normal(size=400) + truth
    better, worse = shared + 0.05 * rng.normal(size=400), shared + 1.2 * rng.normal(size=400)
    difference, p_value = compare_auc(truth, better, worse)
    assert difference.low > 0
    assert p_value < 0.01
    spread = (difference.high - difference.low) / (2 * norm.ppf(0.975))
    assert p_value == pytest.approx(2 * norm.sf(difference.value / spread))
    assert compare_auc(truth, better, better)[1] == 1.0


def test_one_image_of_a_class_compares_nothing():
    truth = np.arange(20) == 3
    scores = np.random.default_rng(2).normal(size=(2, 20))
    difference, p_value = compare_auc(truth, *scores)
    assert not math.isnan(difference.value)
    assert math.isnan(p_value)
    assert math.isnan(difference.low)
    assert math.isnan(difference.high)


def test_one_matrix_gives_every_proportion():
    matrix = ConfusionMatrix.at([1, 1, 1, 0, 0, 0, 0], [0.9, 0.5, 0.1, 0.6, 0.2, 0.1, 0.0], 0.5)
    assert (matrix.true_positive, matrix.false_negative) == (2, 1)
    assert (matrix.false_positive, matrix.true_negative) == (1, 3)
    values = {name: figure.value for name, figure in matrix.figures().items()}
    assert values == pytest.approx(
        {"accuracy": 5 / 7, "sensitivity": 2 / 3, "specificity": 3 / 4, "ppv": 2 / 3, "npv": 3 / 4}
    )


def test_the_threshold_itself_counts_as_malignant():
    assert ConfusionMatrix.at([True], [0.5], 0.5).true_positive == 1


def test_a_perfect_area_on_few_images_has_an_interval_with_a_width():
    truth = np.arange(14) < 4
    assert auc(truth, truth) == wilson(4, 4)
    assert auc(truth, ~truth) == wilson(0, 4)
    assert auc(np.arange(400) < 200, np.arange(400) < 200).low > 0.98


def test_one_class_has_no_auc():
    assert auc([1, 1], [0.1, 0.2]).json() == {"value": None, "low": None, "high": None}


def test_one_image_of_a_class_gives_an_interval_that_excludes_nothing():
    area = auc([1, 0, 0, 0], [0.3, 0.1, 0.2, 0.4])
    assert (area.value, area.low, area.high) == (pytest.approx(2 / 3), 0.0, 1.0)


def test_calibration_error_is_zero_where_risks_are_frequencies_and_large_where_they_boast():
    rng = np.random.default_rng(0)
    risk = rng.random(20_000)
    truth = rng.random(20_000) < risk
    assert expected_calibration_error(truth, risk) < 0.02
    assert expected_calibration_error(truth, np.where(risk > 0.5, 0.99, 0.01)) > 0.2
    assert brier(truth, risk) == pytest.approx(1 / 6, abs=0.01)


def test_the_corrected_t_test_is_wider_than_the_plain_one():
    differences = np.random.default_rng(0).normal(0.02, 0.02, 10)
    plain, p_plain = corrected_t_test(differences, 0.0)
    wide, p_wide = corrected_t_test(differences, 0.25)
    assert p_plain == pytest.approx(ttest_1samp(differences, 0).pvalue)
    assert p_wide > p_plain
    assert plain.value == wide.value
    assert (wide.high - wide.low) / (plain.high - plain.low) == pytest.approx(np.sqrt((0.1 + 0.25) / 0.1))
