"""The running risk over the last good frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.exam.evidence import STALE_AFTER_NS, WINDOW_NS, Evidence, NoEstimate, RiskEstimate

MS = 1_000_000


def gather(risks, step_ms=40):
    evidence = Evidence()
    for index, risk in enumerate(risks):
        evidence.add(risk, index, index * step_ms * MS)
    return evidence


def test_equal_risks_give_that_risk():
    estimate = gather([0.3] * 10).estimate(360 * MS)
    assert estimate.risk == pytest.approx(0.3)
    assert (estimate.n, estimate.sequence, estimate.captured_ns) == (10, 9, 360 * MS)
    assert estimate.low < 0.3 < estimate.high


def test_mean_is_taken_over_logits():
    assert gather([0.1, 0.9]).estimate(40 * MS).risk == pytest.approx(0.5)
    assert gather([0.5, 0.999]).estimate(40 * MS).risk > 0.9


def test_unsteady_risks_widen_the_interval_and_steady_ones_narrow_it():
    steady, unsteady, few = (gather(r).estimate(0) for r in ([0.5] * 40, [0.1, 0.9] * 20, [0.5]))
    width = {id(e): e.high - e.low for e in (steady, unsteady, few)}
    assert width[id(steady)] < width[id(few)] < width[id(unsteady)]


def test_interval_covers_nine_of_ten_single_frame_risks():
    risks = [i / 100 for i in range(2, 99)]
    evidence = gather(risks, step_ms=10)
    estimate = evidence.estimate(0)
    inside = sum(estimate.low <= risk <= estimate.high for risk in risks)
    assert 0.85 <= inside / len(risks) <= 0.97


def test_only_the_window_counts():
    evidence = gather([0.9] * 5)
    evidence.add(0.1, 99, WINDOW_NS + 161 * MS)
    estimate = evidence.estimate(WINDOW_NS + 161 * MS)
    assert estimate.n == 1
    assert estimate.risk == pytest.approx(0.1)


def test_stale_risk_is_withheld():
    evidence = gather([0.9])
    assert isinstance(evidence.estimate(STALE_AFTER_NS), RiskEstimate)
    late = evidence.estimate(STALE_AFTER_NS + 200 * MS)
    assert late == NoEstimate("last risk is 0.7 s old")


def test_reset_forgets_everything_and_says_why():
    evidence = gather([0.9])
    evidence.reset("the scene has changed")
    assert evidence.estimate(0) == NoEstimate("the scene has changed")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_figures_are_always_probabilities_in_order(risks):
    estimate = gather(risks).estimate(0)
    assert 0 <= estimate.low <= estimate.risk <= estimate.high <= 1
