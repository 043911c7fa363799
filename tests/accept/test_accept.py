"""Site acceptance: every case goes through the pipeline, and what it withholds is counted, not guessed."""

import json

import cv2
import numpy as np
import pytest

from edge.cli import run
from edge.errors import NoInputError
from tests.clips import tissue, write_clip
from tests.networks import write_bundle, write_study


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    return write_bundle(folder / "bundle", write_study(folder / "study")).path


@pytest.fixture
def cases(tmp_path):
    """Stills and clips of both classes that the bundle has never met, one of them black."""
    for label in ("benign", "malignant"):
        (tmp_path / "cases" / label).mkdir(parents=True)
        for index in range(3):
            picture = tissue(10 * len(label) + index, 240, 320, (0, 0, 320, 240))
            cv2.imwrite(str(tmp_path / "cases" / label / f"{index}.png"), picture)
    write_clip(tmp_path / "cases/benign/sweep.mp4", [tissue(i, 240, 320) for i in range(20)])
    cv2.imwrite(str(tmp_path / "cases/malignant/black.png"), np.zeros((96, 96), np.uint8))
    return tmp_path / "cases"


def accept(bundle, cases, capsys, *options):
    assert run(["accept", str(bundle), "--cases", str(cases), "--json", *map(str, options)]) == 0
    return json.loads(capsys.readouterr().out)


def test_every_case_has_a_risk_or_a_reason(bundle, cases, capsys):
    report = accept(bundle, cases, capsys)
    verdicts = {verdict["case"]: verdict for verdict in report["cases"]}
    assert len(verdicts) == 8
    black = verdicts.pop("malignant/black.png")
    assert black["risk"] is None
    assert black["reason"]
    assert report["n"] == {"benign": 4, "malignant": 4, "withheld": 1, "withheld_malignant": 1}
    assert report["reasons"] == {black["reason"]: 1}
    assert report["abstention"]["value"] == 0.125
    for verdict in verdicts.values():
        assert 0 < verdict["risk"] < 1
        assert verdict["n"] > 1
    assert verdicts["benign/sweep.mp4"]["pictures"] == 20
    assert sum(report["confusion_matrix"].values()) == 7


def test_a_still_gives_the_risk_of_the_evaluation(bundle, cases, capsys):
    """The pipeline and the shortcut of `evaluate` must say the same of the same image."""
    from edge.contract.bundle import open_bundle
    from edge.engines.onnx import reference_engine
    from edge.study.read import read_study
    from edge.study.tensors import case_tensor

    opened = open_bundle(bundle)
    engine = reference_engine(opened, "fp32", threads=1)
    verdicts = {verdict["case"]: verdict["risk"] for verdict in accept(bundle, cases, capsys)["cases"]}
    for case in read_study(cases).cases:
        if case.path.stem != "black":
            expected = engine.infer(case_tensor(case, opened.spec.preprocessing)).risk
            assert verdicts[f"{case.label}/{case.path.name}"] == pytest.approx(expected, abs=0.02)


def test_images_that_the_model_was_made_with_are_left_out(bundle, capsys):
    report = accept(bundle, bundle.parent / "study", capsys)
    assert (len(report["cases"]), report["left out"]) == (8, 16)


def test_baseline_is_the_distribution_of_the_risks(bundle, cases, tmp_path, capsys):
    report = accept(bundle, cases, capsys, "--baseline", tmp_path / "state" / "baseline.json")
    baseline = json.loads((tmp_path / "state" / "baseline.json").read_text())
    assert baseline["cases"] == 7
    assert baseline["withheld"] == pytest.approx(0.125)
    assert sum(baseline["share"]) == pytest.approx(1, abs=1e-4)
    risks = [verdict["risk"] for verdict in report["cases"] if verdict["risk"] is not None]
    assert baseline["share"] == pytest.approx(
        (np.histogram(risks, baseline["edges"])[0] / 7).tolist(), abs=1e-4
    )


def test_page_names_every_case(bundle, cases, tmp_path, capsys):
    accept(bundle, cases, capsys, "--report", tmp_path / "accept.html")
    page = (tmp_path / "accept.html").read_text()
    assert "sweep.mp4" in page
    assert "withheld: " in page
    assert "<script" not in page
    assert "http" not in page


def test_table_for_people(bundle, cases, capsys):
    assert run(["accept", str(bundle), "--cases", str(cases)]) == 0
    out = capsys.readouterr().out
    assert "withheld     1 cases, 1 of them malignant" in out
    assert "sensitivity" in out


def test_missing_cases(bundle, tmp_path):
    with pytest.raises(NoInputError):
        run(["accept", str(bundle), "--cases", str(tmp_path / "none")])
