"""Drift is nothing where the risks are as at the acceptance, and grows as they move."""

import msgspec
import pytest

from edge.errors import DataError, NoInputError
from edge.exam.baseline import Baseline, drift, read_baseline

SHARE = (0.3, 0.2, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05)
BASELINE = Baseline("b", "fp32", 100, tuple(i / 10 for i in range(11)), SHARE, 0.1)


def test_drift_is_nothing_for_the_same_risks_and_grows():
    same = [round(1000 * share) for share in SHARE]
    moved = same[1:] + same[:1]
    assert drift(SHARE, [0] * 10) == 0
    assert drift(SHARE, same) == pytest.approx(0, abs=1e-9)
    assert 0.1 < drift(SHARE, moved) < drift(SHARE, same[::-1])
    assert drift(SHARE, [1000, *[0] * 9]) < 10  # empty bins are no infinity


def test_baseline_of_another_bundle_or_none_is_refused(tmp_path):
    path = tmp_path / "baseline.json"
    path.write_bytes(msgspec.json.encode(BASELINE))
    assert read_baseline(path, "b") == BASELINE
    with pytest.raises(DataError, match="expected c"):
        read_baseline(path, "c")
    path.write_bytes(b"{}")
    with pytest.raises(DataError, match="sonocart accept --baseline"):
        read_baseline(path, "b")
    with pytest.raises(NoInputError):
        read_baseline(tmp_path / "none", "b")


def test_baseline_of_no_case_is_refused(tmp_path):
    path = tmp_path / "baseline.json"
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(BASELINE, cases=0)))
    with pytest.raises(DataError, match="of no case"):
        read_baseline(path, "b")
