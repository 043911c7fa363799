"""Site acceptance: every case goes through the pipeline, and what it withholds is counted, not guessed."""

import json

import cv2
import numpy as np
import pytest

from edge.accept.promise import AS_PROMISED, BELOW, TOO_FEW, compare
from edge.accept.promise import verdict as verdict_of
from edge.accept.share import share_of
from edge.cli import run
from edge.errors import CannotCreateError, InternalError, NoInputError
from edge.exam.performance import Performance
from edge.figures import wilson
from tests.clips import tissue, write_clip
from tests.fakes import FakeEngine
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
    number = {"benign": 4, "malignant": 4, "withheld": 1, "withheld_malignant": 1, "patients": None}
    assert report["n"] == number
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
    assert "<h2>Verdict</h2>" in page
    assert "withheld: " in page
    assert "<script" not in page
    assert "http" not in page


@pytest.mark.parametrize("option", ["--report", "--baseline"])
def test_nothing_is_added_to_a_bundle_which_would_be_refused_then(bundle, cases, option):
    with pytest.raises(CannotCreateError, match="in the bundle"):
        run(["accept", str(bundle), "--cases", str(cases), option, str(bundle / "reports" / "accept.html")])
    assert not (bundle / "reports" / "accept.html").exists()


def test_table_for_people(bundle, cases, capsys):
    assert run(["accept", str(bundle), "--cases", str(cases)]) == 0
    out = capsys.readouterr().out
    assert "withheld     1 cases, 1 of them malignant" in out
    assert "sensitivity" in out


def test_missing_cases(bundle, tmp_path):
    with pytest.raises(NoInputError):
        run(["accept", str(bundle), "--cases", str(tmp_path / "none")])


def test_an_engine_that_fails_its_golden_frames_is_closed(bundle, cases, monkeypatch):
    wrong = FakeEngine(lambda tensor: float("nan"))
    monkeypatch.setattr("edge.engines.choose.open_engine", lambda *arguments, **options: wrong)
    with pytest.raises(InternalError, match="no risk"):
        run(["accept", str(bundle), "--cases", str(cases)])
    assert wrong.closed


def test_a_site_whose_cases_were_all_withheld_has_tested_nothing(bundle, tmp_path, capsys):
    for label in ("benign", "malignant"):
        (tmp_path / "cases" / label).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "cases" / label / "black.png"), np.full((96, 96), len(label), np.uint8))
    baseline = tmp_path / "baseline.json"
    given = ["--cases", str(tmp_path / "cases"), "--baseline", str(baseline)]
    assert run(["accept", str(bundle), *given]) == 1
    said = capsys.readouterr()
    assert "no case was given a risk, so nothing was tested" in said.out
    assert "no baseline is written" in said.err
    assert not baseline.exists()


def test_a_bundle_that_promises_nothing_is_said_to(bundle, cases, capsys):
    assert accept(bundle, cases, capsys)["promise"] == {}
    run(["accept", str(bundle), "--cases", str(cases)])
    assert "held against nothing" in capsys.readouterr().out


def shares(hits, cases):
    """Sensitivity of so many cases, each of another patient."""
    own = share_of(np.arange(cases) < hits, [str(k) for k in range(cases)])
    return {"sensitivity": own, "specificity": share_of(np.arange(100) < 80, list(map(str, range(100))))}


@pytest.mark.parametrize(
    ("hits", "cases", "verdict"),
    [
        (0, 0, "too few to tell"),
        (9, 10, "too few to tell"),  # just what was promised, on ten cases
        (90, 100, "as promised"),
        (60, 100, "below the promise"),
        (0, 8, "below the promise"),
        (87, 100, "too few to tell"),
    ],
)
def test_sensitivity_is_held_against_the_promise_and_few_cases_tell_nothing(hits, cases, verdict):
    row = compare(Performance(0.9, 0.8, 30, 60), shares(hits, cases))["sensitivity"]
    assert row["verdict"] == verdict
    assert row["cases"] == cases


def test_as_many_cases_as_are_said_to_tell_do_tell():
    def ask(hits, cases):
        return compare(Performance(0.9, 0.8, 30, 60), shares(hits, cases))["sensitivity"]

    enough = ask(9, 10)["enough_patients"]
    assert ask(round(0.9 * enough), enough)["verdict"] == "as promised"
    assert ask(round(0.9 * enough) - 3, enough - 3)["verdict"] == "too few to tell"


def test_a_bundle_without_figures_is_held_against_nothing():
    assert compare(None, shares(1, 2)) == {}


def test_several_images_of_one_patient_are_no_several_cases():
    hits = np.ones(100, bool)
    each, few = (share_of(hits, [f"p{k % number}" for k in range(100)]) for number in (100, 5))
    assert (each.cases, each.patients, few.cases, few.patients) == (100, 100, 100, 5)
    assert each.figure == wilson(100, 100)
    assert few.figure == wilson(5, 5)
    promised = Performance(0.9, 0.8, 30, 60)
    assert (
        compare(promised, {"sensitivity": each, "specificity": each})["sensitivity"]["verdict"] == AS_PROMISED
    )
    assert compare(promised, {"sensitivity": few, "specificity": few})["sensitivity"]["verdict"] == TOO_FEW


def test_a_patient_with_most_of_the_images_counts_as_little_more_than_one():
    share = share_of(np.arange(100) >= 50, ["a"] * 98 + ["b", "c"])
    assert share.figure.value == 0.5
    assert share.figure.high - share.figure.low > 0.75


def test_patients_of_a_manifest_widen_every_interval_and_are_counted(bundle, cases, tmp_path, capsys):
    before = accept(bundle, cases, capsys)
    lines = [
        f"{path.relative_to(cases)},{path.parent.name},p-{path.parent.name}" for path in cases.glob("*/*.png")
    ]
    (cases / "manifest.csv").write_text("\n".join(["path,label,patient", *lines]) + "\n")
    report = accept(bundle, cases, capsys, "--report", tmp_path / "accept.html")
    assert before["n"]["patients"] is None
    assert report["n"]["patients"] == 2
    for name in ("specificity", "sensitivity", "abstention"):
        assert report[name]["high"] - report[name]["low"] > before[name]["high"] - before[name]["low"]
    assert "The cases show 2 patients." in (tmp_path / "accept.html").read_text()


def figures(reasons=(), withheld=0, **verdicts):
    return {
        "n": {"benign": 2, "malignant": 2, "withheld": withheld},
        "reasons": dict(reasons),
        "promise": {name: {"verdict": said} for name, said in verdicts.items()},
    }


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (
            figures([("no lesion is marked", 3)], 4, sensitivity=TOO_FEW),
            "none of the 4 cases was given a risk",
        ),
        (figures([("no lesion is marked", 3)], 4, sensitivity=TOO_FEW), "in 3: no lesion is marked"),
        (figures(), "the bundle records no promise"),
        (figures(sensitivity=BELOW, specificity=TOO_FEW), "Below the promise: sensitivity."),
        (figures(sensitivity=AS_PROMISED, specificity=TOO_FEW), "too few cases to tell"),
        (figures(sensitivity=AS_PROMISED, specificity=AS_PROMISED), "As promised"),
    ],
)
def test_report_has_a_verdict_in_one_sentence_or_says_why_none_can_be_given(of, said):
    assert said in verdict_of(of)
