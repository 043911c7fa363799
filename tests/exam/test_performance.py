"""Sensitivity and specificity, and what they mean at another prevalence."""

import json

import pytest

from edge.exam.performance import Performance, read_performance


class Report:
    def __init__(self, text):
        self.text = text

    def has(self, name):
        return self.text is not None

    def read(self, name):
        return self.text


def test_predictive_values_follow_the_prevalence():
    known = Performance(0.9, 0.8, 30, 60)
    assert known.ppv(0.25) == pytest.approx(0.6)  # 22.5 of 37.5
    assert known.npv(0.25) == pytest.approx(0.96)  # 60 of 62.5
    assert known.ppv(0.5) > known.ppv(0.1)
    assert known.npv(0.5) < known.npv(0.1)


def test_point_that_calls_nobody_malignant_has_no_true_positives():
    assert Performance(0.0, 1.0, 3, 3).ppv(0.3) == 0.0


def test_performance_is_read_from_the_bundle():
    row = {"sensitivity": 0.9, "specificity": 0.8, "malignant": 30, "benign": 60}
    text = json.dumps({"validation_auc": 1, "performance": {"balanced": row}}).encode()
    assert read_performance(Report(text)) == {"balanced": Performance(0.9, 0.8, 30, 60)}


@pytest.mark.parametrize("text", [None, b"{}", b"not json", b'{"performance": {"balanced": {}}}'])
def test_bundle_without_figures_claims_none(text):
    assert read_performance(Report(text)) == {}
