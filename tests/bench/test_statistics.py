"""Figures drawn from samples, held against published numbers and brute force."""

import numpy as np
import pytest

from edge.bench.statistics import block_length, early_stopping, percentile, queries_needed, ratio


@pytest.mark.parametrize(("fraction", "needed"), [(0.9, 64), (0.99, 662), (0.999, 6636)])
def test_early_stopping_needs_as_many_queries_as_loadgen_says(fraction, needed):
    assert queries_needed(fraction) == needed
    assert early_stopping(np.arange(needed - 1.0), fraction) is None
    assert early_stopping(np.arange(float(needed)), fraction) == needed - 1


def test_early_stopping_bounds_the_true_percentile_in_99_of_100_runs():
    random = np.random.default_rng(1)
    truth = -np.log(0.1)  # the 90th percentile of the standard exponential
    below = sum(early_stopping(random.exponential(size=700), 0.9) < truth for _ in range(2000))
    assert below <= 30  # 20 expected at most


def test_early_stopping_tends_to_the_percentile():
    samples = np.random.default_rng(2).permutation(100_000).astype(float)
    assert early_stopping(samples, 0.99) == pytest.approx(percentile(samples, 0.99), rel=0.002)


def test_percentile_is_nearest_rank_without_interpolation():
    assert percentile(np.array([10.0, 1.0, 2.0, 3.0]), 0.5) == 3.0


def test_block_is_as_long_as_the_memory_of_the_series():
    random = np.random.default_rng(3)
    white = random.normal(size=4000)
    slow = np.convolve(random.normal(size=4039), np.ones(40), "valid")
    assert block_length(white) <= 3
    assert 25 <= block_length(slow) <= 80


def test_paired_rounds_cancel_what_disturbs_both():
    random = np.random.default_rng(4)
    machine = np.repeat(random.uniform(1.0, 4.0, 60), 1)
    reference = [10.0 * state * random.normal(1.0, 0.02, 20) for state in machine]
    measured = [5.0 * state * random.normal(1.0, 0.02, 20) for state in machine]
    median = lambda samples: percentile(samples, 0.5)  # noqa: E731
    paired = ratio(measured, reference, median, paired=True)
    apart = ratio(measured, reference, median, paired=False)
    assert paired.low < 0.5 < paired.high
    assert paired.high - paired.low < 0.5 * (apart.high - apart.low)


def test_interval_covers_the_truth_about_as_often_as_it_says_though_samples_hang_together():
    random = np.random.default_rng(5)
    hits = 0
    for trial in range(20):
        series = []
        for _ in range(2):
            drift = np.convolve(random.normal(size=400 + 19), np.ones(20) / 20, "valid")
            values = 10.0 * np.exp(0.2 * drift + 0.05 * random.normal(size=400))
            series.append(list(values.reshape(50, 8)))
        found = ratio(*series, lambda samples: percentile(samples, 0.5), paired=False, seed=trial)
        hits += found.low <= 1.0 <= found.high
    assert hits >= 16  # 19 expected
