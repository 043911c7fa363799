"""A regression is named when it is there, and only then."""

import msgspec
import pytest

from edge.bench.compare import compare_results
from edge.errors import DataError
from tests.bench.conftest import make_track


def verdicts(found):
    return {(row.track, row.metric): row.verdict for row in found.rows}


def test_slower_run_is_a_regression(make_result, samples):
    before = make_result(make_track("int8", samples(10.0, 1)))
    after = make_result(make_track("int8", samples(11.5, 2)))
    found = compare_results(before, after, 0.05)
    assert found.regressed
    assert verdicts(found)["int8", "wall p50"] == "slower"
    assert verdicts(found)["int8", "cpu mean"] == "slower"
    assert not compare_results(after, before, 0.05).regressed


def test_runs_of_one_build_are_no_regression(make_result, samples):
    for seed in range(10):
        before = make_result(make_track("int8", samples(10.0, seed)))
        after = make_result(make_track("int8", samples(10.0, 100 + seed)))
        assert not compare_results(before, after, 0.02).regressed


def test_difference_within_the_tolerance_is_the_same(make_result, samples):
    before = make_result(make_track("int8", samples(10.0, 1)))
    after = make_result(make_track("int8", samples(10.2, 2)))
    assert verdicts(compare_results(before, after, 0.05))["int8", "cpu mean"] == "same"


def test_few_noisy_samples_leave_it_unclear(make_result, samples):
    before = make_result(make_track("int8", samples(10.0, 1, count=60, noise=0.8), rounds=20))
    after = make_result(make_track("int8", samples(10.8, 2, count=60, noise=0.8), rounds=20))
    found = compare_results(before, after, 0.05)
    assert verdicts(found)["int8", "wall p50"] == "unclear"
    assert not found.regressed


def test_tail_of_too_few_samples_is_not_compared(make_result, samples):
    few, many = (make_result(make_track("int8", samples(10.0, 1, count=count))) for count in (60, 300))
    assert ("int8", "wall p99") in verdicts(compare_results(many, many, 0.05))
    assert ("int8", "wall p99") not in verdicts(compare_results(many, few, 0.05))


def test_wall_times_of_a_busy_machine_are_not_judged(make_result, samples):
    cpu = samples(10.0, 3)
    before = make_result(make_track("int8", samples(10.0, 1), cpu))
    after = make_result(make_track("int8", samples(40.0, 2), cpu), others=0.6)
    found = compare_results(before, after, 0.05)
    assert not found.regressed
    assert [row.metric for row in found.rows] == ["cpu mean"]
    assert "others took more than" in found.skipped[0]


def test_reference_of_the_same_run_cancels_a_slower_machine(make_result, samples):
    def run(seed, machine, own):
        fp32 = make_track("fp32", machine * samples(20.0, seed))
        int8 = make_track("int8", machine * own * samples(10.0, seed + 1))
        return make_result(fp32, int8, reference="fp32", others=0.5)

    assert not compare_results(run(1, 1.0, 1.0), run(3, 3.0, 1.0), 0.05).regressed
    found = compare_results(run(1, 1.0, 1.0), run(3, 3.0, 1.2), 0.05)
    assert found.regressed
    assert all(row.normalised for row in found.rows)
    assert found.rows[0].ratio == pytest.approx(1.2, rel=0.02)


def test_what_differs_between_the_machines_is_named(make_result, samples):
    before = make_result(make_track("int8", samples(10.0, 1)))
    environment = msgspec.structs.replace(before.environment, power_mode="2 MODE_30W")
    after = make_result(make_track("int8", samples(10.0, 2)), environment=environment)
    assert "power_mode: None before, 2 MODE_30W after" in compare_results(before, after, 0.05).differences


def test_results_of_different_benches_are_refused(make_result, samples):
    track = make_track("int8", samples(10.0, 1))
    with pytest.raises(DataError, match="bench engine with one of bench pipeline"):
        compare_results(make_result(track), make_result(track, bench="pipeline"), 0.05)
    with pytest.raises(DataError, match="no track in common"):
        compare_results(make_result(track), make_result(make_track("fp32", samples(1.0, 1))), 0.05)
