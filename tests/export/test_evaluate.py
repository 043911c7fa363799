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


def test_every_figure_has_an_interval_over_patients_beside_that_by_image(bundle, tmp_path, capsys):
    report = evaluate(capsys, bundle, write_learnable(tmp_path / "other", patients=12, seed=5))
    for name in ("auc", "accuracy", "sensitivity", "specificity", "ppv", "npv", "training_accuracy"):
        over = report[name]["over_patients"]
        assert 0 <= over["low"] <= report[name]["value"] <= over["high"] <= 1
    assert report["ood"]["withheld"]["over_patients"]
    strange = report["ood"]["withheld_patients"]["value"] * 12
    assert strange == pytest.approx(round(strange), abs=1e-3)
    for row in report["coverage"]:
        assert row["wrong_by_certainty"]["over_patients"]
    assert report["coverage"][0]["wrong_by_ood"]["value"] == pytest.approx(1 - report["accuracy"]["value"])


def test_without_patients_there_is_no_interval_over_them(bundle, tmp_path, capsys):
    other = write_learnable(tmp_path / "other", patients=10, seed=5)
    lines = (other / "manifest.csv").read_text().splitlines()
    (other / "manifest.csv").write_text("\n".join(line.partition(",")[2] for line in lines) + "\n")
    report = evaluate(capsys, bundle, other)
    assert report["patients"] is None
    assert report["auc"]["over_patients"] is None
    assert report["ood"]["withheld_patients"] is None
    card = tmp_path / "CARD.md"
    assert cli.run(["evaluate", str(bundle), str(other), "--card", str(card)]) == 0
    assert "patients not known" in capsys.readouterr().out
    assert "patients not known" in card.read_text()


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


def write_truth(root, malignant_ratio):
    lines = ["patient,log_likelihood_ratio"]
    lines += [f"p{patient},{malignant_ratio if patient % 2 else -1}" for patient in range(40)]
    (root / "truth.csv").write_text("\n".join(lines) + "\n")


def test_of_a_synthetic_study_the_share_of_its_ceiling_is_told(bundle, tmp_path, capsys):
    other = write_learnable(tmp_path / "other", patients=10, seed=5)
    assert "ceiling" not in evaluate(capsys, bundle, other)
    write_truth(other, malignant_ratio=2)
    report = evaluate(capsys, bundle, other)
    assert report["ceiling"]["auc"] == 1.0
    assert report["ceiling"]["reached"]["value"] == pytest.approx(report["auc"]["value"], abs=1e-4)
    write_truth(other, malignant_ratio=-1)  # nothing tells the classes apart: half is the most to be had
    report = evaluate(capsys, bundle, other)
    assert report["ceiling"]["auc"] == 0.5
    assert report["ceiling"]["reached"]["value"] == pytest.approx(2 * report["auc"]["value"], abs=2e-4)
    assert cli.run(["evaluate", str(bundle), str(other)]) == 0
    assert "of these synthetic patients' AUC; reached" in capsys.readouterr().out


def test_a_truth_that_lacks_a_patient_is_refused(bundle, tmp_path):
    other = write_learnable(tmp_path / "other", patients=10, seed=5)
    (other / "truth.csv").write_text("patient,log_likelihood_ratio\np0,1.0\n")
    with pytest.raises(DataError, match=r"truth\.csv.*'p1'"):
        cli.run(["evaluate", str(bundle), str(other)])
