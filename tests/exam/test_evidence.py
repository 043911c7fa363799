"""The running risk over the good frames of a lesion."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.exam.evidence import STALE_AFTER_NS, Evidence, NoEstimate, RiskEstimate, _quantile, shot_of
from edge.exam.spread import Spread

MS = 1_000_000


def view(seed, quality=1.0):
    """Seeds that differ give views that have nothing in common."""
    return shot_of(np.random.default_rng(seed).integers(0, 255, (1, 1, 32, 32), np.uint8), quality)


def gather(risks, step_ms=40, views=lambda index: view(index)):
    evidence = Evidence()
    for index, risk in enumerate(risks):
        evidence.add(risk, index, index * step_ms * MS, views(index))
    return evidence


def width(evidence):
    estimate = evidence.estimate(0)
    return estimate.high - estimate.low


def test_equal_risks_give_that_risk():
    estimate = gather([0.3] * 10).estimate(360 * MS)
    assert estimate.risk == pytest.approx(0.3)
    assert (estimate.n, estimate.sequence, estimate.captured_ns) == (10, 9, 360 * MS)
    assert estimate.low < 0.3 < estimate.high


def test_mean_is_taken_over_logits():
    assert gather([0.1, 0.9], views=lambda _: view(0)).estimate(40 * MS).risk == pytest.approx(0.5)
    assert gather([0.5, 0.999]).estimate(40 * MS).risk > 0.9


def test_good_frames_weigh_more_than_poor_ones():
    estimate = gather([0.1, 0.9], views=lambda index: view(0, (0.9, 0.1)[index])).estimate(0)
    assert estimate.risk < 0.2


def test_unsteady_risks_widen_the_interval_and_new_views_narrow_it():
    assert width(gather([0.5] * 10)) < width(gather([0.5])) < width(gather([0.01, 0.99] * 3))


def test_view_held_still_adds_frames_but_no_certainty():
    still = gather([0.5] * 100, views=lambda _: view(0))
    assert still.looks == pytest.approx(1, abs=1e-4)
    assert still.estimate(0).n == 100
    assert width(still) == pytest.approx(width(gather([0.5])), abs=1e-4)


def test_speed_of_the_sweep_does_not_matter_for_what_counts_as_seen():
    first, last = (np.random.default_rng(i).integers(0, 255, (1, 1, 32, 32)).astype(float) for i in (1, 2))

    def sweep(frames):
        part = np.linspace(0, 1, frames)
        pictures = [((1 - p) * first + p * last).astype(np.uint8) for p in part]
        return gather([0.5] * frames, views=lambda index: shot_of(pictures[index], 1.0)).looks

    assert sweep(40) == pytest.approx(sweep(120), rel=0.35)
    assert sweep(40) > 4


def test_what_was_seen_long_ago_fades():
    evidence = gather([0.9] * 20 + [0.1] * 200)
    assert evidence.estimate(0).risk < 0.15


def test_best_frames_are_distinct_and_the_best():
    evidence = gather(
        [0.5] * 40,
        views=lambda index: view(index // 4, quality=0.5 + 0.01 * (index // 4) + 0.002 * (index % 4)),
    )
    assert [frame.sequence for frame in evidence.best] == [39, 35, 31, 27, 23, 19]
    assert evidence.best[0].picture.shape == (64, 64)
    with pytest.raises(ValueError, match="read-only"):
        evidence.best[0].picture[0, 0] = 1


def test_stale_risk_is_withheld():
    evidence = gather([0.9])
    assert isinstance(evidence.estimate(STALE_AFTER_NS), RiskEstimate)
    late = evidence.estimate(STALE_AFTER_NS + 200 * MS)
    assert late == NoEstimate("last risk is 0.7 s old")


def test_reset_forgets_everything_and_says_why():
    evidence = gather([0.9])
    evidence.reset("the scene has changed")
    assert evidence.estimate(0) == NoEstimate("the scene has changed")
    assert evidence.best == ()
    assert evidence.looks == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_figures_are_always_probabilities_in_order(risks):
    estimate = gather(risks).estimate(0)
    assert 0 <= estimate.low <= estimate.risk <= estimate.high <= 1


@pytest.mark.parametrize("freedom", [4.0, 7.5, 40.0])
def test_quantile_is_that_of_students_t(freedom):
    stats = pytest.importorskip("scipy.stats")
    assert _quantile(freedom) == pytest.approx(stats.t.ppf(0.95, freedom), rel=0.01)


def test_first_look_is_as_wide_as_the_models_own_spread():
    def first(deviation):
        evidence = Evidence(spread=Spread(deviation=deviation, reach=2.0, sweeps=24))
        evidence.add(0.5, 0, 0, view(0))
        return width(evidence)

    assert first(0.05) == pytest.approx(0.05, rel=0.1)  # 2 t / 4, the slope of the sigmoid
    assert first(0.05) < first(0.5) < first(1.0)
