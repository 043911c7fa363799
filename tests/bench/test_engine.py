"""The engine bench on stand-ins: what it records, and what it refuses to measure."""

import pytest

from edge.bench.engine import PHASE_QUERIES, compare_tracks, measure_engines
from edge.bench.rule import Rule
from edge.engines.base import Phases
from edge.errors import InternalError
from tests.bench.conftest import make_track
from tests.fakes import FakeEngine

SHORT = Rule(30, 0.0, 0.0)


class DeviceEngine(FakeEngine):
    def infer_timed(self, tensor):
        return self.infer(tensor), Phases(0.1, 0.5, 0.05)


def measure(bundle, engines, precisions):
    return measure_engines(bundle, precisions, engines.__getitem__, SHORT, {}, lambda done: None)


def test_precisions_are_interleaved_and_set_in_ratio_to_the_first(bundle):
    engines = {"fp32": FakeEngine(), "int8": FakeEngine()}
    result = measure(bundle, engines, ["fp32", "int8"])
    assert result.reference == "fp32"
    assert [(c.track, c.reference, c.metric) for c in result.comparisons if c.metric != "wall p99"] == [
        ("int8", "fp32", "wall p50"),
        ("int8", "fp32", "cpu mean"),
    ]
    assert all(c.low <= c.ratio <= c.high for c in result.comparisons)
    assert result.summary["int8"].samples >= 30
    assert all(engine.closed for engine in engines.values())


def test_tail_is_set_in_ratio_only_where_the_samples_support_it(samples):
    def metrics(count):
        tracks = [make_track(name, samples(10.0, 1, count=count)) for name in ("int8", "fp32")]
        return [found.metric for found in compare_tracks(*tracks)]

    assert metrics(99) == ["wall p50", "cpu mean"]
    assert metrics(100) == ["wall p50", "wall p99", "cpu mean"]


def test_transfers_are_reported_apart_where_the_engine_can_tell(bundle):
    result = measure(bundle, {"int8": DeviceEngine()}, ["int8"])
    assert result.summary["int8 transfer in"].wall["p50"] == 0.1
    assert result.summary["int8 compute"].wall["p50"] == 0.5
    assert result.summary["int8 transfer out"].samples == PHASE_QUERIES
    whole = result.summary["int8"].wall["p50"]
    overhead = result.figures["int8 graph replay overhead, ms"]
    assert overhead == pytest.approx(whole - 0.1 - 0.5 - 0.05, abs=0.02)  # their medians differ by a rank
    assert [track.name for track in measure(bundle, {"int8": FakeEngine()}, ["int8"]).tracks] == ["int8"]


def test_engine_that_gives_wrong_outputs_is_not_measured(bundle):
    wrong = FakeEngine(lambda tensor: 0.99)
    with pytest.raises(InternalError, match="golden"):
        measure(bundle, {"int8": wrong}, ["int8"])
    assert wrong.closed


def test_short_run_is_called_a_trial(bundle):
    assert "a trial, not a result" in measure(bundle, {"int8": FakeEngine()}, ["int8"]).notes[-1]
