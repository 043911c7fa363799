"""Agreement figures are those of their definitions."""

import msgspec
import numpy as np
import pytest

from calibration.agreement import compare, run_frames, sqnr
from edge.contract.spec import OperatingPoint
from edge.engines.golden import Outputs
from tests.fakes import FakeEngine, spec


def outputs(risk, heatmap=None):
    risk = np.array(risk, np.float32)
    heatmap = np.linspace(0, 1, 4 * len(risk)) if heatmap is None else heatmap
    return Outputs(
        risk, np.array(heatmap, np.float32).reshape(len(risk), 2, 2), np.ones(len(risk), np.float32)
    )


def test_differences_flips_and_auc():
    a = compare(
        outputs([0.1, 0.4, 0.6, 0.9]),
        outputs([0.1, 0.55, 0.6, 0.8]),
        np.array([False, False, True, True]),
        spec(),
        "test",
    )
    assert a.max_difference == pytest.approx(0.15, abs=1e-6)
    assert a.mean_difference == pytest.approx(0.0625, abs=1e-6)
    assert a.flips == 1
    assert a.flips_by_point == {"balanced": 1}
    assert a.withheld == 0
    assert a.images == 4
    assert (a.auc_fp32, a.auc) == (1.0, 1.0)
    assert a.heatmap_correlation == pytest.approx(1.0)
    assert a.sqnr_heatmap_db == 200.0


def test_flips_are_counted_at_each_point_and_what_is_withheld_too():
    points = (OperatingPoint(name="low", threshold=0.3), OperatingPoint(name="balanced", threshold=0.5))
    before, after = outputs([0.1, 0.4, 0.6, 0.9]), outputs([0.35, 0.35, 0.45, 0.25])
    after.ood[1] = spec().ood_threshold + 0.1
    wider = msgspec.structs.replace(spec(), operating_points=points)
    a = compare(before, after, np.array([False, False, True, True]), wider, "test")
    assert a.flips_by_point == {"low": 2, "balanced": 2}
    assert a.flips == 2
    assert a.withheld == 1


def test_risk_at_the_threshold_counts_as_malignant():
    labels = np.array([False, True])
    same = compare(outputs([0.5, 0.5]), outputs([0.5, 0.7]), labels, spec(), "test")
    assert same.flips == 0


def test_sqnr_is_that_of_known_noise():
    signal = np.full(1000, 2.0, np.float32)
    assert sqnr(signal, signal + 0.02) == pytest.approx(40.0, abs=0.01)


def test_constant_heatmap_has_no_correlation():
    flat = outputs([0.2, 0.7], np.zeros(8))
    assert compare(flat, flat, np.array([False, True]), spec(), "test").heatmap_correlation is None


def test_each_frame_is_run_once():
    engine, steps = FakeEngine(), []
    found = run_frames(engine, np.full((3, 1, 4, 4), 51, np.uint8), lambda: steps.append(1))
    assert engine.calls == len(steps) == 3
    assert found.risk == pytest.approx([0.2] * 3)
    assert found.heatmap.shape == (3, 4, 4)
