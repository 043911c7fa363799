"""`sonocart evaluate` judges on held-out cases, from one confusion matrix."""

import json

import pytest

from edge import cli
from edge.errors import DataError, NoInputError, UsageError
from tests.export.conftest import write_learnable


def evaluate(capsys, *arguments):
    assert cli.run(["evaluate", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_of_its_own_study_the_test_part_alone_is_judged(bundle, learnable, capsys):
    report = evaluate(capsys, bundle, learnable)
    assert report["n"] == {"benign": 4, "malignant": 4}
    assert report["patients"] == 4


def test_another_study_is_judged_whole_and_every_figure_follows_from_its_matrix(bundle, tmp_path, capsys):
    report = evaluate(capsys, bundle, write_learnable(tmp_path / "other", patients=10, seed=5))
    assert report["n"] == {"benign": 10, "malignant": 10}
    matrix = report["confusion_matrix"]
    tp, fp, tn, fn = (
        matrix[k] for k in ("true_positive", "false_positive", "true_negative", "false_negative")
    )
    assert report["sensitivity"]["value"] == pytest.approx(tp / (tp + fn), abs=1e-4)
    assert report["specificity"]["value"] == pytest.approx(tn / (tn + fp), abs=1e-4)
    assert report["accuracy"]["value"] == pytest.approx((tp + tn) / 20, abs=1e-4)
    for name in ("auc", "accuracy", "sensitivity", "specificity"):
        assert 0 <= report[name]["low"] <= report[name]["value"] <= report[name]["high"] <= 1


def test_the_operating_point_can_be_switched(bundle, learnable, capsys):
    usual = evaluate(capsys, bundle, learnable)
    sensitive = evaluate(capsys, bundle, learnable, "--point", "high-sensitivity")
    assert sensitive["operating_point"]["name"] == "high-sensitivity"
    assert sensitive["operating_point"]["threshold"] <= usual["operating_point"]["threshold"]
    assert sensitive["auc"] == usual["auc"]


def test_the_table_is_for_people(bundle, learnable, capsys):
    assert cli.run(["evaluate", str(bundle), str(learnable)]) == 0
    out = capsys.readouterr().out
    for word in ("4 benign and 4 malignant", "auc", "sensitivity", "95 % interval", "called malignant"):
        assert word in out


def test_wrong_input_is_named(bundle, learnable, tmp_path):
    with pytest.raises(DataError, match="no operating point 'best'"):
        cli.run(["evaluate", str(bundle), str(learnable), "--point", "best"])
    with pytest.raises(NoInputError, match="sonocart calibrate"):
        cli.run(["evaluate", str(bundle), str(learnable), "--precision", "int8"])
    with pytest.raises(UsageError):
        cli.run(["evaluate", str(bundle), str(learnable), "--precision", "fp8"])
    with pytest.raises(NoInputError, match="sonocart export"):
        cli.run(["evaluate", str(tmp_path), str(learnable)])
