"""Reported figures are accepted if one confusion matrix gives them all, and every contradiction is named."""

import json
import math

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from edge import cli
from edge.errors import UsageError
from export.consistency import Reported, contradictions, objections
from export.statistics import ConfusionMatrix

PAPER = {
    "accuracy": "0.8544",
    "sensitivity": "0.8667",
    "specificity": "0.8627",
    "ppv": "0.701",
    "npv": "0.915",
}


def reported(texts):
    return [Reported.parse(name, text) for name, text in texts.items()]


@settings(max_examples=25)
@given(*[st.integers(1, 15)] * 4, st.integers(2, 4))
@example(1, 12, 2, 6, 2)  # two places leave the prevalence open by more than two points
def test_figures_of_a_real_matrix_are_never_refused(tp, fp, tn, fn, places):
    figures = ConfusionMatrix(tp, fp, tn, fn).figures()
    texts = {name: f"{figure.value:.{places}f}" for name, figure in figures.items()}
    assert objections(reported(texts), None, tp + fp + tn + fn, [], None) == []


@settings(max_examples=25, deadline=None)
@given(*[st.integers(0, 40)] * 4, st.integers(0, 2))
def test_figures_in_percent_of_matrices_with_empty_cells_are_never_refused(tp, fp, tn, fn, places):
    assume(tp + fn > 0 and fp + tn > 0)
    figures = ConfusionMatrix(tp, fp, tn, fn).figures()
    texts = {
        name: f"{100 * figure.value:.{places}f}%"
        for name, figure in figures.items()
        if not math.isnan(figure.value)
    }
    assert objections(reported(texts), None, tp + fp + tn + fn, [], None) == []


def test_a_figure_that_is_no_number_is_named():
    with pytest.raises(UsageError, match="found 'junk' for accuracy, expected proportions such as"):
        cli.run(["study", "figures", "--accuracy", "junk"])


@pytest.mark.parametrize(("text", "advice"), [("85", "give 0.85 or 85%"), ("86.70", "give 0.867 or 86.70%")])
def test_a_bare_percentage_is_refused_with_what_to_give(text, advice):
    with pytest.raises(UsageError, match=f"found '{text}' for accuracy, which is above 1 .{advice}"):
        cli.run(["study", "figures", "--accuracy", text])


def test_the_papers_figures_contradict_each_other_in_every_known_way():
    found = objections(reported(PAPER), Reported.parse("auc", "0.863"), 98, [698, 197, 98], 984)
    text = "\n".join(found)
    assert "add up to 993, not to 984" in text
    assert "accuracy 0.8544 does not lie between specificity 0.8627 and sensitivity 0.8667" in text
    assert "PPV means that 37.5%" in text or "PPV means that 27.1%" in text
    assert "accuracy 0.8544 cannot be a share of counts among 98 images" in text
    assert "no confusion matrix of 98 images gives sensitivity 0.8667 and specificity 0.8627 together" in text
    assert "ROC" not in text  # an AUC of 0.863 is possible with that point


def test_only_the_smallest_contradicting_sets_are_named():
    groups = contradictions(reported(PAPER), 98)
    names = [{figure.name for figure in group} for group in groups]
    assert {"accuracy"} in names
    assert not any({"accuracy"} < group for group in names)


def test_an_auc_must_fit_its_own_operating_point():
    point = reported({"sensitivity": "0.99", "specificity": "0.99"})
    assert "AUC from 0.980" in objections(point, Reported.parse("auc", "0.90"), None, [], None)[0]
    assert objections(point, Reported.parse("auc", "0.99"), None, [], None) == []


@pytest.mark.parametrize(
    ("text", "value", "rounding"), [("0.8667", 0.8667, 5e-5), ("86.67%", 0.8667, 5e-5), ("85%", 0.85, 5e-3)]
)
def test_the_digits_say_how_a_figure_was_rounded(text, value, rounding):
    figure = Reported.parse("ppv", text)
    assert figure.value == pytest.approx(value)
    assert figure.rounding == pytest.approx(rounding)


def test_the_verb_prints_and_exits_by_the_verdict(capsys):
    arguments = [f"--{name}={text}" for name, text in PAPER.items()]
    assert cli.run(["study", "figures", *arguments, "--n", "98", "--json"]) == 65
    assert not json.loads(capsys.readouterr().out)["possible"]
    good = ["--sensitivity", "0.80", "--specificity", "90%", "--accuracy", "0.85", "--n", "20"]
    assert cli.run(["study", "figures", *good]) == 0
    assert "Nothing speaks against" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--ppv", "high"],
        ["--ppv", "140"],
        ["--ppv", "8e-1"],
        ["--ppv", "0.5", "--n", "1"],
        ["--ppv", "0.5", "--parts", "a"],
    ],
)
def test_wrong_options_are_named(arguments):
    with pytest.raises(UsageError):
        cli.run(["study", "figures", *arguments])
