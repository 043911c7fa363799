"""Ranges: every value of every frame is counted, and each method does what its name says."""

import numpy as np
import pytest

from calibration.frames import calibration_set
from calibration.ranges import BINS, Histogram, amax, clipped, collect
from calibration.request import METHODS
from tests.networks import SIZE, residual_network


def histogram(values):
    result = Histogram(np.zeros(BINS, np.int64))
    for part in np.array_split(np.asarray(values, np.float32), 7):
        result.add(part)
    return result


def test_growing_range_loses_no_value():
    values = np.concatenate([np.zeros(100), np.geomspace(1e-3, 1e3, 5000)])
    h = histogram(values)
    assert h.counts.sum() == values.size
    assert h.largest == pytest.approx(1e3)
    assert h.top >= h.largest
    above = h.counts[BINS // 2 :].sum()
    assert above == pytest.approx((values > h.top / 2).sum(), abs=2)


def test_all_zero_tensor_has_no_range():
    h = histogram(np.zeros(70))
    assert h.largest == 0
    assert h.counts[0] == 70
    assert {name: amax(h, name) for name in METHODS} == dict.fromkeys(METHODS, 0.0)


def test_both_ends_are_remembered_and_clipped():
    h = histogram(np.linspace(-0.5, 2, 51))
    assert (h.lowest, h.highest, h.largest) == (-0.5, 2.0, 2.0)
    assert clipped(h, 1.0) == (-0.5, 1.0)
    assert clipped(histogram(np.linspace(1, 3, 51)), 9.0) == (0.0, 3.0)  # 0 is always represented


def test_percentile_clips_an_outlier_and_max_does_not():
    values = np.concatenate([np.random.default_rng(0).uniform(0, 1, 200_000), [50.0]])
    h = histogram(values)
    assert amax(h, "max") == 50
    assert amax(h, "percentile") < 1.1


def test_mse_takes_the_range_with_the_least_error():
    values = np.abs(np.random.default_rng(1).standard_t(3, 50_000)).astype(np.float32)
    h = histogram(values)

    def error(top):
        scale = top / 127
        return np.mean((values - np.clip(np.rint(values / scale), -127, 127) * scale) ** 2)

    chosen = error(amax(h, "mse"))
    best = min(error(h.largest * 2**-exponent) for exponent in np.linspace(0, 4, 200))
    assert chosen < 1.05 * best
    assert chosen < 0.9 * error(h.largest)


def test_entropy_clips_a_long_tail_but_not_a_flat_range():
    rng = np.random.default_rng(2)
    tail = histogram(np.abs(rng.standard_t(2, 50_000)))
    assert amax(tail, "entropy") < 0.7 * tail.largest
    flat = histogram(rng.uniform(0, 1, 50_000))
    assert amax(flat, "entropy") > 0.9 * flat.largest


def frames(count, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (count, 1, SIZE, SIZE), np.uint8)


def test_every_frame_is_consumed_and_counted():
    steps = []
    data = calibration_set(frames(5))
    found = collect(residual_network(), ["pool", "a2"], data, 1, lambda: steps.append(1))
    assert len(steps) == 5
    assert found["pool"].counts.sum() == 5 * 8 * 16 * 16
    assert found["a2"].lowest < 0
    assert found["pool"].lowest == 0


def test_content_hash_knows_content_not_order():
    data = frames(5)
    assert calibration_set(data).sha256 == calibration_set(data[::-1]).sha256
    changed = data.copy()
    changed[3, 0, 7, 7] ^= 1
    assert calibration_set(changed).sha256 != calibration_set(data).sha256
