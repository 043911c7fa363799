"""PPV and NPV follow the prevalence, with intervals that hold them."""

import math

import pytest

from export.prevalence import at_prevalence
from export.statistics import ConfusionMatrix

MATRIX = ConfusionMatrix(true_positive=80, false_positive=30, true_negative=270, false_negative=20)


def test_at_the_test_parts_own_prevalence_they_are_its_own():
    figures = at_prevalence(MATRIX, 0.25)
    assert figures["ppv"].value == pytest.approx(80 / 110)
    assert figures["npv"].value == pytest.approx(270 / 290)


def test_bayes_theorem_at_another_prevalence():
    ppv, npv = at_prevalence(MATRIX, 0.05).values()
    assert ppv.value == pytest.approx(0.8 * 0.05 / (0.8 * 0.05 + 0.1 * 0.95))
    assert npv.value == pytest.approx(0.9 * 0.95 / (0.9 * 0.95 + 0.2 * 0.05))
    assert ppv.low < ppv.value < ppv.high


def test_the_interval_is_that_of_the_logit_method():
    ppv = at_prevalence(MATRIX, 0.25)["ppv"]
    spread = 1.959964 * math.sqrt(0.2 / 0.8 / 100 + 0.9 / 0.1 / 300)
    assert math.log(ppv.high / (1 - ppv.high)) - math.log(8 / 3) == pytest.approx(spread, abs=1e-5)


@pytest.mark.parametrize("matrix", [ConfusionMatrix(10, 0, 30, 0), ConfusionMatrix(0, 0, 30, 10)])
def test_empty_cells_give_figures_or_none_and_never_an_error(matrix):
    ppv, npv = at_prevalence(matrix, 0.2).values()
    assert 0 < npv.low <= 1
    assert math.isnan(ppv.value) == (matrix.true_positive == 0)
    assert 0 <= ppv.low <= ppv.high <= 1
    for figure in (ppv, npv):
        assert math.isnan(figure.value) or figure.low <= figure.value <= figure.high
